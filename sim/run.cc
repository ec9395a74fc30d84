#include "sim/run.h"

#include <ctime>
#include <utility>
#include <vector>

#include "core/assert.h"
#include "sim/story/lines.h"
#include "sim/story/page.h"
#include "sim/violation.h"
#include "sim/world.h"

namespace lockstep::sim {
namespace {

// The only real clock in the world: it times the run for the report. The thread's own time, so that
// a busy machine does not make the simulator look slow.
Duration ProcessorTime() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return Seconds(time.tv_sec) + Duration{time.tv_nsec};
}

}  // namespace

RunResult RunPlan(const Plan& plan, const RunOptions& options) {
  const Duration begin = ProcessorTime();
  story::TextLines text(options.trace);
  story::JsonLines json(options.trace_json);
  story::Recorder recorder;
  std::vector<story::Listener*> listeners;
  if (options.trace != nullptr) {
    listeners.push_back(&text);
  }
  if (options.trace_json != nullptr) {
    listeners.push_back(&json);
  }
  if (options.page != nullptr) {
    listeners.push_back(&recorder);
  }
  Trace trace(std::move(listeners));
  RunResult result;
  World world(plan, trace);
  std::vector<Evidence> evidence;
  try {
    world.Start();
    world.Run(options.events_max);
  } catch (const Violation& violation) {
    result.failure = Failure{violation.property(), violation.what()};
    evidence = violation.evidence();
  } catch (const OutOfEvents&) {
    result.cut_off = true;
  } catch (const AssertionFailure& failure) {
    result.failure = Failure{kAssertion, failure.what()};
  }
  if (world.judge().promises_are_void()) {
    result.excused = std::exchange(result.failure, std::nullopt);
  }
  if (const auto& broken = result.failure.has_value() ? result.failure : result.excused;
      broken.has_value()) {
    world.story().Violated(broken->property, broken->text, evidence);
  } else if (!result.cut_off) {
    world.story().Clean();
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
  for (const FaultKind kind : world.faults_begun()) {
    ++result.faults.at(static_cast<std::size_t>(kind));
  }
  for (const PlannedOperation& operation : plan.operations) {
    if (operation.at <= world.now()) {
      ++result.actions.at(static_cast<std::size_t>(operation.action));
    }
  }
  if (options.history != nullptr) {
    *options.history = world.clients().history();
  }
  result.work = ProcessorTime() - begin;
  if (options.page != nullptr) {
    story::WritePage(plan, recorder.events(), options.page);
  }
  return result;
}

RunResult RunPlanTwice(const Plan& plan, const RunOptions& options) {
  RunResult first = RunPlan(plan, options);
  const RunResult second = RunPlan(plan, options);
  first.work = first.work + second.work;
  if (!first.failure.has_value() && first.fingerprint != second.fingerprint) {
    first.failure = Failure{kDeterminism, "the same plan ran twice left the traces " +
                                              first.fingerprint.ToString() + " and " +
                                              second.fingerprint.ToString()};
  }
  return first;
}

}  // namespace lockstep::sim
