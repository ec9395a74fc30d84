// What a server notices, for logs, metrics and probes. Nothing is decided by these.

#ifndef LOCKSTEP_CORE_RAFT_EVENT_H_
#define LOCKSTEP_CORE_RAFT_EVENT_H_

#include <cstdint>
#include <string>

#include "core/types.h"

namespace lockstep::raft {

enum class Role : std::uint8_t { kFollower = 1, kPreCandidate, kCandidate, kLeader };

struct Event {
  enum class Kind : std::uint8_t {
    kBecameFollower = 1,  // of a later term; peer: its leader, if known
    kBecamePreCandidate,
    kBecameCandidate,
    kBecameLeader,
    kSteppedDown,        // was leader; text: why
    kLeaderChanged,      // peer: the leader of this term, now known
    kTruncatedLog,       // index: the first entry that was removed
    kCompactedLog,       // index: the last entry that was removed
    kSnapshotSent,       // peer, index
    kSnapshotInstalled,  // index
    kSnapshotRejected,   // peer, index; text: why
    kCheckpointStored,   // index
    kMembershipChanged,  // index: of the entry, committed or not; text: the members
    kTransferBegan,      // peer: who is to lead
    kTransferEnded,      // peer; text: how
    kExpelled,           // this node is no member any more; text: why
  };
  Kind kind = Kind::kBecameFollower;
  Term term;
  NodeId peer;
  Index index;
  std::string text;
};

}  // namespace lockstep::raft

#endif  // LOCKSTEP_CORE_RAFT_EVENT_H_
