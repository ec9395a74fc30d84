#include "sim/oracles/linearizability.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "absl/strings/str_format.h"
#include "sim/oracles/linearizability_model.h"
#include "sim/oracles/linearizability_problem.h"
#include "sim/oracles/linearizability_search.h"

namespace lockstep::sim::history {
namespace {

constexpr std::uint64_t kStepsMax = 200'000'000;     // what the search counts must fit 32 bits
constexpr std::uint64_t kExplainStepsMax = 100'000;  // to collect states
constexpr std::size_t kStatesShownMax = 4;
constexpr std::size_t kOperationsShownMax = 10;
constexpr std::size_t kKeysShownMax = 8;

std::string Line(const History& history, std::size_t position) {
  const Operation& operation = history.operations[position];
  const std::string returned = operation.returned_at == kNever
                                   ? "never returned"
                                   : absl::StrFormat("returned %d", operation.returned_at);
  return absl::StrFormat("  #%d  client %d  %s  [called %d, %s]\n", position + 1, operation.client,
                         Describe(operation), operation.called_at, returned);
}

// The lines of the last (or first) operations of a list, and how many more there are.
std::string Lines(const History& history, const std::vector<std::size_t>& positions, bool last) {
  const std::size_t shown = std::min(positions.size(), kOperationsShownMax);
  std::string out;
  const std::size_t begin = last ? positions.size() - shown : 0;
  if (begin > 0) out += absl::StrFormat("  ... %d before\n", begin);
  for (std::size_t i = begin; i < begin + shown; ++i) out += Line(history, positions[i]);
  const std::size_t after = positions.size() - begin - shown;
  if (after > 0) out += absl::StrFormat("  ... %d more\n", after);
  return out;
}

std::vector<std::size_t> Positions(const Problem& problem, const std::vector<Problem::Op>& order) {
  std::vector<std::size_t> positions;
  for (const Problem::Op op : order) positions.push_back(problem.operations()[op].position);
  return positions;
}

// What the store holds after these operations, in this order.
std::string StateAfter(const History& history, const std::vector<std::size_t>& order,
                       const std::vector<std::string>& keys) {
  PlainModel model(history);
  for (const std::size_t position : order) model.Execute(history.operations[position]);
  return model.Describe(keys);
}

// The keys that the operation is about, of those of its group.
std::vector<std::string> KeysOf(const Operation& operation) {
  std::vector<std::string> keys;
  const auto add = [&](const std::string& key) {
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
  };
  if (operation.action == Action::kTxn || operation.action == Action::kCondTxn) {
    for (const Condition& condition : operation.conditions) add(condition.key);
    for (const Step& step : ExecutedSteps(operation)) add(step.key);
  } else {
    add(operation.key);
  }
  if (keys.size() > kKeysShownMax) keys.resize(kKeysShownMax);
  return keys;
}

std::string Heading(const Violation& violation, Model model) {
  if (model == Model::kRegister || model == Model::kMutex) {
    return absl::StrFormat("the %s is not linearizable\n", Name(model));
  }
  std::string keys;
  for (std::size_t i = 0; i < violation.keys.size(); ++i) {
    if (i == kKeysShownMax) {
      keys += absl::StrFormat(" and %d more", violation.keys.size() - i);
      break;
    }
    keys += (i > 0 ? ", " : "") + violation.keys[i];
  }
  return absl::StrFormat("%s %s: not linearizable\n", violation.keys.size() == 1 ? "key" : "keys",
                         keys);
}

std::string Explain(const History& history, const Violation& violation,
                    const std::vector<std::string>& states) {
  std::string out = Heading(violation, history.model);
  out += "This operation cannot have taken effect between its call and its return:\n";
  out += Line(history, violation.misplaced);
  if (violation.concurrent.empty()) {
    out += "Nothing was concurrent with it.\n";
  } else {
    out += "Concurrent with it:\n" + Lines(history, violation.concurrent, false);
  }
  if (violation.prefix.empty()) {
    out += "Nothing can be put in order before it.\n";
  } else {
    out += absl::StrFormat("The longest order found of what had to come first (%d operations):\n",
                           violation.prefix.size());
    out += Lines(history, violation.prefix, true);
  }
  out += "When its turn came, the possible states were:\n";
  for (std::size_t i = 0; i < states.size(); ++i) {
    out += i < kStatesShownMax ? "  " + states[i] + "\n" : "  ... and others\n";
  }
  return out;
}

// The least number of demands that no order meets, as far as searches of `steps_max` steps tell.
// REQUIRES: no order meets all.
Problem::Turn FirstUnmet(const History& history, const KeyGroup& group, std::uint64_t steps_max) {
  Problem problem(history, group);
  Problem::Turn met = 0;  // this many can be met, and `unmet` cannot
  auto unmet = static_cast<Problem::Turn>(problem.demands().size());
  while (unmet - met > 1) {
    const Problem::Turn middle = met + (unmet - met) / 2;
    (Search(problem, middle).Run(steps_max) == Search::Result::kNone ? unmet : met) = middle;
  }
  return unmet;
}

// Searches again, to see how far an order can go.
// REQUIRES: none meets all demands.
Violation ExplainNone(const History& history, const KeyGroup& group, std::uint64_t steps_max) {
  Problem problem(history, group);
  Violation violation;
  if (history.model != Model::kRegister && history.model != Model::kMutex) {
    violation.keys.assign(group.keys.begin(), group.keys.end());
    std::sort(violation.keys.begin(), violation.keys.end());
  }
  const Problem::Turn unmet = FirstUnmet(history, group, steps_max);
  const Problem::Op demand = problem.demands()[unmet - 1];
  violation.misplaced = problem.operations()[demand].position;
  const Operation& misplaced = history.operations[violation.misplaced];
  const std::vector<std::string> shown_keys = KeysOf(misplaced);

  std::vector<std::string> states;
  Search search(problem, unmet);
  search.VisitLastTurn([&](const std::vector<Problem::Op>& order, Problem::State) {
    if (states.size() > kStatesShownMax) return;
    const std::vector<std::size_t> positions = Positions(problem, order);
    if (states.empty() || positions.size() > violation.prefix.size()) violation.prefix = positions;
    const std::string text = StateAfter(history, positions, shown_keys);
    if (std::find(states.begin(), states.end(), text) == states.end()) states.push_back(text);
  });
  search.Run(std::min(steps_max, kExplainStepsMax));

  for (const std::size_t position : group.operations) {
    const Operation& operation = history.operations[position];
    if (position != violation.misplaced && operation.called_at <= misplaced.returned_at &&
        operation.returned_at >= misplaced.called_at) {
      violation.concurrent.push_back(position);
    }
  }
  violation.text = Explain(history, violation, states);
  return violation;
}

}  // namespace

const char* Name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kLinearizable:
      return "linearizable";
    case Verdict::kIllegal:
      return "not linearizable";
    case Verdict::kGaveUp:
      return "gave up";
  }
  return "?";
}

