#include "sim/nemesis.h"

#include <algorithm>

#include "core/raft/node.h"

namespace lockstep::sim {
namespace {

bool InGroup(std::uint64_t group, std::size_t node_index) { return (group >> node_index & 1) != 0; }

std::uint64_t Count(const Fault& fault) { return static_cast<std::uint64_t>(fault.amount); }

}  // namespace

NodeId LeaderOf(const Nodes& nodes) {
  NodeId leader;
  Term term;
  for (const std::unique_ptr<SimNode>& node : nodes) {
    if (node->running() && node->replica().node().role() == Role::kLeader &&
        node->replica().node().current_term() > term) {
      leader = node->id();
      term = node->replica().node().current_term();
    }
  }
  return leader;
}

Nemesis::Nemesis(const Plan& plan, Nodes& nodes, Network& network, Clients& clients,
                 Scheduler& scheduler, Trace& trace, story::Teller& story, ProbeCounts& probes,
                 Operator& operators, const Judge& judge)
    : plan_(plan),
      nodes_(nodes),
      network_(network),
      clients_(clients),
      scheduler_(scheduler),
      trace_(trace),
      story_(story),
      probes_(probes),
      operators_(operators),
      judge_(judge),
      downtime_(static_cast<std::size_t>(plan.settings.nodes),
                Microseconds(plan.settings.election_timeout_us)) {}

std::vector<FaultKind> Nemesis::Begun() const {
  std::vector<FaultKind> kinds;
  for (const Active& active : active_) {
    if (!ShapeOf(active.fault.kind).node || active.node != NodeId()) {
      kinds.push_back(active.fault.kind);
    }
  }
  return kinds;
}

std::size_t Nemesis::Begin(const Fault& fault) {
  const std::size_t number = active_.size();
  Active& active = active_.emplace_back();
  active.fault = fault;
  const FaultShape& shape = ShapeOf(fault.kind);
  if (shape.node) {
    active.node = fault.node == kWhoeverLeads ? LeaderOf(nodes_) : NodeId{fault.node};
    if (active.node == NodeId()) {
      active.ended = true;  // nobody leads
      return number;
    }
  }
  const NodeId id = active.node;
  story_.FaultBegan(number, fault, id);
  trace_.Add(static_cast<std::uint64_t>(fault.kind) << 8 | id.value);
  switch (fault.kind) {
    case FaultKind::kCrash:
    case FaultKind::kCrashInStorage:
    case FaultKind::kCrashInWrite:
    case FaultKind::kCrashAll:
    case FaultKind::kPause:
    case FaultKind::kCheckpoint:
    case FaultKind::kCrashInStart:
    case FaultKind::kCrashInState:
      BeginOnProcess(fault, id, number);
      break;
    case FaultKind::kPartition:
    case FaultKind::kOneWay:
    case FaultKind::kCutLink:
    case FaultKind::kIsolate:
    case FaultKind::kSlowLink:
    case FaultKind::kLoss:
    case FaultKind::kDelay:
    case FaultKind::kFlapLink:
    case FaultKind::kClog:
    case FaultKind::kCutSnapshot:
      BeginOnNetwork(number);
      break;
    case FaultKind::kClockJump:
    case FaultKind::kClockStall:
    case FaultKind::kClockDrift:
    case FaultKind::kClockStepBack:
      BeginOnClock(fault, id);
      break;
    case FaultKind::kSlowDisk:
    case FaultKind::kDiskError:
    case FaultKind::kReadError:
    case FaultKind::kSyncError:
    case FaultKind::kDiskFull:
    case FaultKind::kDiskStall:
    case FaultKind::kReadRot:
    case FaultKind::kPageRot:
    case FaultKind::kBitRot:
    case FaultKind::kLyingDisk:
    case FaultKind::kWipe:
    case FaultKind::kStartAnew:
      BeginOnDisk(fault, id);
      break;
    case FaultKind::kClientPause:
    case FaultKind::kClientCut:
    case FaultKind::kClientDuplicate:
    case FaultKind::kClientAbandon:
    case FaultKind::kClientRestart:
      BeginOnClient(fault);
      break;
    case FaultKind::kJoin:
    case FaultKind::kReplace:
    case FaultKind::kLeave:
    case FaultKind::kDemote:
    case FaultKind::kPromote:
    case FaultKind::kPrefer:
    case FaultKind::kReshape:
      operators_.Ask(fault.kind, id, fault.group);
      break;
    case FaultKind::kTransfer:
      operators_.Ask(fault.kind, fault.node == kWhoeverLeads ? NodeId() : id, 0);
      break;
  }
  if (shape.lasts) {
    scheduler_.After(fault.lasts, EventKind::kFaultEnd, 0, 0, number);
  }
  return number;
}

void Nemesis::End(std::size_t number) {
  Active& active = active_[number];
  if (active.ended) {
    return;
  }
  active.ended = true;
  const Fault& fault = active.fault;
  switch (fault.kind) {
    case FaultKind::kPause:
      node(active.node).Resume();
      break;
    case FaultKind::kPartition:
    case FaultKind::kOneWay:
    case FaultKind::kCutLink:
    case FaultKind::kIsolate:
    case FaultKind::kFlapLink:
      MendCuts(active);
      break;
    case FaultKind::kSlowLink:
      network_.SlowDown(active.node, NodeId{fault.peer}, Duration{} - Microseconds(fault.amount));
      break;
    case FaultKind::kLoss:
      network_.AddLoss(-fault.amount);
      break;
    case FaultKind::kDelay:
      network_.AddDelay(Duration{} - Microseconds(fault.amount));
      break;
    case FaultKind::kClog:
      ClogAround(active.node, false);
      break;
    case FaultKind::kClockStall:
      node(active.node).clock().Resume(scheduler_.now());
      node(active.node).ClockChanged();
      break;
    case FaultKind::kClockDrift:
      node(active.node)
          .clock()
          .SetDrift(plan_.clocks[active.node.value - 1].drift_ppm, scheduler_.now());
      node(active.node).ClockChanged();
      break;
    case FaultKind::kSlowDisk:
      node(active.node).SlowDiskDown(Duration{} - Microseconds(fault.amount));
      break;
    case FaultKind::kDiskFull:
      node(active.node).disk().SetFull(false);
      break;
    case FaultKind::kLyingDisk:
      node(active.node).disk().LieAboutSyncs(false);
      break;
    case FaultKind::kClientPause:
      clients_.Resume(fault.client);
      break;
    case FaultKind::kClientCut:
      network_.MendClient(fault.client);
      break;
    case FaultKind::kClientDuplicate:
      clients_.Duplicate(fault.client, false);
      break;
    // They end by themselves; `lasts` of a crash or a stop is how long the node stays down.
    case FaultKind::kCrash:
    case FaultKind::kCrashInStorage:
    case FaultKind::kCrashInWrite:
    case FaultKind::kCrashAll:
    case FaultKind::kCheckpoint:
    case FaultKind::kCrashInStart:
    case FaultKind::kCrashInState:
    case FaultKind::kCutSnapshot:
    case FaultKind::kClockJump:
    case FaultKind::kClockStepBack:
    case FaultKind::kDiskError:
    case FaultKind::kReadError:
    case FaultKind::kSyncError:
    case FaultKind::kDiskStall:
    case FaultKind::kReadRot:
    case FaultKind::kPageRot:
    case FaultKind::kBitRot:
    case FaultKind::kWipe:
    case FaultKind::kClientAbandon:
    case FaultKind::kClientRestart:
    case FaultKind::kJoin:
    case FaultKind::kReplace:
    case FaultKind::kLeave:
    case FaultKind::kDemote:
    case FaultKind::kPromote:
    case FaultKind::kTransfer:
    case FaultKind::kPrefer:
    case FaultKind::kReshape:
    case FaultKind::kStartAnew:
      return;
  }
  story_.FaultEnded(number, fault, active.node);
}

void Nemesis::Handle(const Event& event) {
  if (event.kind == EventKind::kFaultEnd) {
    End(event.payload);
  } else if (event.kind == EventKind::kFaultTurn) {
    Turn(event.payload);
  } else {
    Restart(event);
  }
}

void Nemesis::Heal() {
  healed_ = true;
  operators_.Heal();
  story_.Healed();
  for (std::size_t i = 0; i < active_.size(); ++i) {
    End(i);
  }
  network_.Calm();
  CrashWhatIsDue();  // work that waited for the end of a pause may have met an armed power cut
  for (const std::unique_ptr<SimNode>& node : nodes_) {
    node->DisarmCrashes();
    node->Calm();
    node->clock().CatchUp(scheduler_.now());
    node->ClockChanged();
    if (!node->running() && node->may_start()) {
      node->Start();
    }
  }
  CrashWhatIsDue();  // or the files of a node that started just now
}

// ---- Processes

void Nemesis::BeginOnProcess(const Fault& fault, NodeId id, std::size_t number) {
  if (fault.kind == FaultKind::kCrashAll) {
    return CrashAll(fault.lasts);
  }
  SimNode& struck = node(id);
  const bool runs = struck.running();
  switch (fault.kind) {
    case FaultKind::kCrash:
      return CrashIfRunning(struck, fault.lasts);
    case FaultKind::kCrashInStorage:
      if (runs) {
        downtime(id) = fault.lasts;
        struck.CutPowerAtChange(Count(fault));
      }
      return;
    case FaultKind::kCrashInWrite:
      downtime(id) = fault.lasts;
      return struck.CrashAt(number % 2 == 0 ? CrashPoint::kBeforeStoring
                                            : CrashPoint::kAfterStoring);
    case FaultKind::kCrashInStart:
      downtime(id) = fault.lasts;
      struck.CutPowerInStart(Count(fault));
      return CrashIfRunning(struck, fault.lasts);
    case FaultKind::kCrashInState:
      downtime(id) = fault.lasts;
      return struck.CutPowerInStateWrite(Count(fault));
    case FaultKind::kPause:
      if (id == LeaderOf(nodes_)) {
        probes_.Count(Probe::kLeaderPaused);
      }
      return struck.Pause();
    case FaultKind::kCheckpoint:
      return struck.RequestCheckpoint();
    default:
      return;
  }
}

void Nemesis::CrashWhatIsDue() {
  for (const std::unique_ptr<SimNode>& node : nodes_) {
    if (node->crash_is_due()) {
      Crash(*node, downtime(node->id()));
    }
  }
}

void Nemesis::Crash(SimNode& node, Duration downtime, void (SimNode::*how)()) {
  // A supervisor does not start a process that stops at once again and again without a pause.
  const Duration pause = Microseconds(plan_.settings.election_timeout_us / 10 + 1);
  const Duration down = node.stops_by_itself() ? std::max(downtime, pause) : downtime;
  (node.*how)();
  probes_.Count(down < Microseconds(plan_.settings.election_timeout_us)
                    ? Probe::kRestartWithinElectionTimeout
                    : Probe::kRestartAfterElectionTimeout);
  if (std::none_of(nodes_.begin(), nodes_.end(),
                   [](const auto& each) { return each->running(); })) {
    probes_.Count(Probe::kWholeClusterDown);
  }
  scheduler_.After(healed_ ? pause : down, EventKind::kRestart,
                   static_cast<std::uint16_t>(node.id().value), node.incarnation());
}

void Nemesis::CrashIfRunning(SimNode& node, Duration downtime) {
  if (node.running()) {
    Crash(node, downtime);
  }
}

void Nemesis::CrashAll(Duration within) {
  const auto count = static_cast<std::int64_t>(nodes_.size());
  for (std::int64_t i = 0; i < count; ++i) {
    SimNode& each = *nodes_[static_cast<std::size_t>(i)];
    if (each.running()) {
      // Each takes its own time to start, the last one all of it.
      Crash(each, within * (i + 1) / count);
    }
  }
}

void Nemesis::Restart(const Event& event) {
  SimNode& target = node(NodeId{event.target});
  if (!target.running() && target.may_start() && target.incarnation() == event.incarnation) {
    target.Start();
  }
}

// ---- The network

void Nemesis::BeginOnNetwork(std::size_t number) {
  Active& active = active_[number];
  const Fault& fault = active.fault;
  switch (fault.kind) {
    case FaultKind::kPartition:
    case FaultKind::kOneWay:
    case FaultKind::kIsolate:
      return CutGroup(active);
    case FaultKind::kCutLink:
      return CutLink(active);
    case FaultKind::kSlowLink:
      return network_.SlowDown(active.node, NodeId{fault.peer}, Microseconds(fault.amount));
    case FaultKind::kLoss:
      return network_.AddLoss(fault.amount);
    case FaultKind::kDelay:
      return network_.AddDelay(Microseconds(fault.amount));
    case FaultKind::kFlapLink:
      probes_.Count(Probe::kLinkFlapped);
      return Turn(number);
    case FaultKind::kClog:
      return ClogAround(active.node, true);
    case FaultKind::kCutSnapshot:
      return network_.LoseNextSnapshot(active.node,
                                       [this, from = active.node, lasts = fault.lasts](NodeId to) {
                                         Begin({.at = scheduler_.now(),
                                                .kind = FaultKind::kCutLink,
                                                .node = from.value,
                                                .peer = to.value,
                                                .lasts = lasts});
                                       });
    default:
      return;
  }
}

void Nemesis::Cut(Active& active, NodeId from, NodeId to) {
  if (from != to) {
    network_.Cut(from, to);
    active.cuts.emplace_back(from, to);
  }
}

void Nemesis::CutLink(Active& active) {
  Cut(active, active.node, NodeId{active.fault.peer});
  Cut(active, NodeId{active.fault.peer}, active.node);
}

void Nemesis::MendCuts(Active& active) {
  for (const auto& [from, to] : active.cuts) {
    network_.Mend(from, to);
  }
  active.cuts.clear();
}

void Nemesis::CutGroup(Active& active) {
  const Fault& fault = active.fault;
  const std::uint64_t group =
      fault.kind == FaultKind::kIsolate ? std::uint64_t{1} << (active.node.value - 1) : fault.group;
  std::size_t inside = 0;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    inside += InGroup(group, i) ? 1 : 0;
    for (std::size_t j = 0; j < nodes_.size(); ++j) {
      if (InGroup(group, i) && !InGroup(group, j)) {
        Cut(active, nodes_[i]->id(), nodes_[j]->id());
        if (fault.kind != FaultKind::kOneWay) {
          Cut(active, nodes_[j]->id(), nodes_[i]->id());
        }
      }
    }
  }
  if (fault.kind == FaultKind::kOneWay) {
    probes_.Count(Probe::kOneWayCut);
  } else if (fault.kind == FaultKind::kIsolate && active.node == LeaderOf(nodes_)) {
    probes_.Count(Probe::kLeaderIsolated);
  } else if (2 * inside != nodes_.size()) {
    probes_.Count(Probe::kMinorityCutOff);
  }
}

