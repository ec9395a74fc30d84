// A node that hears from a leader, or has just given its vote, does not campaign: an election
// timeout passes first, on the node's own clock (Raft §3.4).

#ifndef LOCKSTEP_SIM_ORACLES_PATIENCE_H_
#define LOCKSTEP_SIM_ORACLES_PATIENCE_H_

#include <optional>

#include "core/types.h"

namespace lockstep::sim {

// Of one node. Times are readings of its clock.
class Patience {
 public:
  Patience(NodeId node, Duration election_timeout)
      : node_(node), election_timeout_(election_timeout) {}

  // A process starts: what was before is forgotten.
  void Started() { heard_.reset(); }

  // A message of the leader of its term has arrived, or it has voted for another.
  void Heard(Instant now) { heard_ = now; }

  // Throws Violation if it should have waited.
  void Campaigns(Instant now) const;

 private:
  NodeId node_;
  Duration election_timeout_;
  std::optional<Instant> heard_;
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_ORACLES_PATIENCE_H_
