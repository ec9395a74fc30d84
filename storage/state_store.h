// state.db: a node's data as of one applied index, on SQLite (design §4). It is the node's
// snapshot: brought up to date by what changed since the last checkpoint.
//
// LAYOUT  (PRAGMA application_id = "LKst", user_version = 2; see also storage/database_file.h)
//   key_value       one row per key
//     id              INTEGER  primary key: RowKey(), so that rows of later revisions come after
//     all
//                              others and a checkpoint appends
//     key, value      BLOB
//     create_revision INTEGER
//     version         INTEGER
//     checksum        INTEGER  of all of the above
//   session         one row per client session
//     id              INTEGER  primary key
//     content         BLOB     kv::EncodeSessionRow()
//     checksum        INTEGER  of both
//   summary         one row
//     one             INTEGER  always 1
//     applied_index, applied_term, time, revision, digest
//                     INTEGER  kv::Summary
//     membership_index, membership
//                     INTEGER, BLOB  raft::EncodeMembership() of the one in force
//     key_count, session_count
//                     INTEGER  rows of the other tables: a missing row is found
//     checksum        INTEGER  of all of the above
// INVARIANTS
//   (1) All rows together are the state at summary.applied_index: Apply() and Install() are one
//       transaction each, synced before they return.
//   (2) After an error the store refuses to write, as LogStore does.

#ifndef LOCKSTEP_STORAGE_STATE_STORE_H_
#define LOCKSTEP_STORAGE_STATE_STORE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/kv/types.h"
#include "storage/identity.h"
#include "storage/page_size.h"

namespace lockstep::storage {

// The format above: state.db's `user_version`.
inline constexpr std::uint64_t kStateFormatVersion = 2;

// The primary key of a row: 47 bits of revision (44 years at 100,000 a second) above 16 bits of
// `sub` (kv::kCommandOperationsMax bounds it).
inline constexpr std::uint64_t kRevisionMax = (std::uint64_t{1} << 47) - 1;
inline constexpr std::uint32_t kRowSubMax = (std::uint32_t{1} << 16) - 1;

// REQUIRES: id.revision <= kRevisionMax, id.sub <= kRowSubMax.
std::uint64_t RowKey(const kv::RowId& id);
kv::RowId RowIdOf(std::uint64_t row_key);

// The steps of a start, in this order: Open(); Create() if is_new(), else Load(); StartWriting();
// then any number of the rest. Nothing before StartWriting() changes an existing state, except
// SetMade(). (NodeStore does all of this for both files of a node.)
//
// THREADS  One thread at a time; but ReadImage() may be another thread's at the same time, once
// StartWriting() has returned. Errors are those of storage/sqlite.h.
class StateStore {
 public:
  // Opens state.db at `path` in the SQLite VFS `vfs` (empty: the default one). If there is no such
  // file, or an empty one, the store is_new(), and will have pages of `page_bytes`. Until
  // StartWriting() the file is locked against all other connections; from then on against nobody:
  // log.db's lock is the node's. See OpenLocked() for what is refused, and that refusing changes
  // nothing.
  static absl::StatusOr<StateStore> Open(const std::string& path, const std::string& vfs,
                                         const Identity& identity,
                                         std::uint64_t page_bytes = kPageBytesDefault);
  StateStore(StateStore&&) noexcept;
  StateStore& operator=(StateStore&&) noexcept;
  // Moves the write-ahead log into the file, unless there was an error or no StartWriting().
  ~StateStore();

  bool is_new() const;

  // Whether SetMade() was called: the node's log.db exists since.
  bool made() const;
  // REQUIRES: !is_new(), and StartWriting() was not called. Durable when it returns.
  absl::Status SetMade();

  // Makes the file that of a node that never ran. Durable when it returns.
  // REQUIRES: is_new().
  absl::Status Create(const FirstStart& first);

  // REQUIRES: !is_new().
  Incarnation incarnation() const;

  // The whole state, every row checked. DataLoss names the file, the table and the row.
  // REQUIRES: !is_new(), and StartWriting() was not called.
  absl::StatusOr<kv::Image> Load();

  // REQUIRES: Create() or Load() has succeeded.
  absl::Status StartWriting();

  // Turns the stored state into the one that `delta` leads to. All or nothing; durable when it
  // returns. On an error the store can no longer be used.
  // REQUIRES: StartWriting() has succeeded; the delta builds on the stored state.
  absl::Status Apply(const kv::Delta& delta);

  // Replaces the whole state. All or nothing; durable when it returns; on an error as Apply().
  // REQUIRES: StartWriting() has succeeded.
  absl::Status Install(const kv::Image& image);

  // The state of the last Apply() or Install(), whole and of one moment, whatever is written
  // meanwhile; every row checked. While it runs the write-ahead log grows by all that is written.
  // After an error of its own it refuses everything.
  // REQUIRES: StartWriting() has succeeded.
  absl::StatusOr<kv::Image> ReadImage();

  // Of the file and its write-ahead log.
  std::uint64_t size_bytes() const;

 private:
  class Impl;
  explicit StateStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockstep::storage

#endif  // LOCKSTEP_STORAGE_STATE_STORE_H_
