// A read of bounded staleness that its node answers by itself shows everything that was committed,
// by whomever, its maximal age before the node was asked, in true time, as long as the node's own
// clock keeps the bound.

#ifndef LOCKSTEP_SIM_ORACLES_BOUNDED_READS_H_
#define LOCKSTEP_SIM_ORACLES_BOUNDED_READS_H_

#include <utility>
#include <vector>

#include "core/types.h"
#include "sim/oracles/asked_read.h"
#include "sim/oracles/clock_bounds.h"
#include "sim/sim_time.h"

namespace lockstep::sim {

// When which revision was committed first.
class CommitTimes {
 public:
  // REQUIRES: neither ever falls.
  void Committed(SimTime now, Revision revision);

  // What was committed before `time`.
  Revision Before(SimTime time) const;

 private:
  std::vector<std::pair<SimTime, Revision>> times_;
};

// `node` has answered with the data of `revision`. Whether that is too old; throws Violation if it
// is and its clock is no excuse.
bool CheckBoundedRead(NodeId node, const AskedRead& asked, Revision revision,
                      const ClockBounds& clocks);

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_ORACLES_BOUNDED_READS_H_
