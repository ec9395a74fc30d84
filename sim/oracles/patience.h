// A node that hears from a leader, or has just given its vote, does not campaign: an election
// timeout passes first, on the node's own clock (Raft §3.4). One that has not for so long heeds who
// does.

#ifndef LOCKSTEP_SIM_ORACLES_PATIENCE_H_
#define LOCKSTEP_SIM_ORACLES_PATIENCE_H_

#include <algorithm>
#include <optional>

#include "core/types.h"

namespace lockstep::sim {

// Of one node. Times are readings of its clock. Where that has stepped back, a node may go by what
// it showed before or by what it shows now, and the benefit of the doubt is its own.
class Patience {
 public:
  Patience(NodeId node, Duration election_timeout)
      : node_(node), election_timeout_(election_timeout) {}

  // A process starts: what was before is forgotten.
  void Started();

  // The node is told the time. What follows happens then.
  void Now(Instant now) {
    now_ = now;
    latest_ = std::max(latest_, now);
  }

  // A message of the leader of its term has arrived, or it has voted for another.
  void Heard() { heard_ = Moment{now_, latest_}; }

  // It begins a pre-election. Throws Violation if it should have waited.
  void Campaigns() const;

  // A candidate has asked for its vote in `asked`, and the node is in term `current` now. Throws
  // Violation if it has not even taken the term, though it hears from no leader, or the leader
  // wants it to (§3.10).
  void Asked(Term asked, Term current, bool transfer) const;

 private:
  struct Moment {
    Instant now;
    Instant latest;
  };

  NodeId node_;
  Duration election_timeout_;
  Instant now_;
  Instant latest_;  // reading so far
  std::optional<Moment> heard_;
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_ORACLES_PATIENCE_H_
