// Which keys of a history have to be checked together.

#ifndef LOCKSTEP_SIM_ORACLES_LINEARIZABILITY_GROUPS_H_
#define LOCKSTEP_SIM_ORACLES_LINEARIZABILITY_GROUPS_H_

#include <cstddef>
#include <string_view>
#include <vector>

#include "sim/history.h"

namespace lockstep::sim::history {

// Keys that transactions connect, and the operations on them that claim something, in their order.
struct KeyGroup {
  std::vector<std::string_view> keys;  // in the order of their first use
  std::vector<std::size_t> operations;
};

// In the order of the first use of each group. `history` must outlive the groups. Empty
// transactions count as operations on the empty key.
// REQUIRES: the history is valid.
std::vector<KeyGroup> GroupKeys(const History& history);

}  // namespace lockstep::sim::history

#endif  // LOCKSTEP_SIM_ORACLES_LINEARIZABILITY_GROUPS_H_
