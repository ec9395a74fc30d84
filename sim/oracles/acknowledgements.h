// What a leader believes of a follower's log is so: the other half of promises.h, which looks at
// what is said.

#ifndef LOCKSTEP_SIM_ORACLES_ACKNOWLEDGEMENTS_H_
#define LOCKSTEP_SIM_ORACLES_ACKNOWLEDGEMENTS_H_

#include <map>

#include "core/raft/message.h"
#include "core/raft/node.h"
#include "core/types.h"
#include "sim/log_shadow.h"

namespace lockstep::sim {

// `leader` leads `term` and counts `entry` as stored by `follower`, whose disk holds `durable`, and
// whose state.db everything up to `checkpoint`. Throws Violation if the entry is not there. One
// that has a later term on disk is its leader's no more.
void CheckAcknowledged(NodeId leader, Term term, NodeId follower, raft::LogPosition entry,
                       const LogShadow& durable, Index checkpoint);

// What one leader knows of its followers. A change of members takes nothing of that away from those
// that stay.
class Matches {
 public:
  // It leads in `term`, and counts all up to `match` as stored by `follower`.
  void Heard(Term term, NodeId follower, Index match);
  // Its configuration has changed. Throws Violation if it knows less than before.
  void Configured(const raft::Node& leader) const;

 private:
  Term term_;
  std::map<NodeId, Index> matches_;
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_ORACLES_ACKNOWLEDGEMENTS_H_
