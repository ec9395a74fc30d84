#include "server/metrics.h"

#include <prometheus/collectable.h>
#include <prometheus/counter.h>
#include <prometheus/exposer.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <atomic>
#include <exception>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/process_stats.h"
#include "server/version.h"

namespace lockstep::server {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Histogram;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::map<std::string, std::string>;

constexpr std::array<const char*, 16> kMethods = {
    "Put",         "Get",     "Delete",       "PutIfAbsent",       "CompareAndSet", "Txn",
    "OpenSession", "Status",  "Members",      "JoinCluster",       "LeaveCluster",  "Promote",
    "Demote",      "Replace", "UpdateMember", "TransferLeadership"};

// In the order of ReadPath.
constexpr std::array<const char*, 4> kReadPaths = {"quorum", "forwarded", "lease", "local"};

// Codes of gRPC by number.
constexpr std::array<const char*, 17> kCodes = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

double ToSeconds(Duration duration) { return static_cast<double>(duration.ns) / 1e9; }
double ToDouble(std::uint64_t number) { return static_cast<double>(number); }
std::string Text(NodeId node) { return std::to_string(node.value); }

// From a fast disk's sync to a stall: 50 us doubling to 13 s.
Histogram::BucketBoundaries TimeBuckets() {
  Histogram::BucketBoundaries bounds;
  for (double bound = 50e-6; bound < 20; bound *= 2) {
    bounds.push_back(bound);
  }
  return bounds;
}

Family<Counter>& CounterFamily(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

Counter& OneCounter(prometheus::Registry& registry, const char* name, const char* help) {
  return CounterFamily(registry, name, help).Add({});
}

Family<Histogram>& HistogramFamily(prometheus::Registry& registry, const char* name,
                                   const char* help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
}

Histogram& OneHistogram(prometheus::Registry& registry, const char* name, const char* help) {
  return HistogramFamily(registry, name, help).Add({}, TimeBuckets());
}

}  // namespace

class Metrics::Impl {
 public:
  Impl() {
    for (const char* method : kMethods) {
      request_times.push_back(&request_time_family.Add({{"method", method}}, TimeBuckets()));
      requests.emplace_back();
      for (const char* code : kCodes) {
        requests.back().push_back(&request_family.Add({{"method", method}, {"code", code}}));
      }
    }
    for (const char* path : kReadPaths) {
      reads.push_back(&read_family.Add({{"path", path}}));
    }
  }

  // The families give the same series for the same labels again.
  Histogram& ReplicationTime(NodeId peer) {
    return replication_time_family.Add({{"peer", Text(peer)}}, TimeBuckets());
  }
  Counter& SnapshotsSent(NodeId peer) { return snapshot_family.Add({{"peer", Text(peer)}}); }

  const std::shared_ptr<prometheus::Registry> registry = std::make_shared<prometheus::Registry>();

  Family<Counter>& request_family =
      CounterFamily(*registry, "lockstep_requests_total", "Requests answered.");
  Family<Counter>& read_family =
      CounterFamily(*registry, "lockstep_reads_total", "Reads answered, by what vouched for them.");
  Family<Histogram>& request_time_family =
      HistogramFamily(*registry, "lockstep_request_duration_seconds",
                      "Time from a request's arrival to its answer.");
  Family<Histogram>& replication_time_family =
      HistogramFamily(*registry, "lockstep_replication_duration_seconds",
                      "Time from an append's sending to its answer, of a sample of appends.");
  Family<Counter>& snapshot_family =
      CounterFamily(*registry, "lockstep_snapshots_sent_total", "Snapshots sent to a member.");
  std::vector<std::vector<Counter*>> requests;  // by method and code
  std::vector<Histogram*> request_times;        // by method
  std::vector<Counter*> reads;                  // by path
  std::atomic<std::uint64_t> sampled_commit = 0;

