#include "sim/oracles/exactly_once.h"

#include <algorithm>
#include <optional>

#include "core/kv/codec.h"
#include "sim/violation.h"

namespace lockstep::sim {
namespace {

std::string Words(const std::optional<kv::KeyValue>& key_value) {
  if (!key_value.has_value()) {
    return "absent";
  }
  return "\"" + key_value->value + "\" of revision " +
         std::to_string(key_value->mod_revision.value) + ", version " +
         std::to_string(key_value->version);
}

std::string Words(const kv::Command& command) {
  const auto* transact = std::get_if<kv::Transact>(&command);
  if (transact == nullptr) {
    return "the opening of a session";
  }
  if (transact->session == SessionId()) {
    return "a command outside any session";
  }
  return "sequence " + std::to_string(transact->sequence) + " of session " +
         std::to_string(transact->session.value);
}

}  // namespace

void ExactlyOnce::Committed(const CanonicalLog& canonical) {
  while (executed_ < canonical.last_index()) {
    executed_ = executed_.Next();
    reference_.Apply(canonical.At(executed_).entry);
  }
}

void ExactlyOnce::Applied(NodeId node, Index before, const kv::Machine& machine) {
  const Index applied = machine.applied_index();
  for (Index index = before.Next(); index <= applied; index = index.Next()) {
    for (const std::string& key : reference_.Touched(index)) {
      const kv::KeyValue* found = machine.Find(key);
      const std::optional<kv::KeyValue> held =
          found == nullptr ? std::nullopt : std::optional<kv::KeyValue>(*found);
      const std::optional<kv::KeyValue> expected = reference_.At(key, applied);
      if (held != expected) {
        throw Violation("state is what was committed",
                        "node " + std::to_string(node.value) + " holds key \"" + key + "\" as " +
                            Words(held) + " after index " + std::to_string(applied.value) +
                            ", where executing each entry once gives " + Words(expected),
                        {{.kind = Evidence::Kind::kApplied, .node = node, .index = applied},
                         {.kind = Evidence::Kind::kAppended, .node = node, .index = index}});
      }
    }
  }
}

// The answer, and the entries that hold the command.
std::vector<Evidence> ExactlyOnce::AnswerEvidence(NodeId node, const kv::Command& command) const {
  std::vector<Evidence> evidence = {{.kind = Evidence::Kind::kAnswered, .node = node}};
  const std::vector<Index>* entries = reference_.EntriesWith(kv::EncodeCommand(command));
  for (std::size_t i = 0; entries != nullptr && i < entries->size(); ++i) {
    evidence.push_back({.kind = Evidence::Kind::kAppended, .index = (*entries)[i]});
  }
  return evidence;
}

void ExactlyOnce::Answered(NodeId node, const kv::Command& command,
                           const kv::CommandResult& result) const {
  const auto* transact = std::get_if<kv::Transact>(&command);
  const auto* done = std::get_if<kv::TransactionResult>(&result);
  if (transact != nullptr && transact->session != SessionId() && done != nullptr) {
    const kv::TransactionResult* executed =
        reference_.ExecutedInSession(transact->session, transact->sequence);
    if (executed == nullptr || *executed != *done) {
      throw Violation("exactly once",
                      "node " + std::to_string(node.value) + " has answered " + Words(command) +
                          (executed == nullptr ? ", which no committed entry has executed"
                                               : " differently from its one execution"),
                      AnswerEvidence(node, command));
    }
    return;
  }
  const std::vector<Index>* entries = reference_.EntriesWith(kv::EncodeCommand(command));
  const bool known = entries != nullptr &&
                     std::any_of(entries->begin(), entries->end(),
                                 [&](Index index) { return reference_.ResultAt(index) == result; });
  if (!known) {
    throw Violation("answers are committed",
                    "node " + std::to_string(node.value) + " has answered " + Words(command) +
                        " with a result that no committed entry has given",
                    AnswerEvidence(node, command));
  }
}

const kv::TransactionResult* ExactlyOnce::ResultOf(const kv::Transact& command) const {
  if (command.session != SessionId()) {
    return reference_.ExecutedInSession(command.session, command.sequence);
  }
  const std::vector<Index>* entries = reference_.EntriesWith(kv::EncodeCommand(command));
  if (entries == nullptr) {
    return nullptr;
  }
  return std::get_if<kv::TransactionResult>(&*reference_.ResultAt(entries->front()));
}

void ExactlyOnce::CheckRefused() const {
  for (const auto& [command, operation] : refused_) {
    if (ResultOf(command) != nullptr) {
      std::vector<Evidence> evidence = AnswerEvidence({}, command);
      evidence.front() = {.kind = Evidence::Kind::kOperation, .operation = operation};
      throw Violation("refusals are certain",
                      Words(command) + " was reported as certainly not done, and was executed",
                      evidence);
    }
  }
}

}  // namespace lockstep::sim
