#include "sim/hunt_report.h"

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "sim/plan_draw.h"
#include "sim/plan_text.h"
#include "sim/shrink_report.h"
#include "sim/worker_pool.h"

namespace lockstep::sim {
namespace {

using Json = nlohmann::ordered_json;

double InSeconds(Duration duration) { return static_cast<double>(duration.ns) / 1e9; }

[[gnu::format(printf, 2, 3)]] void Print(std::string& text, const char* format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  const int length = std::vsnprintf(line, sizeof(line), format, arguments);
  va_end(arguments);
  text.append(line, static_cast<std::size_t>(std::clamp<int>(length, 0, sizeof(line) - 1)));
}

// "12 crash, 3 pause".
std::string Counts(const FaultCounts& counts) {
  std::string text;
  for (const FaultShape& shape : FaultShapes()) {
    text += (text.empty() ? "" : ", ") +
            std::to_string(counts.at(static_cast<std::size_t>(shape.kind))) + " " + shape.name;
  }
  return text;
}

std::string Counts(const ActionCounts& counts) {
  std::string text;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] > 0) {
      text += (text.empty() ? "" : ", ") + std::to_string(counts[i]) + " " +
              Name(static_cast<ClientAction>(i));
    }
  }
  return text;
}

// One bug in so many seeds would have been missed by this many clean ones with probability
// `permille` in a thousand: (1 - 1/n)^seeds, for people.
std::uint64_t MissedOneIn(std::uint64_t seeds, int permille) {
  return static_cast<std::uint64_t>(static_cast<double>(seeds) /
                                    -std::log(static_cast<double>(permille) / 1000.0));
}

void PrintProbes(const HuntRecord& record, std::string& text) {
  text += "rare states reached:\n";
  for (std::size_t i = 0; i < kProbeCount; ++i) {
    Print(text, "  %12" PRIu64 "  %s\n", record.probes.counts[i], Name(static_cast<Probe>(i)));
  }
  for (const Probe probe : record.NeverReached()) {
    Print(text, "never reached: %s\n", Name(probe));
  }
}

void PrintFinding(const Finding& finding, std::string& text) {
  const HuntFailure& quickest = finding.quickest();
  Print(text, "broken: %s, %zu times\n", quickest.failure.property.c_str(),
        finding.cause.failures.size());
  Print(text, "  quickest with seed %" PRIu64 ", after %" PRIu64 " events\n", quickest.seed,
        quickest.events);
  if (finding.shrunk.has_value()) {
    text += "  shrunk: " + Describe(*finding.shrunk) + "\n";
  }
  if (!finding.folder.empty()) {
    text += "  artifacts: " + finding.folder + "\n";
  }
}

const char* Verdict(const HuntRecord& record, const HuntOptions& options, bool interrupted) {
  if (!record.failures.empty()) {
    return "failed";
  }
  if (interrupted) {
    return "interrupted";
  }
  return options.require_probes && !record.NeverReached().empty() ? "never reached" : "clean";
}

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

File Open(const std::string& path, const char* mode) {
  File file(std::fopen(path.c_str(), mode));
  if (file == nullptr) {
    throw std::runtime_error("cannot write " + path);
  }
  return file;
}

}  // namespace

std::string NameOf(const HuntFailure& failure, const HuntOptions& options) {
  return "seed " + std::to_string(failure.seed) +
         (options.budget == Budget::kBeyond ? " --beyond" : "");
}

std::string ToRepeat(const HuntFailure& failure, const HuntOptions& options,
                     const std::string& program) {
  return program + " run --" + NameOf(failure, options) +
         (failure.failure.property == kDeterminism ? " --double-check" : "");
}

std::string SummaryText(const HuntRecord& record, const std::vector<Finding>& findings,
                        const HuntOptions& options, bool interrupted) {
  std::string text;
  const double took = std::max(1e-9, InSeconds(record.took));
  const double work = std::max(1e-9, InSeconds(record.work));
  Print(text, "%" PRIu64 " seeds from %" PRIu64 "%s in %.1f s: %.0f a minute with %u %s\n",
        record.seeds, record.first_seed, record.double_check ? ", each run twice," : "", took,
        static_cast<double>(record.seeds) * 60 / took, options.jobs,
        options.jobs == 1 ? "job" : "jobs");
  Print(text,
        "simulated time %.0f s, %.0f x real time and %.0f events a second per job; %" PRIu64
        " events, %" PRIu64 " messages\n",
        InSeconds(record.simulated), InSeconds(record.simulated) / work,
        static_cast<double>(record.events) / work, record.events, record.messages);
  text += "faults struck: " + Counts(record.faults) + "\n";
  text += "operations: " + Counts(record.actions) + "\n";
  Print(text,
        "answers: %" PRIu64 " ok, %" PRIu64 " certainly not done, %" PRIu64 " unknown; %" PRIu64
        " entries committed, %" PRIu64 " terms with a leader\n",
        record.operations.ok, record.operations.failed, record.operations.unknown, record.committed,
        record.terms_led);
  PrintProbes(record, text);
  if (record.excused > 0) {
    Print(text, "ended by what a lying disk had lost, which is excused: %" PRIu64 "\n",
          record.excused);
  }
  if (interrupted) {
    text += "interrupted\n";
  }
  for (const Finding& finding : findings) {
    PrintFinding(finding, text);
  }
  if (record.failures.empty() && record.seeds >= 3) {
    Print(text,
          "a bug that breaks one seed in %" PRIu64
          " would have been missed with a probability of 5 %%, one in %" PRIu64 " with 50 %%\n",
          MissedOneIn(record.seeds, 50), MissedOneIn(record.seeds, 500));
  }
  const std::size_t failed = record.failures.size();
  Print(text, "%zu passed, %zu failed\n", static_cast<std::size_t>(record.seeds) - failed, failed);
  return text;
}

