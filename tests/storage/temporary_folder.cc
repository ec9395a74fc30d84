#include "tests/storage/temporary_folder.h"

#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <utility>

namespace lockstep::storage {
namespace {

// In memory where the system has such a place: these tests sync often and need no real disk.
std::filesystem::path Parent() {
  const std::filesystem::path memory = "/dev/shm";
  std::error_code ignored;
  return std::filesystem::is_directory(memory, ignored) ? memory
                                                        : std::filesystem::temp_directory_path();
}

}  // namespace

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (Parent() / "lockstep-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) {
    throw std::runtime_error("cannot make a folder like " + pattern);
  }
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::map<std::string, std::string> TemporaryFolder::Contents() const {
  std::map<std::string, std::string> contents;
  for (const auto& file : std::filesystem::directory_iterator(path_)) {
    if (!file.is_regular_file()) {
      continue;
    }
    std::string bytes(file.file_size(), '\0');
    std::ifstream(file.path(), std::ios::binary)
        .read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    contents[file.path().filename().string()] = std::move(bytes);
  }
  return contents;
}

std::uintmax_t TemporaryFolder::SizeOf(const std::string& name) const {
  std::error_code missing;
  const std::uintmax_t size = std::filesystem::file_size(path_ / name, missing);
  return missing ? 0 : size;
}

void TemporaryFolder::Clear() const {
  for (const auto& file : std::filesystem::directory_iterator(path_)) {
    std::filesystem::remove_all(file.path());
  }
}

void TemporaryFolder::Restore(const std::map<std::string, std::string>& contents) const {
  Clear();
  for (const auto& [name, bytes] : contents) {
    std::ofstream(path_ / name, std::ios::binary) << bytes;
  }
}

}  // namespace lockstep::storage
