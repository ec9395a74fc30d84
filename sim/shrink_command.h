// `lockstep-sim shrink`: the smallest plan that still fails, told to people and to programs.

#ifndef LOCKSTEP_SIM_SHRINK_COMMAND_H_
#define LOCKSTEP_SIM_SHRINK_COMMAND_H_

#include <cstdint>
#include <optional>
#include <string>

#include "core/types.h"
#include "sim/plan_draw.h"
#include "sim/shrink.h"

namespace lockstep::sim {

struct ShrinkCommand {
  std::optional<std::uint64_t> seed;     // one of these two is set
  std::optional<std::string> plan_file;  // sim/plan_text.h
  Budget budget = Budget::kWithin;       // of the seed's plan
  unsigned jobs = 1;
  Duration time = Seconds(120);
  bool double_check = false;            // the failure is that two runs differ
  std::optional<std::string> out_file;  // for the plan; else it is printed
  bool json = false;                    // prints the result as one JSON object instead
};

// Progress goes to the standard error. Returns an ExitCode (sim/hunt.h): clean if a plan was found
// that fails, usage if the plan given does not.
int ShrinkAndTell(const ShrinkCommand& command, const std::string& program);

// The plan's text with what it is about as remarks, and settings that have their default last.
// `origin` says what it was made from.
std::string DescribeShrunkPlan(const ShrinkResult& result, const std::string& origin);

// One line: sizes before and after, and what it took.
std::string Describe(const ShrinkResult& result);

// The same and the failure as members of a JSON object, for hunts' reports too.
std::string ToJson(const ShrinkResult& result);

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_SHRINK_COMMAND_H_
