#include "sim/world.h"

#include <algorithm>

#include "core/kv/machine.h"
#include "core/raft/node.h"
#include "sim/describe.h"
#include "sim/disk/vfs.h"
#include "sim/oracles/linearizability.h"
#include "sim/oracles/linearizability_proof.h"
#include "sim/plan_text.h"
#include "sim/violation.h"

namespace lockstep::sim {
namespace {

// The streams of a plan's seed while it runs. plan_draw.cc uses others.
enum Stream : std::uint64_t { kNetwork = 1000, kNodes, kClients, kSqlite };

// Requests from here on are not the clients'.
constexpr std::uint64_t kFirstStoryRequest = std::uint64_t{1} << 48;

bool InGroup(std::uint64_t group, std::size_t node_index) { return (group >> node_index & 1) != 0; }

}  // namespace

World::World(const Plan& plan, Trace& trace)
    : plan_(plan),
      trace_(trace),
      story_(trace, scheduler_, static_cast<std::size_t>(plan.settings.nodes)),
      judge_(static_cast<std::size_t>(plan.settings.nodes), probes_),
      network_(NetworkSettingsOf(plan.settings), static_cast<std::size_t>(plan.settings.nodes),
               static_cast<std::size_t>(plan.settings.clients), Random(plan.seed).Child(kNetwork),
               scheduler_, probes_),
      downtime_(static_cast<std::size_t>(plan.settings.nodes)),
      clients_(plan, Random(plan.seed).Child(kClients), scheduler_, network_, judge_, trace_,
               probes_, story_, [this](NodeId id, Request request, Duration patience) {
                 SimNode& target = node(id);
                 const bool listens = target.running();
                 target.Submit(std::move(request), patience);
                 return listens;
               }) {
  network_.TellTo(story_);
  SeedSqlite(Random(plan.seed).Child(kSqlite).Next());
  const Random nodes = Random(plan.seed).Child(kNodes);
  for (std::uint64_t id = 1; id <= static_cast<std::uint64_t>(plan.settings.nodes); ++id) {
    nodes_.push_back(std::make_unique<SimNode>(
        NodeId{id}, plan.settings, plan.clocks[id - 1], nodes.Child(id),
        Surroundings{scheduler_, network_, judge_, trace_, probes_, story_},
        [this](NodeId node, Reply reply) {
          if (reply.id.value >= kFirstStoryRequest) {
            story_answers_.emplace(reply.id, std::move(reply));
          } else {
            clients_.Answer(node, std::move(reply));
          }
        }));
  }
}

void World::Start() {
  for (const std::unique_ptr<SimNode>& node : nodes_) {
    node->Start();
  }
  ScheduleNextOperation();
  ScheduleNextFault();
}

void World::Run(std::optional<std::uint64_t> events_max) {
  events_max_ = events_max;
  const SimTime faults_end = SimTime{} + Microseconds(plan_.settings.fault_phase_us);
  RunUntil(faults_end);
  Heal();
  while (!Settled()) {
    Step();
    // Counted anew for each operation: clients may have a queue of them.
    const SimTime limit = std::max(faults_end, clients_.waiting_since()) + SettlingBound();
    if (now() > limit && operations_begun_ == plan_.operations.size()) {
      throw Violation("liveness",
                      "for " + std::to_string(SettlingBound().ns / 1'000'000) +
                          " ms without faults, not all is well:\n" + Describe(),
                      clients_.Waiting());
    }
  }
  judge_.CheckEnd();
  const history::History resolved = clients_.ResolvedHistory(judge_.exactly_once(), now());
  const absl::StatusOr<history::CheckReport> report = history::CheckLinearizability(resolved);
  if (!report.ok()) {
    throw Violation("histories are well-formed", report.status().ToString());
  }
  if (report->verdict == history::Verdict::kIllegal) {
    std::vector<Evidence> evidence;
    for (const std::size_t operation : history::ProofOf(resolved, report->violations.front())) {
      evidence.push_back({.kind = Evidence::Kind::kOperation, .operation = operation});
    }
    throw Violation("linearizability", report->violations.front().text, evidence);
  }
  if (report->verdict == history::Verdict::kGaveUp) {
    probes_.Count(Probe::kHistoryTooHardToCheck);
  }
}

void World::Step() {
  if (events_max_.has_value() && events() >= *events_max_) {
    throw OutOfEvents{};
  }
  const Event event = scheduler_.Pop();
  trace_.Add(static_cast<std::uint64_t>(event.time.ns));
  trace_.Add(static_cast<std::uint64_t>(event.kind) << 32 | event.target);
  Dispatch(event);
  CrashWhatIsDue();
}

void World::RunUntil(SimTime time) {
  while (!scheduler_.empty() && scheduler_.next_time() <= time) {
    Step();
  }
  scheduler_.IdleUntil(time);
}

void World::Dispatch(const Event& event) {
  switch (event.kind) {
    case EventKind::kDeliver: {
      const std::optional<raft::Message> message = network_.Take(event);
      if (message.has_value()) {
        node(message->to).Receive(*message);
      }
      return;
    }
    case EventKind::kDeadline:
    case EventKind::kLogExecute:
    case EventKind::kLogReport:
    case EventKind::kStateExecute:
    case EventKind::kStateReport:
    case EventKind::kSnapshotRead:
      node(NodeId{event.target}).Handle(event);
      return;
    case EventKind::kRequest:
    case EventKind::kReply:
    case EventKind::kClientTimer:
      clients_.Handle(event);
      return;
    case EventKind::kClientOperation:
      clients_.Begin(plan_.operations[event.payload]);
      ++operations_begun_;
      ScheduleNextOperation();
      return;
    case EventKind::kFault:
      if (!healed_) {
        BeginFault(plan_.faults[event.payload]);
      }
      ScheduleNextFault();
      return;
    case EventKind::kFaultEnd:
      EndFault(event.payload);
      return;
    case EventKind::kRestart: {
      SimNode& target = node(NodeId{event.target});
      if (!target.running() && target.incarnation() == event.incarnation) {
        target.Start();
      }
      return;
    }
  }
}

void World::ScheduleNextOperation() {
  if (next_operation_ < plan_.operations.size()) {
    scheduler_.At(plan_.operations[next_operation_].at, EventKind::kClientOperation, 0, 0,
                  next_operation_);
    ++next_operation_;
  }
}

void World::ScheduleNextFault() {
  if (next_fault_ < plan_.faults.size()) {
    scheduler_.At(plan_.faults[next_fault_].at, EventKind::kFault, 0, 0, next_fault_);
    ++next_fault_;
  }
}

// ---- Faults

void World::CrashWhatIsDue() {
  for (const std::unique_ptr<SimNode>& node : nodes_) {
    if (node->crash_is_due()) {
      CrashNode(*node, downtime_[node->id().value - 1]);
    }
  }
}

void World::CrashNode(SimNode& node, Duration downtime) {
  node.Crash();
  const Duration timeout = Microseconds(plan_.settings.election_timeout_us);
  probes_.Count(downtime < timeout ? Probe::kRestartWithinElectionTimeout
                                   : Probe::kRestartAfterElectionTimeout);
  const bool all_down =
      std::none_of(nodes_.begin(), nodes_.end(), [](const auto& each) { return each->running(); });
  if (all_down) {
    probes_.Count(Probe::kWholeClusterDown);
  }
  scheduler_.After(healed_ ? Duration{} : downtime, EventKind::kRestart,
                   static_cast<std::uint16_t>(node.id().value), node.incarnation());
}

std::size_t World::BeginFault(const Fault& fault) {
  const std::size_t number = active_.size();
  ActiveFault& active = active_.emplace_back();
  active.fault = fault;
  active.node = fault.node == kWhoeverLeads ? Leader() : NodeId{fault.node};
  const FaultShape& shape = ShapeOf(fault.kind);
  if (shape.node && active.node == NodeId()) {
    active.ended = true;  // nobody leads
    return number;
  }
  story_.FaultBegan(number, fault, active.node);
  trace_.Add(static_cast<std::uint64_t>(fault.kind) << 8 | active.node.value);
  const auto count = static_cast<std::uint64_t>(fault.amount);
  switch (fault.kind) {
    case FaultKind::kCrash:
      if (node(active.node).running()) {
        CrashNode(node(active.node), fault.lasts);
      }
      break;
    case FaultKind::kCrashInStorage:
      if (node(active.node).running()) {
        downtime_[active.node.value - 1] = fault.lasts;
        node(active.node).CutPowerAtChange(count);
      }
      break;
    case FaultKind::kCrashInWrite:
      downtime_[active.node.value - 1] = fault.lasts;
      node(active.node)
          .CrashAt(number % 2 == 0 ? CrashPoint::kBeforeStoring : CrashPoint::kAfterStoring);
      break;
    case FaultKind::kCrashAll:
      for (std::size_t i = 0; i < nodes_.size(); ++i) {
        if (nodes_[i]->running()) {
          // Each takes its own time to start, the last one all of it.
          CrashNode(*nodes_[i], fault.lasts * static_cast<std::int64_t>(i + 1) /
                                    static_cast<std::int64_t>(nodes_.size()));
        }
      }
      break;
    case FaultKind::kPause:
      if (active.node == Leader()) {
        probes_.Count(Probe::kLeaderPaused);
      }
      node(active.node).Pause();
      break;
    case FaultKind::kPartition:
    case FaultKind::kOneWay:
    case FaultKind::kCutLink:
    case FaultKind::kIsolate:
      CutFault(active);
      break;
    case FaultKind::kSlowLink:
      network_.SlowDown(active.node, NodeId{fault.peer}, Microseconds(fault.amount));
      break;
    case FaultKind::kLoss:
      network_.AddLoss(fault.amount);
      break;
    case FaultKind::kDelay:
      network_.AddDelay(Microseconds(fault.amount));
      break;
    case FaultKind::kClockJump:
      probes_.Count(Probe::kClockJumped);
      node(active.node).clock().Jump(Microseconds(fault.amount), now());
      node(active.node).ClockChanged();
      break;
    case FaultKind::kClockStall:
      probes_.Count(Probe::kClockStalled);
      node(active.node).clock().Stall(now());
      node(active.node).ClockChanged();
      break;
    case FaultKind::kClockDrift:
      node(active.node).clock().SetDrift(fault.amount, now());
      node(active.node).ClockChanged();
      break;
    case FaultKind::kSlowDisk:
      node(active.node).SlowDiskDown(Microseconds(fault.amount));
      break;
    case FaultKind::kCheckpoint:
      node(active.node).RequestCheckpoint();
      break;
  }
  if (shape.lasts) {
    scheduler_.After(fault.lasts, EventKind::kFaultEnd, 0, 0, number);
  }
  return number;
}

void World::Cut(ActiveFault& active, NodeId from, NodeId to) {
  if (from != to) {
    network_.Cut(from, to);
    active.cuts.emplace_back(from, to);
  }
}

void World::CutFault(ActiveFault& active) {
  const Fault& fault = active.fault;
  if (fault.kind == FaultKind::kCutLink) {
    Cut(active, active.node, NodeId{fault.peer});
    Cut(active, NodeId{fault.peer}, active.node);
    return;
  }
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
  } else if (fault.kind == FaultKind::kIsolate && active.node == Leader()) {
    probes_.Count(Probe::kLeaderIsolated);
  } else if (2 * inside != nodes_.size()) {
    probes_.Count(Probe::kMinorityCutOff);
  }
}

