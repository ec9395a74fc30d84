// What the driver needs of a node's two files. An error of any of these is final for the running
// node: what the files hold is no longer known, and a later success would prove nothing.

#ifndef LOCKSTEP_SERVER_DISK_H_
#define LOCKSTEP_SERVER_DISK_H_

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/kv/types.h"
#include "core/raft/message.h"
#include "core/replica.h"

namespace lockstep::server {

// Save() and TidyLog() are called by one thread and the other three by another, at the same time.
class Disk {
 public:
  virtual ~Disk() = default;

  // Makes all writes durable, in their order, in one transaction.
  virtual absl::Status Save(const std::vector<raft::Write>& writes) = 0;
  // Housekeeping of log.db that can wait until no write does.
  virtual absl::Status TidyLog() = 0;

  // Adds `delta` to state.db in one transaction and makes it durable.
  virtual absl::Status Store(const kv::Delta& delta) = 0;
  // Replaces all of state.db's contents in one transaction and makes it durable.
  virtual absl::Status Install(const kv::Image& image) = 0;
  // What state.db holds, to be sent to a follower.
  virtual absl::StatusOr<Snapshot> ReadSnapshot() = 0;
};

}  // namespace lockstep::server

#endif  // LOCKSTEP_SERVER_DISK_H_
