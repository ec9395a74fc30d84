// What a worker process says of a run, and what counts as the same failure.

#ifndef LOCKSTEP_SIM_RUN_REPORT_H_
#define LOCKSTEP_SIM_RUN_REPORT_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "sim/run.h"
#include "sim/worker_pool.h"

namespace lockstep::sim {

// How a search runs plans; tests put something else in RunPlan()'s place.
using RunFunction = std::function<RunResult(const Plan&, const RunOptions&)>;

// `result` as bytes for another process of this program, and back.
std::string WriteReport(const RunResult& result);
RunResult ReadReport(std::string_view report);

// Runs `plan`; whatever it throws is a failure of it.
RunResult RunGuarded(const RunFunction& run, const Plan& plan, const RunOptions& options);

// What an order to a worker led to: its report, or a failure that says how the worker died.
RunResult ResultOf(const WorkerPool::Outcome& outcome);

// The properties that a worker's death breaks.
inline constexpr char kCrash[] = "the simulator does not crash";
inline constexpr char kHang[] = "the simulator does not hang";

// What is broken and where, the same for all failures that look alike: the property and the text
// without what differs between runs, its numbers and quoted values. One line.
std::string CauseOf(const Failure& failure);

// Whether two failures are of one kind: the same property is broken and, since all assertions are
// one property, the same assertion failed.
bool SameWay(const Failure& a, const Failure& b);

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_RUN_REPORT_H_
