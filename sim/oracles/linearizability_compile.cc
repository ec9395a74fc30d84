// Problem's first half: from operations of a history to conditions and changes.

#include <algorithm>
#include <map>
#include <utility>

#include "sim/oracles/linearizability_problem.h"

namespace lockstep::sim::history {
namespace {

const ValueView kAbsent = {};
const std::string kHeldLock = "held";

}  // namespace

// What the steps of a transaction have done to one key so far.
struct Problem::Written {
  bool set = false;  // to `value`; else the key is as before the transaction
  ValueView value;
  std::vector<std::string_view> appended;  // after that
};

Problem::Slot Problem::SlotOf(std::string_view key) const { return slots_.find(key)->second; }

void Problem::ChooseKinds(const History& history, const KeyGroup& group) {
  const auto use_steps = [this](const std::vector<Step>& steps,
                                const std::vector<StepResult>& results) {
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const bool list = steps[i].kind == Step::Kind::kAppend ||
                        (i < results.size() && results[i].kind == StepResult::Kind::kList);
      if (list) values_[SlotOf(steps[i].key)].Use(KeyValues::Kind::kList);
    }
  };
  for (const std::size_t position : group.operations) {
    const Operation& operation = history.operations[position];
    if (operation.action == Action::kAppend) {
      values_[SlotOf(operation.key)].Use(KeyValues::Kind::kAppended);
    } else if (operation.action == Action::kTxn) {
      use_steps(operation.steps, operation.results);
    }
  }
}

KeyValues::Id Problem::Id(Slot slot, const ValueView& value) {
  return mentioning_ ? KeyValues::kOther : values_[slot].IdOf(value);
}

void Problem::Require(Form& form, Slot slot, const ValueView& value, bool equal) {
  if (mentioning_) values_[slot].Mention(value);
  const Guard guard = {slot, Id(slot, value), equal};
  if (std::find(form.guards.begin(), form.guards.end(), guard) == form.guards.end()) {
    form.guards.push_back(guard);
  }
}

void Problem::Set(Form& form, Slot slot, const ValueView& value) {
  form.changes.push_back({slot, Id(slot, value), false});
}

Problem::Forms Problem::Compile(const Operation& operation) {
  Forms forms(1);
  Form& form = forms.front();
  const bool ok = operation.outcome == Outcome::kOk;
  switch (operation.action) {
    case Action::kRead:
    case Action::kGet:
      Require(form, SlotOf(operation.key), ViewOf(operation.seen));
      break;
    case Action::kWrite:
    case Action::kPut:
      Set(form, SlotOf(operation.key), ViewOf(operation.value));
      break;
    case Action::kAppend: {
      const Slot slot = SlotOf(operation.key);
      if (!mentioning_) {
        form.changes.push_back({slot, values_[slot].PieceOf(*operation.value), true});
      }
      break;
    }
    case Action::kDelete:
      if (ok) Require(form, SlotOf(operation.key), kAbsent, !operation.succeeded);
      if (!ok || operation.succeeded) Set(form, SlotOf(operation.key), kAbsent);
      break;
    case Action::kCas:
      CompileCas(operation, form);
      break;
    case Action::kAcquire:
      Require(form, SlotOf(""), kAbsent);
      Set(form, SlotOf(""), {kHeldLock, {}});
      break;
    case Action::kRelease:
      Require(form, SlotOf(""), {kHeldLock, {}});
      Set(form, SlotOf(""), kAbsent);
      break;
    case Action::kTxn:
      CompileSteps(operation.steps, ok ? &operation.results : nullptr, form);
      break;
    case Action::kCondTxn:
      if (ok) {
        CompileConditions(operation.conditions, operation.succeeded, form);
        CompileSteps(ExecutedSteps(operation), &operation.results, form);
      } else {
        CompileConditions(operation.conditions, true, form);
        CompileSteps(operation.steps, nullptr, form);
        CompileConditions(operation.conditions, false, forms.emplace_back());
        CompileSteps(operation.else_steps, nullptr, forms.back());
      }
      break;
  }
  return forms;
}

// An unknown one that does not match changes nothing, as if it had never happened.
void Problem::CompileCas(const Operation& operation, Form& form) {
  const Slot slot = SlotOf(operation.key);
  const bool matched = operation.outcome == Outcome::kUnknown || operation.succeeded;
  Require(form, slot, ViewOf(operation.expected), matched);
  if (matched && operation.expected != operation.value) Set(form, slot, ViewOf(operation.value));
}

