#include "sim/oracles/linearizability_problem.h"

#include <algorithm>
#include <numeric>

namespace lockstep::sim::history {
namespace {

// Calls visit(key) for every key that the operation may read or write; for a transaction without
// keys with the empty one, so that it belongs somewhere: it may still contradict itself.
template <class Visit>
void VisitKeys(const Operation& operation, const Visit& visit) {
  if (operation.action != Action::kTxn && operation.action != Action::kCondTxn) {
    visit(std::string_view(operation.key));
    return;
  }
  for (const Condition& condition : operation.conditions) visit(std::string_view(condition.key));
  for (const Step& step : operation.steps) visit(std::string_view(step.key));
  for (const Step& step : operation.else_steps) visit(std::string_view(step.key));
  if (operation.conditions.empty() && operation.steps.empty() && operation.else_steps.empty()) {
    visit(std::string_view());
  }
}

// The sets of a union-find over [0, size).
class DisjointSets {
 public:
  std::uint32_t Add() {
    parents_.push_back(static_cast<std::uint32_t>(parents_.size()));
    return parents_.back();
  }
  std::uint32_t Find(std::uint32_t member) {
    while (parents_[member] != member) {
      parents_[member] = parents_[parents_[member]];
      member = parents_[member];
    }
    return member;
  }
  // The smaller of the two names stays.
  void Join(std::uint32_t a, std::uint32_t b) {
    a = Find(a);
    b = Find(b);
    parents_[std::max(a, b)] = std::min(a, b);
  }

