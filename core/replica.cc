#include "core/replica.h"

#include <algorithm>
#include <set>
#include <type_traits>
#include <utility>

#include "core/assert.h"
#include "core/digest_watch.h"
#include "core/kv/codec.h"
#include "core/kv/machine.h"
#include "core/raft/node.h"

namespace lockstep {

class Replica::Impl {
 public:
  Impl(const ReplicaConfig& config, raft::Node node, kv::Machine machine)
      : config_(config),
        node_(std::move(node)),
        machine_(std::move(machine)),
        checkpoint_index_(applied()) {}

  void Advance(Instant now) {
    node_.Advance(now);
    ExpireRequests(now);
    Proceed();
  }

  void Receive(const raft::Message& message, Instant now) {
    node_.Receive(message, now);
    CompareDigests(message);
    Proceed();
  }

  void Submit(Request request, Instant now) {
    CORE_ASSERT(pending_.count(request.id) == 0);
    const std::string problem = std::visit(
        [&](const auto& body) {
          using T = std::decay_t<decltype(body)>;
          if constexpr (std::is_same_v<T, raft::MembershipChange> ||
                        std::is_same_v<T, TransferLeadership>) {
            return std::string();  // the leader looks at it
          } else {
            return Check(body, config_.limits);
          }
        },
        request.body);
    if (!problem.empty()) {
      Refuse(request.id, RefusalKind::kInvalid, problem);
    } else if (pending_.size() >= config_.limits.pending_requests_max) {
      Refuse(request.id, RefusalKind::kOverloaded,
             "too many requests wait; pending_requests_max is " +
                 std::to_string(config_.limits.pending_requests_max));
    } else if (now >= request.deadline) {
      Refuse(request.id, RefusalKind::kOverloaded, "the deadline passed before the request began");
    } else if (auto* read = std::get_if<Read>(&request.body)) {
      SubmitRead(request, std::move(*read), now);
    } else if (const auto* open = std::get_if<kv::OpenSession>(&request.body)) {
      Propose(request, *open, now);
    } else if (const auto* change = std::get_if<raft::MembershipChange>(&request.body)) {
      ChangeMembership(request, *change, now);
    } else if (const auto* transfer = std::get_if<TransferLeadership>(&request.body)) {
      Transfer(request, transfer->target, now);
    } else {
      Propose(request, std::get<kv::Transact>(std::move(request.body)), now);
    }
    Proceed();
  }

  void Persisted(WriteId id, Instant now) {
    node_.Persisted(id, now);
    Proceed();
  }

  void CheckpointStored(CheckpointId id, Instant now) {
    if (!checkpoint_ || checkpoint_->id != id) {
      return;
    }
    checkpoint_index_ = checkpoint_->index;
    checkpoint_.reset();
    effects_.events.push_back({.kind = Event::Kind::kCheckpointStored,
                               .term = node_.current_term(),
                               .peer = {},
                               .index = checkpoint_index_,
                               .text = {}});
    node_.Advance(now);
    node_.CheckpointCovers(checkpoint_index_);
    Proceed();
  }

  void SnapshotInstalled(CheckpointId id, Instant now) {
    if (!installation_ || installation_->id != id) {
      return;
    }
    machine_ = std::move(installation_->machine);
    digests_.Forget();
    installation_.reset();
    checkpoint_.reset();
    checkpoint_index_ = applied();
    entries_since_checkpoint_ = 0;
    bytes_since_checkpoint_ = 0;
    const kv::Summary summary = machine_.summary();
    node_.SnapshotInstalled({.position = {summary.applied_index, summary.applied_term},
                             .time = summary.time,
                             .membership = machine_.membership()},
                            now);
    // The entries that these requests wait for will never be seen one by one.
    while (!waiters_.empty() && waiters_.begin()->first <= applied()) {
      Refuse(waiters_.begin()->second.request, RefusalKind::kUnknown,
             "a snapshot took the place of the entry");
    }
    while (!await_leave_.empty()) {
      Refuse(*await_leave_.begin(), RefusalKind::kUnknown,
             "a snapshot took the place of the entry");
    }
    Proceed();
  }

