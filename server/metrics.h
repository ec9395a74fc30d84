// What Prometheus can scrape from a node. docs/metrics.md has the table of names.
//
// Counts and times are kept here as they happen. What a node simply is at a moment (its indexes,
// its queues, its memory) is asked for when a scrape comes.

#ifndef LOCKSTEP_SERVER_METRICS_H_
#define LOCKSTEP_SERVER_METRICS_H_

#include <grpcpp/support/status_code_enum.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/replica.h"
#include "core/types.h"
#include "net/peer_service.h"
#include "net/peer_transport.h"
#include "server/address.h"
#include "server/driver.h"

namespace lockstep::server {

enum class Method : std::uint8_t {
  kPut,
  kGet,
  kDelete,
  kPutIfAbsent,
  kCompareAndSet,
  kTxn,
  kOpenSession,
  kStatus,
  kMembers,
  kJoinCluster,
  kLeaveCluster,
  kPromote,
  kDemote,
  kReplace,
  kUpdateMember,
  kTransferLeadership,
};

// A node at one moment.
struct NodeSample {
  std::optional<Status> status;  // empty if the core thread did not answer in time
  QueueLengths queues;
  std::vector<net::PeerLinkStats> links;  // to the other members
  net::PeerServiceStats incoming;         // from the other members
  std::uint64_t log_db_bytes = 0;
  std::uint64_t state_db_bytes = 0;
};

// All functions are thread-safe and do not block.
class Metrics {
 public:
  Metrics();
  ~Metrics();

  // From now on there are series of these other members, whether there is something to count or
  // not.
  void AddPeers(const std::vector<NodeId>& peers);

  void CountRequest(Method method, grpc::StatusCode code, Duration took);
  void CountRead(ReadPath path);
  void CountLogSync(Duration took, std::size_t writes, std::size_t entries);
  void CountCheckpoint(Duration took);
  void CountInstallation(Duration took);
  void CountSnapshotRead(Duration took, std::size_t bytes);
  void Count(const Event& event);
  // A leader's times of commit and replication, as they are at this moment.
  void Sample(const Status& status);

  class Impl;
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// Serves the metrics over HTTP at /metrics while it lives.
class MetricsServer {
 public:
  // FailedPrecondition names the address if it cannot be listened on. `metrics` must outlive the
  // server. `sample` is called by the server's threads for each scrape until StopSampling().
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(const Address& address,
                                                              Metrics* metrics,
                                                              std::function<NodeSample()> sample);
  ~MetricsServer();

  // The address with the port that it got, if 0 was asked for.
  Address address() const;

 private:
  class Impl;
  explicit MetricsServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockstep::server

#endif  // LOCKSTEP_SERVER_METRICS_H_
