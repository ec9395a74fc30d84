#include "sim/explore/world.h"

#include <algorithm>

#include "core/assert.h"
#include "sim/describe.h"
#include "sim/oracles/leader_completeness.h"
#include "sim/oracles/majorities.h"
#include "sim/violation.h"

namespace lockstep::sim::explore {
namespace {

constexpr std::uint32_t kArgumentBits = 24;

std::optional<Budget> Spends(StepKind kind) {
  switch (kind) {
    case StepKind::kTimeout:
      return Budget::kTimeouts;
    case StepKind::kPatience:
    case StepKind::kSilence:
      return Budget::kSilences;
    case StepKind::kTick:
      return Budget::kTicks;
    case StepKind::kCrash:
    case StepKind::kCrashInstall:
      return Budget::kCrashes;
    case StepKind::kWrite:
      return Budget::kWrites;
    case StepKind::kRead:
      return Budget::kReads;
    case StepKind::kCheckpoint:
      return Budget::kCheckpoints;
    case StepKind::kRepeat:
      return Budget::kDuplicates;
    case StepKind::kDeliver:
    case StepKind::kPersist:
    case StepKind::kReadSnapshot:
    case StepKind::kInstall:
      return std::nullopt;
  }
  return std::nullopt;
}

bool IsDelivery(StepKind kind) { return kind == StepKind::kDeliver || kind == StepKind::kRepeat; }

}  // namespace

std::uint32_t Action::Packed() const {
  CORE_ASSERT(argument < (1U << kArgumentBits));
  return (static_cast<std::uint32_t>(kind) << (kArgumentBits + 3)) |
         (std::uint32_t{node} << kArgumentBits) | argument;
}

Action Action::Unpack(std::uint32_t packed) {
  return {.kind = static_cast<StepKind>(packed >> (kArgumentBits + 3)),
          .node = static_cast<std::uint8_t>((packed >> kArgumentBits) & 7),
          .argument = packed & ((1U << kArgumentBits) - 1)};
}

State World::First() {
  State state;
  for (std::size_t node = 0; node < space_.bounds().nodes; ++node) {
    state.members[node] = space_.FirstMember({node + 1});
  }
  History history;
  history.leaders.resize(space_.bounds().terms + 1);
  state.history = space_.NumberOf(std::move(history));
  return state;
}

std::uint8_t World::BudgetOf(Budget budget) const {
  const Bounds& bounds = space_.bounds();
  const std::array<std::uint64_t, kBudgetCount> budgets = {
      bounds.timeouts, bounds.silences, bounds.ticks,       bounds.crashes,
      bounds.writes,   bounds.reads,    bounds.checkpoints, bounds.duplicates.value_or(0)};
  return static_cast<std::uint8_t>(budgets[static_cast<std::size_t>(budget)]);
}

void World::ActionsOf(const State& state, std::vector<Action>* actions) {
  actions->clear();
  const auto left = [&](Budget budget) {
    return state.spent[static_cast<std::size_t>(budget)] < BudgetOf(budget);
  };
  const bool repeats = left(Budget::kDuplicates);
  MessageNumber last = UINT32_MAX;
  for (const MessageNumber message : state.network) {
    if (message == last) {
      continue;
    }
    last = message;
    const auto to = static_cast<std::uint8_t>(space_.message_brief(message).to.value - 1);
    actions->push_back({StepKind::kDeliver, to, message});
    if (repeats) {
      actions->push_back({StepKind::kRepeat, to, message});
    }
  }
  for (std::uint8_t node = 0; node < space_.bounds().nodes; ++node) {
    const Brief& brief = space_.brief(state.members[node]);
    const bool leads = brief.role == raft::Role::kLeader;
    const auto add = [&](StepKind kind, std::uint64_t argument = 0) {
      actions->push_back({kind, node, static_cast<std::uint32_t>(argument)});
    };
    if (brief.writes_waiting > 0) {
      add(StepKind::kPersist);
    }
    if (brief.installing) {
      add(StepKind::kInstall);
    }
    for (const NodeId peer : brief.snapshots_wanted) {
      add(StepKind::kReadSnapshot, peer.value);
    }
    if (!leads && left(Budget::kTimeouts)) {
      add(StepKind::kTimeout);
    }
    if (brief.patient && left(Budget::kSilences)) {
      add(StepKind::kPatience);
    }
    if (leads && left(Budget::kSilences)) {
      add(StepKind::kSilence);
    }
    if (leads && left(Budget::kTicks)) {
      add(StepKind::kTick);
    }
    if (leads && left(Budget::kWrites)) {
      add(StepKind::kWrite, state.spent[static_cast<std::size_t>(Budget::kWrites)] + 1);
    }
    if (leads && left(Budget::kReads)) {
      add(StepKind::kRead, state.spent[static_cast<std::size_t>(Budget::kReads)] + 1);
    }
    if (brief.may_checkpoint && left(Budget::kCheckpoints)) {
      add(StepKind::kCheckpoint);
    }
    if (left(Budget::kCrashes)) {
      for (std::size_t survived = 0; survived <= brief.writes_waiting; ++survived) {
        add(StepKind::kCrash, survived);
        if (brief.installing) {
          add(StepKind::kCrashInstall, survived);
        }
      }
    }
  }
}

World::Result World::Apply(const State& state, Action action, State* next) {
  const MemberNumber before = state.members[action.node];
  const Index served =
      action.kind == StepKind::kRead ? space_.history(state.history).served : Index();
  const Outcome& outcome = space_.Step(before, action.kind, action.argument, served);
  if (outcome.broken.has_value()) {
    broken_ = outcome.broken;
    return Result::kBroken;
  }
  if (IsDelivery(action.kind) && outcome.member == before && outcome.messages.empty()) {
    return Result::kNothing;
  }
  if (space_.brief(outcome.member).term.value > space_.bounds().terms) {
    return Result::kOutOfBounds;
  }
  *next = state;
  next->members[action.node] = outcome.member;
  if (const std::optional<Budget> budget = Spends(action.kind)) {
    ++next->spent[static_cast<std::size_t>(*budget)];
  }
  const bool stays = !space_.bounds().duplicates.has_value();
  if (action.kind == StepKind::kDeliver && !stays) {
    next->network.erase(
        std::lower_bound(next->network.begin(), next->network.end(), action.argument));
  }
  const std::size_t sent = next->network.size();
  for (const MessageNumber message : outcome.messages) {
    next->network.push_back(message);
  }
  const bool disk_term_changed =
      space_.brief(before).disk_term != space_.brief(outcome.member).disk_term;
  try {
    CheckCluster(state, {action.node + 1U}, outcome, next);
  } catch (const Violation& violation) {
    broken_ = Broken{violation.property(), violation.what()};
    return Result::kBroken;
  } catch (const AssertionFailure& failure) {
    broken_ = Broken{"assertion", failure.what()};
    return Result::kBroken;
  }
  Forget(next, disk_term_changed ? action.node : kNodesMax, sent);
  std::sort(next->network.begin(), next->network.end());
  if (stays) {
    next->network.erase(std::unique(next->network.begin(), next->network.end()),
                        next->network.end());
  }
  return Result::kChanged;
}

// Removes what can have no effect any more, of the messages to `node` and of those from `sent` on.
// Only these can have become such.
void World::Forget(State* next, std::size_t node, std::size_t sent) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < next->network.size(); ++i) {
    const MessageNumber number = next->network[i];
    const MessageBrief& message = space_.message_brief(number);
    const std::size_t to = message.to.value - 1;
    bool forgotten = false;
    if (message.is_reply && (to == node || i >= sent) &&
        message.term < space_.brief(next->members[to]).disk_term) {
      const Outcome& outcome = space_.Step(next->members[to], StepKind::kDeliver, number, Index());
      forgotten = !outcome.broken.has_value() && outcome.member == next->members[to] &&
                  outcome.messages.empty();
    }
    if (!forgotten) {
      next->network[kept++] = number;
    }
  }
  next->network.resize(kept);
}

