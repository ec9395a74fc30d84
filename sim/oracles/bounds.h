// Nothing grows without a bound: what a replica holds stays within what its configuration says.

#ifndef LOCKSTEP_SIM_ORACLES_BOUNDS_H_
#define LOCKSTEP_SIM_ORACLES_BOUNDS_H_

#include "core/replica.h"
#include "core/types.h"

namespace lockstep::sim {

// The replica has handled an input, and its effects were carried out. Its state.db durably holds
// everything up to `checkpoint`, and it knows; `storing_state` if it has asked for more.
// Throws Violation
//   - if more requests wait for an answer than pending_requests_max;
//   - if more appends are under way to a follower than appends_in_flight_max;
//   - if a leader has appended more than uncommitted_bytes_max, but for a single command;
//   - if the log still holds more than entries_retained of what the checkpoint covers;
//   - if more than checkpoint_entries were applied since the checkpoint, and none is asked for.
void CheckBounds(NodeId node, const ReplicaConfig& config, const Replica& replica, Index checkpoint,
                 bool storing_state);

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_ORACLES_BOUNDS_H_
