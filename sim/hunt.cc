#include "sim/hunt.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <exception>
#include <map>
#include <vector>

#include "sim/plan_draw.h"
#include "sim/probes.h"
#include "sim/run.h"

namespace lockstep::sim {
namespace {

using std::chrono::steady_clock;

// Set by signal handlers, which may do nothing else.
volatile sig_atomic_t interrupted = 0;

void Interrupt(int) { interrupted = 1; }

// What a worker says of one seed; fixed in size, so that it is written and read whole.
struct Report {
  std::uint64_t seed = 0;
  std::uint64_t events = 0;
  std::uint64_t committed = 0;
  std::uint64_t elections = 0;
  std::int64_t simulated_ns = 0;
  std::int64_t work_ns = 0;
  ClientCounts operations;
  ProbeCounts probes;
  bool failed = false;
  char property[64] = {};
  char text[2048] = {};
};

void Copy(const std::string& from, char* to, std::size_t size) {
  const std::size_t length = std::min(from.size(), size - 1);
  std::memcpy(to, from.data(), length);
  to[length] = '\0';
}

Report RunSeed(std::uint64_t seed, bool double_check) {
  Report report;
  report.seed = seed;
  try {
    const Plan plan = DrawPlan(seed);
    const RunResult result = double_check ? RunPlanTwice(plan) : RunPlan(plan);
    report.events = result.events;
    report.committed = result.committed;
    report.elections = result.terms_led;
    report.simulated_ns = result.simulated.ns;
    report.work_ns = result.work.ns;
    report.operations = result.operations;
    report.probes = result.probes;
    if (result.failure.has_value()) {
      report.failed = true;
      Copy(result.failure->property, report.property, sizeof(report.property));
      Copy(result.failure->text, report.text, sizeof(report.text));
    }
  } catch (const std::exception& exception) {
    report.failed = true;
    Copy("exception", report.property, sizeof(report.property));
    Copy(exception.what(), report.text, sizeof(report.text));
  }
  return report;
}

bool ReadAll(int file, void* to, std::size_t size) {
  auto* at = static_cast<char*>(to);
  while (size > 0) {
    const ssize_t count = read(file, at, size);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count <= 0) {
      return false;
    }
    at += count;
    size -= static_cast<std::size_t>(count);
  }
  return true;
}

bool WriteAll(int file, const void* from, std::size_t size) {
  const auto* at = static_cast<const char*>(from);
  while (size > 0) {
    const ssize_t count = write(file, at, size);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count <= 0) {
      return false;
    }
    at += count;
    size -= static_cast<std::size_t>(count);
  }
  return true;
}

// A forked process that runs seeds as it is told.
struct Worker {
  pid_t process = 0;
  int orders = -1;   // seeds, to it
  int reports = -1;  // from it
  std::uint64_t seed = 0;
  bool busy = false;
};

[[noreturn]] void Work(int orders, int reports, bool double_check) {
  // The parent decides when to stop.
  signal(SIGINT, SIG_IGN);
  signal(SIGTERM, SIG_DFL);
  std::uint64_t seed = 0;
  while (ReadAll(orders, &seed, sizeof(seed))) {
    const Report report = RunSeed(seed, double_check);
    if (!WriteAll(reports, &report, sizeof(report))) {
      break;
    }
  }
  _exit(0);
}

class Hunter {
 public:
  Hunter(const HuntOptions& options, const std::string& program)
      : options_(options), program_(program), begin_(steady_clock::now()) {
    next_seed_ = options.first_seed;
    show_progress_ = isatty(STDERR_FILENO) != 0;
  }

  int Run() {
    InstallHandlers();
    for (unsigned i = 0; i < options_.jobs; ++i) {
      workers_.push_back(Spawn());
    }
    while (true) {
      for (Worker& worker : workers_) {
        if (!worker.busy && MaySendMore()) {
          Order(worker);
        }
      }
      const bool working = std::any_of(workers_.begin(), workers_.end(),
                                       [](const Worker& worker) { return worker.busy; });
      if (!working || interrupted != 0) {
        break;
      }
      WaitForReports();
      ShowProgress(false);
    }
    StopWorkers();
    ShowProgress(true);
    Summarize();
    if (failures_ > 0) {
      return kExitFailure;
    }
    return interrupted != 0 ? kExitInterrupted : kExitClean;
  }

 private:
  static void InstallHandlers() {
    struct sigaction action = {};
    action.sa_handler = Interrupt;
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    signal(SIGPIPE, SIG_IGN);
  }

