#include "core/kv/machine.h"

#include <utility>
#include <variant>

#include "core/assert.h"
#include "core/kv/codec.h"
#include "core/kv/digest.h"

namespace lockstep::kv {

std::optional<Machine> Machine::FromImage(Image image, std::string* error) {
  std::string ignored;
  std::string& why = error == nullptr ? ignored : *error;
  const Summary& summary = image.summary;
  if (summary.applied_index == Index() && summary != Summary()) {
    why = "the summary tells of changes before the first entry";
    return std::nullopt;
  }
  if (image.membership.index > summary.applied_index) {
    why = "the membership is of an entry that is not applied";
    return std::nullopt;
  }

  std::optional<Store> store = Store::FromRows(summary.revision, std::move(image.keys), &why);
  if (!store.has_value()) return std::nullopt;
  std::optional<Sessions> sessions = Sessions::FromRows(summary, std::move(image.sessions), &why);
  if (!sessions.has_value()) return std::nullopt;

  Machine machine;
  machine.applied_index_ = summary.applied_index;
  machine.applied_term_ = summary.applied_term;
  machine.time_ = summary.time;
  machine.membership_ = std::move(image.membership);
  machine.membership_digest_ = DigestOf(machine.membership_);
  machine.store_ = *std::move(store);
  machine.sessions_ = *std::move(sessions);
  if (machine.summary() != summary) {
    why = "the rows do not have the digest that the summary tells";
    return std::nullopt;
  }
  return machine;
}

std::optional<CommandResult> Machine::Apply(const raft::Entry& entry) {
  CORE_ASSERT(entry.index == applied_index_.Next());
  CORE_ASSERT(entry.term >= applied_term_);
  CORE_ASSERT(entry.time >= time_);
  applied_index_ = entry.index;
  applied_term_ = entry.term;
  time_ = entry.time;

  // Before the command: whether its session has ended is a matter of the log alone.
  sessions_.EndExpired(time_);
  if (entry.kind == raft::EntryKind::kNoOp) return std::nullopt;
  if (entry.kind == raft::EntryKind::kMembership) {
    std::optional<raft::Membership> membership = raft::DecodeMembership(entry.payload.view());
    CORE_ASSERT(membership.has_value());
    membership_ = {entry.index, *std::move(membership)};
    membership_digest_ = DigestOf(membership_);
    return std::nullopt;
  }
  CORE_ASSERT(entry.kind == raft::EntryKind::kCommand);

  std::optional<Command> command = DecodeCommand(entry.payload.view());
  if (!command.has_value()) return CommandError::kUndecodable;
  if (auto* transact = std::get_if<Transact>(&*command)) return Execute(std::move(*transact));
  return Execute(std::get<OpenSession>(*command));
}

const KeyValue* Machine::Find(const std::string& key) const { return store_.Find(key); }

Summary Machine::summary() const {
  Summary summary;
  summary.applied_index = applied_index_;
  summary.applied_term = applied_term_;
  summary.time = time_;
  summary.revision = store_.revision();
  summary.digest = store_.digest() + sessions_.digest() + membership_digest_ + DigestOf(summary);
  return summary;
}

Delta Machine::TakeDelta() {
  Delta delta;
  delta.summary = summary();
  delta.membership = membership_;
  store_.TakeDelta(delta);
  sessions_.TakeDelta(SessionId{applied_index_.value}, delta);
  return delta;
}

Image Machine::ToImage() const {
  return Image{summary(), membership_, store_.Rows(), sessions_.Rows()};
}

CommandResult Machine::Execute(const OpenSession& command) {
  const SessionId id = {applied_index_.value};
  if (!sessions_.Open(id, command.time_to_live, time_)) return CommandError::kTooManySessions;
  return SessionOpened{id};
}

CommandResult Machine::Execute(Transact command) {
  if (command.session == SessionId()) return store_.Execute(std::move(command.transaction));
  std::optional<CommandResult> answer =
      sessions_.Admit(command.session, command.sequence, command.acknowledged, time_);
  if (answer.has_value()) return *std::move(answer);
  TransactionResult result = store_.Execute(std::move(command.transaction));
  sessions_.Save(command.session, command.sequence, result);
  return result;
}

}  // namespace lockstep::kv