  Histogram& commit_time =
      OneHistogram(*registry, "lockstep_commit_duration_seconds",
                   "Time from an entry's append to its commit on a leader, of a sample.");
  Histogram& log_sync_time = OneHistogram(*registry, "lockstep_log_sync_duration_seconds",
                                          "Time of one transaction of log.db, with its sync.");
  Counter& log_writes =
      OneCounter(*registry, "lockstep_log_writes_total", "Writes made durable in log.db.");
  Counter& log_entries =
      OneCounter(*registry, "lockstep_log_entries_written_total", "Entries written to log.db.");
  Histogram& checkpoint_time =
      OneHistogram(*registry, "lockstep_checkpoint_duration_seconds",
                   "Time to add the changes since the last checkpoint to state.db.");
  Histogram& installation_time =
      OneHistogram(*registry, "lockstep_snapshot_installation_duration_seconds",
                   "Time to replace state.db by a received snapshot.");
  Histogram& snapshot_read_time = OneHistogram(*registry, "lockstep_snapshot_read_duration_seconds",
                                               "Time to read state.db for a follower.");
  Counter& snapshot_read_bytes = OneCounter(*registry, "lockstep_snapshot_read_bytes_total",
                                            "Bytes of snapshots read from state.db.");
  Counter& pre_elections =
      OneCounter(*registry, "lockstep_pre_elections_total", "Pre-votes this node started.");
  Counter& elections =
      OneCounter(*registry, "lockstep_elections_total", "Elections this node started.");
  Counter& elections_won =
      OneCounter(*registry, "lockstep_elections_won_total", "Elections this node won.");
  Counter& leader_changes = OneCounter(*registry, "lockstep_leader_changes_total",
                                       "Times this node learnt of a new leader, itself included.");
  Counter& step_downs = OneCounter(*registry, "lockstep_step_downs_total",
                                   "Times this node stopped being the leader.");
  Counter& truncations = OneCounter(*registry, "lockstep_log_truncations_total",
                                    "Times another leader's entries replaced entries here.");
  Counter& compactions = OneCounter(*registry, "lockstep_log_compactions_total",
                                    "Times entries were dropped that a checkpoint covers.");
  Counter& snapshots_installed =
      OneCounter(*registry, "lockstep_snapshots_installed_total", "Snapshots installed here.");
  Counter& snapshots_rejected = OneCounter(*registry, "lockstep_snapshots_rejected_total",
                                           "Received snapshots that could not be used.");
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

void Metrics::AddPeers(const std::vector<NodeId>& peers) {
  for (const NodeId peer : peers) {
    impl_->ReplicationTime(peer);
    impl_->SnapshotsSent(peer);
  }
}

void Metrics::CountRequest(Method method, grpc::StatusCode code, Duration took) {
  const std::size_t m = static_cast<std::size_t>(method);
  const std::size_t c = static_cast<std::size_t>(code);
  impl_->requests[m][c < kCodes.size() ? c : 2]->Increment();
  impl_->request_times[m]->Observe(ToSeconds(took));
}

void Metrics::CountRead(ReadPath path) {
  impl_->reads[static_cast<std::size_t>(path) - 1]->Increment();
}

void Metrics::CountLogSync(Duration took, std::size_t writes, std::size_t entries) {
  impl_->log_sync_time.Observe(ToSeconds(took));
  impl_->log_writes.Increment(ToDouble(writes));
  impl_->log_entries.Increment(ToDouble(entries));
}

void Metrics::CountCheckpoint(Duration took) { impl_->checkpoint_time.Observe(ToSeconds(took)); }

void Metrics::CountInstallation(Duration took) {
  impl_->installation_time.Observe(ToSeconds(took));
}

void Metrics::CountSnapshotRead(Duration took, std::size_t bytes) {
  impl_->snapshot_read_time.Observe(ToSeconds(took));
  impl_->snapshot_read_bytes.Increment(ToDouble(bytes));
}

void Metrics::Count(const Event& event) {
  switch (event.kind) {
    case Event::Kind::kBecameFollower:
      break;
    case Event::Kind::kBecamePreCandidate:
      impl_->pre_elections.Increment();
      break;
    case Event::Kind::kBecameCandidate:
      impl_->elections.Increment();
      break;
    case Event::Kind::kBecameLeader:
      impl_->elections_won.Increment();
      impl_->leader_changes.Increment();
      break;
    case Event::Kind::kSteppedDown:
      impl_->step_downs.Increment();
      break;
    case Event::Kind::kLeaderChanged:
      impl_->leader_changes.Increment();
      break;
    case Event::Kind::kTruncatedLog:
      impl_->truncations.Increment();
      break;
    case Event::Kind::kCompactedLog:
      impl_->compactions.Increment();
      break;
    case Event::Kind::kSnapshotSent:
      impl_->SnapshotsSent(event.peer).Increment();
      break;
    case Event::Kind::kSnapshotInstalled:
      impl_->snapshots_installed.Increment();
      break;
    case Event::Kind::kSnapshotRejected:
      impl_->snapshots_rejected.Increment();
      break;
    case Event::Kind::kCheckpointStored:
    case Event::Kind::kMembershipChanged:
    case Event::Kind::kTransferBegan:
    case Event::Kind::kTransferEnded:
    case Event::Kind::kExpelled:
      break;
  }
}

void Metrics::Sample(const Status& status) {
  // An idle leader's last commit counts once.
  const bool committed =
      impl_->sampled_commit.exchange(status.commit_index.value) != status.commit_index.value;
  if (status.role != Role::kLeader) {
    return;
  }
  if (status.commit_time && committed) {
    impl_->commit_time.Observe(ToSeconds(*status.commit_time));
  }
  for (const PeerStatus& peer : status.peers) {
    if (peer.replication_time) {
      impl_->ReplicationTime(peer.id).Observe(ToSeconds(*peer.replication_time));
    }
  }
}

namespace {

// The families of one scrape.
class Scrape {
 public:
  void Gauge(const char* name, const char* help, double value, const Labels& labels = {}) {
    Add(MetricType::Gauge, name, help, value, labels);
  }
  void Count(const char* name, const char* help, double value, const Labels& labels = {}) {
    Add(MetricType::Counter, name, help, value, labels);
  }
  std::vector<MetricFamily> Take() { return std::move(families_); }

