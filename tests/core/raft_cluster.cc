#include "tests/core/raft_cluster.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/assert.h"

namespace lockstep::raft {

void Store(const Write& write, DurableState& disk) {
  if (write.hard_state) {
    disk.hard_state = *write.hard_state;
  }
  if (write.reset_to) {
    disk.base = *write.reset_to;
    disk.entries.clear();
  }
  if (!write.entries.empty()) {
    const Index first = write.entries.front().index;
    while (!disk.entries.empty() && disk.entries.back().index >= first) {
      disk.entries.pop_back();
    }
    disk.entries.insert(disk.entries.end(), write.entries.begin(), write.entries.end());
  }
  if (write.compact_to) {
    const auto kept = std::find_if(disk.entries.begin(), disk.entries.end(), [&](const Entry& e) {
      return e.index > write.compact_to->index;
    });
    disk.entries.erase(disk.entries.begin(), kept);
    disk.base = *write.compact_to;
  }
}

std::vector<Entry> Entries(std::uint64_t first, const std::vector<std::uint64_t>& terms) {
  std::vector<Entry> entries;
  for (const std::uint64_t term : terms) {
    entries.push_back({.index = {first + entries.size()},
                       .term = {term},
                       .time = {},
                       .kind = EntryKind::kCommand,
                       .payload = Bytes("of term " + std::to_string(term))});
  }
  return entries;
}

std::vector<std::uint64_t> Terms(const Log& log) {
  std::vector<std::uint64_t> terms;
  for (Index index = log.first_index(); index <= log.last_index(); index = index.Next()) {
    terms.push_back(log.At(index).term.value);
  }
  return terms;
}

RaftCluster::RaftCluster(std::size_t size, std::function<void(Config&)> adjust)
    : adjust_(std::move(adjust)) {
  Config config;
  config.cluster = {1};
  std::vector<NodeId> voters;
  for (std::uint64_t id = 1; id <= size; ++id) {
    voters.push_back({id});
  }
  for (std::uint64_t id = 1; id <= size; ++id) {
    config.id = {id};
    Member& member = members_[{id}];
    member.config = config;
    member.applied.membership.membership = MembershipOf(voters);
    if (adjust_) {
      adjust_(member.config);
    }
    Restart(id);
  }
}

void RaftCluster::AddServer(std::uint64_t id, Incarnation incarnation) {
  Member& member = members_[{id}];
  member.config.cluster = {1};
  member.config.id = {id};
  if (adjust_) {
    adjust_(member.config);
  }
  member.config.incarnation = incarnation;
  Restart(id);
}

void RaftCluster::Collect(std::uint64_t id) { Collect(members_.at(NodeId{id})); }

void RaftCluster::Collect(Member& member) {
  NodeEffects effects = member.node->TakeEffects();
  CheckState(View(*member.node));
  CheckCommitted(member);
  if (effects.write) {
    member.volatile_writes.push_back(*effects.write);
  }
  for (Message& message : effects.messages) {
    sent_.push_back(message);
    network_.push_back(std::move(message));
  }
  member.ready.insert(member.ready.end(), effects.ready_reads.begin(), effects.ready_reads.end());
  member.refused.insert(member.refused.end(), effects.refused_reads.begin(),
                        effects.refused_reads.end());
  if (effects.transfer_ended) {
    member.transfers.push_back(*std::move(effects.transfer_ended));
  }
  member.events.insert(member.events.end(), effects.events.begin(), effects.events.end());
  member.snapshots_wanted.insert(member.snapshots_wanted.end(), effects.snapshots_wanted.begin(),
                                 effects.snapshots_wanted.end());
  if (effects.received_snapshot) {
    member.received_snapshot = std::move(effects.received_snapshot);
  }
  member.deadline = effects.deadline;
  if (member.at_once && !member.volatile_writes.empty()) {
    Persist(member.config.id.value);
  }
}

// What is committed is the same everywhere and for ever (State Machine Safety, §3.2).
void RaftCluster::CheckCommitted(Member& member) {
  const Log& log = member.node->log();
  member.checked = std::max(member.checked, log.base().index);
  while (member.checked < member.node->commit_index()) {
    member.checked = member.checked.Next();
    const Entry& entry = log.At(member.checked);
    const auto [known, is_new] = committed_.try_emplace(member.checked, entry);
    EXPECT_EQ(known->second, entry)
        << "server " << member.config.id.value << ", index " << member.checked.value;
  }
}

void RaftCluster::Persist(std::uint64_t id) {
  Member& member = members_.at(NodeId{id});
  while (!member.volatile_writes.empty()) {
    const Write write = std::move(member.volatile_writes.front());
    member.volatile_writes.pop_front();
    Store(write, member.disk);
    member.node->Persisted(write.id, now_);
  }
  Collect(member);
}

void RaftCluster::Stop(std::uint64_t id) {
  Member& member = members_.at(NodeId{id});
  member.node.reset();
  member.volatile_writes.clear();
}

void RaftCluster::Restart(std::uint64_t id) {
  Member& member = members_.at(NodeId{id});
  Stop(id);
  std::string error;
  member.node = Node::Start(member.config, member.disk, member.applied,
                            Random(id * 1000 + ++member.starts), now_, &error);
  CORE_ASSERT(member.node.has_value());
  member.checked = member.applied.position.index;
  Collect(member);
}

void RaftCluster::SetLog(std::uint64_t id, const std::vector<std::uint64_t>& terms,
                         std::uint64_t current_term) {
  Stop(id);
  SetDisk(id, {.hard_state = {{current_term}, {}}, .base = {}, .entries = Entries(1, terms)});
  Restart(id);
}

void RaftCluster::Checkpoint(std::uint64_t id) {
  Member& member = members_.at(NodeId{id});
  const Index index = member.node->appliable_index();
  CORE_ASSERT(index == member.node->commit_index());  // as is the membership
  if (index <= member.applied.position.index) {
    return;
  }
  const Entry& entry = member.node->log().At(index);
  member.applied = {.position = {index, entry.term},
                    .time = entry.time,
                    .membership = member.node->committed_membership()};
  snapshots_[member.applied.position] = member.applied;
  member.node->CheckpointCovers(index);
  Collect(member);
}

void RaftCluster::SendSnapshot(std::uint64_t from, std::uint64_t to) {
  Member& member = members_.at(NodeId{from});
  member.node->SnapshotRead({to}, member.applied.position, Bytes("state"), now_);
  Collect(member);
}

void RaftCluster::InstallSnapshot(std::uint64_t id) {
  Member& member = members_.at(NodeId{id});
  CORE_ASSERT(member.received_snapshot.has_value());
  member.applied = snapshots_.at(member.received_snapshot->last_included);
  member.received_snapshot.reset();
  member.node->SnapshotInstalled(member.applied, now_);
  member.checked = member.applied.position.index;
  Collect(member);
}

void RaftCluster::Deliver() {
  while (!network_.empty()) {
    const Message message = std::move(network_.front());
    network_.pop_front();
    const auto to = members_.find(message.to);
    const bool lost = isolated_.count(message.from) != 0 || isolated_.count(message.to) != 0 ||
                      (lose_ && lose_(message)) || to == members_.end() || !to->second.node;
    if (lost) {
      continue;
    }
    Receive(message);
  }
}

void RaftCluster::Run(Duration duration) {
  const Instant end = now_ + duration;
  Deliver();
  while (now_ < end) {
    now_ = std::min(now_ + Milliseconds(10), end);
    for (auto& [id, member] : members_) {
      if (member.node && member.deadline <= now_) {
        member.node->Advance(now_);
        Collect(member);
      }
    }
    Deliver();
  }
}

void RaftCluster::Receive(const Message& message) {
  Member& member = members_.at(message.to);
  const View before(*member.node);
  member.node->Receive(message, now_);
  CheckStep(before, View(*member.node));
  Collect(member);
}

void RaftCluster::Campaign(std::uint64_t id) {
  Member& member = members_.at(NodeId{id});
  now_ = now_ + member.config.election_timeout * 2;
  member.node->Advance(now_);
  Collect(member);
}

void RaftCluster::Elect(std::uint64_t id) {
  const Member& member = members_.at(NodeId{id});
  for (int tries = 0; tries < 3 && member.node->role() != Role::kLeader; ++tries) {
    Campaign(id);
    Deliver();
  }
  CORE_ASSERT(member.node->role() == Role::kLeader);
}

std::uint64_t RaftCluster::Leader() {
  std::uint64_t leader = 0;
  Term term;
  for (auto& [id, member] : members_) {
    if (member.node && member.node->role() == Role::kLeader && member.node->current_term() > term) {
      leader = id.value;
      term = member.node->current_term();
    }
  }
  return leader;
}

std::optional<LogPosition> RaftCluster::Propose(std::uint64_t id, const std::string& command) {
  auto proposed = node(id).Propose(Bytes(command), now_);
  Collect(id);
  if (const auto* position = std::get_if<LogPosition>(&proposed)) {
    return *position;
  }
  return std::nullopt;
}

std::string RaftCluster::Change(std::uint64_t id, const MembershipChange& change) {
  auto changed = node(id).ChangeMembership(change, now_);
  Collect(id);
  const auto* refusal = std::get_if<MembershipRefusal>(&changed);
  return refusal == nullptr ? std::string() : refusal->text;
}

std::string RaftCluster::Transfer(std::uint64_t id, std::uint64_t target) {
  std::string refusal = node(id).TransferLeadership({target}, now_);
  Collect(id);
  return refusal;
}

bool RaftCluster::Read(std::uint64_t id, std::uint64_t request) {
  const bool leads = node(id).Read({request}, now_);
  Collect(id);
  return leads;
}

}  // namespace lockstep::raft
