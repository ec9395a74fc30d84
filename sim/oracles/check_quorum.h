// A leader that has not heard from a majority of the voters for an election timeout leads no more
// (check-quorum, Raft §6.2): else one that is heard and hears nobody keeps all others from electing
// a better one. Counted without the core's own arithmetic.

#ifndef LOCKSTEP_SIM_ORACLES_CHECK_QUORUM_H_
#define LOCKSTEP_SIM_ORACLES_CHECK_QUORUM_H_

#include <algorithm>
#include <map>

#include "core/raft/membership.h"
#include "core/types.h"

namespace lockstep::sim {

// Of one node. Times are readings of its clock; one that steps back shows the node nothing new.
class CheckQuorum {
 public:
  CheckQuorum(NodeId node, Duration election_timeout)
      : node_(node), election_timeout_(election_timeout) {}

  // A process starts: what was before is forgotten.
  void Started();

  // The node is told the time. What follows happens then.
  void Now(Instant now) { now_ = std::max(now_, now); }

  // A message of the node's own term came from `from`.
  void Heard(NodeId from) { heard_[from] = now_; }

  // The node, which goes by `membership`, has done what was due and leads in `term`. Throws
  // Violation if it should lead no more.
  void Leads(Term term, const raft::Membership& membership);

 private:
  NodeId node_;
  Duration election_timeout_;
  Term term_;                        // in which it led last
  Instant now_;                      // the latest so far
  std::map<NodeId, Instant> heard_;  // in term_; of a voter not heard yet: when it was first seen
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_ORACLES_CHECK_QUORUM_H_
