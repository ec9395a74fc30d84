// What strikes a world, and what puts it right again: begins and ends faults, cuts the power of
// nodes and starts them again, as a supervisor does.

#ifndef LOCKSTEP_SIM_NEMESIS_H_
#define LOCKSTEP_SIM_NEMESIS_H_

#include <cstddef>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "core/types.h"
#include "sim/client.h"
#include "sim/network.h"
#include "sim/node.h"
#include "sim/operator.h"
#include "sim/oracles/judge.h"
#include "sim/plan.h"
#include "sim/probes.h"
#include "sim/scheduler.h"
#include "sim/story/teller.h"
#include "sim/trace.h"

namespace lockstep::sim {

// The running node that leads, of several that think so the one of the latest term; 0 if none.
NodeId LeaderOf(const Nodes& nodes);

class Nemesis {
 public:
  // REQUIRES: everything named outlives this.
  Nemesis(const Plan& plan, Nodes& nodes, Network& network, Clients& clients, Scheduler& scheduler,
          Trace& trace, story::Teller& story, ProbeCounts& probes, Operator& operators,
          const Judge& judge);

  // Lets a fault begin now, whatever its own time says. Returns the number to end it with.
  // REQUIRES: what sim::Validate() says of a fault.
  std::size_t Begin(const Fault& fault);
  // Ends it, if it has not ended and has an end.
  void End(std::size_t number);

  // Handles kFaultEnd, kFaultTurn and kRestart events.
  void Handle(const Event& event);

  // Crashes the nodes whose power went during the last event, or that stop by themselves. To be
  // called after each event.
  void CrashWhatIsDue();

  // Ends all faults for good, and starts what can be started.
  void Heal();

  // The faults that struck somebody, in order.
  std::vector<FaultKind> Begun() const;

 private:
  struct Active {
    Fault fault;
    NodeId node;  // the one it struck, 0 if none
    bool ended = false;
    std::vector<std::pair<NodeId, NodeId>> cuts;
    bool is_up = true;  // of a flapping link
  };

  void BeginOnProcess(const Fault& fault, NodeId id, std::size_t number);
  void BeginOnNetwork(std::size_t number);
  void BeginOnClock(const Fault& fault, NodeId id);
  void BeginOnDisk(const Fault& fault, NodeId id);
  void BeginOnClient(const Fault& fault);

  void Crash(SimNode& node, Duration downtime, void (SimNode::*how)() = &SimNode::Crash);
  void CrashIfRunning(SimNode& node, Duration downtime);
  void CrashAll(Duration within);
  void Restart(const Event& event);
  bool MayStartAnew(NodeId id) const;
  void ArmDisk(const Fault& fault, NodeId id, const DiskFault& disk_fault);
  void Cut(Active& active, NodeId from, NodeId to);
  void CutGroup(Active& active);
  void CutLink(Active& active);
  void MendCuts(Active& active);
  void Turn(std::size_t number);
  void ClogAround(NodeId id, bool on);

  SimNode& node(NodeId id) { return *nodes_[id.value - 1]; }
  Duration& downtime(NodeId id) { return downtime_[id.value - 1]; }

  const Plan& plan_;
  Nodes& nodes_;
  Network& network_;
  Clients& clients_;
  Scheduler& scheduler_;
  Trace& trace_;
  story::Teller& story_;
  ProbeCounts& probes_;
  Operator& operators_;
  const Judge& judge_;

  std::vector<Duration> downtime_;  // by node: of a crash or stop that is to come
  std::deque<Active> active_;       // they stay where they are: one may begin while another ends
  bool healed_ = false;
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_NEMESIS_H_
