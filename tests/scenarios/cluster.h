// A simulated cluster in the verbs of a story. Everything that the simulator's oracles check is
// checked here too, after every event: a broken guarantee throws sim::Violation.

#ifndef LOCKSTEP_TESTS_SCENARIOS_CLUSTER_H_
#define LOCKSTEP_TESTS_SCENARIOS_CLUSTER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/raft/node.h"
#include "sim/world.h"

namespace lockstep {

struct ClusterOptions {
  std::int64_t nodes = 3;
  std::uint64_t seed = 1;
  // Small numbers make rare things common: one message in flight, a checkpoint every few entries.
  std::function<void(sim::Settings&)> adjust = {};
};

class Cluster {
 public:
  explicit Cluster(const ClusterOptions& options);

  const std::vector<NodeId>& nodes() const { return ids_; }
  sim::World& world() { return world_; }
  Duration election_timeout() const { return Microseconds(plan_.settings.election_timeout_us); }
  std::uint64_t Reached(sim::Probe probe) const { return world_.probes().Of(probe); }

  // ---- Time

  void RunFor(Duration duration);
  // Lets time pass until `done`; fails the test if that takes longer than a minute.
  void RunUntil(const std::function<bool()>& done, const char* what);
  // Until all running nodes agree on a leader and have applied all it has.
  void RunUntilQuiet();

  // ---- Elections

  // Lets time pass until some node leads that a majority can reach, and returns it.
  NodeId ElectLeader();
  bool Leads(NodeId node) const;
  Term TermOf(NodeId node) const;
  // A running node other than those named; the first in order.
  NodeId OtherThan(const std::vector<NodeId>& nodes) const;

  // ---- Faults, until Heal() or their opposite

  void Isolate(NodeId node);
  void Partition(const std::vector<NodeId>& group);
  void CutOneWay(NodeId from, NodeId to);
  // Mends all links and ends all pauses.
  void Heal();
  void Crash(NodeId node);
  void CrashAll();
  void Restart(NodeId node);
  void Pause(NodeId node);
  void JumpClock(NodeId node, Duration by);
  // From now on the clock of this node gains so many millionths; negative: it loses them.
  void DriftClock(NodeId node, std::int64_t ppm);
  void SlowDisk(NodeId node, Duration by);

  // ---- Requests

  // Hands a put to this node and does not wait.
  RequestId ProposePut(NodeId node, const std::string& key, const std::string& value);
  RequestId Propose(NodeId node, kv::Transact transact);
  RequestId StartRead(NodeId node, const std::string& key);
  RequestId StartRead(NodeId node, Read read);
  // Puts through whoever leads, and waits for success.
  void Put(const std::string& key, const std::string& value);
  SessionId OpenSession();

  bool Answered(RequestId request) const { return world_.AnswerTo(request) != nullptr; }
  // What came of it, waiting for it if need be.
  const kv::TransactionResult* ResultOf(RequestId request);
  const ReadResult* ReadOf(RequestId request);
  std::optional<RefusalKind> RefusalOf(RequestId request);

  // What this node has applied; nullopt if the key is absent.
  std::optional<std::string> ValueAt(NodeId node, const std::string& key);
  std::optional<kv::KeyValue> KeyValueAt(NodeId node, const std::string& key);

 private:
  static sim::Plan MakePlan(const ClusterOptions& options);
  const raft::Node& RaftOf(NodeId node) const { return world_.node(node).replica().node(); }
  const Reply& Await(RequestId request);
  void Begin(sim::Fault fault);

  sim::Plan plan_;
  sim::Trace trace_;
  sim::World world_;
  std::vector<NodeId> ids_;
  std::vector<std::size_t> faults_;
};

}  // namespace lockstep

#endif  // LOCKSTEP_TESTS_SCENARIOS_CLUSTER_H_
