// log.db: a node's Raft log and its vote, on SQLite (design §4).
//
// LAYOUT  (PRAGMA application_id = "LKlg", user_version = 2; see also storage/database_file.h)
//   entry           one row per log entry
//     log_index       INTEGER  primary key
//     term, time      INTEGER
//     kind            INTEGER  raft::EntryKind
//     payload         BLOB     opaque here
//     checksum        INTEGER  of all of the above
//   hard_state      one row
//     one             INTEGER  always 1
//     current_term, voted_for, checksum
//   base            one row: the position before the first entry
//     one             INTEGER  always 1
//     log_index, term, checksum
// INVARIANTS
//   (1) Rows of `entry` with log_index > base.log_index are the log: they run without gaps from
//       base.log_index + 1, and neither their term nor their time decreases. base.term is not
//       above the first one's.
//   (2) Rows of `entry` at or before base.log_index are waste of compaction. They are deleted a few
//       at a time by later writes, so that no write waits for thousands of deletions.
//   (3) Save() is one transaction, synced before it returns: after a crash either all of its writes
//       are stored or none of them.
//   (4) After an error the store refuses everything: a failed sync is reported once, and later
//       ones succeed without the data (Rebello et al., "Can Applications Recover from fsync
//       Failures?", USENIX ATC 2020).

#ifndef LOCKSTEP_STORAGE_LOG_STORE_H_
#define LOCKSTEP_STORAGE_LOG_STORE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/raft/message.h"
#include "storage/identity.h"
#include "storage/page_size.h"

namespace lockstep::storage {

// The format above: log.db's `user_version`.
inline constexpr std::uint64_t kLogFormatVersion = 2;

// The steps of a start, in this order: Open(); Create() if is_new(), else Load(); StartWriting();
// then any number of Save(). Nothing before StartWriting() changes an existing log. (NodeStore does
// all of this for both files of a node.)
//
// One thread at a time. Errors are those of storage/sqlite.h.
class LogStore {
 public:
  // Opens log.db at `path` in the SQLite VFS `vfs` (empty: the default one), with a lock that no
  // second process or connection gets past. If there is no such file, or an empty one, the store
  // is_new(), and will have pages of `page_bytes`. See OpenLocked() for what is refused, and that
  // refusing changes nothing.
  static absl::StatusOr<LogStore> Open(const std::string& path, const std::string& vfs,
                                       const Identity& identity,
                                       std::uint64_t page_bytes = kPageBytesDefault);
  LogStore(LogStore&&) noexcept;
  LogStore& operator=(LogStore&&) noexcept;
  // Moves the write-ahead log into the file, unless there was an error or no StartWriting().
  ~LogStore();

  bool is_new() const;

  // Makes the file that of a node that never ran. Durable when it returns.
  // REQUIRES: is_new().
  absl::Status Create(Incarnation incarnation);

  // REQUIRES: !is_new().
  Incarnation incarnation() const;

  // What Save() has stored, every row checked. DataLoss names the file, the table and the row.
  // REQUIRES: !is_new().
  absl::StatusOr<raft::DurableState> Load();

  // REQUIRES: Create() or Load() has succeeded.
  absl::Status StartWriting();

  // Stores all `writes`, in order, in one transaction, and syncs it. On an error it is not known
  // what the file holds, and the store can no longer be used.
  // REQUIRES: StartWriting() has succeeded; the writes' ids are consecutive, in and across calls;
  // each write fits the log as the ones before it have left it.
  absl::Status Save(std::span<const raft::Write> writes);

  // Moves the write-ahead log into the file if it has grown enough to be worth it; to be called
  // when no write waits. Without it Save() does so itself, at four times that size.
  absl::Status Tidy();

  // Of the file and its write-ahead log.
  std::uint64_t size_bytes() const;

 private:
  class Impl;
  explicit LogStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockstep::storage

#endif  // LOCKSTEP_STORAGE_LOG_STORE_H_
