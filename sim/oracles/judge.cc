#include "sim/oracles/judge.h"

#include <string>

#include "core/assert.h"
#include "core/kv/machine.h"
#include "core/raft/node.h"
#include "sim/oracles/acknowledgements.h"
#include "sim/oracles/fresh_reads.h"
#include "sim/oracles/leader_completeness.h"
#include "sim/oracles/lease_reads.h"
#include "sim/oracles/promises.h"
#include "sim/violation.h"

namespace lockstep::sim {
namespace {

std::string NodeText(NodeId node) { return "node " + std::to_string(node.value); }

}  // namespace

Judge::Judge(std::size_t nodes, ProbeCounts& probes)
    : nodes_(nodes), election_safety_(nodes), probes_(probes), clocks_(nodes) {
  for (const Node& node : nodes_) {
    durable_.push_back(&node.durable);
  }
}

void Judge::Begin(const raft::Membership& membership) {
  committed_membership_ = membership;
  for (const auto& [id, member] : membership.members) {
    At(id).membership = membership;
  }
}

void Judge::Started(NodeId id, const StoredState& stored, bool may_have_forgotten) {
  if (At(id).is_lost) {
    return;
  }
  Node& node = At(id);
  if (may_have_forgotten) {
    Believe(node, stored);
  } else {
    CheckLogLoaded(id, stored.log);
    CheckStateLoaded(id, stored.image.summary);
  }
  election_safety_.HardStateDurable(id, node.durable.hard_state());
  canonical_.Covered(id, {node.state.applied_index, node.state.applied_term});
  digests_.Applied(id, node.state);
  node.memory = node.durable;
  node.applied = node.state.applied_index;
  node.view.reset();
}

void Judge::Believe(Node& node, const StoredState& stored) {
  promises_are_void_ = promises_are_void_ || !node.durable.DifferenceFrom(stored.log).empty() ||
                       stored.image.summary != node.state;
  node.storing_log.clear();
  node.storing_state.reset();
  node.durable = LogShadow(stored.log);
  node.state = stored.image.summary;
}

// A transaction that had not returned may have happened or not, but not by half; everything else is
// there unchanged.
void Judge::CheckLogLoaded(NodeId id, const raft::DurableState& log) {
  Node& node = At(id);
  const std::string difference = node.durable.DifferenceFrom(log);
  if (!node.storing_log.empty()) {
    LogShadow stored = node.durable;
    for (const raft::Write& write : node.storing_log) {
      stored.Apply(write);
    }
    node.storing_log.clear();
    if (stored.DifferenceFrom(log).empty()) {
      node.durable = stored;
      probes_.Count(Probe::kUnacknowledgedWriteSurvived);
      return;
    }
    probes_.Count(Probe::kUnacknowledgedWriteLost);
  }
  if (!difference.empty()) {
    throw Violation("disks keep what was synced",
                    NodeText(id) + " has read from log.db " + difference,
                    {{.kind = Evidence::Kind::kStarted, .node = id},
                     {.kind = Evidence::Kind::kStored, .node = id}});
  }
}

void Judge::CheckStateLoaded(NodeId id, const kv::Summary& summary) {
  Node& node = At(id);
  if (node.storing_state.has_value() && summary == *node.storing_state) {
    node.state = summary;
  }
  node.storing_state.reset();
  if (summary != node.state) {
    throw Violation("disks keep what was synced",
                    NodeText(id) + " has read from state.db the state of index " +
                        std::to_string(summary.applied_index.value) + " instead of " +
                        std::to_string(node.state.applied_index.value),
                    {{.kind = Evidence::Kind::kStarted, .node = id},
                     {.kind = Evidence::Kind::kStored, .node = id}});
  }
}

void Judge::Configured(NodeId id, const raft::Node& raft) {
  if (At(id).is_lost) {
    return;
  }
  At(id).membership = raft.membership().membership;
  At(id).matches.Configured(raft);
}

bool Judge::Knows(NodeId id, NodeId other) const {
  const Node& node = At(id);
  if (node.membership == raft::Membership()) {
    return true;
  }
  const auto since = known_since_.find(other);
  if (since == known_since_.end()) {
    return false;
  }
  return node.state.applied_index >= since->second ||
         node.durable.TermAt(since->second) == canonical_.TermAt(since->second);
}

void Judge::Stopped(NodeId id) {
  if (At(id).is_lost) {
    return;
  }
  At(id).view.reset();
  At(id).asked_reads.clear();
  At(id).read_states.Stopped();
}

void Judge::Wrote(NodeId id, const raft::Write& write) {
  if (At(id).is_lost) {
    return;
  }
  Node& node = At(id);
  node.memory.Apply(write);
  if (!write.entries.empty()) {
    log_matching_.Appended(id, node.memory, write.entries.front().index);
  }
}

void Judge::Stepped(NodeId id, const Replica& replica) {
  if (At(id).is_lost) {
    return;
  }
  Node& node = At(id);
  const raft::View view(replica.node());
  raft::CheckState(view);
  if (node.view.has_value()) {
    raft::CheckStep(*node.view, view);
  }
  CheckShadow(node, view);

  const bool led = node.view.has_value() && node.view->role == raft::Role::kLeader &&
                   node.view->current_term == view.current_term;
  if (view.role == raft::Role::kLeader && !led) {
    election_safety_.Elected(id, view.current_term, node.membership);
    CheckLeaderIsComplete(id, view.current_term, node.memory, canonical_);
  }
  // A node that starts has committed what it had applied; Started() has looked at that.
  const Index commit_before = node.view.has_value() ? node.view->commit_index : node.applied;
  if (view.commit_index > commit_before) {
    CheckCommit(node, view, commit_before);
  }
  CheckApplied(node, id, replica);
  node.view = view;
}

// What a node does must be what it says: oracles judge by what it writes.
void Judge::CheckShadow(const Node& node, const raft::View& view) const {
  const raft::HardState hard_state{view.current_term, view.voted_for};
  if (node.memory.hard_state() != hard_state || node.memory.last() != view.last ||
      node.memory.base() != view.base) {
    throw Violation("changes are written",
                    NodeText(view.id) +
                        " has changed its term, vote or log without "
                        "handing out a write that says so",
                    {{.kind = Evidence::Kind::kVoted, .node = view.id}});
  }
  const Index believed = view.durable_index;
  if (believed > node.durable.base().index && believed > node.state.applied_index &&
      node.durable.TermAt(believed) != node.memory.TermAt(believed)) {
    throw Violation("what counts as durable is",
                    NodeText(view.id) + " takes index " + std::to_string(believed.value) +
                        " for durable, and its disk does not hold that entry",
                    {{.kind = Evidence::Kind::kAppended, .node = view.id, .index = believed},
                     {.kind = Evidence::Kind::kStored, .node = view.id}});
  }
}

void Judge::CheckCommit(Node& node, const raft::View& view, Index before) {
  const Index known = canonical_.last_index();
  canonical_.Committed(view.id, node.memory, before, view.commit_index);
  if (canonical_.last_index() == known) {
    return;
  }
  // A leader that is not a voter any more gives up in the step in which it commits that.
  const bool led = node.view.has_value() && node.view->role == raft::Role::kLeader &&
                   node.view->current_term == view.current_term;
  CheckCommitIsOnAQuorum(view.id, led || view.role == raft::Role::kLeader, view.current_term, known,
                         canonical_, node.membership, durable_);
  if (canonical_.TermAt(known.Next()) < view.current_term) {
    probes_.Count(Probe::kOlderTermEntryCommitted);
  }
  exactly_once_.Committed(canonical_);
  commit_times_.Committed(now_, exactly_once_.reference().revision());
  for (Index index = known.Next(); index <= canonical_.last_index(); index = index.Next()) {
    const raft::Entry& entry = node.memory.At(index)->entry;
    if (entry.kind == raft::EntryKind::kMembership) {
      committed_membership_ = *raft::DecodeMembership(entry.payload.view());
      for (const auto& [member, what] : committed_membership_.members) {
        if (what.incarnation != Incarnation()) {
          known_since_.try_emplace(member, index);
        }
      }
    }
  }
}

void Judge::CheckApplied(Node& node, NodeId id, const Replica& replica) {
  if (replica.machine().applied_index() == node.applied) {
    return;
  }
  const kv::Summary summary = replica.machine().summary();
  if (summary.applied_index < node.applied) {
    throw Violation(
        "state machine safety",
        NodeText(id) + " has gone back from index " + std::to_string(node.applied.value) + " to " +
            std::to_string(summary.applied_index.value),
        {{.kind = Evidence::Kind::kApplied, .node = id, .index = node.applied},
         {.kind = Evidence::Kind::kApplied, .node = id, .index = summary.applied_index}});
  }
  canonical_.Covered(id, {summary.applied_index, summary.applied_term});
  digests_.Applied(id, summary);
  exactly_once_.Applied(id, node.applied, replica.machine());
  node.applied = summary.applied_index;
}

void Judge::Heard(NodeId id, NodeId from, const Replica& replica) {
  if (At(id).is_lost) {
    return;
  }
  const raft::Node& raft = replica.node();
  const raft::Progress* progress = raft.progress(from);
  if (progress == nullptr) {
    return;  // does not lead
  }
  const Index match = progress->match_index();
  At(id).matches.Heard(raft.current_term(), from, match);
  const std::optional<Term> held = raft.log().TermAt(match);
  const Term term = held ? *held : canonical_.TermAt(match);  // compacted, so it was committed
  const Node& follower = At(from);
  CheckAcknowledged(id, raft.current_term(), from, {match, term}, follower.durable,
                    follower.state.applied_index);
}

void Judge::ReadAsked(NodeId id, RequestId request, const Read& read) {
  At(id).asked_reads.insert_or_assign(
      request,
      AskedRead{.read = read,
                .at = now_,
                .committed = exactly_once_.reference().revision(),
                .committed_at_age = commit_times_.Before(now_ + (Duration{} - read.max_age))});
}

void Judge::Replied(NodeId id, const Reply& reply) {
  if (At(id).is_lost) {
    return;
  }
  const auto asked = At(id).asked_reads.find(reply.id);
  if (const auto* result = std::get_if<ReadResult>(&reply.result)) {
    CORE_ASSERT(asked != At(id).asked_reads.end());
    CheckRead(id, asked->second, *result);
  }
  if (asked != At(id).asked_reads.end()) {
    const auto* refusal = std::get_if<Refusal>(&reply.result);
    if (refusal != nullptr && refusal->kind == RefusalKind::kNotLeader && asked->second.at < now_) {
      probes_.Count(Probe::kReadRefusedAfterWaiting);
    }
    At(id).asked_reads.erase(asked);
  }
}

void Judge::CheckRead(NodeId id, const AskedRead& asked, const ReadResult& result) {
  At(id).read_states.Answered(id, asked.read, result, exactly_once_.reference());
  switch (result.path) {
    case ReadPath::kQuorum:
    case ReadPath::kForwarded:
      CheckFresh(id, asked, result.revision);
      probes_.Count(result.path == ReadPath::kQuorum ? Probe::kReadServed : Probe::kReadForwarded);
      if (asked.read.consistency == Consistency::kLease) {
        probes_.Count(Probe::kLeaseReadWithoutLease);
      } else if (asked.read.consistency == Consistency::kBoundedStaleness) {
        probes_.Count(Probe::kBoundedReadAsked);
      }
      break;
    case ReadPath::kLease:
      probes_.Count(CheckLeaseRead(id, asked, result.revision, clocks_)
                        ? Probe::kLeaseReadStaleByClocks
                        : Probe::kLeaseReadServed);
      break;
    case ReadPath::kLocal:
      if (asked.read.consistency == Consistency::kBoundedStaleness) {
        probes_.Count(CheckBoundedRead(id, asked, result.revision, clocks_)
                          ? Probe::kBoundedReadTooOldByClocks
                          : Probe::kBoundedReadAtOnce);
      } else if (asked.read.consistency == Consistency::kSerializable) {
        probes_.Count(result.revision < asked.committed ? Probe::kSerializableReadOfThePast
                                                        : Probe::kSerializableReadServed);
      } else {
        throw Violation("reads are fresh",
                        NodeText(id) + " has answered a read by itself that it may not",
                        {{.kind = Evidence::Kind::kAnswered, .node = id}});
      }
      break;
  }
}

void Judge::Sent(const raft::Message& message) const {
  if (At(message.from).is_lost) {
    return;
  }
  const Node& node = At(message.from);
  CheckPromise(message, node.durable, node.state.applied_index);
}

void Judge::StoringLog(NodeId id, std::span<const raft::Write> writes) {
  if (At(id).is_lost) {
    return;
  }
  At(id).storing_log.assign(writes.begin(), writes.end());
}

void Judge::LogStored(NodeId id) {
  if (At(id).is_lost) {
    return;
  }
  Node& node = At(id);
  for (const raft::Write& write : node.storing_log) {
    node.durable.Apply(write);
  }
  node.storing_log.clear();
  election_safety_.HardStateDurable(id, node.durable.hard_state());
  if (node.durable.base().index > node.state.applied_index) {
    throw Violation("compaction keeps the data",
                    NodeText(id) + " has dropped its log up to index " +
                        std::to_string(node.durable.base().index.value) +
                        ", and its state.db only covers " +
                        std::to_string(node.state.applied_index.value),
                    {{.kind = Evidence::Kind::kStored, .node = id}});
  }
}

void Judge::StoringState(NodeId id, const kv::Summary& summary) {
  if (!At(id).is_lost) {
    At(id).storing_state = summary;
  }
}

void Judge::StateStored(NodeId id) {
  if (At(id).is_lost) {
    return;
  }
  Node& node = At(id);
  node.state = *node.storing_state;
  node.storing_state.reset();
}

}  // namespace lockstep::sim
