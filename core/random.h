// The one generator of pseudo-random numbers: the same numbers from the same seed with every
// compiler and library, which <random>'s distributions do not promise.

#ifndef LOCKSTEP_CORE_RANDOM_H_
#define LOCKSTEP_CORE_RANDOM_H_

#include <cstdint>

namespace lockstep {

// SplitMix64 (Steele, Lea, Flood 2014): 64 bits of state, any seed is good. Copies repeat the
// original's numbers.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  // The next 64 bits.
  std::uint64_t Next();

  // Uniform in [0, bound). REQUIRES: bound > 0.
  std::uint64_t Below(std::uint64_t bound);

  // Uniform in [low, high], both ends included. REQUIRES: low <= high.
  std::int64_t Between(std::int64_t low, std::int64_t high);

  // True `numerator` times in `denominator`. REQUIRES: denominator > 0.
  bool Chance(std::uint64_t numerator, std::uint64_t denominator);

  // A generator for one concern, named by `stream`. Its numbers depend on this generator's seed
  // and on `stream` only, so that drawing more for one concern does not move another.
  Random Child(std::uint64_t stream) const;

 private:
  std::uint64_t state_;
};

}  // namespace lockstep

#endif  // LOCKSTEP_CORE_RANDOM_H_