  void SnapshotRead(NodeId peer, Snapshot snapshot, Instant now) {
    node_.SnapshotRead(peer, snapshot.last_included, std::move(snapshot.data), now);
    Proceed();
  }

  void RequestCheckpoint(Instant now) {
    checkpoint_requested_ = true;
    node_.Advance(now);
    Proceed();
  }

  Effects TakeEffects() {
    raft::NodeEffects from_node = node_.TakeEffects();
    for (const RequestId request : from_node.refused_reads) {
      if (pending_.count(request) != 0) {  // else its deadline has passed
        RefuseReadWithoutLeader(request);
      }
    }
    for (const raft::ReadyReads& ready : from_node.ready_reads) {
      for (const RequestId request : ready.requests) {
        if (const auto found = pending_.find(request); found != pending_.end()) {
          found->second.read_path = ready.forwarded ? ReadPath::kForwarded : ReadPath::kQuorum;
          confirmed_reads_.emplace(ready.read_index, request);
        }
      }
    }
    AnswerReads();
    if (from_node.transfer_ended && transfer_) {
      AnswerTransfer(*from_node.transfer_ended);
    }
    if (from_node.received_snapshot) {
      Install(*std::move(from_node.received_snapshot));
    }
    TellDigests(from_node.messages);
    Effects effects = std::exchange(effects_, {});
    if (digests_.diverged()) {
      // Nothing that it would say can be trusted.
      effects = {.deadline = Instant::Never()};
      if (!std::exchange(told_divergence_, true)) {
        effects.diverged = digests_.diverged();
      }
      return effects;
    }
    effects.write = std::move(from_node.write);
    effects.messages = std::move(from_node.messages);
    effects.snapshots_wanted = std::move(from_node.snapshots_wanted);
    effects.events.insert(effects.events.end(), std::make_move_iterator(from_node.events.begin()),
                          std::make_move_iterator(from_node.events.end()));
    effects.membership = std::move(from_node.membership);
    effects.expelled = std::move(from_node.expelled);
    effects.deadline = from_node.deadline;
    if (!deadlines_.empty()) {
      effects.deadline = std::min(effects.deadline, deadlines_.begin()->first);
    }
    return effects;
  }

  Status GetStatus(Instant now) const;

  std::size_t pending_requests() const { return pending_.size(); }
  const kv::Machine& machine() const { return machine_; }
  const raft::Node& node() const { return node_; }

 private:
  // A request that was accepted and not answered.
  struct Pending {
    Instant deadline;
    std::optional<raft::LogPosition> position;  // of its entry, if it is a write
    Read read;                                  // if it is a read
    ReadPath read_path = ReadPath::kQuorum;     // of a read whose index is known
    // If it changes the membership.
    bool changes_membership = false;
    Incarnation added;
  };
  struct Waiter {
    Term term;
    RequestId request;
  };
  struct CheckpointUnderWay {
    CheckpointId id;
    Index index;
  };
  struct InstallationUnderWay {
    CheckpointId id;
    kv::Machine machine;
  };

  Index applied() const { return machine_.applied_index(); }

  // ---- Digests (core/digest_watch.h)

  bool Leads() const { return node_.role() == Role::kLeader; }

  // What a message says of digests, once the node has seen it: whoever it would not listen to is
  // not listened to here.
  void CompareDigests(const raft::Message& message) {
    if (message.state.index == Index() || message.term != node_.current_term() ||
        message.to != config_.raft.id || message.cluster != config_.raft.cluster) {
      return;
    }
    if (std::holds_alternative<raft::AppendEntries>(message.body)) {
      if (message.from == node_.leader()) {
        digests_.Learned(message.state);
      }
    } else if (Leads() && std::holds_alternative<raft::AppendEntriesReply>(message.body)) {
      const raft::Member* member = node_.membership().membership.Find(message.from);
      if (member != nullptr &&
          (member->incarnation == Incarnation() || member->incarnation == message.incarnation)) {
        digests_.Reported(message.from, message.state);
        agreed_ = digests_.Agree(config_.raft.id, node_.membership().membership);
      }
    }
  }

