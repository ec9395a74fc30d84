#include "sim/oracles/read_states.h"

#include <cstddef>
#include <string>

#include "sim/violation.h"

namespace lockstep::sim {

void ReadStates::Answered(NodeId node, const Read& read, const ReadResult& result,
                          const Reference& reference) {
  const std::string who = "node " + std::to_string(node.value) +
                          " has answered a read with revision " +
                          std::to_string(result.revision.value);
  const std::vector<Evidence> evidence = {{.kind = Evidence::Kind::kAnswered, .node = node}};
  if (result.revision > reference.revision()) {
    throw Violation(
        "reads show what is committed",
        who + ", and only revision " + std::to_string(reference.revision().value) + " is committed",
        evidence);
  }
  if (result.keys.size() != read.keys.size()) {
    throw Violation("answers fit their requests",
                    who + " and " + std::to_string(result.keys.size()) + " keys instead of " +
                        std::to_string(read.keys.size()),
                    evidence);
  }
  for (std::size_t i = 0; i < read.keys.size(); ++i) {
    if (result.keys[i] != reference.AtRevision(read.keys[i], result.revision)) {
      throw Violation("reads show what is committed",
                      who + ", and " + read.keys[i] + " was not that way then", evidence);
    }
  }
  if (result.revision < shown_) {
    throw Violation("reads of a node never go back",
                    who + ", after one with revision " + std::to_string(shown_.value), evidence);
  }
  shown_ = result.revision;
}

}  // namespace lockstep::sim
