// Who belongs to a cluster, and the arithmetic of changing that, without state: joint consensus
// (Ongaro 2014, §4.3), learners (§4.2.1), and majorities of both (§3.3).

#ifndef LOCKSTEP_CORE_RAFT_MEMBERSHIP_H_
#define LOCKSTEP_CORE_RAFT_MEMBERSHIP_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/raft/quorum.h"
#include "core/types.h"

namespace lockstep::raft {

// What a member's vote counts for. In a joint configuration two majorities are needed: one of the
// voters of the configuration that is entered, and one of those of the configuration that is left.
struct Member {
  bool voter = false;     // in the configuration in force, or in the one that is entered
  bool outgoing = false;  // votes in the configuration that is left; false unless that is under way
  // Receives the log and has no vote. With `outgoing`: will be that once the configuration is left.
  // A member that is neither `voter` nor `learner` leaves with the configuration that is left.
  bool learner = false;

  // A learner that is to become a voter once it has caught up, and the member that is removed in
  // the same step (0: none).
  bool promote = false;
  NodeId replaces;

  // A leader hands leadership to a voter that has a higher one and is up to date.
  std::uint32_t priority = 0;
  Incarnation incarnation;  // 0 until the leader has heard from it
  std::string peer_address;
  std::string client_address;

  friend bool operator==(const Member&, const Member&) = default;
};

// Bounds of what a membership may hold; larger ones are refused where they enter.
inline constexpr std::size_t kMembersMax = 64;
inline constexpr std::size_t kAddressBytesMax = 255;

// A configuration of the cluster. As constructed: of a node that was not told any yet.
struct Membership {
  std::map<NodeId, Member> members;
  // The next member to be added gets this id. Ids are never given twice, so that one below it that
  // is not a member was removed for good.
  NodeId next_id = {1};

  const Member* Find(NodeId id) const {
    const auto found = members.find(id);
    return found == members.end() ? nullptr : &found->second;
  }
  bool IsRemoved(NodeId id) const { return id < next_id && members.count(id) == 0; }
  // Votes in either half.
  bool IsVoter(NodeId id) const {
    const Member* member = Find(id);
    return member != nullptr && (member->voter || member->outgoing);
  }
  bool IsJoint() const {
    return std::any_of(members.begin(), members.end(),
                       [](const auto& each) { return each.second.outgoing; });
  }

  friend bool operator==(const Membership&, const Membership&) = default;
};

// A configuration, and the index of the entry that made it: 0 for the one that the cluster began
// with.
struct MembershipAt {
  Index index;
  Membership membership;

  friend bool operator==(const MembershipAt&, const MembershipAt&) = default;
};

// The configuration of a cluster of these voters, of which nothing but their ids is known.
Membership MembershipOf(const std::vector<NodeId>& voters);

// Empty if `membership` can be one of a cluster, else what is wrong with it, in words. One without
// any member is none.
std::string Validate(const Membership& membership);

// "voters 1 2 3, learner 4", "voters 1 2 4, leaving voters 1 2 3"
std::string ToText(const Membership& membership);

// The largest value that a quorum has reached, given each voter's own: of a joint configuration, a
// majority of either half. With match indexes this is the index that is stored on a quorum, with
// times of contact the moment since which one has been heard. `value_of` takes a NodeId.
// REQUIRES: there is a voter.
template <class ValueOf>
auto ReachedByQuorum(const Membership& membership, const ValueOf& value_of) {
  using Value = decltype(value_of(NodeId()));
  VoterValues<Value> entered;
  VoterValues<Value> left;
  for (const auto& [id, member] : membership.members) {
    if (!member.voter && !member.outgoing) {
      continue;
    }
    const Value value = value_of(id);
    if (member.voter) {
      entered.push_back(value);
    }
    if (member.outgoing) {
      left.push_back(value);
    }
  }
  const Value reached = ReachedByMajority(std::move(entered));
  return left.empty() ? reached : std::min(reached, ReachedByMajority(std::move(left)));
}

// ---- Changes

enum class Standing : std::uint8_t { kNone = 1, kLearner, kVoter };

struct StandingChange {
  NodeId id;
  Standing standing = Standing::kNone;

  friend bool operator==(const StandingChange&, const StandingChange&) = default;
};

// What `from` becomes by all of `changes` at once: joint if the voters change, to be followed by
// LeaveJoint(), else in force at once. A text says why not: nothing would change, an id is not that
// of a member or comes twice, `from` is joint, or no voter would be left.
std::variant<Membership, std::string> ChangeStandings(const Membership& from,
                                                      const std::vector<StandingChange>& changes);

// REQUIRES: from.IsJoint().
Membership LeaveJoint(const Membership& from);

// ---- As bytes

// The format of membership.proto: on disk, in the log and in snapshots. Equal memberships give
// equal bytes.
std::string EncodeMembership(const Membership& membership);
// Nullopt for anything that EncodeMembership() of this version cannot have made of a valid one.
// Bytes of no membership at all (of a node that was not told any yet) are those of Membership().
std::optional<Membership> DecodeMembership(std::string_view bytes);

}  // namespace lockstep::raft

#endif  // LOCKSTEP_CORE_RAFT_MEMBERSHIP_H_