  void TellDigests(std::vector<raft::Message>& messages) {
    if (reports_of_ != node_.current_term()) {
      reports_of_ = node_.current_term();
      digests_.ForgetReports();
      agreed_ = {};
    }
    for (raft::Message& message : messages) {
      if (std::holds_alternative<raft::AppendEntries>(message.body)) {
        message.state = agreed_;
      } else if (std::holds_alternative<raft::AppendEntriesReply>(message.body)) {
        message.state = digests_.latest();
      }
    }
  }

  void Proceed() {
    Apply();
    AnswerReads();
    StartCheckpoint();
  }

  // ---- Requests

  void Accept(const Request& request, Pending pending) {
    if (pending.deadline != Instant::Never()) {
      deadlines_.emplace(pending.deadline, request.id);
    }
    pending_.emplace(request.id, std::move(pending));
  }

  void Propose(const Request& request, const kv::Command& command, Instant now) {
    if (node_.role() != Role::kLeader) {
      RefuseNotLeader(request.id);
      return;
    }
    auto proposed = node_.Propose(Bytes(kv::EncodeCommand(command)), now);
    if (const auto* refusal = std::get_if<raft::ProposalRefusal>(&proposed)) {
      if (*refusal == raft::ProposalRefusal::kNotLeader) {
        RefuseNotLeader(request.id);
      } else if (*refusal == raft::ProposalRefusal::kTransferring) {
        Refuse(request.id, RefusalKind::kOverloaded, "leadership is being handed over");
      } else {
        Refuse(request.id, RefusalKind::kOverloaded,
               "too much is written and not committed; uncommitted_bytes_max is " +
                   std::to_string(config_.raft.uncommitted_bytes_max));
      }
      return;
    }
    const auto position = std::get<raft::LogPosition>(proposed);
    waiters_.emplace(position.index, Waiter{position.term, request.id});
    Accept(request, {.deadline = request.deadline, .position = position, .read = {}});
  }

  void SubmitRead(const Request& request, Read read, Instant now) {
    Pending pending{.deadline = request.deadline, .position = std::nullopt, .read = {}};
    std::optional<Index> from;  // on which the state may answer, if that is known already
    switch (read.consistency) {
      case Consistency::kLinearizable:
        break;
      case Consistency::kLease:
        from = node_.LeaseReadIndex(now);
        pending.read_path = ReadPath::kLease;
        break;
      case Consistency::kSerializable:
        from = applied();
        pending.read_path = ReadPath::kLocal;
        break;
      case Consistency::kBoundedStaleness:
        from = node_.FreshIndex(read.max_age, now);
        pending.read_path = ReadPath::kLocal;
        break;
    }
    if (from) {
      confirmed_reads_.emplace(*from, request.id);
    } else if (!node_.Read(request.id, now)) {
      RefuseReadWithoutLeader(request.id);
      return;
    }
    pending.read = std::move(read);
    Accept(request, std::move(pending));
  }

  void RefuseReadWithoutLeader(RequestId id) {
    Answer(id,
           Refusal{.kind = RefusalKind::kNotLeader,
                   .leader = node_.leader(),
                   .text = "this node is not the leader, and the one it knew has changed or does "
                           "not answer"});
  }

  void ChangeMembership(const Request& request, const raft::MembershipChange& change, Instant now) {
    if (node_.role() == Role::kLeader && change.add &&
        AnswerIfAdded(request.id, change.add->incarnation)) {
      return;
    }
    auto proposed = node_.ChangeMembership(change, now);
    if (auto* refusal = std::get_if<raft::MembershipRefusal>(&proposed)) {
      switch (refusal->kind) {
        case raft::MembershipRefusal::Kind::kNotLeader:
          RefuseNotLeader(request.id);
          return;
        case raft::MembershipRefusal::Kind::kNotNow:
          Refuse(request.id, RefusalKind::kNotReady, std::move(refusal->text));
          return;
        case raft::MembershipRefusal::Kind::kInvalid:
          Refuse(request.id, RefusalKind::kInvalid, std::move(refusal->text));
          return;
      }
    }
    const auto position = std::get<raft::LogPosition>(proposed);
    waiters_.emplace(position.index, Waiter{position.term, request.id});
    Accept(request, {.deadline = request.deadline,
                     .position = position,
                     .read = {},
                     .changes_membership = true,
                     .added = change.add ? change.add->incarnation : Incarnation()});
  }

