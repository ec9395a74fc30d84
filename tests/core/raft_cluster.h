// Raft servers without drivers, for tests: messages lie in a queue until the test delivers them,
// and writes stay volatile until the test persists them.

#ifndef LOCKSTEP_TESTS_CORE_RAFT_CLUSTER_H_
#define LOCKSTEP_TESTS_CORE_RAFT_CLUSTER_H_

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/raft/invariants.h"
#include "core/raft/node.h"

namespace lockstep::raft {

// Carries a write out on what a disk holds: the meaning of Write, said once for all tests.
void Store(const Write& write, DurableState& disk);

// Entries `first`.. with the given terms.
std::vector<Entry> Entries(std::uint64_t first, const std::vector<std::uint64_t>& terms);

// The terms of a log's entries, from its first index on.
std::vector<std::uint64_t> Terms(const Log& log);

class RaftCluster {
 public:
  explicit RaftCluster(std::size_t size, std::function<void(Config&)> adjust = {});

  // Servers are numbered from 1.
  Node& node(std::uint64_t id) { return *members_.at(NodeId{id}).node; }
  DurableState& disk(std::uint64_t id) { return members_.at(NodeId{id}).disk; }
  Instant now() const { return now_; }

  // Whether writes become durable as soon as they are handed out. True at first.
  void PersistAtOnce(std::uint64_t id, bool at_once) { members_.at(NodeId{id}).at_once = at_once; }
  void Persist(std::uint64_t id);  // all that is handed out

  void Stop(std::uint64_t id);     // loses what is not persisted
  void Restart(std::uint64_t id);  // from the disk and the last checkpoint

  // A server that is no member yet and was told nothing.
  void AddServer(std::uint64_t id, Incarnation incarnation);
  void SetIncarnation(std::uint64_t id, Incarnation incarnation) {
    members_.at(NodeId{id}).config.incarnation = incarnation;
  }

  // Replaces a stopped server's disk.
  void SetDisk(std::uint64_t id, DurableState disk) {
    members_.at(NodeId{id}).disk = std::move(disk);
  }

  // A server that is stopped and starts again with this log, of entries with these terms.
  void SetLog(std::uint64_t id, const std::vector<std::uint64_t>& terms,
              std::uint64_t current_term);

  // The owner makes all that is appliable durable, and lets the log forget it.
  void Checkpoint(std::uint64_t id);
  // A leader's owner reads its last checkpoint for a server that needs a snapshot.
  void SendSnapshot(std::uint64_t from, std::uint64_t to);
  // A server's owner installs what it received. REQUIRES: it came from a Checkpoint().
  void InstallSnapshot(std::uint64_t id);

  // Messages from or to these servers are lost.
  void Isolate(std::uint64_t id) { isolated_.insert(NodeId{id}); }
  void Heal() { isolated_.clear(); }
  // Messages for which this is true are lost.
  void Drop(std::function<bool(const Message&)> lose) { lose_ = std::move(lose); }

  // Delivers until nothing is under way.
  void Deliver();
  // Messages under way, oldest first; a test may take, repeat or reorder them.
  std::deque<Message>& network() { return network_; }
  // Everything that was ever sent.
  const std::vector<Message>& sent() const { return sent_; }
  void Collect(std::uint64_t id);  // takes a server's effects

  // Time passes for all in small steps, with delivery between them.
  void Run(Duration duration);
  // Hands one message to a server, and takes what comes of it.
  void Receive(const Message& message);
  // So much time passes that nobody listens to an older leader any more, and one server is the
  // first to notice: unless it leads or may not, it asks for pre-votes, which are under way then.
  void Campaign(std::uint64_t id);
  // Makes one server campaign before all others, and delivers until it leads.
  void Elect(std::uint64_t id);
  // The one leader of the highest term; 0 if there is none.
  std::uint64_t Leader();
  // Proposes at a server and collects; the position, or nullopt if refused.
  std::optional<LogPosition> Propose(std::uint64_t id, const std::string& command);
  // Why a server refuses to change its cluster, and collects; empty if it began to.
  std::string Change(std::uint64_t id, const MembershipChange& change);
  // The same of handing its leadership over.
  std::string Transfer(std::uint64_t id, std::uint64_t target);
  // Asks a server for a read and collects; whether it leads.
  bool Read(std::uint64_t id, std::uint64_t request);

  const std::vector<ReadyReads>& ready(std::uint64_t id) { return members_.at(NodeId{id}).ready; }
  const std::vector<RequestId>& refused(std::uint64_t id) {
    return members_.at(NodeId{id}).refused;
  }
  const std::vector<TransferEnded>& transfers(std::uint64_t id) {
    return members_.at(NodeId{id}).transfers;
  }
  const std::vector<Event>& events(std::uint64_t id) { return members_.at(NodeId{id}).events; }
  std::vector<NodeId>& snapshots_wanted(std::uint64_t id) {
    return members_.at(NodeId{id}).snapshots_wanted;
  }
  std::optional<ReceivedSnapshot>& received_snapshot(std::uint64_t id) {
    return members_.at(NodeId{id}).received_snapshot;
  }

 private:
  struct Member {
    Config config;
    DurableState disk;
    AppliedState applied;  // what its owner holds: at the beginning, or at the last checkpoint
    std::optional<Node> node;
    std::deque<Write> volatile_writes;
    bool at_once = true;
    std::uint64_t starts = 0;
    std::vector<ReadyReads> ready;
    std::vector<RequestId> refused;
    std::vector<TransferEnded> transfers;
    std::vector<Event> events;
    std::vector<NodeId> snapshots_wanted;
    std::optional<ReceivedSnapshot> received_snapshot;
    Instant deadline = Instant::Never();
    Index checked;  // up to here its committed entries were compared
  };

  void Collect(Member& member);
  void CheckCommitted(Member& member);

  Instant now_;
  std::function<void(Config&)> adjust_;
  std::map<NodeId, Member> members_;
  std::map<Index, Entry> committed_;               // what any server held as committed
  std::map<LogPosition, AppliedState> snapshots_;  // of every checkpoint
  std::deque<Message> network_;
  std::vector<Message> sent_;
  std::set<NodeId> isolated_;
  std::function<bool(const Message&)> lose_;
};

}  // namespace lockstep::raft

#endif  // LOCKSTEP_TESTS_CORE_RAFT_CLUSTER_H_
