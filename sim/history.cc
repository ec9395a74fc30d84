#include "sim/history.h"

#include <algorithm>

#include "absl/container/btree_map.h"
#include "absl/strings/str_format.h"

namespace lockstep::sim::history {
namespace {

constexpr std::size_t kQuotedBytesMax = 48;
constexpr std::size_t kDescribedStepsMax = 12;

bool Belongs(Action action, Model model) {
  switch (model) {
    case Model::kRegister:
      return action == Action::kRead || action == Action::kWrite || action == Action::kCas;
    case Model::kKv:
      return action == Action::kGet || action == Action::kPut || action == Action::kAppend ||
             action == Action::kDelete || action == Action::kCas;
    case Model::kTxn:
      return action == Action::kTxn;
    case Model::kMutex:
      return action == Action::kAcquire || action == Action::kRelease;
    case Model::kStore:
      return action == Action::kGet || action == Action::kPut || action == Action::kDelete ||
             action == Action::kCas || action == Action::kTxn || action == Action::kCondTxn;
  }
  return false;
}

bool NoWrites(const std::vector<Step>& steps) {
  return std::all_of(steps.begin(), steps.end(),
                     [](const Step& step) { return step.kind == Step::Kind::kRead; });
}

// Whether a key holds a list or a value, as far as is known.
class KeyKinds {
 public:
  // False if `key` was used as the other kind before.
  bool Use(const std::string& key, bool as_list) {
    const auto [found, added] = as_list_.try_emplace(key, as_list);
    return added || found->second == as_list;
  }

