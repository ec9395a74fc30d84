#include "core/raft/round_times.h"

#include <algorithm>

namespace lockstep::raft {

void RoundTimes::Began(const Round& round) {
  while (!rounds_.empty() && rounds_.front().began + keep_ <= round.began) {
    rounds_.pop_front();
  }
  // The first round that may answer reads is always kept: no earlier one stands for it.
  const bool news =
      rounds_.empty() || (rounds_.back().read_index == Index() && round.read_index != Index());
  if (news || rounds_.back().began + keep_ / kKept <= round.began) {
    rounds_.push_back(round);
  }
}

std::optional<RoundTimes::Round> RoundTimes::LastUpTo(std::uint64_t number) const {
  const auto after = std::upper_bound(
      rounds_.begin(), rounds_.end(), number,
      [](std::uint64_t wanted, const Round& round) { return wanted < round.number; });
  if (after == rounds_.begin()) {
    return std::nullopt;
  }
  return *std::prev(after);
}

}  // namespace lockstep::raft
