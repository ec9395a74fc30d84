#include "sim/explore/numbering.h"

#include "core/assert.h"

namespace lockstep::sim::explore {

// Keys may be small numbers rather than hashes: the multiplication spreads them.
std::size_t Numbering::SlotOf(const Hash128& key) const {
  std::uint64_t mixed = (key.low ^ (key.high * 0x9e3779b97f4a7c15)) * 0xbf58476d1ce4e5b9;
  mixed ^= mixed >> 32;
  return mixed & (slots_.size() - 1);
}

Numbering::Place Numbering::Of(const Hash128& key) {
  if (4 * (keys_.size() + 1) > 3 * slots_.size()) {
    Grow();
  }
  std::size_t slot = SlotOf(key);
  while (slots_[slot] != 0) {
    const std::uint32_t number = slots_[slot] - 1;
    if (keys_[number] == key) {
      return {number, false};
    }
    slot = (slot + 1) & (slots_.size() - 1);
  }
  CORE_ASSERT(keys_.size() < UINT32_MAX - 1);
  keys_.push_back(key);
  slots_[slot] = static_cast<std::uint32_t>(keys_.size());
  return {static_cast<std::uint32_t>(keys_.size() - 1), true};
}

void Numbering::Grow() {
  slots_.assign(slots_.empty() ? 1024 : 2 * slots_.size(), 0);
  for (std::size_t number = 0; number < keys_.size(); ++number) {
    std::size_t slot = SlotOf(keys_[number]);
    while (slots_[slot] != 0) {
      slot = (slot + 1) & (slots_.size() - 1);
    }
    slots_[slot] = static_cast<std::uint32_t>(number + 1);
  }
}

}  // namespace lockstep::sim::explore