void World::EndFault(std::size_t number) {
  ActiveFault& active = active_[number];
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
      for (const auto& [from, to] : active.cuts) {
        network_.Mend(from, to);
      }
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
    case FaultKind::kClockStall:
      node(active.node).clock().Resume(now());
      node(active.node).ClockChanged();
      break;
    case FaultKind::kClockDrift:
      node(active.node).clock().SetDrift(plan_.clocks[active.node.value - 1].drift_ppm, now());
      node(active.node).ClockChanged();
      break;
    case FaultKind::kSlowDisk:
      node(active.node).SlowDiskDown(Duration{} - Microseconds(fault.amount));
      break;
    case FaultKind::kCrash:
    case FaultKind::kCrashInStorage:
    case FaultKind::kCrashInWrite:
    case FaultKind::kCrashAll:
    case FaultKind::kClockJump:
    case FaultKind::kCheckpoint:
      return;  // they end by themselves
  }
  story_.FaultEnded(number, fault, active.node);
}

void World::Heal() {
  healed_ = true;
  story_.Healed();
  for (std::size_t i = 0; i < active_.size(); ++i) {
    EndFault(i);
  }
  network_.Calm();
  clients_.BePatient();
  CrashWhatIsDue();  // work that waited for the end of a pause may have met an armed power cut
  for (const std::unique_ptr<SimNode>& node : nodes_) {
    node->DisarmCrashes();
    node->Calm();
    if (!node->running()) {
      node->Start();
    }
  }
}

