#include "sim/explore/space.h"

#include <utility>
#include <variant>

#include "core/assert.h"
#include "sim/violation.h"

namespace lockstep::sim::explore {

Space::Space(const Bounds& bounds) : bounds_(bounds), renamings_(AllRenamings(bounds.nodes)) {
  CORE_ASSERT(bounds.nodes >= 1);
  CORE_ASSERT(bounds.nodes <= kNodesMax);
}

MemberNumber Space::FirstMember(NodeId id) { return NumberOf(Member(bounds_, id)); }

HistoryNumber Space::NumberOf(History history) {
  Recording recording;
  for (const NodeId leader : history.leaders) {
    recording.Node(leader);
  }
  const CanonicalLog& canonical = history.canonical;
  recording.Number(canonical.last_index().value);
  for (Index index{1}; index <= canonical.last_index(); index = index.Next()) {
    recording.Number(canonical.TermAt(index).value);
    recording.Number(canonical.At(index).hash);
  }
  for (Term term{1}; term.value <= bounds_.terms; term = term.Next()) {
    recording.Number(canonical.LastCommittedIn(term).value);
  }
  recording.Number(history.served.value);
  std::vector<Hash128> hashes = recording.HashUnder(renamings_);
  const Numbering::Place place = history_numbers_.Of(hashes.front());
  if (place.is_new) {
    histories_.push_back({std::move(history), std::move(hashes)});
  }
  return place.number;
}

MemberNumber Space::NumberOf(Member member) {
  Recording recording(!bounds_.duplicates.has_value());
  member.TellState(recording);
  const Numbering::Place place = member_numbers_.Of(recording.HashUnder(renamings_.front()));
  if (place.is_new) {
    const raft::Node& node = member.node();
    briefs_.push_back(
        {.id = node.config().id,
         .role = node.role(),
         .term = node.current_term(),
         .disk_term = member.disk().hard_state().current_term,
         .commit = node.commit_index(),
         .writes_waiting = member.writes_waiting(),
         .patient = member.patient(),
         .may_checkpoint = member.may_checkpoint(),
         .installing = member.installing(),
         .snapshots_wanted = {member.snapshots_wanted().begin(), member.snapshots_wanted().end()},
         .hashes = recording.HashUnder(renamings_)});
    members_.push_back(std::move(member));
  }
  return place.number;
}

MessageNumber Space::NumberOf(const raft::Message& message) {
  Recording recording;
  raft::Tell(message, recording);
  const Numbering::Place place = message_numbers_.Of(recording.HashUnder(renamings_.front()));
  if (place.is_new) {
    messages_.push_back(message);
    const bool is_reply = std::holds_alternative<raft::RequestVoteReply>(message.body) ||
                          std::holds_alternative<raft::AppendEntriesReply>(message.body) ||
                          std::holds_alternative<raft::InstallSnapshotReply>(message.body);
    message_briefs_.push_back({.to = message.to,
                               .term = message.term,
                               .is_reply = is_reply,
                               .hashes = recording.HashUnder(renamings_)});
  }
  return place.number;
}

const Outcome& Space::Step(MemberNumber member, StepKind kind, std::uint64_t argument,
                           Index served) {
  if (kind == StepKind::kRepeat) {
    kind = StepKind::kDeliver;
  }
  const Hash128 key{(std::uint64_t{member} << 32) | argument,
                    (served.value << 8) | static_cast<std::uint64_t>(kind)};
  const Numbering::Place place = step_numbers_.Of(key);
  if (!place.is_new) {
    return outcomes_[place.number];
  }
  Outcome outcome;
  try {
    Member next = members_[member];
    const raft::Message* message = kind == StepKind::kDeliver ? &messages_[argument] : nullptr;
    const Facts facts = next.Step(kind, argument, message, served);
    outcome.elected = facts.elected;
    outcome.log_changed = facts.log_changed;
    outcome.commit_before = facts.commit_before;
    outcome.served = facts.served;
    for (const raft::Message& sent : facts.messages) {
      outcome.messages.push_back(NumberOf(sent));
    }
    outcome.member = NumberOf(std::move(next));
  } catch (const Violation& violation) {
    outcome.broken = Broken{violation.property(), violation.what()};
  } catch (const AssertionFailure& failure) {
    outcome.broken = Broken{"assertion", failure.what()};
  }
  outcomes_.push_back(std::move(outcome));
  return outcomes_.back();
}

}  // namespace lockstep::sim::explore
