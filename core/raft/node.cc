#include "core/raft/node.h"

#include <algorithm>
#include <type_traits>

#include "core/assert.h"
#include "core/raft/quorum.h"

namespace lockstep::raft {
namespace {

// The streams of a node's generator, beside its own for election timeouts.
enum Stream : std::uint64_t { kBatchNumbers = 1 };

// A disk that stalls while peers go on asking must not fill the memory with answers.
constexpr std::size_t kHeldMessagesMax = 1024;

}  // namespace

// ---- Start ------------------------------------------------------------------------------------

std::optional<Node> Node::Start(const Config& config, DurableState durable, AppliedState applied,
                                Random random, Instant now, std::string* error) {
  CORE_ASSERT(Validate(config).empty());
  if (durable.base.index > applied.position.index) {
    *error = "the log begins after index " + std::to_string(durable.base.index.value) +
             ", but the data only goes up to index " + std::to_string(applied.position.index.value);
    return std::nullopt;
  }
  if (const Membership& membership = applied.membership.membership; membership != Membership()) {
    if (std::string problem = raft::Validate(membership); !problem.empty()) {
      *error = "the membership cannot be one: " + problem;
      return std::nullopt;
    }
  }
  Index expected = durable.base.index.Next();
  Term term = durable.base.term;
  ClusterTime time;
  for (const Entry& entry : durable.entries) {
    if (entry.index != expected || entry.term < term || entry.time < time) {
      *error = "the log is not in order at index " + std::to_string(expected.value);
      return std::nullopt;
    }
    if (entry.kind == EntryKind::kMembership && !DecodeMembership(entry.payload.view())) {
      *error = "the log holds a membership that cannot be read at index " +
               std::to_string(entry.index.value);
      return std::nullopt;
    }
    expected = expected.Next();
    term = entry.term;
    time = entry.time;
  }
  if (durable.hard_state.current_term < term) {
    *error = "the log holds an entry of term " + std::to_string(term.value) +
             ", but the node was last seen in term " +
             std::to_string(durable.hard_state.current_term.value);
    return std::nullopt;
  }
  return Node(config, durable, applied, random, now);
}

Node::Node(const Config& config, const DurableState& durable, AppliedState applied, Random random,
           Instant now)
    : config_(config),
      random_(random),
      now_(now),
      hard_state_(durable.hard_state),
      log_(durable.base,
           durable.base.index == applied.position.index ? applied.time : ClusterTime()),
      history_(applied.membership),
      forwarded_(random.Child(kBatchNumbers).Next()),
      durability_(Index{durable.base.index.value + durable.entries.size()}),
      commit_index_(applied.position.index),
      role_(Follower{}) {
  for (const Entry& entry : durable.entries) {
    if (entry.kind == EntryKind::kMembership && entry.index > applied.position.index) {
      history_.Append({entry.index, *DecodeMembership(entry.payload.view())});
    }
    log_.Append(entry);
  }
  if (!log_.Holds(applied.position)) {
    // A snapshot was installed, and the node stopped before its log followed (§5.1).
    log_.Reset(applied.position, applied.time);
    history_ = MembershipHistory(applied.membership);
    durability_.Reset(applied.position.index);
    pending_.reset_to = applied.position;
    has_pending_ = true;
  }
  if (hard_state_.current_term < applied.position.term) {
    // The snapshot came before the term's own write. No vote of that term can have left.
    SetHardState({applied.position.term, NodeId()});
  }
  if (config_.lease_reads && current_term() != Term()) {
    heard_ = Heard{.leader = {}, .at = now_};  // what it promised before it stopped still holds
  }
  RestartElectionTimer();
  ExpelIfRemoved();
}

// ---- Inputs -----------------------------------------------------------------------------------

void Node::TimeIs(Instant now) {
  clock_is_behind_ = now < now_;
  if (clock_is_behind_) {
    ForgetMeasuredTimes();
  }
  now_ = std::max(now_, now);
}

void Node::Advance(Instant now) {
  TimeIs(now);
  if (std::holds_alternative<Leader>(role_)) {
    StepDownUnlessQuorumHeard();
  }
  if (std::holds_alternative<Leader>(role_) && DiskStalls() && BestSuccessor() != NodeId()) {
    Abdicate("its disk stores nothing");
  }
  if (auto* leader = std::get_if<Leader>(&role_)) {
    HandleLostMessages();
    if (now_ >= leader->next_heartbeat) {
      HeartbeatAll();
      PreferAnother();
    }
    return;
  }
  if (now_ < election_deadline_) {
    return;
  }
  if (!MayCampaign()) {
    KnockAtMembers();
    RestartElectionTimer();
    return;
  }
  if (installing_ || DiskStalls()) {
    // What it would campaign with is about to be replaced; or it could not store what it leads.
    RestartElectionTimer();
    return;
  }
  BecomePreCandidate();
}

void Node::Receive(const Message& message, Instant now) {
  TimeIs(now);
  if (message.cluster != config_.cluster || message.to != config_.id ||
      message.from == config_.id || expelled_ || RefuseSender(message)) {
    return;
  }
  if (auto* leader = std::get_if<Leader>(&role_)) {
    leader->first_heard.emplace(message.from, message.incarnation);
  }
  if (const auto* refused = std::get_if<Refused>(&message.body)) {
    Handle(message.from, *refused);  // of whatever term: it stays true
    return;
  }
  const auto* vote = std::get_if<RequestVote>(&message.body);
  const auto* vote_reply = std::get_if<RequestVoteReply>(&message.body);
  if (message.term > current_term()) {
    if (vote != nullptr && !vote->transfer && ListensToLeader(message.from)) {
      return;  // §4.2.3: whoever hears from a leader does not help to depose it
    }
    const bool asks_only = vote != nullptr && vote->pre_vote;
    const bool answers_pre_vote =
        vote_reply != nullptr && vote_reply->pre_vote && vote_reply->granted;
    if (!asks_only && !answers_pre_vote) {
      BecomeFollower(message.term, NodeId(), "a later term");
    }
  } else if (message.term < current_term()) {
    RejectStale(message);
    return;
  }
  std::visit(
      [&](const auto& body) {
        if constexpr (!std::is_same_v<std::decay_t<decltype(body)>, Refused>) {
          Handle(message.from, body, message.term);
        }
      },
      message.body);
}

void Node::Persisted(WriteId id, Instant now) {
  TimeIs(now);
  durability_.Persisted(id);
  while (!storing_.empty() && storing_.front().first <= id) {
    storing_.pop_front();
  }
  ReleaseHeld();
  if (std::holds_alternative<Candidate>(role_)) {
    CountVotes();  // our own may count now
  }
  if (auto* follower = std::get_if<Follower>(&role_)) {
    Acknowledge(*follower);
  } else if (std::holds_alternative<Leader>(role_)) {
    AdvanceLeaderCommit();
  }
}

std::variant<LogPosition, ProposalRefusal> Node::Propose(Bytes payload, Instant now) {
  TimeIs(now);
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) {
    return ProposalRefusal::kNotLeader;
  }
  if (leader->transfer) {
    return ProposalRefusal::kTransferring;
  }
  // One proposal is always taken, or a large one could never be.
  if (leader->uncommitted_bytes > 0 &&
      leader->uncommitted_bytes + payload.size() > config_.uncommitted_bytes_max) {
    return ProposalRefusal::kTooMuchUncommitted;
  }
  AppendOwn(EntryKind::kCommand, std::move(payload));
  return log_.last();
}

