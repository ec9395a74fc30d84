// A run as data: the cluster, its settings, every fault and every client operation with its time. A
// plan is drawn from a seed (plan_draw.h) or read from text (plan_text.h), and executed by a World.

#ifndef LOCKSTEP_SIM_PLAN_H_
#define LOCKSTEP_SIM_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/replica.h"
#include "core/types.h"
#include "sim/network.h"
#include "sim/sim_time.h"

namespace lockstep::sim {

// Every cluster of a plan is this one.
inline constexpr ClusterId kCluster{1};

// Every number that a run depends on besides its faults and operations. Times are microseconds:
// what a plan's text can hold exactly. The fields' bounds are in plan.cc.
struct Settings {
  // The cluster and its clients.
  std::int64_t nodes = 3;
  std::int64_t spares = 0;  // of the nodes, the last ones: they are no members at first
  std::int64_t clients = 3;
  std::int64_t keys = 5;
  std::int64_t fault_phase_us = 30'000'000;  // faults end then

  // raft::Config, Limits and ReplicaConfig.
  std::int64_t election_timeout_us = 500'000;
  std::int64_t heartbeat_interval_us = 100'000;
  std::int64_t retransmit_timeout_us = 250'000;
  std::int64_t snapshot_timeout_us = 2'000'000;
  std::int64_t append_entries_max = 256;
  std::int64_t append_bytes_max = 1 << 20;
  std::int64_t appends_in_flight_max = 64;
  std::int64_t uncommitted_bytes_max = 64 << 20;
  std::int64_t entries_retained = 10'000;
  std::int64_t checkpoint_entries = 10'000;
  std::int64_t checkpoint_bytes = 16 << 20;
  std::int64_t pending_requests_max = 10'000;
  std::int64_t lease_reads = 0;           // 0 or 1; 2: nodes with odd numbers only
  std::int64_t clock_drift_ppm = 10'000;  // the bound that nodes reckon with

  // NetworkSettings.
  std::int64_t delay_min_us = 200;
  std::int64_t delay_spread_us = 2'000;
  std::int64_t tail_permille = 0;
  std::int64_t delay_tail_us = 0;
  std::int64_t loss_permille = 0;
  std::int64_t duplicate_permille = 0;
  std::int64_t in_order = 0;             // 0 or 1
  std::int64_t cut_loses_in_flight = 1;  // 0 or 1
  std::int64_t codec_permille = 0;
  std::int64_t mangle_permille = 0;
  std::int64_t stray_permille = 0;
  std::int64_t late_copy_permille = 0;
  std::int64_t late_copy_us = 0;

  // Disks: one write to log.db or state.db takes at least this long, and up to so much more; so
  // many in a thousand take a stall on top.
  std::int64_t disk_min_us = 50;
  std::int64_t disk_spread_us = 500;
  std::int64_t disk_stall_permille = 0;
  std::int64_t disk_stall_us = 0;
  std::int64_t disk_stall_timeout_us = 5'000'000;  // after which a leader gives up
  std::int64_t page_bytes = 4096;                  // of both databases: 512, 1024, 2048 or 4096

  // Clients: an attempt counts as lost after so long, an operation is given up after its patience.
  std::int64_t attempt_timeout_us = 1'000'000;
  std::int64_t patience_us = 5'000'000;
  std::int64_t reads_wait = 0;          // 0 or 1: reads have no deadline at the node
  std::int64_t session_permille = 800;  // of the clients work within a session
  std::int64_t session_ttl_us = 60'000'000;
  std::int64_t value_bytes = 16;

  // 0 or 1: reads that rest on clocks are judged whatever the clocks do, to see what becomes of
  // them beyond the bound.
  std::int64_t trust_clocks = 0;

  friend bool operator==(const Settings&, const Settings&) = default;
};

// A field of Settings, by name.
struct SettingField {
  const char* name;
  std::int64_t Settings::*field;
  std::int64_t min;
  std::int64_t max;
};
const std::vector<SettingField>& SettingFields();

// What is wrong with a node's clock all the time.
struct ClockError {
  Duration offset;
  std::int64_t drift_ppm = 0;

  friend bool operator==(const ClockError&, const ClockError&) = default;
};

enum class FaultKind : std::uint8_t {
  kCrash = 1,       // the power of `node` is cut; it starts again after `lasts`
  kCrashInStorage,  // the same in the middle of a storage operation: the `amount`-th change that
                    // its disk is asked for from then on
  kCrashInWrite,    // the same with a write to log.db under way, when there next is one
  kCrashAll,        // the power of every node is cut; each starts after up to `lasts`
  kPause,           // the process of `node` stands still while its clock runs
  kPartition,       // nodes in `group` and the others cannot reach each other
  kOneWay,          // what nodes in `group` send does not reach the others
  kCutLink,         // `node` and `peer` cannot reach each other: a partial partition
  kIsolate,         // `node` and all others cannot reach each other
  kSlowLink,        // messages from `node` to `peer` take `amount` microseconds more
  kLoss,            // `amount` more messages in a thousand are lost
  kDelay,           // every message takes up to `amount` microseconds more
  kClockJump,       // the clock of `node` jumps `amount` microseconds forward
  kClockStall,      // the clock of `node` stands still
  kClockDrift,      // the clock of `node` gains `amount` ppm instead of what it does otherwise
  kSlowDisk,        // writes of `node` take `amount` microseconds more
  kCheckpoint,      // `node` is asked for a checkpoint

