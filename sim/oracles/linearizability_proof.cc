#include "sim/oracles/linearizability_proof.h"

#include <algorithm>
#include <string>

namespace lockstep::sim::history {
namespace {

struct KeyAndValue {
  std::string key;
  Value value;
};

bool IsTransaction(const Operation& operation) {
  return operation.action == Action::kTxn || operation.action == Action::kCondTxn;
}

// What the operation set keys to. A transaction of unknown outcome counts with its first branch.
std::vector<KeyAndValue> WritesOf(const Operation& operation) {
  std::vector<KeyAndValue> writes;
  if (operation.outcome == Outcome::kFail) {
    return writes;
  }
  if (IsTransaction(operation)) {
    const std::vector<Step>& steps =
        operation.outcome == Outcome::kOk ? ExecutedSteps(operation) : operation.steps;
    for (const Step& step : steps) {
      if (step.kind != Step::Kind::kRead) {
        writes.push_back({step.key, step.value});
      }
    }
  } else if (operation.action == Action::kDelete) {
    writes.push_back({operation.key, std::nullopt});
  } else if (!OnlyReads(operation) && (operation.action != Action::kCas ||
                                       operation.outcome != Outcome::kOk || operation.succeeded)) {
    writes.push_back({operation.key, operation.value});
  }
  return writes;
}

// What the operation saw in keys, or expected there. REQUIRES: its outcome is kOk.
std::vector<KeyAndValue> ReadsOf(const Operation& operation) {
  std::vector<KeyAndValue> reads;
  if (!IsTransaction(operation)) {
    reads.push_back(
        {operation.key, operation.action == Action::kCas ? operation.expected : operation.seen});
    return reads;
  }
  for (const Condition& condition : operation.conditions) {
    reads.push_back({condition.key, condition.value});
  }
  const std::vector<Step>& steps = ExecutedSteps(operation);
  for (std::size_t i = 0; i < steps.size() && i < operation.results.size(); ++i) {
    reads.push_back({steps[i].key, operation.results[i].value});
  }
  return reads;
}

}  // namespace

std::vector<std::size_t> ProofOf(const History& history, const Violation& violation) {
  std::vector<std::size_t> proof = {violation.misplaced};
  const auto add = [&](std::size_t position) {
    if (std::find(proof.begin(), proof.end(), position) == proof.end()) {
      proof.push_back(position);
    }
  };
  for (const KeyAndValue& read : ReadsOf(history.operations[violation.misplaced])) {
    for (std::size_t i = 0; read.value.has_value() && i < history.operations.size(); ++i) {
      const std::vector<KeyAndValue> writes = WritesOf(history.operations[i]);
      if (std::any_of(writes.begin(), writes.end(), [&](const KeyAndValue& write) {
            return write.key == read.key && write.value == read.value;
          })) {
        add(i);
      }
    }
    for (auto before = violation.prefix.rbegin(); before != violation.prefix.rend(); ++before) {
      const std::vector<KeyAndValue> writes = WritesOf(history.operations[*before]);
      if (std::any_of(writes.begin(), writes.end(),
                      [&](const KeyAndValue& write) { return write.key == read.key; })) {
        add(*before);
        break;
      }
    }
  }
  return proof;
}

}  // namespace lockstep::sim::history
