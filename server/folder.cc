#include "server/folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace lockstep::server {
namespace {

std::string Failure(const std::filesystem::path& path, int error) {
  return absl::StrCat(path.string(), ": ",
                      std::error_code(error, std::generic_category()).message());
}

// A new name in a folder survives a power cut only once the folder is synced.
std::string SyncFolder(const std::filesystem::path& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && fsync(fd) == 0;
  const std::error_code error(synced ? 0 : errno, std::generic_category());
  if (fd >= 0) {
    close(fd);
  }
  return synced ? "" : absl::StrCat(folder.string(), ": ", error.message());
}

// Writes all of `bytes` to `fd` and syncs it. Returns errno, or 0.
int WriteAndSync(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) {
      return errno;
    }
    bytes.remove_prefix(written < 0 ? 0 : static_cast<std::size_t>(written));
  }
  return fsync(fd) == 0 ? 0 : errno;
}

}  // namespace

std::string MakeFolder(const std::filesystem::path& folder) {
  std::error_code error;
  if (std::filesystem::is_directory(folder, error)) {
    return "";
  }
  const std::filesystem::path parent =
      folder.has_parent_path() ? folder.parent_path() : std::filesystem::path(".");
  if (parent != folder) {
    if (std::string failure = MakeFolder(parent); !failure.empty()) {
      return failure;
    }
  }
  std::filesystem::create_directory(folder, error);
  if (error) {
    return absl::StrCat(folder.string(), ": ", error.message());
  }
  return SyncFolder(parent);
}

std::string ReplaceFile(const std::filesystem::path& path, std::string_view bytes) {
  const std::filesystem::path fresh = path.string() + ".new";
  const int fd = open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) {
    return Failure(fresh, errno);
  }
  const int error = WriteAndSync(fd, bytes);
  close(fd);
  if (error != 0) {
    return Failure(fresh, error);
  }
  if (std::rename(fresh.c_str(), path.c_str()) != 0) {
    return Failure(path, errno);
  }
  return SyncFolder(path.parent_path());
}

std::string MoveFile(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) {
    return Failure(from, errno);
  }
  // Where it goes first: a crash in between must not lose it.
  std::string failure = SyncFolder(to.parent_path());
  return failure.empty() ? SyncFolder(from.parent_path()) : failure;
}

}  // namespace lockstep::server
