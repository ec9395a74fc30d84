// What replicas hold and answer is what the committed commands say, each executed exactly once; and
// an answer that says "certainly not done" is never contradicted by the log.

#ifndef LOCKSTEP_SIM_ORACLES_EXACTLY_ONCE_H_
#define LOCKSTEP_SIM_ORACLES_EXACTLY_ONCE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/kv/machine.h"
#include "core/replica.h"
#include "core/types.h"
#include "sim/oracles/canonical_log.h"
#include "sim/oracles/reference.h"
#include "sim/violation.h"

namespace lockstep::sim {

class ExactlyOnce {
 public:
  // `canonical` has grown: executes what is new in the reference.
  void Committed(const CanonicalLog& canonical);

  // `node` has applied (before, applied]; its state is `machine`. Throws Violation if a key that
  // may have changed is not as the reference has it.
  void Applied(NodeId node, Index before, const kv::Machine& machine);

  // `node` has answered this command. Throws Violation if no committed entry gave that result, or
  // if the command is answered before any such entry is committed.
  void Answered(NodeId node, const kv::Command& command, const kv::CommandResult& result) const;

  // An operation, at this position of the history, was reported as certainly not done after all its
  // attempts. Checked at the end. A command outside a session must be one of a kind.
  void Refused(const kv::Transact& command, std::uint64_t operation) {
    refused_.emplace_back(command, operation);
  }

  // What executing this command gave; null if no committed entry has executed it. A command outside
  // a session must be one of a kind.
  const kv::TransactionResult* ResultOf(const kv::Transact& command) const;

  // The run is over. Throws Violation if a refused command was executed after all.
  void CheckRefused() const;

  const Reference& reference() const { return reference_; }

 private:
  std::vector<Evidence> AnswerEvidence(NodeId node, const kv::Command& command) const;

  Reference reference_;
  Index executed_;
  std::vector<std::pair<kv::Transact, std::uint64_t>> refused_;
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_ORACLES_EXACTLY_ONCE_H_