// A flapping link goes down or comes up.
void Nemesis::Turn(std::size_t number) {
  Active& active = active_[number];
  if (active.ended) {
    return;
  }
  if (active.is_up) {
    CutLink(active);
  } else {
    MendCuts(active);
  }
  active.is_up = !active.is_up;
  scheduler_.After(Microseconds(active.fault.amount), EventKind::kFaultTurn, 0, 0, number);
}

void Nemesis::ClogAround(NodeId id, bool on) {
  for (const std::unique_ptr<SimNode>& other : nodes_) {
    if (other->id() == id) {
      continue;
    }
    if (on) {
      network_.Clog(id, other->id());
      network_.Clog(other->id(), id);
    } else {
      network_.Unclog(id, other->id());
      network_.Unclog(other->id(), id);
    }
  }
}

// ---- Clocks

void Nemesis::BeginOnClock(const Fault& fault, NodeId id) {
  SimNode& struck = node(id);
  const SimTime now = scheduler_.now();
  switch (fault.kind) {
    case FaultKind::kClockJump:
      probes_.Count(Probe::kClockJumped);
      struck.clock().Jump(Microseconds(fault.amount), now);
      break;
    case FaultKind::kClockStall:
      probes_.Count(Probe::kClockStalled);
      struck.clock().Stall(now);
      break;
    case FaultKind::kClockDrift:
      struck.clock().SetDrift(fault.amount, now);
      break;
    case FaultKind::kClockStepBack:
      probes_.Count(Probe::kClockSteppedBack);
      return struck.StepClockBack(Microseconds(fault.amount));
    default:
      return;
  }
  struck.ClockChanged();
}

