#include "sim/run.h"

#include <chrono>
#include <exception>

#include "core/assert.h"
#include "sim/violation.h"
#include "sim/world.h"

namespace lockstep::sim {
namespace {

// The only real clock in the simulator: it times the run for the report.
Duration WallTime() {
  return Duration{std::chrono::duration_cast<std::chrono::nanoseconds>(
                      std::chrono::steady_clock::now().time_since_epoch())
                      .count()};
}

}  // namespace

RunResult RunPlan(const Plan& plan, const RunOptions& options) {
  const Duration begin = WallTime();
  Trace trace(options.trace);
  RunResult result;
  World world(plan, trace);
  try {
    world.Start();
    world.Run();
  } catch (const Violation& violation) {
    result.failure = Failure{violation.property(), violation.what()};
  } catch (const AssertionFailure& failure) {
    result.failure = Failure{"assertion", failure.what()};
  }
  result.fingerprint = trace.fingerprint();
  result.simulated = world.now() - SimTime{};
  result.events = world.events();
  result.messages = world.network().sent();
  result.committed = world.judge().canonical().last_index().value;
  result.terms_led = world.judge().terms_led();
  result.operations = world.clients().counts();
  result.probes = world.probes();
  const Reference& reference = world.judge().exactly_once().reference();
  result.probes.counts[static_cast<std::size_t>(Probe::kRetryAnsweredFromSavedReply)] +=
      reference.replays();
  if (options.history != nullptr) {
    *options.history = world.clients().history();
  }
  result.wall = WallTime() - begin;
  return result;
}

RunResult RunPlanTwice(const Plan& plan) {
  RunResult first = RunPlan(plan);
  const RunResult second = RunPlan(plan);
  first.wall = first.wall + second.wall;
  if (!first.failure.has_value() && first.fingerprint != second.fingerprint) {
    first.failure = Failure{"determinism", "the same plan ran twice left the traces " +
                                               first.fingerprint.ToString() + " and " +
                                               second.fingerprint.ToString()};
  }
  return first;
}

}  // namespace lockstep::sim
