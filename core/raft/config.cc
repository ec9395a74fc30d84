#include "core/raft/config.h"

namespace lockstep::raft {

std::string Validate(const Config& config) {
  if (config.cluster == ClusterId()) {
    return "the cluster id must not be 0";
  }
  if (config.id == NodeId()) {
    return "the node id must not be 0";
  }
  if (config.heartbeat_interval <= Duration()) {
    return "the heartbeat interval must be positive";
  }
  if (config.heartbeat_interval * 3 > config.election_timeout) {
    return "the heartbeat interval must be at most a third of the election timeout";
  }
  if (config.election_timeout > Seconds(3600)) {
    return "the election timeout must be at most an hour";
  }
  if (config.retransmit_timeout <= Duration() || config.snapshot_timeout <= Duration()) {
    return "the retransmit and snapshot timeouts must be positive";
  }
  if (config.disk_stall_timeout < config.election_timeout) {
    return "the disk stall timeout must be at least the election timeout";
  }
  if (config.append_entries_max == 0 || config.append_bytes_max == 0 ||
      config.appends_in_flight_max == 0 || config.uncommitted_bytes_max == 0) {
    return "the bounds of appends must be positive";
  }
  return {};
}

}  // namespace lockstep::raft
