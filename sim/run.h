// One run of one plan, with its verdict and its figures.

#ifndef LOCKSTEP_SIM_RUN_H_
#define LOCKSTEP_SIM_RUN_H_

#include <array>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>

#include "core/types.h"
#include "sim/client.h"
#include "sim/history.h"
#include "sim/plan.h"
#include "sim/probes.h"
#include "sim/trace.h"

namespace lockstep::sim {

// The property that a failed assertion of core or storage breaks.
inline constexpr char kAssertion[] = "assertion";

// The one that two unequal runs of the same plan break.
inline constexpr char kDeterminism[] = "determinism";

struct Failure {
  std::string property;  // what is broken, the same word for every failure of its kind
  std::string text;
};

// How many of each kind, by FaultKind or ClientAction as a number. Plain values: they can be sent
// from one process to another.
using FaultCounts = std::array<std::uint64_t, 64>;
using ActionCounts = std::array<std::uint64_t, 32>;

struct RunResult {
  std::optional<Failure> failure;
  // What broke after a disk had forgotten what its syncs had promised: no failure of ours, and the
  // run ended with it (docs/fault-model.md).
  std::optional<Failure> excused;
  Fingerprint fingerprint;
  Duration simulated;
  Duration work;         // of the processor, for people: nothing depends on it
  bool cut_off = false;  // ended by RunOptions::events_max, before any verdict
  std::uint64_t events = 0;
  std::uint64_t messages = 0;
  std::uint64_t committed = 0;  // entries
  std::uint64_t terms_led = 0;  // terms that had a leader
  ClientCounts operations;
  ProbeCounts probes;
  FaultCounts faults{};
  ActionCounts actions{};
};

struct RunOptions {
  std::FILE* trace = nullptr;               // lines for people go here
  std::FILE* trace_json = nullptr;          // lines for programs go here (docs/story.md)
  std::FILE* page = nullptr;                // the story of the run as an HTML page goes here
  history::History* history = nullptr;      // filled in, also if the run fails
  std::optional<std::uint64_t> events_max;  // the run is cut off after so many
};

// Runs a valid plan from its beginning in this process, whatever ran before.
RunResult RunPlan(const Plan& plan, const RunOptions& options = {});

// Runs it twice; a difference between the two is a failure too.
RunResult RunPlanTwice(const Plan& plan, const RunOptions& options = {});

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_RUN_H_