  Worker Spawn() {
    int orders[2];
    int reports[2];
    if (pipe(orders) != 0 || pipe(reports) != 0) {
      std::perror("lockstep-sim: pipe");
      _exit(kExitUsage);
    }
    std::fflush(stdout);
    const pid_t process = fork();
    if (process < 0) {
      std::perror("lockstep-sim: fork");
      _exit(kExitUsage);
    }
    if (process == 0) {
      // Ends of other workers' pipes, kept open here, would keep them alive.
      for (const Worker& other : workers_) {
        close(other.orders);
        close(other.reports);
      }
      close(orders[1]);
      close(reports[0]);
      Work(orders[0], reports[1], options_.double_check);
    }
    close(orders[0]);
    close(reports[1]);
    return {.process = process, .orders = orders[1], .reports = reports[0]};
  }

  bool MaySendMore() const {
    if (interrupted != 0 || (failures_ > 0 && !options_.keep_going)) {
      return false;
    }
    if (options_.seeds.has_value() && next_seed_ - options_.first_seed >= *options_.seeds) {
      return false;
    }
    return !options_.time.has_value() || Elapsed() < *options_.time;
  }

  void Order(Worker& worker) {
    worker.seed = next_seed_;
    ++next_seed_;
    worker.busy = WriteAll(worker.orders, &worker.seed, sizeof(worker.seed));
  }

  void WaitForReports() {
    std::vector<pollfd> files;
    for (const Worker& worker : workers_) {
      files.push_back({.fd = worker.busy ? worker.reports : -1, .events = POLLIN, .revents = 0});
    }
    if (poll(files.data(), files.size(), 200) <= 0) {
      return;
    }
    for (std::size_t i = 0; i < workers_.size(); ++i) {
      if (files[i].revents != 0) {
        Collect(workers_[i]);
      }
    }
  }

  void Collect(Worker& worker) {
    Report report;
    if (ReadAll(worker.reports, &report, sizeof(report))) {
      worker.busy = false;
      Count(report);
      return;
    }
    // The process is gone: a crash of ours, which is a finding too.
    int status = 0;
    waitpid(worker.process, &status, 0);
    close(worker.orders);
    close(worker.reports);
    report = Report{};
    report.seed = worker.seed;
    report.failed = true;
    Copy("the simulator crashed", report.property, sizeof(report.property));
    Copy(WIFSIGNALED(status) ? std::string("signal ") + strsignal(WTERMSIG(status))
                             : "exit code " + std::to_string(WEXITSTATUS(status)),
         report.text, sizeof(report.text));
    worker = Worker{};
    Count(report);
    worker = Spawn();
  }

  void Count(const Report& report) {
    ++seeds_done_;
    events_ += report.events;
    committed_ += report.committed;
    elections_ += report.elections;
    simulated_ns_ += report.simulated_ns * (options_.double_check ? 2 : 1);
    work_ns_ += report.work_ns;
    operations_.ok += report.operations.ok;
    operations_.failed += report.operations.failed;
    operations_.unknown += report.operations.unknown;
    probes_.Add(report.probes);
    if (report.failed) {
      ++failures_;
      ++by_property_[report.property];
      ClearProgress();
      std::printf("seed %" PRIu64 " FAILED: %s\n  %s\n  to repeat: %s run --seed %" PRIu64 "%s\n",
                  report.seed, report.property, Indented(report.text).c_str(), program_.c_str(),
                  report.seed,
                  std::strcmp(report.property, "determinism") == 0 ? " --double-check" : "");
      std::fflush(stdout);
    }
  }

  static std::string Indented(const char* text) {
    std::string indented;
    for (const char* at = text; *at != '\0'; ++at) {
      indented += *at;
      if (*at == '\n' && at[1] != '\0') {
        indented += "  ";
      }
    }
    return indented;
  }

  Duration Elapsed() const {
    return Duration{
        std::chrono::duration_cast<std::chrono::nanoseconds>(steady_clock::now() - begin_).count()};
  }

  void ClearProgress() const {
    if (show_progress_) {
      std::fprintf(stderr, "\r\033[K");
    }
  }

  // On a terminal every now and then; else only a line every ten seconds.
  void ShowProgress(bool last) {
    const Duration elapsed = Elapsed();
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

  void StopWorkers() {
    for (const Worker& worker : workers_) {
      close(worker.orders);
      if (worker.busy) {
        kill(worker.process, SIGTERM);
      }
      int status = 0;
      waitpid(worker.process, &status, 0);
      close(worker.reports);
    }
  }

  void Summarize() const {
    const double seconds = static_cast<double>(Elapsed().ns) / 1e9;
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
    if (interrupted != 0) {
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
  const steady_clock::time_point begin_;
  std::vector<Worker> workers_;
  std::uint64_t next_seed_ = 0;
  bool show_progress_ = false;
  Duration last_progress_;

  std::uint64_t seeds_done_ = 0;
  std::uint64_t failures_ = 0;
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
