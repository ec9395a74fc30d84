// What people and programs are told of a hunt, and the artifacts of each failure.

#ifndef LOCKSTEP_SIM_HUNT_REPORT_H_
#define LOCKSTEP_SIM_HUNT_REPORT_H_

#include <optional>
#include <string>
#include <vector>

#include "sim/hunt.h"
#include "sim/hunt_record.h"
#include "sim/shrink.h"

namespace lockstep::sim {

// A cause, and what was made of its quickest failure.
struct Finding {
  Cause cause;
  std::optional<ShrinkResult> shrunk;
  std::string folder;  // of its artifacts; empty if none were asked for

  const HuntFailure& quickest() const { return cause.failures.front(); }
};

// "seed 17", with what else it takes to draw its plan; and the line to paste that repeats it.
std::string NameOf(const HuntFailure& failure, const HuntOptions& options);
std::string ToRepeat(const HuntFailure& failure, const HuntOptions& options,
                     const std::string& program);

// The figures, a line each, ending with the verdict.
std::string SummaryText(const HuntRecord& record, const std::vector<Finding>& findings,
                        const HuntOptions& options, bool interrupted);

// The same as one JSON object on one line.
std::string SummaryJson(const HuntRecord& record, const std::vector<Finding>& findings,
                        const HuntOptions& options, bool interrupted);

// Writes the artifacts of a finding to its folder, which is made if need be:
//   plan.txt     the plan of the quickest seed
//   shrunk.txt   the smallest plan that fails the same way, if it was looked for
//   output.txt   what failed, and the trace of the shrunk plan, else of the plan
//   story.html   the page of the same run
//   repeat.txt   the lines to paste
// Runs the plan in a process of its own.
void WriteArtifacts(const Finding& finding, const HuntOptions& options, const std::string& program);

// Puts `text` in the place of a file at once: after a crash, it has the old text or the new. Throws
// std::runtime_error.
void ReplaceFile(const std::string& path, const std::string& text);

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_HUNT_REPORT_H_
