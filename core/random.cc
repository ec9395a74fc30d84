#include "core/random.h"

#include "core/assert.h"

namespace lockstep {
namespace {

constexpr std::uint64_t kGamma = 0x9e3779b97f4a7c15;

std::uint64_t Mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace

std::uint64_t Random::Next() {
  state_ += kGamma;
  return Mix(state_);
}

std::uint64_t Random::Below(std::uint64_t bound) {
  CORE_ASSERT(bound > 0);
  // Numbers below `rejected` would make the small results more likely than the others.
  const std::uint64_t rejected = (0 - bound) % bound;
  std::uint64_t drawn = Next();
  while (drawn < rejected) {
    drawn = Next();
  }
  return drawn % bound;
}

std::int64_t Random::Between(std::int64_t low, std::int64_t high) {
  CORE_ASSERT(low <= high);
  const std::uint64_t span = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
  const std::uint64_t offset = span == UINT64_MAX ? Next() : Below(span + 1);
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + offset);
}

bool Random::Chance(std::uint64_t numerator, std::uint64_t denominator) {
  return Below(denominator) < numerator;
}

Random Random::Child(std::uint64_t stream) const {
  return Random(Mix(state_ + Mix(stream + kGamma)));
}

}  // namespace lockstep