RequestId World::Submit(NodeId to, decltype(Request::body) body, Duration patience) {
  last_story_request_ = RequestId{std::max(last_story_request_.value + 1, kFirstStoryRequest)};
  const RequestId id = last_story_request_;
  node(to).Submit(Request{.id = id, .deadline = {}, .body = std::move(body)}, patience);
  return id;
}

const Reply* World::AnswerTo(RequestId request) const {
  const auto found = story_answers_.find(request);
  return found == story_answers_.end() ? nullptr : &found->second;
}

// ---- The end

NodeId World::Leader() const {
  NodeId leader;
  Term term;
  for (const std::unique_ptr<SimNode>& node : nodes_) {
    if (node->running() && node->replica().node().role() == Role::kLeader &&
        node->replica().node().current_term() > term) {
      leader = node->id();
      term = node->replica().node().current_term();
    }
  }
  return leader;
}

bool World::Settled() const {
  if (!clients_.idle() || operations_begun_ < plan_.operations.size()) {
    return false;
  }
  const NodeId leader = Leader();
  if (leader == NodeId()) {
    return false;
  }
  const Term term = node(leader).replica().node().current_term();
  const Index last = node(leader).replica().node().log().last_index();
  return std::all_of(nodes_.begin(), nodes_.end(), [&](const auto& each) {
    const raft::Node& raft =
        each->running() ? each->replica().node() : node(leader).replica().node();
    return each->running() && raft.current_term() == term && raft.leader() == leader &&
           each->replica().machine().summary().applied_index == last;
  });
}