void Node::SnapshotInstalled(AppliedState applied, Instant now) {
  TimeIs(now);
  CORE_ASSERT(installing_ == applied.position);
  CORE_ASSERT(applied.position.index > commit_index_);
  installing_.reset();
  log_.Reset(applied.position, applied.time);
  history_ = MembershipHistory(applied.membership);
  durability_.Reset(applied.position.index);
  commit_index_ = applied.position.index;
  MembershipChanged();
  pending_.entries.clear();
  pending_.compact_to.reset();
  pending_.reset_to = applied.position;
  has_pending_ = true;
  Emit({.kind = Event::Kind::kSnapshotInstalled,
        .term = current_term(),
        .peer = leader(),
        .index = applied.position.index,
        .text = {}});
  if (auto* follower = std::get_if<Follower>(&role_); follower != nullptr && leader() != NodeId()) {
    // A leader of any later term has this prefix too (Leader Completeness, §3.6.3).
    follower->matched = std::max(follower->matched, applied.position.index);
    follower->acknowledged = follower->matched;
    SendWhenDurable(follower->leader, InstallSnapshotReply{.match = follower->matched});
  }
}

void Node::SnapshotRejected(const std::string& why) {
  CORE_ASSERT(installing_.has_value());
  Emit({.kind = Event::Kind::kSnapshotRejected,
        .term = current_term(),
        .peer = leader(),
        .index = installing_->index,
        .text = why});
  installing_.reset();
}

