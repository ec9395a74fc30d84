#include "tests/server/driver_harness.h"

#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <thread>
#include <utility>

#include "core/kv/requests.h"

namespace lockstep::server {
namespace {

constexpr std::chrono::seconds kPatience(30);

}  // namespace

void Network::Connect(NodeId node, Driver* driver) {
  const std::lock_guard<std::mutex> lock(mutex_);
  drivers_[node] = driver;
}

void Network::CutOff(NodeId node) {
  const std::lock_guard<std::mutex> lock(mutex_);
  cut_off_.insert(node);
}

void Network::Heal() {
  const std::lock_guard<std::mutex> lock(mutex_);
  cut_off_.clear();
}

void Network::Deliver(raft::Message message) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto receiver = drivers_.find(message.to);
  if (receiver != drivers_.end() && receiver->second != nullptr && !cut_off_.contains(message.to) &&
      !cut_off_.contains(message.from)) {
    receiver->second->Receive(std::move(message));
  }
}

void NetworkSender::Send(std::vector<raft::Message> messages) {
  for (raft::Message& message : messages) {
    network_.Deliver(std::move(message));
  }
}

void NetworkSender::SetMembership(const raft::Membership& membership) {
  const std::lock_guard lock(mutex_);
  membership_ = membership;
}

raft::Membership NetworkSender::membership() const {
  const std::lock_guard lock(mutex_);
  return membership_;
}

void CountingObserver::OnEvents(const std::vector<Event>& happened, const Status&) {
  events += static_cast<int>(happened.size());
}

void CountingObserver::OnLogSync(Duration, std::size_t, std::size_t entries) {
  ++syncs;
  synced_entries += static_cast<int>(entries);
}

absl::Status FakeDisk::Save(const std::vector<raft::Write>& writes) { return on_save(writes); }

void Gate::Open() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    open_ = true;
  }
  opened_.notify_all();
}

void Gate::Pass() {
  std::unique_lock<std::mutex> lock(mutex_);
  opened_.wait(lock, [this] { return open_; });
}

ReplicaConfig TestConfig(NodeId node) {
  ReplicaConfig config;
  config.raft.cluster = {7};
  config.raft.id = node;
  config.raft.election_timeout = Milliseconds(300);
  config.raft.heartbeat_interval = Milliseconds(30);
  config.raft.retransmit_timeout = Milliseconds(150);
  config.raft.snapshot_timeout = Milliseconds(1000);  // one sent to a node that is away is lost
  return config;
}

RequestBody PutRequest(const std::string& key, const std::string& value) {
  kv::Transact transact;
  transact.transaction = kv::PutTransaction(key, value);
  return transact;
}

RequestBody GetRequest(const std::string& key) { return Read{{key}}; }

std::future<ReplyResult> Ask(Driver& driver, RequestBody body, Instant deadline) {
  const auto answer = std::make_shared<std::promise<ReplyResult>>();
  // set_value() throws if the driver answers twice.
  driver.Submit(std::move(body), deadline,
                [answer](ReplyResult result) { answer->set_value(std::move(result)); });
  return answer->get_future();
}

