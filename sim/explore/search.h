// Breadth-first search through all states of a small world: each distinct state is expanded once,
// at the smallest number of steps in which it can be reached. The first broken guarantee found is
// one with the fewest steps.

#ifndef LOCKSTEP_SIM_EXPLORE_SEARCH_H_
#define LOCKSTEP_SIM_EXPLORE_SEARCH_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "core/types.h"
#include "sim/explore/world.h"

namespace lockstep::sim::explore {

struct SearchProgress {
  std::uint64_t depth = 0;        // all states up to so many steps are known
  std::uint64_t states = 0;       // distinct ones
  std::uint64_t transitions = 0;  // steps taken that led to a state, new or known
  std::uint64_t to_expand = 0;    // states whose steps are not all taken yet
};

struct SearchLimits {
  std::uint64_t depth = UINT64_MAX;
  std::uint64_t states = UINT64_MAX;
  // Asked every few thousand states: whether to stop.
  std::function<bool(const SearchProgress&)> stop;
};

struct SearchResult {
  SearchProgress progress;
  bool exhausted = false;  // no state is left to expand: every history within the bounds is covered
  // If a guarantee was found broken, and by which steps from the first state.
  std::optional<Broken> broken;
  std::vector<Action> steps;
};

SearchResult Search(World& world, const State& first, const SearchLimits& limits);

}  // namespace lockstep::sim::explore

#endif  // LOCKSTEP_SIM_EXPLORE_SEARCH_H_
