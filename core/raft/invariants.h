// What holds of every Raft server at all times, and across any one input. The simulator checks both
// after every event; core does not run them by itself.

#ifndef LOCKSTEP_CORE_RAFT_INVARIANTS_H_
#define LOCKSTEP_CORE_RAFT_INVARIANTS_H_

#include "core/raft/event.h"
#include "core/raft/message.h"
#include "core/types.h"

namespace lockstep::raft {

class Node;

// The numbers of a node at one moment.
struct View {
  explicit View(const Node& node);

  NodeId id;
  Role role;
  Term current_term;
  NodeId voted_for;
  NodeId leader;
  LogPosition base;
  LogPosition last;
  Index commit_index;
  Index durable_index;
};

// Of one node between inputs. Throws AssertionFailure.
void CheckState(const View& view);

// Of the same running node before and after any one input. Throws AssertionFailure.
void CheckStep(const View& before, const View& after);

}  // namespace lockstep::raft

#endif  // LOCKSTEP_CORE_RAFT_INVARIANTS_H_
