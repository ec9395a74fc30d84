// Words to write small histories with, so that tests read as what happened.

#ifndef LOCKSTEP_TESTS_SIM_LINEARIZABILITY_HISTORIES_H_
#define LOCKSTEP_TESTS_SIM_LINEARIZABILITY_HISTORIES_H_

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "sim/history.h"

namespace lockstep::sim::history {

// When an operation was called and when it returned.
struct During {
  std::int64_t called_at;
  std::int64_t returned_at;
};
// When an operation was called that never returned.
struct Since {
  std::int64_t called_at;
};

inline const Value kAbsent = std::nullopt;

inline Operation Ok(During during, Operation operation) {
  operation.outcome = Outcome::kOk;
  operation.called_at = during.called_at;
  operation.returned_at = during.returned_at;
  return operation;
}
inline Operation Failed(During during, Operation operation) {
  operation.outcome = Outcome::kFail;
  operation.called_at = during.called_at;
  operation.returned_at = during.returned_at;
  return operation;
}
inline Operation Unknown(Since since, Operation operation) {
  operation.outcome = Outcome::kUnknown;
  operation.called_at = since.called_at;
  operation.returned_at = kNever;
  return operation;
}

inline Operation Read(Value seen = kAbsent) {
  Operation operation;
  operation.action = Action::kRead;
  operation.seen = std::move(seen);
  return operation;
}
inline Operation Write(Value value) {
  Operation operation;
  operation.action = Action::kWrite;
  operation.value = std::move(value);
  return operation;
}
inline Operation Get(std::string key, Value seen = kAbsent) {
  Operation operation;
  operation.action = Action::kGet;
  operation.key = std::move(key);
  operation.seen = std::move(seen);
  return operation;
}
inline Operation Put(std::string key, std::string value) {
  Operation operation;
  operation.action = Action::kPut;
  operation.key = std::move(key);
  operation.value = std::move(value);
  return operation;
}
inline Operation Append(std::string key, std::string value) {
  Operation operation = Put(std::move(key), std::move(value));
  operation.action = Action::kAppend;
  return operation;
}
inline Operation Delete(std::string key, bool was_there = false) {
  Operation operation;
  operation.action = Action::kDelete;
  operation.key = std::move(key);
  operation.succeeded = was_there;
  return operation;
}
inline Operation Cas(std::string key, Value from, Value to, bool matched = false) {
  Operation operation;
  operation.action = Action::kCas;
  operation.key = std::move(key);
  operation.expected = std::move(from);
  operation.value = std::move(to);
  operation.succeeded = matched;
  return operation;
}
// Of the register.
inline Operation RegisterCas(Value from, Value to, bool matched = false) {
  return Cas("", std::move(from), std::move(to), matched);
}
inline Operation Acquire() {
  Operation operation;
  operation.action = Action::kAcquire;
  return operation;
}
inline Operation Release() {
  Operation operation;
  operation.action = Action::kRelease;
  return operation;
}

inline Step R(std::string key) { return {Step::Kind::kRead, std::move(key), std::nullopt}; }
inline Step W(std::string key, Value value) {
  return {Step::Kind::kWrite, std::move(key), std::move(value)};
}
inline Step A(std::string key, std::string value) {
  return {Step::Kind::kAppend, std::move(key), std::move(value)};
}
inline StepResult Nothing() { return {}; }
inline StepResult Saw(Value value) { return {StepResult::Kind::kValue, std::move(value), {}}; }
inline StepResult SawList(std::vector<std::string> list) {
  return {StepResult::Kind::kList, std::nullopt, std::move(list)};
}
inline StepResult SawSomething() { return {StepResult::Kind::kNoClaim, std::nullopt, {}}; }

inline Operation Txn(std::vector<Step> steps, std::vector<StepResult> results = {}) {
  Operation operation;
  operation.action = Action::kTxn;
  operation.steps = std::move(steps);
  operation.results = std::move(results);
  return operation;
}

inline Condition Is(std::string key, Value value) {
  return {Condition::Kind::kEqual, std::move(key), std::move(value)};
}
inline Condition IsNot(std::string key, Value value) {
  return {Condition::Kind::kNotEqual, std::move(key), std::move(value)};
}
inline Operation If(std::vector<Condition> conditions, std::vector<Step> then,
                    std::vector<Step> otherwise) {
  Operation operation;
  operation.action = Action::kCondTxn;
  operation.conditions = std::move(conditions);
  operation.steps = std::move(then);
  operation.else_steps = std::move(otherwise);
  return operation;
}
inline Operation Held(Operation operation, std::vector<StepResult> results) {
  operation.succeeded = true;
  operation.results = std::move(results);
  return operation;
}
inline Operation DidNotHold(Operation operation, std::vector<StepResult> results) {
  operation.succeeded = false;
  operation.results = std::move(results);
  return operation;
}

// A history of these operations, each by a client of its own.
inline History HistoryOf(Model model, std::vector<Operation> operations, Value initial = kAbsent) {
  History history;
  history.model = model;
  history.initial = std::move(initial);
  std::stable_sort(
      operations.begin(), operations.end(),
      [](const Operation& a, const Operation& b) { return a.called_at < b.called_at; });
  std::int64_t client = 0;
  for (Operation& operation : operations) operation.client = client++;
  history.operations = std::move(operations);
  return history;
}

}  // namespace lockstep::sim::history

#endif  // LOCKSTEP_TESTS_SIM_LINEARIZABILITY_HISTORIES_H_