void World::CheckCluster(const State& state, NodeId acted, const Outcome& outcome, State* next) {
  const Brief& brief = space_.brief(outcome.member);
  if (outcome.log_changed) {
    CheckLogMatching(*next, acted);
  }
  const bool commits = brief.commit > outcome.commit_before;
  const bool serves = outcome.served > space_.history(state.history).served;
  if (!outcome.elected && !commits && !serves) {
    return;
  }
  History history = space_.history(state.history);
  const raft::Node& node = space_.member(outcome.member).node();
  if (outcome.elected) {
    NodeId& leader = history.leaders[brief.term.value];
    if (leader != NodeId() && leader != acted) {
      throw Violation("election safety", "nodes " + std::to_string(leader.value) + " and " +
                                             std::to_string(acted.value) + " both led term " +
                                             std::to_string(brief.term.value));
    }
    leader = acted;
    CheckElected(*next, acted, brief.term);
    CheckLeaderIsComplete(acted, brief.term, ShadowOf(node), history.canonical);
  }
  if (commits) {
    const Index known = history.canonical.last_index();
    history.canonical.Committed(acted, ShadowOf(node), outcome.commit_before, brief.commit);
    if (history.canonical.last_index() > known) {
      std::vector<const LogShadow*> disks;
      for (std::size_t i = 0; i < space_.bounds().nodes; ++i) {
        disks.push_back(&space_.member(next->members[i]).disk());
      }
      CheckCommitIsOnAQuorum(acted, brief.role == raft::Role::kLeader, brief.term, known,
                             history.canonical, node.membership().membership, disks);
    }
  }
  history.served = std::max(history.served, outcome.served);
  next->history = space_.NumberOf(std::move(history));
}