// ---- Disks

// Whether a node may be started anew: all that may ever vote will refuse other files under its id,
// and with those before it is a minority of the first members, who would be a cluster of their own.
bool Nemesis::MayStartAnew(NodeId id) const {
  const auto others = std::count_if(nodes_.begin(), nodes_.end(),
                                    [](const auto& each) { return each->is_another(); });
  return 2 * (others + 1) < plan_.settings.nodes - plan_.settings.spares &&
         std::all_of(nodes_.begin(), nodes_.end(), [&](const auto& each) {
           return each->id() == id || each->given_up() || judge_.Knows(each->id(), id);
         });
}

void Nemesis::ArmDisk(const Fault& fault, NodeId id, const DiskFault& disk_fault) {
  if (node(id).running()) {
    downtime(id) = fault.lasts;
    node(id).disk().Arm(disk_fault);
  }
}

void Nemesis::BeginOnDisk(const Fault& fault, NodeId id) {
  SimNode& struck = node(id);
  switch (fault.kind) {
    case FaultKind::kSlowDisk:
      return struck.SlowDiskDown(Microseconds(fault.amount));
    case FaultKind::kDiskError:
      return ArmDisk(fault, id, {.kinds = OperationKinds::All(), .nth = Count(fault)});
    case FaultKind::kReadError:
      struck.FailInStart({.kinds = {OperationKind::kRead}, .nth = Count(fault)});
      return CrashIfRunning(struck, fault.lasts);
    case FaultKind::kSyncError:
      return ArmDisk(fault, id, {.kinds = {OperationKind::kSync}, .nth = Count(fault)});
    case FaultKind::kDiskFull:
      downtime(id) = fault.lasts / 4;
      return struck.disk().SetFull(true);
    case FaultKind::kDiskStall:
      probes_.Count(Probe::kDiskStalled);
      return struck.StallDisk(scheduler_.now() + fault.lasts);
    case FaultKind::kReadRot:
      // Which bit it is depends on the fault alone.
      struck.FailInStart({.kinds = {OperationKind::kRead},
                          .nth = Count(fault),
                          .wrong_bit = Random(Count(fault)).Next()});
      return CrashIfRunning(struck, fault.lasts);
    case FaultKind::kPageRot: {
      const auto page_bytes = static_cast<std::uint64_t>(plan_.settings.page_bytes);
      struck.FailInStart({.kinds = {OperationKind::kRead},
                          .nth = 1 + Count(fault) / (8 * page_bytes),
                          .wrong_bit = Count(fault) % (8 * page_bytes),
                          .bytes = page_bytes});
      return CrashIfRunning(struck, fault.lasts);
    }
    case FaultKind::kBitRot:
      if (struck.disk().FlipBitAt(Count(fault))) {
        probes_.Count(Probe::kBitRotted);
      }
      return;
    case FaultKind::kLyingDisk:
      return struck.disk().LieAboutSyncs(true);
    case FaultKind::kWipe:
      if (struck.running()) {
        Crash(struck, fault.lasts, &SimNode::Wipe);
      }
      return;
    case FaultKind::kStartAnew:
      if (struck.running() && MayStartAnew(id)) {
        Crash(struck, fault.lasts, &SimNode::WipeAndForget);
      }
      return;
    default:
      return;
  }
}

// ---- Clients

void Nemesis::BeginOnClient(const Fault& fault) {
  switch (fault.kind) {
    case FaultKind::kClientPause:
      probes_.Count(Probe::kClientPaused);
      return clients_.Pause(fault.client);
    case FaultKind::kClientCut:
      probes_.Count(Probe::kClientCutOff);
      return network_.CutClient(fault.client);
    case FaultKind::kClientDuplicate:
      return clients_.Duplicate(fault.client, true);
    case FaultKind::kClientAbandon:
      return clients_.Abandon(fault.client);
    case FaultKind::kClientRestart:
      probes_.Count(Probe::kClientRestarted);
      return clients_.Restart(fault.client);
    default:
      return;
  }
}

}  // namespace lockstep::sim