void Node::SnapshotRead(NodeId peer, LogPosition last_included, Bytes data, Instant now) {
  TimeIs(now);
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) {
    return;
  }
  const auto found = leader->peers.find(peer);
  if (found == leader->peers.end() || !found->second.awaits_snapshot_read()) {
    return;
  }
  Progress& progress = found->second;
  if (last_included.index < log_.base().index) {
    progress.Lost();  // read before the last compaction: what follows it is gone
    return;
  }
  progress.SnapshotSent(last_included.index, now_);
  Emit({.kind = Event::Kind::kSnapshotSent,
        .term = current_term(),
        .peer = peer,
        .index = last_included.index,
        .text = {}});
  SendNow(peer, current_term(),
          InstallSnapshot{.last_included = last_included,
                          .offset = 0,
                          .last = true,
                          .data = std::move(data),
                          .round = leader->round});
}

void Node::CheckpointCovers(Index index) {
  CORE_ASSERT(index <= appliable_index());
  const std::uint64_t retained = config_.entries_retained;
  if (index.value <= log_.base().index.value + retained) {
    return;
  }
  log_.CompactTo({index.value - retained});
  pending_.compact_to = log_.base();
  has_pending_ = true;
  Emit({.kind = Event::Kind::kCompactedLog,
        .term = current_term(),
        .peer = {},
        .index = log_.base().index,
        .text = {}});
}

NodeEffects Node::TakeEffects() {
  if (std::holds_alternative<Leader>(role_)) {
    ProceedWithMembership();
    ProceedWithTransfer();
  }
  ExpelIfRemoved();
  AskLeaderForReads();
  if (auto* leader = std::get_if<Leader>(&role_)) {
    // A read may only be answered by a leader that knows the commit index of the terms before its
    // own, that is once an entry of its own is committed (§6.4).
    if (leader->reads.WantsRound() && commit_index_ >= leader->first_own_index) {
      HeartbeatAll();
    }
    for (auto& [peer, progress] : leader->peers) {
      Replicate(peer, progress);
    }
  }
  if (has_pending_) {
    last_write_ = last_write_.Next();
    pending_.id = last_write_;
    durability_.Started(last_write_,
                        pending_.entries.empty() ? Index() : pending_.entries.back().index);
    storing_.emplace_back(last_write_, now_);
    effects_.write = std::exchange(pending_, {});
    has_pending_ = false;
  }
  effects_.deadline = NextDeadline();
  return std::exchange(effects_, {});
}

// ---- Votes ------------------------------------------------------------------------------------

void Node::Handle(NodeId from, const RequestVote& request, Term term) {
  if (request.pre_vote) {
    // Granting a pre-vote promises nothing, so it is said at once and remembered nowhere (§9.6).
    const bool granted = term > current_term() && IsUpToDate(request.last_log);
    if (granted) {
      SendNow(from, term, RequestVoteReply{.pre_vote = true, .granted = true});
    } else {
      SendWhenDurable(from, RequestVoteReply{.pre_vote = true, .granted = false});
    }
    return;
  }
  // §3.4: one vote in a term, for a log at least as up-to-date as ours (§3.6.1).
  const bool free_to_vote =
      (voted_for() == NodeId() && leader() == NodeId()) || voted_for() == from;
  // Somebody may have carried it into this term since it last heard from a leader of another.
  const bool promised = !request.transfer && ListensToLeader(from);
  const bool granted = free_to_vote && !promised && IsUpToDate(request.last_log);
  if (granted) {
    CORE_ASSERT(std::holds_alternative<Follower>(role_) ||
                std::holds_alternative<PreCandidate>(role_));
    if (voted_for() != from) {
      SetHardState({current_term(), from});
    }
    if (std::holds_alternative<PreCandidate>(role_)) {
      role_ = Follower{};  // an election that may succeed is under way: no other is needed
    }
    RestartElectionTimer();
  }
  SendWhenDurable(from, RequestVoteReply{.pre_vote = false, .granted = granted});
}

