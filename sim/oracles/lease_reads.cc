#include "sim/oracles/lease_reads.h"

#include <string>

#include "sim/violation.h"

namespace lockstep::sim {

bool CheckLeaseRead(NodeId node, const AskedRead& asked, Revision revision,
                    const ClockBounds& clocks) {
  if (revision >= asked.committed) {
    return false;
  }
  if (clocks.LeasesHold()) {
    throw Violation(
        "leases are exclusive",
        "node " + std::to_string(node.value) + " has answered a read by its lease with revision " +
            std::to_string(revision.value) + ", and revision " +
            std::to_string(asked.committed.value) + " was committed before it was asked",
        {{.kind = Evidence::Kind::kAnswered, .node = node}});
  }
  return true;
}

}  // namespace lockstep::sim
