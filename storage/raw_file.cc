#include "storage/raw_file.h"

#include <sqlite3.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "storage/status.h"

namespace lockstep::storage {
namespace {

int FlagsOf(RawFile::Kind kind) {
  switch (kind) {
    case RawFile::Kind::kDatabase:
      return SQLITE_OPEN_MAIN_DB;
    case RawFile::Kind::kJournal:
      return SQLITE_OPEN_MAIN_JOURNAL;
    case RawFile::Kind::kWal:
      return SQLITE_OPEN_WAL;
  }
  return 0;
}

absl::Status Error(const std::string& path, const char* doing, int code) {
  return absl::InternalError(
      absl::StrFormat("%s: %s: %s (SQLite %d)", path, doing, sqlite3_errstr(code), code));
}

}  // namespace

absl::StatusOr<std::optional<RawFile>> RawFile::Open(const std::string& path,
                                                     const std::string& vfs_name, Kind kind) {
  sqlite3_vfs* vfs = sqlite3_vfs_find(vfs_name.empty() ? nullptr : vfs_name.c_str());
  if (vfs == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrFormat("%s: no SQLite VFS is called '%s'", path, vfs_name));
  }
  std::string full(static_cast<std::size_t>(vfs->mxPathname) + 1, '\0');
  int code = vfs->xFullPathname(vfs, path.c_str(), vfs->mxPathname, full.data());
  if (code != SQLITE_OK && code != SQLITE_OK_SYMLINK) {
    return Error(path, "finding the full path", code);
  }
  int exists = 0;
  code = vfs->xAccess(vfs, full.c_str(), SQLITE_ACCESS_EXISTS, &exists);
  if (code != SQLITE_OK) {
    return Error(path, "looking for the file", code);
  }
  if (exists == 0) {
    return std::optional<RawFile>();
  }
  // VFSs look for parameters of a URI behind the name's end: there are none.
  full.append(4, '\0');
  RawFile opened(path,
                 std::vector<std::uint64_t>(static_cast<std::size_t>(vfs->szOsFile) / 8 + 1, 0));
  code =
      vfs->xOpen(vfs, full.c_str(), opened.file(), SQLITE_OPEN_READONLY | FlagsOf(kind), nullptr);
  if (code != SQLITE_OK) {
    return Error(path, "opening for reading", code);
  }
  sqlite3_int64 size = 0;
  code = opened.file()->pMethods->xFileSize(opened.file(), &size);
  if (code != SQLITE_OK) {
    return Error(path, "asking for the size", code);
  }
  opened.size_bytes_ = static_cast<std::uint64_t>(size);
  return std::optional<RawFile>(std::move(opened));
}

RawFile::RawFile(std::string path, std::vector<std::uint64_t> memory)
    : path_(std::move(path)), memory_(std::move(memory)) {}

// The file object stays where it is: moving a vector moves no element.
RawFile::RawFile(RawFile&& other) noexcept
    : path_(std::move(other.path_)),
      memory_(std::exchange(other.memory_, {})),
      size_bytes_(other.size_bytes_) {}

RawFile::~RawFile() {
  if (!memory_.empty() && file()->pMethods != nullptr) {
    file()->pMethods->xClose(file());
  }
}

sqlite3_file* RawFile::file() const {
  return reinterpret_cast<sqlite3_file*>(const_cast<std::uint64_t*>(memory_.data()));
}

absl::Status RawFile::Read(std::uint64_t offset, std::size_t count, std::string* bytes) const {
  const std::uint64_t there = offset < size_bytes_ ? size_bytes_ - offset : 0;
  bytes->resize(static_cast<std::size_t>(std::min<std::uint64_t>(count, there)));
  if (bytes->empty()) {
    return absl::OkStatus();
  }
  const int code = file()->pMethods->xRead(file(), bytes->data(), static_cast<int>(bytes->size()),
                                           static_cast<sqlite3_int64>(offset));
  return code == SQLITE_OK ? absl::OkStatus() : Error(path_, "reading", code);
}

}  // namespace lockstep::storage