  // A node that asks again to be added, because the first answer was lost, is told the same.
  bool AnswerIfAdded(RequestId id, Incarnation incarnation) {
    const raft::MembershipAt& committed = node_.committed_membership();
    const NodeId added = raft::FindIncarnation(committed.membership, incarnation);
    if (added == NodeId() || incarnation == Incarnation()) {
      return false;
    }
    Answer(id, MembershipChanged{.membership = committed, .added = added});
    return true;
  }

  void Transfer(const Request& request, NodeId target, Instant now) {
    if (node_.role() != Role::kLeader) {
      RefuseNotLeader(request.id);
      return;
    }
    std::string problem = node_.TransferLeadership(target, now);
    if (!problem.empty()) {
      Refuse(request.id, RefusalKind::kNotReady, std::move(problem));
      return;
    }
    transfer_ = request.id;
    Accept(request, {.deadline = request.deadline, .position = std::nullopt, .read = {}});
  }

  void AnswerTransfer(const raft::TransferEnded& ended) {
    const RequestId id = *std::exchange(transfer_, std::nullopt);
    if (pending_.count(id) == 0) {
      return;  // its deadline has passed
    }
    if (ended.moved) {
      Answer(id, LeadershipTransferred{ended.target});
    } else {
      Refuse(id, ended.asked ? RefusalKind::kUnknown : RefusalKind::kNotReady, ended.why);
    }
  }

  // Answers a request, whether it was accepted or not, and forgets it.
  void Answer(RequestId id, decltype(Reply::result) result) {
    if (const auto found = pending_.find(id); found != pending_.end()) {
      deadlines_.erase({found->second.deadline, id});
      if (found->second.position) {
        const auto [begin, end] = waiters_.equal_range(found->second.position->index);
        const auto waiter =
            std::find_if(begin, end, [&](const auto& each) { return each.second.request == id; });
        if (waiter != end) {
          waiters_.erase(waiter);
        } else {
          CORE_ASSERT(await_leave_.erase(id) == 1);
        }
      }
      pending_.erase(found);
    }
    effects_.replies.push_back({.id = id, .result = std::move(result)});
  }

  void Refuse(RequestId id, RefusalKind kind, std::string text) {
    Answer(id, Refusal{.kind = kind, .leader = {}, .text = std::move(text)});
  }

  void RefuseNotLeader(RequestId id) {
    Answer(id, Refusal{.kind = RefusalKind::kNotLeader,
                       .leader = node_.leader(),
                       .text = "this node is not the leader"});
  }

  void ExpireRequests(Instant now) {
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
      Refuse(deadlines_.begin()->second, RefusalKind::kUnknown, "the deadline passed");
    }
  }

  // ---- The log applied

  void Apply() {
    while (applied() < node_.appliable_index()) {
      const raft::Entry& entry = node_.log().At(applied().Next());
      ++entries_since_checkpoint_;
      bytes_since_checkpoint_ += entry.payload.size();
      const std::optional<kv::CommandResult> result = machine_.Apply(entry);
      if (applied().value % config_.digest_interval == 0) {
        digests_.Note({applied(), machine_.summary().digest});
      }
      while (!waiters_.empty() && waiters_.begin()->first <= entry.index) {
        const Waiter waiter = waiters_.begin()->second;
        if (waiter.term != entry.term) {
          Refuse(waiter.request, RefusalKind::kDropped,
                 "another leader's entry took the place of this one");
        } else if (pending_.at(waiter.request).changes_membership) {
          waiters_.erase(waiters_.begin());
          await_leave_.insert(waiter.request);
        } else {
          CORE_ASSERT(result.has_value());
          Answer(waiter.request, *result);
        }
      }
      if (entry.kind == raft::EntryKind::kMembership &&
          !machine_.membership().membership.IsJoint()) {
        AnswerMembershipChanges();
      }
    }
  }

