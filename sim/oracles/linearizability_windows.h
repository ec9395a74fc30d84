// When an operation can have taken effect, from what others saw of it.
//
// An operation takes effect at an instant between its call and its return. Where a value can come
// from one operation only, more is known: who saw it came later, and whoever else changed that key
// did so before the one or after the other. This narrows windows, which leaves the search less to
// try, and shows that operations of unknown outcome did take effect. Every order of the operations
// fits the narrowed windows if and only if it fits the given ones.

#ifndef LOCKSTEP_SIM_ORACLES_LINEARIZABILITY_WINDOWS_H_
#define LOCKSTEP_SIM_ORACLES_LINEARIZABILITY_WINDOWS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace lockstep::sim::history {

using Key = std::uint32_t;   // numbered from 0
using Fact = std::uint32_t;  // that a key has some value; numbered from 0

struct Window {
  // Both may be narrowed: the operation takes effect in [earliest, latest], if it does.
  std::int64_t earliest = 0;
  std::int64_t latest = 0;
  bool required = false;  // takes effect for certain; may become true
  // Given. Empty where the operation may do one thing or another.
  std::span<const Fact> needed;  // hold just before it takes effect
  std::span<const Key> changed;  // get a value from it
  // Given. All that it might bring about.
  std::span<const Fact> brought;
};

struct FactTable {
  std::vector<Key> keys;    // by fact: of which key
  std::vector<bool> holds;  // by fact: at the start
  std::size_t key_count = 0;
};

// Narrows the windows. False if that shows that there is no order at all.
[[nodiscard]] bool NarrowWindows(const FactTable& facts, std::vector<Window>& windows);

}  // namespace lockstep::sim::history

#endif  // LOCKSTEP_SIM_ORACLES_LINEARIZABILITY_WINDOWS_H_
