#include "sim/shrink.h"

#include <algorithm>
#include <bit>
#include <cinttypes>
#include <cstdio>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "sim/plan_text.h"
#include "sim/stopwatch.h"
#include "sim/trace.h"
#include "sim/worker_pool.h"

namespace lockstep::sim {
namespace {

// A candidate that takes so much longer than what it is to replace is no improvement.
constexpr std::uint64_t kEventsFactor = 3;
constexpr std::uint64_t kEventsMore = 3'000;

// For a plan whose failure is a hang, the time after which a run counts as hanging, else a bound
// that only a hang reaches.
constexpr Duration kHangTime = Seconds(10);

// Each round tries every step with so many seeds of the run, and cuts lists into so many pieces at
// most. Coarse ones come first: as long as the plan is large, each run is dear.
struct Round {
  std::uint64_t seeds;
  std::uint64_t pieces_max;
};
constexpr std::uint64_t kToTheLast = ~std::uint64_t{0};
constexpr Round kRounds[] = {{1, 4},          {4, 4},           {4, 16},         {1, kToTheLast},
                             {4, kToTheLast}, {16, kToTheLast}, {64, kToTheLast}};
// Steps that leave the number of faults, operations and nodes alone are worth less.
constexpr std::uint64_t kSeedsForLooks = 4;

// From so few faults and operations on, pairs of them are tried.
constexpr std::size_t kPairsBelow = 24;

constexpr Duration kGrains[] = {Seconds(1), Milliseconds(100), Milliseconds(10), Milliseconds(1),
                                Microseconds(100)};

Duration RoundedDown(Duration duration, Duration grain) {
  return Duration{duration.ns / grain.ns * grain.ns};
}
SimTime RoundedDown(SimTime time, Duration grain) { return {time.ns / grain.ns * grain.ns}; }

// With the smallest of these, what needs a number of entries needs the fewest.
constexpr std::int64_t Settings::*kLimits[] = {&Settings::checkpoint_entries,
                                               &Settings::entries_retained};

// Kinds that do the same at a special moment, and the plain one.
FaultKind Simpler(FaultKind kind) {
  switch (kind) {
    case FaultKind::kCrashInStorage:
    case FaultKind::kCrashInWrite:
    case FaultKind::kCrashAll:
    case FaultKind::kCrashInStart:
    case FaultKind::kCrashInState:
      return FaultKind::kCrash;
    default:
      return kind;
  }
}

class Shrinker {
 public:
  Shrinker(const Plan& plan, const ShrinkOptions& options)
      : options_(options), best_(plan), original_(plan) {}

  std::optional<ShrinkResult> Run() {
    const auto work = [this](std::string_view order) { return Work(order); };
    {
      // What the failure is; with patience, since it may be slow.
      WorkerPool pool(1, options_.time, work);
      pool.Order(0, "\n" + WritePlan(best_));
      std::vector<WorkerPool::Outcome> outcomes;
      while (outcomes.empty() && !options_.stop()) {
        outcomes = pool.Wait(Milliseconds(200));
      }
      if (outcomes.empty()) {
        return std::nullopt;
      }
      best_result_ = ResultOf(outcomes.front());
      ++runs_;
    }
    if (!best_result_.failure.has_value()) {
      return std::nullopt;
    }
    failure_ = *best_result_.failure;
    const std::uint64_t events_before = best_result_.events;
    WorkerPool pool(options_.jobs, kHangTime, work);
    pool_ = &pool;
    for (const Round& round : kRounds) {
      while (!Over() && Sweep(round)) {
      }
    }
    return ShrinkResult{.plan = best_,
                        .failure = *best_result_.failure,
                        .before = SizeOf(original_),
                        .after = SizeOf(best_),
                        .events_before = events_before,
                        .events_after = best_result_.events,
                        .runs = runs_,
                        .took = watch_.Elapsed(),
                        .finished = !Over()};
  }

 private:
  // ---- Trying

  // In the worker: an order is the bound of events, if any, a line feed, and the plan.
  std::string Work(std::string_view order) const {
    const std::size_t end = order.find('\n');
    RunOptions options;
    if (end > 0) {
      options.events_max = std::stoull(std::string(order.substr(0, end)));
    }
    std::string error;
    const std::optional<Plan> plan = ReadPlan(order.substr(end + 1), &error);
    RunResult result;
    if (plan.has_value()) {
      result = RunGuarded(options_.run, *plan, options);
    }
    return WriteReport(result);
  }

  bool Over() const { return watch_.Elapsed() >= options_.time || options_.stop(); }

