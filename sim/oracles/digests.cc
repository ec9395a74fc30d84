#include "sim/oracles/digests.h"

#include <string>

#include "sim/violation.h"

namespace lockstep::sim {

void Digests::Applied(NodeId node, const kv::Summary& summary) {
  const std::uint64_t index = summary.applied_index.value;
  if (seen_.size() <= index) {
    seen_.resize(index + 1);
  }
  std::optional<Seen>& seen = seen_[index];
  if (!seen.has_value()) {
    seen = Seen{node, summary};
  } else if (seen->summary != summary) {
    throw Violation(
        "replicas agree",
        "nodes " + std::to_string(seen->node.value) + " and " + std::to_string(node.value) +
            " differ after index " + std::to_string(index) + ": " +
            (seen->summary.digest != summary.digest ? "their digests" : "their summaries"),
        {{.kind = Evidence::Kind::kApplied, .node = node, .index = summary.applied_index},
         {.kind = Evidence::Kind::kApplied, .node = seen->node, .index = summary.applied_index}});
  }
}

}  // namespace lockstep::sim
