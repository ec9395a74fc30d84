// Node: who belongs to the cluster (Ongaro 2014, chapter 4).

#include <algorithm>

#include "core/assert.h"
#include "core/raft/node.h"

namespace lockstep::raft {
namespace {

// A learner that has copied so many rounds in a row, each within an election timeout, will not make
// a quorum wait for it (§4.2.1).
constexpr std::uint64_t kFastRounds = 3;

std::string Nodes(const std::vector<NodeId>& nodes) {
  std::string text = nodes.size() == 1 ? "node" : "nodes";
  for (const NodeId node : nodes) {
    text += " " + std::to_string(node.value);
  }
  return text;
}

}  // namespace

std::variant<LogPosition, MembershipRefusal> Node::ChangeMembership(const MembershipChange& change,
                                                                    Instant now) {
  using Kind = MembershipRefusal::Kind;
  TimeIs(now);
  const auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) {
    return MembershipRefusal{Kind::kNotLeader, "this node is not the leader"};
  }
  if (leader->transfer) {
    return MembershipRefusal{Kind::kNotNow, "leadership is being handed over"};
  }
  // Without it two leaders could each bring a change of their own to a majority (Ongaro, "bug in
  // single-server membership changes", raft-dev 2015).
  if (commit_index_ < leader->first_own_index) {
    return MembershipRefusal{Kind::kNotNow, "this leader has not committed anything yet"};
  }
  const MembershipAt& latest = membership();
  if (latest.index > commit_index_ || latest.membership.IsJoint()) {
    return MembershipRefusal{Kind::kNotNow, "a change is under way: " + ToText(latest.membership)};
  }
  auto changed = Change(latest.membership, change);
  if (auto* problem = std::get_if<std::string>(&changed)) {
    return MembershipRefusal{Kind::kInvalid, std::move(*problem)};
  }
  const auto& next = std::get<Membership>(changed);
  for (const StandingChange& standing : change.standings) {
    if (standing.standing != Standing::kVoter || latest.membership.IsVoter(standing.id)) {
      continue;
    }
    const auto tracked = leader->catching_up.find(standing.id);
    if (tracked == leader->catching_up.end() || tracked->second.fast_rounds < kFastRounds ||
        !IsLive(standing.id)) {
      const Index match = leader->peers.at(standing.id).match_index();
      return MembershipRefusal{Kind::kNotNow,
                               "node " + std::to_string(standing.id.value) +
                                   " has not caught up: it has the log up to " +
                                   std::to_string(match.value) + " of " +
                                   std::to_string(log_.last_index().value) +
                                   (IsLive(standing.id) ? "" : ", and was not heard of lately")};
    }
  }
  if (std::string lack = LacksLiveQuorum(next); !lack.empty()) {
    return MembershipRefusal{Kind::kNotNow, std::move(lack)};
  }
  AppendMembership(next);
  return log_.last();
}

// The configuration that counts is another one than before.
void Node::MembershipChanged() {
  const Membership& current = membership().membership;
  effects_.membership = membership();
  Emit({.kind = Event::Kind::kMembershipChanged,
        .term = current_term(),
        .peer = leader(),
        .index = membership().index,
        .text = ToText(current)});
  if (std::holds_alternative<Leader>(role_)) {
    TrackMembers();
  }
}

// Keeps book of exactly the other members. What is known of one that stays is kept.
void Node::TrackMembers() {
  auto& leader = std::get<Leader>(role_);
  const auto& members = membership().membership.members;
  std::erase_if(leader.peers, [&](const auto& each) { return members.count(each.first) == 0; });
  std::erase_if(leader.catching_up, [&](const auto& each) {
    const auto found = members.find(each.first);
    return found == members.end() || found->second.voter;
  });
  for (const auto& [id, member] : members) {
    if (id != config_.id) {
      leader.peers.try_emplace(id, log_.last_index(), now_);
    }
    if (member.learner && !member.outgoing) {
      leader.catching_up.try_emplace(
          id,
          CatchUp{.target = log_.last_index(), .answered_round = leader.round + 1, .since = now_});
    }
  }
}

void Node::AppendMembership(const Membership& membership) {
  CORE_ASSERT(raft::Validate(membership).empty());
  AppendOwn(EntryKind::kMembership, Bytes(EncodeMembership(membership)));
  history_.Append({log_.last_index(), membership});
  MembershipChanged();
}

// What a leader changes by itself, one thing at a time.
void Node::ProceedWithMembership() {
  const auto& leader = std::get<Leader>(role_);
  if (commit_index_ < leader.first_own_index || membership().index > commit_index_) {
    return;
  }
  const Membership& current = membership().membership;
  if (current.IsJoint()) {
    AppendMembership(LeaveJoint(current));
  } else if (!IsVoter()) {
    // It has led the cluster into a configuration without itself, and may go now that it is
    // committed (§4.2.2).
    Abdicate("it is not a voter any more");
  } else if (const auto known = WithIncarnations()) {
    AppendMembership(*known);
  } else if (const auto promoted = WithPromotion()) {
    AppendMembership(*promoted);
  }
}

// With what is now known of members whose incarnation was not; nullopt if that is nothing.
std::optional<Membership> Node::WithIncarnations() const {
  const auto& leader = std::get<Leader>(role_);
  std::optional<Membership> known;
  for (const auto& [id, member] : membership().membership.members) {
    if (member.incarnation != Incarnation()) {
      continue;
    }
    const auto heard = leader.first_heard.find(id);
    const Incarnation incarnation = id == config_.id                    ? config_.incarnation
                                    : heard == leader.first_heard.end() ? Incarnation()
                                                                        : heard->second;
    if (incarnation == Incarnation()) {
      continue;
    }
    if (!known) {
      known = membership().membership;
    }
    known->members.at(id).incarnation = incarnation;
  }
  return known;
}

