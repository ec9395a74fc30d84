#include "server/node.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <optional>
#include <random>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "net/peer_service.h"
#include "net/peer_transport.h"
#include "server/cluster_service.h"
#include "server/driver.h"
#include "server/folder.h"
#include "server/form.h"
#include "server/forming_service.h"
#include "server/join.h"
#include "server/kv_service.h"
#include "server/member_file.h"
#include "server/metrics.h"
#include "server/monitor.h"
#include "server/observer.h"
#include "server/peer_directory.h"
#include "server/recover.h"
#include "server/repair.h"
#include "server/service_context.h"
#include "server/sqlite_disk.h"
#include "server/version.h"
#include "storage/node_store.h"

namespace lockstep::server {
namespace {

constexpr char kKvServiceName[] = "lockstep.v1.Kv";

// How long a server waits for calls that are under way once the driver has answered them all.
constexpr std::chrono::seconds kServerGrace(1);

using Failure = std::optional<StartFailure>;

StartFailure DataFailure(const std::string& text) { return {ExitCode::kDataFolder, text}; }

// Bytes of an SQLite database with its write-ahead log. Asks the file system, so that any thread
// may ask while another writes.
std::uint64_t DatabaseBytes(const std::string& path) {
  std::uint64_t bytes = 0;
  for (const char* suffix : {"", "-wal"}) {
    std::error_code error;
    const std::uintmax_t size = std::filesystem::file_size(path + suffix, error);
    bytes += error ? 0 : size;
  }
  return bytes;
}

std::uint64_t RandomSeed() {
  std::random_device device;
  const std::uint64_t high = device();
  const std::uint64_t low = device();
  return high << 32 | low;
}

class TransportSender final : public PeerSender {
 public:
  TransportSender(net::PeerTransport* transport, PeerDirectory* directory, Metrics* metrics,
                  MemberFileKeeper* keeper)
      : transport_(*transport), directory_(*directory), metrics_(*metrics), keeper_(*keeper) {}
  void Send(std::vector<raft::Message> messages) override {
    for (raft::Message& message : messages) {
      transport_.Send(std::move(message));
    }
  }
  void SetMembership(const raft::Membership& membership) override {
    directory_.SetMembership(membership);
    keeper_.Keep(membership);
    std::vector<NodeId> peers;
    for (const net::PeerAddress& peer : directory_.Peers()) {
      peers.push_back(peer.id);
    }
    metrics_.AddPeers(peers);
  }

 private:
  net::PeerTransport& transport_;
  PeerDirectory& directory_;
  Metrics& metrics_;
  MemberFileKeeper& keeper_;
};

void ConfigureClientServer(const Settings& settings, grpc::ServerBuilder& builder) {
  // A second process on the port must be an error, not a silent share.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // Clients ping idle connections to notice a partition; gRPC's default would hang up on them.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 500);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  // Room for requests that are a little too large: they get an answer that names the limit. What
  // is far too large is stopped by gRPC.
  const std::uint64_t room = settings.limits.request_bytes_max * 2 + (1 << 20);
  builder.SetMaxReceiveMessageSize(static_cast<int>(std::min<std::uint64_t>(room, INT32_MAX)));
  builder.SetMaxSendMessageSize(-1);
}

// Listens, or says why not. Fills in the port if 0 was asked for.
std::unique_ptr<grpc::Server> Listen(grpc::ServerBuilder& builder, Address* address) {
  int port = 0;
  builder.AddListeningPort(address->ToString(), grpc::InsecureServerCredentials(), &port);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server != nullptr) {
    address->port = static_cast<std::uint16_t>(port);
  }
  return server;
}

}  // namespace

class Node::Impl {
 public:
  Impl(const Settings& settings, NodeLog* log, NodeEndings endings)
      : settings_(settings),
        log_(*log),
        directory_(std::make_shared<PeerDirectory>(settings_.node_id, settings_.members)),
        observer_(log, &metrics_, std::move(endings.on_disk_failure),
                  std::move(endings.on_expelled), std::move(endings.on_diverged)),
        addresses_{settings.peer_address(), settings.client_address(), settings.listen_metrics} {}

  ~Impl() { Stop(Duration{0}); }

  Failure Start() {
    if (Failure failure = CheckAddresses()) {
      return failure;
    }
    if (Failure failure = OpenFiles()) {
      return failure;
    }
    if (Failure failure = StartDriver()) {
      return failure;
    }
    if (Failure failure = StartServers()) {
      return failure;
    }
    monitor_ = std::make_unique<Monitor>(
        driver_.get(), transport_.get(), peer_service_.get(), &log_, [this](bool serving) {
          client_server_->GetHealthCheckService()->SetServingStatus(kKvServiceName, serving);
        });
    return std::nullopt;
  }

  const Addresses& addresses() const { return addresses_; }