void Node::Handle(NodeId from, const RequestVoteReply& reply, Term term) {
  if (!reply.granted) {
    return;  // a later term in it was acted on already
  }
  if (auto* pre = std::get_if<PreCandidate>(&role_)) {
    if (reply.pre_vote && term == current_term().Next()) {
      pre->granted.insert(from);
      CountVotes();
    }
  } else if (auto* candidate = std::get_if<Candidate>(&role_)) {
    if (!reply.pre_vote && term == current_term()) {
      candidate->granted.insert(from);
      CountVotes();
    }
  }
}

bool Node::HasQuorum(const std::set<NodeId>& granted) const {
  return ReachedByQuorum(membership().membership,
                         [&](NodeId id) { return granted.count(id) != 0; });
}

void Node::CountVotes() {
  if (const auto* pre = std::get_if<PreCandidate>(&role_)) {
    if (HasQuorum(pre->granted)) {
      BecomeCandidate(false);
    }
  } else if (auto* candidate = std::get_if<Candidate>(&role_)) {
    if (HardStateIsDurable()) {
      candidate->granted.insert(config_.id);
    }
    if (HasQuorum(candidate->granted)) {
      BecomeLeader();
    }
  }
}

bool Node::IsUpToDate(LogPosition last_log) const {
  const LogPosition own = log_.last();
  return last_log.term != own.term ? last_log.term > own.term : last_log.index >= own.index;
}

bool Node::ListensToLeader(NodeId candidate) const {
  if (std::holds_alternative<Leader>(role_)) {
    return true;  // check-quorum deposes a leader that a majority no longer hears
  }
  // Of whatever term, and in whatever role: leases rest on it. A leader that campaigns itself has
  // given up its own.
  return heard_ && heard_->leader != candidate && now_ < heard_->at + config_.election_timeout;
}

// ---- Roles ------------------------------------------------------------------------------------

void Node::SetHardState(HardState state) {
  CORE_ASSERT(state.current_term >= current_term());
  CORE_ASSERT(state.current_term > current_term() || voted_for() == NodeId());
  hard_state_ = state;
  pending_.hard_state = state;
  has_pending_ = true;
  hard_state_write_ = last_write_.Next();
}

void Node::BecomeFollower(Term term, NodeId leader, const std::string& why) {
  RefuseForwardedReads();
  if (auto* was = std::get_if<Leader>(&role_)) {
    EndTransfer(true, {});
    const std::vector<RequestId> reads = was->reads.TakeAll();
    effects_.refused_reads.insert(effects_.refused_reads.end(), reads.begin(), reads.end());
    Emit({.kind = Event::Kind::kSteppedDown,
          .term = current_term(),
          .peer = {},
          .index = log_.last_index(),
          .text = why});
  }
  if (term > current_term()) {
    SetHardState({term, NodeId()});
  }
  role_ = Follower{};
  RestartElectionTimer();
  Emit({.kind = Event::Kind::kBecameFollower,
        .term = term,
        .peer = leader,
        .index = log_.last_index(),
        .text = why});
}

Node::Follower& Node::FollowLeader(NodeId leader) {
  // Two leaders in one term would break everything (Election Safety, §3.2).
  CORE_ASSERT(!std::holds_alternative<Leader>(role_));
  if (!std::holds_alternative<Follower>(role_)) {
    BecomeFollower(current_term(), leader, "there is a leader");
  }
  auto& follower = std::get<Follower>(role_);
  CORE_ASSERT(follower.leader == NodeId() || follower.leader == leader);
  if (follower.leader == NodeId()) {
    follower.leader = leader;
    follower.matched = {};
    follower.acknowledged = {};
    Emit({.kind = Event::Kind::kLeaderChanged,
          .term = current_term(),
          .peer = leader,
          .index = log_.last_index(),
          .text = {}});
  }
  heard_ = Heard{.leader = leader, .at = now_};
  RestartElectionTimer();
  return follower;
}

