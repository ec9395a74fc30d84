// A read that a quorum vouches for shows everything that was committed, by whomever, before its
// node was asked (Raft §6.4), whatever clocks do. Clients can only tell if they happen to look at a
// key that has changed.

#ifndef LOCKSTEP_SIM_ORACLES_FRESH_READS_H_
#define LOCKSTEP_SIM_ORACLES_FRESH_READS_H_

#include "core/types.h"
#include "sim/oracles/asked_read.h"

namespace lockstep::sim {

// `node` has answered with the data of `revision`. Throws Violation if that is too old.
void CheckFresh(NodeId node, const AskedRead& asked, Revision revision);

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_ORACLES_FRESH_READS_H_
