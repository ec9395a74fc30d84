// The space of states of a small world: numbers for everything that can be in one, and what every
// step leads to.
//
// A member's next state depends on the member and on its input alone, and the same members meet the
// same messages in very many states of the world. So each distinct member and message is kept once,
// under a number, and so is the outcome of each step of each member: the shipped code runs once for
// each, and exploring the world is looking up.

#ifndef LOCKSTEP_SIM_EXPLORE_SPACE_H_
#define LOCKSTEP_SIM_EXPLORE_SPACE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "sim/explore/bounds.h"
#include "sim/explore/identity.h"
#include "sim/explore/member.h"
#include "sim/explore/numbering.h"
#include "sim/oracles/canonical_log.h"

namespace lockstep::sim::explore {

using MemberNumber = std::uint32_t;
using MessageNumber = std::uint32_t;
using HistoryNumber = std::uint32_t;

// A guarantee that does not hold.
struct Broken {
  std::string property;
  std::string text;
};

// What must be remembered of the past to judge the future.
struct History {
  std::vector<NodeId> leaders;  // by term
  CanonicalLog canonical;       // all that was ever committed
  Index served;                 // the highest index that an answer to a client rests on
};

// What a step of one member leads to.
struct Outcome {
  MemberNumber member = 0;
  std::vector<MessageNumber> messages;
  bool elected = false;
  bool log_changed = false;
  Index commit_before;
  Index served;
  std::optional<Broken> broken;
};

// What is asked of a member in every state that it is in.
struct Brief {
  NodeId id;
  raft::Role role = raft::Role::kFollower;
  Term term;
  Term disk_term;
  Index commit;
  std::size_t writes_waiting = 0;
  bool patient = false;
  bool may_checkpoint = false;
  bool installing = false;
  std::vector<NodeId> snapshots_wanted;
  std::vector<Hash128> hashes;  // by renaming
};

struct MessageBrief {
  NodeId to;
  Term term;
  bool is_reply = false;
  std::vector<Hash128> hashes;  // by renaming
};

class Space {
 public:
  explicit Space(const Bounds& bounds);

  const Bounds& bounds() const { return bounds_; }
  std::size_t renamings() const { return renamings_.size(); }

  MemberNumber FirstMember(NodeId id);
  HistoryNumber NumberOf(History history);

  // The reference holds until the next call.
  const Outcome& Step(MemberNumber member, StepKind kind, std::uint64_t argument, Index served);

  const Member& member(MemberNumber number) const { return members_[number]; }
  const Brief& brief(MemberNumber number) const { return briefs_[number]; }
  const raft::Message& message(MessageNumber number) const { return messages_[number]; }
  const MessageBrief& message_brief(MessageNumber number) const { return message_briefs_[number]; }
  const History& history(HistoryNumber number) const { return histories_[number].history; }
  const std::vector<Hash128>& history_hashes(HistoryNumber number) const {
    return histories_[number].hashes;
  }

  std::size_t member_count() const { return members_.size(); }
  std::size_t message_count() const { return messages_.size(); }
  std::size_t outcome_count() const { return outcomes_.size(); }

 private:
  struct NumberedHistory {
    History history;
    std::vector<Hash128> hashes;
  };

  MemberNumber NumberOf(Member member);
  MessageNumber NumberOf(const raft::Message& message);

  const Bounds bounds_;
  const std::vector<Renaming> renamings_;
  Numbering member_numbers_;
  std::deque<Member> members_;
  std::deque<Brief> briefs_;
  Numbering message_numbers_;
  std::deque<raft::Message> messages_;
  std::deque<MessageBrief> message_briefs_;
  Numbering history_numbers_;
  std::deque<NumberedHistory> histories_;
  Numbering step_numbers_;
  std::deque<Outcome> outcomes_;
};

}  // namespace lockstep::sim::explore

#endif  // LOCKSTEP_SIM_EXPLORE_SPACE_H_