// A leader was elected by a majority. A disk that has gone on to a later term no longer tells whom
// it voted for.
void World::CheckElected(const State& next, NodeId elected, Term term) const {
  const auto voted = [&](NodeId voter) {
    const raft::HardState& disk = space_.member(next.members[voter.value - 1]).disk().hard_state();
    return disk == raft::HardState{term, elected} || disk.current_term > term;
  };
  const raft::Node& leader = space_.member(next.members[elected.value - 1]).node();
  if (std::string lacks = LacksMajority(leader.membership().membership, voted); !lacks.empty()) {
    throw Violation("votes are durable", "node " + std::to_string(elected.value) + " leads term " +
                                             std::to_string(term.value) +
                                             ", and the vote for it is on the disks of " + lacks);
  }
}

// Two logs that hold an entry of the same index and term hold the same entry there and entries of
// the same term before it: at every index, so that all before is the same by induction.
void World::CheckLogMatching(const State& next, NodeId changed) const {
  const raft::Log& log = space_.member(next.members[changed.value - 1]).node().log();
  for (std::size_t i = 0; i < space_.bounds().nodes; ++i) {
    const raft::Log& other = space_.member(next.members[i]).node().log();
    const Index last = std::min(log.last_index(), other.last_index());
    const Index base = std::max(log.base().index, other.base().index);
    for (Index index = base.Next(); index <= last; index = index.Next()) {
      const raft::Entry& ours = log.At(index);
      const raft::Entry& theirs = other.At(index);
      if (ours.term == theirs.term &&
          (ours != theirs || log.TermAt(index.Previous()) != other.TermAt(index.Previous()))) {
        throw Violation("log matching", "nodes " + std::to_string(changed.value) + " and " +
                                            std::to_string(i + 1) +
                                            " hold different entries at or "
                                            "before index " +
                                            std::to_string(index.value) + " of term " +
                                            std::to_string(ours.term.value));
      }
    }
  }
}

