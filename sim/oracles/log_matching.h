// Log Matching (Raft §3.5): two logs that hold an entry with the same index and term hold the same
// entry there, and the same entries before it. Over every log there ever was: what a node appends
// is compared with all that was appended before, by any node.

#ifndef LOCKSTEP_SIM_ORACLES_LOG_MATCHING_H_
#define LOCKSTEP_SIM_ORACLES_LOG_MATCHING_H_

#include <cstdint>
#include <vector>

#include "core/types.h"
#include "sim/log_shadow.h"

namespace lockstep::sim {

class LogMatching {
 public:
  // `node` has appended to its log the entries that `log` holds from `first` on. Equal entries with
  // equal predecessors at every index make whole logs equal, by induction. Throws Violation.
  void Appended(NodeId node, const LogShadow& log, Index first);

 private:
  struct Seen {
    Term term;
    Term previous_term;  // of the entry before it
    std::uint64_t hash = 0;
    NodeId node;  // the first to append it
  };
  std::vector<std::vector<Seen>> seen_;  // by index; few terms ever meet at one index
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_ORACLES_LOG_MATCHING_H_