void Node::BecomePreCandidate() {
  RefuseForwardedReads();
  // §9.6: asks whether an election could be won before it disturbs anybody with a new term. The
  // vote given in this term stays given.
  role_ = PreCandidate{.granted = {config_.id}};
  RestartElectionTimer();
  Emit({.kind = Event::Kind::kBecamePreCandidate,
        .term = current_term(),
        .peer = {},
        .index = log_.last_index(),
        .text = {}});
  for (const auto& [id, member] : membership().membership.members) {
    if (id != config_.id && (member.voter || member.outgoing)) {
      SendNow(id, current_term().Next(), RequestVote{.pre_vote = true, .last_log = log_.last()});
    }
  }
  CountVotes();
}

void Node::BecomeCandidate(bool transfer) {
  RefuseForwardedReads();
  SetHardState({current_term().Next(), NodeId()});
  SetHardState({current_term(), config_.id});
  role_ = Candidate{};
  RestartElectionTimer();
  Emit({.kind = Event::Kind::kBecameCandidate,
        .term = current_term(),
        .peer = {},
        .index = log_.last_index(),
        .text = {}});
  // Held until the term and our own vote are durable: after a crash in between this node could
  // campaign in the same term again with a shorter log, and take these votes for it.
  for (const auto& [id, member] : membership().membership.members) {
    if (id != config_.id && (member.voter || member.outgoing)) {
      SendWhenDurable(
          id, RequestVote{.pre_vote = false, .last_log = log_.last(), .transfer = transfer});
    }
  }
}

void Node::BecomeLeader() {
  CORE_ASSERT(HardStateIsDurable());
  CORE_ASSERT(voted_for() == config_.id);
  CORE_ASSERT(!installing_);
  Leader leader;
  leader.first_own_index = log_.last_index().Next();
  leader.round_times = RoundTimes(config_.election_timeout);
  leader.since = now_;
  leader.time_at_election = log_.last_time();
  leader.may_prefer_another = now_ + config_.election_timeout * 2;
  role_ = std::move(leader);
  election_deadline_ = Instant::Never();
  TrackMembers();
  Emit({.kind = Event::Kind::kBecameLeader,
        .term = current_term(),
        .peer = config_.id,
        .index = log_.last_index(),
        .text = {}});
  AppendOwn(EntryKind::kNoOp, Bytes());
  HeartbeatAll();
}

void Node::RestartElectionTimer() {
  if (expelled_) {
    election_deadline_ = Instant::Never();
    return;
  }
  const std::int64_t timeout = config_.election_timeout.ns;
  election_deadline_ = now_ + Duration{random_.Between(timeout, 2 * timeout - 1)};
}

Role Node::role() const {
  switch (role_.index()) {
    case 0:
      return Role::kFollower;
    case 1:
      return Role::kPreCandidate;
    case 2:
      return Role::kCandidate;
    default:
      return Role::kLeader;
  }
}

NodeId Node::leader() const {
  if (const auto* follower = std::get_if<Follower>(&role_)) {
    return follower->leader;
  }
  return std::holds_alternative<Leader>(role_) ? config_.id : NodeId();
}

const Progress* Node::progress(NodeId peer) const {
  const auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) {
    return nullptr;
  }
  const auto found = leader->peers.find(peer);
  return found == leader->peers.end() ? nullptr : &found->second;
}

// ---- Following --------------------------------------------------------------------------------

void Node::RejectStale(const Message& message) {
  // The sender learns our term and stops being what it was. Replies of the past need no answer. A
  // hint would help nobody: our log says nothing about the sender's.
  if (const auto* vote = std::get_if<RequestVote>(&message.body)) {
    SendWhenDurable(message.from, RequestVoteReply{.pre_vote = vote->pre_vote, .granted = false});
  } else if (const auto* append = std::get_if<AppendEntries>(&message.body)) {
    SendWhenDurable(message.from, AppendEntriesReply{.success = false,
                                                     .match = append->previous.index,
                                                     .hint = {},
                                                     .round = append->round,
                                                     .promise = {}});
  } else if (const auto* snapshot = std::get_if<InstallSnapshot>(&message.body)) {
    SendWhenDurable(message.from, AppendEntriesReply{.success = false,
                                                     .match = snapshot->last_included.index,
                                                     .hint = {},
                                                     .round = snapshot->round,
                                                     .promise = {}});
  }
}

