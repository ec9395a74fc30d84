// Bytes of a database's files, read through its VFS and past SQLite: to learn what opening the
// database would find before SQLite touches, recovers or deletes anything.

#ifndef LOCKSTEP_STORAGE_RAW_FILE_H_
#define LOCKSTEP_STORAGE_RAW_FILE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct sqlite3_file;

namespace lockstep::storage {

class RawFile {
 public:
  enum class Kind { kDatabase, kJournal, kWal };

  // Opens for reading. Nullopt if there is no such file; some VFSs say so of an empty one too.
  static absl::StatusOr<std::optional<RawFile>> Open(const std::string& path,
                                                     const std::string& vfs, Kind kind);
  RawFile(RawFile&& other) noexcept;
  RawFile& operator=(RawFile&&) = delete;
  ~RawFile();

  std::uint64_t size_bytes() const { return size_bytes_; }  // when it was opened

  // The `count` bytes at `offset`, into `bytes`; fewer at the end of the file.
  absl::Status Read(std::uint64_t offset, std::size_t count, std::string* bytes) const;

 private:
  RawFile(std::string path, std::vector<std::uint64_t> file);
  sqlite3_file* file() const;

  std::string path_;
  // SQLite's VFSs build their file object in memory of the caller, of a size they tell.
  std::vector<std::uint64_t> memory_;
  std::uint64_t size_bytes_ = 0;
};

}  // namespace lockstep::storage

#endif  // LOCKSTEP_STORAGE_RAW_FILE_H_
