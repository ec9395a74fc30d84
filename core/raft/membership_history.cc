#include "core/raft/membership_history.h"

#include <utility>

#include "core/assert.h"

namespace lockstep::raft {

const MembershipAt& MembershipHistory::At(Index index) const {
  auto each = history_.rbegin();
  while (each->index > index) {
    ++each;
    CORE_ASSERT(each != history_.rend());
  }
  return *each;
}

void MembershipHistory::Append(MembershipAt next) {
  CORE_ASSERT(next.index > latest().index);
  history_.push_back(std::move(next));
}

bool MembershipHistory::TruncateFrom(Index index) {
  bool truncated = false;
  while (history_.size() > 1 && history_.back().index >= index) {
    history_.pop_back();
    truncated = true;
  }
  return truncated;
}

void MembershipHistory::ForgetBefore(Index index) {
  while (history_.size() > 1 && history_[1].index <= index) {
    history_.pop_front();
  }
}

}  // namespace lockstep::raft