void Node::Handle(NodeId from, const AppendEntries& request, Term) {
  Follower& follower = FollowLeader(from);
  follower.round = std::max(follower.round, request.round);
  if (installing_) {
    if (request.entries.empty()) {
      Match(follower, Index(), Index());  // still here; the entries would be replaced anyway
    }
    return;
  }
  const LogPosition previous = request.previous;
  const bool agrees = previous.index <= commit_index_ || log_.Holds(previous);
  if (!agrees) {
    SendWhenDurable(from, AppendEntriesReply{.success = false,
                                             .match = previous.index,
                                             .hint = log_.LastNotAbove(previous),
                                             .round = request.round,
                                             .promise = Promise()});
    return;
  }
  Match(follower, Append(request.entries, previous), request.leader_commit);
}

// Makes the log agree with a leader's that has `entries` after `previous`, and returns up to where
// it now does. REQUIRES: the logs agree up to `previous`.
Index Node::Append(const std::vector<Entry>& entries, LogPosition previous) {
  for (const Entry& entry : entries) {
    if (entry.index <= commit_index_) {
      continue;  // what is committed is the same in every leader's log
    }
    // Only a real conflict removes anything: an old or repeated message may end before our log
    // does, and that says nothing about the rest (§3.5).
    if (entry.index <= log_.last_index()) {
      if (log_.TermAt(entry.index) == entry.term) {
        continue;
      }
      TruncateFrom(entry.index);
    }
    log_.Append(entry);
    pending_.entries.push_back(entry);
    has_pending_ = true;
    if (entry.kind == EntryKind::kMembership) {
      history_.Append({entry.index, *DecodeMembership(entry.payload.view())});
      MembershipChanged();
    }
  }
  return {previous.index.value + entries.size()};
}

void Node::TruncateFrom(Index index) {
  CORE_ASSERT(index > commit_index_);  // what is committed stays (Leader Completeness, §3.6.3)
  Emit({.kind = Event::Kind::kTruncatedLog,
        .term = current_term(),
        .peer = leader(),
        .index = index,
        .text = {}});
  log_.TruncateFrom(index);
  durability_.Truncated(index);
  while (!pending_.entries.empty() && pending_.entries.back().index >= index) {
    pending_.entries.pop_back();
  }
  if (history_.TruncateFrom(index)) {
    MembershipChanged();
  }
}

// The log agrees with the leader's up to `matched`: commits what the leader has committed of that,
// and answers as far as it is durable.
void Node::Match(Follower& follower, Index matched, Index leader_commit) {
  follower.matched = std::max({follower.matched, matched, commit_index_});
  CommitTo(std::min(leader_commit, follower.matched));
  const Index durable = std::min(follower.matched, durability_.index());
  // What is not durable yet is answered when it is. Everything else is answered at once: a
  // heartbeat or a repeated message must not wait for a disk.
  if (durable >= matched) {
    follower.acknowledged = std::max(follower.acknowledged, durable);
    SendWhenDurable(follower.leader, AppendEntriesReply{.success = true,
                                                        .match = durable,
                                                        .hint = {},
                                                        .round = follower.round,
                                                        .promise = Promise()});
  }
}

void Node::Acknowledge(Follower& follower) {
  const Index durable = std::min(follower.matched, durability_.index());
  if (follower.leader != NodeId() && durable > follower.acknowledged) {
    follower.acknowledged = durable;
    SendWhenDurable(follower.leader, AppendEntriesReply{.success = true,
                                                        .match = durable,
                                                        .hint = {},
                                                        .round = follower.round,
                                                        .promise = Promise()});
  }
}

void Node::Handle(NodeId from, const InstallSnapshot& request, Term) {
  Follower& follower = FollowLeader(from);
  follower.round = std::max(follower.round, request.round);
  if (installing_) {
    return;
  }
  if (request.last_included.index <= commit_index_ || log_.Holds(request.last_included)) {
    // Nothing to install: all of it is here. It is committed, or nobody could have applied it.
    Match(follower, request.last_included.index, request.last_included.index);
    return;
  }
  if (request.offset != 0 || !request.last) {
    return;  // sent in parts by a later version
  }
  installing_ = request.last_included;
  effects_.received_snapshot =
      ReceivedSnapshot{.from = from, .last_included = request.last_included, .data = request.data};
}

