// A plan's nodes, clients and faults, run to the end: a phase in which faults strike, then one in
// which nothing fails any more and everything must come right within a stated time.

#ifndef LOCKSTEP_SIM_WORLD_H_
#define LOCKSTEP_SIM_WORLD_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/types.h"
#include "sim/client.h"
#include "sim/nemesis.h"
#include "sim/network.h"
#include "sim/node.h"
#include "sim/operator.h"
#include "sim/oracles/catching_up.h"
#include "sim/oracles/judge.h"
#include "sim/plan.h"
#include "sim/probes.h"
#include "sim/scheduler.h"
#include "sim/story/teller.h"
#include "sim/trace.h"

namespace lockstep::sim {

// What a run throws that is cut off: it says nothing about the plan.
struct OutOfEvents {};

// One at a time in a process: see SeedSqlite().
class World {
 public:
  // REQUIRES: Validate(plan) is empty; plan and trace outlive the world.
  World(const Plan& plan, Trace& trace);

  // Starts all nodes. To be called first, and once.
  void Start();

  // Runs the plan to its end and checks everything. Throws Violation or AssertionFailure as soon as
  // something is wrong, and OutOfEvents after `events_max` events.
  void Run(std::optional<std::uint64_t> events_max = std::nullopt);

  // ---- In parts, for tests that tell a story

  // Handles the next event. REQUIRES: there is one, which is always so while a node runs.
  void Step();
  // Handles everything due until `time` has come.
  void RunUntil(SimTime time);

  // Lets a fault begin now, whatever its own time says. Returns the number to end it with.
  std::size_t BeginFault(const Fault& fault);
  // Ends it, if it has not ended and has an end.
  void EndFault(std::size_t number);
  // Hands a request to a node, outside of any client's doing. REQUIRES: the node runs.
  RequestId Submit(NodeId to, decltype(Request::body) body, Duration patience);
  // The answer to Submit(), if it has come; else null.
  const Reply* AnswerTo(RequestId request) const;

  // Ends all faults for good: nodes start, links are whole, clocks run, disks are quick, and
  // nothing is lost any more. Clients wait as long as it takes.
  void Heal();

  // After Heal(): every client has its answer, and all nodes that are not given up have applied all
  // there is and know the same leader.
  bool Settled() const;
  // How long that may take after Heal(), and after an operation began, counted for each operation
  // on its own (docs/simulator.md).
  Duration SettlingBound() const;
  // Whether the nodes that can work, now or once they are started, are a majority of each
  // configuration that somebody goes by: without that, nothing can be demanded but safety.
  bool MajorityIsLeft() const;

  SimTime now() const { return scheduler_.now(); }
  std::uint64_t events() const { return scheduler_.popped(); }
  const Plan& plan() const { return plan_; }
  SimNode& node(NodeId id) { return *nodes_[id.value - 1]; }
  const SimNode& node(NodeId id) const { return *nodes_[id.value - 1]; }
  std::size_t node_count() const { return nodes_.size(); }
  Network& network() { return network_; }
  const Network& network() const { return network_; }
  Clients& clients() { return clients_; }
  const Clients& clients() const { return clients_; }
  const Judge& judge() const { return judge_; }
  const ProbeCounts& probes() const { return probes_; }
  // The faults that struck somebody, in order.
  std::vector<FaultKind> faults_begun() const { return nemesis_.Begun(); }
  story::Teller& story() { return story_; }

  // The running node that leads, of several that think so the one of the latest term; 0 if none.
  NodeId Leader() const;

 private:
  void Dispatch(const Event& event);
  bool HasNothingToDo(const SimNode& node) const;
  bool HasSettled(const SimNode& node, const raft::Node& leader) const;
  void ScheduleNextOperation();
  void ScheduleNextFault();

  const Plan& plan_;
  Trace& trace_;
  ProbeCounts probes_;
  Scheduler scheduler_;
  story::Teller story_;
  Judge judge_;
  Network network_;
  Nodes nodes_;
  Clients clients_;
  Operator operators_;
  Nemesis nemesis_;

  RequestId last_story_request_;
  std::map<RequestId, Reply> story_answers_;

  std::size_t next_operation_ = 0;
  std::size_t operations_begun_ = 0;
  std::size_t next_fault_ = 0;
  bool healed_ = false;
  CatchingUp catching_up_;
  std::optional<std::uint64_t> events_max_;
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_WORLD_H_
