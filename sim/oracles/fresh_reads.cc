#include "sim/oracles/fresh_reads.h"

#include <string>

#include "core/assert.h"
#include "sim/violation.h"

namespace lockstep::sim {

void FreshReads::Served(NodeId node, RequestId read, Index applied) {
  const auto asked = asked_.find(read);
  CORE_ASSERT(asked != asked_.end());
  const Index committed = asked->second;
  asked_.erase(asked);
  if (applied < committed) {
    throw Violation("reads are fresh",
                    "node " + std::to_string(node.value) +
                        " has answered a read with the data of index " +
                        std::to_string(applied.value) + ", and index " +
                        std::to_string(committed.value) + " was committed before it was asked",
                    {{.kind = Evidence::Kind::kApplied, .node = node, .index = applied},
                     {.kind = Evidence::Kind::kCommitted, .index = committed}});
  }
}

}  // namespace lockstep::sim
