#include "sim/oracles/bounded_reads.h"

#include <algorithm>
#include <string>

#include "core/assert.h"
#include "sim/violation.h"

namespace lockstep::sim {

void CommitTimes::Committed(SimTime now, Revision revision) {
  CORE_ASSERT(times_.empty() || (times_.back().first <= now && times_.back().second <= revision));
  if (times_.empty() || times_.back().second < revision) {
    times_.emplace_back(now, revision);
  }
}

Revision CommitTimes::Before(SimTime time) const {
  const auto not_before = std::lower_bound(
      times_.begin(), times_.end(), time,
      [](const auto& committed, SimTime wanted) { return committed.first < wanted; });
  return not_before == times_.begin() ? Revision{} : std::prev(not_before)->second;
}

bool CheckBoundedRead(NodeId node, const AskedRead& asked, Revision revision,
                      const ClockBounds& clocks) {
  if (revision >= asked.committed_at_age) {
    return false;
  }
  if (clocks.AgesHold(node)) {
    throw Violation("data is no older than allowed",
                    "node " + std::to_string(node.value) +
                        " has answered a read of data that is at most " +
                        std::to_string(asked.read.max_age.ns / 1000) + " us old with revision " +
                        std::to_string(revision.value) + ", and revision " +
                        std::to_string(asked.committed_at_age.value) + " was committed before that",
                    {{.kind = Evidence::Kind::kAnswered, .node = node}});
  }
  return true;
}

}  // namespace lockstep::sim
