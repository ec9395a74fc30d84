// `lockstep-sim shrink`: the smallest plan that still fails, told to people and to programs.

#ifndef LOCKSTEP_SIM_SHRINK_COMMAND_H_
#define LOCKSTEP_SIM_SHRINK_COMMAND_H_

#include <cstdint>
#include <optional>
#include <string>

#include "core/types.h"
#include "sim/plan_draw.h"

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

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_SHRINK_COMMAND_H_
