#include "sim/explore/member.h"

#include <algorithm>

#include "core/assert.h"
#include "sim/describe.h"
#include "sim/oracles/promises.h"
#include "sim/violation.h"

namespace lockstep::sim::explore {
namespace {

// Far longer than the number of steps, so that a drawn timeout is never one of its two ends.
constexpr Duration kElectionTimeout = Seconds(1);

std::string Text(raft::LogPosition position) {
  return std::to_string(position.index.value) + "@" + std::to_string(position.term.value);
}

std::string Text(const LogShadow& log) {
  std::string text = "[";
  if (log.base().index != Index()) {
    text += "..." + Text(log.base());
  }
  for (Index index = log.base().index.Next(); index <= log.last_index(); index = index.Next()) {
    text += (text.size() > 1 ? " " : "") + Text({index, *log.TermAt(index)});
  }
  return text + "]";
}

raft::DurableState DurableStateOf(const LogShadow& disk) {
  raft::DurableState state{.hard_state = disk.hard_state(), .base = disk.base(), .entries = {}};
  for (Index index = disk.base().index.Next(); index <= disk.last_index(); index = index.Next()) {
    state.entries.push_back(disk.At(index)->entry);
  }
  return state;
}

bool IsSameLog(const LogShadow& shadow, const raft::Log& log) {
  if (shadow.base() != log.base() || shadow.last_index() != log.last_index()) {
    return false;
  }
  for (Index index = log.first_index(); index <= log.last_index(); index = index.Next()) {
    if (shadow.At(index)->entry != log.At(index)) {
      return false;
    }
  }
  return true;
}

std::string NodeText(NodeId node) { return "node " + std::to_string(node.value); }

}  // namespace

LogShadow ShadowOf(const raft::Node& node) {
  const raft::Log& log = node.log();
  raft::DurableState state{
      .hard_state = {node.current_term(), node.voted_for()}, .base = log.base(), .entries = {}};
  for (Index index = log.first_index(); index <= log.last_index(); index = index.Next()) {
    state.entries.push_back(log.At(index));
  }
  return LogShadow(state);
}

Member::Member(const Bounds& bounds, NodeId id) : bounds_(bounds), id_(id) {
  std::vector<NodeId> voters;
  for (std::uint64_t voter = 1; voter <= bounds_.nodes; ++voter) {
    voters.push_back({voter});
  }
  checkpoint_.membership.membership = raft::MembershipOf(voters);
  Start();
  Facts facts;
  Take(facts);
}

raft::Config Member::ConfigOf(NodeId id) const {
  raft::Config config{.cluster = {1}, .id = id, .incarnation = {}};
  config.election_timeout = kElectionTimeout;
  config.heartbeat_interval = kElectionTimeout / 4;
  config.retransmit_timeout = kElectionTimeout / 8;
  config.snapshot_timeout = kElectionTimeout / 2;
  config.entries_retained = 0;
  return config;
}

void Member::Start() {
  std::string error;
  node_ = raft::Node::Start(ConfigOf(id_), DurableStateOf(disk_), checkpoint_, Random(id_.value),
                            now_, &error);
  if (!node_.has_value()) {
    throw Violation("a node starts on what it stored", NodeText(id_) + " does not start: " + error);
  }
  applied_ = checkpoint_;
}

void Member::Restart(std::size_t survived, bool installed) {
  for (std::size_t i = 0; i < survived; ++i) {
    disk_.Apply(writes_[i]);
  }
  if (lied_.has_value()) {
    disk_ = *std::exchange(lied_, std::nullopt);
  }
  if (installed) {
    checkpoint_ = {.position = installation_->last_included,
                   .time = {std::stoull(std::string(installation_->data.view()))},
                   .membership = checkpoint_.membership};  // it never changes here
  }
  writes_.clear();
  snapshots_wanted_.clear();
  installation_.reset();
  waiting_writes_.clear();
  waiting_reads_.clear();
  Start();
}

void Member::PersistNext() {
  const raft::HardState before = disk_.hard_state();
  if (bounds_.disk_lies) {
    lied_ = disk_;
  }
  const WriteId id = writes_.front().id;
  disk_.Apply(writes_.front());
  writes_.pop_front();
  const raft::HardState& after = disk_.hard_state();
  if (after.current_term < before.current_term ||
      (after.current_term == before.current_term && before.voted_for != NodeId() &&
       after.voted_for != before.voted_for)) {
    throw Violation("votes are kept",
                    NodeText(id_) + " had term " + std::to_string(before.current_term.value) +
                        " and a vote for " + std::to_string(before.voted_for.value) +
                        " on disk and replaced them by term " +
                        std::to_string(after.current_term.value) + " and " +
                        std::to_string(after.voted_for.value));
  }
  if (disk_.base().index > checkpoint_.position.index) {
    throw Violation("compaction keeps the data",
                    NodeText(id_) + " has dropped its log up to index " +
                        std::to_string(disk_.base().index.value) +
                        ", and its checkpoint only covers " +
                        std::to_string(checkpoint_.position.index.value));
  }
  node_->Persisted(id, now_);
}

Facts Member::Step(StepKind kind, std::uint64_t number, const raft::Message* message,
                   Index served) {
  Facts facts;
  const raft::View before(*node_);
  const LogShadow log_before = ShadowOf(*node_);
  bool restarted = false;
  switch (kind) {
    case StepKind::kDeliver:
    case StepKind::kRepeat:
      node_->Receive(*message, now_);
      break;
    case StepKind::kPersist:
      PersistNext();
      break;
    case StepKind::kTimeout:
    case StepKind::kTick:
      now_ = std::max(now_, deadline_);
      node_->Advance(now_);
      break;
    case StepKind::kPatience:
      // The deadline was drawn to be later than that.
      now_ = std::max(now_, Instant{deadline_.ns - 1});
      node_->Advance(now_);
      break;
    case StepKind::kSilence:
      now_ = now_ + kElectionTimeout;
      node_->Advance(now_);
      break;
    case StepKind::kCrash:
    case StepKind::kCrashInstall:
      Restart(number, kind == StepKind::kCrashInstall);
      restarted = true;
      break;
    case StepKind::kWrite: {
      const auto proposed = node_->Propose(Bytes("w" + std::to_string(number)), now_);
      waiting_writes_.push_back(std::get<raft::LogPosition>(proposed));
      break;
    }
    case StepKind::kRead:
      CORE_ASSERT(node_->Read({number}, now_));
      waiting_reads_.push_back({{number}, served, std::nullopt});
      break;
    case StepKind::kCheckpoint:
      checkpoint_ = applied_;
      node_->CheckpointCovers(applied_.position.index);
      break;
    case StepKind::kReadSnapshot:
      snapshots_wanted_.erase({number});
      node_->SnapshotRead({number}, checkpoint_.position,
                          Bytes(std::to_string(checkpoint_.time.value)), now_);
      break;
    case StepKind::kInstall:
      checkpoint_ = {.position = installation_->last_included,
                     .time = {std::stoull(std::string(installation_->data.view()))},
                     .membership = checkpoint_.membership};  // it never changes here
      installation_.reset();
      applied_ = checkpoint_;
      node_->SnapshotInstalled(applied_, now_);
      break;
  }
  Take(facts);
  Check(restarted ? nullptr : &before);
  if (!restarted) {
    CheckKept(log_before, message);
  }
  facts.elected =
      node_->role() == raft::Role::kLeader && (restarted || before.role != raft::Role::kLeader ||
                                               before.current_term != node_->current_term());
  facts.commit_before = restarted ? checkpoint_.position.index : before.commit_index;
  facts.log_changed = !IsSameLog(log_before, node_->log());
  return facts;
}

void Member::Take(Facts& facts) {
  raft::NodeEffects effects = node_->TakeEffects();
  deadline_ = effects.deadline;
  if (effects.write.has_value()) {
    writes_.push_back(*std::move(effects.write));
  }
  for (const raft::Message& message : effects.messages) {
    CheckPromise(message, disk_, checkpoint_.position.index);
  }
  facts.messages = std::move(effects.messages);
  facts.events = std::move(effects.events);
  for (const NodeId peer : effects.snapshots_wanted) {
    snapshots_wanted_.insert(peer);
  }
  if (effects.received_snapshot.has_value()) {
    installation_ = *std::move(effects.received_snapshot);
  }
  for (const RequestId id : effects.refused_reads) {
    std::erase_if(waiting_reads_, [&](const WaitingRead& read) { return read.id == id; });
  }
  for (const raft::ReadyReads& ready : effects.ready_reads) {
    for (WaitingRead& read : waiting_reads_) {
      if (std::find(ready.requests.begin(), ready.requests.end(), read.id) !=
          ready.requests.end()) {
        read.read_index = ready.read_index;
      }
    }
  }
  Apply(facts);
  Answer(facts);
}

void Member::Apply(Facts& facts) {
  while (applied_.position.index < node_->appliable_index()) {
    const raft::Entry& entry = node_->log().At(applied_.position.index.Next());
    applied_ = {.position = {entry.index, entry.term}, .time = entry.time};
    const raft::LogPosition position = applied_.position;
    if (std::find(waiting_writes_.begin(), waiting_writes_.end(), position) !=
        waiting_writes_.end()) {
      facts.served = std::max(facts.served, position.index);
    }
  }
  std::erase_if(waiting_writes_, [&](raft::LogPosition position) {
    return position.index <= applied_.position.index;
  });
}

// Clients' commands take effect in log order, so that a read is linearizable if it sees the index
// of every answer that was given before it was asked.
void Member::Answer(Facts& facts) {
  std::erase_if(waiting_reads_, [&](const WaitingRead& read) {
    const Index applied = applied_.position.index;
    if (!read.read_index.has_value() || *read.read_index > applied) {
      return false;
    }
    if (applied < read.must_see) {
      throw Violation("reads are linearizable",
                      NodeText(id_) + " has answered a read with the state of index " +
                          std::to_string(applied.value) +
                          ", though a client had been answered with that of index " +
                          std::to_string(read.must_see.value) + " before the read began");
    }
    facts.served = std::max(facts.served, applied);
    return true;
  });
}

void Member::Check(const raft::View* before) const {
  const raft::View view(*node_);
  raft::CheckState(view);
  if (before != nullptr) {
    raft::CheckStep(*before, view);
  }
  // What the node says must be what it has written.
  LogShadow written = disk_;
  for (const raft::Write& write : writes_) {
    for (const raft::Entry& entry : write.entries) {
      if (written.TermAt(entry.index) == entry.term) {
        throw Violation("only conflicts remove entries",
                        NodeText(id_) + " has written " + Text({entry.index, entry.term}) +
                            " again, over itself and what follows it");
      }
    }
    written.Apply(write);
  }
  if (written.hard_state() != raft::HardState{view.current_term, view.voted_for} ||
      written.last() != view.last || written.base() != view.base) {
    throw Violation("changes are written",
                    NodeText(id_) +
                        " has another term, vote or log in memory than its disk and "
                        "the writes on their way there make up");
  }
  const Index believed = view.durable_index;
  if (believed > disk_.base().index && believed > checkpoint_.position.index &&
      disk_.TermAt(believed) != node_->log().TermAt(believed)) {
    throw Violation("what counts as durable is",
                    NodeText(id_) + " takes index " + std::to_string(believed.value) +
                        " for durable, and its disk does not hold that entry");
  }
}

// What is in the log stays, unless an append shows that the leader has something else there (§3.5),
// or a snapshot ends where the log does not agree with it (§5.1).
void Member::CheckKept(const LogShadow& before, const raft::Message* message) const {
  const auto* append =
      message == nullptr ? nullptr : std::get_if<raft::AppendEntries>(&message->body);
  const raft::Log& log = node_->log();
  for (Index index = std::max(before.base().index, log.base().index).Next();
       index <= before.last_index(); index = index.Next()) {
    if (log.TermAt(index) == before.TermAt(index)) {
      continue;
    }
    const bool appended_over =
        append != nullptr &&
        std::any_of(append->entries.begin(), append->entries.end(), [&](const raft::Entry& entry) {
          return entry.index <= index && before.TermAt(entry.index) != entry.term;
        });
    const bool replaced = before.TermAt(log.base().index) != log.base().term;
    if (!appended_over && !replaced) {
      throw Violation("only conflicts remove entries",
                      NodeText(id_) + " has removed index " + std::to_string(index.value) +
                          " from its log, and nothing showed that its leader has another entry "
                          "there");
    }
    return;
  }
}

bool Member::patient() const {
  return node_->role() == raft::Role::kFollower && node_->leader() != NodeId() &&
         now_.ns < deadline_.ns - 1;
}

void Member::TellState(raft::StateSink& sink) const {
  const auto tell = [&](const raft::AppliedState& state) {
    raft::Tell(state.position, sink);
    sink.Number(state.time.value);
  };
  const auto tell_log = [&](const LogShadow& log) {
    raft::Tell(log.hard_state(), sink);
    raft::Tell(log.base(), sink);
    sink.Number(log.last_index().value);
    for (Index index = log.base().index.Next(); index <= log.last_index(); index = index.Next()) {
      raft::Tell(log.At(index)->entry, sink);
    }
  };
  tell_log(disk_);
  sink.Number(lied_.has_value() ? 1 : 0);
  if (lied_.has_value()) {
    tell_log(*lied_);
  }
  tell(checkpoint_);
  sink.Number(writes_.size());
  for (const raft::Write& write : writes_) {
    raft::Tell(write, sink);
  }
  sink.Number(installation_.has_value() ? 1 : 0);
  if (installation_.has_value()) {
    raft::Tell(installation_->last_included, sink);
    sink.Text(installation_->data.view());
  }
  tell(applied_);
  sink.Number(waiting_writes_.size());
  for (const raft::LogPosition position : waiting_writes_) {
    raft::Tell(position, sink);
  }
  sink.Number(waiting_reads_.size());
  for (const WaitingRead& read : waiting_reads_) {
    sink.Number(read.id.value);
    sink.Number(read.must_see.value);
    sink.Number(read.read_index.has_value() ? read.read_index->value + 1 : 0);
  }
  sink.Number(patient() ? 1 : 0);
  for (const NodeId peer : snapshots_wanted_) {
    sink.Section(peer);
    sink.Number(2);  // not what a vote tells
  }
  sink.Section(NodeId());
  node_->TellState(sink);
}

std::string Member::Describe() const {
  const raft::Node& node = *node_;
  std::string text = NodeName(id_) + " " + Name(node.role()) + ", term " +
                     std::to_string(node.current_term().value);
  if (node.voted_for() != NodeId()) {
    text += ", vote for " + NodeName(node.voted_for());
  }
  if (node.leader() != NodeId()) {
    text += ", leader " + NodeName(node.leader());
  }
  text += ", log " + Text(ShadowOf(node)) + ", committed " +
          std::to_string(node.commit_index().value) + "; on disk: term " +
          std::to_string(disk_.hard_state().current_term.value);
  if (disk_.hard_state().voted_for != NodeId()) {
    text += ", vote for " + NodeName(disk_.hard_state().voted_for);
  }
  text += ", log " + Text(disk_);
  if (checkpoint_.position.index != Index()) {
    text += ", checkpoint " + Text(checkpoint_.position);
  }
  if (!writes_.empty()) {
    text += "; " + std::to_string(writes_.size()) + " not durable yet";
  }
  return text;
}

}  // namespace lockstep::sim::explore
