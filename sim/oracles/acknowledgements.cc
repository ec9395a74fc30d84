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

void Matches::Heard(Term term, NodeId follower, Index match) {
  if (term != term_) {
    term_ = term;
    matches_.clear();
  }
  matches_[follower] = match;
}

void Matches::Configured(const raft::Node& leader) const {
  if (leader.current_term() != term_) {
    return;
  }
  for (const auto& [follower, match] : matches_) {
    const raft::Progress* progress = leader.progress(follower);
    if (progress != nullptr && progress->match_index() < match) {
      const NodeId id = leader.config().id;
      throw Violation("leaders count what is stored",
                      "node " + std::to_string(id.value) + " has changed its configuration, and " +
                          "forgotten that node " + std::to_string(follower.value) +
                          " has stored index " + std::to_string(match.value),
                      {{.kind = Evidence::Kind::kLed, .node = id, .term = term_}});
    }
  }
}

}  // namespace lockstep::sim
