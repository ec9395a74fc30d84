// Nothing is promised before it is durable: every message that a node sends is compared with what
// its disk holds at that moment.

#ifndef LOCKSTEP_SIM_ORACLES_PROMISES_H_
#define LOCKSTEP_SIM_ORACLES_PROMISES_H_

#include "core/raft/message.h"
#include "core/types.h"
#include "sim/log_shadow.h"

namespace lockstep::sim {

// The sender's disk holds `durable`, and its state.db everything up to `checkpoint`. Throws
// Violation
//   - if a vote is granted that is not on disk in its term;
//   - if an append or a snapshot is acknowledged in a term that is not on disk, or beyond what is.
void CheckPromise(const raft::Message& message, const LogShadow& durable, Index checkpoint);

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_ORACLES_PROMISES_H_