  bool Stop(Duration timeout) {
    monitor_.reset();
    // Its library takes up to two seconds to end its threads.
    std::thread metrics_end([this] { metrics_server_.reset(); });
    if (client_server_ != nullptr) {
      client_server_->GetHealthCheckService()->SetServingStatus(false);
    }
    // While it drains, the servers go on: members must hear from this node, and new requests get
    // the answer that it is shutting down.
    const bool clean = driver_ != nullptr && driver_->Stop(timeout);
    if (peer_service_ != nullptr) {
      peer_service_->Shutdown();
    }
    for (grpc::Server* server : {client_server_.get(), peer_server_.get()}) {
      if (server != nullptr) {
        server->Shutdown(std::chrono::system_clock::now() + kServerGrace);
      }
    }
    metrics_end.join();  // a scrape may still have asked the driver until now
    client_server_.reset();
    peer_server_.reset();
    driver_.reset();
    directory_->Serve(nullptr);
    if (transport_ != nullptr) {
      transport_->Shutdown();
    }
    transport_.reset();
    keeper_.reset();
    disk_.reset();
    store_.reset();
    return clean;
  }

 private:
  Failure CheckAddresses() {
    const std::pair<const char*, std::optional<Address>> listens[] = {
        {"listen-peer", addresses_.peer},
        {"listen-client", addresses_.client},
        {"listen-metrics", addresses_.metrics}};
    for (const auto& [setting, address] : listens) {
      const absl::Status status = address ? CheckBindable(*address) : absl::OkStatus();
      if (!status.ok()) {
        return StartFailure{ExitCode::kAddressInUse,
                            absl::StrCat(setting, ": ", std::string(status.message()))};
      }
    }
    return std::nullopt;
  }

  Failure OpenFiles() {
    const Instant begin = Driver::Now();
    if (const std::string failure = MakeFolder(settings_.data_dir); !failure.empty()) {
      return DataFailure(absl::StrCat("data-dir: ", failure));
    }
    if (std::error_code error;
        std::filesystem::exists(std::filesystem::path(settings_.data_dir) / kRecoveryName, error)) {
      return DataFailure(
          absl::StrCat(settings_.data_dir,
                       ": 'lockstepctl recover' was cut off here: run it again, it will finish"));
    }
    if (const std::optional<std::string> diverged = ReadDivergence(settings_.data_dir)) {
      return StartFailure{
          ExitCode::kDataFolder,
          absl::StrCat(settings_.data_dir, ": node ", settings_.node_id.value, " has ", *diverged),
          true};
    }
    absl::StatusOr<storage::NodeStore> store = storage::NodeStore::Open(
        settings_.data_dir, "", storage::Identity{settings_.cluster_id(), settings_.node_id},
        storage::FirstStart{.incarnation = DrawIncarnation(), .membership = settings_.beginning()},
        settings_.expects_data ? storage::Expect::kFiles : storage::Expect::kFilesOrNone);
    if (!store.ok()) {
      return StartFailure{
          ExitCode::kDataFolder,
          absl::StrCat(std::string(store.status().message()), " (this is node ",
                       settings_.node_id.value, " of cluster ", settings_.cluster_id().value,
                       ", named '", settings_.cluster_name, "')"),
          absl::IsDataLoss(store.status())};
    }
    store_.emplace(*std::move(store));
    disk_.emplace(&*store_);
    StoredState stored = store_->TakeStored();
    const std::size_t entries = stored.log.entries.size();
    const std::size_t keys = stored.image.keys.size();
    const Index applied = stored.image.summary.applied_index;
    const Term term = stored.log.hard_state.current_term;
    std::string error;
    ReplicaConfig config = settings_.replica();
    config.raft.incarnation = store_->incarnation();
    replica_ =
        Replica::Start(config, std::move(stored), Random(RandomSeed()), Driver::Now(), &error);
    if (!replica_) {
      // Each of the files may be whole by itself, and one of them older than it was.
      return StartFailure{ExitCode::kDataFolder, absl::StrCat(settings_.data_dir, ": ", error),
                          true};
    }
    log_.SetContext(term, Role::kFollower);
    log_.Write(LogLevel::kInfo, "recovered",
               {Field("log_entries", entries), Field("keys", keys), Field("applied_index", applied),
                Field("took_ms", Driver::Now() - begin)});
    return std::nullopt;
  }

