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

constexpr std::uint64_t kStepsMax = 200'000'000;       // what the search counts must fit 32 bits
constexpr std::uint64_t kExplainStepsMax = 1'000'000;  // of each search that explains
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
  out += "This operation, with all that returned before it, fits no order:\n";
  out += Line(history, violation.misplaced);
  if (violation.concurrent.empty()) {
    out += "Nothing was concurrent with it.\n";
  } else {
    out += "Concurrent with it:\n" + Lines(history, violation.concurrent, false);
  }
  if (violation.prefix.empty()) {
    out += "Nothing had to come before.\n";
  } else {
    out += absl::StrFormat("An order of what had returned before that (%d operations):\n",
                           violation.prefix.size());
    out += Lines(history, violation.prefix, true);
  }
  out += "In the orders of that, the last state is:\n";
  for (std::size_t i = 0; i < states.size(); ++i) {
    out += i < kStatesShownMax ? "  " + states[i] + "\n" : "  ... and others\n";
  }
  return out;
}

// The returns of a group's operations that claim something, in their order.
std::vector<std::int64_t> Returns(const History& history, const KeyGroup& group) {
  std::vector<std::int64_t> returns;
  for (const std::size_t position : group.operations) {
    if (history.operations[position].outcome == Outcome::kOk) {
      returns.push_back(history.operations[position].returned_at);
    }
  }
  std::sort(returns.begin(), returns.end());
  return returns;
}

// What was known of a group just after the time `until`: operations that returned later are of
// unknown outcome, and those called later are not there. Others keep their positions.
History Until(const History& history, const KeyGroup& group, std::int64_t until) {
  History known;
  known.model = history.model;
  known.initial = history.initial;
  known.operations.resize(history.operations.size());
  for (Operation& operation : known.operations) operation.outcome = Outcome::kFail;
  for (const std::size_t position : group.operations) {
    const Operation& operation = history.operations[position];
    if (operation.called_at > until) break;
    known.operations[position] = operation;
    if (operation.returned_at > until) {
      known.operations[position].outcome = Outcome::kUnknown;
      known.operations[position].returned_at = kNever;
    }
  }
  return known;
}

KeyGroup WithoutSilent(const History& history, const KeyGroup& group) {
  KeyGroup claiming;
  claiming.keys = group.keys;
  for (const std::size_t position : group.operations) {
    if (!MakesNoClaim(history.operations[position])) claiming.operations.push_back(position);
  }
  return claiming;
}

// Calls visit(order) for orders of what was known at the time `until`; see Search::VisitOrders().
template <class Visit>
Search::Result VisitOrdersUntil(const History& history, const KeyGroup& group, std::int64_t until,
                                std::uint64_t steps_max, const Visit& visit) {
  const History known = Until(history, group, until);
  const KeyGroup claiming = WithoutSilent(known, group);
  Problem problem(known, claiming, true);
  Search search(problem);
  search.VisitOrders(
      [&](const std::vector<Problem::Op>& order) { return visit(Positions(problem, order)); });
  return search.Run(steps_max);
}

// The first return after which no order is left, as far as searches of `steps_max` steps tell; and
// in `before` the last one before it, if there is one.
// REQUIRES: there is no order of the whole group.
std::int64_t FirstWrong(const History& history, const KeyGroup& group, std::uint64_t steps_max,
                        std::optional<std::int64_t>* before) {
  const std::vector<std::int64_t> returns = Returns(history, group);
  std::size_t right = 0;  // after this many returns there is an order, and after `wrong` none
  std::size_t wrong = returns.size();
  const auto first_only = [](const std::vector<std::size_t>&) { return false; };
  while (wrong - right > 1) {
    const std::size_t middle = right + (wrong - right) / 2;
    const bool none = VisitOrdersUntil(history, group, returns[middle - 1], steps_max,
                                       first_only) == Search::Result::kNone;
    (none ? wrong : right) = middle;
  }
  if (right > 0) *before = returns[right - 1];
  return returns[wrong - 1];
}

// Searches again, to see from which operation on no order is left.
// REQUIRES: there is no order of the whole group.
Violation ExplainNone(const History& history, const KeyGroup& group, std::uint64_t steps_max) {
  Violation violation;
  if (history.model != Model::kRegister && history.model != Model::kMutex) {
    violation.keys.assign(group.keys.begin(), group.keys.end());
    std::sort(violation.keys.begin(), violation.keys.end());
  }
  std::optional<std::int64_t> before;
  const std::int64_t wrong = FirstWrong(history, group, steps_max, &before);
  violation.misplaced =
      *std::find_if(group.operations.begin(), group.operations.end(), [&](std::size_t position) {
        const Operation& operation = history.operations[position];
        return operation.outcome == Outcome::kOk && operation.returned_at == wrong;
      });
  const Operation& misplaced = history.operations[violation.misplaced];
  const std::vector<std::string> shown_keys = KeysOf(misplaced);

  std::vector<std::string> states;
  const auto visit = [&](const std::vector<std::size_t>& order) {
    if (states.empty() || order.size() > violation.prefix.size()) violation.prefix = order;
    const std::string text = StateAfter(history, order, shown_keys);
    if (std::find(states.begin(), states.end(), text) == states.end()) states.push_back(text);
    return states.size() <= kStatesShownMax;
  };
  if (before) {
    VisitOrdersUntil(history, group, *before, steps_max, visit);
  }
  if (states.empty()) visit({});

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

// Searches for an order of the group; adds what it took to *steps, and puts what it found into
// *order, if there is one. Most groups are easy, so the first try is a plain and short one.
Search::Result SearchGroup(const History& history, const KeyGroup& group, std::uint64_t steps_max,
                           std::uint64_t* steps, std::vector<std::size_t>* order) {
  const std::uint64_t easy = 100 + group.operations.size() * 4;
  Search::Result result = Search::Result::kGaveUp;
  for (const bool hard : {false, true}) {
    if (result != Search::Result::kGaveUp) break;
    Problem problem(history, group, hard);
    Search search(problem);
    result = search.Run(hard ? steps_max : std::min(easy, steps_max));
    *steps += search.steps();
    if (order != nullptr) *order = Positions(problem, search.order());
  }
  return result;
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
    std::vector<std::size_t>* order = options.witness ? &report.orders.emplace_back() : nullptr;
    const Search::Result result =
        SearchGroup(history, group, steps_max - report.steps, &report.steps, order);
    if (result == Search::Result::kNone) {
      report.verdict = Verdict::kIllegal;
      if (!options.explain) break;
      report.violations.push_back(
          ExplainNone(history, group, std::min(steps_max, kExplainStepsMax)));
    } else if (result == Search::Result::kGaveUp && report.verdict != Verdict::kIllegal) {
      report.verdict = Verdict::kGaveUp;
    }
  }
  if (report.verdict != Verdict::kLinearizable) report.orders.clear();
  return report;
}

}  // namespace lockstep::sim::history
