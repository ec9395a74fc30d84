// The checker against trying every order, on small histories of every model.

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

#include "sim/oracles/linearizability.h"
#include "sim/oracles/linearizability_model.h"
#include "sim/oracles/linearizability_search.h"
#include "tests/sim/linearizability_histories.h"

namespace lockstep::sim::history {
namespace {

constexpr int kOperationsMax = 8;
constexpr int kTimes = 12;

int Draw(int below) { return *rc::gen::inRange(0, below); }
bool OneIn(int chances) { return Draw(chances) == 0; }

// Two values that are often written, and some that have one source if any.
std::string DrawText() {
  return std::string(1, static_cast<char>(OneIn(2) ? 'a' + Draw(2) : 'c' + Draw(5)));
}
Value DrawValue() { return OneIn(3) ? Value() : Value(DrawText()); }
std::string DrawKey() { return std::string(1, static_cast<char>('x' + Draw(2))); }

std::vector<std::string> DrawList() {
  std::vector<std::string> list;
  for (int i = Draw(4); i > 0; --i) list.push_back(DrawText());
  return list;
}

// Key x is a list and y a value where both are possible: a key is never both.
std::vector<Step> DrawSteps(Model model) {
  std::vector<Step> steps;
  for (int i = Draw(4); i > 0; --i) {
    const std::string key = DrawKey();
    if (OneIn(2)) {
      steps.push_back(R(key));
    } else if (model == Model::kTxn && key == "x") {
      steps.push_back(OneIn(6) ? W(key, kAbsent) : A(key, DrawText()));
    } else {
      steps.push_back(W(key, DrawValue()));
    }
  }
  return steps;
}

void DrawStepResults(Model model, Operation& operation) {
  operation.results.clear();
  for (const Step& step : ExecutedSteps(operation)) {
    StepResult result;
    if (step.kind == Step::Kind::kRead) {
      if (OneIn(8)) {
        result = SawSomething();
      } else if (model == Model::kTxn && step.key == "x") {
        result = OneIn(4) ? Saw(kAbsent) : SawList(DrawList());
      } else {
        result = Saw(DrawValue());
      }
    }
    operation.results.push_back(result);
  }
}

Action DrawAction(Model model) {
  switch (model) {
    case Model::kRegister:
      return *rc::gen::element(Action::kRead, Action::kRead, Action::kWrite, Action::kCas);
    case Model::kKv:
      return *rc::gen::element(Action::kGet, Action::kGet, Action::kPut, Action::kAppend,
                               Action::kDelete, Action::kCas);
    case Model::kTxn:
      return Action::kTxn;
    case Model::kMutex:
      return *rc::gen::element(Action::kAcquire, Action::kRelease);
    case Model::kStore:
      return *rc::gen::element(Action::kGet, Action::kPut, Action::kDelete, Action::kCas,
                               Action::kTxn, Action::kCondTxn, Action::kCondTxn);
  }
  return Action::kRead;
}

Operation DrawArguments(Model model) {
  Operation operation;
  operation.action = DrawAction(model);
  switch (operation.action) {
    case Action::kWrite:
      operation.value = DrawValue();
      break;
    case Action::kGet:
    case Action::kDelete:
      operation.key = DrawKey();
      break;
    case Action::kPut:
    case Action::kAppend:
      operation.key = DrawKey();
      operation.value = DrawText();
      break;
    case Action::kCas:
      if (model != Model::kRegister) operation.key = DrawKey();
      operation.expected = DrawValue();
      operation.value = DrawValue();
      break;
    case Action::kTxn:
      operation.steps = DrawSteps(model);
      break;
    case Action::kCondTxn:
      for (int i = Draw(3); i > 0; --i) {
        operation.conditions.push_back(OneIn(2) ? Is(DrawKey(), DrawValue())
                                                : IsNot(DrawKey(), DrawValue()));
      }
      operation.steps = DrawSteps(model);
      operation.else_steps = DrawSteps(model);
      break;
    default:
      break;
  }
  return operation;
}

void DrawResult(Model model, Operation& operation) {
  switch (operation.action) {
    case Action::kRead:
      operation.seen = DrawValue();
      break;
    case Action::kGet:
      operation.seen =
          model == Model::kKv && OneIn(2) ? Value(DrawText() + DrawText()) : DrawValue();
      break;
    case Action::kDelete:
    case Action::kCas:
      operation.succeeded = OneIn(2);
      break;
    case Action::kCondTxn:
      operation.succeeded = OneIn(2);
      DrawStepResults(model, operation);
      break;
    case Action::kTxn:
      DrawStepResults(model, operation);
      break;
    default:
      break;
  }
}

// Operations executed one after the other, with results that are right with a good chance: each is
// drawn again a few times as long as it is not. Then times are drawn around that order.
History DrawHistory(Model model) {
  std::vector<Operation> operations;
  const Value initial =
      model != Model::kTxn && model != Model::kMutex && OneIn(4) ? Value(DrawText()) : Value();
  History history = HistoryOf(model, {}, initial);
  PlainModel plain(history);
  const int count = 1 + Draw(kOperationsMax);
  for (int i = 0; i < count; ++i) {
    Operation operation = DrawArguments(model);
    const int moment = i * kTimes / kOperationsMax;
    const std::int64_t called_at = moment - Draw(4);
    const std::int64_t returned_at = moment + Draw(4);
    if (OneIn(4)) {
      operation = Unknown({called_at}, operation);
      if (OneIn(2)) plain.Execute(operation);
    } else if (OneIn(12)) {
      operation = Failed({called_at, returned_at}, operation);
    } else {
      operation = Ok({called_at, returned_at}, operation);
      for (int tries = OneIn(4) ? 0 : 40; tries >= 0; --tries) {
        DrawResult(model, operation);
        if (plain.Execute(operation)) break;
      }
    }
    operations.push_back(operation);
  }
  return HistoryOf(model, std::move(operations), initial);
}

// Whether the remaining operations can follow, in some order.
bool SomeOrderExists(const History& history, std::vector<bool>& done, const PlainModel& plain) {
  bool all_done = true;
  std::int64_t first_return = kNever;
  for (std::size_t i = 0; i < done.size(); ++i) {
    if (done[i] || history.operations[i].outcome == Outcome::kFail) continue;
    first_return = std::min(first_return, history.operations[i].returned_at);
    all_done = all_done && history.operations[i].outcome == Outcome::kUnknown;
  }
  if (all_done) return true;
  for (std::size_t i = 0; i < done.size(); ++i) {
    const Operation& operation = history.operations[i];
    if (done[i] || operation.outcome == Outcome::kFail || operation.called_at > first_return) {
      continue;
    }
    PlainModel next = plain;
    if (!next.Execute(operation)) continue;
    done[i] = true;
    const bool found = SomeOrderExists(history, done, next);
    done[i] = false;
    if (found) return true;
  }
  return false;
}

// The operations of `order` are all that had to take effect and others that may have, and no
// operation is before one that had returned when it was called.
void CheckOrder(const History& history, const std::vector<std::size_t>& order) {
  PlainModel plain(history);
  std::int64_t last_call = std::numeric_limits<std::int64_t>::min();
  for (const std::size_t position : order) {
    RC_ASSERT(plain.Execute(history.operations[position]));
    RC_ASSERT(history.operations[position].returned_at >= last_call);
    last_call = std::max(last_call, history.operations[position].called_at);
  }
}

// Whether searches of all groups find orders, with the operations' windows narrowed or as they are.
// The checker narrows only where a short search has not been enough, which is rare here.
bool SearchesFind(const History& history, bool narrow) {
  for (const KeyGroup& group : GroupKeys(history)) {
    Problem problem(history, group, narrow);
    Search search(problem);
    if (search.Run(1'000'000) != Search::Result::kFound) return false;
    std::vector<std::size_t> order;
    for (const Problem::Op op : search.order()) {
      order.push_back(problem.operations()[op].position);
    }
    CheckOrder(history, order);
  }
  return true;
}

void CheckAgainstEveryOrder(Model model) {
  const History history = DrawHistory(model);
  for (const Operation& operation : history.operations) {
    RC_LOG() << operation.called_at << ".."
             << (operation.returned_at == kNever ? 999 : operation.returned_at) << " "
             << Describe(operation) << "\n";
  }
  std::vector<bool> done(history.operations.size());
  const bool expected = SomeOrderExists(history, done, PlainModel(history));
  RC_CLASSIFY(expected, "linearizable");
  RC_CLASSIFY(!expected, "illegal");
  const CheckReport report = CheckLinearizability(history, {.witness = true}).value();
  RC_ASSERT(report.verdict == (expected ? Verdict::kLinearizable : Verdict::kIllegal));
  RC_ASSERT(report.violations.empty() == expected);
  RC_ASSERT(SearchesFind(history, false) == expected);
  RC_ASSERT(SearchesFind(history, true) == expected);
  std::vector<int> seen(history.operations.size());
  for (const std::vector<std::size_t>& order : report.orders) {
    CheckOrder(history, order);
    for (const std::size_t position : order) ++seen[position];
  }
  if (!expected) return;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    const Operation& operation = history.operations[i];
    const bool touches_keys = operation.action != Action::kTxn || !operation.steps.empty();
    const bool required =
        operation.outcome == Outcome::kOk && touches_keys && operation.action != Action::kCondTxn;
    RC_ASSERT(seen[i] <= 1);
    if (required) RC_ASSERT(seen[i] == 1);
  }
}

RC_GTEST_PROP(LinearizabilityPropertyTest, ARegisterIsJudgedAsByTryingEveryOrder, ()) {
  CheckAgainstEveryOrder(Model::kRegister);
}
RC_GTEST_PROP(LinearizabilityPropertyTest, KeysAreJudgedAsByTryingEveryOrder, ()) {
  CheckAgainstEveryOrder(Model::kKv);
}
RC_GTEST_PROP(LinearizabilityPropertyTest, TransactionsAreJudgedAsByTryingEveryOrder, ()) {
  CheckAgainstEveryOrder(Model::kTxn);
}
RC_GTEST_PROP(LinearizabilityPropertyTest, AMutexIsJudgedAsByTryingEveryOrder, ()) {
  CheckAgainstEveryOrder(Model::kMutex);
}
RC_GTEST_PROP(LinearizabilityPropertyTest, OurStoreIsJudgedAsByTryingEveryOrder, ()) {
  CheckAgainstEveryOrder(Model::kStore);
}

}  // namespace
}  // namespace lockstep::sim::history
