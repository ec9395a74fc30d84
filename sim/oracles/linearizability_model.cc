#include "sim/oracles/linearizability_model.h"

#include <algorithm>
#include <utility>

namespace lockstep::sim::history {

PlainModel::Datum PlainModel::Read(const Data& data, const std::string& key) const {
  const auto found = data.find(key);
  if (found != data.end()) return found->second;
  return {model_ == Model::kMutex ? std::nullopt : initial_, {}};
}

bool PlainModel::Holds(const Condition& condition) const {
  const Value value = Read(data_, condition.key).value;
  if (condition.kind == Condition::Kind::kEqual) return value == condition.value;
  return value && value != condition.value;
}

bool PlainModel::Execute(const std::vector<Step>& steps, const std::vector<StepResult>* results,
                         Data& data) const {
  for (std::size_t i = 0; i < steps.size(); ++i) {
    Datum datum = Read(data, steps[i].key);
    switch (steps[i].kind) {
      case Step::Kind::kRead:
        if (results == nullptr || (*results)[i].kind == StepResult::Kind::kNoClaim) break;
        if (datum != Datum{(*results)[i].value, (*results)[i].list}) return false;
        break;
      case Step::Kind::kWrite:
        data[steps[i].key] = {steps[i].value, {}};
        break;
      case Step::Kind::kAppend:
        datum.list.push_back(*steps[i].value);
        data[steps[i].key] = std::move(datum);
        break;
    }
  }
  return true;
}

bool PlainModel::ExecuteTransaction(const Operation& operation) {
  const bool ok = operation.outcome == Outcome::kOk;
  const bool held = std::all_of(operation.conditions.begin(), operation.conditions.end(),
                                [this](const Condition& condition) { return Holds(condition); });
  if (ok && operation.action == Action::kCondTxn && held != operation.succeeded) return false;
  Data data = data_;
  if (!Execute(held ? operation.steps : operation.else_steps, ok ? &operation.results : nullptr,
               data)) {
    return false;
  }
  data_ = std::move(data);
  return true;
}

bool PlainModel::Execute(const Operation& operation) {
  const bool ok = operation.outcome == Outcome::kOk;
  const Value value = Read(data_, operation.key).value;
  switch (operation.action) {
    case Action::kRead:
    case Action::kGet:
      return !ok || value == operation.seen;
    case Action::kWrite:
    case Action::kPut:
      data_[operation.key] = {operation.value, {}};
      return true;
    case Action::kAppend:
      data_[operation.key] = {value.value_or("") + *operation.value, {}};
      return true;
    case Action::kDelete:
      if (ok && operation.succeeded != value.has_value()) return false;
      data_[operation.key] = {};
      return true;
    case Action::kCas: {
      const bool matches = value == operation.expected;
      if (ok && operation.succeeded != matches) return false;
      if (matches) data_[operation.key] = {operation.value, {}};
      return true;
    }
    case Action::kTxn:
    case Action::kCondTxn:
      return ExecuteTransaction(operation);
    case Action::kAcquire:
      if (value) return false;
      data_[operation.key] = {"held", {}};
      return true;
    case Action::kRelease:
      if (!value) return false;
      data_[operation.key] = {};
      return true;
  }
  return false;
}

std::string PlainModel::Describe(const std::vector<std::string>& keys) const {
  if (model_ == Model::kMutex)
    return Read(data_, "").value ? "the lock is held" : "the lock is free";
  if (model_ == Model::kRegister) return "the register is " + Quote(Read(data_, "").value);
  std::string out;
  for (const std::string& key : keys) {
    const Datum datum = Read(data_, key);
    std::string list;
    for (const std::string& element : datum.list) list += (list.empty() ? "" : " ") + element;
    if (!out.empty()) out += ", ";
    out += key + " = " + (datum.list.empty() ? Quote(datum.value) : "list " + Quote(list));
  }
  return out;
}

}  // namespace lockstep::sim::history
