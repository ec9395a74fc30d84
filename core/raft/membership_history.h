// The configurations of a node's log: the last one counts from the moment it is appended, and
// counts no more when its entry is truncated (§4.1).

#ifndef LOCKSTEP_CORE_RAFT_MEMBERSHIP_HISTORY_H_
#define LOCKSTEP_CORE_RAFT_MEMBERSHIP_HISTORY_H_

#include <deque>

#include "core/raft/membership.h"
#include "core/types.h"

namespace lockstep::raft {

class MembershipHistory {
 public:
  // `first` was in force when everything up to some committed index was applied.
  explicit MembershipHistory(MembershipAt first) : history_{std::move(first)} {}

  const MembershipAt& latest() const { return history_.back(); }
  // The one in force when everything up to `index` is applied. REQUIRES: not before the first.
  const MembershipAt& At(Index index) const;

  // REQUIRES: next.index > latest().index.
  void Append(MembershipAt next);
  // Forgets those of entries from `index` on. True if there were any.
  // REQUIRES: the first one stays.
  bool TruncateFrom(Index index);
  // Nobody will ask for what was before `index` is applied.
  void ForgetBefore(Index index);

 private:
  std::deque<MembershipAt> history_;  // by index, rising; never empty
};

}  // namespace lockstep::raft

#endif  // LOCKSTEP_CORE_RAFT_MEMBERSHIP_HISTORY_H_
