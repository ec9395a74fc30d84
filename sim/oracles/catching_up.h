// When nothing fails any more, whoever lags gets entry after entry: the leader of a calm cluster
// never waits for a time-out before it sends a follower what comes next. Liveness alone would
// forgive one for every append. Only where links keep the order, as the transport's streams do: an
// append that overtakes another is refused, and the refusal may be too old to be heeded.

#ifndef LOCKSTEP_SIM_ORACLES_CATCHING_UP_H_
#define LOCKSTEP_SIM_ORACLES_CATCHING_UP_H_

#include <cstdint>
#include <vector>

#include "core/types.h"
#include "sim/sim_time.h"

namespace lockstep::sim {

class World;

class CatchingUp {
 public:
  // To be called after each event of a healed world. Throws Violation if a follower lags, and its
  // leader has learned of nothing new that it has stored for longer than a few round trips.
  void Look(const World& world);

 private:
  struct Follower {
    std::uint32_t incarnation = 0;
    Index match;  // as its leader knows
    bool lags = false;
    SimTime since;  // when it began to lag, or last got on
  };

  NodeId leader_;
  Term term_;
  SimTime calm_at_;  // what was lost or late before that is made good by then
  std::vector<Follower> followers_;
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_ORACLES_CATCHING_UP_H_