Hash128 World::IdentityOf(const State& state) const {
  Hash128 smallest{UINT64_MAX, UINT64_MAX};
  Hash128 spent;
  for (std::size_t i = 0; i < kBudgetCount; ++i) {
    spent.low |= std::uint64_t{state.spent[i]} << (8 * i);
  }
  spent.low *= 0x9e3779b97f4a7c15;
  for (std::size_t renaming = 0; renaming < space_.renamings(); ++renaming) {
    Hash128 hash = spent;
    hash.Add(space_.history_hashes(state.history)[renaming]);
    for (std::size_t i = 0; i < space_.bounds().nodes; ++i) {
      hash.Add(space_.brief(state.members[i]).hashes[renaming]);
    }
    for (const MessageNumber message : state.network) {
      hash.Add(space_.message_brief(message).hashes[renaming]);
    }
    smallest = std::min(smallest, hash);
  }
  return smallest;
}

std::string World::Describe(const State& state, Action action) {
  const std::string who = NodeName({action.node + 1U});
  const raft::Message* message =
      IsDelivery(action.kind) ? &space_.message(action.argument) : nullptr;
  std::string text;
  switch (action.kind) {
    case StepKind::kDeliver:
    case StepKind::kRepeat:
      text =
          who + " receives " + NodeName(message->from) + "'s " + lockstep::sim::Describe(*message);
      if (action.kind == StepKind::kRepeat) {
        text += ", of which a copy stays under way";
      }
      break;
    case StepKind::kPersist:
      text = who + "'s oldest waiting write is durable";
      break;
    case StepKind::kTimeout:
      text = who + "'s election timeout passes";
      break;
    case StepKind::kPatience:
      text = who + " has not heard of its leader for the shortest election timeout";
      break;
    case StepKind::kTick:
      text = who + "'s next deadline as a leader passes";
      break;
    case StepKind::kSilence:
      text = "an election timeout passes for " + who + ", which leads";
      break;
    case StepKind::kCrash:
    case StepKind::kCrashInstall:
      text = who + " crashes and restarts";
      if (space_.brief(state.members[action.node]).writes_waiting > 0) {
        text +=
            "; of its waiting writes " + std::to_string(action.argument) + " had reached the disk";
      }
      if (action.kind == StepKind::kCrashInstall) {
        text += "; the snapshot was installed";
      }
      break;
    case StepKind::kWrite:
      text = "a client's write w" + std::to_string(action.argument) + " reaches " + who;
      break;
    case StepKind::kRead:
      text = "a client's read reaches " + who;
      break;
    case StepKind::kCheckpoint:
      text = who + " has stored a checkpoint";
      break;
    case StepKind::kReadSnapshot:
      text = who + " has read its checkpoint for " + NodeName({action.argument});
      break;
    case StepKind::kInstall:
      text = who + " has installed the snapshot";
      break;
  }
  try {
    Member member = space_.member(state.members[action.node]);
    const Index served =
        action.kind == StepKind::kRead ? space_.history(state.history).served : Index();
    const Facts facts = member.Step(action.kind, action.argument, message, served);
    for (const raft::Event& event : facts.events) {
      text += "; " + lockstep::sim::Describe(event);
    }
    if (member.node().commit_index() > facts.commit_before) {
      text += "; commits index " + std::to_string(member.node().commit_index().value);
    }
    if (facts.served != Index()) {
      text += "; answers a client at index " + std::to_string(facts.served.value);
    }
  } catch (const std::logic_error&) {
    // The last step of a counterexample may be one that the node does not survive.
  } catch (const Violation&) {
  }
  return text;
}

std::vector<std::string> World::Describe(const State& state) const {
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < space_.bounds().nodes; ++i) {
    lines.push_back(space_.member(state.members[i]).Describe());
  }
  return lines;
}

}  // namespace lockstep::sim::explore
