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
  // At least one of the two bounds is set; the first that is reached ends the hunt.
  std::optional<std::uint64_t> seeds;
  std::optional<Duration> time;
  Budget budget = Budget::kWithin;
  unsigned jobs = 1;
  bool double_check = false;  // each seed is run twice; what `run` is made to do
  bool keep_going = false;    // after a failure
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
int Hunt(const HuntOptions& options, const std::string& program);

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_HUNT_H_