// ---- Leading ----------------------------------------------------------------------------------

ClusterTime Node::StampTime() const {
  const auto& leader = std::get<Leader>(role_);
  const std::int64_t led = std::max<std::int64_t>((now_ - leader.since).ns, 0);
  return std::max(log_.last_time(),
                  ClusterTime{leader.time_at_election.value + static_cast<std::uint64_t>(led)});
}

void Node::AppendOwn(EntryKind kind, Bytes payload) {
  auto& leader = std::get<Leader>(role_);
  leader.uncommitted_bytes += payload.size();
  Entry entry{.index = log_.last_index().Next(),
              .term = current_term(),
              .time = StampTime(),
              .kind = kind,
              .payload = std::move(payload)};
  leader.appended.emplace_back(entry.index, now_);
  pending_.entries.push_back(entry);
  has_pending_ = true;
  log_.Append(std::move(entry));
}

void Node::Handle(NodeId from, const AppendEntriesReply& reply, Term) {
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) {
    return;
  }
  const auto found = leader->peers.find(from);
  if (found == leader->peers.end()) {
    return;  // it has been removed meanwhile
  }
  Progress& progress = found->second;
  progress.Heard(std::min(reply.round, leader->round), now_);
  CountPromise(progress, reply);
  if (reply.success) {
    if (reply.match <= log_.last_index()) {
      progress.Acknowledged(reply.match, now_);
      AdvanceLeaderCommit();
    }
  } else {
    progress.Refused(reply.match, log_.LastNotAbove(reply.hint).index);
  }
  ConfirmReads();
}

void Node::Handle(NodeId from, const InstallSnapshotReply& reply, Term) {
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr || reply.match > log_.last_index()) {
    return;
  }
  const auto found = leader->peers.find(from);
  if (found == leader->peers.end()) {
    return;
  }
  Progress& progress = found->second;
  progress.Heard(0, now_);
  progress.Acknowledged(reply.match, now_);
  if (progress.state() == Progress::State::kSnapshot) {
    progress.Lost();  // it has installed another one, and took none of ours meanwhile
  }
  AdvanceLeaderCommit();
}

void Node::AdvanceLeaderCommit() {
  auto& leader = std::get<Leader>(role_);
  const Index index = ReachedByQuorum(membership().membership, [&](NodeId id) {
    return id == config_.id ? durability_.index() : leader.peers.at(id).match_index();
  });
  // §3.6.2: only an entry of its own term may be committed by counting.
  if (index > commit_index_ && index >= leader.first_own_index) {
    CommitTo(index);
  }
}

void Node::CommitTo(Index index) {
  if (index <= commit_index_) {
    return;
  }
  CORE_ASSERT(index <= log_.last_index());
  if (auto* leader = std::get_if<Leader>(&role_)) {
    while (!leader->appended.empty() && leader->appended.front().first <= index) {
      const auto [appended, when] = leader->appended.front();
      leader->uncommitted_bytes -= log_.At(appended).payload.size();
      commit_time_ = now_ - when;
      leader->appended.pop_front();
    }
  }
  commit_index_ = index;
  history_.ForgetBefore(index);
}

Index Node::appliable_index() const { return std::min(commit_index_, durability_.index()); }

void Node::HeartbeatAll() {
  auto& leader = std::get<Leader>(role_);
  ++leader.round;
  leader.next_heartbeat = now_ + config_.heartbeat_interval;
  const bool knows_commits = commit_index_ >= leader.first_own_index;
  if (!clock_is_behind_) {
    leader.round_times.Began({.number = leader.round,
                              .began = now_,
                              .read_index = knows_commits ? commit_index_ : Index()});
  }
  if (knows_commits) {
    leader.reads.RoundStarted(leader.round, commit_index_);
  }
  for (const auto& [peer, progress] : leader.peers) {
    // From where the follower surely agrees, so that a heartbeat that overtakes an append is not
    // refused; a compacted position is committed, and the beginning says the same.
    const std::optional<Term> term = log_.TermAt(progress.match_index());
    const LogPosition previous = term ? LogPosition{progress.match_index(), *term} : LogPosition{};
    SendNow(peer, current_term(),
            AppendEntries{.previous = previous,
                          .entries = {},
                          .leader_commit = commit_index_,
                          .round = leader.round});
  }
  ConfirmReads();  // a lone voter is its own quorum
}

