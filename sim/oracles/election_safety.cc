#include "sim/oracles/election_safety.h"

#include <string>

#include "sim/oracles/majorities.h"
#include "sim/violation.h"

namespace lockstep::sim {

void ElectionSafety::Elected(NodeId node, Term term, const raft::Membership& membership) {
  const auto [leader, is_new] = leaders_.emplace(term, node);
  if (leader->second != node) {
    throw Violation("election safety",
                    "nodes " + std::to_string(leader->second.value) + " and " +
                        std::to_string(node.value) + " both led term " + std::to_string(term.value),
                    {{.kind = Evidence::Kind::kLed, .node = leader->second, .term = term},
                     {.kind = Evidence::Kind::kLed, .node = node, .term = term}});
  }
  if (!is_new) {
    return;
  }
  const auto voted = [&](NodeId voter) {
    const auto& votes = nodes_.at(voter.value - 1).votes;
    const auto vote = votes.find(term);
    return vote != votes.end() && vote->second == node;
  };
  const std::string lacks = LacksMajority(membership, voted);
  if (lacks.empty()) {
    return;
  }
  std::vector<Evidence> evidence = {{.kind = Evidence::Kind::kLed, .node = node, .term = term}};
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (voted({i + 1})) {
      evidence.push_back({.kind = Evidence::Kind::kVoted, .node = {i + 1}, .term = term});
    }
  }
  throw Violation("votes are durable",
                  "node " + std::to_string(node.value) + " leads term " +
                      std::to_string(term.value) + ", and the vote for it is on the disks of " +
                      lacks,
                  evidence);
}

void ElectionSafety::HardStateDurable(NodeId node, const raft::HardState& state) {
  Voter& voter = nodes_[node.value - 1];
  const auto fail = [&](const std::string& what) {
    throw Violation("votes are kept", "node " + std::to_string(node.value) + " " + what,
                    {{.kind = Evidence::Kind::kVoted, .node = node},
                     {.kind = Evidence::Kind::kVoted, .node = node, .term = state.current_term},
                     {.kind = Evidence::Kind::kStored, .node = node}});
  };
  if (state.current_term < voter.durable.current_term) {
    fail("went back from term " + std::to_string(voter.durable.current_term.value) + " to " +
         std::to_string(state.current_term.value));
  }
  const auto vote = voter.votes.find(state.current_term);
  if (vote != voter.votes.end() && vote->second != state.voted_for) {
    fail("voted for " + std::to_string(vote->second.value) + " in term " +
         std::to_string(state.current_term.value) + " and now says " +
         std::to_string(state.voted_for.value));
  }
  voter.durable = state;
  if (state.voted_for != NodeId()) {
    voter.votes.emplace(state.current_term, state.voted_for);
  }
}

}  // namespace lockstep::sim
