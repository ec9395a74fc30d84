// A read that a lease vouches for shows everything that was committed, by whomever, before its node
// was asked, as long as all clocks keep the bound.

#ifndef LOCKSTEP_SIM_ORACLES_LEASE_READS_H_
#define LOCKSTEP_SIM_ORACLES_LEASE_READS_H_

#include "core/types.h"
#include "sim/oracles/asked_read.h"
#include "sim/oracles/clock_bounds.h"

namespace lockstep::sim {

// `node` has answered with the data of `revision`. Whether that is too old; throws Violation if it
// is and clocks are no excuse.
bool CheckLeaseRead(NodeId node, const AskedRead& asked, Revision revision,
                    const ClockBounds& clocks);

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_ORACLES_LEASE_READS_H_