bool Node::IsLive(NodeId member) const {
  if (member == config_.id) {
    return true;
  }
  const Progress* progress = this->progress(member);
  return progress != nullptr && progress->ever_heard() &&
         now_ < progress->last_contact() + config_.election_timeout;
}

// Counts the learner's rounds; true if it has caught up.
bool Node::IsCaughtUp(NodeId learner, const Progress& progress) {
  auto& leader = std::get<Leader>(role_);
  CatchUp& rounds = leader.catching_up.at(learner);
  if (progress.match_index() >= rounds.target &&
      progress.acknowledged_round() >= rounds.answered_round) {
    const bool fast = now_ <= rounds.since + config_.election_timeout;
    rounds = {.target = log_.last_index(),
              .answered_round = leader.round + 1,
              .since = now_,
              .fast_rounds = fast ? rounds.fast_rounds + 1 : 0};
  }
  return rounds.fast_rounds >= kFastRounds && IsLive(learner);
}

// With the first learner promoted that is to be and has caught up; nullopt if there is none.
std::optional<Membership> Node::WithPromotion() {
  auto& leader = std::get<Leader>(role_);
  if (leader.transfer) {
    return std::nullopt;
  }
  std::optional<Membership> promoted;
  const Membership& current = membership().membership;
  for (const auto& [id, rounds] : leader.catching_up) {
    const bool caught_up = IsCaughtUp(id, leader.peers.at(id));
    const Member& member = current.members.at(id);
    if (promoted || !caught_up || !member.promote) {
      continue;
    }
    std::vector<StandingChange> changes = {{id, Standing::kVoter}};
    if (member.replaces != NodeId()) {
      changes.push_back({member.replaces, Standing::kNone});
    }
    auto changed = ChangeStandings(current, changes);
    if (auto* next = std::get_if<Membership>(&changed);
        next != nullptr && LacksLiveQuorum(*next).empty()) {
      promoted = std::move(*next);
    }
  }
  return promoted;
}

// Empty if a majority of those who are to vote in `membership` was heard of lately, else the
// arithmetic in words.
std::string Node::LacksLiveQuorum(const Membership& membership) const {
  std::vector<NodeId> voters;
  std::vector<NodeId> silent;
  for (const auto& [id, member] : membership.members) {
    if (member.voter) {
      voters.push_back(id);
      if (!IsLive(id)) {
        silent.push_back(id);
      }
    }
  }
  const std::size_t needed = Majority(voters.size());
  const std::size_t live = voters.size() - silent.size();
  if (live >= needed) {
    return {};
  }
  return "the cluster would have " + std::to_string(voters.size()) +
         (voters.size() == 1 ? " voter and need " : " voters and need ") + std::to_string(needed) +
         " of them, but only " + std::to_string(live) + " of " + Nodes(voters) +
         " can be reached: not heard of lately: " + Nodes(silent);
}

// ---- Those who are no members

// True if the sender is no member: what it says is ignored. If that is certain, it is told so.
bool Node::RefuseSender(const Message& message) {
  const auto is_another = [&](const Member* member) {
    return member != nullptr && member->incarnation != Incarnation() &&
           member->incarnation != message.incarnation;
  };
  const Membership& committed = committed_membership().membership;
  Refused refused{.reason = Refused::Reason::kRemoved, .incarnation = message.incarnation};
  if (is_another(committed.Find(message.from))) {
    refused.reason = Refused::Reason::kOtherIncarnation;
  } else if (!committed.IsRemoved(message.from)) {
    // Perhaps it was added by entries that are not here yet. And a node that starts does not know
    // how much of what it has was committed, such as whose files are a member's.
    return is_another(membership().membership.Find(message.from));
  }
  if (!std::holds_alternative<Refused>(message.body)) {  // two who refuse each other stop there
    SendNow(message.from, current_term(), refused);
  }
  return true;
}

// A node that its own log leads out of the voters may be the only one that has the entry, with a
// vote of which the others cannot do without until it is committed (§4.2.2).
bool Node::MayCampaign() const {
  return IsVoter() || committed_membership().membership.IsVoter(config_.id);
}

void Node::KnockAtMembers() {
  for (const auto& [id, member] : membership().membership.members) {
    if (id != config_.id) {
      SendWhenDurable(id, Knock{});
    }
  }
}

void Node::Handle(NodeId from, const Refused& refused) {
  if (refused.incarnation != config_.incarnation) {
    return;  // meant for another one that had this id
  }
  Expel(refused.reason == Refused::Reason::kRemoved
            ? "node " + std::to_string(from.value) +
                  " says that this node was removed from the cluster"
            : "node " + std::to_string(from.value) +
                  " says that this node has lost the files that it was a member with");
}

void Node::ExpelIfRemoved() {
  if (expelled_ || installing_) {
    return;
  }
  const MembershipAt& committed = committed_membership();
  if (committed.membership.IsRemoved(config_.id)) {
    Expel("this node was removed from the cluster");
  }
}

void Node::Expel(const std::string& why) {
  if (expelled_) {
    return;
  }
  if (!std::holds_alternative<Follower>(role_)) {
    BecomeFollower(current_term(), NodeId(), why);
  }
  expelled_ = true;
  election_deadline_ = Instant::Never();
  effects_.expelled = why;
  Emit({.kind = Event::Kind::kExpelled,
        .term = current_term(),
        .peer = {},
        .index = commit_index_,
        .text = why});
}

}  // namespace lockstep::raft
