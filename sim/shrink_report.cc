#include "sim/shrink_report.h"

#include <cinttypes>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <sstream>

#include "sim/plan_text.h"

namespace lockstep::sim {
namespace {

nlohmann::ordered_json SizeToJson(const PlanSize& size, std::uint64_t events) {
  return {{"events", events},         {"faults", size.faults},   {"operations", size.operations},
          {"nodes", size.nodes},      {"clients", size.clients}, {"keys", size.keys},
          {"settings", size.settings}};
}

std::string SizeInBrief(const PlanSize& size, std::uint64_t events) {
  return std::to_string(events) + " events, " + std::to_string(size.faults) + " faults, " +
         std::to_string(size.operations) + " operations, " + std::to_string(size.nodes) + " nodes";
}

// Each line of `text` behind "# ".
std::string AsRemark(const std::string& text) {
  std::string remark;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    remark += "# " + line + "\n";
  }
  return remark;
}

}  // namespace

std::string Describe(const ShrinkResult& result) {
  char took[96];
  std::snprintf(took, sizeof(took), "; %.1f s, %" PRIu64 " runs",
                static_cast<double>(result.took.ns) / 1e9, result.runs);
  return SizeInBrief(result.before, result.events_before) + " -> " +
         SizeInBrief(result.after, result.events_after) + took +
         (result.finished ? "" : ", time was up");
}

std::string ToJson(const ShrinkResult& result) {
  const nlohmann::ordered_json json = {
      {"property", result.failure.property},
      {"text", result.failure.text},
      {"before", SizeToJson(result.before, result.events_before)},
      {"after", SizeToJson(result.after, result.events_after)},
      {"seconds", static_cast<double>(result.took.ns / 1'000'000) / 1e3},
      {"runs", result.runs},
      {"finished", result.finished},
      {"plan", WritePlan(result.plan)},
  };
  // What a failure says may hold bytes that are no text.
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string DescribeShrunkPlan(const ShrinkResult& result, const std::string& origin) {
  std::istringstream lines(WritePlan(result.plan));
  std::string first_line;
  std::getline(lines, first_line);
  std::string text = first_line + "\n" + AsRemark("breaks: " + result.failure.property) +
                     AsRemark(result.failure.text) +
                     AsRemark("shrunk from " + origin + ": " + Describe(result)) + "\n";
  std::string as_by_default;
  const Settings defaults;
  for (std::string line; std::getline(lines, line);) {
    bool is_default = false;
    for (const SettingField& field : SettingFields()) {
      is_default =
          is_default || (!IsShape(field) && line == std::string("set ") + field.name + " " +
                                                        std::to_string(defaults.*field.field));
    }
    (is_default ? as_by_default : text) += line + "\n";
  }
  return text + "\n# As by default:\n" + as_by_default;
}

}  // namespace lockstep::sim