  // Runs the candidates make(0), ..., make(count - 1), each with several seeds, and takes the first
  // in this order that fails the same way for the best plan. Returns its number.
  std::optional<std::size_t> TryFirst(std::size_t count,
                                      const std::function<Plan(std::size_t)>& make) {
    std::map<std::uint64_t, Plan> under_way;
    std::optional<std::uint64_t> hit;
    Plan hit_plan;
    RunResult hit_result;
    const std::uint64_t total = count * seeds_tried_;
    const std::uint64_t events_max = best_result_.events * kEventsFactor + kEventsMore;
    std::uint64_t next = 0;
    while (true) {
      while (!hit.has_value() && next < total && pool_->HasIdle() && !Over()) {
        const std::uint64_t id = next;
        ++next;
        Plan candidate = make(static_cast<std::size_t>(id / seeds_tried_));
        if (candidate == best_ || !Validate(candidate).empty()) {
          next = (id / seeds_tried_ + 1) * seeds_tried_;  // no seed changes that
          continue;
        }
        if (const std::uint64_t seed = id % seeds_tried_; seed > 0) {
          candidate.seed = seed;
        }
        const std::string text = WritePlan(candidate);
        if (harmless_.count(FingerprintOf(text)) > 0) {
          continue;
        }
        pool_->Order(id, std::to_string(events_max) + "\n" + text);
        under_way.emplace(id, std::move(candidate));
      }
      if (!pool_->Busy()) {
        break;
      }
      for (const WorkerPool::Outcome& outcome : pool_->Wait(Milliseconds(200))) {
        ++runs_;
        RunResult result = ResultOf(outcome);
        const auto plan = under_way.extract(outcome.id);
        if (!result.failure.has_value() || !SameWay(*result.failure, failure_)) {
          harmless_.insert(FingerprintOf(WritePlan(plan.mapped())));
        } else if (!hit.has_value() || outcome.id < *hit) {
          hit = outcome.id;
          hit_plan = plan.mapped();
          hit_result = std::move(result);
        }
      }
    }
    if (!hit.has_value()) {
      return std::nullopt;
    }
    best_ = std::move(hit_plan);
    best_result_ = std::move(hit_result);
    changed_ = true;
    return static_cast<std::size_t>(*hit / seeds_tried_);
  }

  bool Try(const Plan& candidate) {
    return TryFirst(1, [&](std::size_t) { return candidate; }).has_value();
  }

  // Takes away ever smaller pieces of a list of size(), as delta debugging does.
  void TakeAway(const std::function<std::size_t()>& size,
                const std::function<Plan(std::size_t first, std::size_t count)>& without) {
    const std::size_t all = size();
    for (std::size_t piece = all; piece > 0 && all / piece <= pieces_max_ && !Over(); piece /= 2) {
      std::size_t first = 0;
      while (first < size()) {
        const std::size_t pieces = (size() - first + piece - 1) / piece;
        const std::optional<std::size_t> hit =
            TryFirst(pieces, [&](std::size_t i) { return without(first + i * piece, piece); });
        if (!hit.has_value()) {
          break;
        }
        first += *hit * piece;
      }
    }
  }

  // ---- Steps

  // Every step once. Returns whether anything helped.
  bool Sweep(const Round& round) {
    const std::uint64_t seeds = round.seeds;
    const std::uint64_t few = std::min(seeds, kSeedsForLooks);
    pieces_max_ = round.pieces_max;
    changed_ = false;
    Pass("the end", seeds, [this] { EndSooner(); });
    Pass("faults", seeds, [this] { DropFaults(); });
    Pass("operations", seeds, [this] { DropOperations(); });
    Pass("stretches of time", seeds, [this] { DropTime(); });
    Pass("pairs", seeds, [this] { DropPairs(); });
    Pass("nodes", seeds, [this] { DropNodes(); });
    Pass("settings", few, [this] { ResetSettings(); });
    Pass("limits", few, [this] { TightenLimits(); });
    if (round.pieces_max != kToTheLast) {
      return changed_;  // how it looks matters once it is small
    }
    Pass("clients", few, [this] { MergeClients(); });
    Pass("actions", few, [this] { SimplifyActions(); });
    Pass("keys", few, [this] { MergeKeys(); });
    Pass("settings", few, [this] { RoundSettings(); });
    Pass("kinds of faults", few, [this] { SimplifyFaults(); });
    Pass("times", few, [this] { SimplifyTimes(); });
    return changed_;
  }

