#include "core/raft/membership_change.h"

#include <utility>

namespace lockstep::raft {
namespace {

std::string NodeText(NodeId id) { return "node " + std::to_string(id.value); }

std::string Add(Membership& to, const NewMember& add) {
  if (add.incarnation == Incarnation()) {
    return "a new member needs an incarnation";
  }
  if (const NodeId known = FindIncarnation(to, add.incarnation); known != NodeId()) {
    return NodeText(known) + " is that member already";
  }
  if (to.members.size() >= kMembersMax) {
    return "there are " + std::to_string(kMembersMax) + " members, and no more are allowed";
  }
  if (add.replaces != NodeId() && to.members.count(add.replaces) == 0) {
    return NodeText(add.replaces) + " is not a member";
  }
  to.members.emplace(to.next_id, Member{.learner = true,
                                        .promote = add.promote,
                                        .replaces = add.replaces,
                                        .priority = add.priority,
                                        .incarnation = add.incarnation,
                                        .peer_address = add.peer_address,
                                        .client_address = add.client_address});
  to.next_id = to.next_id.Next();
  return {};
}

std::string Update(Membership& to, const MemberUpdate& update) {
  const auto found = to.members.find(update.id);
  if (found == to.members.end()) {
    return NodeText(update.id) + " is not a member";
  }
  Member& member = found->second;
  member.peer_address = update.peer_address.value_or(member.peer_address);
  member.client_address = update.client_address.value_or(member.client_address);
  member.priority = update.priority.value_or(member.priority);
  if (update.promote_replacing) {
    if (!member.learner) {
      return NodeText(update.id) + " is not a learner";
    }
    if (*update.promote_replacing != NodeId() && to.members.count(*update.promote_replacing) == 0) {
      return NodeText(*update.promote_replacing) + " is not a member";
    }
    member.promote = true;
    member.replaces = *update.promote_replacing;
  }
  return {};
}

}  // namespace

NodeId FindIncarnation(const Membership& membership, Incarnation incarnation) {
  for (const auto& [id, member] : membership.members) {
    if (member.incarnation == incarnation) {
      return id;
    }
  }
  return {};
}

std::variant<Membership, std::string> Change(const Membership& from,
                                             const MembershipChange& change) {
  Membership to = from;
  if (!change.standings.empty()) {
    auto changed = ChangeStandings(from, change.standings);
    if (auto* problem = std::get_if<std::string>(&changed)) {
      return std::move(*problem);
    }
    to = std::get<Membership>(std::move(changed));
  }
  for (const MemberUpdate& update : change.updates) {
    if (std::string problem = Update(to, update); !problem.empty()) {
      return problem;
    }
  }
  if (change.add) {
    if (std::string problem = Add(to, *change.add); !problem.empty()) {
      return problem;
    }
  }
  if (to == from) {
    return std::string("nothing would change");
  }
  if (std::string problem = Validate(to); !problem.empty()) {
    return problem;
  }
  return to;
}

}  // namespace lockstep::raft