Duration World::SettlingBound() const {
  const Settings& settings = plan_.settings;
  // Elections and retries take a number of timeouts; a follower that has to catch up needs a round
  // trip and a disk write for each append; a snapshot may have to be given up and sent again.
  const std::int64_t round_trip_us = 2 * (settings.delay_min_us + settings.delay_spread_us) +
                                     settings.disk_min_us + settings.disk_spread_us;
  const auto entries = static_cast<std::int64_t>(judge_.canonical().last_index().value);
  return Microseconds(40 * settings.election_timeout_us + 8 * settings.attempt_timeout_us +
                      4 * settings.snapshot_timeout_us + settings.delay_tail_us +
                      entries * round_trip_us);
}

std::string World::Describe() const {
  std::string text;
  for (const std::unique_ptr<SimNode>& node : nodes_) {
    text += NodeName(node->id()) + ": ";
    if (!node->running()) {
      text += "down\n";
      continue;
    }
    const raft::Node& raft = node->replica().node();
    text += std::string(Name(raft.role())) + (node->paused() ? ", paused" : "") + ", term " +
            std::to_string(raft.current_term().value) + ", leader " +
            std::to_string(raft.leader().value) + ", log (" +
            std::to_string(raft.log().base().index.value) + ", " +
            std::to_string(raft.log().last_index().value) + "], durable " +
            std::to_string(raft.durable_index().value) + ", commit " +
            std::to_string(raft.commit_index().value) + ", applied " +
            std::to_string(node->replica().machine().summary().applied_index.value) +
            (raft.installing() ? ", installing" : "") + "\n";
  }
  return text + clients_.DescribeWaiting();
}

}  // namespace lockstep::sim