  void Pass(const char* name, std::uint64_t seeds, const std::function<void()>& pass) {
    if (Over()) {
      return;
    }
    seeds_tried_ = seeds;
    const Plan before = best_;
    pass();
    if (best_ != before) {
      char time[64];
      std::snprintf(time, sizeof(time), "%.1f s, %" PRIu64 " runs, ",
                    static_cast<double>(watch_.Elapsed().ns) / 1e9, runs_);
      options_.progress(time + std::string(name) + ": " + Describe(SizeOf(best_)) + ", " +
                        std::to_string(best_result_.events) + " events");
    }
  }

  void EndSooner() {
    // Nothing after the failure matters, unless it was found at the end.
    const SimTime failed = SimTime{} + best_result_.simulated;
    Try(EndedAt(best_, {(failed.ns / 1000 + 1) * 1000}));
    // The first of some ends, as long as that helps.
    bool helped = true;
    while (helped && !Over()) {
      const SimTime end = SimTime{} + Microseconds(best_.settings.fault_phase_us);
      helped = TryFirst(7, [&](std::size_t i) {
                 const auto eighths = static_cast<std::int64_t>(i + 1);
                 return EndedAt(best_, RoundedDown(SimTime{end.ns / 8 * eighths}, Microseconds(1)));
               }).has_value();
    }
  }

  void DropFaults() {
    for (const FaultShape& shape : FaultShapes()) {
      Plan less = best_;
      std::erase_if(less.faults, [&](const Fault& fault) { return fault.kind == shape.kind; });
      Try(less);
    }
    TakeAway([this] { return best_.faults.size(); },
             [this](std::size_t first, std::size_t count) {
               return WithoutFaults(best_, first, count);
             });
  }

  void DropOperations() {
    for (std::int64_t client = 0; client < best_.settings.clients; ++client) {
      Plan less = best_;
      std::erase_if(less.operations, [&](const PlannedOperation& operation) {
        return operation.client == static_cast<std::uint64_t>(client);
      });
      Try(less);
    }
    TakeAway([this] { return best_.operations.size(); },
             [this](std::size_t first, std::size_t count) {
               return WithoutOperations(best_, first, count);
             });
  }

  // Cuts out stretches of time, with what begins in them and without.
  void DropTime() {
    const auto parts_max = static_cast<std::int64_t>(std::min<std::uint64_t>(pieces_max_, 64));
    for (std::int64_t parts = 2; parts <= parts_max && !Over(); parts *= 2) {
      bool helped = true;
      while (helped && !Over()) {
        const std::int64_t part_us = best_.settings.fault_phase_us / parts;
        if (part_us < 1000) {
          return;
        }
        helped = TryFirst(static_cast<std::size_t>(2 * parts), [&](std::size_t i) {
                   const SimTime from{static_cast<std::int64_t>(i / 2) * part_us * 1000};
                   return WithoutTime(best_, from, from + Microseconds(part_us), i % 2 == 0);
                 }).has_value();
      }
    }
  }

  // Two at once, of those that need each other: a cut and the operation that waits for its end.
  void DropPairs() {
    const auto count = [this] { return best_.faults.size() + best_.operations.size(); };
    const auto without_one = [](const Plan& plan, std::size_t i) {
      return i < plan.faults.size() ? WithoutFaults(plan, i, 1)
                                    : WithoutOperations(plan, i - plan.faults.size(), 1);
    };
    bool helped = seeds_tried_ > 1 && pieces_max_ == kToTheLast;
    while (helped && count() <= kPairsBelow && count() >= 2 && !Over()) {
      std::vector<std::pair<std::size_t, std::size_t>> pairs;
      for (std::size_t i = 1; i < count(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
          pairs.emplace_back(i, j);
        }
      }
      helped = TryFirst(pairs.size(), [&](std::size_t i) {
                 return without_one(without_one(best_, pairs[i].first), pairs[i].second);
               }).has_value();
    }
  }

  void DropNodes() {
    bool helped = true;
    while (helped && !Over()) {
      // One node or two: with an even number more the same majority is the same number of nodes.
      std::vector<std::uint64_t> sets;
      for (std::uint64_t set = 1; set < std::uint64_t{1} << best_.settings.nodes; ++set) {
        if (std::popcount(set) <= 2) {
          sets.push_back(set);
        }
      }
      std::stable_sort(sets.begin(), sets.end(), [](std::uint64_t a, std::uint64_t b) {
        return std::popcount(a) > std::popcount(b);
      });
      helped = TryFirst(sets.size(), [&](std::size_t i) {
                 return WithoutNodes(best_, sets[i]);
               }).has_value();
    }
  }

