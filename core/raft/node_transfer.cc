// Node: leadership is handed over (Ongaro 2014, §3.10).

#include <algorithm>

#include "core/assert.h"
#include "core/raft/node.h"

namespace lockstep::raft {

std::string Node::TransferLeadership(NodeId target, Instant now) {
  TimeIs(now);
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) {
    return "this node is not the leader";
  }
  if (leader->transfer) {
    return "leadership is being handed to node " + std::to_string(leader->transfer->target.value);
  }
  if (target == NodeId()) {
    target = BestSuccessor();
    if (target == NodeId()) {
      return "there is no other voter that could lead";
    }
  }
  const Member* member = membership().membership.Find(target);
  if (target == config_.id) {
    return "node " + std::to_string(target.value) + " leads already";
  }
  if (member == nullptr || !member->voter) {
    return "node " + std::to_string(target.value) + " is not a voter";
  }
  if (!IsLive(target)) {
    return "node " + std::to_string(target.value) + " was not heard of lately";
  }
  leader->transfer = Transfer{.target = target, .deadline = now_ + config_.election_timeout};
  Emit({.kind = Event::Kind::kTransferBegan,
        .term = current_term(),
        .peer = target,
        .index = log_.last_index(),
        .text = {}});
  return {};
}

// The voter whose log goes furthest of those that can be heard; of equal ones the one with the
// highest priority. 0 if there is none.
NodeId Node::BestSuccessor() const {
  const auto& leader = std::get<Leader>(role_);
  NodeId best;
  std::pair<Index, std::uint32_t> best_key;
  for (const auto& [id, progress] : leader.peers) {
    const Member& member = membership().membership.members.at(id);
    const std::pair<Index, std::uint32_t> key = {progress.match_index(), member.priority};
    if (member.voter && IsLive(id) && (best == NodeId() || key > best_key)) {
      best = id;
      best_key = key;
    }
  }
  return best;
}

void Node::ProceedWithTransfer() {
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr || !leader->transfer) {
    return;
  }
  Transfer& transfer = *leader->transfer;
  // Members do not change meanwhile, but that a joint configuration is left: for the half in which
  // the target votes.
  CORE_ASSERT(membership().membership.members.at(transfer.target).voter);
  if (now_ >= transfer.deadline) {
    EndTransfer(false, "node " + std::to_string(transfer.target.value) +
                           " did not take over within an election timeout");
  } else if (!transfer.sent &&
             leader->peers.at(transfer.target).match_index() == log_.last_index()) {
    transfer.sent = true;
    // Whom it asks needs nobody's patience, even if it takes its time.
    leader->lease_is_void = true;
    SendNow(transfer.target, current_term(), TimeoutNow{});
  }
}

void Node::EndTransfer(bool moved, const std::string& why) {
  auto& leader = std::get<Leader>(role_);
  if (!leader.transfer) {
    return;
  }
  const NodeId target = leader.transfer->target;
  effects_.transfer_ended =
      TransferEnded{.target = target, .moved = moved, .asked = leader.transfer->sent, .why = why};
  leader.transfer.reset();
  Emit({.kind = Event::Kind::kTransferEnded,
        .term = current_term(),
        .peer = target,
        .index = log_.last_index(),
        .text = moved ? "this node leads no more" : why});
}

void Node::Handle(NodeId from, const TimeoutNow&, Term) {
  const auto* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr || follower->leader != from || !MayCampaign() || installing_ ||
      DiskStalls()) {
    return;
  }
  BecomeCandidate(true);
}

void Node::Abdicate(const std::string& why) {
  const NodeId successor = BestSuccessor();
  if (successor != NodeId()) {
    SendNow(successor, current_term(), TimeoutNow{});
  }
  BecomeFollower(current_term(), NodeId(), why);
}

// Hands leadership to a voter that is preferred, once it has everything and this leader is settled.
void Node::PreferAnother() {
  auto& leader = std::get<Leader>(role_);
  const Member* self = membership().membership.Find(config_.id);
  if (leader.transfer || self == nullptr || now_ < leader.may_prefer_another ||
      membership().index > commit_index_ || membership().membership.IsJoint()) {
    return;
  }
  NodeId preferred;
  std::uint32_t priority = self->priority;
  for (const auto& [id, progress] : leader.peers) {
    const Member& member = membership().membership.members.at(id);
    if (member.voter && member.priority > priority && IsLive(id) &&
        progress.state() == Progress::State::kReplicate &&
        progress.match_index() >= commit_index_) {
      preferred = id;
      priority = member.priority;
    }
  }
  if (preferred != NodeId()) {
    // One that does not take over is not asked again and again.
    leader.may_prefer_another = now_ + config_.election_timeout * 10;
    static_cast<void>(TransferLeadership(preferred, now_));
  }
}

}  // namespace lockstep::raft
