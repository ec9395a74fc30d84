// Which few operations show that a history is not linearizable.

#ifndef LOCKSTEP_SIM_ORACLES_LINEARIZABILITY_PROOF_H_
#define LOCKSTEP_SIM_ORACLES_LINEARIZABILITY_PROOF_H_

#include <cstddef>
#include <vector>

#include "sim/history.h"
#include "sim/oracles/linearizability.h"

namespace lockstep::sim::history {

// Positions of operations, each once: the one that fits no order; those that wrote the values that
// it saw; and, for each key that it touches, the last write to it in the order that everything
// before it has. For a stale read these are the read, the write that it saw, and the write that it
// should have seen. REQUIRES: `violation` is of `history`.
std::vector<std::size_t> ProofOf(const History& history, const Violation& violation);

}  // namespace lockstep::sim::history

#endif  // LOCKSTEP_SIM_ORACLES_LINEARIZABILITY_PROOF_H_
