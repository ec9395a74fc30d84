// Which clocks have kept the bound that nodes reckon with so far: reads by lease and reads of
// bounded staleness promise nothing otherwise (docs/fault-model.md).

#ifndef LOCKSTEP_SIM_ORACLES_CLOCK_BOUNDS_H_
#define LOCKSTEP_SIM_ORACLES_CLOCK_BOUNDS_H_

#include <algorithm>
#include <cstddef>
#include <vector>

#include "core/types.h"

namespace lockstep::sim {

class ClockBounds {
 public:
  explicit ClockBounds(std::size_t nodes) : kept_(nodes) {}

  // The clock of `node` has at some time run faster than the bound allows, or jumped ahead; slower,
  // or stood still, or gone back without its node noticing.
  void IsNow(NodeId node, bool too_fast, bool too_slow) {
    kept_[node.value - 1] = {.too_fast = too_fast, .too_slow = too_slow};
  }
  // From now on that makes no difference.
  void Trust() { trusted_ = true; }

  // A lease holds if no follower votes early and no leader believes in it too long.
  bool LeasesHold() const {
    return trusted_ || std::none_of(kept_.begin(), kept_.end(), [](const Clock& clock) {
             return clock.too_fast || clock.too_slow;
           });
  }
  // What `node` takes for so long is not longer.
  bool AgesHold(NodeId node) const { return trusted_ || !kept_[node.value - 1].too_slow; }

 private:
  struct Clock {
    bool too_fast = false;
    bool too_slow = false;
  };

  std::vector<Clock> kept_;
  bool trusted_ = false;
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_ORACLES_CLOCK_BOUNDS_H_
