#include "sim/plan.h"

#include "core/assert.h"
#include "storage/page_size.h"

namespace lockstep::sim {
namespace {

constexpr std::int64_t kHour = 3'600'000'000;  // in microseconds
constexpr std::int64_t kMany = 1'000'000'000'000;

struct ActionShape {
  ClientAction action;
  const char* name;
  std::size_t keys_min;
  std::size_t keys_max;
};

constexpr std::size_t kKeysMax = 16;

const ActionShape kActions[] = {
    {ClientAction::kGet, "get", 1, kKeysMax},
    {ClientAction::kPut, "put", 1, 1},
    {ClientAction::kDelete, "delete", 1, 1},
    {ClientAction::kPutIfAbsent, "put-if-absent", 1, 1},
    {ClientAction::kCompareAndSet, "cas", 1, 1},
    {ClientAction::kTransaction, "txn", 2, kKeysMax},
    {ClientAction::kTransfer, "transfer", 2, kKeysMax},
};

const ActionShape& ShapeOf(ClientAction action) {
  return kActions[static_cast<std::size_t>(action) - 1];
}

std::string Between(const char* what, std::int64_t min, std::int64_t max, std::int64_t is) {
  return std::string(what) + " is " + std::to_string(is) + ", not between " + std::to_string(min) +
         " and " + std::to_string(max);
}

bool IsNode(const Plan& plan, std::uint64_t id) {
  return id >= 1 && id <= static_cast<std::uint64_t>(plan.settings.nodes);
}

std::string ValidateFault(const Plan& plan, const Fault& fault) {
  const FaultShape& shape = ShapeOf(fault.kind);
  const std::string name = shape.name;
  if (fault.at < SimTime{} || fault.lasts < Duration{}) {
    return name + ": a time is negative";
  }
  if (shape.node && fault.node != kWhoeverLeads && !IsNode(plan, fault.node)) {
    return name + ": there is no node " + std::to_string(fault.node);
  }
  if (shape.peer && !IsNode(plan, fault.peer)) {
    return name + ": there is no node " + std::to_string(fault.peer);
  }
  if (shape.group && (fault.group == 0 || fault.group >> plan.settings.nodes != 0)) {
    return name + ": the group is empty or has nodes that do not exist";
  }
  if (shape.client && fault.client >= static_cast<std::uint64_t>(plan.settings.clients)) {
    return name + ": there is no client " + std::to_string(fault.client);
  }
  if (shape.amount != nullptr &&
      (fault.amount < shape.amount_min || fault.amount > shape.amount_max)) {
    return name + ": " + Between(shape.amount, shape.amount_min, shape.amount_max, fault.amount);
  }
  return "";
}

std::string ValidateOperation(const Plan& plan, const PlannedOperation& operation) {
  const ActionShape& shape = ShapeOf(operation.action);
  const std::string name = shape.name;
  if (operation.at < SimTime{}) {
    return name + ": a time is negative";
  }
  if (operation.client >= static_cast<std::uint64_t>(plan.settings.clients)) {
    return name + ": there is no client " + std::to_string(operation.client);
  }
  if (operation.keys.size() < shape.keys_min || operation.keys.size() > shape.keys_max) {
    return name + ": " + std::to_string(operation.keys.size()) + " keys";
  }
  if (operation.action != ClientAction::kGet &&
      operation.consistency != Consistency::kLinearizable) {
    return name + ": only reads have a consistency";
  }
  if ((operation.consistency == Consistency::kBoundedStaleness) !=
          (operation.max_age > Duration{}) ||
      operation.max_age < Duration{}) {
    return name + ": a maximal age goes with bounded staleness, and that with one";
  }
  for (std::size_t i = 0; i < operation.keys.size(); ++i) {
    if (operation.keys[i] >= static_cast<std::uint64_t>(plan.settings.keys)) {
      return name + ": there is no key " + std::to_string(operation.keys[i]);
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (operation.keys[i] == operation.keys[j]) {
        return name + ": key " + std::to_string(operation.keys[i]) + " is named twice";
      }
    }
  }
  return "";
}

}  // namespace

const std::vector<SettingField>& SettingFields() {
  static const std::vector<SettingField> fields = {
      {"nodes", &Settings::nodes, 1, 9},
      {"spares", &Settings::spares, 0, 8},
      {"clients", &Settings::clients, 1, 100},
      {"keys", &Settings::keys, 1, 1000},
      {"fault_phase_us", &Settings::fault_phase_us, 0, kHour},
      {"election_timeout_us", &Settings::election_timeout_us, 1000, kHour},
      {"heartbeat_interval_us", &Settings::heartbeat_interval_us, 100, kHour},
      {"retransmit_timeout_us", &Settings::retransmit_timeout_us, 100, kHour},
      {"snapshot_timeout_us", &Settings::snapshot_timeout_us, 100, kHour},
      {"append_entries_max", &Settings::append_entries_max, 1, kMany},
      {"append_bytes_max", &Settings::append_bytes_max, 1, kMany},
      {"appends_in_flight_max", &Settings::appends_in_flight_max, 1, kMany},
      {"uncommitted_bytes_max", &Settings::uncommitted_bytes_max, 1, kMany},
      {"entries_retained", &Settings::entries_retained, 0, kMany},
      {"checkpoint_entries", &Settings::checkpoint_entries, 1, kMany},
      {"checkpoint_bytes", &Settings::checkpoint_bytes, 1, kMany},
      {"pending_requests_max", &Settings::pending_requests_max, 1, kMany},
      {"lease_reads", &Settings::lease_reads, 0, 2},
      {"clock_drift_ppm", &Settings::clock_drift_ppm, 0, 999'999},
      {"delay_min_us", &Settings::delay_min_us, 0, kHour},
      {"delay_spread_us", &Settings::delay_spread_us, 0, kHour},
      {"tail_permille", &Settings::tail_permille, 0, 1000},
      {"delay_tail_us", &Settings::delay_tail_us, 0, kHour},
      {"loss_permille", &Settings::loss_permille, 0, 1000},
      {"duplicate_permille", &Settings::duplicate_permille, 0, 1000},
      {"in_order", &Settings::in_order, 0, 1},
      {"cut_loses_in_flight", &Settings::cut_loses_in_flight, 0, 1},
      {"codec_permille", &Settings::codec_permille, 0, 1000},
      {"mangle_permille", &Settings::mangle_permille, 0, 1000},
      {"stray_permille", &Settings::stray_permille, 0, 1000},
      {"late_copy_permille", &Settings::late_copy_permille, 0, 1000},
      {"late_copy_us", &Settings::late_copy_us, 0, kHour},
      {"disk_min_us", &Settings::disk_min_us, 0, kHour},
      {"disk_spread_us", &Settings::disk_spread_us, 0, kHour},
      {"disk_stall_permille", &Settings::disk_stall_permille, 0, 1000},
      {"disk_stall_us", &Settings::disk_stall_us, 0, kHour},
      {"disk_stall_timeout_us", &Settings::disk_stall_timeout_us, 1, kHour},
      {"page_bytes", &Settings::page_bytes, storage::kPageBytesMin, storage::kPageBytesMax},
      {"attempt_timeout_us", &Settings::attempt_timeout_us, 1, kHour},
      {"patience_us", &Settings::patience_us, 1, kHour},
      {"reads_wait", &Settings::reads_wait, 0, 1},
      {"session_permille", &Settings::session_permille, 0, 1000},
      {"session_ttl_us", &Settings::session_ttl_us, 1, kHour},
      {"value_bytes", &Settings::value_bytes, 0, 1 << 20},
      {"trust_clocks", &Settings::trust_clocks, 0, 1},
  };
  return fields;
}

const std::vector<FaultShape>& FaultShapes() {
  // In the order of FaultKind.
  static const std::vector<FaultShape> shapes = {
      // kind, name, node, peer, group, lasts, amount, client
      {FaultKind::kCrash, "crash", true, false, false, true, nullptr, 0, 0},
      {FaultKind::kCrashInStorage, "crash-in-storage", true, false, false, true, "change", 1,
       kMany},
      {FaultKind::kCrashInWrite, "crash-in-write", true, false, false, true, nullptr, 0, 0},
      {FaultKind::kCrashAll, "crash-all", false, false, false, true, nullptr, 0, 0},
      {FaultKind::kPause, "pause", true, false, false, true, nullptr, 0, 0},
      {FaultKind::kPartition, "partition", false, false, true, true, nullptr, 0, 0},
      {FaultKind::kOneWay, "one-way", false, false, true, true, nullptr, 0, 0},
      {FaultKind::kCutLink, "cut-link", true, true, false, true, nullptr, 0, 0},
      {FaultKind::kIsolate, "isolate", true, false, false, true, nullptr, 0, 0},
      {FaultKind::kSlowLink, "slow-link", true, true, false, true, "by_us", 1, kHour},
      {FaultKind::kLoss, "loss", false, false, false, true, "permille", 1, 1000},
      {FaultKind::kDelay, "delay", false, false, false, true, "up_to_us", 1, kHour},
      {FaultKind::kClockJump, "clock-jump", true, false, false, false, "by_us", 1, kHour},
      {FaultKind::kClockStall, "clock-stall", true, false, false, true, nullptr, 0, 0},
      {FaultKind::kClockDrift, "clock-drift", true, false, false, true, "ppm", -900'000, 1'000'000},
      {FaultKind::kSlowDisk, "slow-disk", true, false, false, true, "by_us", 1, kHour},
      {FaultKind::kCheckpoint, "checkpoint", true, false, false, false, nullptr, 0, 0},
      {FaultKind::kCrashInStart, "crash-in-start", true, false, false, true, "change", 1, kMany},
      {FaultKind::kCrashInState, "crash-in-state", true, false, false, true, "change", 1, kMany},
      {FaultKind::kFlapLink, "flap-link", true, true, false, true, "every_us", 1'000, kHour},
      {FaultKind::kClog, "clog", true, false, false, true, nullptr, 0, 0},
      {FaultKind::kCutSnapshot, "cut-snapshot", true, false, false, true, nullptr, 0, 0},
      {FaultKind::kClockStepBack, "clock-step-back", true, false, false, false, "by_us", 1, kHour},
      {FaultKind::kDiskError, "disk-error", true, false, false, true, "operation", 1, kMany},
      {FaultKind::kReadError, "read-error", true, false, false, true, "read", 1, kMany},
      {FaultKind::kSyncError, "sync-error", true, false, false, true, "sync", 1, kMany},
      {FaultKind::kDiskFull, "disk-full", true, false, false, true, nullptr, 0, 0},
      {FaultKind::kDiskStall, "disk-stall", true, false, false, true, nullptr, 0, 0},
      {FaultKind::kReadRot, "read-rot", true, false, false, true, "read", 1, kMany},
      {FaultKind::kPageRot, "page-rot", true, false, false, true, "bit", 0, kMany},
      {FaultKind::kBitRot, "bit-rot", true, false, false, false, "millionth", 0, 999'999},
      {FaultKind::kLyingDisk, "lying-disk", true, false, false, true, nullptr, 0, 0},
      {FaultKind::kWipe, "wipe", true, false, false, true, nullptr, 0, 0},
      {FaultKind::kClientPause, "client-pause", false, false, false, true, nullptr, 0, 0, true},
      {FaultKind::kClientCut, "client-cut", false, false, false, true, nullptr, 0, 0, true},
      {FaultKind::kClientDuplicate, "client-duplicate", false, false, false, true, nullptr, 0, 0,
       true},
      {FaultKind::kClientAbandon, "client-abandon", false, false, false, false, nullptr, 0, 0,
       true},
      {FaultKind::kClientRestart, "client-restart", false, false, false, false, nullptr, 0, 0,
       true},
      {FaultKind::kJoin, "join", false, false, false, false, nullptr, 0, 0},
      {FaultKind::kReplace, "replace", true, false, false, false, nullptr, 0, 0},
      {FaultKind::kLeave, "leave", true, false, false, false, nullptr, 0, 0},
      {FaultKind::kDemote, "demote", true, false, false, false, nullptr, 0, 0},
      {FaultKind::kPromote, "promote", true, false, false, false, nullptr, 0, 0},
      {FaultKind::kTransfer, "transfer", true, false, false, false, nullptr, 0, 0},
      {FaultKind::kPrefer, "prefer", true, false, false, false, nullptr, 0, 0},
      {FaultKind::kReshape, "reshape", false, false, true, false, nullptr, 0, 0},
      {FaultKind::kStartAnew, "start-anew", true, false, false, true, nullptr, 0, 0},
  };
  return shapes;
}

const FaultShape& ShapeOf(FaultKind kind) {
  return FaultShapes()[static_cast<std::size_t>(kind) - 1];
}

const char* Name(ClientAction action) { return ShapeOf(action).name; }

std::optional<ClientAction> ClientActionNamed(std::string_view name) {
  for (const ActionShape& shape : kActions) {
    if (name == shape.name) {
      return shape.action;
    }
  }
  return std::nullopt;
}

std::string Validate(const Plan& plan) {
  for (const SettingField& field : SettingFields()) {
    const std::int64_t value = plan.settings.*field.field;
    if (value < field.min || value > field.max) {
      return Between(field.name, field.min, field.max, value);
    }
  }
  if (!storage::IsPageSize(static_cast<std::uint64_t>(plan.settings.page_bytes))) {
    return "page_bytes is not a power of two";
  }
  const std::string config = raft::Validate(ReplicaConfigOf(plan.settings, NodeId{1}).raft);
  if (!config.empty()) {
    return config;
  }
  if (plan.settings.spares >= plan.settings.nodes) {
    return "no member is left beside " + std::to_string(plan.settings.spares) + " spares";
  }
  if (plan.clocks.size() != static_cast<std::size_t>(plan.settings.nodes)) {
    return std::to_string(plan.clocks.size()) + " clocks for " +
           std::to_string(plan.settings.nodes) + " nodes";
  }
  for (const ClockError& clock : plan.clocks) {
    if (clock.offset < Duration{}) {
      return "a clock's offset is negative";
    }
    if (clock.drift_ppm < -900'000 || clock.drift_ppm > 1'000'000) {
      return Between("a clock's drift_ppm", -900'000, 1'000'000, clock.drift_ppm);
    }
  }
  for (const Fault& fault : plan.faults) {
    if (std::string wrong = ValidateFault(plan, fault); !wrong.empty()) {
      return wrong;
    }
  }
  for (const PlannedOperation& operation : plan.operations) {
    if (std::string wrong = ValidateOperation(plan, operation); !wrong.empty()) {
      return wrong;
    }
  }
  return "";
}

ReplicaConfig ReplicaConfigOf(const Settings& settings, NodeId id) {
  const auto number = [](std::int64_t n) { return static_cast<std::uint64_t>(n); };
  ReplicaConfig config;
  config.raft.cluster = kCluster;
  config.raft.id = id;
  config.raft.election_timeout = Microseconds(settings.election_timeout_us);
  config.raft.heartbeat_interval = Microseconds(settings.heartbeat_interval_us);
  config.raft.retransmit_timeout = Microseconds(settings.retransmit_timeout_us);
  config.raft.disk_stall_timeout = Microseconds(settings.disk_stall_timeout_us);
  config.raft.snapshot_timeout = Microseconds(settings.snapshot_timeout_us);
  config.raft.append_entries_max = number(settings.append_entries_max);
  config.raft.append_bytes_max = number(settings.append_bytes_max);
  config.raft.appends_in_flight_max = number(settings.appends_in_flight_max);
  config.raft.uncommitted_bytes_max = number(settings.uncommitted_bytes_max);
  config.raft.entries_retained = number(settings.entries_retained);
  config.raft.lease_reads =
      settings.lease_reads == 1 || (settings.lease_reads == 2 && id.value % 2 == 1);
  config.raft.clock_drift_ppm = settings.clock_drift_ppm;
  config.limits.pending_requests_max = number(settings.pending_requests_max);
  config.checkpoint_entries = number(settings.checkpoint_entries);
  config.checkpoint_bytes = number(settings.checkpoint_bytes);
  config.digest_interval = 8;  // runs are short
  return config;
}

raft::Membership BeginningOf(const Settings& settings) {
  std::vector<NodeId> voters;
  for (std::uint64_t id = 1; id <= static_cast<std::uint64_t>(settings.nodes - settings.spares);
       ++id) {
    voters.push_back({id});
  }
  return raft::MembershipOf(voters);
}

NetworkSettings NetworkSettingsOf(const Settings& settings) {
  const auto number = [](std::int64_t n) { return static_cast<std::uint64_t>(n); };
  return {.delay_min = Microseconds(settings.delay_min_us),
          .delay_spread = Microseconds(settings.delay_spread_us),
          .tail_permille = number(settings.tail_permille),
          .delay_tail = Microseconds(settings.delay_tail_us),
          .loss_permille = number(settings.loss_permille),
          .duplicate_permille = number(settings.duplicate_permille),
          .in_order = settings.in_order != 0,
          .cut_loses_in_flight = settings.cut_loses_in_flight != 0,
          .codec_permille = number(settings.codec_permille),
          .mangle_permille = number(settings.mangle_permille),
          .stray_permille = number(settings.stray_permille),
          .late_copy_permille = number(settings.late_copy_permille),
          .late_copy = Microseconds(settings.late_copy_us)};
}

}  // namespace lockstep::sim
