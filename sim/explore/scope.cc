#include "sim/explore/scope.h"

#include <algorithm>
#include <cstddef>

#include "sim/violation.h"

namespace lockstep::sim::explore {
namespace {

Cue Step(StepKind step, std::uint64_t node) {
  return {.kind = Cue::Kind::kStep, .step = step, .node = node, .among = {}};
}

Cue Settle(std::vector<std::uint64_t> among) {
  return {.kind = Cue::Kind::kSettle, .among = std::move(among)};
}

Cue Lose() { return {.kind = Cue::Kind::kLose, .among = {}}; }

std::vector<Cue> Then(std::vector<Cue> first, const std::vector<Cue>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

// n1 leads term 1, and everybody has its first entry.
std::vector<Cue> Led() { return {Step(StepKind::kTimeout, 1), Settle({1, 2, 3})}; }

// n1 has a second entry of term 1 that nobody else has; n3 leads term 2, and n1 does not know.
std::vector<Cue> Divided() {
  return Then(Led(), {Step(StepKind::kWrite, 1), Settle({1}), Lose(), Step(StepKind::kPatience, 2),
                      Step(StepKind::kTimeout, 3), Settle({2, 3}), Lose()});
}

// n1 leads term 1 and has committed a write with n2; n3 has nothing of it.
std::vector<Cue> Lagging() {
  return Then(Led(), {Step(StepKind::kWrite, 1), Settle({1, 2}), Lose()});
}

// n1 leads term 1 and has answered a client's write; the others have it, and do not know that it is
// committed.
std::vector<Cue> Answered() {
  return Then(Led(), {Step(StepKind::kWrite, 1), Settle({1, 2, 3}), Lose()});
}

// What the others begin with is explored first, then the quick ones.
std::vector<Scope> MakeScopes() {
  return {
      {"elections",
       "three nodes that never ran",
       {.terms = 2, .timeouts = 2, .crashes = 1, .depth = 16},
       {}},
      {"reads",
       "a deposed leader that does not know is asked",
       {.terms = 2, .timeouts = 0, .ticks = 1, .writes = 1, .reads = 1},
       Divided()},
      {"catching-up",
       "a follower that gets a snapshot and what follows it",
       {.terms = 1, .timeouts = 0, .ticks = 1, .crashes = 1, .writes = 1, .checkpoints = 1},
       Lagging()},
      {"succession",
       "the successor of a leader that has answered a write is asked",
       {.terms = 2, .timeouts = 1, .silences = 1, .reads = 1, .depth = 18},
       Answered()},
      {"replication",
       "a leader that everybody follows, three writes, a crash",
       {.terms = 1, .timeouts = 0, .crashes = 1, .writes = 3, .depth = 14},
       Led()},
      {"snapshots",
       "a follower that needs what the others compact",
       {.terms = 2,
        .timeouts = 1,
        .silences = 1,
        .ticks = 2,
        .crashes = 1,
        .checkpoints = 1,
        .depth = 14},
       Lagging()},
      {"divergence",
       "a deposed leader that does not know, with an entry of its own",
       {.terms = 3, .timeouts = 1, .silences = 1, .ticks = 1, .writes = 1, .depth = 17},
       Divided()},
      {"change",
       "a leader that everybody follows, a write, an election",
       {.terms = 2, .timeouts = 1, .silences = 1, .crashes = 1, .writes = 1, .depth = 17},
       Led()},
      {"four-nodes",
       "four nodes that never ran: a majority is three",
       {.nodes = 4, .terms = 1, .timeouts = 1},
       {}},
      {"alone",
       "a node that is a majority by itself",
       {.nodes = 1, .terms = 2, .timeouts = 2, .crashes = 1, .writes = 2},
       {}},
  };
}

// The first step that finishes something among these nodes; false if there is none.
bool FinishOne(World& world, const std::vector<std::uint64_t>& among, State* state) {
  const auto in = [&](std::uint64_t node) {
    return std::find(among.begin(), among.end(), node) != among.end();
  };
  std::vector<Action> actions;
  world.ActionsOf(*state, &actions);
  for (const Action action : actions) {
    const bool delivery = action.kind == StepKind::kDeliver;
    const bool finishes = delivery || action.kind == StepKind::kPersist ||
                          action.kind == StepKind::kInstall ||
                          action.kind == StepKind::kReadSnapshot;
    if (!finishes || !in(action.node + 1U) ||
        (delivery && !in(world.space().message(action.argument).from.value))) {
      continue;
    }
    State next;
    const World::Result result = world.Apply(*state, action, &next);
    if (result == World::Result::kBroken) {
      throw Violation("before the exploration",
                      world.broken().property + ": " + world.broken().text);
    }
    if (result == World::Result::kChanged) {
      *state = next;
    }
    if (delivery) {
      const auto copy =
          std::lower_bound(state->network.begin(), state->network.end(), action.argument);
      if (copy != state->network.end() && *copy == action.argument) {
        state->network.erase(copy);
      }
    }
    return true;
  }
  return false;
}

}  // namespace

const std::vector<Scope>& Scopes() {
  static const std::vector<Scope> scopes = MakeScopes();
  return scopes;
}

State Begin(World& world, const std::vector<Cue>& beginning) {
  State state = world.First();
  for (const Cue& cue : beginning) {
    switch (cue.kind) {
      case Cue::Kind::kStep: {
        State next;
        const Action action{cue.step, static_cast<std::uint8_t>(cue.node - 1),
                            cue.step == StepKind::kWrite ? 9U : 0U};
        if (cue.step == StepKind::kWrite &&
            world.space().brief(state.members[action.node]).role != raft::Role::kLeader) {
          throw Violation("before the exploration",
                          "node " + std::to_string(cue.node) + " does not lead, and should");
        }
        const World::Result result = world.Apply(state, action, &next);
        if (result == World::Result::kBroken) {
          throw Violation("before the exploration",
                          world.broken().property + ": " + world.broken().text);
        }
        if (result != World::Result::kChanged) {
          throw Violation("before the exploration",
                          "this has no effect: " + world.Describe(state, action));
        }
        state = next;
        break;
      }
      case Cue::Kind::kSettle:
        while (FinishOne(world, cue.among, &state)) {
        }
        break;
      case Cue::Kind::kLose:
        state.network.clear();
        break;
    }
  }
  state.spent = {};
  return state;
}

}  // namespace lockstep::sim::explore
