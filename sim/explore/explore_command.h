// `lockstep-sim explore`: every history of a small world, told to people.

#ifndef LOCKSTEP_SIM_EXPLORE_EXPLORE_COMMAND_H_
#define LOCKSTEP_SIM_EXPLORE_EXPLORE_COMMAND_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/types.h"
#include "sim/explore/scope.h"

namespace lockstep::sim::explore {

struct ExploreCommand {
  std::vector<std::string> scopes;  // empty: all
  bool list = false;                // prints the scopes and their bounds

  // Take the place of the scopes' own bounds.
  std::optional<std::uint64_t> nodes;  // only of scopes that begin with nodes that never ran
  std::optional<std::uint64_t> terms;
  std::optional<std::uint64_t> timeouts;
  std::optional<std::uint64_t> silences;
  std::optional<std::uint64_t> ticks;
  std::optional<std::uint64_t> crashes;
  std::optional<std::uint64_t> writes;
  std::optional<std::uint64_t> reads;
  std::optional<std::uint64_t> checkpoints;
  std::optional<std::uint64_t> duplicates;
  std::optional<std::uint64_t> depth;

  std::uint64_t states = 200'000'000;      // of one scope
  std::uint64_t memory_megabytes = 8'192;  // of the process
  std::optional<Duration> time;            // of one processor, for each scope
};

// Prints what was explored, and the shortest way to the first guarantee that was found broken.
// Returns an ExitCode (sim/hunt.h).
int Explore(const ExploreCommand& command, const std::string& program);

}  // namespace lockstep::sim::explore

#endif  // LOCKSTEP_SIM_EXPLORE_EXPLORE_COMMAND_H_