absl::StatusOr<CheckReport> CheckLinearizability(const History& history,
                                                 const CheckOptions& options) {
  if (const absl::Status valid = ValidateHistory(history); !valid.ok()) return valid;
  const std::uint64_t steps_max = std::min(options.steps_max, kStepsMax);
  CheckReport report;
  const std::vector<KeyGroup> groups = GroupKeys(history);
  report.groups = groups.size();
  for (const KeyGroup& group : groups) {
    if (report.steps > steps_max) {
      if (report.verdict == Verdict::kLinearizable) report.verdict = Verdict::kGaveUp;
      break;
    }
    Problem problem(history, group);
    Search search(problem, static_cast<Problem::Turn>(problem.demands().size()));
    const Search::Result result = search.Run(steps_max - report.steps);
    report.steps += search.steps();
    if (result == Search::Result::kNone) {
      report.verdict = Verdict::kIllegal;
      if (!options.explain) break;
      report.violations.push_back(ExplainNone(history, group, steps_max));
    } else if (result == Search::Result::kGaveUp && report.verdict != Verdict::kIllegal) {
      report.verdict = Verdict::kGaveUp;
    } else if (options.witness) {
      report.orders.push_back(Positions(problem, search.order()));
    }
  }
  if (report.verdict != Verdict::kLinearizable) report.orders.clear();
  return report;
}

}  // namespace lockstep::sim::history