  void MergeClients() {
    Plan merged = best_;
    for (PlannedOperation& operation : merged.operations) {
      operation.client = 0;
    }
    for (Fault& fault : merged.faults) {
      fault.client = 0;
    }
    Try(WithClientsPacked(merged));
    Try(WithClientsPacked(best_));
    bool helped = true;
    while (helped && !Over()) {
      const auto clients = static_cast<std::size_t>(best_.settings.clients);
      helped = TryFirst(clients * clients, [&](std::size_t i) {
                 const std::size_t from = i / clients;
                 const std::size_t to = i % clients;
                 return to < from ? WithClientsPacked(WithClientMerged(best_, from, to)) : best_;
               }).has_value();
    }
  }

  void MergeKeys() {
    Try(WithKeysPacked(best_));
    bool helped = true;
    while (helped && !Over()) {
      const auto keys = static_cast<std::size_t>(best_.settings.keys);
      helped = TryFirst(keys * keys, [&](std::size_t i) {
                 const std::size_t from = i / keys;
                 const std::size_t to = i % keys;
                 return to < from ? WithKeysPacked(WithKeyMerged(best_, from, to)) : best_;
               }).has_value();
    }
    // Operations on several keys: leave out one.
    for (std::size_t i = 0; i < best_.operations.size(); ++i) {
      for (std::size_t key = best_.operations[i].keys.size(); key-- > 0;) {
        Plan less = best_;
        less.operations[i].keys.erase(less.operations[i].keys.begin() +
                                      static_cast<std::ptrdiff_t>(key));
        Try(less);
      }
    }
  }

  void SimplifyActions() {
    // The simplest first: all of one action at once, then each alone.
    for (const ClientAction action : {ClientAction::kGet, ClientAction::kPut}) {
      const auto simplified = [&](const PlannedOperation& operation) {
        PlannedOperation simpler = operation;
        if (simpler.action > action) {
          simpler.action = action;
          simpler.keys.resize(1);
        }
        simpler.consistency = Consistency::kLinearizable;
        simpler.max_age = {};
        return simpler;
      };
      Plan all = best_;
      for (PlannedOperation& operation : all.operations) {
        operation = simplified(operation);
      }
      if (action != ClientAction::kGet && Try(all)) {
        continue;
      }
      std::size_t from = 0;
      while (from < best_.operations.size() && !Over()) {
        const std::optional<std::size_t> hit =
            TryFirst(best_.operations.size() - from, [&](std::size_t i) {
              Plan simpler = best_;
              simpler.operations[from + i] = simplified(simpler.operations[from + i]);
              return simpler;
            });
        if (!hit.has_value()) {
          break;
        }
        from += *hit + 1;
      }
    }
  }

  void ResetSettings() {
    TakeAway(
        [this] { return SizeOf(best_).settings; },
        [this](std::size_t first, std::size_t count) { return WithDefaults(best_, first, count); });
  }

  void TightenLimits() {
    const Settings defaults;
    for (const SettingField& field : SettingFields()) {
      const bool limits =
          std::find(std::begin(kLimits), std::end(kLimits), field.field) != std::end(kLimits);
      if (limits && best_.settings.*field.field != defaults.*field.field) {
        Plan tighter = best_;
        tighter.settings.*field.field = field.min;
        Try(tighter);
      }
    }
  }

  // What must differ, as round as may be: one digit, then two.
  void RoundSettings() {
    const Settings defaults;
    for (const SettingField& field : SettingFields()) {
      const std::int64_t value = best_.settings.*field.field;
      if (IsShape(field) || value == defaults.*field.field) {
        continue;
      }
      for (const std::int64_t bound : {10, 100}) {
        std::int64_t digits = value;
        std::int64_t scale = 1;
        while (digits >= bound) {
          digits /= 10;
          scale *= 10;
        }
        Plan rounder = best_;
        rounder.settings.*field.field = digits * scale;
        if (digits * scale == value || Try(rounder)) {
          break;
        }
      }
    }
  }

  void SimplifyFaults() {
    for (std::size_t i = 0; i < best_.faults.size() && !Over(); ++i) {
      const Fault fault = best_.faults[i];
      std::vector<Fault> simpler;
      if (Simpler(fault.kind) != fault.kind) {
        // crash-all names no node.
        for (std::uint64_t node = ShapeOf(fault.kind).node ? fault.node : 1;
             node <= (ShapeOf(fault.kind).node ? fault.node
                                               : static_cast<std::uint64_t>(best_.settings.nodes));
             ++node) {
          Fault plain = fault;
          plain.kind = Simpler(fault.kind);
          plain.node = node;
          plain.amount = 0;
          simpler.push_back(plain);
        }
      }
      if (const FaultShape& shape = ShapeOf(fault.kind); shape.amount != nullptr) {
        for (const std::int64_t divisor : {100, 10, 2}) {
          Fault weaker = fault;
          weaker.amount = fault.amount / divisor;
          simpler.push_back(weaker);
        }
      }
      TryFirst(simpler.size(), [&](std::size_t j) {
        Plan candidate = best_;
        candidate.faults[i] = simpler[j];
        return candidate;
      });
    }
  }

