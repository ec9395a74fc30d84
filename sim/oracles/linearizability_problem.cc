#include "sim/oracles/linearizability_problem.h"

#include <algorithm>
#include <numeric>

namespace lockstep::sim::history {

Problem::Problem(const History& history, const KeyGroup& group, bool narrow)
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
  NumberFacts();
  if (narrow) NarrowOperations();
  OrderDemands();
  DropUseless();
  key_words_ = (values_.size() + 63) / 64;
  keys_seen_.resize(sorts() * key_words_);
  keys_changed_.resize(sorts() * key_words_);
  for (const Entry& entry : operations_) MarkKeys(entry);
}

void Problem::NarrowOperations() {
  FactTable facts;
  facts.key_count = values_.size();
  facts.holds.resize(facts_);
  for (Slot slot = 0; slot < values_.size(); ++slot) {
    if (!plain(slot)) continue;
    facts.keys.resize(fact_begins_[slot] + values_[slot].size(), slot);
    facts.holds[fact_begins_[slot] + values_[slot].IdOf(initial_)] = true;
  }
  std::vector<Window> windows;
  for (const Entry& entry : operations_) {
    const Facts& of_sort = sort_facts_[entry.sort];
    windows.push_back({entry.called_at, entry.returned_at, entry.required, of_sort.needed,
                       of_sort.changed, of_sort.brought});
  }
  contradictory_ = !NarrowWindows(facts, windows);
  if (contradictory_) {
    operations_.clear();
    return;
  }
  std::size_t count = 0;
  for (std::size_t i = 0; i < windows.size(); ++i) {
    if (windows[i].earliest > windows[i].latest) continue;  // cannot take effect, and need not
    Entry& entry = operations_[count++] = operations_[i];
    entry.called_at = windows[i].earliest;
    entry.required = windows[i].required;
    entry.returned_at = entry.required ? windows[i].latest : kNever;
  }
  operations_.resize(count);
  std::stable_sort(operations_.begin(), operations_.end(),
                   [](const Entry& a, const Entry& b) { return a.called_at < b.called_at; });
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
  // Reserved, so that spans stay where they are.
  fact_lists_.reserve(guards_.size() + changes_.size());
  key_lists_.reserve(changes_.size());
  sort_facts_.resize(sorts());
  std::vector<bool> known(sorts());
  for (const Entry& entry : operations_) {
    if (known[entry.sort]) continue;
    known[entry.sort] = true;
    sort_facts_[entry.sort] = ListFacts(entry);
  }
}

Problem::Facts Problem::ListFacts(const Entry& entry) {
  const std::span<const FlatForm> forms(forms_.data() + entry.forms_begin,
                                        forms_.data() + entry.forms_end);
  const bool one_form = forms.size() == 1;
  const Fact* needed = fact_lists_.data() + fact_lists_.size();
  for (const FlatForm& form : forms) {
    for (const Guard& guard : Guards(form.guards)) {
      if (one_form && guard.equal && plain(guard.slot)) {
        fact_lists_.push_back(fact_begins_[guard.slot] + guard.value);
      }
    }
  }
  const Fact* brought = fact_lists_.data() + fact_lists_.size();
  const Key* changed = key_lists_.data() + key_lists_.size();
  for (const FlatForm& form : forms) {
    for (std::uint32_t i = form.changes.begin; i < form.changes.end; ++i) {
      const Change& change = changes_[i];
      if (!plain(change.slot)) continue;
      fact_lists_.push_back(fact_begins_[change.slot] + change.operand);
      if (one_form) key_lists_.push_back(change.slot);
    }
  }
  return {{needed, brought},
          {changed, key_lists_.data() + key_lists_.size()},
          {brought, fact_lists_.data() + fact_lists_.size()}};
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
