// State Machine Safety (Raft §3.2, figure 3.2): once any node has committed an entry at an index,
// no node ever commits another one there. Kept over the whole run, also for nodes that are gone.

#ifndef LOCKSTEP_SIM_ORACLES_CANONICAL_LOG_H_
#define LOCKSTEP_SIM_ORACLES_CANONICAL_LOG_H_

#include <vector>

#include "core/types.h"
#include "sim/log_shadow.h"

namespace lockstep::sim {

// The one log that all nodes must agree on: what was committed anywhere, in order.
class CanonicalLog {
 public:
  Index last_index() const { return {entries_.size()}; }

  // REQUIRES: 1 <= index <= last_index().
  const ShadowEntry& At(Index index) const { return entries_[index.value - 1]; }

  // 0 at index 0. REQUIRES: index <= last_index().
  Term TermAt(Index index) const;

  // The last entry that a leader of `term` or an earlier one has committed. A commit ends with an
  // entry of the term that it was decided in (§3.6.2), and may bring older ones along.
  Index LastCommittedIn(Term term) const;

  // The node that was the first to commit the entry. 0 at index 0. REQUIRES: index <= last_index().
  NodeId FirstToCommit(Index index) const;

  // `node` has committed what `log` holds up to `commit`, and `before` before. Entries beyond
  // last_index() are taken over. Throws Violation if any differs from what was committed before,
  // or if the node has committed what nobody is known to have.
  void Committed(NodeId node, const LogShadow& log, Index before, Index commit);

  // `node` holds state that includes everything up to `position`: from a checkpoint or a snapshot.
  // Throws Violation if that is not a prefix of this log.
  void Covered(NodeId node, raft::LogPosition position) const;

 private:
  std::vector<ShadowEntry> entries_;  // from index 1
  std::vector<Term> committed_in_;    // of each entry, the term in which it was decided; rising
  std::vector<NodeId> committed_by_;  // of each entry, the first
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_ORACLES_CANONICAL_LOG_H_
