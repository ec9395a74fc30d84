#include "sim/oracles/bounds.h"

#include <string>

#include "core/kv/machine.h"
#include "core/raft/node.h"
#include "sim/violation.h"

namespace lockstep::sim {
namespace {

void Check(NodeId node, const char* what, std::uint64_t is, std::uint64_t max) {
  if (is > max) {
    throw Violation("resource bounds",
                    "node " + std::to_string(node.value) + " has " + std::to_string(is) + " " +
                        what + ", and may have " + std::to_string(max),
                    {{.kind = Evidence::Kind::kSent, .node = node}});
  }
}

// What the leader has appended in its term and not committed. A command of any size is admitted if
// it is the only one.
void CheckUncommitted(NodeId id, const raft::Node& node, std::uint64_t bytes_max) {
  std::uint64_t bytes = 0;
  std::uint64_t commands = 0;
  for (Index index = node.commit_index().Next(); index <= node.log().last_index();
       index = index.Next()) {
    const raft::Entry& entry = node.log().At(index);
    if (entry.term == node.current_term() && entry.kind == raft::EntryKind::kCommand) {
      bytes += entry.payload.size();
      ++commands;
    }
  }
  if (commands > 1) {
    Check(id, "bytes of commands that are not committed", bytes, bytes_max);
  }
}

}  // namespace

void CheckBounds(NodeId id, const ReplicaConfig& config, const Replica& replica, Index checkpoint,
                 bool storing_state) {
  const raft::Node& node = replica.node();
  Check(id, "requests that wait", replica.pending_requests(), config.limits.pending_requests_max);
  if (node.role() == Role::kLeader) {
    for (const auto& [member, standing] : node.membership().membership.members) {
      if (const raft::Progress* progress = node.progress(member); progress != nullptr) {
        Check(id, "appends under way to one follower", progress->in_flight(),
              config.raft.appends_in_flight_max);
      }
    }
    CheckUncommitted(id, node, config.raft.uncommitted_bytes_max);
  }
  if (storing_state) {
    return;
  }
  const std::uint64_t covered =
      checkpoint > node.log().base().index ? checkpoint.value - node.log().base().index.value : 0;
  Check(id, "entries in its log that its checkpoint covers", covered, config.raft.entries_retained);
  const Index applied = replica.machine().applied_index();
  Check(id, "entries applied since its checkpoint and none under way",
        applied > checkpoint ? applied.value - checkpoint.value : 0, config.checkpoint_entries);
}

}  // namespace lockstep::sim
