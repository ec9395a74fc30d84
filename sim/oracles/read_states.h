// Every read, whatever its consistency, shows what was committed: all its keys as they were at the
// revision that it names. A running node never shows an earlier revision than before.

#ifndef LOCKSTEP_SIM_ORACLES_READ_STATES_H_
#define LOCKSTEP_SIM_ORACLES_READ_STATES_H_

#include "core/replica.h"
#include "core/types.h"
#include "sim/oracles/reference.h"

namespace lockstep::sim {

// Of one node.
class ReadStates {
 public:
  // The process is gone. The next one may begin with an earlier state.
  void Stopped() { shown_ = {}; }

  // The node has answered. Throws Violation if that is not a state of the data, or an earlier one.
  void Answered(NodeId node, const Read& read, const ReadResult& result,
                const Reference& reference);

 private:
  Revision shown_;
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_ORACLES_READ_STATES_H_
