#include "sim/world.h"

#include <algorithm>

#include "core/kv/machine.h"
#include "core/raft/node.h"
#include "sim/describe.h"
#include "sim/disk/vfs.h"
#include "sim/oracles/linearizability.h"
#include "sim/oracles/linearizability_proof.h"
#include "sim/oracles/liveness.h"
#include "sim/oracles/majorities.h"
#include "sim/plan_text.h"
#include "sim/violation.h"

namespace lockstep::sim {
namespace {

// The streams of a plan's seed while it runs. plan_draw.cc uses others.
enum Stream : std::uint64_t { kNetwork = 1000, kNodes, kClients, kSqlite, kOperators };

// Requests from here on are not the clients'.
constexpr std::uint64_t kFirstStoryRequest = std::uint64_t{1} << 48;

}  // namespace

World::World(const Plan& plan, Trace& trace)
    : plan_(plan),
      trace_(trace),
      story_(trace, scheduler_, static_cast<std::size_t>(plan.settings.nodes)),
      judge_(static_cast<std::size_t>(plan.settings.nodes), probes_),
      network_(NetworkSettingsOf(plan.settings), static_cast<std::size_t>(plan.settings.nodes),
               static_cast<std::size_t>(plan.settings.clients), Random(plan.seed).Child(kNetwork),
               scheduler_, probes_),
      clients_(plan, Random(plan.seed).Child(kClients), scheduler_, network_, judge_, trace_,
               probes_, story_,
               [this](NodeId id, Request request, Duration patience) {
                 SimNode& target = node(id);
                 const bool listens = target.running();
                 target.Submit(std::move(request), patience);
                 return listens;
               }),
      operators_(plan, nodes_, Random(plan.seed).Child(kOperators), scheduler_, trace, probes_),
      nemesis_(plan, nodes_, network_, clients_, scheduler_, trace, story_, probes_, operators_,
               judge_) {
  judge_.Begin(BeginningOf(plan.settings));
  if (plan.settings.trust_clocks != 0) {
    judge_.clocks().Trust();
  }
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
          } else if (reply.id.value >= Operator::kFirstRequest) {
            operators_.Answer(reply);
          } else {
            clients_.Answer(node, std::move(reply));
          }
        }));
  }
}

void World::Start() {
  // What begins with the run is there before the nodes are: their first starts can fail too.
  for (; next_fault_ < plan_.faults.size() && plan_.faults[next_fault_].at == SimTime{};
       ++next_fault_) {
    BeginFault(plan_.faults[next_fault_]);
  }
  for (const std::unique_ptr<SimNode>& node : nodes_) {
    if (node->may_start()) {
      node->Start();
    }
  }
  nemesis_.CrashWhatIsDue();
  ScheduleNextOperation();
  ScheduleNextFault();
}

void World::Run(std::optional<std::uint64_t> events_max) {
  events_max_ = events_max;
  const SimTime faults_end = SimTime{} + Microseconds(plan_.settings.fault_phase_us);
  RunUntil(faults_end);
  Heal();
  while (!Settled() && MajorityIsLeft()) {
    Step();
    catching_up_.Look(*this);
    if (operations_begun_ == plan_.operations.size()) {
      // Counted anew for each operation: clients may have a queue of them.
      CheckLiveness(*this, std::max(faults_end, clients_.waiting_since()));
    }
  }
  if (!MajorityIsLeft()) {
    // Nothing will come right; what is left must still do no wrong.
    RunUntil(now() + Microseconds(20 * plan_.settings.election_timeout_us));
    clients_.GiveUp();
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
  nemesis_.CrashWhatIsDue();
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
        node(NodeId{event.target}).Receive(*message);
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
    case EventKind::kOperatorTimer:
      operators_.Handle(event);
      return;
    case EventKind::kFaultEnd:
    case EventKind::kFaultTurn:
    case EventKind::kRestart:
      nemesis_.Handle(event);
      return;
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

std::size_t World::BeginFault(const Fault& fault) { return nemesis_.Begin(fault); }

void World::EndFault(std::size_t number) { nemesis_.End(number); }

void World::Heal() {
  healed_ = true;
  nemesis_.Heal();
  clients_.BePatient();
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

NodeId World::Leader() const { return LeaderOf(nodes_); }

bool World::Settled() const {
  if (!clients_.idle() || !operators_.idle() || operations_begun_ < plan_.operations.size()) {
    return false;
  }
  const NodeId leader = Leader();
  if (leader == NodeId()) {
    return false;
  }
  const raft::Node& leading = node(leader).replica().node();
  return std::all_of(nodes_.begin(), nodes_.end(),
                     [&](const auto& each) { return HasSettled(*each, leading); });
}

bool World::HasSettled(const SimNode& node, const raft::Node& leader) const {
  const raft::Membership& members = leader.committed_membership().membership;
  const raft::Member* member = members.Find(node.id());
  if (node.is_another()) {
    // It is told so by those whom it knows; they may all have been replaced.
    return node.given_up() || member == nullptr;
  }
  if (member == nullptr) {
    // Who was removed learns it, unless it never heard of anybody.
    return !node.running() || node.replica().node().membership().membership == raft::Membership();
  }
  if (!node.running()) {
    return node.given_up();
  }
  const raft::Node& raft = node.replica().node();
  return !member->promote && !member->outgoing && raft.current_term() == leader.current_term() &&
         raft.leader() == leader.config().id &&
         node.replica().machine().applied_index() == leader.log().last_index() &&
         HasNothingToDo(node);
}

bool World::MajorityIsLeft() const {
  const auto is_lost = [](const SimNode& each) { return each.given_up() || each.is_another(); };
  if (std::none_of(nodes_.begin(), nodes_.end(),
                   [&](const auto& each) { return is_lost(*each); })) {
    return true;  // said quickly, for it is asked after every event
  }
  const auto is_left = [&](NodeId id) { return !is_lost(node(id)); };
  return LacksMajority(judge_.committed_membership(), is_left).empty() &&
         std::all_of(nodes_.begin(), nodes_.end(), [&](const auto& each) {
           if (!each->running() || each->is_another()) {
             return true;
           }
           const raft::Membership& members = each->replica().node().membership().membership;
           return members == raft::Membership() || LacksMajority(members, is_left).empty();
         });
}

// No read waits, and state.db lags by less than what makes a checkpoint.
bool World::HasNothingToDo(const SimNode& node) const {
  const Status status = node.replica().GetStatus(Instant{});
  const std::uint64_t lag = status.summary.applied_index.value - status.checkpoint_index.value;
  return status.pending_reads == 0 &&
         lag < static_cast<std::uint64_t>(plan_.settings.checkpoint_entries);
}

Duration World::SettlingBound() const {
  const Settings& settings = plan_.settings;
  // Elections and retries take a number of timeouts; a follower that has to catch up needs a round
  // trip and a disk write for each append; a snapshot may have to be given up and sent again.
  const std::int64_t round_trip_us = 2 * (settings.delay_min_us + settings.delay_spread_us) +
                                     settings.disk_min_us + settings.disk_spread_us;
  const auto entries = static_cast<std::int64_t>(judge_.canonical().last_index().value);
  // Each machine that still joins does so in several rounds.
  const std::int64_t elections = 40 + 20 * settings.spares;
  return Microseconds(elections * settings.election_timeout_us + 8 * settings.attempt_timeout_us +
                      4 * settings.snapshot_timeout_us + settings.delay_tail_us +
                      entries * round_trip_us);
}

}  // namespace lockstep::sim
