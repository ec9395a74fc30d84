// What a Raft server is told once, at its start.

#ifndef LOCKSTEP_CORE_RAFT_CONFIG_H_
#define LOCKSTEP_CORE_RAFT_CONFIG_H_

#include <cstdint>
#include <string>

#include "core/types.h"

namespace lockstep::raft {

struct Config {
  ClusterId cluster;
  NodeId id;
  Incarnation incarnation;  // of the node's files

  // A follower campaigns after hearing nothing for a time drawn from [1, 2) times this (§3.4).
  Duration election_timeout = Milliseconds(1000);
  // The leader lets each peer hear from it this often. At most a third of the election timeout.
  Duration heartbeat_interval = Milliseconds(100);
  // A node whose disk has stored nothing for so long, while something waits for it, does not lead:
  // it steps down if others can take over, and does not campaign.
  Duration disk_stall_timeout = Milliseconds(5000);
  // An append or snapshot that is unanswered for so long counts as lost.
  Duration retransmit_timeout = Milliseconds(500);
  Duration snapshot_timeout = Milliseconds(30'000);

  // Whether this node promises leaders to keep its vote from others for an election timeout after
  // it has heard from them, so that they may answer reads by a lease; and uses such promises when
  // it leads. A node that promises votes for nobody within an election timeout of its start: it may
  // have promised before. One that does not is never part of a lease, so that nodes may differ.
  bool lease_reads = false;
  // No clock of the cluster gains or loses more than so many microseconds in a second of true time.
  // Leases and the age of data are reckoned with it, and wrong if it is. Below a million.
  std::int64_t clock_drift_ppm = 10'000;

  // Bounds of one AppendEntries (one entry is always allowed) and of those under way to one peer.
  std::uint64_t append_entries_max = 256;
  std::uint64_t append_bytes_max = 1 << 20;
  std::uint64_t appends_in_flight_max = 64;
  // The leader refuses proposals while so many bytes are appended but not committed.
  std::uint64_t uncommitted_bytes_max = 64 << 20;

  // Applied entries that stay in the log after a checkpoint, for followers that lag a little.
  std::uint64_t entries_retained = 10'000;
};

// While no more than this has passed on one clock, less than `span` has passed in true time and on
// every other clock, if all keep the bound of `drift_ppm`. Of spans above an hour an hour counts.
Duration SurelyWithin(Duration span, std::int64_t drift_ppm);

// Empty if `config` can work, else what is wrong with it, in words.
std::string Validate(const Config& config);

}  // namespace lockstep::raft

#endif  // LOCKSTEP_CORE_RAFT_CONFIG_H_
