// The simulated world's own time. Nodes never see it: they read their sim::Clock.

#ifndef LOCKSTEP_SIM_SIM_TIME_H_
#define LOCKSTEP_SIM_SIM_TIME_H_

#include <compare>
#include <cstdint>
#include <limits>

#include "core/types.h"

namespace lockstep::sim {

// Nanoseconds since the run began. A type of its own, so that no node's local Instant is taken for
// it or the other way round.
struct SimTime {
  std::int64_t ns = 0;

  static constexpr SimTime Never() { return {std::numeric_limits<std::int64_t>::max()}; }

  friend constexpr auto operator<=>(SimTime, SimTime) = default;
  friend constexpr SimTime operator+(SimTime t, Duration d) { return {t.ns + d.ns}; }
  friend constexpr SimTime operator-(SimTime t, Duration d) { return {t.ns - d.ns}; }
  friend constexpr Duration operator-(SimTime a, SimTime b) { return {a.ns - b.ns}; }
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_SIM_TIME_H_