  Failure StartDriver() {
    net::PeerTransportOptions options;
    options.cluster = settings_.cluster_id();
    options.self = {settings_.node_id, settings_.advertised_peer_address().ToString()};
    transport_ = std::make_unique<net::PeerTransport>(options, std::vector<net::PeerAddress>());
    keeper_.emplace(settings_.data_dir, settings_.cluster_id(), settings_.node_id, &log_);
    sender_.emplace(transport_.get(), directory_.get(), &metrics_, &*keeper_);
    // The driver tells of changes only.
    sender_->SetMembership(replica_->GetStatus(Driver::Now()).membership.membership);
    directory_->Serve(transport_.get());
    driver_ = std::make_unique<Driver>(
        *std::move(replica_),
        DriverOptions{settings_.queued_requests_max, settings_.queued_peer_bytes_max}, &*disk_,
        &*sender_, &observer_);
    replica_.reset();
    context_.settings = &settings_;
    context_.driver = driver_.get();
    context_.metrics = &metrics_;
    context_.directory = directory_.get();
    context_.started = Driver::Now();
    context_.log_db_bytes = [path = settings_.data_dir + "/log.db"] { return DatabaseBytes(path); };
    context_.state_db_bytes = [path = settings_.data_dir + "/state.db"] {
      return DatabaseBytes(path);
    };
    peer_service_ = std::make_unique<net::PeerService>(
        settings_.cluster_id(), settings_.node_id,
        [driver = driver_.get()](raft::Message message) { driver->Receive(std::move(message)); },
        [directory = directory_](const net::PeerAddress& peer, bool here) {
          directory->SetPresent(peer, here);
        });
    return std::nullopt;
  }

  Failure StartServers() {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    const auto in_use = [](const char* setting, const Address& address) {
      return StartFailure{ExitCode::kAddressInUse,
                          absl::StrCat(setting, ": cannot listen on ", address.ToString())};
    };
    grpc::ServerBuilder peers;
    net::ConfigurePeerServer(peers);
    peers.RegisterService(peer_service_.get());
    peers.RegisterService(&forming_service_);
    peer_server_ = Listen(peers, &addresses_.peer);
    if (peer_server_ == nullptr) {
      return in_use("listen-peer", addresses_.peer);
    }
    grpc::ServerBuilder clients;
    ConfigureClientServer(settings_, clients);
    clients.RegisterService(&kv_service_);
    clients.RegisterService(&cluster_service_);
    client_server_ = Listen(clients, &addresses_.client);
    if (client_server_ == nullptr) {
      return in_use("listen-client", addresses_.client);
    }
    client_server_->GetHealthCheckService()->SetServingStatus(kKvServiceName, false);
    if (!addresses_.metrics) {
      return std::nullopt;
    }
    absl::StatusOr<std::unique_ptr<MetricsServer>> metrics =
        MetricsServer::Start(*addresses_.metrics, &metrics_, [this] { return Sample(); });
    if (!metrics.ok()) {
      return StartFailure{
          ExitCode::kAddressInUse,
          absl::StrCat("listen-metrics: ", std::string(metrics.status().message()))};
    }
    metrics_server_ = *std::move(metrics);
    addresses_.metrics = metrics_server_->address();
    return std::nullopt;
  }

  NodeSample Sample() {
    NodeSample sample;
    sample.status = driver_->GetStatusNow(Seconds(1));
    sample.queues = driver_->queues();
    sample.links = transport_->Stats();
    sample.incoming = peer_service_->stats();
    sample.log_db_bytes = context_.log_db_bytes();
    sample.state_db_bytes = context_.state_db_bytes();
    return sample;
  }

  const Settings settings_;
  NodeLog& log_;
  Metrics metrics_;
  const std::shared_ptr<PeerDirectory> directory_;  // shared with streams that may outlast the rest
  NodeObserver observer_;
  Addresses addresses_;
  ServiceContext context_;
  KvService kv_service_{&context_};
  ClusterService cluster_service_{&context_};
  FormingService forming_service_{
      [view = ViewOfMember(settings_)](const std::string&) { return view; }};

  std::optional<storage::NodeStore> store_;
  std::optional<SqliteDisk> disk_;
  std::optional<Replica> replica_;  // until the driver has it
  std::unique_ptr<net::PeerTransport> transport_;
  std::optional<MemberFileKeeper> keeper_;
  std::optional<TransportSender> sender_;
  std::unique_ptr<Driver> driver_;
  std::unique_ptr<net::PeerService> peer_service_;
  std::unique_ptr<grpc::Server> peer_server_;
  std::unique_ptr<grpc::Server> client_server_;
  std::unique_ptr<MetricsServer> metrics_server_;
  std::unique_ptr<Monitor> monitor_;
};

std::variant<std::unique_ptr<Node>, StartFailure> Node::Start(const Settings& settings,
                                                              NodeLog* log, NodeEndings endings) {
  auto impl = std::make_unique<Impl>(settings, log, std::move(endings));
  if (Failure failure = impl->Start()) {
    return *failure;
  }
  return std::unique_ptr<Node>(new Node(std::move(impl)));
}

Node::Node(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Node::~Node() = default;

const Node::Addresses& Node::addresses() const { return impl_->addresses(); }

bool Node::Stop(Duration timeout) { return impl_->Stop(timeout); }

}  // namespace lockstep::server
