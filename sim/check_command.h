// `lockstep-sim check`: are these recorded histories linearizable?

#ifndef LOCKSTEP_SIM_CHECK_COMMAND_H_
#define LOCKSTEP_SIM_CHECK_COMMAND_H_

#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "sim/history.h"

namespace lockstep::sim {

// Exit codes. Of several files the worst counts: bad input, then illegal, then given up.
enum CheckExit : int {
  kCheckLinearizable = 0,
  kCheckIllegal = 1,
  kCheckBadInput = 2,
  kCheckGaveUp = 3,  // too hard for the checker: nothing is known
};

// Checks the files (sim/history_file.h) one after the other, each as a history of `model` or, by
// default, of the model that its header names. Writes one line for each to `out`, and what is wrong
// with an illegal one under it; to `err` what could not be read. Returns the exit code.
int CheckFiles(const std::vector<std::string>& files, std::optional<history::Model> model,
               std::ostream& out, std::ostream& err);

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_CHECK_COMMAND_H_