void Node::Replicate(NodeId peer, Progress& progress) {
  auto& leader = std::get<Leader>(role_);
  if (now_ >= progress.last_contact() + config_.election_timeout) {
    return;  // away: heartbeats go on, and its first answer brings us back here
  }
  while (progress.MaySend(config_)) {
    const Index previous = progress.next_index().Previous();
    const std::optional<Term> previous_term = log_.TermAt(previous);
    if (!previous_term) {
      progress.NeedsSnapshot(now_);
      effects_.snapshots_wanted.push_back(peer);
      return;
    }
    std::vector<Entry> entries;
    if (previous < log_.last_index()) {
      entries =
          log_.Slice(progress.next_index(), config_.append_entries_max, config_.append_bytes_max);
    } else if (progress.state() != Progress::State::kProbe || progress.match_index() == previous) {
      return;  // nothing it does not have
    }
    const Index last = entries.empty() ? previous : entries.back().index;
    SendNow(peer, current_term(),
            AppendEntries{.previous = {previous, *previous_term},
                          .entries = std::move(entries),
                          .leader_commit = commit_index_,
                          .round = leader.round});
    progress.Sent(last, now_);
  }
}

void Node::HandleLostMessages() {
  auto& leader = std::get<Leader>(role_);
  for (auto& [peer, progress] : leader.peers) {
    if (now_ >= progress.LossDeadline(config_)) {
      progress.Lost();
    }
  }
}

// The moment since which a quorum, the leader included, has been heard.
Instant Node::QuorumContact() const {
  const auto& leader = std::get<Leader>(role_);
  return ReachedByQuorum(membership().membership, [&](NodeId id) {
    return id == config_.id ? now_ : leader.peers.at(id).last_contact();
  });
}

void Node::StepDownUnlessQuorumHeard() {
  if (now_ >= QuorumContact() + config_.election_timeout) {
    BecomeFollower(current_term(), NodeId(), "no quorum answered for an election timeout");
  }
}

// ---- Messages ---------------------------------------------------------------------------------

Message Node::MakeMessage(NodeId to, Term term, Body body) const {
  return {.cluster = config_.cluster,
          .from = config_.id,
          .to = to,
          .incarnation = config_.incarnation,
          .term = term,
          .body = std::move(body)};
}

void Node::SendNow(NodeId to, Term term, Body body) {
  effects_.messages.push_back(MakeMessage(to, term, std::move(body)));
}

// Sends once the current term and vote are durable: the message promises them.
void Node::SendWhenDurable(NodeId to, Body body) {
  if (HardStateIsDurable()) {
    SendNow(to, current_term(), std::move(body));
  } else {
    if (held_.size() == kHeldMessagesMax) {
      held_.pop_front();  // lost, as any message may be
    }
    held_.push_back({hard_state_write_, MakeMessage(to, current_term(), std::move(body))});
  }
}

void Node::ReleaseHeld() {
  while (!held_.empty() && held_.front().until <= durability_.persisted()) {
    // What an earlier term had to say is of no use any more.
    if (held_.front().message.term == current_term()) {
      effects_.messages.push_back(std::move(held_.front().message));
    }
    held_.pop_front();
  }
}

Instant Node::NextDeadline() const {
  const auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) {
    return forwarded_.under_way() ? std::min(election_deadline_, ForwardedDeadline())
                                  : election_deadline_;
  }
  Instant deadline = leader->next_heartbeat;
  if (DiskStallsAt() > now_) {
    deadline = std::min(deadline, DiskStallsAt());
  }
  if (!leader->peers.empty()) {
    deadline = std::min(deadline, QuorumContact() + config_.election_timeout);
  }
  if (leader->transfer) {
    deadline = std::min(deadline, leader->transfer->deadline);
  }
  for (const auto& [peer, progress] : leader->peers) {
    deadline = std::min(deadline, progress.LossDeadline(config_));
  }
  return deadline;
}

Instant Node::DiskStallsAt() const {
  return storing_.empty() ? Instant::Never() : storing_.front().second + config_.disk_stall_timeout;
}

}  // namespace lockstep::raft
