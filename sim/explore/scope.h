// Named explorations. Each begins where something interesting is near, at a state that a short and
// ordinary history leads to, so that its budgets are spent there.

#ifndef LOCKSTEP_SIM_EXPLORE_SCOPE_H_
#define LOCKSTEP_SIM_EXPLORE_SCOPE_H_

#include <string>
#include <vector>

#include "sim/explore/bounds.h"
#include "sim/explore/world.h"

namespace lockstep::sim::explore {

// A part of the history before an exploration.
struct Cue {
  enum class Kind : std::uint8_t {
    kStep,    // `step` of `node`
    kSettle,  // what the nodes in `among` have to store or to tell each other, until all is quiet
    kLose,    // everything under way is lost
  };
  Kind kind = Kind::kSettle;
  StepKind step = StepKind::kTimeout;
  std::uint64_t node = 0;
  std::vector<std::uint64_t> among;
};

struct Scope {
  const char* name;
  const char* what;
  Bounds bounds;
  std::vector<Cue> beginning;
};

const std::vector<Scope>& Scopes();

// The state that the scope begins with, budgets unspent. Throws Violation if a guarantee breaks
// before, or if the beginning does not go as it is told.
State Begin(World& world, const std::vector<Cue>& beginning);

}  // namespace lockstep::sim::explore

#endif  // LOCKSTEP_SIM_EXPLORE_SCOPE_H_
