#include "sim/operator.h"

#include <utility>

#include "core/raft/node.h"
#include "sim/violation.h"

namespace lockstep::sim {

Operator::Operator(const Plan& plan, Nodes& nodes, const Random& random, Scheduler& scheduler,
                   Trace& trace, ProbeCounts& probes)
    : plan_(plan),
      nodes_(nodes),
      random_(random),
      scheduler_(scheduler),
      trace_(trace),
      probes_(probes),
      next_machine_({static_cast<std::uint64_t>(plan.settings.nodes - plan.settings.spares) + 1}) {}

bool Operator::IsRequest(FaultKind kind) {
  return kind == FaultKind::kJoin || kind == FaultKind::kReplace || kind == FaultKind::kLeave ||
         kind == FaultKind::kPromote || kind == FaultKind::kDemote ||
         kind == FaultKind::kTransfer || kind == FaultKind::kPrefer || kind == FaultKind::kReshape;
}

void Operator::Ask(FaultKind kind, NodeId node, std::uint64_t group) {
  queue_.push_back({.kind = kind, .node = node, .group = group, .added = {}, .give_up = {}});
  if (!task_) {
    Next();
  }
}

void Operator::Next() {
  while (!task_ && !queue_.empty()) {
    Task task = queue_.front();
    queue_.pop_front();
    if (task.kind == FaultKind::kJoin || task.kind == FaultKind::kReplace) {
      if (next_machine_.value > nodes_.size()) {
        continue;  // there is no machine left
      }
      task.added = next_machine_;
    }
    task.give_up = scheduler_.now() + Microseconds(10 * plan_.settings.election_timeout_us);
    task_ = task;
    Try();
  }
}

std::variant<raft::MembershipChange, TransferLeadership> Operator::BodyOf(const Task& task,
                                                                          NodeId target) const {
  raft::MembershipChange change;
  switch (task.kind) {
    case FaultKind::kJoin:
    case FaultKind::kReplace:
      change.add =
          raft::NewMember{.incarnation = nodes_[task.added.value - 1]->first_incarnation(),
                          .replaces = task.kind == FaultKind::kReplace ? task.node : NodeId()};
      return change;
    case FaultKind::kLeave:
      change.standings = {{task.node, raft::Standing::kNone}};
      return change;
    case FaultKind::kPromote:
      change.standings = {{task.node, raft::Standing::kVoter}};
      return change;
    case FaultKind::kDemote:
      change.standings = {{task.node, raft::Standing::kLearner}};
      return change;
    case FaultKind::kPrefer:
      change.updates = {{.id = task.node, .priority = static_cast<std::uint32_t>(attempt_ % 5)}};
      return change;
    case FaultKind::kReshape:
      change.standings =
          Reshape(nodes_[target.value - 1]->replica().node().membership().membership, task.group);
      return change;
    default:
      return TransferLeadership{task.node};
  }
}

std::vector<raft::StandingChange> Operator::Reshape(const raft::Membership& seen,
                                                    std::uint64_t group) {
  std::vector<raft::StandingChange> changes;
  for (const auto& [id, member] : seen.members) {
    const bool is_to_vote = (group >> (id.value - 1) & 1) != 0;
    if (is_to_vote != member.voter) {
      changes.push_back({id, is_to_vote ? raft::Standing::kVoter : raft::Standing::kLearner});
    }
  }
  return changes;
}

// The leader as last heard of, or any machine that runs.
NodeId Operator::PickTarget() {
  if (leader_ != NodeId() && nodes_[leader_.value - 1]->running()) {
    return std::exchange(leader_, NodeId());
  }
  std::vector<NodeId> running;
  for (const std::unique_ptr<SimNode>& node : nodes_) {
    if (node->running()) {
      running.push_back(node->id());
    }
  }
  return running.empty() ? NodeId() : running[random_.Below(running.size())];
}

void Operator::Try() {
  const bool may_have_happened = task_->added != NodeId();
  if (!may_have_happened && (healed_ || scheduler_.now() >= task_->give_up)) {
    return Done();
  }
  ++attempt_;
  scheduler_.After(Microseconds(plan_.settings.attempt_timeout_us), EventKind::kOperatorTimer, 0, 0,
                   attempt_);
  const NodeId target = PickTarget();
  if (target == NodeId()) {
    return;
  }
  Request request{.id = {attempt_}, .deadline = {}, .body = {}};
  std::visit([&](const auto& body) { request.body = body; }, BodyOf(*task_, target));
  nodes_[target.value - 1]->Submit(std::move(request),
                                   Microseconds(plan_.settings.attempt_timeout_us));
}

// What is asked next is asked in an event of its own: a node may be handing out answers.
void Operator::Done() {
  task_.reset();
  ++attempt_;
  scheduler_.After(Microseconds(1), EventKind::kOperatorTimer, 0, 0, attempt_);
}

void Operator::Handle(const Event& event) {
  if (event.payload != attempt_) {
    return;
  }
  if (task_) {
    Try();
  } else {
    Next();
  }
}

void Operator::Answer(const Reply& reply) {
  trace_.Add(reply.result.index());
  if (!task_ || reply.id.value != attempt_) {
    return;
  }
  if (const auto* refusal = std::get_if<Refusal>(&reply.result)) {
    switch (refusal->kind) {
      case RefusalKind::kNotLeader:
        leader_ = refusal->leader;
        break;  // the timer asks again
      case RefusalKind::kInvalid:
        probes_.Count(Probe::kMembershipChangeInvalid);
        // What a machine was to replace has gone: it joins for itself.
        if (task_->kind == FaultKind::kReplace) {
          task_->kind = FaultKind::kJoin;
          break;
        }
        return Done();
      case RefusalKind::kNotReady:
        probes_.Count(Probe::kMembershipChangeRefused);
        break;
      default:
        break;
    }
    return;
  }
  if (const auto* changed = std::get_if<MembershipChanged>(&reply.result)) {
    probes_.Count(Probe::kMembershipChanged);
    if (task_->added != NodeId()) {
      if (changed->added != task_->added) {
        throw Violation("members keep their ids", "machine " + std::to_string(task_->added.value) +
                                                      " was added as node " +
                                                      std::to_string(changed->added.value));
      }
      nodes_[task_->added.value - 1]->Join();
      next_machine_ = next_machine_.Next();
    }
  } else if (std::holds_alternative<LeadershipTransferred>(reply.result)) {
    probes_.Count(Probe::kLeadershipTransferred);
  }
  Done();
}

void Operator::Heal() {
  healed_ = true;
  queue_.clear();
  if (task_ && task_->added == NodeId()) {
    task_.reset();
  }
}

}  // namespace lockstep::sim
