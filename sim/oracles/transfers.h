// How leadership is handed over (Raft §3.10): the leader takes no command meanwhile, and goes on at
// the latest after an election timeout; only who was asked to take over campaigns as such.

#ifndef LOCKSTEP_SIM_ORACLES_TRANSFERS_H_
#define LOCKSTEP_SIM_ORACLES_TRANSFERS_H_

#include <algorithm>
#include <optional>

#include "core/types.h"

namespace lockstep::sim {

// Of one node. Times are readings of its clock; one that steps back shows the node nothing new.
class Transfers {
 public:
  Transfers(NodeId node, Duration election_timeout)
      : node_(node), election_timeout_(election_timeout) {}

  // A process starts: what was before is forgotten.
  void Started();

  // The node is told the time. What follows happens then.
  void Now(Instant now) { latest_ = std::max(latest_, now); }

  // The node, a leader, begins to hand leadership over; that has ended.
  void Began() { began_ = latest_; }
  void Ended() { began_.reset(); }

  // The node has appended a client's command. Throws Violation if it should have refused it.
  void Took() const;

  // The node has done what was due. Throws Violation if it still hands leadership over.
  void DoneWhatWasDue() const;

  // The leader of `term` has asked the node to take over.
  void Asked(Term term) { asked_ = std::max(asked_, term); }

  // It asks for votes in `term`, to be given to it though others hear from a leader. Throws
  // Violation if nobody asked it to.
  void Campaigns(Term term) const;

 private:
  NodeId node_;
  Duration election_timeout_;
  Instant latest_;  // reading so far
  std::optional<Instant> began_;
  Term asked_;
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_ORACLES_TRANSFERS_H_
