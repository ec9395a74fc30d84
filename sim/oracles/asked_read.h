// A read as a node was asked for it, and what had been committed by then: what its answer is judged
// by.

#ifndef LOCKSTEP_SIM_ORACLES_ASKED_READ_H_
#define LOCKSTEP_SIM_ORACLES_ASKED_READ_H_

#include "core/request_limits.h"
#include "core/types.h"
#include "sim/sim_time.h"

namespace lockstep::sim {

struct AskedRead {
  Read read;
  SimTime at;
  Revision committed;         // by anybody, when the node was asked
  Revision committed_at_age;  // the same so long before as the read's max_age, in true time
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_ORACLES_ASKED_READ_H_
