#include "core/raft/membership.h"

#include <set>
#include <utility>

#include "core/assert.h"
#include "core/raft/membership.pb.h"

namespace lockstep::raft {
namespace {

constexpr std::uint32_t kVersion = 1;

std::string NodeText(NodeId id) { return "node " + std::to_string(id.value); }

std::string ProblemOf(NodeId id, const Member& member, const Membership& membership) {
  if (id == NodeId() || id >= membership.next_id) {
    return NodeText(id) + " is a member, and the next id is " +
           std::to_string(membership.next_id.value);
  }
  if (!member.voter && !member.outgoing && !member.learner) {
    return NodeText(id) + " is a member without being voter or learner";
  }
  if (member.voter && member.learner) {
    return NodeText(id) + " is both voter and learner";
  }
  if (member.promote && !member.learner) {
    return NodeText(id) + " is to be promoted and is no learner";
  }
  if (member.replaces != NodeId() && (!member.promote || member.replaces == id)) {
    return NodeText(id) + " cannot replace " + NodeText(member.replaces);
  }
  if (member.peer_address.size() > kAddressBytesMax ||
      member.client_address.size() > kAddressBytesMax) {
    return "an address of " + NodeText(id) + " has more than " + std::to_string(kAddressBytesMax) +
           " bytes";
  }
  return {};
}

}  // namespace

Membership MembershipOf(const std::vector<NodeId>& voters) {
  Membership membership;
  for (const NodeId id : voters) {
    membership.members[id].voter = true;
    membership.next_id = std::max(membership.next_id, id.Next());
  }
  return membership;
}

std::string Validate(const Membership& membership) {
  if (membership.members.size() > kMembersMax) {
    return std::to_string(membership.members.size()) + " members are more than " +
           std::to_string(kMembersMax);
  }
  bool has_voter = false;
  for (const auto& [id, member] : membership.members) {
    if (std::string problem = ProblemOf(id, member, membership); !problem.empty()) {
      return problem;
    }
    has_voter = has_voter || member.voter;
  }
  return has_voter ? std::string() : "there is no voter";
}

std::string ToText(const Membership& membership) {
  std::string text;
  const auto add = [&](const char* one, const char* many, auto&& belongs) {
    std::string ids;
    std::size_t count = 0;
    for (const auto& [id, member] : membership.members) {
      if (belongs(member)) {
        ids += " " + std::to_string(id.value);
        ++count;
      }
    }
    if (count > 0) {
      text += (text.empty() ? "" : ", ") + std::string(count == 1 ? one : many) + ids;
    }
  };
  add("voter", "voters", [](const Member& member) { return member.voter; });
  add("leaving voter", "leaving voters", [](const Member& member) { return member.outgoing; });
  add("learner", "learners", [](const Member& member) { return member.learner; });
  return text.empty() ? "nobody" : text;
}

std::variant<Membership, std::string> ChangeStandings(const Membership& from,
                                                      const std::vector<StandingChange>& changes) {
  if (from.IsJoint()) {
    return "a change is under way: " + ToText(from);
  }
  Membership to = from;
  std::set<NodeId> seen;
  bool voters_change = false;
  for (const StandingChange& change : changes) {
    if (!seen.insert(change.id).second) {
      return NodeText(change.id) + " is named twice";
    }
    const auto found = to.members.find(change.id);
    if (found == to.members.end()) {
      return NodeText(change.id) + " is not a member";
    }
    Member& member = found->second;
    voters_change = voters_change || member.voter != (change.standing == Standing::kVoter);
    member.voter = change.standing == Standing::kVoter;
    member.learner = change.standing == Standing::kLearner;
    member.promote = false;
    member.replaces = {};
    if (change.standing == Standing::kNone && !from.members.at(change.id).voter) {
      to.members.erase(found);  // a learner leaves without further ado
    }
  }
  if (to == from) {
    return std::string("nothing would change");
  }
  if (std::none_of(to.members.begin(), to.members.end(),
                   [](const auto& each) { return each.second.voter; })) {
    return std::string("no voter would be left");
  }
  if (voters_change) {
    for (const auto& [id, member] : from.members) {
      if (member.voter) {
        to.members.at(id).outgoing = true;
      }
    }
  }
  // Who waits to replace a member that has gone waits for nothing.
  for (auto& [id, member] : to.members) {
    if (to.members.count(member.replaces) == 0) {
      member.replaces = {};
    }
  }
  return to;
}

Membership LeaveJoint(const Membership& from) {
  CORE_ASSERT(from.IsJoint());
  Membership to = from;
  for (auto each = to.members.begin(); each != to.members.end();) {
    each->second.outgoing = false;
    each = each->second.voter || each->second.learner ? std::next(each) : to.members.erase(each);
  }
  for (auto& [id, member] : to.members) {
    if (to.members.count(member.replaces) == 0) {
      member.replaces = {};
    }
  }
  return to;
}

std::string EncodeMembership(const Membership& membership) {
  format::Membership out;
  out.set_version(kVersion);
  out.set_next_id(membership.next_id.value);
  for (const auto& [id, member] : membership.members) {
    format::Member& each = *out.add_members();
    each.set_id(id.value);
    each.set_voter(member.voter);
    each.set_outgoing(member.outgoing);
    each.set_learner(member.learner);
    each.set_promote(member.promote);
    each.set_replaces(member.replaces.value);
    each.set_priority(member.priority);
    each.set_incarnation(member.incarnation.value);
    each.set_peer_address(member.peer_address);
    each.set_client_address(member.client_address);
  }
  return out.SerializeAsString();
}

std::optional<Membership> DecodeMembership(std::string_view bytes) {
  format::Membership in;
  if (bytes.size() > kMembersMax * 2 * (kAddressBytesMax + 64) ||
      !in.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) ||
      in.version() != kVersion) {
    return std::nullopt;
  }
  Membership membership;
  membership.next_id = {in.next_id()};
  for (const format::Member& each : in.members()) {
    membership.members.emplace(NodeId{each.id()}, Member{.voter = each.voter(),
                                                         .outgoing = each.outgoing(),
                                                         .learner = each.learner(),
                                                         .promote = each.promote(),
                                                         .replaces = {each.replaces()},
                                                         .priority = each.priority(),
                                                         .incarnation = {each.incarnation()},
                                                         .peer_address = each.peer_address(),
                                                         .client_address = each.client_address()});
  }
  // The map has put the members in order: comparing finds those that were in another one.
  if ((membership != Membership() && !Validate(membership).empty()) ||
      EncodeMembership(membership) != bytes) {
    return std::nullopt;
  }
  return membership;
}

}  // namespace lockstep::raft
