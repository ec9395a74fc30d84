#include "sim/oracles/waiting.h"

#include <string>

#include "sim/violation.h"

namespace lockstep::sim {

void Waiting::Stopped() {
  by_index_.clear();
  index_.clear();
}

void Waiting::Appended(RequestId request, Index index) {
  index_.emplace(request, index);
  by_index_.emplace(index, request);
}

void Waiting::Answered(RequestId request) {
  const auto found = index_.find(request);
  if (found != index_.end()) {
    by_index_.erase({found->second, request});
    index_.erase(found);
  }
}

void Waiting::Rested(NodeId node, Index applied) const {
  if (!by_index_.empty() && by_index_.begin()->first <= applied) {
    const Index index = by_index_.begin()->first;
    throw Violation("nobody waits for what has happened",
                    "on node " + std::to_string(node.value) + " a request waits for index " +
                        std::to_string(index.value) + ", and index " +
                        std::to_string(applied.value) + " is applied",
                    {{.kind = Evidence::Kind::kAppended, .node = node, .index = index},
                     {.kind = Evidence::Kind::kApplied, .node = node, .index = applied}});
  }
}

}  // namespace lockstep::sim
