#include "sim/run_report.h"

#include <cctype>
#include <cstring>
#include <exception>
#include <type_traits>

#include "core/assert.h"

namespace lockstep::sim {
namespace {

// All of a RunResult that has a fixed size. A report is this, then the property, a zero byte and
// the text if the run failed. Both ends are the same program.
struct Figures {
  Fingerprint fingerprint;
  Duration simulated;
  Duration work;
  std::uint64_t events = 0;
  std::uint64_t messages = 0;
  std::uint64_t committed = 0;
  std::uint64_t terms_led = 0;
  ClientCounts operations;
  ProbeCounts probes;
  FaultCounts faults{};
  ActionCounts actions{};
  bool cut_off = false;
  bool failed = false;
  bool excused = false;  // what failed
};
static_assert(std::is_trivially_copyable_v<Figures>);

}  // namespace

std::string WriteReport(const RunResult& result) {
  const Figures figures{.fingerprint = result.fingerprint,
                        .simulated = result.simulated,
                        .work = result.work,
                        .events = result.events,
                        .messages = result.messages,
                        .committed = result.committed,
                        .terms_led = result.terms_led,
                        .operations = result.operations,
                        .probes = result.probes,
                        .faults = result.faults,
                        .actions = result.actions,
                        .cut_off = result.cut_off,
                        .failed = result.failure.has_value() || result.excused.has_value(),
                        .excused = result.excused.has_value()};
  std::string report(sizeof(figures), '\0');
  std::memcpy(report.data(), &figures, sizeof(figures));
  if (figures.failed) {
    const Failure& failure = figures.excused ? *result.excused : *result.failure;
    report += failure.property;
    report += '\0';
    report += failure.text;
  }
  return report;
}

RunResult ReadReport(std::string_view report) {
  CORE_ASSERT(report.size() >= sizeof(Figures));
  Figures figures;
  std::memcpy(&figures, report.data(), sizeof(figures));
  RunResult result;
  result.fingerprint = figures.fingerprint;
  result.simulated = figures.simulated;
  result.work = figures.work;
  result.events = figures.events;
  result.messages = figures.messages;
  result.committed = figures.committed;
  result.terms_led = figures.terms_led;
  result.operations = figures.operations;
  result.probes = figures.probes;
  result.faults = figures.faults;
  result.actions = figures.actions;
  result.cut_off = figures.cut_off;
  if (figures.failed) {
    report.remove_prefix(sizeof(figures));
    const std::size_t end = report.find('\0');
    CORE_ASSERT(end != std::string_view::npos);
    (figures.excused ? result.excused : result.failure) =
        Failure{std::string(report.substr(0, end)), std::string(report.substr(end + 1))};
  }
  return result;
}

RunResult RunGuarded(const RunFunction& run, const Plan& plan, const RunOptions& options) {
  try {
    return run(plan, options);
  } catch (const std::exception& exception) {
    RunResult result;
    result.failure = Failure{"no exception leaves a run", exception.what()};
    return result;
  }
}

RunResult ResultOf(const WorkerPool::Outcome& outcome) {
  if (outcome.fate == WorkerPool::Fate::kAnswered) {
    return ReadReport(outcome.answer);
  }
  RunResult result;
  result.failure =
      Failure{outcome.fate == WorkerPool::Fate::kCrashed ? kCrash : kHang, outcome.death};
  return result;
}

std::string CauseOf(const Failure& failure) {
  std::string place;
  bool in_number = false;
  bool in_quotes = false;
  for (const char c : failure.text.substr(0, failure.text.find('\n'))) {
    if (c == '"') {
      in_quotes = !in_quotes;
      place += in_quotes ? "\"" : "*\"";
      in_number = false;
    } else if (std::isdigit(static_cast<unsigned char>(c)) != 0) {
      place += in_number || in_quotes ? "" : "N";
      in_number = true;
    } else {
      place += in_quotes ? "" : std::string(1, c);
      in_number = false;
    }
  }
  return failure.property + ": " + place;
}

bool SameWay(const Failure& a, const Failure& b) {
  return a.property == b.property && (a.property != kAssertion || CauseOf(a) == CauseOf(b));
}

}  // namespace lockstep::sim