 private:
  // Series of one family must be added one after the other.
  void Add(MetricType type, const char* name, const char* help, double value,
           const Labels& labels) {
    if (families_.empty() || families_.back().name != name) {
      MetricFamily family;
      family.name = name;
      family.help = help;
      family.type = type;
      families_.push_back(std::move(family));
    }
    prometheus::ClientMetric metric;
    for (const auto& [label, text] : labels) {
      metric.label.push_back({label, text});
    }
    (type == MetricType::Gauge ? metric.gauge.value : metric.counter.value) = value;
    families_.back().metric.push_back(std::move(metric));
  }

  std::vector<MetricFamily> families_;
};

void AddStatus(const Status& status, Scrape& scrape) {
  const bool leads = status.role == Role::kLeader;
  scrape.Gauge("lockstep_term", "The current term.", ToDouble(status.term.value));
  scrape.Gauge("lockstep_is_leader", "1 if this node leads.", leads ? 1 : 0);
  scrape.Gauge("lockstep_leader_id", "The leader's node id, 0 if not known.",
               ToDouble(status.leader.value));
  scrape.Gauge("lockstep_log_first_index", "The first entry in the log.",
               ToDouble(status.first_index.value));
  scrape.Gauge("lockstep_log_last_index", "The last entry in the log.",
               ToDouble(status.last_index.value));
  scrape.Gauge("lockstep_log_durable_index", "The last entry that is durable here.",
               ToDouble(status.durable_index.value));
  scrape.Gauge("lockstep_commit_index", "The last entry known to be committed.",
               ToDouble(status.commit_index.value));
  scrape.Gauge("lockstep_applied_index", "The last entry applied to the data.",
               ToDouble(status.summary.applied_index.value));
  scrape.Gauge("lockstep_checkpoint_index", "The last entry whose effects state.db holds.",
               ToDouble(status.checkpoint_index.value));
  scrape.Gauge("lockstep_apply_lag_entries", "Entries committed and not yet applied here.",
               ToDouble(status.commit_index.value - status.summary.applied_index.value));
  scrape.Gauge("lockstep_revision", "The data's revision.",
               ToDouble(status.summary.revision.value));
  scrape.Gauge("lockstep_keys", "Keys in the store.", ToDouble(status.keys));
  scrape.Gauge("lockstep_sessions", "Open client sessions.", ToDouble(status.sessions));
  scrape.Gauge("lockstep_pending_requests", "Requests accepted and not yet answered.",
               ToDouble(status.pending_requests));
  scrape.Gauge("lockstep_log_memory_bytes", "Size of the log's entries in memory.",
               ToDouble(status.log_bytes));
}

void AddPeers(const Status& status, Scrape& scrape) {
  for (const PeerStatus& peer : status.peers) {
    scrape.Gauge("lockstep_peer_match_index", "The last entry known to be durable on a member.",
                 ToDouble(peer.match_index.value), {{"peer", Text(peer.id)}});
  }
  for (const PeerStatus& peer : status.peers) {
    scrape.Gauge("lockstep_peer_lag_entries", "Entries of the leader's log a member lacks.",
                 ToDouble(status.last_index.value - peer.match_index.value),
                 {{"peer", Text(peer.id)}});
  }
  for (const PeerStatus& peer : status.peers) {
    scrape.Gauge("lockstep_peer_in_flight", "Appends a member has not answered.",
                 ToDouble(peer.in_flight), {{"peer", Text(peer.id)}});
  }
  for (const PeerStatus& peer : status.peers) {
    if (peer.since_contact) {
      scrape.Gauge("lockstep_peer_since_contact_seconds", "Time since a member's last answer.",
                   ToSeconds(*peer.since_contact), {{"peer", Text(peer.id)}});
    }
  }
}

void AddLinks(const NodeSample& sample, Scrape& scrape) {
  using Link = net::PeerLinkStats;
  struct Row {
    const char* name;
    const char* help;
    MetricType type;
    double (*value)(const Link&);
  };
  static constexpr Row kRows[] = {
      {"lockstep_peer_connected", "1 if the stream to a member is open.", MetricType::Gauge,
       [](const Link& link) { return link.connected ? 1.0 : 0.0; }},
      {"lockstep_peer_queued_messages", "Messages waiting to be sent to a member.",
       MetricType::Gauge, [](const Link& link) { return ToDouble(link.queued_messages); }},
      {"lockstep_peer_queued_bytes", "Bytes waiting to be sent to a member.", MetricType::Gauge,
       [](const Link& link) { return ToDouble(link.queued_bytes); }},
      {"lockstep_peer_sent_messages_total", "Messages sent to a member.", MetricType::Counter,
       [](const Link& link) { return ToDouble(link.sent_messages); }},
      {"lockstep_peer_dropped_messages_total", "Messages to a member dropped before sending.",
       MetricType::Counter, [](const Link& link) { return ToDouble(link.dropped_messages); }},
      {"lockstep_peer_streams_opened_total", "Streams opened to a member.", MetricType::Counter,
       [](const Link& link) { return ToDouble(link.streams_opened); }},
  };
  for (const Row& row : kRows) {
    for (const Link& link : sample.links) {
      const Labels labels = {{"peer", Text(link.peer)}};
      if (row.type == MetricType::Gauge) {
        scrape.Gauge(row.name, row.help, row.value(link), labels);
      } else {
        scrape.Count(row.name, row.help, row.value(link), labels);
      }
    }
  }
  scrape.Gauge("lockstep_incoming_streams", "Open streams from other members.",
               ToDouble(sample.incoming.streams));
  scrape.Count("lockstep_received_messages_total", "Messages of members handed to the replica.",
               ToDouble(sample.incoming.delivered));
  constexpr char kRejectedName[] = "lockstep_rejected_messages_total";
  constexpr char kRejectedHelp[] = "Messages of members that were not listened to.";
  scrape.Count(kRejectedName, kRejectedHelp, ToDouble(sample.incoming.foreign),
               {{"reason", "foreign"}});
  scrape.Count(kRejectedName, kRejectedHelp, ToDouble(sample.incoming.mangled),
               {{"reason", "mangled"}});
  scrape.Count(kRejectedName, kRejectedHelp, ToDouble(sample.queues.peer_dropped),
               {{"reason", "queue-full"}});
}

void AddQueues(const QueueLengths& queues, Scrape& scrape) {
  const std::pair<const char*, std::size_t> kLengths[] = {{"inbox", queues.inbox},
                                                          {"log", queues.log_writes},
                                                          {"replies", queues.replies},
                                                          {"requests", queues.requests},
                                                          {"state", queues.state_jobs}};
  for (const auto& [queue, length] : kLengths) {
    scrape.Gauge("lockstep_queue_length", "Items waiting in a queue of this node.",
                 ToDouble(length), {{"queue", queue}});
  }
  scrape.Gauge("lockstep_queued_peer_bytes", "Bytes of members' messages waiting in the inbox.",
               ToDouble(queues.peer_bytes));
  scrape.Count("lockstep_refused_requests_total", "Requests refused because a queue was full.",
               ToDouble(queues.refused));
}

void AddProcess(const NodeSample& sample, Scrape& scrape) {
  scrape.Gauge("lockstep_database_size_bytes", "Size of a database's files.",
               ToDouble(sample.log_db_bytes), {{"database", "log"}});
  scrape.Gauge("lockstep_database_size_bytes", "Size of a database's files.",
               ToDouble(sample.state_db_bytes), {{"database", "state"}});
  scrape.Gauge("lockstep_build_info", "1, with what this program is.", 1, {{"version", kVersion}});
  const ProcessStats process = ReadProcessStats();
  scrape.Count("process_cpu_seconds_total", "User and system CPU time.", process.cpu_seconds);
  scrape.Gauge("process_resident_memory_bytes", "Resident memory.",
               ToDouble(process.resident_bytes));
  scrape.Gauge("process_virtual_memory_bytes", "Virtual memory.", ToDouble(process.virtual_bytes));
  scrape.Gauge("process_start_time_seconds", "Start of the process, since 1970.",
               process.start_time_seconds);
  scrape.Gauge("process_threads", "Threads of the process.", ToDouble(process.threads));
  scrape.Gauge("process_open_fds", "Open file descriptors.", ToDouble(process.open_files));
  scrape.Gauge("process_max_fds", "File descriptors that may be open.",
               ToDouble(process.open_files_max));
}

class NodeCollector : public prometheus::Collectable {
 public:
  explicit NodeCollector(std::function<NodeSample()> sample) : sample_(std::move(sample)) {}

