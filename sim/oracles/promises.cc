#include "sim/oracles/promises.h"

#include <algorithm>
#include <string>
#include <variant>

#include "sim/violation.h"

namespace lockstep::sim {
namespace {

[[noreturn]] void Fail(const raft::Message& message, const std::string& what) {
  throw Violation("promises are durable",
                  "node " + std::to_string(message.from.value) + " has told node " +
                      std::to_string(message.to.value) + " in term " +
                      std::to_string(message.term.value) + " that it " + what,
                  {{.kind = Evidence::Kind::kSent, .node = message.from},
                   {.kind = Evidence::Kind::kStored, .node = message.from}});
}

void CheckAcknowledgement(const raft::Message& message, Index match, const LogShadow& durable,
                          Index checkpoint) {
  if (durable.hard_state().current_term < message.term) {
    Fail(message, "holds index " + std::to_string(match.value) + ", with only term " +
                      std::to_string(durable.hard_state().current_term.value) + " on disk");
  }
  const Index held = std::max(durable.last_index(), checkpoint);
  if (match > held) {
    Fail(message, "holds index " + std::to_string(match.value) + ", with only index " +
                      std::to_string(held.value) + " on disk");
  }
}

}  // namespace

void CheckPromise(const raft::Message& message, const LogShadow& durable, Index checkpoint) {
  if (const auto* vote = std::get_if<raft::RequestVoteReply>(&message.body)) {
    const raft::HardState promised{message.term, message.to};
    // A later term on disk keeps the promise too: no vote can be given in the earlier one.
    if (vote->granted && !vote->pre_vote && durable.hard_state() != promised &&
        durable.hard_state().current_term <= message.term) {
      Fail(message, "votes for it, with term " +
                        std::to_string(durable.hard_state().current_term.value) + " and vote " +
                        std::to_string(durable.hard_state().voted_for.value) + " on disk");
    }
  } else if (const auto* append = std::get_if<raft::AppendEntriesReply>(&message.body)) {
    if (append->success) {
      CheckAcknowledgement(message, append->match, durable, checkpoint);
    }
  } else if (const auto* snapshot = std::get_if<raft::InstallSnapshotReply>(&message.body)) {
    CheckAcknowledgement(message, snapshot->match, durable, checkpoint);
  }
}

}  // namespace lockstep::sim
