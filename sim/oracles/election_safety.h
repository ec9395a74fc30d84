// Election Safety (Raft §3.2): at most one leader in a term, over the whole run. And what it rests
// on: a vote, once on disk, is never forgotten and never given twice (§3.4, §3.8), and a leader was
// elected by votes that are on disk.

#ifndef LOCKSTEP_SIM_ORACLES_ELECTION_SAFETY_H_
#define LOCKSTEP_SIM_ORACLES_ELECTION_SAFETY_H_

#include <cstddef>
#include <map>
#include <vector>

#include "core/raft/membership.h"
#include "core/raft/message.h"
#include "core/types.h"

namespace lockstep::sim {

class ElectionSafety {
 public:
  explicit ElectionSafety(std::size_t nodes) : nodes_(nodes) {}

  // `node` leads `term` now; `membership` is the one in its log. Throws Violation if another one
  // leads or has led the term, or if fewer than a majority have a vote for it on disk.
  void Elected(NodeId node, Term term, const raft::Membership& membership);

  // The disk of `node` holds this now: after a write, or when it was read at a start. Throws
  // Violation if an earlier term or vote is forgotten.
  void HardStateDurable(NodeId node, const raft::HardState& state);

  std::size_t terms_led() const { return leaders_.size(); }

 private:
  struct Voter {
    raft::HardState durable;
    std::map<Term, NodeId> votes;  // ever on disk
  };

  std::vector<Voter> nodes_;  // by id - 1
  std::map<Term, NodeId> leaders_;
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_ORACLES_ELECTION_SAFETY_H_
