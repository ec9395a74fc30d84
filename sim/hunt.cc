#include "sim/hunt.h"

#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <map>

#include "sim/interrupt.h"
#include "sim/plan_draw.h"
#include "sim/probes.h"
#include "sim/run_report.h"
#include "sim/stopwatch.h"
#include "sim/worker_pool.h"

namespace lockstep::sim {
namespace {

// A run that takes this long in real time does not end by itself: the longest take seconds.
constexpr Duration kSeedTimeMax = Seconds(300);

class Hunter {
 public:
  Hunter(const HuntOptions& options, const std::string& program)
      : options_(options),
        program_(program),
        pool_(options.jobs, kSeedTimeMax,
              [this](std::string_view order) { return RunSeed(order); }) {
    next_seed_ = options.first_seed;
    show_progress_ = isatty(STDERR_FILENO) != 0;
  }

  int Run() {
    CatchInterrupts();
    while (true) {
      while (pool_.HasIdle() && MaySendMore()) {
        pool_.Order(next_seed_, std::to_string(next_seed_));
        ++next_seed_;
      }
      if (!pool_.Busy() || Interrupted()) {
        break;
      }
      for (const WorkerPool::Outcome& outcome : pool_.Wait(Milliseconds(200))) {
        Count(outcome.id, ResultOf(outcome));
      }
      ShowProgress(false);
    }
    ShowProgress(true);
    Summarize();
    if (failures_ > 0) {
      return kExitFailure;
    }
    return Interrupted() ? kExitInterrupted : kExitClean;
  }

 private:
  // In a worker.
  std::string RunSeed(std::string_view order) const {
    const Plan plan = DrawPlan(std::stoull(std::string(order)), options_.budget);
    return WriteReport(RunGuarded(options_.run, plan, {}));
  }

  bool MaySendMore() const {
    if (Interrupted() || (failures_ > 0 && !options_.keep_going)) {
      return false;
    }
    if (options_.seeds.has_value() && next_seed_ - options_.first_seed >= *options_.seeds) {
      return false;
    }
    return !options_.time.has_value() || watch_.Elapsed() < *options_.time;
  }

  void Count(std::uint64_t seed, const RunResult& result) {
    ++seeds_done_;
    events_ += result.events;
    committed_ += result.committed;
    elections_ += result.terms_led;
    simulated_ns_ += result.simulated.ns * (options_.double_check ? 2 : 1);
    work_ns_ += result.work.ns;
    operations_.ok += result.operations.ok;
    operations_.failed += result.operations.failed;
    operations_.unknown += result.operations.unknown;
    probes_.Add(result.probes);
    excused_ += result.excused.has_value() ? 1 : 0;
    if (result.failure.has_value()) {
      const Failure& failure = *result.failure;
      ++failures_;
      ++by_property_[failure.property];
      ClearProgress();
      std::printf("seed %" PRIu64 " FAILED: %s\n  %s\n  to repeat: %s run --seed %" PRIu64 "%s\n",
                  seed, failure.property.c_str(), Indented(failure.text).c_str(), program_.c_str(),
                  seed,
                  (std::string(options_.budget == Budget::kBeyond ? " --beyond" : "") +
                   (failure.property == kDeterminism ? " --double-check" : ""))
                      .c_str());
      std::fflush(stdout);
    }
  }

  static std::string Indented(const std::string& text) {
    std::string indented;
    for (std::size_t i = 0; i < text.size(); ++i) {
      indented += text[i];
      if (text[i] == '\n' && i + 1 < text.size()) {
        indented += "  ";
      }
    }
    return indented;
  }

  void ClearProgress() const {
    if (show_progress_) {
      std::fprintf(stderr, "\r\033[K");
    }
  }

  // On a terminal every now and then; else only a line every ten seconds.
  void ShowProgress(bool last) {
    const Duration elapsed = watch_.Elapsed();
    const Duration gap = show_progress_ ? Milliseconds(500) : Seconds(10);
    if (last) {
      ClearProgress();
      return;
    }
    if (elapsed - last_progress_ < gap) {
      return;
    }
    last_progress_ = elapsed;
    const double seconds = static_cast<double>(elapsed.ns) / 1e9;
    std::fprintf(
        stderr,
        "%s%" PRIu64
        "%s seeds in %.0f s (%.0f a minute), %.0f simulated seconds, "
        "%" PRIu64 " failures%s",
        show_progress_ ? "\r\033[K" : "", seeds_done_,
        options_.seeds.has_value() ? (" of " + std::to_string(*options_.seeds)).c_str() : "",
        seconds, static_cast<double>(seeds_done_) * 60 / seconds,
        static_cast<double>(simulated_ns_) / 1e9, failures_, show_progress_ ? "" : "\n");
    std::fflush(stderr);
  }

  void Summarize() const {
    const double seconds = static_cast<double>(watch_.Elapsed().ns) / 1e9;
    const double work = std::max(1e-9, static_cast<double>(work_ns_) / 1e9);
    const double simulated = static_cast<double>(simulated_ns_) / 1e9;
    const double events = static_cast<double>(events_) * (options_.double_check ? 2 : 1);
    std::printf("%" PRIu64 " seeds from %" PRIu64 "%s in %.1f s: %.0f a minute with %u %s\n",
                seeds_done_, options_.first_seed, options_.double_check ? ", each run twice," : "",
                seconds, static_cast<double>(seeds_done_) * 60 / seconds, options_.jobs,
                options_.jobs == 1 ? "job" : "jobs");
    std::printf("simulated time %.0f s, %.0f x real time and %.0f events a second per job\n",
                simulated, simulated / work, events / work);
    std::printf("operations: %" PRIu64 " ok, %" PRIu64 " certainly not done, %" PRIu64
                " unknown; %" PRIu64 " entries committed, %" PRIu64 " terms with a leader\n",
                operations_.ok, operations_.failed, operations_.unknown, committed_, elections_);
    std::printf("rare states reached:\n");
    for (std::size_t i = 0; i < kProbeCount; ++i) {
      std::printf("  %12" PRIu64 "  %s\n", probes_.counts[i], Name(static_cast<Probe>(i)));
    }
    if (excused_ > 0) {
      std::printf("ended by what a lying disk had lost, which is excused: %" PRIu64 "\n", excused_);
    }
    if (Interrupted()) {
      std::printf("interrupted\n");
    }
    for (const auto& [property, count] : by_property_) {
      std::printf("broken: %s, %" PRIu64 " times\n", property.c_str(), count);
    }
    std::printf("%" PRIu64 " passed, %" PRIu64 " failed\n", seeds_done_ - failures_, failures_);
    std::fflush(stdout);
  }

  const HuntOptions& options_;
  const std::string& program_;
  const Stopwatch watch_;
  WorkerPool pool_;
  std::uint64_t next_seed_ = 0;
  bool show_progress_ = false;
  Duration last_progress_;

  std::uint64_t seeds_done_ = 0;
  std::uint64_t failures_ = 0;
  std::uint64_t excused_ = 0;
  std::map<std::string, std::uint64_t> by_property_;
  std::uint64_t events_ = 0;
  std::uint64_t committed_ = 0;
  std::uint64_t elections_ = 0;
  std::int64_t simulated_ns_ = 0;
  std::int64_t work_ns_ = 0;
  ClientCounts operations_;
  ProbeCounts probes_;
};

}  // namespace

int Hunt(const HuntOptions& options, const std::string& program) {
  return Hunter(options, program).Run();
}

}  // namespace lockstep::sim
