// Many seeds, in several processes, until one fails or the budget is spent.

#ifndef LOCKSTEP_SIM_HUNT_H_
#define LOCKSTEP_SIM_HUNT_H_

#include <cstdint>
#include <optional>
#include <string>

#include "core/types.h"
#include "sim/plan_draw.h"
#include "sim/run_report.h"

namespace lockstep::sim {

struct HuntOptions {
  std::uint64_t first_seed = 1;
  // At least one of the two bounds is set; the first that is reached ends the hunt. Both count what
  // was done before a resumed hunt was interrupted.
  std::optional<std::uint64_t> seeds;
  std::optional<Duration> time;
  Budget budget = Budget::kWithin;
  unsigned jobs = 1;
  bool double_check = false;    // each seed is run twice: what `run` is made to do
  bool keep_going = false;      // after a failure
  bool require_probes = false;  // a rare state that is never reached is a failure

  // What is made of failures, in the end: for each cause, the quickest is shrunk, and with a folder
  // to write to its artifacts (hunt_report.h) go there.
  bool shrink = true;
  Duration shrink_time = Seconds(60);  // for each cause
  std::optional<std::string> folder;
  // Goes on with the hunt that the folder holds, if any, where it was.
  bool resume = false;
  bool json = false;  // the summary, to the standard output; all else goes to the standard error

  // A run that takes this long in real time does not end by itself: the longest take seconds.
  Duration seed_time_max = Seconds(300);
  RunFunction run = RunPlan;
};

// How a program of this simulator ends.
enum ExitCode : int {
  kExitClean = 0,
  kExitFailure = 1,  // a guarantee was found broken
  kExitUsage = 2,
  kExitInterrupted = 130,
};

// Prints progress, each failure with the line that repeats it, and a summary. Ends early, with a
// summary of what was done, on SIGINT and SIGTERM. `program` is how the user calls this one. The
// workers are forked, since SQLite's generator is one for each process; REQUIRES: no thread runs.
// Returns an ExitCode.
int Hunt(const HuntOptions& options, const std::string& program);

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_HUNT_H_
