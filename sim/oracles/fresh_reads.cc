#include "sim/oracles/fresh_reads.h"

#include <string>

#include "sim/violation.h"

namespace lockstep::sim {

void CheckFresh(NodeId node, const AskedRead& asked, Revision revision) {
  if (revision < asked.committed) {
    throw Violation("reads are fresh",
                    "node " + std::to_string(node.value) + " has answered a read with revision " +
                        std::to_string(revision.value) + ", and revision " +
                        std::to_string(asked.committed.value) +
                        " was committed before it was asked",
                    {{.kind = Evidence::Kind::kAnswered, .node = node}});
  }
}

}  // namespace lockstep::sim
