#include "sim/node.h"

#include <algorithm>
#include <utility>

#include "core/kv/codec.h"
#include "core/kv/machine.h"
#include "core/raft/node.h"
#include "sim/describe.h"
#include "sim/oracles/stale_replies.h"
#include "sim/violation.h"

namespace lockstep::sim {
namespace {

// The streams of a node's generator.
enum Stream : std::uint64_t { kElections = 1, kDisk, kCrashes, kSqlite, kIncarnation };

bool IsSpare(const Settings& settings, NodeId id) {
  return id.value > static_cast<std::uint64_t>(settings.nodes - settings.spares);
}

kv::Summary SummaryOf(const Checkpoint& checkpoint) { return checkpoint.delta.summary; }
kv::Summary SummaryOf(const Installation& installation) { return installation.image->summary; }

}  // namespace

SimNode::SimNode(NodeId id, const Settings& settings, const ClockError& clock, const Random& random,
                 Surroundings surroundings, std::function<void(NodeId, Reply)> replies)
    : id_(id),
      settings_(settings),
      config_(ReplicaConfigOf(settings, id)),
      first_start_{
          .incarnation = {(random.Child(kIncarnation).Next() >> 1) | 1},
          .membership = IsSpare(settings, id) ? raft::Membership() : BeginningOf(settings)},
      world_(surroundings),
      replies_(std::move(replies)),
      election_random_(random.Child(kElections)),
      disk_random_(random.Child(kDisk)),
      crash_random_(random.Child(kCrashes)),
      clock_(clock.offset, clock.drift_ppm),
      vfs_(disk_, "simulated-" + std::to_string(id.value), random.Child(kSqlite)),
      patience_(id, Microseconds(settings.election_timeout_us)),
      check_quorum_(id, Microseconds(settings.election_timeout_us)),
      transfers_(id, Microseconds(settings.election_timeout_us)),
      joined_(!IsSpare(settings, id)) {
  TellClock();
}

SimNode::~SimNode() {
  // Without this, closing the databases would be work for the disk.
  disk_.KillProcess();
}

// ---- Life

void SimNode::Start() {
  if (!disk_.alive()) {
    disk_.StartProcess();
  }
  const std::uint64_t cut = std::exchange(cut_in_start_, 0);
  if (cut > 0) {
    disk_.CutPowerAt(cut);
  }
  if (fault_in_start_.has_value()) {
    disk_.Arm(*std::exchange(fault_in_start_, std::nullopt));
  }
  absl::StatusOr<storage::NodeStore> store = storage::NodeStore::Open(
      "", vfs_.name(), storage::Identity{.cluster = kCluster, .node = id_}, first_start_,
      has_started_ ? storage::Expect::kFiles : storage::Expect::kFilesOrNone,
      static_cast<std::uint64_t>(settings_.page_bytes));
  if (!Stored(store.status(), "opening the node's files")) {
    CountFailedStart(store.status(), cut > 0);
    return;
  }
  has_started_ = true;
  refusals_ = 0;
  store_.emplace(*std::move(store));
  StoredState stored = store_->TakeStored();
  config_.raft.incarnation = store_->incarnation();
  world_.story.Started(id_, stored);
  world_.judge.Started(id_, stored, disk_.may_have_forgotten());
  std::string error;
  replica_ = Replica::Start(config_, std::move(stored), election_random_.Child(incarnation_),
                            LocalTime(), &error);
  if (!replica_.has_value()) {
    throw Violation("a node starts on its own files",
                    "node " + std::to_string(id_.value) + ": " + error,
                    {{.kind = Evidence::Kind::kStarted, .node = id_}});
  }
  membership_before_ = replica_->node().membership();
  world_.judge.Configured(id_, replica_->node());
  patience_.Started();
  check_quorum_.Started();
  transfers_.Started();
  stalled_disk_.Started();
  stepped_back_ = false;
  if (config_.raft.lease_reads && replica_->node().current_term() != Term()) {
    patience_.Now(LocalTime());
    patience_.Heard();  // it keeps what it may have promised before
  }
  Step([](Replica&, Instant) {});
}

void SimNode::Join() {
  world_.probes.Count(Probe::kMachineJoined);
  joined_ = true;
  Start();
}

void SimNode::Crash() {
  ProbeCounts& probes = world_.probes;
  probes.Count(Probe::kNodeCrashed);
  if (replica_.has_value() && replica_->node().role() == Role::kLeader) {
    probes.Count(Probe::kLeaderCrashed);
  }
  if (disk_.crashed()) {
    probes.Count(Probe::kNodeCrashedBetweenStorageOperations);
  }
  if (!log_group_.empty()) {
    probes.Count(Probe::kNodeCrashedWhileWriteInFlight);
  }
  if (state_busy_) {
    probes.Count(std::holds_alternative<Installation>(state_queue_.front())
                     ? Probe::kNodeCrashedWhileInstalling
                     : Probe::kNodeCrashedWhileCheckpointInFlight);
  }
  const std::uint64_t how = crash_random_.Below(4);
  const bool power_cut = !stops_by_itself_ && (how != 0 || disk_.crashed());
  if (power_cut) {
    disk_.Crash(crash_random_, how <= 1 ? CrashMode::kDropAll : CrashMode::kRandom);
  } else {
    disk_.KillProcess();
  }
  if (stops_by_itself_) {
    disk_.DisarmFaults();
    world_.story.Stopped(id_, stop_reason_);
  } else {
    world_.story.Crashed(id_, power_cut);
  }
  world_.judge.Stopped(id_);
  replica_.reset();
  store_.reset();
  log_queue_.clear();
  log_group_.clear();
  state_queue_.clear();
  state_busy_ = false;
  waiting_.clear();
  waiting_requests_.Stopped();
  deadline_ = Instant::Never();
  deadline_event_ = SimTime::Never();
  effects_wait_ = false;
  crash_is_due_ = false;
  stops_by_itself_ = false;
  crash_point_ = CrashPoint::kNone;
  ++incarnation_;
}

void SimNode::Wipe() {
  Crash();
  disk_.Wipe();
  disk_is_gone_ = has_started_;
}

void SimNode::WipeAndForget() {
  Wipe();
  has_started_ = false;
  disk_is_gone_ = false;
  is_another_ = true;
  ++first_start_.incarnation.value;
  world_.judge.Lost(id_);
  world_.probes.Count(Probe::kStartedAnew);
}

void SimNode::Pause() {
  ++pauses_;
  world_.probes.Count(Probe::kNodePaused);
  world_.story.Paused(id_);
}

void SimNode::Resume() {
  --pauses_;
  if (pauses_ > 0) {
    return;
  }
  world_.story.Resumed(id_);
  handles_what_waited_ = true;
  for (const std::function<void()>& work : std::exchange(waiting_, {})) {
    // What crashes on the way needs the rest no more.
    if (running() && !crash_is_due_) {
      work();
    }
  }
  handles_what_waited_ = false;
  if (effects_wait_ && !crash_is_due_) {
    TakeEffects();
  }
}

void SimNode::Handle(const Event& event) {
  if (event.incarnation != incarnation_ || !running()) {
    return;
  }
  if (paused()) {
    waiting_.push_back([this, event] { Handle(event); });
    return;
  }
  switch (event.kind) {
    case EventKind::kDeadline:
      if (event.time == deadline_event_) {
        deadline_event_ = SimTime::Never();
      }
      if (LocalTime() < deadline_) {
        ScheduleDeadline();
        return;
      }
      Step([](Replica& replica, Instant local) { replica.Advance(local); });
      if (const raft::Node& node = replica_->node(); node.role() == Role::kLeader) {
        check_quorum_.Leads(node.current_term(), node.membership().membership);
        stalled_disk_.Leads(node);
      }
      if (!effects_wait_) {
        transfers_.DoneWhatWasDue();
      }
      if (!effects_wait_ && deadline_ <= LocalTime()) {
        throw Violation("deadlines move", "node " + std::to_string(id_.value) +
                                              " wants to be told of a time that has passed");
      }
      return;
    case EventKind::kLogExecute:
      return ExecuteLog();
    case EventKind::kLogReport:
      return ReportLog();
    case EventKind::kStateExecute:
      return ExecuteState();
    case EventKind::kStateReport:
      return ReportState();
    case EventKind::kSnapshotRead:
      return ReadSnapshot(NodeId{event.payload});
    default:
      return;
  }
}

void SimNode::Receive(const raft::Message& message) {
  if (!running()) {
    return;
  }
  if (paused()) {
    waiting_.push_back([this, message] { Receive(message); });
    return;
  }
  const bool ours = message.cluster == kCluster && message.to == id_;
  if (!ours) {
    world_.probes.Count(Probe::kStrayMessageDelivered);
  } else if (message.term < replica_->node().current_term()) {
    world_.probes.Count(Probe::kMessageFromEarlierTermDelivered);
  }
  if (ours && std::holds_alternative<raft::TimeoutNow>(message.body)) {
    transfers_.Asked(message.term);
  }
  const bool led = replica_->node().role() == Role::kLeader;
  Step([&](Replica& replica, Instant local) {
    const StaleReplies stale(replica.node(), message);
    replica.Receive(message, local);
    stale.Check(replica.node());
  });
  world_.judge.Heard(id_, message.from, *replica_);
  if (const auto* vote = std::get_if<raft::RequestVote>(&message.body);
      vote != nullptr && !vote->pre_vote && ours && !led && !IsStranger(message)) {
    patience_.Asked(message.term, replica_->node().current_term(), vote->transfer);
  }
  if (ours && message.term == replica_->node().current_term()) {
    check_quorum_.Heard(message.from);
  }
  const bool from_a_leader = std::holds_alternative<raft::AppendEntries>(message.body) ||
                             std::holds_alternative<raft::InstallSnapshot>(message.body);
  if (ours && from_a_leader && message.term == replica_->node().current_term()) {
    patience_.Heard();
  }
}

void SimNode::Submit(Request request, Duration patience) {
  if (!running()) {
    return;
  }
  if (paused()) {
    waiting_.push_back([this, request, patience] { Submit(request, patience); });
    return;
  }
  if (const auto* read = std::get_if<Read>(&request.body)) {
    world_.judge.Now(now());
    world_.judge.ReadAsked(id_, request.id, *read);
    NoticeRead(*read);
  }
  Step([&](Replica& replica, Instant local) {
    const bool waits = settings_.reads_wait != 0 && std::holds_alternative<Read>(request.body);
    request.deadline = waits ? Instant::Never() : local + patience;
    const RequestId id = request.id;
    // A change of members is answered when its joint configuration is left again.
    const bool is_done_once_applied = !std::holds_alternative<raft::MembershipChange>(request.body);
    const Index last = replica.node().log().last_index();
    replica.Submit(std::move(request), local);
    if (is_done_once_applied && replica.node().log().last_index() > last) {
      transfers_.Took();
      waiting_requests_.Appended(id, last.Next());
    }
  });
}

void SimNode::NoticeRead(const Read& read) {
  const raft::Node& node = replica_->node();
  if (read.consistency == Consistency::kSerializable && node.leader() == NodeId()) {
    world_.probes.Count(Probe::kSerializableReadWithoutLeader);
  }
  if (read.consistency == Consistency::kLease && node.transfer_voids_lease()) {
    world_.probes.Count(Probe::kLeaseVoidedByTransfer);
  }
}

void SimNode::RequestCheckpoint() {
  if (running() && !paused()) {
    Step([](Replica& replica, Instant local) { replica.RequestCheckpoint(local); });
  }
}

void SimNode::DisarmCrashes() {
  disk_.DisarmFaults();
  crash_point_ = CrashPoint::kNone;
}

void SimNode::Calm() {
  disk_stalls_ = false;
  disk_slower_ = Duration{};
  disk_stalled_until_ = now();
  cut_in_start_ = 0;
  fault_in_start_.reset();
  cut_in_state_write_ = 0;
}

// What has refused the files for good is told from what may pass.
void SimNode::CountFailedStart(const absl::Status& status, bool cut) {
  if (disk_.crashed()) {
    if (cut) {
      world_.probes.Count(Probe::kNodeCrashedInStart);
    }
  } else if (!disk_.has_failed()) {
    ++refusals_;
    world_.probes.Count(Probe::kFilesRefused);
    if (given_up()) {
      world_.probes.Count(Probe::kNodeGivenUp);
      world_.story.GivenUp(id_, stop_reason_);
    }
  } else if (absl::IsResourceExhausted(status)) {
    world_.probes.Count(Probe::kFullDiskRefusedAgain);
  }
}

// ---- The replica

template <class Input>
void SimNode::Step(const Input& input) {
  if (!effects_wait_) {
    role_before_ = replica_->node().role();
    commit_before_ = replica_->node().commit_index();
  }
  LookAtClock();
  world_.judge.Now(now());
  patience_.Now(LocalTime());
  check_quorum_.Now(LocalTime());
  transfers_.Now(LocalTime());
  stalled_disk_.Now(LocalTime());
  input(*replica_, LocalTime());
  effects_wait_ = true;
  if (!handles_what_waited_ || !MayHandleMore()) {
    TakeEffects();
  }
}

// Oracles judge what a node does by what it is when its effects are taken: what it does as a leader
// or as a candidate must be seen before it is something else.
bool SimNode::MayHandleMore() const {
  const raft::Node& node = replica_->node();
  const bool leads_on = node.role() == Role::kLeader && role_before_ == Role::kLeader;
  return node.commit_index() == commit_before_ && (node.role() == Role::kFollower || leads_on);
}

void SimNode::TakeEffects() {
  effects_wait_ = false;
  Effects effects = replica_->TakeEffects();
  world_.story.Handled(id_, *replica_, effects);
  if (effects.write.has_value()) {
    world_.judge.Wrote(id_, *effects.write);
    stalled_disk_.HandedOut(effects.write->id);
    const std::optional<raft::HardState>& hard_state = effects.write->hard_state;
    if (hard_state.has_value() && hard_state->voted_for != NodeId() &&
        hard_state->voted_for != id_) {
      patience_.Heard();
    }
  }
  world_.judge.Stepped(id_, *replica_);
  if (effects.membership.has_value()) {
    world_.judge.Configured(id_, replica_->node());
  }
  TraceState();
  CarryOut(std::move(effects));
  const raft::Node& node = replica_->node();
  if (node.role() == Role::kLeader && node.commit_index() > node.durable_index()) {
    world_.probes.Count(Probe::kLeaderCommittedAheadOfItsDisk);
  }
  waiting_requests_.Rested(id_, replica_->machine().applied_index());
  world_.judge.Rested(id_, *replica_, config_, state_busy_);
}

void SimNode::CarryOut(Effects&& effects) {
  for (const raft::Event& event : effects.events) {
    Notice(event);
  }
  if (effects.write.has_value()) {
    log_queue_.push_back(*std::move(effects.write));
    StoreLog();
  }
  // In the order of their ids, which they share.
  const bool installation_first = effects.checkpoint.has_value() &&
                                  effects.installation.has_value() &&
                                  effects.installation->id < effects.checkpoint->id;
  if (effects.installation.has_value() && installation_first) {
    state_queue_.emplace_back(*std::move(effects.installation));
  }
  if (effects.checkpoint.has_value()) {
    state_queue_.emplace_back(*std::move(effects.checkpoint));
  }
  if (effects.installation.has_value() && !installation_first) {
    state_queue_.emplace_back(*std::move(effects.installation));
  }
  StoreState();
  for (const NodeId peer : effects.snapshots_wanted) {
    After(DrawDiskTime(), EventKind::kSnapshotRead, peer.value);
  }
  for (raft::Message& message : effects.messages) {
    world_.story.Sending(message, world_.network.sent() + 1);
    world_.judge.Sent(message);
    Notice(message);
    AddTo(world_.trace, message);
    world_.network.Send(std::move(message));
  }
  for (Reply& reply : effects.replies) {
    world_.judge.Replied(id_, reply);
    waiting_requests_.Answered(reply.id);
    world_.trace.Add(reply.id.value << 8 | reply.result.index());
    replies_(id_, std::move(reply));
  }
  deadline_ = effects.deadline;
  ScheduleDeadline();
  if (effects.diverged.has_value()) {
    throw Violation("replicas hold the same",
                    "node " + std::to_string(id_.value) + " has found that it " + *effects.diverged,
                    {{.kind = Evidence::Kind::kStarted, .node = id_}});
  }
  if (effects.expelled.has_value() && !crash_is_due_) {
    world_.probes.Count(Probe::kNodeExpelled);
    ++expulsions_;
    stop_reason_ = *effects.expelled;
    stops_by_itself_ = true;
    crash_is_due_ = true;
  }
}

void SimNode::Notice(const raft::Event& event) {
  ProbeCounts& probes = world_.probes;
  switch (event.kind) {
    case raft::Event::Kind::kBecamePreCandidate:
      patience_.Campaigns();
      if (role_before_ == raft::Role::kCandidate) {
        probes.Count(Probe::kSplitVote);  // nobody won its election in time
      }
      return probes.Count(Probe::kPreVoteStarted);
    case raft::Event::Kind::kBecameCandidate:
      return probes.Count(Probe::kElectionStarted);
    case raft::Event::Kind::kBecameLeader:
      return probes.Count(Probe::kLeaderElected);
    case raft::Event::Kind::kSteppedDown:
      if (event.text.find("disk") != std::string::npos) {
        return probes.Count(Probe::kSteppedDownByDisk);
      }
      if (event.text.find("voter") != std::string::npos) {
        return probes.Count(Probe::kLeaderRemoved);
      }
      return probes.Count(event.text.find("quorum") != std::string::npos
                              ? Probe::kSteppedDownByCheckQuorum
                              : Probe::kSteppedDownByHigherTerm);
    case raft::Event::Kind::kTruncatedLog:
      return probes.Count(Probe::kLogTruncated);
    case raft::Event::Kind::kCompactedLog:
      return probes.Count(Probe::kLogCompacted);
    case raft::Event::Kind::kSnapshotSent:
      return probes.Count(Probe::kSnapshotSent);
    case raft::Event::Kind::kSnapshotInstalled:
      return probes.Count(Probe::kSnapshotInstalled);
    case raft::Event::Kind::kCheckpointStored:
      return probes.Count(Probe::kCheckpointStored);
    case raft::Event::Kind::kBecameFollower:
    case raft::Event::Kind::kLeaderChanged:
    case raft::Event::Kind::kSnapshotRejected:
    case raft::Event::Kind::kExpelled:
      return;
    case raft::Event::Kind::kTransferBegan:
      return transfers_.Began();
    case raft::Event::Kind::kTransferEnded:
      transfers_.Ended();
      if (event.text.find("leads no more") == std::string::npos) {
        probes.Count(Probe::kTransferFailed);
      }
      return;
    case raft::Event::Kind::kMembershipChanged:
      return NoticeMembership();
  }
}

void SimNode::Notice(const raft::Message& sent) {
  if (const auto* vote = std::get_if<raft::RequestVoteReply>(&sent.body)) {
    if (!vote->granted) {
      world_.probes.Count(vote->pre_vote ? Probe::kPreVoteRefused : Probe::kVoteRefused);
    }
  } else if (const auto* ask = std::get_if<raft::RequestVote>(&sent.body)) {
    if (ask->transfer) {
      transfers_.Campaigns(sent.term);
    }
  } else if (const auto* append = std::get_if<raft::AppendEntriesReply>(&sent.body)) {
    if (!append->success) {
      world_.probes.Count(Probe::kAppendRefused);
    }
  }
}

// The replica goes by another configuration than before this step.
void SimNode::NoticeMembership() {
  ProbeCounts& probes = world_.probes;
  const raft::Node& node = replica_->node();
  const raft::MembershipAt& now = node.membership();
  if (now.index < membership_before_.index) {
    probes.Count(Probe::kMembershipTruncated);
  }
  if (node.role() == Role::kLeader) {
    for (const auto& [id, member] : now.membership.members) {
      const raft::Member* before = membership_before_.membership.Find(id);
      if (member.voter && before != nullptr && before->learner && before->promote) {
        probes.Count(Probe::kLearnerPromoted);
      }
    }
    if (!now.membership.IsJoint() && membership_before_.membership.IsJoint() &&
        node.log().TermAt(membership_before_.index) != node.current_term()) {
      probes.Count(Probe::kJointConfigurationOfEarlierTerm);
    }
  }
  membership_before_ = now;
}

// Whether the replica is right to ignore the sender: it is no member, or has lost its files.
bool SimNode::IsStranger(const raft::Message& message) const {
  const raft::Node& node = replica_->node();
  const auto has_other_files = [&](const raft::MembershipAt& at) {
    const raft::Member* sender = at.membership.Find(message.from);
    return sender != nullptr && sender->incarnation != Incarnation() &&
           sender->incarnation != message.incarnation;
  };
  return node.committed_membership().membership.IsRemoved(message.from) ||
         has_other_files(node.committed_membership()) || has_other_files(node.membership());
}

void SimNode::ScheduleDeadline() {
  const SimTime due = clock_.WhenReads(deadline_, now());
  // A deadline that moved later is noticed when the event that is there already comes.
  if (running() && due < deadline_event_) {
    deadline_event_ = due;
    world_.scheduler.At(due, EventKind::kDeadline, static_cast<std::uint16_t>(id_.value),
                        incarnation_);
  }
}

// ---- log.db: one transaction at a time, with all writes that wait

void SimNode::StoreLog() {
  if (!log_group_.empty() || log_queue_.empty()) {
    return;
  }
  log_group_.assign(std::make_move_iterator(log_queue_.begin()),
                    std::make_move_iterator(log_queue_.end()));
  log_queue_.clear();
  if (log_group_.size() > 1) {
    world_.probes.Count(Probe::kGroupCommitOfSeveralWrites);
  }
  world_.story.StoringLog(id_, log_group_);
  After(DrawDiskTime(), EventKind::kLogExecute);
}

void SimNode::ExecuteLog() {
  if (crash_point_ == CrashPoint::kBeforeStoring) {
    crash_is_due_ = true;
    return;
  }
  world_.judge.StoringLog(id_, log_group_);
  if (Stored(store_->log().Save(log_group_), "saving to log.db")) {
    world_.story.LogStored(id_, log_group_.back().id);
    world_.judge.LogStored(id_);
  }
  world_.trace.Add(log_group_.back().id.value);
  if (crash_point_ == CrashPoint::kAfterStoring) {
    crash_is_due_ = true;
  }
  if (!crash_is_due_) {
    After(Microseconds(1 + static_cast<std::int64_t>(disk_random_.Below(
                               static_cast<std::uint64_t>(settings_.disk_min_us) + 1))),
          EventKind::kLogReport);
  }
}

void SimNode::ReportLog() {
  const WriteId stored = log_group_.back().id;
  log_group_.clear();
  if (log_queue_.empty() && !Stored(store_->log().Tidy(), "tidying log.db")) {
    return;
  }
  StoreLog();
  stalled_disk_.Persisted(stored);
  Step([&](Replica& replica, Instant local) { replica.Persisted(stored, local); });
}

// ---- state.db: checkpoints and installations, one after the other

void SimNode::StoreState() {
  if (!state_busy_ && !state_queue_.empty()) {
    state_busy_ = true;
    TellState(false);
    After(DrawDiskTime(), EventKind::kStateExecute);
  }
}

void SimNode::ExecuteState() {
  const StateWrite& write = state_queue_.front();
  world_.judge.StoringState(id_,
                            std::visit([](const auto& each) { return SummaryOf(each); }, write));
  if (cut_in_state_write_ > 0) {
    disk_.CutPowerAt(std::exchange(cut_in_state_write_, 0));
  }
  const auto* checkpoint = std::get_if<Checkpoint>(&write);
  const absl::Status status = checkpoint != nullptr
                                  ? store_->state().Apply(checkpoint->delta)
                                  : store_->state().Install(*std::get<Installation>(write).image);
  if (Stored(status, "saving to state.db")) {
    TellState(true);
    world_.judge.StateStored(id_);
  }
  if (!crash_is_due_) {
    After(Microseconds(1), EventKind::kStateReport);
  }
}

void SimNode::TellState(bool stored) {
  const StateWrite& write = state_queue_.front();
  const bool installation = std::holds_alternative<Installation>(write);
  const CheckpointId id = std::visit([](const auto& each) { return each.id; }, write);
  const Index applied =
      std::visit([](const auto& each) { return SummaryOf(each).applied_index; }, write);
  if (stored) {
    world_.story.StateStored(id_, id, applied, installation);
  } else {
    world_.story.StoringState(id_, id, applied, installation);
  }
}

void SimNode::ReportState() {
  const StateWrite write = std::move(state_queue_.front());
  state_queue_.pop_front();
  state_busy_ = false;
  StoreState();
  Step([&](Replica& replica, Instant local) {
    if (const auto* checkpoint = std::get_if<Checkpoint>(&write)) {
      replica.CheckpointStored(checkpoint->id, local);
    } else {
      replica.SnapshotInstalled(std::get<Installation>(write).id, local);
    }
  });
}

void SimNode::ReadSnapshot(NodeId peer) {
  const absl::StatusOr<kv::Image> image = store_->state().ReadImage();
  if (!Stored(image.status(), "reading state.db")) {
    return;
  }
  Snapshot snapshot{.last_included = {image->summary.applied_index, image->summary.applied_term},
                    .data = Bytes(kv::EncodeImage(*image))};
  Step([&](Replica& replica, Instant local) {
    replica.SnapshotRead(peer, std::move(snapshot), local);
  });
}

// ---- Small things

bool SimNode::Stored(const absl::Status& status, const char* what) {
  if (disk_.crashed()) {
    crash_is_due_ = true;
  }
  if (!status.ok() && !disk_.crashed()) {
    const bool gone = disk_is_gone_ && absl::IsFailedPrecondition(status);
    if (!gone && !disk_.Explains(std::string(status.message()))) {
      throw Violation("storage works on a good disk",
                      "node " + std::to_string(id_.value) + ", " + what + ": " + status.ToString(),
                      {{.kind = Evidence::Kind::kStored, .node = id_}});
    }
    StopBecause(status);
  }
  return status.ok();
}

// Any error of the disk is final for the process: a later success proves nothing.
void SimNode::StopBecause(const absl::Status& status) {
  stop_reason_ = status.ToString();
  stops_by_itself_ = true;
  crash_is_due_ = true;
  ProbeCounts& probes = world_.probes;
  if (absl::IsDataLoss(status)) {
    probes.Count(Probe::kNodeStoppedByDamage);
  } else if (absl::IsResourceExhausted(status)) {
    probes.Count(Probe::kNodeStoppedByFullDisk);
  } else if (disk_.counters().failed_syncs > failed_syncs_) {
    probes.Count(Probe::kNodeStoppedByFailedSync);
  } else {
    probes.Count(Probe::kNodeStoppedByIoError);
  }
  failed_syncs_ = disk_.counters().failed_syncs;
}

Duration SimNode::DrawDiskTime() {
  std::int64_t micros = settings_.disk_min_us;
  micros += disk_random_.Between(0, settings_.disk_spread_us);
  if (disk_stalls_ && settings_.disk_stall_permille > 0 &&
      disk_random_.Chance(static_cast<std::uint64_t>(settings_.disk_stall_permille), 1000)) {
    micros += settings_.disk_stall_us;
  }
  const Duration stalled = std::max(Duration{}, disk_stalled_until_ - now());
  return stalled + Microseconds(micros) + disk_slower_;
}

void SimNode::TraceState() {
  const raft::Node& node = replica_->node();
  const kv::Summary summary = replica_->machine().summary();
  Trace& trace = world_.trace;
  trace.Add(node.current_term().value << 8 | static_cast<std::uint64_t>(node.role()));
  trace.Add(node.commit_index().value);
  trace.Add(node.log().last_index().value);
  trace.Add(summary.applied_index.value);
  trace.Add(summary.digest);
}

Instant SimNode::LocalTime() const { return clock_.Read(now()); }

void SimNode::ClockChanged() {
  ScheduleDeadline();
  TellClock();
}

// A step back that ended before anybody looked is one that nobody can know of.
void SimNode::LookAtClock() {
  if (std::exchange(stepped_back_, false) && LocalTime() >= told_) {
    clock_.StepBackUnnoticed();
    TellClock();
  }
  told_ = LocalTime();
}

void SimNode::StepClockBack(Duration by) {
  clock_.StepBack(by, now());
  stepped_back_ = running();
  ClockChanged();
}

void SimNode::TellClock() const {
  const std::int64_t bound = settings_.clock_drift_ppm;
  world_.judge.clocks().IsNow(id_, clock_.HasGainedMoreThan(bound), clock_.HasLostMoreThan(bound));
}

void SimNode::After(Duration delay, EventKind kind, std::uint64_t payload) {
  world_.scheduler.After(delay, kind, static_cast<std::uint16_t>(id_.value), incarnation_, payload);
}

}  // namespace lockstep::sim
