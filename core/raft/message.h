// What Raft's servers keep and say to each other (Ongaro 2014, figure 3.1 and chapters 5, 6, 9),
// as plain data. Nothing here has behaviour; net/codec turns it into bytes and checks foreign ones.

#ifndef LOCKSTEP_CORE_RAFT_MESSAGE_H_
#define LOCKSTEP_CORE_RAFT_MESSAGE_H_

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "core/bytes.h"
#include "core/types.h"

namespace lockstep::raft {

// A place in the log together with the term of the entry there: two logs that agree on it agree
// on everything before it (Log Matching, §3.5). {0, 0} is the place before the first entry.
struct LogPosition {
  Index index;
  Term term;

  friend auto operator<=>(const LogPosition&, const LogPosition&) = default;
};

enum class EntryKind : std::uint8_t {
  kNoOp = 1,     // appended by a new leader, so that it may commit what earlier terms left (§6.4)
  kCommand = 2,  // a client's command, opaque to Raft
  kMembership = 3,  // EncodeMembership() of the configuration that holds from here on (§4.3)
};

struct Entry {
  Index index;
  Term term;
  ClusterTime time;  // stamped by the leader; never decreases along the log
  EntryKind kind = EntryKind::kNoOp;
  Bytes payload;  // empty for a no-op

  friend bool operator==(const Entry&, const Entry&) = default;
};

// What a server must remember besides its log (§3.3): without the vote it could vote twice.
struct HardState {
  Term current_term;
  NodeId voted_for;

  friend bool operator==(const HardState&, const HardState&) = default;
};

// Asks for a vote (§3.4), or, as a pre-vote, whether a vote would be given (§9.6). In a pre-vote
// Message::term is the term that the sender would campaign in.
struct RequestVote {
  bool pre_vote = false;
  LogPosition last_log;
  // The leader asked for this election (TimeoutNow), so that listening to it is no reason to
  // refuse. Never with pre_vote.
  bool transfer = false;

  friend bool operator==(const RequestVote&, const RequestVote&) = default;
};

// A granted pre-vote carries the term that was asked for; all other replies the responder's own.
struct RequestVoteReply {
  bool pre_vote = false;
  bool granted = false;

  friend bool operator==(const RequestVoteReply&, const RequestVoteReply&) = default;
};

// Replicates `entries`, which follow `previous` without a gap; without entries, a heartbeat (§3.5).
struct AppendEntries {
  LogPosition previous;
  std::vector<Entry> entries;
  Index leader_commit;
  // Counts the leader's rounds of heartbeats in its term; the reply returns it. A quorum of
  // replies to a round proves that the sender led when the round began (§6.4).
  std::uint64_t round = 0;

  friend bool operator==(const AppendEntries&, const AppendEntries&) = default;
};

struct AppendEntriesReply {
  bool success = false;
  // On success: the last index that this message proved equal to the leader's log and that is
  // durable here. On failure: `previous.index` of the refused message.
  Index match;
  // On failure: the last position here that could agree with the leader's log, namely the last
  // entry at or before `match` whose term is not above the refused one (§3.5, conflict hints).
  LogPosition hint;
  std::uint64_t round = 0;
  // For so long, by its clock and counted from when it heard of `round`, the sender gives its vote
  // to nobody else, unless this leader asks for that with TimeoutNow. 0: it promises nothing.
  Duration promise;

  friend bool operator==(const AppendEntriesReply&, const AppendEntriesReply&) = default;
};

// A part of a snapshot (§5.1 and figure 5.3). This version sends it whole: offset 0 and last.
struct InstallSnapshot {
  LogPosition last_included;
  std::uint64_t offset = 0;
  bool last = true;
  Bytes data;
  std::uint64_t round = 0;

  friend bool operator==(const InstallSnapshot&, const InstallSnapshot&) = default;
};

// Sent once the receiver's durable state covers `match`, by this snapshot or without it.
struct InstallSnapshotReply {
  Index match;

  friend bool operator==(const InstallSnapshotReply&, const InstallSnapshotReply&) = default;
};

// Leadership is handed over: the receiver, whose log is the leader's, is to campaign at once
// (§3.10).
struct TimeoutNow {
  friend bool operator==(const TimeoutNow&, const TimeoutNow&) = default;
};

// The answer to any request of a node that certainly is no member: it may stop.
struct Refused {
  enum class Reason : std::uint8_t {
    kRemoved = 1,       // the committed configuration is one that it was removed from
    kOtherIncarnation,  // its files are not those that the member of this id has promised with
  };
  Reason reason = Reason::kRemoved;
  Incarnation incarnation;  // the refused one

  friend bool operator==(const Refused&, const Refused&) = default;
};

// A member without a vote hears from no leader: whoever knows that it was removed says so. Needs no
// other answer.
struct Knock {
  friend bool operator==(const Knock&, const Knock&) = default;
};

// Asks the leader of the term for an index that holds all that was committed before it got this, by
// whomever (§6.4): for a batch of a follower's reads.
struct ReadIndex {
  std::uint64_t number = 0;  // no other batch of the sender has it, also of its earlier lives

  friend bool operator==(const ReadIndex&, const ReadIndex&) = default;
};

struct ReadIndexReply {
  std::uint64_t number = 0;
  Index read_index;

  friend bool operator==(const ReadIndexReply&, const ReadIndexReply&) = default;
};

using Body =
    std::variant<RequestVote, RequestVoteReply, AppendEntries, AppendEntriesReply, InstallSnapshot,
                 InstallSnapshotReply, TimeoutNow, Refused, Knock, ReadIndex, ReadIndexReply>;

// What a replica's state amounted to once it had applied an entry (core/digest_watch.h).
struct StateDigest {
  Index index;  // 0: none
  std::uint64_t digest = 0;

  friend bool operator==(const StateDigest&, const StateDigest&) = default;
};

struct Message {
  ClusterId cluster;  // a node that was given another cluster's address must not be listened to
  NodeId from;
  NodeId to;
  Incarnation incarnation;  // of the sender
  Term term;
  Body body;
  // With an AppendEntriesReply the sender's own; with an AppendEntries what a quorum agrees on.
  StateDigest state;

  friend bool operator==(const Message&, const Message&) = default;
};

// To store in log.db, all of it or nothing. Applied in the order of its fields.
struct Write {
  WriteId id;  // consecutive
  std::optional<HardState> hard_state;
  // Set: forget the whole log; the next entry is the one after this position.
  std::optional<LogPosition> reset_to;
  // Replace every stored entry with an index >= entries.front().index. Contiguous.
  std::vector<Entry> entries;
  // Set: entries up to and including this one are no longer needed. Its term is kept.
  std::optional<LogPosition> compact_to;

  friend bool operator==(const Write&, const Write&) = default;
};

// What log.db holds.
struct DurableState {
  HardState hard_state;
  LogPosition base;            // the position before the first entry
  std::vector<Entry> entries;  // contiguous from base.index + 1

  friend bool operator==(const DurableState&, const DurableState&) = default;
};

}  // namespace lockstep::raft

#endif  // LOCKSTEP_CORE_RAFT_MESSAGE_H_