  void AnswerMembershipChanges() {
    const raft::MembershipAt& now = machine_.membership();
    while (!await_leave_.empty()) {
      const RequestId id = *await_leave_.begin();
      const Incarnation added = pending_.at(id).added;
      Answer(id, MembershipChanged{.membership = now,
                                   .added = added == Incarnation()
                                                ? NodeId()
                                                : raft::FindIncarnation(now.membership, added)});
    }
  }

  void AnswerReads() {
    while (!confirmed_reads_.empty() && confirmed_reads_.begin()->first <= applied()) {
      const RequestId id = confirmed_reads_.begin()->second;
      confirmed_reads_.erase(confirmed_reads_.begin());
      const auto found = pending_.find(id);
      if (found == pending_.end()) {
        continue;  // its deadline has passed
      }
      ReadResult result{
          .revision = machine_.summary().revision, .keys = {}, .path = found->second.read_path};
      for (const std::string& key : found->second.read.keys) {
        const kv::KeyValue* key_value = machine_.Find(key);
        result.keys.push_back(key_value == nullptr ? std::nullopt : std::optional(*key_value));
      }
      Answer(id, std::move(result));
    }
  }

  // ---- state.db

  void StartCheckpoint() {
    const bool due = entries_since_checkpoint_ >= config_.checkpoint_entries ||
                     bytes_since_checkpoint_ >= config_.checkpoint_bytes ||
                     (checkpoint_requested_ && entries_since_checkpoint_ > 0);
    if (!due || checkpoint_ || installation_) {
      return;
    }
    last_checkpoint_id_ = last_checkpoint_id_.Next();
    checkpoint_ = CheckpointUnderWay{last_checkpoint_id_, applied()};
    effects_.checkpoint = Checkpoint{.id = last_checkpoint_id_, .delta = machine_.TakeDelta()};
    entries_since_checkpoint_ = 0;
    bytes_since_checkpoint_ = 0;
    checkpoint_requested_ = false;
  }

  void Install(raft::ReceivedSnapshot received) {
    std::optional<kv::Image> image = kv::DecodeImage(received.data.view());
    if (!image) {
      node_.SnapshotRejected("the snapshot is damaged");
      return;
    }
    if (raft::LogPosition{image->summary.applied_index, image->summary.applied_term} !=
        received.last_included) {
      node_.SnapshotRejected("the snapshot is not of the position that it was sent for");
      return;
    }
    auto shared = std::make_shared<const kv::Image>(*std::move(image));
    std::string problem;
    std::optional<kv::Machine> machine = kv::Machine::FromImage(*shared, &problem);
    if (!machine) {
      node_.SnapshotRejected(problem);
      return;
    }
    last_checkpoint_id_ = last_checkpoint_id_.Next();
    installation_ = InstallationUnderWay{last_checkpoint_id_, *std::move(machine)};
    effects_.installation = Installation{.id = last_checkpoint_id_, .image = std::move(shared)};
  }

  ReplicaConfig config_;
  raft::Node node_;
  kv::Machine machine_;

  std::map<RequestId, Pending> pending_;
  std::set<std::pair<Instant, RequestId>> deadlines_;
  std::multimap<Index, Waiter> waiters_;  // writes, by the index of their entries
  std::set<RequestId> await_leave_;       // membership changes that are applied but for leaving
  std::optional<RequestId> transfer_;
  std::multimap<Index, RequestId> confirmed_reads_;  // by the index that must be applied first

  DigestWatch digests_;
  Term reports_of_;           // when they came
  raft::StateDigest agreed_;  // what this leader tells
  bool told_divergence_ = false;

  Index checkpoint_index_;  // what state.db durably holds
  CheckpointId last_checkpoint_id_;
  std::optional<CheckpointUnderWay> checkpoint_;
  std::optional<InstallationUnderWay> installation_;
  std::uint64_t entries_since_checkpoint_ = 0;
  std::uint64_t bytes_since_checkpoint_ = 0;
  bool checkpoint_requested_ = false;

  Effects effects_;
};

