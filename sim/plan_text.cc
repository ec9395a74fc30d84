#include "sim/plan_text.h"

#include <algorithm>
#include <charconv>
#include <cinttypes>
#include <cstdio>
#include <map>

#include "sim/trace.h"

namespace lockstep::sim {
namespace {

constexpr std::string_view kFirstLine = "lockstep-plan 1";

// What is wrong with the line at hand; caught by ReadPlan().
struct BadLine {
  std::string why;
};

std::string FormatDuration(Duration duration) { return FormatTime(SimTime{} + duration); }

template <class Number>
std::string JoinNumbers(const std::vector<Number>& numbers) {
  std::string text;
  for (const Number number : numbers) {
    text += (text.empty() ? "" : ",") + std::to_string(number);
  }
  return text;
}

std::vector<std::uint64_t> MembersOf(std::uint64_t group) {
  std::vector<std::uint64_t> ids;
  for (std::uint64_t id = 1; id <= 64; ++id) {
    if ((group >> (id - 1) & 1) != 0) {
      ids.push_back(id);
    }
  }
  return ids;
}

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    if (end > 0) {
      parts.push_back(text.substr(0, end));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

template <class Number>
Number ReadNumber(std::string_view text) {
  Number number = 0;
  const char* end = text.data() + text.size();
  const std::from_chars_result result = std::from_chars(text.data(), end, number);
  if (text.empty() || result.ec != std::errc() || result.ptr != end) {
    throw BadLine{"\"" + std::string(text) + "\" is not a number in range"};
  }
  return number;
}

// Seconds with up to six decimals.
Duration ReadDuration(std::string_view text) {
  const std::size_t point = std::min(text.find('.'), text.size());
  const std::string_view decimals = text.substr(std::min(point + 1, text.size()));
  if (decimals.size() > 6) {
    throw BadLine{"\"" + std::string(text) + "\" has more than six decimals"};
  }
  const std::string micros = std::string(decimals) + std::string(6 - decimals.size(), '0');
  const auto seconds = ReadNumber<std::uint32_t>(text.substr(0, point));
  return Seconds(seconds) + Microseconds(ReadNumber<std::uint32_t>(micros));
}

std::vector<std::uint64_t> ReadNumbers(std::string_view text) {
  std::vector<std::uint64_t> numbers;
  for (const std::string_view part : Split(text, ',')) {
    numbers.push_back(ReadNumber<std::uint64_t>(part));
  }
  return numbers;
}

// The `name=value` words of a line. Every one must be asked for.
class Arguments {
 public:
  explicit Arguments(const std::vector<std::string_view>& words, std::size_t from) {
    for (std::size_t i = from; i < words.size(); ++i) {
      const std::size_t equals = words[i].find('=');
      if (equals == std::string_view::npos) {
        throw BadLine{"\"" + std::string(words[i]) + "\" is not of the form name=value"};
      }
      const std::string name(words[i].substr(0, equals));
      if (!values_.emplace(name, words[i].substr(equals + 1)).second) {
        throw BadLine{"\"" + name + "\" is given twice"};
      }
    }
  }

  bool Has(const std::string& name) const { return values_.count(name) != 0; }

  std::string_view Take(const std::string& name) {
    const auto found = values_.find(name);
    if (found == values_.end()) {
      throw BadLine{"\"" + name + "=\" is missing"};
    }
    const std::string_view value = found->second;
    values_.erase(found);
    return value;
  }

  void ExpectNoMore() const {
    if (!values_.empty()) {
      throw BadLine{"\"" + values_.begin()->first + "=\" means nothing here"};
    }
  }

 private:
  std::map<std::string, std::string_view> values_;
};

std::uint64_t ReadNode(std::string_view text) {
  if (text == "leader") {
    return kWhoeverLeads;
  }
  const auto id = ReadNumber<std::uint64_t>(text);
  if (id == 0) {
    throw BadLine{"there is no node 0"};
  }
  return id;
}

std::uint64_t ReadGroup(std::string_view text) {
  std::uint64_t group = 0;
  for (const std::uint64_t id : ReadNumbers(text)) {
    if (id < 1 || id > 63) {
      throw BadLine{"there is no node " + std::to_string(id)};
    }
    group |= std::uint64_t{1} << (id - 1);
  }
  return group;
}

Fault ReadFault(const std::vector<std::string_view>& words) {
  if (words.size() < 3) {
    throw BadLine{"a fault needs a time and a kind"};
  }
  for (const FaultShape& shape : FaultShapes()) {
    if (words[2] != shape.name) {
      continue;
    }
    Fault fault{.at = SimTime{} + ReadDuration(words[1]), .kind = shape.kind};
    Arguments arguments(words, 3);
    if (shape.node) {
      fault.node = ReadNode(arguments.Take("node"));
    }
    if (shape.client) {
      fault.client = ReadNumber<std::uint64_t>(arguments.Take("client"));
    }
    if (shape.peer) {
      fault.peer = ReadNumber<std::uint64_t>(arguments.Take("peer"));
    }
    if (shape.group) {
      fault.group = ReadGroup(arguments.Take("group"));
    }
    if (shape.lasts) {
      fault.lasts = ReadDuration(arguments.Take("for"));
    }
    if (shape.amount != nullptr) {
      fault.amount = ReadNumber<std::int64_t>(arguments.Take(shape.amount));
    }
    arguments.ExpectNoMore();
    return fault;
  }
  throw BadLine{"there is no fault \"" + std::string(words[2]) + "\""};
}

PlannedOperation ReadOperation(const std::vector<std::string_view>& words) {
  if (words.size() < 4) {
    throw BadLine{"an operation needs a time, a client, an action and keys"};
  }
  const std::optional<ClientAction> action = ClientActionNamed(words[3]);
  if (!action.has_value()) {
    throw BadLine{"there is no operation \"" + std::string(words[3]) + "\""};
  }
  std::vector<std::string_view> rest = words;
  rest.erase(rest.begin() + 3);
  Arguments arguments(rest, 2);
  PlannedOperation operation{.at = SimTime{} + ReadDuration(words[1]), .action = *action};
  operation.client = ReadNumber<std::uint64_t>(arguments.Take("client"));
  operation.keys = ReadNumbers(arguments.Take("keys"));
  if (arguments.Has("consistency")) {
    const std::string_view name = arguments.Take("consistency");
    const std::optional<Consistency> consistency = ConsistencyNamed(name);
    if (!consistency.has_value()) {
      throw BadLine{"there is no consistency \"" + std::string(name) + "\""};
    }
    operation.consistency = *consistency;
  }
  if (arguments.Has("max_age")) {
    operation.max_age = ReadDuration(arguments.Take("max_age"));
  }
  arguments.ExpectNoMore();
  return operation;
}

void ReadSetting(const std::vector<std::string_view>& words, Settings& settings) {
  if (words.size() != 3) {
    throw BadLine{"a setting needs a name and a number"};
  }
  for (const SettingField& field : SettingFields()) {
    if (words[1] == field.name) {
      settings.*field.field = ReadNumber<std::int64_t>(words[2]);
      return;
    }
  }
  throw BadLine{"there is no setting \"" + std::string(words[1]) + "\""};
}

void ReadClock(const std::vector<std::string_view>& words,
               std::map<std::uint64_t, ClockError>& clocks) {
  Arguments arguments(words, 1);
  const auto node = ReadNumber<std::uint64_t>(arguments.Take("node"));
  ClockError& clock = clocks[node];
  clock.offset = ReadDuration(arguments.Take("offset"));
  clock.drift_ppm = ReadNumber<std::int64_t>(arguments.Take("drift_ppm"));
  arguments.ExpectNoMore();
}

void ReadLine(std::string_view line, Plan& plan, std::map<std::uint64_t, ClockError>& clocks) {
  const std::vector<std::string_view> words = Split(line, ' ');
  if (words.empty() || words[0].front() == '#') {
    return;
  }
  if (words[0] == "seed") {
    if (words.size() != 2) {
      throw BadLine{"a seed is one number"};
    }
    plan.seed = ReadNumber<std::uint64_t>(words[1]);
  } else if (words[0] == "set") {
    ReadSetting(words, plan.settings);
  } else if (words[0] == "clock") {
    ReadClock(words, clocks);
  } else if (words[0] == "at") {
    plan.faults.push_back(ReadFault(words));
  } else if (words[0] == "op") {
    plan.operations.push_back(ReadOperation(words));
  } else {
    throw BadLine{"a line cannot begin with \"" + std::string(words[0]) + "\""};
  }
}

// After all lines: gives every node a clock and puts things in order.
void Complete(Plan& plan, const std::map<std::uint64_t, ClockError>& clocks) {
  if (plan.settings.nodes < 1 || plan.settings.nodes > 63) {
    throw BadLine{"there cannot be " + std::to_string(plan.settings.nodes) + " nodes"};
  }
  plan.clocks.resize(static_cast<std::size_t>(plan.settings.nodes));
  for (const auto& [node, clock] : clocks) {
    if (node < 1 || node > plan.clocks.size()) {
      throw BadLine{"there is no node " + std::to_string(node) + " whose clock could be wrong"};
    }
    plan.clocks[node - 1] = clock;
  }
  const auto earlier = [](const auto& a, const auto& b) { return a.at < b.at; };
  std::stable_sort(plan.faults.begin(), plan.faults.end(), earlier);
  std::stable_sort(plan.operations.begin(), plan.operations.end(), earlier);
  if (const std::string wrong = Validate(plan); !wrong.empty()) {
    throw BadLine{wrong};
  }
}

}  // namespace

std::string Describe(const Fault& fault) {
  const FaultShape& shape = ShapeOf(fault.kind);
  std::string text = shape.name;
  if (shape.node) {
    text += " node=" + (fault.node == kWhoeverLeads ? "leader" : std::to_string(fault.node));
  }
  if (shape.client) {
    text += " client=" + std::to_string(fault.client);
  }
  if (shape.peer) {
    text += " peer=" + std::to_string(fault.peer);
  }
  if (shape.group) {
    text += " group=" + JoinNumbers(MembersOf(fault.group));
  }
  if (shape.lasts) {
    text += " for=" + FormatDuration(fault.lasts);
  }
  if (shape.amount != nullptr) {
    text += std::string(" ") + shape.amount + "=" + std::to_string(fault.amount);
  }
  return text;
}

std::string Describe(const PlannedOperation& operation) {
  std::string text = "client=" + std::to_string(operation.client) + " " + Name(operation.action) +
                     " keys=" + JoinNumbers(operation.keys);
  if (operation.consistency != Consistency::kLinearizable) {
    text += std::string(" consistency=") + Name(operation.consistency);
  }
  if (operation.max_age != Duration{}) {
    text += " max_age=" + FormatDuration(operation.max_age);
  }
  return text;
}

std::string WritePlan(const Plan& plan) {
  std::string text = std::string(kFirstLine) + "\nseed " + std::to_string(plan.seed) + "\n";
  for (const SettingField& field : SettingFields()) {
    text +=
        std::string("set ") + field.name + " " + std::to_string(plan.settings.*field.field) + "\n";
  }
  for (std::size_t i = 0; i < plan.clocks.size(); ++i) {
    text += "clock node=" + std::to_string(i + 1) +
            " offset=" + FormatDuration(plan.clocks[i].offset) +
            " drift_ppm=" + std::to_string(plan.clocks[i].drift_ppm) + "\n";
  }
  for (const Fault& fault : plan.faults) {
    text += "at " + FormatTime(fault.at) + " " + Describe(fault) + "\n";
  }
  for (const PlannedOperation& operation : plan.operations) {
    text += "op " + FormatTime(operation.at) + " " + Describe(operation) + "\n";
  }
  return text;
}

std::optional<Plan> ReadPlan(std::string_view text, std::string* error) {
  Plan plan;
  std::map<std::uint64_t, ClockError> clocks;
  std::size_t number = 0;
  std::string where;
  try {
    if (text.substr(0, text.find('\n')) != kFirstLine) {
      where = "line 1: ";
      throw BadLine{"a plan begins with \"" + std::string(kFirstLine) + "\""};
    }
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      ++number;
      where = "line " + std::to_string(number) + ": ";
      if (number > 1) {
        ReadLine(text.substr(0, end), plan, clocks);
      }
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    where.clear();
    Complete(plan, clocks);
  } catch (const BadLine& bad) {
    *error = where + bad.why;
    return std::nullopt;
  }
  return plan;
}

}  // namespace lockstep::sim
