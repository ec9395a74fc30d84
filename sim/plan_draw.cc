#include "sim/plan_draw.h"

#include <algorithm>
#include <initializer_list>
#include <iterator>
#include <optional>

#include "core/random.h"
#include "sim/operator.h"

namespace lockstep::sim {
namespace {

// The streams of a seed. Their numbers are part of what a seed means.
enum Stream : std::uint64_t {
  kShape = 1,
  kRaftSettings,
  kNetworkSettings,
  kDiskSettings,
  kClocks,
  kOperations,
  kStalledLeaders,
  kVictims,
  kLastLoss,
  kFirstStarts,
  kAbsence,
  kOperators,
  kReads,
  kFaults = 100,  // plus the kind
};

std::int64_t Pick(Random& random, std::initializer_list<std::int64_t> choices) {
  return *std::next(choices.begin(), static_cast<std::ptrdiff_t>(random.Below(choices.size())));
}

// Of a plan for measuring: what the seed does not decide.
struct Measured {
  std::int64_t nodes;
  std::int64_t operations_per_second;
};

Settings DrawSettings(const Random& seed, const std::optional<Measured>& measured) {
  Settings settings;
  Random shape = seed.Child(kShape);
  settings.nodes = Pick(shape, {1, 2, 3, 3, 3, 3, 3, 3, 3, 4, 5, 5, 5, 5, 6, 7});
  if (measured.has_value()) {
    settings.nodes = measured->nodes;
  }
  // Half of the clusters change their members while all else goes on.
  if (Random operators = seed.Child(kOperators); !measured.has_value() && operators.Chance(1, 2)) {
    settings.spares = std::min<std::int64_t>(operators.Between(0, 3), 9 - settings.nodes);
    settings.nodes += settings.spares;
  }
  settings.clients = shape.Between(2, 8);
  settings.keys = Pick(shape, {1, 3, 5, 10});
  settings.fault_phase_us = shape.Between(15'000'000, 40'000'000);

  Random raft = seed.Child(kRaftSettings);
  settings.election_timeout_us = Pick(raft, {150'000, 300'000, 500'000, 1'000'000});
  const std::int64_t heartbeats = raft.Between(3, 10);
  settings.heartbeat_interval_us = settings.election_timeout_us / heartbeats;
  settings.retransmit_timeout_us = settings.election_timeout_us / Pick(raft, {1, 2, 4});
  settings.snapshot_timeout_us = settings.election_timeout_us * Pick(raft, {2, 4, 8});
  if (raft.Chance(1, 2)) {
    settings.append_entries_max = Pick(raft, {1, 2, 8, 64});
    settings.append_bytes_max = Pick(raft, {1, 200, 4096, 1 << 20});
    settings.appends_in_flight_max = Pick(raft, {1, 2, 8, 64});
  }
  if (raft.Chance(1, 4)) {
    settings.uncommitted_bytes_max = Pick(raft, {100, 1000, 10'000});
  }
  if (raft.Chance(2, 3)) {
    settings.checkpoint_entries = Pick(raft, {1, 2, 5, 20, 100});
    settings.entries_retained = Pick(raft, {0, 1, 5, 50, 10'000});
  }
  if (raft.Chance(1, 8)) {
    settings.pending_requests_max = Pick(raft, {1, 3, 10});
  }

  Random net = seed.Child(kNetworkSettings);
  const std::int64_t timeout = settings.election_timeout_us;
  settings.delay_min_us = net.Between(20, 500);
  settings.delay_spread_us = Pick(net, {0, 200, 2'000, timeout / 40, timeout / 15});
  if (net.Chance(1, 2)) {
    settings.tail_permille = net.Between(1, 50);
    settings.delay_tail_us = Pick(net, {timeout / 4, timeout, 4 * timeout});
  }
  settings.loss_permille = net.Chance(1, 2) ? net.Between(1, 100) : 0;
  settings.duplicate_permille = net.Chance(1, 2) ? net.Between(1, 200) : 0;
  settings.in_order = net.Chance(1, 3) ? 1 : 0;
  settings.cut_loses_in_flight = net.Chance(1, 2) ? 1 : 0;
  settings.codec_permille = net.Chance(1, 2) ? Pick(net, {20, 100, 1000}) : 0;
  settings.mangle_permille = net.Chance(1, 2) ? net.Between(1, 50) : 0;
  settings.stray_permille = net.Chance(1, 3) ? Pick(net, {5, 50, 200}) : 0;

  if (net.Chance(1, 2)) {
    settings.late_copy_permille = Pick(net, {5, 20, 100});
    settings.late_copy_us = timeout * Pick(net, {4, 10, 30});
  }

  Random disk = seed.Child(kDiskSettings);
  settings.disk_min_us = disk.Between(20, 200);
  settings.disk_spread_us = Pick(disk, {0, 300, 3'000, timeout / 40});
  if (disk.Chance(1, 3)) {
    settings.disk_stall_permille = disk.Between(1, 20);
    settings.disk_stall_us = Pick(disk, {timeout / 4, timeout, 3 * timeout});
  }
  settings.page_bytes = Pick(disk, {512, 1024, 4096});
  if (disk.Chance(1, 2)) {
    // Longer than what a disk takes that only stalls now and then.
    settings.disk_stall_timeout_us = timeout * Pick(disk, {6, 12});
  }

  Random work = seed.Child(kOperations).Child(0);
  settings.attempt_timeout_us = timeout * Pick(work, {1, 2, 4, 20});
  settings.patience_us = timeout * Pick(work, {3, 10, 20});
  settings.session_permille = Pick(work, {0, 500, 1000, 1000});
  settings.session_ttl_us = Pick(work, {2 * timeout, 10 * timeout, 60'000'000, 60'000'000});
  settings.value_bytes = Pick(work, {0, 16, 16, 300});
  settings.reads_wait = work.Chance(1, 3) ? 1 : 0;

  Random reads = seed.Child(kReads);
  settings.lease_reads = Pick(reads, {0, 0, 1, 1, 1, 2});
  settings.clock_drift_ppm = Pick(reads, {100, 10'000, 200'000});  // see DrawClocks()
  return settings;
}

std::vector<ClockError> DrawClocks(const Settings& settings, Random random) {
  std::vector<ClockError> clocks;
  const std::int64_t drift_max = Pick(random, {0, 50, 10'000, 100'000});
  for (std::int64_t i = 0; i < settings.nodes; ++i) {
    ClockError clock;
    clock.offset = Microseconds(random.Between(0, 3'600'000'000));
    if (random.Chance(1, 8)) {
      // It has run for so long that milliseconds or microseconds stop fitting into 32 bits.
      const std::int64_t limit = std::int64_t{1} << 31;
      clock.offset = Microseconds(Pick(random, {limit, 2 * limit, 1000 * limit, 2000 * limit}) -
                                  random.Between(0, settings.fault_phase_us));
    }
    clock.drift_ppm = random.Between(-drift_max, drift_max);
    clocks.push_back(clock);
  }
  return clocks;
}

std::vector<PlannedOperation> DrawOperations(const Settings& settings,
                                             std::int64_t operations_per_second,
                                             const Random& parent) {
  Random random = parent.Child(1);
  std::vector<PlannedOperation> operations;
  // Work goes on for a moment after the faults end, so that recovery is seen under load.
  const std::int64_t end_us = settings.fault_phase_us + 4 * settings.election_timeout_us;
  const std::int64_t gap_us = 2'000'000 / operations_per_second;  // twice the mean
  const std::uint64_t read_percent = random.Below(70) + 10;
  std::int64_t at_us = 0;
  while (true) {
    at_us += random.Between(0, gap_us);
    if (at_us >= end_us) {
      return operations;
    }
    PlannedOperation operation{.at = SimTime{} + Microseconds(at_us)};
    operation.client = random.Below(static_cast<std::uint64_t>(settings.clients));
    operation.action =
        random.Below(100) < read_percent
            ? ClientAction::kGet
            : static_cast<ClientAction>(random.Between(static_cast<int>(ClientAction::kPut),
                                                       static_cast<int>(ClientAction::kTransfer)));
    std::vector<std::uint64_t> keys;
    for (std::int64_t key = 0; key < settings.keys; ++key) {
      keys.push_back(static_cast<std::uint64_t>(key));
    }
    for (std::size_t i = keys.size() - 1; i > 0; --i) {
      std::swap(keys[i], keys[random.Below(i + 1)]);
    }
    const bool several = operation.action == ClientAction::kTransaction ||
                         operation.action == ClientAction::kTransfer ||
                         (operation.action == ClientAction::kGet && random.Chance(1, 10));
    const std::size_t wanted = several ? 2 + random.Below(2) : 1;
    if (keys.size() < wanted) {
      operation.action = ClientAction::kPut;
      keys.resize(1);
    } else {
      keys.resize(wanted);
    }
    operation.keys = keys;
    operations.push_back(operation);
  }
}

// Other ways to read than the default, in most runs.
void DrawConsistencies(const Settings& settings, Random random,
                       std::vector<PlannedOperation>& operations) {
  const std::uint64_t permille = static_cast<std::uint64_t>(Pick(random, {0, 300, 600, 900}));
  const std::int64_t timeout = settings.election_timeout_us;
  for (PlannedOperation& operation : operations) {
    if (operation.action != ClientAction::kGet || !random.Chance(permille, 1000)) {
      continue;
    }
    switch (random.Below(5)) {
      case 0:
        operation.consistency = Consistency::kSerializable;
        break;
      case 1:
      case 2:
        operation.consistency = Consistency::kBoundedStaleness;
        operation.max_age =
            Microseconds(Pick(random, {timeout / 10, timeout, 5 * timeout, 20 * timeout}));
        break;
      default:
        operation.consistency = Consistency::kLease;
        break;
    }
  }
}

// Kinds after which a node may be lost for good.
bool DamagesFiles(FaultKind kind) {
  return kind == FaultKind::kReadRot || kind == FaultKind::kPageRot || kind == FaultKind::kBitRot ||
         kind == FaultKind::kWipe || kind == FaultKind::kStartAnew;
}

// The most first members that the others are a majority without.
std::size_t Minority(const Settings& settings) {
  return static_cast<std::size_t>(settings.nodes - settings.spares - 1) / 2;
}

// First members whose files may be damaged: within the budget a minority.
std::vector<std::uint64_t> DrawVictims(const Settings& settings, Budget budget, Random random) {
  std::vector<std::uint64_t> victims;
  for (std::int64_t id = 1; id <= settings.nodes - settings.spares; ++id) {
    victims.push_back(static_cast<std::uint64_t>(id));
  }
  for (std::size_t i = victims.size() - 1; i > 0; --i) {
    std::swap(victims[i], victims[random.Below(i + 1)]);
  }
  if (budget == Budget::kWithin) {
    victims.resize(Minority(settings));
  }
  return victims;
}

// Draws single faults of the kind that it is asked for.
class FaultDraw {
 public:
  FaultDraw(const Settings& settings, const std::vector<std::uint64_t>& victims, Random random)
      : settings_(settings), victims_(victims), random_(random) {}

  Fault Draw(FaultKind kind, std::int64_t at_us) {
    Fault fault{.at = SimTime{} + Microseconds(at_us), .kind = kind};
    const std::int64_t timeout = settings_.election_timeout_us;
    const auto nodes = static_cast<std::uint64_t>(settings_.nodes);
    const FaultShape& shape = ShapeOf(kind);
    if (shape.node) {
      fault.node = random_.Chance(1, 2) ? kWhoeverLeads : 1 + random_.Below(nodes);
    }
    if (DamagesFiles(kind)) {
      // A majority that starts anew is a cluster of its own, and nobody could tell.
      fault.node = victims_[random_.Below(kind == FaultKind::kStartAnew ? Minority(settings_)
                                                                        : victims_.size())];
    }
    if (shape.client) {
      fault.client = random_.Below(static_cast<std::uint64_t>(settings_.clients));
    }
    if (shape.peer) {
      fault.node = 1 + random_.Below(nodes);
      fault.peer = 1 + (fault.node + random_.Below(nodes - 1)) % nodes;
    }
    if (shape.group) {
      fault.group = 1 + random_.Below((std::uint64_t{1} << nodes) - 2);
    }
    if (shape.lasts) {
      fault.lasts = Microseconds(DrawLength(kind));
    }
    switch (kind) {
      case FaultKind::kCrashInStorage:
        fault.amount = random_.Between(1, 40);
        break;
      case FaultKind::kSlowLink:
      case FaultKind::kDelay:
      case FaultKind::kSlowDisk:
        fault.amount = Pick(random_, {timeout / 10, timeout / 2, 2 * timeout});
        break;
      case FaultKind::kLoss:
        fault.amount = Pick(random_, {50, 200, 500, 900});
        break;
      case FaultKind::kClockJump:
        fault.amount = Pick(random_, {timeout / 2, timeout, 10 * timeout, 60'000'000});
        break;
      case FaultKind::kClockDrift:
        fault.amount = random_.Between(-500'000, 1'000'000);
        break;
      case FaultKind::kClockStepBack:
        fault.amount = Pick(random_, {timeout / 2, 2 * timeout, 10 * timeout});
        break;
      case FaultKind::kFlapLink:
        fault.amount = Pick(random_, {timeout / 10, timeout / 3, timeout});
        break;
      case FaultKind::kCrashInStart:
        fault.amount = random_.Between(1, 60);
        break;
      case FaultKind::kCrashInState:
      case FaultKind::kSyncError:
        fault.amount = random_.Between(1, 20);
        break;
      case FaultKind::kDiskError:
        fault.amount = random_.Between(1, 300);
        break;
      case FaultKind::kReadError:
      case FaultKind::kReadRot:
        fault.amount = random_.Between(1, 50);
        break;
      case FaultKind::kPageRot:
        fault.amount = random_.Between(0, 20 * 8 * 4096 - 1);  // of twenty to 160 pages
        break;
      case FaultKind::kBitRot:
        fault.amount = random_.Between(0, 999'999);
        break;
      default:
        break;
    }
    return fault;
  }

 private:
  // Times around the election timeout are where most depends on how long something lasts.
  std::int64_t DrawLength(FaultKind kind) {
    const std::int64_t timeout = settings_.election_timeout_us;
    const std::int64_t base =
        kind == FaultKind::kCrashAll
            ? Pick(random_, {timeout / 10, timeout, 3 * timeout})
            : Pick(random_, {timeout / 10, timeout / 2, timeout, timeout * 3 / 2, 2 * timeout,
                             4 * timeout, 10 * timeout});
    return std::max<std::int64_t>(1, base * 9 / 10 + random_.Between(0, base / 5));
  }

  const Settings& settings_;
  const std::vector<std::uint64_t>& victims_;
  Random random_;
};

// Requests of operators, in place of a fault of each kind by itself: they only make sense together.
void AddRequests(const Settings& settings, Random random, std::vector<Fault>& faults) {
  if (!random.Chance(1, 2)) {
    return;
  }
  using enum FaultKind;
  static constexpr FaultKind kRequests[] = {kJoin,    kJoin,    kReplace, kReplace,  kLeave,
                                            kDemote,  kPromote, kPromote, kTransfer, kTransfer,
                                            kReshape, kReshape, kPrefer};
  const std::int64_t mean_us = Pick(random, {500'000, 2'000'000, 5'000'000});
  for (std::int64_t at_us = random.Between(0, 2 * mean_us); at_us < settings.fault_phase_us;
       at_us += 1 + random.Between(0, 2 * mean_us)) {
    Fault request{.at = SimTime{} + Microseconds(at_us)};
    request.kind = kRequests[random.Below(std::size(kRequests))];
    request.node = random.Chance(1, 3)
                       ? kWhoeverLeads
                       : 1 + random.Below(static_cast<std::uint64_t>(settings.nodes));
    if (!ShapeOf(request.kind).node) {
      request.node = 1;
    }
    if (request.kind == FaultKind::kReshape) {
      if (settings.nodes == 1) {
        continue;
      }
      request.group = 1 + random.Below((std::uint64_t{1} << settings.nodes) - 2);
    }
    faults.push_back(request);
  }
}

bool Possible(FaultKind kind, const Settings& settings, const std::vector<std::uint64_t>& victims,
              Budget budget) {
  if (Operator::IsRequest(kind)) {
    return false;  // AddRequests()
  }
  const FaultShape& shape = ShapeOf(kind);
  if ((DamagesFiles(kind) && victims.empty()) ||
      (kind == FaultKind::kStartAnew && Minority(settings) == 0) ||
      (kind == FaultKind::kLyingDisk && budget == Budget::kWithin)) {
    return false;
  }
  return settings.nodes > 1 || (!shape.peer && !shape.group && kind != FaultKind::kIsolate);
}

// Swizzled clogging (FoundationDB): a few nodes are clogged one after the other, and unclogged in
// another order.
void AddSwizzledClogs(const Fault& first, const Settings& settings, Random& random,
                      std::vector<Fault>& faults) {
  for (std::uint64_t id = 1; id <= static_cast<std::uint64_t>(settings.nodes); ++id) {
    if (random.Chance(1, 2)) {
      Fault clog = first;
      clog.node = id;
      clog.at = first.at + Microseconds(random.Between(0, 2 * settings.election_timeout_us));
      clog.lasts = Microseconds(random.Between(1, 1 + 2 * first.lasts.ns / 1000));
      faults.push_back(clog);
    }
  }
}

// Adds faults of one kind, on average `mean_us` apart.
void AddFaults(const Settings& settings, FaultKind kind, std::int64_t mean_us,
               const std::vector<std::uint64_t>& victims, const Random& seed,
               std::vector<Fault>& faults) {
  Random times = seed.Child(kFaults + static_cast<std::uint64_t>(kind)).Child(0);
  FaultDraw draw(settings, victims,
                 seed.Child(kFaults + static_cast<std::uint64_t>(kind)).Child(1));
  std::int64_t at_us = times.Between(0, 2 * mean_us);
  while (at_us < settings.fault_phase_us) {
    const Fault fault = draw.Draw(kind, at_us);
    if (kind == FaultKind::kClog) {
      AddSwizzledClogs(fault, settings, times, faults);
    } else {
      faults.push_back(fault);
    }
    // Some come in bursts: a flapping link, a node that crashes again while it recovers.
    std::int64_t gap_us = times.Between(0, 2 * mean_us);
    if (times.Chance(1, 5)) {
      gap_us = std::min(gap_us,
                        fault.lasts.ns / 1000 + times.Between(0, settings.election_timeout_us / 2));
    }
    at_us += std::max<std::int64_t>(1, gap_us);
  }
}

// A leader that is cut off deposes itself by its clock (check-quorum, §6.2). One whose clock stands
// still at the same time goes on leading as far as it knows, and nothing but the quorum of each
// read keeps it from answering with old data.
void StallSomeIsolatedLeaders(Random random, std::vector<Fault>& faults) {
  std::vector<Fault> stalls;
  for (const Fault& fault : faults) {
    if (fault.kind == FaultKind::kIsolate && fault.node == kWhoeverLeads && random.Chance(1, 3)) {
      Fault stall = fault;
      stall.kind = FaultKind::kClockStall;
      stalls.push_back(stall);
    }
  }
  faults.insert(faults.end(), stalls.begin(), stalls.end());
}

// Some clusters have to come right without one of their nodes: with all of them back, somebody
// can always be elected.
void LoseOneAtTheEnd(const Settings& settings, const std::vector<std::uint64_t>& victims,
                     Random random, std::vector<Fault>& faults) {
  if (victims.empty() || !random.Chance(1, 5)) {
    return;
  }
  const std::int64_t at_us =
      settings.fault_phase_us * 9 / 10 + random.Between(0, settings.fault_phase_us / 10 - 1);
  faults.push_back({.at = SimTime{} + Microseconds(at_us),
                    .kind = FaultKind::kWipe,
                    .node = victims[random.Below(victims.size())],
                    .lasts = Microseconds(settings.election_timeout_us)});
}

// The first start is when files are made, and it comes before all other faults.
void CutSomeFirstStarts(const Settings& settings, Random random, std::vector<Fault>& faults) {
  if (!random.Chance(1, 4)) {
    return;
  }
  for (std::uint64_t id = 1; id <= static_cast<std::uint64_t>(settings.nodes); ++id) {
    if (random.Chance(1, 2)) {
      Fault cut{.kind = FaultKind::kCrashInStart, .node = id};
      cut.amount = random.Between(1, 60);
      cut.lasts = Microseconds(random.Between(1, 2 * settings.election_timeout_us));
      faults.push_back(cut);
    }
  }
}

// Who was away for long has much to catch up on when the faults end.
void KeepOneAway(const Settings& settings, Random random, std::vector<Fault>& faults) {
  if (settings.nodes < 3 || !random.Chance(1, 5)) {
    return;
  }
  const std::int64_t at_us = random.Between(0, settings.fault_phase_us / 2);
  faults.push_back({.at = SimTime{} + Microseconds(at_us),
                    .kind = FaultKind::kIsolate,
                    .node = 1 + random.Below(static_cast<std::uint64_t>(settings.nodes)),
                    .lasts = Microseconds(settings.fault_phase_us)});
}

void SortByTime(std::vector<Fault>& faults) {
  std::stable_sort(faults.begin(), faults.end(),
                   [](const Fault& a, const Fault& b) { return a.at < b.at; });
}

Plan Draw(std::uint64_t seed, Budget budget, const std::optional<Measured>& measured) {
  const Random parent(seed);
  Plan plan;
  plan.seed = seed;
  plan.settings = DrawSettings(parent, measured);
  plan.clocks = DrawClocks(plan.settings, parent.Child(kClocks));
  Random rate = parent.Child(kOperations).Child(2);
  std::int64_t operations_per_second = Pick(rate, {5, 20, 20, 50});
  if (measured.has_value()) {
    operations_per_second = measured->operations_per_second;
  }
  plan.operations = DrawOperations(plan.settings, operations_per_second, parent.Child(kOperations));
  DrawConsistencies(plan.settings, parent.Child(kReads).Child(1), plan.operations);
  const std::vector<std::uint64_t> victims =
      DrawVictims(plan.settings, budget, parent.Child(kVictims));
  for (const FaultShape& shape : FaultShapes()) {
    Random random = parent.Child(kFaults + static_cast<std::uint64_t>(shape.kind)).Child(2);
    // A node that is lost does nothing more: within the model seldom enough that most runs lose one
    // or none.
    const bool damages = DamagesFiles(shape.kind) || shape.kind == FaultKind::kLyingDisk;
    const bool often = damages && budget == Budget::kBeyond;
    const bool wanted =
        random.Chance(often ? 2 : 1, 4) && Possible(shape.kind, plan.settings, victims, budget);
    std::int64_t mean_us = Pick(random, {1'000'000, 3'000'000, 8'000'000, 20'000'000});
    if (damages) {
      mean_us = often ? 10'000'000 : Pick(random, {20'000'000, 60'000'000});
    }
    if (wanted) {
      AddFaults(plan.settings, shape.kind, mean_us, victims, parent, plan.faults);
    }
  }
  StallSomeIsolatedLeaders(parent.Child(kStalledLeaders), plan.faults);
  LoseOneAtTheEnd(plan.settings, victims, parent.Child(kLastLoss), plan.faults);
  CutSomeFirstStarts(plan.settings, parent.Child(kFirstStarts), plan.faults);
  KeepOneAway(plan.settings, parent.Child(kAbsence), plan.faults);
  if (!measured.has_value()) {
    AddRequests(plan.settings, parent.Child(kOperators).Child(1), plan.faults);
  }
  SortByTime(plan.faults);
  return plan;
}

}  // namespace

Plan DrawPlan(std::uint64_t seed, Budget budget) { return Draw(seed, budget, std::nullopt); }

Plan DrawBenchmarkPlan(std::uint64_t seed, std::int64_t operations_per_second) {
  return Draw(seed, Budget::kWithin,
              Measured{.nodes = 5, .operations_per_second = operations_per_second});
}

}  // namespace lockstep::sim
