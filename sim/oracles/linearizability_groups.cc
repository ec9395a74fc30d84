#include "sim/oracles/linearizability_groups.h"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "absl/container/flat_hash_map.h"

namespace lockstep::sim::history {
namespace {

// Calls visit(key) for every key that the operation may read or write; for a transaction without
// keys with the empty one, so that it belongs somewhere: it may still contradict itself.
template <class Visit>
void VisitKeys(const Operation& operation, const Visit& visit) {
  if (operation.action != Action::kTxn && operation.action != Action::kCondTxn) {
    visit(std::string_view(operation.key));
    return;
  }
  for (const Condition& condition : operation.conditions) visit(std::string_view(condition.key));
  for (const Step& step : operation.steps) visit(std::string_view(step.key));
  for (const Step& step : operation.else_steps) visit(std::string_view(step.key));
  if (operation.conditions.empty() && operation.steps.empty() && operation.else_steps.empty()) {
    visit(std::string_view());
  }
}

// The sets of a union-find over [0, size).
class DisjointSets {
 public:
  std::uint32_t Add() {
    parents_.push_back(static_cast<std::uint32_t>(parents_.size()));
    return parents_.back();
  }
  std::uint32_t Find(std::uint32_t member) {
    while (parents_[member] != member) {
      parents_[member] = parents_[parents_[member]];
      member = parents_[member];
    }
    return member;
  }
  // The smaller of the two names stays.
  void Join(std::uint32_t a, std::uint32_t b) {
    a = Find(a);
    b = Find(b);
    parents_[std::max(a, b)] = std::min(a, b);
  }

 private:
  std::vector<std::uint32_t> parents_;
};

}  // namespace

std::vector<KeyGroup> GroupKeys(const History& history) {
  absl::flat_hash_map<std::string_view, std::uint32_t> numbers;
  std::vector<std::string_view> keys;  // by number
  DisjointSets sets;
  std::vector<std::optional<std::uint32_t>> first_keys(history.operations.size());
  for (std::size_t i = 0; i < history.operations.size(); ++i) {
    if (MakesNoClaim(history.operations[i])) continue;
    VisitKeys(history.operations[i], [&](std::string_view key) {
      const auto [found, added] = numbers.try_emplace(key, static_cast<std::uint32_t>(keys.size()));
      if (added) {
        keys.push_back(key);
        sets.Add();
      }
      if (first_keys[i]) {
        sets.Join(*first_keys[i], found->second);
      } else {
        first_keys[i] = found->second;
      }
    });
  }
  std::vector<KeyGroup> groups;
  std::vector<std::optional<std::size_t>> group_of(keys.size());
  const auto group = [&](std::uint32_t key) -> KeyGroup& {
    std::optional<std::size_t>& number = group_of[sets.Find(key)];
    if (!number) {
      number = groups.size();
      groups.emplace_back();
    }
    return groups[*number];
  };
  for (std::uint32_t key = 0; key < keys.size(); ++key) group(key).keys.push_back(keys[key]);
  for (std::size_t i = 0; i < first_keys.size(); ++i) {
    if (first_keys[i]) group(*first_keys[i]).operations.push_back(i);
  }
  return groups;
}

}  // namespace lockstep::sim::history
