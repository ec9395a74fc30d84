// The two files of a node in one folder: log.db and state.db.
//
// INVARIANTS
//   (1) A node forgets nothing because a file was lost: if either file is gone, the other is
//   refused. (2) On a node's first start state.db is made first, then log.db, then state.db is
//   marked as made;
//       all durable before Open() returns. A crash in between leaves a state.db without the mark,
//       which has promised nothing to anybody: the next start goes on from there.

#ifndef LOCKSTEP_STORAGE_NODE_STORE_H_
#define LOCKSTEP_STORAGE_NODE_STORE_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/replica.h"
#include "storage/identity.h"
#include "storage/log_store.h"
#include "storage/page_size.h"
#include "storage/state_store.h"

namespace lockstep::storage {

// What a node's folder must hold when the node starts.
enum class Expect : std::uint8_t {
  kFilesOrNone,  // its files, or none yet: a first start
  kFiles,        // its files: it has been started before. A node that lost them has forgotten its
                 // votes and what it acknowledged, and must not take part under its old identity.
};

class NodeStore {
 public:
  // Opens the files of `identity` in `folder`, which must exist, through the SQLite VFS `vfs`
  // (empty: the default one), and reads and checks all that they hold. Makes them if neither is
  // there and that is expected, as `first` says, with pages of `page_bytes`. An error names the
  // file and the cause, and has changed no existing database:
  //   FailedPrecondition  another node's or program's file, a newer format, no such folder, or no
  //                       files where some are expected
  //   DataLoss            a damaged file, one of the two is missing, or they are not a pair
  //   Unavailable         another process runs on this folder
  //   and those of storage/sqlite.h
  static absl::StatusOr<NodeStore> Open(const std::string& folder, const std::string& vfs,
                                        const Identity& identity, const FirstStart& first = {},
                                        Expect expect = Expect::kFilesOrNone,
                                        std::uint64_t page_bytes = kPageBytesDefault);

  // Of the files: FirstStart's, of when they were made.
  Incarnation incarnation() const { return log_.incarnation(); }

  // Moves out what the files held when they were opened.
  StoredState TakeStored() { return std::move(stored_); }

  // May be used by two threads at the same time; see StateStore for a third one.
  LogStore& log() { return log_; }
  StateStore& state() { return state_; }

 private:
  NodeStore(LogStore log, StateStore state, StoredState stored)
      : log_(std::move(log)), state_(std::move(state)), stored_(std::move(stored)) {}

  LogStore log_;  // has the lock of the folder
  StateStore state_;
  StoredState stored_;
};

}  // namespace lockstep::storage

#endif  // LOCKSTEP_STORAGE_NODE_STORE_H_
