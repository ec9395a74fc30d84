// What an operator may ask to change in a cluster's membership, and what comes of it.

#ifndef LOCKSTEP_CORE_RAFT_MEMBERSHIP_CHANGE_H_
#define LOCKSTEP_CORE_RAFT_MEMBERSHIP_CHANGE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/raft/membership.h"
#include "core/types.h"

namespace lockstep::raft {

// A node that joins: as a learner, under an id that nobody had before.
struct NewMember {
  Incarnation incarnation;  // not 0
  std::string peer_address;
  std::string client_address;
  std::uint32_t priority = 0;
  bool promote = true;  // to be a voter once it has caught up
  NodeId replaces;      // with `promote`: who leaves in the same step; 0: nobody

  friend bool operator==(const NewMember&, const NewMember&) = default;
};

struct MemberUpdate {
  NodeId id;
  std::optional<std::string> peer_address;
  std::optional<std::string> client_address;
  std::optional<std::uint32_t> priority;
  // Makes a learner wait for its promotion, in the place of another member (0: nobody's).
  std::optional<NodeId> promote_replacing;

  friend bool operator==(const MemberUpdate&, const MemberUpdate&) = default;
};

// All of it in one step.
struct MembershipChange {
  std::optional<NewMember> add;
  std::vector<StandingChange> standings;
  std::vector<MemberUpdate> updates;

  friend bool operator==(const MembershipChange&, const MembershipChange&) = default;
};

// The member of this incarnation; 0 if there is none. A node that asks again to be added is told
// the id that it got.
NodeId FindIncarnation(const Membership& membership, Incarnation incarnation);

// What `from` becomes. A text says what is wrong with the change; nothing is then changed.
std::variant<Membership, std::string> Change(const Membership& from,
                                             const MembershipChange& change);

// Why a membership stays as it is.
struct MembershipRefusal {
  enum class Kind : std::uint8_t {
    kNotLeader = 1,
    kNotNow,   // worth trying later
    kInvalid,  // the request makes no sense for this membership
  };
  Kind kind = Kind::kInvalid;
  std::string text;
};

}  // namespace lockstep::raft

#endif  // LOCKSTEP_CORE_RAFT_MEMBERSHIP_CHANGE_H_
