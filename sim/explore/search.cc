#include "sim/explore/search.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "sim/explore/numbering.h"

namespace lockstep::sim::explore {
namespace {

constexpr std::uint64_t kStatesBetweenQuestions = 2048;

// States one after the other, as numbers: a frontier has millions of them.
class Queue {
 public:
  explicit Queue(std::size_t nodes) : nodes_(nodes) {}

  void Push(const State& state) {
    for (std::size_t i = 0; i < nodes_; ++i) {
      words_.push_back(state.members[i]);
    }
    words_.push_back(state.history);
    for (std::size_t i = 0; i < kBudgetCount; i += 4) {
      words_.push_back(state.spent[i] | (std::uint32_t{state.spent[i + 1]} << 8) |
                       (std::uint32_t{state.spent[i + 2]} << 16) |
                       (std::uint32_t{state.spent[i + 3]} << 24));
    }
    words_.push_back(static_cast<std::uint32_t>(state.network.size()));
    words_.insert(words_.end(), state.network.begin(), state.network.end());
  }

  bool Pop(State* state) {
    if (next_ == words_.size()) {
      return false;
    }
    for (std::size_t i = 0; i < nodes_; ++i) {
      state->members[i] = words_[next_++];
    }
    state->history = words_[next_++];
    for (std::size_t i = 0; i < kBudgetCount; i += 4) {
      const std::uint32_t four = words_[next_++];
      for (std::size_t j = 0; j < 4; ++j) {
        state->spent[i + j] = static_cast<std::uint8_t>(four >> (8 * j));
      }
    }
    const std::size_t messages = words_[next_++];
    const auto begin = words_.begin() + static_cast<std::ptrdiff_t>(next_);
    state->network.assign(begin, begin + static_cast<std::ptrdiff_t>(messages));
    next_ += messages;
    return true;
  }

  void Clear() {
    words_.clear();
    next_ = 0;
  }

 private:
  std::size_t nodes_;
  std::vector<std::uint32_t> words_;
  std::size_t next_ = 0;
};

// How each state was reached first.
struct Origin {
  std::uint32_t parent;
  std::uint32_t action;
};

std::vector<Action> StepsTo(std::uint32_t state, const std::vector<Origin>& origins) {
  std::vector<Action> steps;
  for (; state != 0; state = origins[state].parent) {
    steps.push_back(Action::Unpack(origins[state].action));
  }
  std::reverse(steps.begin(), steps.end());
  return steps;
}

}  // namespace

SearchResult Search(World& world, const State& first, const SearchLimits& limits) {
  SearchResult result;
  SearchProgress& progress = result.progress;
  Numbering known;
  std::vector<Origin> origins;
  const std::size_t nodes = world.space().bounds().nodes;
  Queue level(nodes);
  Queue next_level(nodes);
  known.Of(world.IdentityOf(first));
  origins.push_back({});
  level.Push(first);
  progress.states = 1;
  progress.to_expand = 1;

  State state;
  State next;
  std::vector<Action> actions;
  std::uint32_t number = 0;  // of the state that is expanded; states are expanded as numbered
  while (progress.to_expand > 0 && progress.depth < limits.depth) {
    while (level.Pop(&state)) {
      if (number % kStatesBetweenQuestions == 0 && limits.stop && limits.stop(progress)) {
        return result;
      }
      world.ActionsOf(state, &actions);
      for (const Action action : actions) {
        const World::Result what = world.Apply(state, action, &next);
        if (what == World::Result::kBroken) {
          result.broken = world.broken();
          result.steps = StepsTo(number, origins);
          result.steps.push_back(action);
          return result;
        }
        if (what != World::Result::kChanged) {
          continue;
        }
        ++progress.transitions;
        if (!known.Of(world.IdentityOf(next)).is_new) {
          continue;
        }
        origins.push_back({number, action.Packed()});
        next_level.Push(next);
        ++progress.states;
        ++progress.to_expand;
        if (progress.states >= limits.states) {
          return result;
        }
      }
      ++number;
      --progress.to_expand;
    }
    ++progress.depth;
    level.Clear();
    std::swap(level, next_level);
  }
  result.exhausted = progress.to_expand == 0;
  return result;
}

}  // namespace lockstep::sim::explore
