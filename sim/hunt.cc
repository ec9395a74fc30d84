#include "sim/hunt.h"

#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "sim/hunt_record.h"
#include "sim/hunt_report.h"
#include "sim/interrupt.h"
#include "sim/plan_draw.h"
#include "sim/shrink.h"
#include "sim/shrink_report.h"
#include "sim/stopwatch.h"
#include "sim/trace.h"
#include "sim/worker_pool.h"

namespace lockstep::sim {
namespace {

constexpr Duration kSaveEvery = Seconds(2);

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Names this build: a differently built program is taken for another one, although its seeds should
// mean the same.
std::string ThisProgram() {
  const std::string program = ReadFile("/proc/self/exe");
  return std::to_string(program.size()) + "-" + std::to_string(FingerprintOf(program));
}

std::string Indented(const std::string& text) {
  std::string indented;
  for (std::size_t i = 0; i < text.size(); ++i) {
    indented += text[i];
    if (text[i] == '\n' && i + 1 < text.size()) {
      indented += "  ";
    }
  }
  return indented;
}

// "01-election-safety": what is broken, as the name of a folder.
std::string FolderName(std::size_t number, const std::string& property) {
  std::string name = (number < 10 ? "0" : "") + std::to_string(number) + "-";
  for (const char c : property) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    name += plain ? c : '-';
  }
  return name;
}

class Hunter {
 public:
  Hunter(const HuntOptions& options, const std::string& program)
      : options_(options), program_(program), people_(options.json ? stderr : stdout) {
    show_progress_ = isatty(STDERR_FILENO) != 0;
  }

  int Run() {
    CatchInterrupts();
    Begin();
    Search();
    const bool interrupted = Interrupted();
    const std::vector<Finding> findings = LookInto(GroupByCause(record_.failures));
    Tell(findings, interrupted);
    if (!record_.failures.empty()) {
      return kExitFailure;
    }
    if (interrupted) {
      return kExitInterrupted;
    }
    return options_.require_probes && !record_.NeverReached().empty() ? kExitFailure : kExitClean;
  }

 private:
  // ---- Searching

  // Takes up the hunt in the folder, or begins one.
  void Begin() {
    record_.program = ThisProgram();
    record_.double_check = options_.double_check;
    record_.beyond = options_.budget == Budget::kBeyond;
    record_.first_seed = record_.next_seed = options_.first_seed;
    if (!options_.folder.has_value()) {
      return;
    }
    std::filesystem::create_directories(*options_.folder);
    if (!std::filesystem::exists(RecordFile())) {
      return;
    }
    if (!options_.resume) {
      throw std::runtime_error(*options_.folder +
                               " holds a hunt: go on with it by --resume, or take another folder");
    }
    std::string error;
    const std::optional<HuntRecord> earlier = ReadRecord(ReadFile(RecordFile()), &error);
    if (!earlier.has_value()) {
      throw std::runtime_error(RecordFile() + ": " + error);
    }
    if (earlier->program != record_.program) {
      throw std::runtime_error(RecordFile() + " is of another build of this program");
    }
    if (earlier->first_seed != record_.first_seed ||
        earlier->double_check != record_.double_check || earlier->beyond != record_.beyond) {
      throw std::runtime_error(
          RecordFile() + " is of a hunt with another --start-seed, --double-check or --beyond");
    }
    record_ = *earlier;
    to_repeat_.assign(record_.under_way.begin(), record_.under_way.end());
    Say("going on after " + std::to_string(record_.seeds) + " seeds\n");
  }

  void Search() {
    WorkerPool pool(options_.jobs, options_.seed_time_max,
                    [this](std::string_view order) { return RunSeed(order); });
    earlier_ = record_.took;
    watch_ = Stopwatch();
    while (true) {
      while (pool.HasIdle() && MaySendMore()) {
        const std::uint64_t seed = NextSeed();
        pool.Order(seed, std::to_string(seed));
      }
      if (!pool.Busy() || Interrupted()) {
        break;
      }
      for (const WorkerPool::Outcome& outcome : pool.Wait(Milliseconds(200))) {
        Count(outcome.id, ResultOf(outcome));
      }
      record_.took = earlier_ + watch_.Elapsed();
      ShowProgress();
      Save(false);
    }
    record_.took = earlier_ + watch_.Elapsed();
    ClearProgress();
    Save(true);
  }

  // In a worker.
  std::string RunSeed(std::string_view order) const {
    const Plan plan = DrawPlan(std::stoull(std::string(order)), options_.budget);
    return WriteReport(RunGuarded(options_.run, plan, {}));
  }

  bool MaySendMore() const {
    if (Interrupted() || (!record_.failures.empty() && !options_.keep_going)) {
      return false;
    }
    if (options_.time.has_value() && earlier_ + watch_.Elapsed() >= *options_.time) {
      return false;
    }
    return !to_repeat_.empty() || !options_.seeds.has_value() ||
           record_.next_seed - record_.first_seed < *options_.seeds;
  }

