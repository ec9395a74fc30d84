#include "sim/shrink_command.h"

#include <cstdio>
#include <fstream>

#include "sim/hunt.h"
#include "sim/interrupt.h"
#include "sim/plan_draw.h"
#include "sim/run_command.h"
#include "sim/shrink_report.h"

namespace lockstep::sim {

int ShrinkAndTell(const ShrinkCommand& command, const std::string& program) {
  const std::optional<Plan> plan = command.plan_file.has_value()
                                       ? LoadPlan(*command.plan_file)
                                       : DrawPlan(*command.seed, command.budget);
  if (!plan.has_value()) {
    return kExitUsage;
  }
  const std::string origin = command.plan_file.has_value()
                                 ? *command.plan_file
                                 : "seed " + std::to_string(*command.seed) +
                                       (command.budget == Budget::kBeyond ? " --beyond" : "");
  CatchInterrupts();
  ShrinkOptions options{.jobs = command.jobs, .time = command.time};
  if (command.double_check) {
    options.run = RunPlanTwice;
  }
  options.progress = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
  options.stop = Interrupted;
  const std::optional<ShrinkResult> result = Shrink(*plan, options);
  if (!result.has_value()) {
    if (Interrupted()) {
      return kExitInterrupted;
    }
    std::fprintf(stderr, "lockstep-sim: %s does not fail: there is nothing to shrink\n",
                 origin.c_str());
    return kExitUsage;
  }
  const std::string text = DescribeShrunkPlan(*result, origin);
  if (command.out_file.has_value()) {
    std::ofstream file(*command.out_file, std::ios::binary);
    if (!(file << text) || !file.flush()) {
      std::fprintf(stderr, "lockstep-sim: cannot write %s\n", command.out_file->c_str());
      return kExitUsage;
    }
  }
  if (command.json) {
    std::printf("%s\n", ToJson(*result).c_str());
  } else if (command.out_file.has_value()) {
    std::printf("breaks: %s\n%s\nto repeat: %s run --plan %s --trace\n",
                result->failure.property.c_str(), Describe(*result).c_str(), program.c_str(),
                command.out_file->c_str());
  } else {
    std::fputs(text.c_str(), stdout);
    std::fprintf(stderr, "breaks: %s\n%s\n", result->failure.property.c_str(),
                 Describe(*result).c_str());
  }
  return kExitClean;
}

}  // namespace lockstep::sim
