#include "sim/run_command.h"

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <utility>

#include "sim/history_file.h"
#include "sim/hunt.h"
#include "sim/plan_draw.h"
#include "sim/plan_text.h"
#include "sim/run.h"

namespace lockstep::sim {
namespace {

double InSeconds(Duration duration) { return static_cast<double>(duration.ns) / 1e9; }

void PrintPlanInBrief(const Plan& plan) {
  const Settings& settings = plan.settings;
  std::printf("cluster     %" PRId64 " nodes, election timeout %" PRId64
              " ms, heartbeats every %" PRId64 " ms\n",
              settings.nodes, settings.election_timeout_us / 1000,
              settings.heartbeat_interval_us / 1000);
  std::printf("clients     %" PRId64 ", %zu operations on %" PRId64 " keys\n", settings.clients,
              plan.operations.size(), settings.keys);
  std::map<FaultKind, std::size_t> counts;
  for (const Fault& fault : plan.faults) {
    ++counts[fault.kind];
  }
  std::string faults;
  for (const auto& [kind, count] : counts) {
    faults += (faults.empty() ? "" : ", ") + std::to_string(count) + " " + ShapeOf(kind).name;
  }
  std::printf("faults      for %.1f s: %s\n", static_cast<double>(settings.fault_phase_us) / 1e6,
              faults.empty() ? "none" : faults.c_str());
}

void PrintResult(const RunResult& result) {
  std::printf("operations  %" PRIu64 " ok, %" PRIu64 " certainly not done, %" PRIu64 " unknown\n",
              result.operations.ok, result.operations.failed, result.operations.unknown);
  std::printf("consensus   %" PRIu64 " elections, %" PRIu64 " terms with a leader, %" PRIu64
              " entries committed, %" PRIu64 " messages\n",
              result.probes.Of(Probe::kElectionStarted), result.terms_led, result.committed,
              result.messages);
  const double work = std::max(1e-9, InSeconds(result.work));
  std::printf("time        %.3f s simulated in %.3f s of one processor: %.0f x real time, %" PRIu64
              " events, %.0f a second\n",
              InSeconds(result.simulated), work, InSeconds(result.simulated) / work, result.events,
              static_cast<double>(result.events) / work);
}

void PrintProbes(const ProbeCounts& probes) {
  std::string reached;
  for (std::size_t i = 0; i < kProbeCount; ++i) {
    if (probes.counts[i] > 0) {
      reached += (reached.empty() ? "" : ", ") + std::to_string(probes.counts[i]) + " " +
                 Name(static_cast<Probe>(i));
    }
  }
  std::printf("reached     %s\n", reached.empty() ? "no rare state" : reached.c_str());
}

// A file to write to, or standard output; says so if it cannot be opened or was not written.
class OutputFile {
 public:
  OutputFile() = default;
  ~OutputFile() { Close(); }
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  bool Open(const std::optional<std::string>& path) {
    if (path.has_value()) {
      path_ = *path;
      file_ = path_ == "-" ? stdout : std::fopen(path_.c_str(), "wb");
      return file_ != nullptr || Complain();
    }
    return true;
  }
  bool Close() {
    std::FILE* const file = std::exchange(file_, nullptr);
    if (file == nullptr || file == stdout) {
      return true;
    }
    const bool good = std::ferror(file) == 0;
    return (std::fclose(file) == 0 && good) || Complain();
  }
  std::FILE* get() const { return file_; }

 private:
  bool Complain() const {
    std::fprintf(stderr, "lockstep-sim: cannot write %s: %s\n", path_.c_str(),
                 std::strerror(errno));
    return false;
  }

  std::string path_;
  std::FILE* file_ = nullptr;
};

}  // namespace

std::optional<Plan> LoadPlan(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) {
    std::fprintf(stderr, "lockstep-sim: cannot read the plan %s\n", path.c_str());
    return std::nullopt;
  }
  std::string error;
  std::optional<Plan> plan = ReadPlan(text.str(), &error);
  if (!plan.has_value()) {
    std::fprintf(stderr, "lockstep-sim: %s is no plan: %s\n", path.c_str(), error.c_str());
  }
  return plan;
}