 private:
  absl::btree_map<std::string, bool> as_list_;
};

// What is wrong with the steps and their results, or nothing.
std::string StepsError(const std::vector<Step>& steps, const std::vector<StepResult>* results,
                       const History& history, KeyKinds& kinds) {
  if (results != nullptr && results->size() != steps.size()) {
    return absl::StrFormat("%d results for %d steps", results->size(), steps.size());
  }
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Step& step = steps[i];
    const StepResult* result = results != nullptr ? &(*results)[i] : nullptr;
    const bool append = step.kind == Step::Kind::kAppend;
    const bool reads_list = result != nullptr && result->kind == StepResult::Kind::kList;
    if (step.kind == Step::Kind::kRead) {
      if (step.value) return absl::StrFormat("step %d reads and has a value", i + 1);
    } else if (result != nullptr && *result != StepResult{}) {
      return absl::StrFormat("step %d writes and has a result", i + 1);
    }
    if (append && !step.value) return absl::StrFormat("step %d appends nothing", i + 1);
    if (append || reads_list) {
      if (history.model == Model::kStore) {
        return absl::StrFormat("step %d uses a list, which model store does not have", i + 1);
      }
      if (history.initial) {
        return absl::StrFormat("step %d uses a list, but keys start as %s", i + 1,
                               Quote(history.initial));
      }
    }
    const bool as_value =
        (step.kind == Step::Kind::kWrite && step.value) ||
        (result != nullptr && result->kind == StepResult::Kind::kValue && result->value);
    if ((append || reads_list || as_value) && !kinds.Use(step.key, append || reads_list)) {
      return absl::StrFormat("key %s is used both as a list and as a value", Quote(step.key));
    }
  }
  return "";
}

// What is wrong with an operation's arguments and result, or nothing.
std::string ArgumentsError(const Operation& operation, const History& history, KeyKinds& kinds) {
  if (!Belongs(operation.action, history.model)) {
    return absl::StrFormat("model %s has no operation %s", Name(history.model),
                           Name(operation.action));
  }
  const bool ok = operation.outcome == Outcome::kOk;
  if (!ok && (operation.seen || operation.succeeded || !operation.results.empty())) {
    return absl::StrFormat("a result, but the outcome is %s", Name(operation.outcome));
  }
  if (!operation.linearizable && !OnlyReads(operation)) {
    return absl::StrFormat("%s is not linearizable, and writes", Name(operation.action));
  }
  switch (operation.action) {
    case Action::kPut:
    case Action::kAppend:
      if (!operation.value) return absl::StrFormat("%s without a value", Name(operation.action));
      break;
    case Action::kTxn:
      return StepsError(operation.steps, ok ? &operation.results : nullptr, history, kinds);
    case Action::kCondTxn: {
      const bool then = ok && operation.succeeded;
      const bool otherwise = ok && !operation.succeeded;
      const std::string error =
          StepsError(operation.steps, then ? &operation.results : nullptr, history, kinds);
      if (!error.empty()) return error;
      return StepsError(operation.else_steps, otherwise ? &operation.results : nullptr, history,
                        kinds);
    }
    default:
      break;
  }
  return "";
}

// What is wrong with the times, given when each client's last operation returned; or nothing.
std::string TimesError(const Operation& operation, std::int64_t last_call,
                       absl::btree_map<std::int64_t, std::int64_t>& busy_until) {
  if (operation.called_at == kNever) return "the call has no time";
  if (operation.called_at < last_call) {
    return absl::StrFormat("call %d comes after call %d: operations must be in the order of calls",
                           operation.called_at, last_call);
  }
  const bool unknown = operation.outcome == Outcome::kUnknown;
  if (unknown != (operation.returned_at == kNever)) {
    return unknown ? "the outcome is unknown, yet it returned"
                   : absl::StrFormat("the outcome is %s, yet it never returned",
                                     Name(operation.outcome));
  }
  if (operation.returned_at < operation.called_at) {
    return absl::StrFormat("return %d before call %d", operation.returned_at, operation.called_at);
  }
  const auto [found, added] = busy_until.try_emplace(operation.client, 0);
  if (!added && found->second > operation.called_at) {
    if (found->second != kNever) {
      return absl::StrFormat("client %d has another operation under way, which returns at %d",
                             operation.client, found->second);
    }
    return absl::StrFormat("client %d is used again after an operation with unknown outcome",
                           operation.client);
  }
  // A read that got no answer leaves nothing behind: its client may go on.
  found->second = unknown && OnlyReads(operation) ? operation.called_at : operation.returned_at;
  return "";
}

void AppendSteps(const std::vector<Step>& steps, const std::vector<StepResult>* results,
                 std::string& out) {
  out += "[";
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (i > 0) out += ", ";
    if (i == kDescribedStepsMax) {
      out += absl::StrFormat("and %d more", steps.size() - i);
      break;
    }
    const Step& step = steps[i];
    switch (step.kind) {
      case Step::Kind::kWrite:
        out += absl::StrFormat("write %s %s", step.key, Quote(step.value));
        break;
      case Step::Kind::kAppend:
        out += absl::StrFormat("append %s %s", step.key, Quote(step.value));
        break;
      case Step::Kind::kRead:
        out += absl::StrFormat("read %s", step.key);
        if (results == nullptr) break;
        switch ((*results)[i].kind) {
          case StepResult::Kind::kValue:
            out += absl::StrFormat(" = %s", Quote((*results)[i].value));
            break;
          case StepResult::Kind::kNoClaim:
            out += " = ?";
            break;
          case StepResult::Kind::kList: {
            std::string list;
            for (const std::string& element : (*results)[i].list) {
              if (!list.empty()) list += " ";
              list += element;
            }
            out += absl::StrFormat(" = list %s", Quote(list));
            break;
          }
        }
        break;
    }
  }
  out += "]";
}

void AppendConditions(const std::vector<Condition>& conditions, std::string& out) {
  for (std::size_t i = 0; i < conditions.size(); ++i) {
    if (i > 0) out += ", ";
    const bool equal = conditions[i].kind == Condition::Kind::kEqual;
    out += absl::StrFormat("%s %s %s", conditions[i].key,
                           equal ? "==" : "!=", Quote(conditions[i].value));
  }
}

}  // namespace

const char* Name(Model model) {
  switch (model) {
    case Model::kRegister:
      return "register";
    case Model::kKv:
      return "kv";
    case Model::kTxn:
      return "txn";
    case Model::kMutex:
      return "mutex";
    case Model::kStore:
      return "store";
  }
  return "?";
}

const char* Name(Action action) {
  switch (action) {
    case Action::kRead:
      return "read";
    case Action::kWrite:
      return "write";
    case Action::kGet:
      return "get";
    case Action::kPut:
      return "put";
    case Action::kAppend:
      return "append";
    case Action::kDelete:
      return "delete";
    case Action::kCas:
      return "cas";
    case Action::kTxn:
      return "txn";
    case Action::kCondTxn:
      return "cond_txn";
    case Action::kAcquire:
      return "acquire";
    case Action::kRelease:
      return "release";
  }
  return "?";
}

