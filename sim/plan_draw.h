// Plans drawn from a seed.
//
// Swarm testing (Groce et al. 2012): each seed leaves out about half of the kinds of fault and
// draws how hard the others strike, and draws settings from ordinary down to tiny ones, since a run
// in which everything happens at once seldom gets to where rare things happen. Each concern draws
// from a stream of its own, so that a change to one does not move the others.

#ifndef LOCKSTEP_SIM_PLAN_DRAW_H_
#define LOCKSTEP_SIM_PLAN_DRAW_H_

#include <cstdint>

#include "sim/plan.h"

namespace lockstep::sim {

// How much a plan may ask for (docs/fault-model.md).
enum class Budget : std::uint8_t {
  kWithin,  // files are damaged or lost on so few nodes that a majority keeps theirs: safety and
            // liveness must hold
  kBeyond,  // anything goes, disks that lie about syncs too: safety must hold, or nodes stop
};

// The plan of this seed. Always valid.
Plan DrawPlan(std::uint64_t seed, Budget budget = Budget::kWithin);

// The plan of this seed with five nodes and so many client operations a second, the rest as
// DrawPlan() draws it: for measuring.
Plan DrawBenchmarkPlan(std::uint64_t seed, std::int64_t operations_per_second);

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_PLAN_DRAW_H_