int Run(const RunCommand& command, const std::string& program) {
  std::optional<Plan> plan;
  if (command.plan_file.has_value()) {
    plan = LoadPlan(*command.plan_file);
    if (!plan.has_value()) {
      return kExitUsage;
    }
  } else {
    plan = DrawPlan(*command.seed, command.budget);
  }
  if (command.show_plan) {
    std::fputs(WritePlan(*plan).c_str(), stdout);
    return kExitClean;
  }
  const std::string what = command.plan_file.has_value()
                               ? "--plan " + *command.plan_file
                               : "--seed " + std::to_string(*command.seed) +
                                     (command.budget == Budget::kBeyond ? " --beyond" : "");
  std::printf("%s run %s\n", program.c_str(), what.c_str());
  PrintPlanInBrief(*plan);

  OutputFile trace_json;
  OutputFile page;
  if (!trace_json.Open(command.trace_json) || !page.Open(command.html)) {
    return kExitUsage;
  }
  history::History history;
  RunResult result = RunPlan(*plan, {.trace = command.trace ? stdout : nullptr,
                                     .trace_json = trace_json.get(),
                                     .page = page.get(),
                                     .history = &history});
  if (!trace_json.Close() || !page.Close()) {
    return kExitUsage;
  }
  if (command.double_check && !result.failure.has_value()) {
    const RunResult again = RunPlan(*plan);
    if (again.fingerprint != result.fingerprint) {
      result.failure =
          Failure{kDeterminism, "the second run left the trace " + again.fingerprint.ToString()};
    }
  }
  PrintResult(result);
  PrintProbes(result.probes);
  std::printf("trace hash  %s%s\n", result.fingerprint.ToString().c_str(),
              command.double_check && !result.failure.has_value() ? ", twice" : "");
  if (command.history_file.has_value()) {
    if (const absl::Status status = history::WriteHistoryFile(history, *command.history_file);
        !status.ok()) {
      std::fprintf(stderr, "lockstep-sim: %s\n", status.ToString().c_str());
      return kExitUsage;
    }
    std::printf("history     %zu operations in %s\n", history.operations.size(),
                command.history_file->c_str());
  }
  if (command.html.has_value()) {
    std::printf("story       %s\n", command.html->c_str());
  }
  if (result.failure.has_value()) {
    std::printf("FAILED      %s: %s\nto repeat   %s run %s --trace\n",
                result.failure->property.c_str(), result.failure->text.c_str(), program.c_str(),
                what.c_str());
    return kExitFailure;
  }
  if (result.excused.has_value()) {
    std::printf("excused     a disk had lost what its syncs had promised; then: %s: %s\n",
                result.excused->property.c_str(), result.excused->text.c_str());
  }
  std::printf("verdict     clean\n");
  return kExitClean;
}

int Benchmark(const BenchmarkCommand& command) {
  std::uint64_t seed = command.seed;
  Duration simulated;
  Duration work;
  std::uint64_t events = 0;
  ClientCounts operations;
  for (; simulated < Seconds(command.seconds); ++seed) {
    const RunResult result = RunPlan(DrawBenchmarkPlan(seed, command.operations_per_second));
    if (result.failure.has_value()) {
      std::printf("FAILED      seed %" PRIu64 ": %s: %s\n", seed, result.failure->property.c_str(),
                  result.failure->text.c_str());
      return kExitFailure;
    }
    simulated = simulated + result.simulated;
    work = work + result.work;
    events += result.events;
    operations.ok += result.operations.ok;
    operations.failed += result.operations.failed;
    operations.unknown += result.operations.unknown;
  }
  const auto seeds = static_cast<double>(seed - command.seed);
  const double seconds = std::max(1e-9, InSeconds(work));
  std::printf("plans       %.0f, from seed %" PRIu64
              ": five nodes, settings and faults as hunts draw them, %" PRId64
              " client operations a second\n",
              seeds, command.seed, command.operations_per_second);
  std::printf("operations  %" PRIu64 " ok, %" PRIu64 " certainly not done, %" PRIu64 " unknown\n",
              operations.ok, operations.failed, operations.unknown);
  std::printf("time        %.0f s simulated in %.3f s of one processor: %.0f x real time\n",
              InSeconds(simulated), seconds, InSeconds(simulated) / seconds);
  std::printf("events      %" PRIu64 ", %.0f a second\n", events,
              static_cast<double>(events) / seconds);
  std::printf("seeds       %.0f a minute on one processor\n", seeds * 60 / seconds);
  return kExitClean;
}

}  // namespace lockstep::sim
