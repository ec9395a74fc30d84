// How far an exploration goes. Each kind of step that starts something has a budget for a whole
// history; deliveries, disk writes and what else only finishes something are free, and so is losing
// a message: one that is never delivered is lost.

#ifndef LOCKSTEP_SIM_EXPLORE_BOUNDS_H_
#define LOCKSTEP_SIM_EXPLORE_BOUNDS_H_

#include <cstddef>
#include <cstdint>
#include <optional>

namespace lockstep::sim::explore {

struct Bounds {
  std::size_t nodes = 3;       // 1 to kNodesMax
  std::uint64_t terms = 3;     // states in which a node is in a later one are not entered
  std::uint64_t timeouts = 2;  // election timeouts that fire
  std::uint64_t silences = 0;  // a follower's patience with its leader ends, or a leader hears
                               // nobody for an election timeout
  std::uint64_t ticks = 0;     // of leaders: a heartbeat or a retransmission is due
  std::uint64_t crashes = 0;   // each with a restart
  std::uint64_t writes = 0;    // clients' commands
  std::uint64_t reads = 0;     // clients' linearizable reads
  std::uint64_t checkpoints = 0;
  // Deliveries that leave a copy in the network. Empty: every message may be delivered again and
  // again at any time.
  std::optional<std::uint64_t> duplicates;

  std::optional<std::uint64_t> depth;  // steps of a history
  // For tests: a disk that acknowledges a write before it is safe. A crash loses the last one.
  bool disk_lies = false;
};

}  // namespace lockstep::sim::explore

#endif  // LOCKSTEP_SIM_EXPLORE_BOUNDS_H_