bool Eventually(const std::function<bool()>& condition) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) {
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

namespace {

// Of a node that never ran, in a cluster of so many.
raft::Membership FirstMembership(int nodes) {
  std::vector<NodeId> voters;
  for (int id = 1; id <= nodes; ++id) {
    voters.push_back({static_cast<std::uint64_t>(id)});
  }
  return raft::MembershipOf(voters);
}

StoredState FirstState(int nodes) {
  StoredState state;
  state.image.membership.membership = FirstMembership(nodes);
  return state;
}

}  // namespace

LoneNode::LoneNode(std::unique_ptr<FakeDisk> fake, DriverOptions options, ReplicaConfig config)
    : disk(std::move(fake)) {
  std::string error;
  std::optional<Replica> replica =
      Replica::Start(config, FirstState(1), Random(1), Driver::Now(), &error);
  driver = std::make_unique<Driver>(*std::move(replica), options, disk.get(), &sender, &observer);
}

void LoneNode::WaitUntilItLeads() {
  const bool leads = Eventually([this] {
    const std::optional<Status> status = driver->GetStatusNow(Seconds(10));
    return status && status->role == Role::kLeader && status->summary.applied_index > Index{0};
  });
  if (!leads) {
    throw std::runtime_error("the node does not lead");
  }
}

LocalCluster::LocalCluster(std::string folder, std::uint64_t entries)
    : folder_(std::move(folder)), entries_(entries) {
  for (int node = 1; node <= kNodes; ++node) {
    Start(node);
  }
}

LocalCluster::~LocalCluster() {
  while (!nodes_.empty()) {
    Stop(nodes_.begin()->first, Duration{0});
  }
}

void LocalCluster::Start(int node) {
  const NodeId id{static_cast<std::uint64_t>(node)};
  const std::string folder = folder_ + "/" + std::to_string(node);
  std::filesystem::create_directories(folder);
  ReplicaConfig config = TestConfig(id);
  config.checkpoint_entries = entries_;
  config.raft.entries_retained = entries_;
  absl::StatusOr<storage::NodeStore> store =
      storage::NodeStore::Open(folder, "", {config.raft.cluster, id},
                               {.incarnation = {}, .membership = FirstMembership(kNodes)});
  if (!store.ok()) {
    throw std::runtime_error(std::string(store.status().message()));
  }
  auto member = std::make_unique<Member>(*std::move(store), &network_);
  StoredState stored = member->store.TakeStored();
  member->recovered = stored.image.summary.applied_index;
  std::string error;
  std::optional<Replica> replica =
      Replica::Start(config, std::move(stored), Random(id.value), Driver::Now(), &error);
  if (!replica) {
    throw std::runtime_error(error);
  }
  member->driver = std::make_unique<Driver>(*std::move(replica), DriverOptions{}, &member->disk,
                                            &member->sender, &member->observer);
  network_.Connect(id, member->driver.get());
  nodes_[node] = std::move(member);
}

bool LocalCluster::Stop(int node, Duration timeout) {
  const bool clean = driver(node).Stop(timeout);
  network_.Connect({static_cast<std::uint64_t>(node)}, nullptr);
  nodes_.erase(node);
  return clean;
}

int LocalCluster::WaitForLeader(int except) {
  int leader = 0;
  const bool found = Eventually([this, except, &leader] {
    for (const auto& [node, member] : nodes_) {
      const std::optional<Status> status = member->driver->GetStatusNow(Seconds(10));
      if (node != except && status && status->role == Role::kLeader &&
          status->summary.applied_term == status->term) {
        leader = node;
        return true;
      }
    }
    return false;
  });
  if (!found) {
    throw std::runtime_error("no leader");
  }
  return leader;
}

void LocalCluster::Put(const std::string& key, const std::string& value) {
  const bool done = Eventually([&] {
    const ReplyResult result = Ask(driver(WaitForLeader()), PutRequest(key, value)).get();
    return std::holds_alternative<kv::CommandResult>(result);
  });
  if (!done) {
    throw std::runtime_error("a put is never done");
  }
}

std::optional<std::string> LocalCluster::Get(const std::string& key) {
  std::optional<std::string> value;
  const bool done = Eventually([&] {
    const ReplyResult result = Ask(driver(WaitForLeader()), GetRequest(key)).get();
    const auto* read = std::get_if<ReadResult>(&result);
    if (read != nullptr && read->keys.at(0)) {
      value = read->keys.at(0)->value;
    }
    return read != nullptr;
  });
  if (!done) {
    throw std::runtime_error("a get is never done");
  }
  return value;
}

bool LocalCluster::Agree() {
  std::set<std::uint64_t> digests;
  const bool same_index = Eventually([this, &digests] {
    std::set<Index> applied;
    digests.clear();
    for (const auto& [node, member] : nodes_) {
      const std::optional<Status> status = member->driver->GetStatusNow(Seconds(10));
      if (!status || status->summary.applied_index != status->last_index) {
        return false;
      }
      applied.insert(status->summary.applied_index);
      digests.insert(status->summary.digest);
    }
    return applied.size() == 1;
  });
  return same_index && digests.size() == 1;
}

}  // namespace lockstep::server
