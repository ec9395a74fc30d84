// Those who run the cluster: they add machines, remove, replace, promote and demote members, and
// hand leadership over, while everything else goes on. One request at a time, repeated at one
// member after the other until it is answered for certain, or given up after its patience. A
// machine that is being added is not given up: it may have been added already.

#ifndef LOCKSTEP_SIM_OPERATOR_H_
#define LOCKSTEP_SIM_OPERATOR_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "core/random.h"
#include "core/replica.h"
#include "sim/node.h"
#include "sim/plan.h"
#include "sim/probes.h"
#include "sim/scheduler.h"
#include "sim/trace.h"

namespace lockstep::sim {

using Nodes = std::vector<std::unique_ptr<SimNode>>;

class Operator {
 public:
  // REQUIRES: everything named outlives this.
  Operator(const Plan& plan, Nodes& nodes, const Random& random, Scheduler& scheduler, Trace& trace,
           ProbeCounts& probes);

  // Requests with ids from here on are the operators'; not as many as would reach the next room.
  static constexpr std::uint64_t kFirstRequest = std::uint64_t{1} << 47;

  // Whether a fault is a request of the operators'.
  static bool IsRequest(FaultKind kind);

  // `node` is the one that the request names, 0 if it names none; `group` as in Fault.
  void Ask(FaultKind kind, NodeId node, std::uint64_t group);

  void Answer(const Reply& reply);
  // A kOperatorTimer event.
  void Handle(const Event& event);

  // Nothing is asked for any more, but that a machine which may have been added is.
  void Heal();
  bool idle() const { return !task_ && queue_.empty(); }

 private:
  struct Task {
    FaultKind kind;
    NodeId node;  // that it names
    std::uint64_t group = 0;
    NodeId added;  // the machine that joins, 0 if none
    SimTime give_up;
  };

  void Next();
  void Try();
  void Done();
  NodeId PickTarget();
  // What makes the members in `group` voters and all others learners, as `seen` by the operator.
  static std::vector<raft::StandingChange> Reshape(const raft::Membership& seen,
                                                   std::uint64_t group);
  std::variant<raft::MembershipChange, TransferLeadership> BodyOf(const Task& task,
                                                                  NodeId target) const;

  const Plan& plan_;
  Nodes& nodes_;
  Random random_;
  Scheduler& scheduler_;
  Trace& trace_;
  ProbeCounts& probes_;

  std::deque<Task> queue_;
  std::optional<Task> task_;
  NodeId next_machine_;                    // to be added; beyond the last when all are
  NodeId leader_;                          // as last heard
  std::uint64_t attempt_ = kFirstRequest;  // the id of the last request
  bool healed_ = false;
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_OPERATOR_H_
