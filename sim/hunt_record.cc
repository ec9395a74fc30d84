#include "sim/hunt_record.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "sim/run_report.h"

namespace lockstep::sim {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kVersion = 1;

auto Speed(const HuntFailure& failure) {
  return std::tuple(failure.events, failure.work.ns, failure.seed);
}

}  // namespace

void HuntRecord::Count(std::uint64_t seed, const RunResult& result) {
  under_way.erase(seed);
  const std::int64_t runs = double_check ? 2 : 1;
  ++seeds;
  events += result.events * static_cast<std::uint64_t>(runs);
  messages += result.messages * static_cast<std::uint64_t>(runs);
  committed += result.committed;
  terms_led += result.terms_led;
  simulated = simulated + result.simulated * runs;
  work = work + result.work;
  operations.ok += result.operations.ok;
  operations.failed += result.operations.failed;
  operations.unknown += result.operations.unknown;
  probes.Add(result.probes);
  excused += result.excused.has_value() ? 1 : 0;
  for (std::size_t i = 0; i < faults.size(); ++i) {
    faults[i] += result.faults[i];
  }
  for (std::size_t i = 0; i < actions.size(); ++i) {
    actions[i] += result.actions[i];
  }
  if (result.failure.has_value()) {
    failures.push_back(
        {.seed = seed, .failure = *result.failure, .events = result.events, .work = result.work});
  }
}

std::vector<Probe> HuntRecord::NeverReached() const {
  std::vector<Probe> never;
  for (std::size_t i = 0; i < kProbeCount; ++i) {
    const auto probe = static_cast<Probe>(i);
    if (probes.Of(probe) == 0 && MustBeReached(probe)) {
      never.push_back(probe);
    }
  }
  return never;
}

std::vector<Cause> GroupByCause(const std::vector<HuntFailure>& failures) {
  std::map<std::string, std::vector<HuntFailure>> by_cause;
  for (const HuntFailure& failure : failures) {
    by_cause[CauseOf(failure.failure)].push_back(failure);
  }
  std::vector<Cause> causes;
  for (auto& [text, group] : by_cause) {
    std::sort(group.begin(), group.end(),
              [](const HuntFailure& a, const HuntFailure& b) { return Speed(a) < Speed(b); });
    causes.push_back({.text = text, .failures = std::move(group)});
  }
  std::stable_sort(causes.begin(), causes.end(), [](const Cause& a, const Cause& b) {
    return Speed(a.failures.front()) < Speed(b.failures.front());
  });
  return causes;
}

std::string WriteRecord(const HuntRecord& record) {
  Json failures = Json::array();
  for (const HuntFailure& failure : record.failures) {
    failures.push_back({{"seed", failure.seed},
                        {"property", failure.failure.property},
                        {"text", failure.failure.text},
                        {"events", failure.events},
                        {"work_ns", failure.work.ns}});
  }
  const Json json = {
      {"lockstep_hunt", kVersion},
      {"program", record.program},
      {"double_check", record.double_check},
      {"beyond", record.beyond},
      {"first_seed", record.first_seed},
      {"next_seed", record.next_seed},
      {"under_way", record.under_way},
      {"took_ns", record.took.ns},
      {"seeds", record.seeds},
      {"events", record.events},
      {"messages", record.messages},
      {"committed", record.committed},
      {"terms_led", record.terms_led},
      {"simulated_ns", record.simulated.ns},
      {"work_ns", record.work.ns},
      {"operations", {record.operations.ok, record.operations.failed, record.operations.unknown}},
      {"probes", record.probes.counts},
      {"faults", record.faults},
      {"actions", record.actions},
      {"excused", record.excused},
      {"failures", failures},
  };
  // What a failure says may hold bytes that are no text.
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::optional<HuntRecord> ReadRecord(std::string_view text, std::string* error) {
  HuntRecord record;
  try {
    const Json json = Json::parse(text);
    if (json.at("lockstep_hunt") != kVersion) {
      *error = "of another version";
      return std::nullopt;
    }
    json.at("program").get_to(record.program);
    json.at("double_check").get_to(record.double_check);
    json.at("beyond").get_to(record.beyond);
    json.at("first_seed").get_to(record.first_seed);
    json.at("next_seed").get_to(record.next_seed);
    json.at("under_way").get_to(record.under_way);
    json.at("took_ns").get_to(record.took.ns);
    json.at("seeds").get_to(record.seeds);
    json.at("events").get_to(record.events);
    json.at("messages").get_to(record.messages);
    json.at("committed").get_to(record.committed);
    json.at("terms_led").get_to(record.terms_led);
    json.at("simulated_ns").get_to(record.simulated.ns);
    json.at("work_ns").get_to(record.work.ns);
    json.at("operations").at(0).get_to(record.operations.ok);
    json.at("operations").at(1).get_to(record.operations.failed);
    json.at("operations").at(2).get_to(record.operations.unknown);
    json.at("probes").get_to(record.probes.counts);
    json.at("faults").get_to(record.faults);
    json.at("actions").get_to(record.actions);
    json.at("excused").get_to(record.excused);
    for (const Json& each : json.at("failures")) {
      HuntFailure& failure = record.failures.emplace_back();
      each.at("seed").get_to(failure.seed);
      each.at("property").get_to(failure.failure.property);
      each.at("text").get_to(failure.failure.text);
      each.at("events").get_to(failure.events);
      each.at("work_ns").get_to(failure.work.ns);
    }
  } catch (const Json::exception& exception) {
    *error = exception.what();
    return std::nullopt;
  }
  return record;
}

}  // namespace lockstep::sim
