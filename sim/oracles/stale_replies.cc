#include "sim/oracles/stale_replies.h"

#include <string>

#include "sim/violation.h"

namespace lockstep::sim {

StaleReplies::StaleReplies(const raft::Node& node, const raft::Message& message)
    : from_(message.from), term_(message.term) {
  if (message.term < node.current_term()) {
    before_ = BeliefOf(node, from_);
  }
}

void StaleReplies::Check(const raft::Node& node) const {
  std::optional<Belief> after = BeliefOf(node, from_);
  if (before_.has_value() && after.has_value() && after->promised_until == Instant()) {
    after->promised_until =
        before_->promised_until;  // promises are forgotten when a clock goes back
  }
  if (before_.has_value() && after != before_) {
    throw Violation(
        "the past counts for nothing",
        "node " + std::to_string(node.config().id.value) + ", which leads term " +
            std::to_string(node.current_term().value) + ", goes by what node " +
            std::to_string(from_.value) + " said in term " + std::to_string(term_.value),
        {{.kind = Evidence::Kind::kLed, .node = node.config().id, .term = node.current_term()}});
  }
}

std::optional<StaleReplies::Belief> StaleReplies::BeliefOf(const raft::Node& node,
                                                           NodeId follower) {
  const raft::Progress* progress = node.progress(follower);
  if (progress == nullptr) {
    return std::nullopt;
  }
  return Belief{progress->match_index(), progress->acknowledged_round(), progress->last_contact(),
                progress->promised_until()};
}

}  // namespace lockstep::sim