  std::vector<MetricFamily> Collect() const override {
    const NodeSample sample = sample_();
    Scrape scrape;
    if (sample.status) {
      AddStatus(*sample.status, scrape);
      AddPeers(*sample.status, scrape);
    }
    AddLinks(sample, scrape);
    AddQueues(sample.queues, scrape);
    AddProcess(sample, scrape);
    return scrape.Take();
  }

 private:
  const std::function<NodeSample()> sample_;
};

}  // namespace

class MetricsServer::Impl {
 public:
  Impl(const Address& address, Metrics* metrics, std::function<NodeSample()> sample)
      : collector(std::make_shared<NodeCollector>(std::move(sample))),
        host(address.host),
        exposer(address.ToString()) {
    exposer.RegisterCollectable(metrics->impl().registry);
    exposer.RegisterCollectable(collector);
  }

  const std::shared_ptr<NodeCollector> collector;
  const std::string host;
  prometheus::Exposer exposer;  // last: its threads end before what they use
};

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(
    const Address& address, Metrics* metrics, std::function<NodeSample()> sample) {
  // The library's own error does not say what is wrong, and it resolves no host names.
  absl::StatusOr<Address> numeric = Resolve(address);
  if (!numeric.ok()) {
    return numeric.status();
  }
  if (const absl::Status status = CheckBindable(*numeric); !status.ok()) {
    return status;
  }
  try {
    return std::unique_ptr<MetricsServer>(
        new MetricsServer(std::make_unique<Impl>(*numeric, metrics, std::move(sample))));
  } catch (const std::exception& error) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot listen on ", address.ToString(), ": ", error.what()));
  }
}

MetricsServer::MetricsServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MetricsServer::~MetricsServer() = default;

Address MetricsServer::address() const {
  const std::vector<int> ports = impl_->exposer.GetListeningPorts();
  return {impl_->host, static_cast<std::uint16_t>(ports.empty() ? 0 : ports.front())};
}

}  // namespace lockstep::server