const char* Name(Outcome outcome) {
  switch (outcome) {
    case Outcome::kOk:
      return "ok";
    case Outcome::kFail:
      return "fail";
    case Outcome::kUnknown:
      return "unknown";
  }
  return "?";
}

std::optional<Model> ModelNamed(std::string_view name) {
  for (const Model model :
       {Model::kRegister, Model::kKv, Model::kTxn, Model::kMutex, Model::kStore}) {
    if (name == Name(model)) return model;
  }
  return std::nullopt;
}

bool OnlyReads(const Operation& operation) {
  switch (operation.action) {
    case Action::kRead:
    case Action::kGet:
      return true;
    case Action::kTxn:
      return NoWrites(operation.steps);
    case Action::kCondTxn:
      return NoWrites(operation.steps) && NoWrites(operation.else_steps);
    default:
      return false;
  }
}

bool MakesNoClaim(const Operation& operation) {
  return operation.outcome == Outcome::kFail ||
         (operation.outcome == Outcome::kUnknown && OnlyReads(operation)) ||
         !operation.linearizable;
}

absl::Status ValidateHistory(const History& history, std::size_t* bad_operation) {
  KeyKinds kinds;
  absl::btree_map<std::int64_t, std::int64_t> busy_until;  // by client
  std::int64_t last_call = std::numeric_limits<std::int64_t>::min();
  for (std::size_t i = 0; i < history.operations.size(); ++i) {
    const Operation& operation = history.operations[i];
    std::string error = ArgumentsError(operation, history, kinds);
    if (error.empty()) error = TimesError(operation, last_call, busy_until);
    if (!error.empty()) {
      if (bad_operation != nullptr) *bad_operation = i;
      return absl::InvalidArgumentError(error);
    }
    last_call = operation.called_at;
  }
  return absl::OkStatus();
}

std::string Quote(const Value& value) {
  if (!value) return "absent";
  std::string out = "\"";
  for (const char c : *value) {
    if (out.size() > kQuotedBytesMax) {
      out += absl::StrFormat("...\" (%d bytes)", value->size());
      return out;
    }
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c < ' ' || c > '~') {
      out += absl::StrFormat("\\x%02x", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string Describe(const Operation& operation) {
  const bool ok = operation.outcome == Outcome::kOk;
  std::string out = Name(operation.action);
  if (!operation.key.empty()) out += " " + operation.key;
  switch (operation.action) {
    case Action::kRead:
    case Action::kGet:
      if (ok) out += absl::StrFormat(" = %s", Quote(operation.seen));
      break;
    case Action::kWrite:
    case Action::kPut:
    case Action::kAppend:
      out += absl::StrFormat(" %s", Quote(operation.value));
      break;
    case Action::kCas:
      out += absl::StrFormat(" %s -> %s", Quote(operation.expected), Quote(operation.value));
      if (ok) out += operation.succeeded ? " = true" : " = false";
      break;
    case Action::kDelete:
      if (ok) out += operation.succeeded ? " = true" : " = false";
      break;
    case Action::kTxn:
      out += " ";
      AppendSteps(operation.steps, ok ? &operation.results : nullptr, out);
      break;
    case Action::kCondTxn: {
      out += " if ";
      AppendConditions(operation.conditions, out);
      const bool then = ok && operation.succeeded;
      const bool otherwise = ok && !operation.succeeded;
      if (!otherwise) out += then ? " (held) " : " then ";
      if (!otherwise) AppendSteps(operation.steps, then ? &operation.results : nullptr, out);
      if (!then) out += otherwise ? " (did not hold) " : " else ";
      if (!then) AppendSteps(operation.else_steps, otherwise ? &operation.results : nullptr, out);
      break;
    }
    case Action::kAcquire:
    case Action::kRelease:
      break;
  }
  if (!operation.linearizable) out += " (not linearizable)";
  if (operation.outcome == Outcome::kUnknown) out += " (unknown)";
  if (operation.outcome == Outcome::kFail) out += " (fail)";
  return out;
}

const std::vector<Step>& ExecutedSteps(const Operation& operation) {
  return operation.action == Action::kTxn || operation.succeeded ? operation.steps
                                                                 : operation.else_steps;
}

}  // namespace lockstep::sim::history