void Problem::CompileSteps(const std::vector<Step>& steps, const std::vector<StepResult>* results,
                           Form& form) {
  std::map<Slot, Written> written;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Slot slot = SlotOf(steps[i].key);
    switch (steps[i].kind) {
      case Step::Kind::kRead:
        if (results != nullptr) {
          const auto found = written.find(slot);
          CompileRead(slot, (*results)[i], found != written.end() ? &found->second : nullptr, form);
        }
        break;
      case Step::Kind::kWrite:
        written[slot] = {true, ViewOf(steps[i].value), {}};
        break;
      case Step::Kind::kAppend:
        written[slot].appended.push_back(*steps[i].value);
        break;
    }
  }
  for (const auto& [slot, last] : written) {
    if (last.set) Set(form, slot, last.value);
    for (const std::string_view element : last.appended) {
      if (!mentioning_) form.changes.push_back({slot, values_[slot].PieceOf(element), true});
    }
  }
}

// What the transaction itself wrote is known; the rest of the result is a condition on the state.
void Problem::CompileRead(Slot slot, const StepResult& result, const Written* written, Form& form) {
  if (result.kind == StepResult::Kind::kNoClaim) return;
  ValueView seen = ViewOf(result.value);
  seen.list = result.list;
  if (written == nullptr) {
    Require(form, slot, seen);
    return;
  }
  const std::size_t appended = written->appended.size();
  if (seen.list.size() < appended) {
    form.possible = false;
    return;
  }
  const std::size_t before = seen.list.size() - appended;
  if (!std::equal(written->appended.begin(), written->appended.end(),
                  seen.list.begin() + static_cast<std::ptrdiff_t>(before))) {
    form.possible = false;
  }
  seen.list = seen.list.first(before);
  if (!written->set) {
    Require(form, slot, seen);
  } else if (!SameValue(seen, written->value)) {
    form.possible = false;
  }
}

void Problem::CompileConditions(const std::vector<Condition>& conditions, bool held, Form& form) {
  if (!held && conditions.empty()) form.possible = false;
  Form negated;
  for (const Condition& condition : conditions) {
    const Slot slot = SlotOf(condition.key);
    const bool equal = condition.kind == Condition::Kind::kEqual;
    Require(held ? form : negated, slot, ViewOf(condition.value), equal == held);
    // A key that is not there is not different from a value, nor equal to it.
    if (!equal && condition.value) Require(held ? form : negated, slot, kAbsent, !held);
  }
  form.any = negated.guards;
}

Problem::Sort Problem::SortOf(const Forms& forms) {
  std::vector<std::uint32_t>& words = sort_words_;
  words.clear();
  const auto add = [&](const Few<Guard>& guards) {
    words.push_back(static_cast<std::uint32_t>(guards.size()));
    for (const Guard& guard : guards) {
      words.insert(words.end(), {guard.slot, guard.value, guard.equal ? 1U : 0U});
    }
  };
  for (const Form& form : forms) {
    words.push_back(form.possible ? 1 : 0);
    add(form.guards);
    add(form.any);
    words.push_back(static_cast<std::uint32_t>(form.changes.size()));
    for (const Change& change : form.changes) {
      words.insert(words.end(), {change.slot, change.operand, change.append ? 1U : 0U});
    }
  }
  return sort_ids_.try_emplace(words, static_cast<Sort>(sort_ids_.size())).first->second;
}

void Problem::Add(std::size_t position, const Operation& operation, const Forms& forms) {
  Entry entry;
  entry.position = position;
  entry.called_at = operation.called_at;
  entry.returned_at = operation.returned_at;
  entry.required = operation.outcome == Outcome::kOk;
  entry.looks_only = std::all_of(forms.begin(), forms.end(),
                                 [](const Form& form) { return form.changes.empty(); });
  if (!entry.required && entry.looks_only) return;
  entry.sort = SortOf(forms);
  entry.forms_begin = static_cast<std::uint32_t>(forms_.size());
  const auto add_guards = [this](const Few<Guard>& guards) {
    const auto begin = static_cast<std::uint32_t>(guards_.size());
    guards_.insert(guards_.end(), guards.begin(), guards.end());
    return Span{begin, static_cast<std::uint32_t>(guards_.size())};
  };
  for (const Form& form : forms) {
    FlatForm flat;
    flat.guards = add_guards(form.guards);
    flat.any = add_guards(form.any);
    flat.changes.begin = static_cast<std::uint32_t>(changes_.size());
    changes_.insert(changes_.end(), form.changes.begin(), form.changes.end());
    flat.changes.end = static_cast<std::uint32_t>(changes_.size());
    flat.possible = form.possible;
    forms_.push_back(flat);
  }
  entry.forms_end = static_cast<std::uint32_t>(forms_.size());
  operations_.push_back(entry);
}

}  // namespace lockstep::sim::history