 private:
  std::vector<std::uint32_t> parents_;
};

const ValueView kAbsent = {};
const std::string kHeldLock = "held";

}  // namespace

std::vector<KeyGroup> GroupKeys(const History& history) {
  absl::flat_hash_map<std::string_view, std::uint32_t> numbers;
  std::vector<std::string_view> keys;  // by number
  DisjointSets sets;
  std::vector<std::optional<std::uint32_t>> first_keys(history.operations.size());
  for (std::size_t i = 0; i < history.operations.size(); ++i) {
    if (MakesNoClaim(history.operations[i])) continue;
    VisitKeys(history.operations[i], [&](std::string_view key) {
      const auto [found, added] = numbers.try_emplace(key, static_cast<std::uint32_t>(keys.size()));
      if (added) {
        keys.push_back(key);
        sets.Add();
      }
      if (first_keys[i]) {
        sets.Join(*first_keys[i], found->second);
      } else {
        first_keys[i] = found->second;
      }
    });
  }
  std::vector<KeyGroup> groups;
  std::vector<std::optional<std::size_t>> group_of(keys.size());
  const auto group = [&](std::uint32_t key) -> KeyGroup& {
    std::optional<std::size_t>& number = group_of[sets.Find(key)];
    if (!number) {
      number = groups.size();
      groups.emplace_back();
    }
    return groups[*number];
  };
  for (std::uint32_t key = 0; key < keys.size(); ++key) group(key).keys.push_back(keys[key]);
  for (std::size_t i = 0; i < first_keys.size(); ++i) {
    if (first_keys[i]) group(*first_keys[i]).operations.push_back(i);
  }
  return groups;
}

// What the steps of a transaction have done to one key so far.
struct Problem::Written {
  bool set = false;  // to `value`; else the key is as before the transaction
  ValueView value;
  std::vector<std::string_view> appended;  // after that
};

Problem::Problem(const History& history, const KeyGroup& group)
    : rows_(std::max<std::size_t>(group.keys.size(), 1)), next_row_(group.keys.size()) {
  for (const std::string_view key : group.keys) {
    slots_.try_emplace(key, static_cast<Slot>(slots_.size()));
    values_.emplace_back();
  }
  if (history.model != Model::kMutex) initial_ = ViewOf(history.initial);
  ChooseKinds(history, group);
  mentioning_ = true;
  for (const std::size_t position : group.operations) Compile(history.operations[position]);
  mentioning_ = false;
  for (KeyValues& values : values_) values.Freeze();
  for (const std::size_t position : group.operations) {
    const Operation& operation = history.operations[position];
    Add(position, operation, Compile(operation));
  }
  OrderDemands();
  DropUseless();
  NumberFacts();
  key_words_ = (values_.size() + 63) / 64;
  keys_seen_.resize(sorts() * key_words_);
  keys_changed_.resize(sorts() * key_words_);
  for (const Entry& entry : operations_) MarkKeys(entry);
}

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

std::vector<Problem::Form> Problem::Compile(const Operation& operation) {
  std::vector<Form> forms(1);
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

Problem::Sort Problem::SortOf(const std::vector<Form>& forms) {
  std::vector<std::uint32_t> words;
  const auto add = [&](const std::vector<Guard>& guards) {
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
  return sort_ids_.try_emplace(std::move(words), static_cast<Sort>(sort_ids_.size())).first->second;
}

void Problem::Add(std::size_t position, const Operation& operation,
                  const std::vector<Form>& forms) {
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
  const auto add_guards = [this](const std::vector<Guard>& guards) {
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

void Problem::OrderDemands() {
  for (Op op = 0; op < operations_.size(); ++op) {
    if (operations_[op].required) demands_.push_back(op);
  }
  std::stable_sort(demands_.begin(), demands_.end(), [this](Op a, Op b) {
    return operations_[a].returned_at < operations_[b].returned_at;
  });
  for (Turn turn = 0; turn < demands_.size(); ++turn) operations_[demands_[turn]].last = turn;
  Turn turn = 0;
  for (Entry& entry : operations_) {
    while (turn < demands_.size() && operations_[demands_[turn]].returned_at < entry.called_at) {
      ++turn;
    }
    entry.callable = turn;
  }
}

// An unknown operation is of use only as long as a value that it leaves behind is still missed:
// by a demand, or by another unknown operation that is of use itself.
void Problem::DropUseless() {
  // One more than the last turn at which the value, or any change of the key, may be missed; or 0.
  std::vector<std::vector<Turn>> value_until(values_.size());
  std::vector<Turn> change_until(values_.size());
  for (Slot slot = 0; slot < values_.size(); ++slot) {
    value_until[slot].resize(values_[slot].size());
  }
  bool changed = false;
  const auto miss = [&](const Guard& guard, Turn until) {
    const bool exact = guard.equal && values_[guard.slot].kind() == KeyValues::Kind::kPlain;
    Turn& missed = exact ? value_until[guard.slot][guard.value] : change_until[guard.slot];
    changed = changed || missed < until;
    missed = std::max(missed, until);
  };
  const auto miss_all = [&](const Entry& entry, Turn until) {
    for (std::uint32_t i = entry.forms_begin; i < entry.forms_end; ++i) {
      for (const Guard& guard : Guards(forms_[i].guards)) miss(guard, until);
      for (const Guard& guard : Guards(forms_[i].any)) miss(guard, until);
    }
  };
  const auto useful_until = [&](const Entry& entry) {
    Turn until = 0;
    for (std::uint32_t i = entry.forms_begin; i < entry.forms_end; ++i) {
      for (std::uint32_t j = forms_[i].changes.begin; j < forms_[i].changes.end; ++j) {
        const Change& change = changes_[j];
        until = std::max(until, change_until[change.slot]);
        if (values_[change.slot].kind() == KeyValues::Kind::kPlain) {
          until = std::max(until, value_until[change.slot][change.operand]);
        }
      }
    }
    return until;
  };
  for (const Entry& entry : operations_) {
    if (entry.required) miss_all(entry, entry.last + 1);
  }
  do {
    changed = false;
    for (auto entry = operations_.rbegin(); entry != operations_.rend(); ++entry) {
      if (!entry->required) miss_all(*entry, useful_until(*entry));
    }
  } while (changed);

  std::vector<Op> kept(operations_.size());
  Op count = 0;
  for (Op op = 0; op < operations_.size(); ++op) {
    Entry& entry = operations_[op];
    if (!entry.required) {
      const Turn until = useful_until(entry);
      if (until <= entry.callable) continue;
      entry.last = until - 1;
    }
    kept[op] = count;
    operations_[count++] = entry;
  }
  operations_.resize(count);
  for (Op& demand : demands_) demand = kept[demand];
}

void Problem::NumberFacts() {
  for (const KeyValues& values : values_) {
    fact_begins_.push_back(static_cast<Fact>(facts_));
    if (values.kind() == KeyValues::Kind::kPlain) facts_ += values.size();
  }
  sort_facts_.resize(sorts());
  std::vector<bool> known(sorts());
  for (const Entry& entry : operations_) {
    if (known[entry.sort]) continue;
    known[entry.sort] = true;
    Facts& facts = sort_facts_[entry.sort];
    for (std::uint32_t i = entry.forms_begin; i < entry.forms_end; ++i) {
      for (const Guard& guard : Guards(forms_[i].guards)) {
        if (guard.equal && plain(guard.slot)) {
          facts.needed.push_back(fact_begins_[guard.slot] + guard.value);
        }
      }
      for (std::uint32_t j = forms_[i].changes.begin; j < forms_[i].changes.end; ++j) {
        const Change& change = changes_[j];
        if (plain(change.slot)) {
          facts.brought.push_back(fact_begins_[change.slot] + change.operand);
        }
      }
    }
  }
}

void Problem::MarkKeys(const Entry& entry) {
  const auto mark = [&](std::vector<std::uint64_t>& keys, Slot slot) {
    keys[entry.sort * key_words_ + slot / 64] |= std::uint64_t{1} << (slot % 64);
  };
  for (std::uint32_t i = entry.forms_begin; i < entry.forms_end; ++i) {
    for (const Guard& guard : Guards(forms_[i].guards)) mark(keys_seen_, guard.slot);
    for (const Guard& guard : Guards(forms_[i].any)) mark(keys_seen_, guard.slot);
    for (std::uint32_t j = forms_[i].changes.begin; j < forms_[i].changes.end; ++j) {
      mark(keys_changed_, changes_[j].slot);
    }
  }
}

bool Problem::Conflict(Op a, Op b) const {
  const std::size_t a_begin = operations_[a].sort * key_words_;
  const std::size_t b_begin = operations_[b].sort * key_words_;
  for (std::size_t i = 0; i < key_words_; ++i) {
    const std::uint64_t a_changed = keys_changed_[a_begin + i];
    const std::uint64_t b_changed = keys_changed_[b_begin + i];
    if ((a_changed & (b_changed | keys_seen_[b_begin + i])) != 0) return true;
    if ((b_changed & keys_seen_[a_begin + i]) != 0) return true;
  }
  return false;
}

std::span<const Problem::Guard> Problem::Guards(const Span& span) const {
  return {guards_.data() + span.begin, guards_.data() + span.end};
}

bool Problem::Holds(const Guard& guard, std::span<const KeyValues::Id> row) const {
  return (row[guard.slot] == guard.value) == guard.equal;
}

bool Problem::Applies(const FlatForm& form, std::span<const KeyValues::Id> row) const {
  if (!form.possible) return false;
  for (const Guard& guard : Guards(form.guards)) {
    if (!Holds(guard, row)) return false;
  }
  const std::span<const Guard> any = Guards(form.any);
  return any.empty() ||
         std::any_of(any.begin(), any.end(), [&](const Guard& guard) { return Holds(guard, row); });
}

std::span<const KeyValues::Id> Problem::Row(const State& state) const {
  if (values_.size() == 1) return {&state, 1};
  return rows_.Row(state);
}

Problem::State Problem::InitialState() {
  for (Slot slot = 0; slot < values_.size(); ++slot) next_row_[slot] = values_[slot].IdOf(initial_);
  return values_.size() == 1 ? next_row_[0] : rows_.Intern(next_row_);
}

bool Problem::Apply(Op op, State state, State* next) {
  const Entry& entry = operations_[op];
  const std::span<const KeyValues::Id> row = Row(state);
  for (std::uint32_t i = entry.forms_begin; i < entry.forms_end; ++i) {
    const FlatForm& form = forms_[i];
    if (!Applies(form, row)) continue;
    if (form.changes.begin == form.changes.end) {
      *next = state;
      return true;
    }
    std::copy(row.begin(), row.end(), next_row_.begin());
    for (std::uint32_t j = form.changes.begin; j < form.changes.end; ++j) {
      const Change& change = changes_[j];
      KeyValues::Id& id = next_row_[change.slot];
      id = change.append ? values_[change.slot].Append(id, change.operand) : change.operand;
    }
    *next = values_.size() == 1 ? next_row_[0] : rows_.Intern(next_row_);
    return true;
  }
  return false;
}

bool Problem::CanApply(Op op, State state) const {
  const Entry& entry = operations_[op];
  const std::span<const KeyValues::Id> row = Row(state);
  for (std::uint32_t i = entry.forms_begin; i < entry.forms_end; ++i) {
    if (Applies(forms_[i], row)) return true;
  }
  return false;
}

std::vector<Problem::Guard> Problem::Blockers(Op op, State state) const {
  const Entry& entry = operations_[op];
  const std::span<const KeyValues::Id> row = Row(state);
  std::vector<Guard> blockers;
  for (std::uint32_t i = entry.forms_begin; i < entry.forms_end; ++i) {
    const FlatForm& form = forms_[i];
    if (!form.possible) continue;
    const std::span<const Guard> guards = Guards(form.guards);
    const auto broken = std::find_if(guards.begin(), guards.end(),
                                     [&](const Guard& guard) { return !Holds(guard, row); });
    if (broken != guards.end()) {
      blockers.push_back(*broken);
    } else {
      const std::span<const Guard> any = Guards(form.any);
      blockers.insert(blockers.end(), any.begin(), any.end());
    }
  }
  return blockers;
}

bool Problem::MayBring(Op op, const Guard& guard) const {
  const Entry& entry = operations_[op];
  for (std::uint32_t i = entry.forms_begin; i < entry.forms_end; ++i) {
    for (std::uint32_t j = forms_[i].changes.begin; j < forms_[i].changes.end; ++j) {
      const Change& change = changes_[j];
      if (change.slot != guard.slot) continue;
      const bool plain = values_[guard.slot].kind() == KeyValues::Kind::kPlain;
      if (!plain || (change.operand == guard.value) == guard.equal) return true;
    }
  }
  return false;
}

}  // namespace lockstep::sim::history