Status Replica::Impl::GetStatus(Instant now) const {
  Status status{.cluster = config_.raft.cluster,
                .id = config_.raft.id,
                .role = node_.role(),
                .term = node_.current_term(),
                .leader = node_.leader(),
                .first_index = node_.log().first_index(),
                .last_index = node_.log().last_index(),
                .durable_index = node_.durable_index(),
                .commit_index = node_.commit_index(),
                .checkpoint_index = checkpoint_index_,
                .summary = machine_.summary(),
                .keys = machine_.key_count(),
                .sessions = machine_.session_count(),
                .pending_requests = pending_.size(),
                .pending_reads = static_cast<std::uint64_t>(
                    std::count_if(pending_.begin(), pending_.end(),
                                  [](const auto& each) { return !each.second.position; })),
                .log_bytes = node_.log().bytes(),
                .commit_time = node_.commit_time(),
                .peers = {},
                .membership = node_.membership()};
  for (const auto& [id, member] : status.membership.membership.members) {
    const raft::Progress* progress = node_.progress(id);
    if (progress == nullptr) {
      continue;
    }
    PeerStatus peer{.id = id,
                    .match_index = progress->match_index(),
                    .next_index = progress->next_index(),
                    .state = {},
                    .in_flight = progress->in_flight(),
                    .since_contact = std::nullopt,
                    .replication_time = progress->replication_time()};
    switch (progress->state()) {
      case raft::Progress::State::kProbe:
        peer.state = "probe";
        break;
      case raft::Progress::State::kReplicate:
        peer.state = "replicate";
        break;
      case raft::Progress::State::kSnapshot:
        peer.state = "snapshot";
        break;
    }
    if (progress->ever_heard()) {
      peer.since_contact = now - progress->last_contact();
    }
    status.peers.push_back(std::move(peer));
  }
  return status;
}

std::optional<Replica> Replica::Start(const ReplicaConfig& config, StoredState stored,
                                      Random random, Instant now, std::string* error) {
  const kv::Summary summary = stored.image.summary;
  const raft::MembershipAt membership = stored.image.membership;
  std::optional<kv::Machine> machine = kv::Machine::FromImage(std::move(stored.image), error);
  if (!machine) {
    return std::nullopt;
  }
  std::optional<raft::Node> node =
      raft::Node::Start(config.raft, std::move(stored.log),
                        {.position = {summary.applied_index, summary.applied_term},
                         .time = summary.time,
                         .membership = membership},
                        random, now, error);
  if (!node) {
    return std::nullopt;
  }
  // The crash may have come between a checkpoint and the compaction that follows it: a node that
  // crashes there again and again must not have a log that grows for ever.
  node->CheckpointCovers(summary.applied_index);
  return Replica(std::make_unique<Impl>(config, *std::move(node), *std::move(machine)));
}

Replica::Replica(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Replica::Replica(Replica&&) noexcept = default;
Replica& Replica::operator=(Replica&&) noexcept = default;
Replica::~Replica() = default;

void Replica::Advance(Instant now) { impl_->Advance(now); }
void Replica::Receive(const raft::Message& message, Instant now) { impl_->Receive(message, now); }
void Replica::Submit(Request request, Instant now) { impl_->Submit(std::move(request), now); }
void Replica::Persisted(WriteId id, Instant now) { impl_->Persisted(id, now); }
void Replica::CheckpointStored(CheckpointId id, Instant now) { impl_->CheckpointStored(id, now); }
void Replica::SnapshotInstalled(CheckpointId id, Instant now) { impl_->SnapshotInstalled(id, now); }
void Replica::SnapshotRead(NodeId peer, Snapshot snapshot, Instant now) {
  impl_->SnapshotRead(peer, std::move(snapshot), now);
}
void Replica::RequestCheckpoint(Instant now) { impl_->RequestCheckpoint(now); }
Effects Replica::TakeEffects() { return impl_->TakeEffects(); }
Status Replica::GetStatus(Instant now) const { return impl_->GetStatus(now); }
std::size_t Replica::pending_requests() const { return impl_->pending_requests(); }
const kv::Machine& Replica::machine() const { return impl_->machine(); }
const raft::Node& Replica::node() const { return impl_->node(); }

}  // namespace lockstep
