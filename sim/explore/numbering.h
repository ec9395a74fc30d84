// Numbers things in the order in which they are first seen, by their hashes: 0, 1, 2 and so on.

#ifndef LOCKSTEP_SIM_EXPLORE_NUMBERING_H_
#define LOCKSTEP_SIM_EXPLORE_NUMBERING_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sim/explore/identity.h"

namespace lockstep::sim::explore {

class Numbering {
 public:
  struct Place {
    std::uint32_t number;
    bool is_new;
  };

  // The number of `key`, which it is given now if it has none.
  Place Of(const Hash128& key);

  std::size_t size() const { return keys_.size(); }

 private:
  std::size_t SlotOf(const Hash128& key) const;
  void Grow();

  std::vector<Hash128> keys_;         // by number
  std::vector<std::uint32_t> slots_;  // a number + 1; 0 is free. A power of two, at most 3/4 full
};

}  // namespace lockstep::sim::explore

#endif  // LOCKSTEP_SIM_EXPLORE_NUMBERING_H_
