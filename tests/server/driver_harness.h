// Drivers in one process, with real threads, a network of queues that can be cut, and disks that
// are real or do as a test says.

#ifndef LOCKSTEP_TESTS_SERVER_DRIVER_HARNESS_H_
#define LOCKSTEP_TESTS_SERVER_DRIVER_HARNESS_H_

#include <atomic>
#include <condition_variable>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/replica.h"
#include "server/disk.h"
#include "server/driver.h"
#include "server/sqlite_disk.h"
#include "storage/node_store.h"

namespace lockstep::server {

// Hands each message to its receiver's driver at once, unless one of the two is cut off.
class Network {
 public:
  void Connect(NodeId node, Driver* driver);  // null: it is gone
  void CutOff(NodeId node);
  void Heal();
  void Deliver(raft::Message message);

 private:
  std::mutex mutex_;
  std::map<NodeId, Driver*> drivers_;
  std::set<NodeId> cut_off_;
};

class NetworkSender final : public PeerSender {
 public:
  explicit NetworkSender(Network* network) : network_(*network) {}
  void Send(std::vector<raft::Message> messages) override;
  void SetMembership(const raft::Membership& membership) override;
  // The last one it was told.
  raft::Membership membership() const;

 private:
  Network& network_;
  mutable std::mutex mutex_;
  raft::Membership membership_;
};

// Counts what it hears.
class CountingObserver final : public DriverObserver {
 public:
  void OnEvents(const std::vector<Event>& events, const Status& status) override;
  void OnSample(const Status&) override { ++samples; }
  void OnLogSync(Duration, std::size_t writes, std::size_t entries) override;
  void OnCheckpoint(Duration) override { ++checkpoints; }
  void OnInstallation(Duration) override { ++installations; }
  void OnSnapshotRead(Duration, std::size_t) override { ++snapshot_reads; }
  void OnDiskFailure(const absl::Status&) override { ++disk_failures; }
  void OnExpelled(const std::string&) override { ++expelled; }
  void OnDiverged(const std::string&) override { ++diverged; }

  std::atomic<int> events = 0;
  std::atomic<int> samples = 0;
  std::atomic<int> syncs = 0;
  std::atomic<int> synced_entries = 0;
  std::atomic<int> checkpoints = 0;
  std::atomic<int> installations = 0;
  std::atomic<int> snapshot_reads = 0;
  std::atomic<int> disk_failures = 0;
  std::atomic<int> expelled = 0;
  std::atomic<int> diverged = 0;
};

// Keeps nothing. Each operation first does what the test put in its place.
class FakeDisk final : public Disk {
 public:
  absl::Status Save(const std::vector<raft::Write>& writes) override;
  absl::Status TidyLog() override { return absl::OkStatus(); }
  absl::Status Store(const kv::Delta&) override { return on_store(); }
  absl::Status Install(const kv::Image&) override { return absl::OkStatus(); }
  absl::StatusOr<Snapshot> ReadSnapshot() override {
    return absl::UnimplementedError("this disk keeps nothing");
  }

  // Set before the driver starts.
  std::function<absl::Status(const std::vector<raft::Write>&)> on_save =
      [](const std::vector<raft::Write>&) { return absl::OkStatus(); };
  std::function<absl::Status()> on_store = [] { return absl::OkStatus(); };
};

// Closed until opened: what a disk waits for while a test looks at the rest.
class Gate {
 public:
  void Open();
  void Pass();

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
};

// Times short enough for tests and long enough for a loaded machine under ThreadSanitizer.
ReplicaConfig TestConfig(NodeId node);

RequestBody PutRequest(const std::string& key, const std::string& value);
RequestBody GetRequest(const std::string& key);

// Submits and returns the answer to come.
std::future<ReplyResult> Ask(Driver& driver, RequestBody body, Instant deadline = Instant::Never());

// Waits until `condition` holds; false if it does not within 30 s.
bool Eventually(const std::function<bool()>& condition);

// A node on a fake disk, alone in its cluster.
class LoneNode {
 public:
  explicit LoneNode(std::unique_ptr<FakeDisk> disk, DriverOptions options = {},
                    ReplicaConfig config = TestConfig(NodeId{1}));
  void WaitUntilItLeads();

  Network network;
  NetworkSender sender{&network};
  CountingObserver observer;
  std::unique_ptr<FakeDisk> disk;
  std::unique_ptr<Driver> driver;
};

// Three nodes with their files in folders of `folder`.
class LocalCluster {
 public:
  static constexpr int kNodes = 3;

  // `entries`: a checkpoint is written after so many, and so many stay in the log.
  explicit LocalCluster(std::string folder, std::uint64_t entries = 10'000);
  ~LocalCluster();

  void Start(int node);
  // Returns Driver::Stop()'s verdict.
  bool Stop(int node, Duration timeout = Seconds(30));

  Driver& driver(int node) { return *nodes_.at(node)->driver; }
  CountingObserver& observer(int node) { return nodes_.at(node)->observer; }
  Network& network() { return network_; }
  // What the node's files held when it was last started.
  Index recovered(int node) const { return nodes_.at(node)->recovered; }

  // Waits for a leader other than `except` that has applied an entry of its term.
  int WaitForLeader(int except = 0);
  // Writes to whoever leads, again and again, until it is done.
  void Put(const std::string& key, const std::string& value);
  // Reads from whoever leads.
  std::optional<std::string> Get(const std::string& key);
  // Waits until all running nodes have applied the same, and returns whether their digests agree.
  bool Agree();

 private:
  struct Member {
    explicit Member(storage::NodeStore opened, Network* network)
        : store(std::move(opened)), disk(&store), sender(network) {}
    storage::NodeStore store;
    SqliteDisk disk;
    NetworkSender sender;
    CountingObserver observer;
    Index recovered;
    std::unique_ptr<Driver> driver;
  };

  const std::string folder_;
  const std::uint64_t entries_;
  Network network_;
  std::map<int, std::unique_ptr<Member>> nodes_;
};

}  // namespace lockstep::server

#endif  // LOCKSTEP_TESTS_SERVER_DRIVER_HARNESS_H_
