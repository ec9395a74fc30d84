// One group of connected keys, compiled for the search: operations as conditions on and changes of
// a state that is one number.

#ifndef LOCKSTEP_SIM_ORACLES_LINEARIZABILITY_PROBLEM_H_
#define LOCKSTEP_SIM_ORACLES_LINEARIZABILITY_PROBLEM_H_

#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "sim/history.h"
#include "sim/oracles/linearizability_groups.h"
#include "sim/oracles/linearizability_rows.h"
#include "sim/oracles/linearizability_values.h"
#include "sim/oracles/linearizability_windows.h"

namespace lockstep::sim::history {

// The operations of one group. Operations are named by their position here, in the order of their
// calls. Those that need not take effect and could not help any other are left out.
class Problem {
 public:
  using Op = std::uint32_t;
  using State = std::uint32_t;
  using Turn = std::uint32_t;  // the first demand that must be met after something happened
  using Sort = std::uint32_t;  // operations of one sort do the same

  struct Entry {
    std::size_t position = 0;  // in History::operations
    std::int64_t called_at = 0;
    std::int64_t returned_at = 0;  // kNever if it need not take effect
    bool required = false;         // outcome kOk, or another one depends on it
    bool looks_only = false;
    Sort sort = 0;
    Turn callable = 0;  // can take effect from this turn on
    // A required one: its demand's turn. Another one: it helps nobody after this turn.
    Turn last = 0;
    std::uint32_t forms_begin = 0;
    std::uint32_t forms_end = 0;
  };

  // `history` and `group` must outlive the problem. `narrow`: narrows the operations' windows first
  // (linearizability_windows.h), which takes some time and may save much.
  Problem(const History& history, const KeyGroup& group, bool narrow);

  // There is no order: that showed while compiling.
  bool contradictory() const { return contradictory_; }
  const std::vector<Entry>& operations() const { return operations_; }
  // The required operations in the order of their returns: at turn t, demands()[t] is the next one
  // that must have taken effect before anything called later can.
  const std::vector<Op>& demands() const { return demands_; }
  std::size_t sorts() const { return sort_ids_.size(); }

  State InitialState();
  // Whether the operation can take effect in this state; if so sets `next` to the state after it.
  bool Apply(Op op, State state, State* next);
  // A condition on the value of one key.
  using Slot = Key;  // a key of the group
  struct Guard {
    Slot slot;
    KeyValues::Id value;
    bool equal;
    friend bool operator==(const Guard&, const Guard&) = default;
  };
  bool CanApply(Op op, State state) const;
  // Why the operation cannot take effect in `state`: conditions of which one must be brought about
  // first. None if it never can. REQUIRES: it cannot.
  std::vector<Guard> Blockers(Op op, State state) const;
  // Whether the operation may make the condition true, where it can take effect.
  bool MayBring(Op op, const Guard& guard) const;
  // Whether the order of the two may matter: one changes a key that the other looks at or changes.
  bool Conflict(Op a, Op b) const;

  // Facts are numbered for the keys that are not appended to.
  std::size_t facts() const { return facts_; }
  struct Facts {
    std::span<const Fact> needed;   // the operation takes effect only where these hold
    std::span<const Key> changed;   // it does change these keys
    std::span<const Fact> brought;  // may hold after it
  };
  const Facts& FactsOf(Op op) const { return sort_facts_[operations_[op].sort]; }
  // Calls visit(fact) for every fact that holds in `before` and not in `after`.
  template <class Visit>
  void VisitLost(State before, State after, const Visit& visit) const {
    const std::span<const KeyValues::Id> old_row = Row(before);
    const std::span<const KeyValues::Id> row = Row(after);
    for (Slot slot = 0; slot < row.size(); ++slot) {
      if (old_row[slot] != row[slot] && plain(slot)) visit(fact_begins_[slot] + old_row[slot]);
    }
  }
  // Calls visit(fact) for every fact that holds in `state`.
  template <class Visit>
  void VisitFacts(State state, const Visit& visit) const {
    const std::span<const KeyValues::Id> row = Row(state);
    for (Slot slot = 0; slot < row.size(); ++slot) {
      if (plain(slot)) visit(fact_begins_[slot] + row[slot]);
    }
  }
  std::size_t keys() const { return values_.size(); }