  std::uint64_t NextSeed() {
    if (!to_repeat_.empty()) {
      const std::uint64_t seed = to_repeat_.back();
      to_repeat_.pop_back();
      return seed;
    }
    record_.under_way.insert(record_.next_seed);
    return record_.next_seed++;
  }

  void Count(std::uint64_t seed, const RunResult& result) {
    record_.Count(seed, result);
    if (!result.failure.has_value()) {
      return;
    }
    ClearProgress();
    const HuntFailure& failure = record_.failures.back();
    Say("seed " + std::to_string(seed) + " FAILED: " + failure.failure.property + "\n  " +
        Indented(failure.failure.text) + "\n  to repeat: " + ToRepeat(failure, options_, program_) +
        "\n");
  }

  std::string RecordFile() const { return *options_.folder + "/hunt.json"; }

  void Save(bool now) {
    if (options_.folder.has_value() && (now || watch_.Elapsed() - saved_ >= kSaveEvery)) {
      saved_ = watch_.Elapsed();
      ReplaceFile(RecordFile(), WriteRecord(record_));
    }
  }

  // ---- What was found

  std::vector<Finding> LookInto(std::vector<Cause> causes) {
    std::vector<Finding> findings;
    for (Cause& cause : causes) {
      Finding finding{.cause = std::move(cause)};
      if (options_.shrink && !Interrupted()) {
        Shrink(finding);
      }
      if (options_.folder.has_value()) {
        finding.folder = *options_.folder + "/" +
                         FolderName(findings.size() + 1, finding.quickest().failure.property);
        WriteArtifacts(finding, options_, program_);
      }
      findings.push_back(std::move(finding));
    }
    return findings;
  }

  void Shrink(Finding& finding) {
    const std::uint64_t seed = finding.quickest().seed;
    ShrinkOptions shrink{.jobs = options_.jobs, .time = options_.shrink_time, .run = options_.run};
    shrink.progress = [&](const std::string& line) {
      if (show_progress_) {
        std::fprintf(stderr, "\r\033[Kshrinking seed %" PRIu64 ": %s", seed, line.c_str());
      }
    };
    shrink.stop = Interrupted;
    finding.shrunk = sim::Shrink(DrawPlan(seed, options_.budget), shrink);
    ClearProgress();
    if (finding.shrunk.has_value() && !options_.folder.has_value()) {
      Say(DescribeShrunkPlan(*finding.shrunk, NameOf(finding.quickest(), options_)));
    }
  }

  void Tell(const std::vector<Finding>& findings, bool interrupted) {
    const std::string text = SummaryText(record_, findings, options_, interrupted);
    const std::string json = SummaryJson(record_, findings, options_, interrupted) + "\n";
    if (options_.folder.has_value()) {
      ReplaceFile(*options_.folder + "/summary.txt", text);
      ReplaceFile(*options_.folder + "/summary.json", json);
    }
    Say(text);
    if (options_.json) {
      std::fputs(json.c_str(), stdout);
    }
    std::fflush(stdout);
  }

  // ---- Speaking

  void Say(const std::string& text) const {
    std::fputs(text.c_str(), people_);
    std::fflush(people_);
  }

  void ClearProgress() const {
    if (show_progress_) {
      std::fprintf(stderr, "\r\033[K");
    }
  }

  // On a terminal every now and then; else only a line every ten seconds.
  void ShowProgress() {
    const Duration elapsed = watch_.Elapsed();
    const Duration gap = show_progress_ ? Milliseconds(500) : Seconds(10);
    if (elapsed - last_progress_ < gap) {
      return;
    }
    last_progress_ = elapsed;
    const double seconds = static_cast<double>(record_.took.ns) / 1e9;
    std::fprintf(
        stderr,
        "%s%" PRIu64
        "%s seeds in %.0f s (%.0f a minute), %.0f simulated seconds, "
        "%zu failures%s",
        show_progress_ ? "\r\033[K" : "", record_.seeds,
        options_.seeds.has_value() ? (" of " + std::to_string(*options_.seeds)).c_str() : "",
        seconds, static_cast<double>(record_.seeds) * 60 / seconds,
        static_cast<double>(record_.simulated.ns) / 1e9, record_.failures.size(),
        show_progress_ ? "" : "\n");
    std::fflush(stderr);
  }

  const HuntOptions& options_;
  const std::string& program_;
  std::FILE* const people_;
  HuntRecord record_;
  std::vector<std::uint64_t> to_repeat_;  // under way when an earlier session ended
  Stopwatch watch_;                       // since this process began
  Duration earlier_;                      // what earlier ones took
  Duration saved_;
  bool show_progress_ = false;
  Duration last_progress_;
};

}  // namespace

int Hunt(const HuntOptions& options, const std::string& program) {
  try {
    return Hunter(options, program).Run();
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "lockstep-sim: %s\n", exception.what());
    return kExitUsage;
  }
}

}  // namespace lockstep::sim