  void SimplifyTimes() {
    // Everything earlier: what comes after a gap moves towards what comes before.
    std::size_t gap = 0;
    while (!Over()) {
      std::set<SimTime> moments = {SimTime{}};
      for (const Fault& fault : best_.faults) {
        moments.insert(fault.at);
      }
      for (const PlannedOperation& operation : best_.operations) {
        moments.insert(operation.at);
      }
      moments.insert(SimTime{} + Microseconds(best_.settings.fault_phase_us));
      const std::vector<SimTime> times(moments.begin(), moments.end());
      if (gap + 1 >= times.size()) {
        break;
      }
      const SimTime from = times[gap];
      const Duration length = times[gap + 1] - from;
      TryFirst(3, [&](std::size_t i) {
        const Duration less =
            RoundedDown(Duration{length.ns / std::int64_t{1 << i}}, Microseconds(1));
        // The last gap ends with the faults' phase.
        return WithoutTime(best_, times[gap + 1] - less, times[gap + 1], false);
      });
      ++gap;
    }
    for (std::size_t i = 0; i < best_.faults.size() && !Over(); ++i) {
      bool helped = best_.faults[i].lasts > Milliseconds(1);
      while (helped && !Over()) {
        helped = TryFirst(3, [&](std::size_t j) {
                   Plan shorter = best_;
                   const Duration lasts = shorter.faults[i].lasts;
                   shorter.faults[i].lasts = RoundedDown(
                       Duration{lasts.ns / 4 * static_cast<std::int64_t>(j)}, Microseconds(1));
                   return shorter;
                 }).has_value();
      }
    }
    RoundTimes();
  }

  // To whole seconds if that works, else to tenths, and so on: all at once, then each.
  void RoundTimes() {
    const auto rounded = [this](std::size_t first, std::size_t count, Duration grain) {
      Plan rounder = best_;
      for (std::size_t i = first; i < first + count; ++i) {
        std::int64_t& ns = TimeOf(rounder, i);
        ns -= ns % grain.ns;
      }
      SortByTime(rounder);
      return rounder;
    };
    const std::size_t times = 2 * best_.faults.size() + best_.operations.size();
    TryFirst(std::size(kGrains), [&](std::size_t i) { return rounded(0, times, kGrains[i]); });
    for (std::size_t time = 0; time < times && !Over(); ++time) {
      TryFirst(std::size(kGrains), [&](std::size_t i) { return rounded(time, 1, kGrains[i]); });
    }
    TryFirst(std::size(kGrains), [&](std::size_t i) {
      return EndedAt(
          best_, RoundedDown(SimTime{} + Microseconds(best_.settings.fault_phase_us), kGrains[i]));
    });
  }

  // The i-th time of a plan, in nanoseconds: when each fault begins, how long it lasts, and when
  // each operation begins.
  static std::int64_t& TimeOf(Plan& plan, std::size_t i) {
    const std::size_t faults = plan.faults.size();
    if (i < 2 * faults) {
      Fault& fault = plan.faults[i / 2];
      return i % 2 == 0 ? fault.at.ns : fault.lasts.ns;
    }
    return plan.operations[i - 2 * faults].at.ns;
  }

  static void SortByTime(Plan& plan) {
    const auto earlier = [](const auto& a, const auto& b) { return a.at < b.at; };
    std::stable_sort(plan.faults.begin(), plan.faults.end(), earlier);
    std::stable_sort(plan.operations.begin(), plan.operations.end(), earlier);
  }

  const ShrinkOptions& options_;
  const Stopwatch watch_;
  Plan best_;
  const Plan original_;
  Failure failure_;
  RunResult best_result_;
  WorkerPool* pool_ = nullptr;
  std::set<std::uint64_t> harmless_;  // fingerprints of plans that do not fail the same way
  std::uint64_t seeds_tried_ = 1;
  std::uint64_t pieces_max_ = kToTheLast;
  std::uint64_t runs_ = 0;
  bool changed_ = false;
};

}  // namespace

std::optional<ShrinkResult> Shrink(const Plan& plan, const ShrinkOptions& options) {
  return Shrinker(plan, options).Run();
}

}  // namespace lockstep::sim