 private:
  struct Change {
    Slot slot;
    std::uint32_t operand;  // a KeyValues::Id, or a KeyValues::Piece
    bool append;
  };
  // What an operation does where all guards hold, and one of `any` (if it is not empty). An
  // operation has one form, or two of which at most one applies (a cond_txn of unknown outcome).
  template <class T>
  using Few = absl::InlinedVector<T, 2>;
  struct Form {
    Few<Guard> guards;
    Few<Guard> any;
    Few<Change> changes;
    bool possible = true;  // false: contradicts itself
  };
  using Forms = absl::InlinedVector<Form, 1>;
  // The same, flat, for the search.
  struct Span {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
  };
  struct FlatForm {
    Span guards;
    Span any;
    Span changes;
    bool possible = true;
  };
  struct Written;

  Slot SlotOf(std::string_view key) const;
  void ChooseKinds(const History& history, const KeyGroup& group);
  KeyValues::Id Id(Slot slot, const ValueView& value);
  void Require(Form& form, Slot slot, const ValueView& value, bool equal = true);
  void Set(Form& form, Slot slot, const ValueView& value);

  Forms Compile(const Operation& operation);
  void CompileCas(const Operation& operation, Form& form);
  void CompileSteps(const std::vector<Step>& steps, const std::vector<StepResult>* results,
                    Form& form);
  void CompileRead(Slot slot, const StepResult& result, const Written* written, Form& form);
  void CompileConditions(const std::vector<Condition>& conditions, bool held, Form& form);

  void Add(std::size_t position, const Operation& operation, const Forms& forms);
  Sort SortOf(const Forms& forms);
  void NumberFacts();
  Facts ListFacts(const Entry& entry);
  void NarrowOperations();
  void OrderDemands();
  void MarkKeys(const Entry& entry);
  void DropUseless();

  bool plain(Slot slot) const { return values_[slot].kind() == KeyValues::Kind::kPlain; }
  std::span<const Guard> Guards(const Span& span) const;
  bool Holds(const Guard& guard, std::span<const KeyValues::Id> row) const;
  bool Applies(const FlatForm& form, std::span<const KeyValues::Id> row) const;
  std::span<const KeyValues::Id> Row(const State& state) const;

  absl::flat_hash_map<std::string_view, Slot> slots_;
  std::deque<KeyValues> values_;  // by slot
  ValueView initial_;
  bool mentioning_ = false;  // the first of two passes: values are mentioned, and have no ids yet

  bool contradictory_ = false;
  std::vector<Entry> operations_;
  std::vector<Op> demands_;
  std::vector<FlatForm> forms_;
  std::vector<Guard> guards_;
  std::vector<Change> changes_;
  absl::flat_hash_map<std::vector<std::uint32_t>, Sort> sort_ids_;
  std::vector<std::uint32_t> sort_words_;
  RowTable rows_;  // states of several keys; the state of one key is its value's id
  std::vector<KeyValues::Id> next_row_;

  std::size_t facts_ = 0;
  std::vector<Fact> fact_begins_;  // by slot
  std::vector<Facts> sort_facts_;  // by sort; into the next two
  std::vector<Fact> fact_lists_;
  std::vector<Key> key_lists_;
  // By sort, key_words_ words each: which keys the operation looks at, and which it changes.
  std::size_t key_words_ = 0;
  std::vector<std::uint64_t> keys_seen_;
  std::vector<std::uint64_t> keys_changed_;
};

}  // namespace lockstep::sim::history

#endif  // LOCKSTEP_SIM_ORACLES_LINEARIZABILITY_PROBLEM_H_
