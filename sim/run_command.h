// `lockstep-sim run`: one seed or plan, told to people.

#ifndef LOCKSTEP_SIM_RUN_COMMAND_H_
#define LOCKSTEP_SIM_RUN_COMMAND_H_

#include <cstdint>
#include <optional>
#include <string>

#include "sim/plan.h"
#include "sim/plan_draw.h"

namespace lockstep::sim {

struct RunCommand {
  std::optional<std::uint64_t> seed;     // one of these two is set
  std::optional<std::string> plan_file;  // sim/plan_text.h
  Budget budget = Budget::kWithin;       // of the seed's plan
  bool trace = false;
  bool show_plan = false;
  bool double_check = false;
  std::optional<std::string> history_file;  // to write the history to
  std::optional<std::string> trace_json;    // file for the trace as JSON lines; "-" is stdout
  std::optional<std::string> html;          // file for the story of the run, as a page
};

// The plan in a file; what is wrong with it goes to the standard error.
std::optional<Plan> LoadPlan(const std::string& path);

// Prints what the run was and what it did. Returns an ExitCode (sim/hunt.h).
int Run(const RunCommand& command, const std::string& program);

struct BenchmarkCommand {
  std::uint64_t seed = 1;
  std::int64_t operations_per_second = 20;
  std::int64_t seconds = 3000;  // simulated, at least
};

// Measures how fast five-node clusters are simulated with the faults and settings that hunts draw:
// plan after plan, from `seed` on, one after the other.
int Benchmark(const BenchmarkCommand& command);

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_RUN_COMMAND_H_