std::string SummaryJson(const HuntRecord& record, const std::vector<Finding>& findings,
                        const HuntOptions& options, bool interrupted) {
  Json causes = Json::array();
  for (const Finding& finding : findings) {
    const HuntFailure& quickest = finding.quickest();
    Json seeds = Json::array();
    for (const HuntFailure& failure : finding.cause.failures) {
      seeds.push_back(failure.seed);
    }
    Json cause = {{"cause", finding.cause.text},   {"property", quickest.failure.property},
                  {"text", quickest.failure.text}, {"seed", quickest.seed},
                  {"events", quickest.events},     {"seeds", seeds}};
    if (finding.shrunk.has_value()) {
      cause["shrunk"] = Json::parse(ToJson(*finding.shrunk));
    }
    if (!finding.folder.empty()) {
      cause["artifacts"] = finding.folder;
    }
    causes.push_back(cause);
  }
  Json faults = Json::object();
  for (const FaultShape& shape : FaultShapes()) {
    faults[shape.name] = record.faults.at(static_cast<std::size_t>(shape.kind));
  }
  Json actions = Json::object();
  for (std::size_t i = 0; i < record.actions.size(); ++i) {
    if (record.actions[i] > 0) {
      actions[Name(static_cast<ClientAction>(i))] = record.actions[i];
    }
  }
  Json probes = Json::object();
  for (std::size_t i = 0; i < kProbeCount; ++i) {
    probes[Name(static_cast<Probe>(i))] = record.probes.counts[i];
  }
  Json never = Json::array();
  for (const Probe probe : record.NeverReached()) {
    never.push_back(Name(probe));
  }
  Json json = {{"verdict", Verdict(record, options, interrupted)},
               {"first_seed", record.first_seed},
               {"seeds", record.seeds},
               {"seconds", static_cast<double>(record.took.ns / 1'000'000) / 1e3},
               {"jobs", options.jobs},
               {"processor_seconds", static_cast<double>(record.work.ns / 1'000'000) / 1e3},
               {"simulated_seconds", record.simulated.ns / 1'000'000'000},
               {"events", record.events},
               {"messages", record.messages},
               {"excused", record.excused},
               {"failed", record.failures.size()},
               {"property", nullptr},
               {"seed", nullptr},
               {"causes", causes},
               {"faults", faults},
               {"operations", actions},
               {"probes", probes},
               {"never_reached", never}};
  if (!record.failures.empty()) {  // the one that was found first
    json["property"] = record.failures.front().failure.property;
    json["seed"] = record.failures.front().seed;
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void WriteArtifacts(const Finding& finding, const HuntOptions& options,
                    const std::string& program) {
  std::filesystem::create_directories(finding.folder);
  const HuntFailure& quickest = finding.quickest();
  const Plan plan = DrawPlan(quickest.seed, options.budget);
  ReplaceFile(finding.folder + "/plan.txt", WritePlan(plan));
  std::string repeat = ToRepeat(quickest, options, program) + "\n";
  if (finding.shrunk.has_value()) {
    ReplaceFile(finding.folder + "/shrunk.txt",
                DescribeShrunkPlan(*finding.shrunk, NameOf(quickest, options)));
    repeat += program + " run --plan " + finding.folder + "/shrunk.txt --trace\n";
  }
  ReplaceFile(finding.folder + "/repeat.txt", repeat);
  const Failure& failure = finding.shrunk ? finding.shrunk->failure : quickest.failure;
  ReplaceFile(finding.folder + "/output.txt",
              "breaks: " + failure.property + "\n" + failure.text + "\n\n");

  // Two runs would be told one after the other.
  const RunFunction run = options.double_check ? RunFunction(RunPlan) : options.run;
  WorkerPool pool(1, options.seed_time_max, [&](std::string_view) {
    const File output = Open(finding.folder + "/output.txt", "a");
    const File page = Open(finding.folder + "/story.html", "w");
    (void)RunGuarded(run, finding.shrunk ? finding.shrunk->plan : plan,
                     {.trace = output.get(), .page = page.get()});
    return std::string();
  });
  pool.Order(0, "");
  while (pool.Busy()) {
    (void)pool.Wait(Seconds(1));  // a run that crashes has told what came before
  }
}

void ReplaceFile(const std::string& path, const std::string& text) {
  const std::string draft = path + ".new";
  {
    std::ofstream file(draft, std::ios::binary);
    if (!(file << text) || !file.flush()) {
      throw std::runtime_error("cannot write " + draft);
    }
  }
  std::filesystem::rename(draft, path);
}

}  // namespace lockstep::sim
