#include "core/raft/config.h"

#include <algorithm>

namespace lockstep::raft {
namespace {

constexpr std::int64_t kMillion = 1'000'000;

}  // namespace

Duration SurelyWithin(Duration span, std::int64_t drift_ppm) {
  // The slowest clock shows (1 - drift) of true time, the fastest (1 + drift). One nanosecond is
  // for readings that were rounded.
  const std::int64_t known = std::min(span, Seconds(3600)).ns;
  return {std::max<std::int64_t>(
      0, known * (kMillion - drift_ppm) / (kMillion + drift_ppm) - (drift_ppm > 0 ? 1 : 0))};
}

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
  if (config.clock_drift_ppm < 0 || config.clock_drift_ppm >= kMillion) {
    return "the bound of clocks' drift must be from 0 to 999999 millionths";
  }
  if (config.append_entries_max == 0 || config.append_bytes_max == 0 ||
      config.appends_in_flight_max == 0 || config.uncommitted_bytes_max == 0) {
    return "the bounds of appends must be positive";
  }
  return {};
}

}  // namespace lockstep::raft
