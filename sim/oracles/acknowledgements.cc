#include "sim/oracles/acknowledgements.h"

#include <algorithm>
#include <string>

#include "sim/violation.h"

namespace lockstep::sim {

void CheckAcknowledged(NodeId leader, Term term, NodeId follower, raft::LogPosition entry,
                       const LogShadow& durable, Index checkpoint) {
  const bool follows = durable.hard_state().current_term <= term;
  const bool held = entry.index <= std::max(durable.base().index, checkpoint) ||
                    durable.TermAt(entry.index) == entry.term;
  if (follows && !held) {
    throw Violation("leaders count what is stored",
                    "node " + std::to_string(leader.value) + ", which leads term " +
                        std::to_string(term.value) + ", counts index " +
                        std::to_string(entry.index.value) + " as stored by node " +
                        std::to_string(follower.value) + ", whose disk does not hold that entry",
                    {{.kind = Evidence::Kind::kLed, .node = leader, .term = term},
                     {.kind = Evidence::Kind::kStored, .node = follower}});
  }
}

}  // namespace lockstep::sim
