#include "core/raft/invariants.h"

#include "core/assert.h"
#include "core/raft/node.h"

namespace lockstep::raft {

View::View(const Node& node)
    : id(node.config().id),
      role(node.role()),
      current_term(node.current_term()),
      voted_for(node.voted_for()),
      leader(node.leader()),
      base(node.log().base()),
      last(node.log().last()),
      commit_index(node.commit_index()),
      durable_index(node.durable_index()) {}

void CheckState(const View& view) {
  CORE_ASSERT(view.base.index <= view.commit_index);  // only what is committed is compacted
  CORE_ASSERT(view.commit_index <= view.last.index);
  CORE_ASSERT(view.durable_index <= view.last.index);
  CORE_ASSERT(view.base.index <= view.durable_index);
  CORE_ASSERT(view.last.term <= view.current_term);
  if (view.role == Role::kLeader) {
    CORE_ASSERT(view.voted_for == view.id);
    CORE_ASSERT(view.leader == view.id);
    CORE_ASSERT(view.last.term == view.current_term);  // its no-op at least
  }
  if (view.role == Role::kCandidate) {
    CORE_ASSERT(view.voted_for == view.id);
  }
  if (view.role == Role::kCandidate || view.role == Role::kPreCandidate) {
    CORE_ASSERT(view.leader == NodeId());
  }
}

void CheckStep(const View& before, const View& after) {
  CORE_ASSERT(before.current_term <= after.current_term);
  CORE_ASSERT(before.commit_index <= after.commit_index);
  CORE_ASSERT(before.base.index <= after.base.index);
  if (before.current_term == after.current_term) {
    if (before.voted_for != NodeId()) {
      CORE_ASSERT(before.voted_for == after.voted_for);
    }
    if (before.leader != NodeId() && after.leader != NodeId()) {
      CORE_ASSERT(before.leader == after.leader);
    }
    if (before.role == Role::kLeader && after.role == Role::kLeader) {
      CORE_ASSERT(before.last.index <= after.last.index);  // Leader Append-Only, figure 3.2
    }
    if (before.role != Role::kLeader && after.role == Role::kLeader) {
      // Only a candidate is elected; one that wins its own vote alone passes through at once.
      CORE_ASSERT(before.role == Role::kCandidate);
    }
  }
}

}  // namespace lockstep::raft
