// The smallest plan that still fails the same way: fewer faults and operations first, then fewer
// nodes, clients and keys, then simpler settings, actions and times.
//
// "The same way" is SameWay() in run_report.h: the same property is broken. How, and by which entry
// or message, may differ: that is what lets a plan become much smaller.
//
// Every step is a guess that is tried by running it. Since what is drawn while a plan runs (delays,
// losses, timeouts) changes with every step, a smaller plan may need another seed to fail, so later
// rounds try each step with several.

#ifndef LOCKSTEP_SIM_SHRINK_H_
#define LOCKSTEP_SIM_SHRINK_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "core/types.h"
#include "sim/plan.h"
#include "sim/plan_edit.h"
#include "sim/run_report.h"

namespace lockstep::sim {

struct ShrinkOptions {
  unsigned jobs = 1;
  Duration time = Seconds(120);  // real time; what has been reached by then is the result
  RunFunction run = RunPlan;
  // Told a line now and then.
  std::function<void(const std::string&)> progress = [](const std::string&) {};
  // Asked often; true ends the work as `time` does.
  std::function<bool()> stop = [] { return false; };
};

struct ShrinkResult {
  Plan plan;
  Failure failure;  // of `plan`; fails the same way as the plan given
  PlanSize before;
  PlanSize after;
  std::uint64_t events_before = 0;  // until the failure
  std::uint64_t events_after = 0;
  std::uint64_t runs = 0;
  Duration took;          // real time
  bool finished = false;  // nothing helps any more; else time was up
};

// Forks workers as WorkerPool does. With enough time the result depends on the plan alone, not on
// the number of jobs. Nullopt if the plan does not fail. REQUIRES: Validate(plan) is empty.
std::optional<ShrinkResult> Shrink(const Plan& plan, const ShrinkOptions& options);

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_SHRINK_H_
