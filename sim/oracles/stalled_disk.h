// A leader whose disk stores nothing for disk_stall_timeout leads no more, if another voter can be
// heard that could (known from hashicorp/raft and consul: heartbeats alone keep a cluster waiting).

#ifndef LOCKSTEP_SIM_ORACLES_STALLED_DISK_H_
#define LOCKSTEP_SIM_ORACLES_STALLED_DISK_H_

#include <algorithm>
#include <deque>
#include <utility>

#include "core/raft/node.h"
#include "core/types.h"

namespace lockstep::sim {

// Of one node. Times are readings of its clock; one that steps back shows the node nothing new.
class StalledDisk {
 public:
  // A process starts: what was before is forgotten.
  void Started();

  // The node is told the time. What follows happens then.
  void Now(Instant now) { now_ = std::max(now_, now); }

  // A write to log.db was handed out; all up to this one are known to be stored.
  void HandedOut(WriteId write) { storing_.emplace_back(write, now_); }
  void Persisted(WriteId write);

  // The node has done what was due, and leads. Throws Violation if it should not.
  void Leads(const raft::Node& node) const;

 private:
  Instant now_;  // the latest so far
  std::deque<std::pair<WriteId, Instant>> storing_;
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_ORACLES_STALLED_DISK_H_
