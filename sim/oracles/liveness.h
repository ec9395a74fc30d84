// Liveness: once nothing fails any more, there is soon a leader, every waiting client is answered,
// and all nodes agree. A cluster may only fail to get there if too few of its nodes can work; the
// post-mortem tells that from a bug.

#ifndef LOCKSTEP_SIM_ORACLES_LIVENESS_H_
#define LOCKSTEP_SIM_ORACLES_LIVENESS_H_

#include <string>

#include "sim/sim_time.h"

namespace lockstep::sim {

class World;

// Throws a Violation with the post-mortem if a healed world has had longer than its
// SettlingBound() since `since`, when the faults ended or the oldest waiting operation began, and
// could have come right.
void CheckLiveness(const World& world, SimTime since);

// What hinders each node and each client, and what is the matter with the cluster as a whole, in
// words.
std::string PostMortem(const World& world);

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_ORACLES_LIVENESS_H_
