#include "tests/storage/temporary_folder.h"

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace lockstep::storage {

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "lockstep-XXXXXX").string();
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
    std::ostringstream bytes;
    bytes << std::ifstream(file.path(), std::ios::binary).rdbuf();
    contents[file.path().filename().string()] = bytes.str();
  }
  return contents;
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