  // Processes.
  kCrashInStart,  // the power of `node` is cut, and once more in its next start, at the `amount`-th
                  // change that its disk is asked for
  kCrashInState,  // the power of `node` is cut at the `amount`-th change of its next write to
                  // state.db: a checkpoint, or a snapshot being installed
  // The network.
  kFlapLink,     // as kCutLink, on and off again every `amount` microseconds
  kClog,         // what `node` sends and is sent waits until the fault ends
  kCutSnapshot,  // the next snapshot that `node` sends is lost with its connection: the link is cut
  // Clocks.
  kClockStepBack,  // the clock of `node` shows `amount` microseconds less
  // Disks. A node stops when its disk fails, and is started again after `lasts`.
  kDiskError,  // the `amount`-th operation from now fails
  kReadError,  // the power is cut, and the `amount`-th read of the next start fails
  kSyncError,  // the `amount`-th sync from now fails: what it should have covered is at risk
  kDiskFull,   // there is no room while it lasts
  kDiskStall,  // no write to the files of `node` is done before it ends
  kReadRot,    // the power is cut, and the `amount`-th read of the next start has one wrong bit
  kPageRot,    // the same, the `amount`-th bit of the pages that SQLite then reads, which it trusts
  kBitRot,     // one bit of the node's files turns over: at `amount` millionths of their length
  kLyingDisk,  // syncs are reported and not done while it lasts (docs/fault-model.md)
  kWipe,       // `node` loses its disk for good, and finds an empty one when it starts
  // Clients.
  kClientPause,      // `client` stands still
  kClientCut,        // `client` reaches no node, and no answer reaches it
  kClientDuplicate,  // `client` sends each request twice, to two nodes
  kClientAbandon,    // `client` gives up what it waits for and goes on
  kClientRestart,    // the same, and it forgets its session and what it has read
  // What operators ask the cluster for (sim/operator.h).
  kJoin,      // the next spare machine is added
  kReplace,   // the same, in the place of `node`
  kLeave,     // `node` is removed
  kDemote,    // `node` is to be a learner
  kPromote,   // `node` is to be a voter
  kTransfer,  // `node` is to lead; whoever leads: the best other one
  kPrefer,    // `node` gets another priority
  kReshape,   // the members in `group` are to be voters, all others learners
  // Disks again.
  kStartAnew,  // as kWipe, and somebody starts `node` as if it had never been there; not before
               // all others know which files are its own, and only a minority of the first members
};

// Which fields of a Fault its kind uses, and the name in plans.
struct FaultShape {
  FaultKind kind;
  const char* name;
  bool node;
  bool peer;
  bool group;
  bool lasts;
  const char* amount;  // what the number is called; null if there is none
  std::int64_t amount_min;
  std::int64_t amount_max;
  bool client = false;
};
const std::vector<FaultShape>& FaultShapes();
const FaultShape& ShapeOf(FaultKind kind);

// The node that leads when the fault begins, the first in id order if several think they do.
inline constexpr std::uint64_t kWhoeverLeads = 0;

struct Fault {
  SimTime at;
  FaultKind kind = FaultKind::kCrash;
  std::uint64_t node = 1;   // an id, or kWhoeverLeads
  std::uint64_t peer = 0;   // an id
  std::uint64_t group = 0;  // bit (id - 1) is set for each node in it
  Duration lasts{};
  std::int64_t amount = 0;
  std::uint64_t client = 0;  // from 0

  friend bool operator==(const Fault&, const Fault&) = default;
};

enum class ClientAction : std::uint8_t {
  kGet = 1,        // one key or several at one moment
  kPut,            // one key
  kDelete,         // one key
  kPutIfAbsent,    // one key
  kCompareAndSet,  // one key: from what this client believes it holds
  kTransaction,    // reads the first key and writes the others, atomically
  kTransfer,       // if the first key is what this client believes: writes all; else reads all
};
const char* Name(ClientAction action);
std::optional<ClientAction> ClientActionNamed(std::string_view name);

// One operation of one client. A client that is busy starts it when it is free.
struct PlannedOperation {
  SimTime at;
  std::uint64_t client = 0;  // from 0
  ClientAction action = ClientAction::kGet;
  std::vector<std::uint64_t> keys{};  // from 0
  // Of kGet, as in lockstep::Read.
  Consistency consistency = Consistency::kLinearizable;
  Duration max_age{};

  friend bool operator==(const PlannedOperation&, const PlannedOperation&) = default;
};

struct Plan {
  std::uint64_t seed = 0;  // of what is drawn while the plan runs: delays, losses, timeouts
  Settings settings;
  std::vector<ClockError> clocks;            // one for each node
  std::vector<Fault> faults;                 // by time
  std::vector<PlannedOperation> operations;  // by time

  friend bool operator==(const Plan&, const Plan&) = default;
};

// Empty if `plan` can be run, else what is wrong with it, in words.
std::string Validate(const Plan& plan);

// The settings as those who need them speak.
ReplicaConfig ReplicaConfigOf(const Settings& settings, NodeId id);

// The members of the cluster as it begins.
raft::Membership BeginningOf(const Settings& settings);
NetworkSettings NetworkSettingsOf(const Settings& settings);

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_PLAN_H_
