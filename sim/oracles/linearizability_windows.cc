#include "sim/oracles/linearizability_windows.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <optional>
#include <utility>

namespace lockstep::sim::history {
namespace {

using Op = std::uint32_t;
using Time = std::int64_t;

constexpr Time kBefore = std::numeric_limits<Time>::min();
constexpr Time kAfter = std::numeric_limits<Time>::max();
// Each round costs about as much as sorting the operations. Stopping early loses nothing but
// narrowness; a few rounds reach the end in nearly all histories.
constexpr int kRoundsMax = 16;

// The first of some times by `Before`, leaving out that of any one operation.
template <class Before, Time none>
class First {
 public:
  void Add(Time time, Op op) {
    if (Before()(time, first_)) {
      second_ = first_;
      first_ = time;
      of_ = op;
    } else if (Before()(time, second_)) {
      second_ = time;
    }
  }
  Time value() const { return first_; }
  Time Without(Op op) const { return op == of_ ? second_ : first_; }

 private:
  Time first_ = none;
  Time second_ = none;
  std::optional<Op> of_;
};
using Largest = First<std::greater<>, kBefore>;
using Smallest = First<std::less<>, kAfter>;

class Narrowing {
 public:
  Narrowing(const FactTable& facts, std::vector<Window>& windows)
      : facts_(facts),
        windows_(windows),
        sources_(facts.keys.size()),
        source_count_(facts.keys.size()),
        readers_(facts.keys.size()),
        by_earliest_(facts.key_count),
        by_latest_(facts.key_count) {
    for (Fact fact = 0; fact < facts_.keys.size(); ++fact) {
      if (facts_.holds[fact]) ++source_count_[fact];
    }
    for (Op op = 0; op < windows_.size(); ++op) {
      for (const Fact fact : windows_[op].brought) {
        ++source_count_[fact];
        sources_[fact] = op;
      }
      if (windows_[op].required) AddReader(op);
    }
  }

  bool Run() {
    bool changed = true;
    for (int round = 0; changed && round < kRoundsMax; ++round) {
      changed_ = false;
      SortChangers();
      for (Fact fact = 0; fact < facts_.keys.size(); ++fact) {
        if (source_count_[fact] == 1 && !readers_[fact].empty()) Narrow(fact);
      }
      if (contradiction_) return false;
      changed = changed_;
    }
    return true;
  }

 private:
  void AddReader(Op op) {
    for (const Fact fact : windows_[op].needed) readers_[fact].push_back(op);
  }

  void SortChangers() {
    for (std::size_t key = 0; key < by_earliest_.size(); ++key) {
      by_earliest_[key].clear();
      by_latest_[key].clear();
    }
    for (Op op = 0; op < windows_.size(); ++op) {
      for (const Key key : windows_[op].changed) {
        by_earliest_[key].emplace_back(windows_[op].earliest, op);
        if (windows_[op].latest != kAfter) by_latest_[key].emplace_back(windows_[op].latest, op);
      }
    }
    for (std::size_t key = 0; key < by_earliest_.size(); ++key) {
      std::sort(by_earliest_[key].begin(), by_earliest_[key].end());
      std::sort(by_latest_[key].begin(), by_latest_[key].end());
    }
  }

  void NotBefore(Op op, Time time) {
    if (windows_[op].earliest >= time) return;
    windows_[op].earliest = time;
    Changed(op);
  }
  void NotAfter(Op op, Time time) {
    if (windows_[op].latest <= time) return;
    windows_[op].latest = time;
    Changed(op);
  }
  void Changed(Op op) {
    changed_ = true;
    const Window& window = windows_[op];
    if (window.required && window.earliest > window.latest) contradiction_ = true;
  }

  // The one source of `fact` came before all readers.
  void NarrowSource(Op source, const std::vector<Op>& readers) {
    if (!windows_[source].required) {
      windows_[source].required = true;
      changed_ = true;
      AddReader(source);
    }
    for (const Op reader : readers) {
      NotAfter(source, windows_[reader].latest);
      NotBefore(reader, windows_[source].earliest);
    }
  }

  void Narrow(Fact fact) {
    const bool initial = facts_.holds[fact];
    const std::optional<Op> source = initial ? std::nullopt : std::optional(sources_[fact]);
    // A copy: a source that turns out to be required may be a reader of the same fact.
    const std::vector<Op> readers = readers_[fact];
    if (source) NarrowSource(*source, readers);

    Largest earliest;  // of the readers
    Time latest = kBefore;
    for (const Op reader : readers) {
      earliest.Add(windows_[reader].earliest, reader);
      latest = std::max(latest, windows_[reader].latest);
    }
    NarrowLaterChangers(source, readers, facts_.keys[fact], earliest, latest);
    NarrowEarlierChangers(source, facts_.keys[fact], earliest);
  }

  // Who changed the key after the source did so after all readers.
  void NarrowLaterChangers(std::optional<Op> source, const std::vector<Op>& readers, Key key,
                           const Largest& earliest, Time latest) {
    const Time after = source ? windows_[*source].latest : kBefore;
    const auto& changers = by_earliest_[key];
    Smallest changed;  // the latest time of a changer
    for (auto it = std::upper_bound(changers.begin(), changers.end(),
                                    std::pair(after, std::numeric_limits<Op>::max()));
         it != changers.end() && it->first <= latest; ++it) {
      const Op changer = it->second;
      if (changer == source) continue;
      NotBefore(changer, earliest.Without(changer));
      if (windows_[changer].required) changed.Add(windows_[changer].latest, changer);
    }
    for (const Op reader : readers) NotAfter(reader, changed.Without(reader));
  }

  // Who changed the key before a reader did so before the source.
  void NarrowEarlierChangers(std::optional<Op> source, Key key, const Largest& earliest) {
    const auto& changers = by_latest_[key];
    const Time after = source ? windows_[*source].earliest : kBefore;
    for (auto it = std::lower_bound(changers.begin(), changers.end(), std::pair(after, Op{0}));
         it != changers.end() && it->first < earliest.value(); ++it) {
      const Op changer = it->second;
      if (changer == source || windows_[changer].latest >= earliest.Without(changer)) continue;
      if (!source) {
        if (windows_[changer].required) contradiction_ = true;
        continue;
      }
      NotAfter(changer, windows_[*source].latest);
      if (windows_[changer].required) NotBefore(*source, windows_[changer].earliest);
    }
  }

  const FactTable& facts_;
  std::vector<Window>& windows_;
  std::vector<Op> sources_;  // by fact: some operation that may bring it
  std::vector<std::uint32_t> source_count_;
  std::vector<std::vector<Op>> readers_;  // by fact: required operations that need it
  // By key: who changes it, as of the beginning of the round.
  std::vector<std::vector<std::pair<Time, Op>>> by_earliest_;
  std::vector<std::vector<std::pair<Time, Op>>> by_latest_;
  bool changed_ = false;
  bool contradiction_ = false;
};

}  // namespace

bool NarrowWindows(const FactTable& facts, std::vector<Window>& windows) {
  return Narrowing(facts, windows).Run();
}

}  // namespace lockstep::sim::history
