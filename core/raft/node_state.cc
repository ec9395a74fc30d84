// Node::TellState(): which parts of a node's state its future depends on.

#include "core/assert.h"
#include "core/raft/node.h"

namespace lockstep::raft {

void Node::TellState(StateSink& sink) const {
  CORE_ASSERT(!has_pending_);
  const auto told_relative = [&](WriteId id) {
    const WriteId persisted = durability_.persisted();
    return id > persisted ? id.value - persisted.value : 0;
  };
  sink.Node(config_.id);
  Tell(hard_state_, sink);
  log_.TellState(sink);
  sink.Number(membership().index.value);  // the entry is in the log, or committed
  sink.Number(committed_membership().index.value);
  sink.Text(EncodeMembership(committed_membership().membership));
  sink.Number(expelled_ ? 1 : 0);
  sink.Number(DiskStalls() ? 1 : 0);
  durability_.TellState(sink);
  sink.Number(commit_index_.value);
  sink.Number(installing_.has_value() ? 1 : 0);
  if (installing_) {
    Tell(*installing_, sink);
  }
  sink.Number(told_relative(last_write_));
  sink.Number(told_relative(hard_state_write_));
  for (const Held& held : held_) {
    sink.Section(held.message.to);
    sink.Number(told_relative(held.until));
    Tell(held.message, sink);
  }
  sink.Section(NodeId());
  sink.Number(now_ >= election_deadline_ ? 1 : 0);
  const bool listens = heard_ && now_ < heard_->at + config_.election_timeout;
  sink.Number(listens ? 1 : 0);
  if (listens) {
    sink.Node(heard_->leader);
  }
  forwarded_.TellState(sink);
  sink.Number(role_.index());
  const auto tell_granted = [&](const std::set<NodeId>& granted) {
    for (const NodeId node : granted) {
      sink.Section(node);
      sink.Number(1);
    }
    sink.Section(NodeId());
  };
  if (const auto* follower = std::get_if<Follower>(&role_)) {
    sink.Node(follower->leader);
    sink.Number(follower->matched.value);
    sink.Number(follower->acknowledged.value);
    sink.Number(follower->round);
  } else if (const auto* pre = std::get_if<PreCandidate>(&role_)) {
    tell_granted(pre->granted);
  } else if (const auto* candidate = std::get_if<Candidate>(&role_)) {
    tell_granted(candidate->granted);
  } else {
    const auto& leader = std::get<Leader>(role_);
    sink.Number(leader.first_own_index.value);
    sink.Number(leader.round);
    sink.Number(static_cast<std::uint64_t>((leader.next_heartbeat - now_).ns));
    leader.reads.TellState(sink);
    sink.Number(leader.lease_is_void ? 1 : 0);
    sink.Number(leader.time_at_election.value +
                static_cast<std::uint64_t>((now_ - leader.since).ns));
    sink.Number(leader.appended.size());  // the last of the log
    sink.Number(leader.uncommitted_bytes);
    sink.Number(leader.transfer.has_value() ? 1 : 0);
    if (leader.transfer) {
      sink.Node(leader.transfer->target);
      sink.Number(leader.transfer->sent ? 1 : 0);
      sink.Number(static_cast<std::uint64_t>((leader.transfer->deadline - now_).ns));
    }
    for (const auto& [id, rounds] : leader.catching_up) {
      sink.Section(id);
      sink.Number(rounds.target.value);
      sink.Number(rounds.answered_round);
      sink.Number(rounds.fast_rounds);
    }
    sink.Section(NodeId());
    for (const auto& [peer, progress] : leader.peers) {
      sink.Section(peer);
      progress.TellState(config_, now_, sink);
    }
    sink.Section(NodeId());
  }
}

}  // namespace lockstep::raft
