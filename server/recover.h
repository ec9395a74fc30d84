// The disaster tool: makes a new cluster of one from the files of one node, when a majority of the
// old cluster is lost for good. All entries of this node's log count as committed from then on;
// what only the others had is lost.
//
// Offline, and safe to be killed: the new files are made beside the old ones, which are copied
// first; a note in the folder then says that they are to be put in place, without which nothing has
// changed and with which the next run only finishes. lockstepd does not start while the note is
// there.

#ifndef LOCKSTEP_SERVER_RECOVER_H_
#define LOCKSTEP_SERVER_RECOVER_H_

#include <filesystem>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "core/kv/types.h"
#include "core/raft/membership.h"
#include "core/raft/message.h"
#include "core/types.h"

namespace lockstep::server {

// The note's name in a data folder.
inline constexpr char kRecoveryName[] = "recovery-under-way";

struct RecoverOptions {
  std::filesystem::path data_dir;
  std::string cluster_name = "lockstep";  // of the old cluster
  std::string new_cluster_name;           // another one
  NodeId node;                            // 0: as the file `members` says
  std::string peer_address;
  std::string client_address;
};

// What the folder holds, looked at without a change.
struct RecoverPlan {
  NodeId node;
  raft::Membership members;  // of the old cluster, as this node knows it
  raft::LogPosition last;    // of the log
  Index applied;             // what was known to be committed and applied for certain
  kv::Summary summary;       // what the new cluster begins with
  std::size_t keys = 0;
  std::string unfinished;  // not empty: an earlier run was cut off, this is what it had made
};

// Reads and checks all files. Unavailable if a node runs on the folder; DataLoss if they are
// damaged; FailedPrecondition if they are not of that cluster and node.
absl::StatusOr<RecoverPlan> PlanRecovery(const RecoverOptions& options);

// Does it. Returns the folder with the copy of the old files.
absl::StatusOr<std::filesystem::path> Recover(const RecoverOptions& options);

}  // namespace lockstep::server

#endif  // LOCKSTEP_SERVER_RECOVER_H_
