// One simulated machine: its clock, its disk, and the process that runs on it, which is the real
// replica on the real storage, driven as the server drives them. Decides nothing about consensus.

#ifndef LOCKSTEP_SIM_NODE_H_
#define LOCKSTEP_SIM_NODE_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/random.h"
#include "core/replica.h"
#include "core/types.h"
#include "sim/clock.h"
#include "sim/disk/disk.h"
#include "sim/disk/vfs.h"
#include "sim/network.h"
#include "sim/oracles/judge.h"
#include "sim/plan.h"
#include "sim/probes.h"
#include "sim/scheduler.h"
#include "sim/story/teller.h"
#include "sim/trace.h"
#include "storage/node_store.h"

namespace lockstep::sim {

// What all machines of a world share.
struct Surroundings {
  Scheduler& scheduler;
  Network& network;
  Judge& judge;
  Trace& trace;
  ProbeCounts& probes;
  story::Teller& story;
};

// Where a planned crash strikes.
enum class CrashPoint : std::uint8_t {
  kNone = 0,
  kBeforeStoring,  // a write to log.db was handed out and waits for the disk
  kAfterStoring,   // it is on the disk, and the replica does not know yet
};

class SimNode {
 public:
  // Clients are told through `replies`. `random` is the parent of the machine's own streams.
  SimNode(NodeId id, const Settings& settings, const ClockError& clock, const Random& random,
          Surroundings surroundings, std::function<void(NodeId, Reply)> replies);
  ~SimNode();
  SimNode(const SimNode&) = delete;
  SimNode& operator=(const SimNode&) = delete;

  NodeId id() const { return id_; }

  // ---- Life

  // Starts a process on what the disk holds. Throws Violation if the files are refused, unless the
  // power is cut meanwhile. REQUIRES: !running().
  void Start();
  // The power is cut, or, if the draw says so, only the process dies.
  void Crash();
  // The process stands still while time goes on: what reaches it waits. Pauses nest.
  void Pause();
  void Resume();

  bool running() const { return replica_.has_value(); }
  bool paused() const { return pauses_ > 0; }
  // Counts the crashes so far.
  std::uint32_t incarnation() const { return incarnation_; }

  // The power went during the last event, or was planned to: Crash() is due.
  bool crash_is_due() const { return crash_is_due_; }

  // Handles an event for this machine: a deadline, something stored, a snapshot read.
  void Handle(const Event& event);
  void Receive(const raft::Message& message);
  void Submit(Request request, Duration patience);
  void RequestCheckpoint();

  // ---- Faults

  // Lets the power go at the nth change that the disk is asked for from now on.
  void CutPowerAtChange(std::uint64_t nth) { disk_.CutPowerAt(nth); }
  // Crashes when a write to log.db next gets to this point.
  void CrashAt(CrashPoint point) { crash_point_ = point; }
  void DisarmCrashes();
  void SlowDiskDown(Duration by) { disk_slower_ = disk_slower_ + by; }
  // From now on the disk never stalls.
  void Calm();

  // To be followed by ClockChanged().
  Clock& clock() { return clock_; }
  void ClockChanged() { ScheduleDeadline(); }

  // REQUIRES: running().
  const Replica& replica() const { return *replica_; }

 private:
  using StateWrite = std::variant<Checkpoint, Installation>;

  // Lets the replica handle one input, then carries out what it wants done.
  template <class Input>
  void Step(const Input& input);
  void CarryOut(Effects effects);
  void Notice(const raft::Event& event);
  void Notice(const raft::Message& sent);
  void ScheduleDeadline();

  void StoreLog();
  void ExecuteLog();
  void ReportLog();
  void StoreState();
  void ExecuteState();
  void ReportState();
  void TellState(bool stored);
  void ReadSnapshot(NodeId peer);

  // True if `status` is success; false if the power was cut. Throws Violation on other errors.
  bool Stored(const absl::Status& status, const char* what);
  Duration DrawDiskTime();
  void TraceState();
  Instant LocalTime() const;
  SimTime now() const { return world_.scheduler.now(); }
  void After(Duration delay, EventKind kind, std::uint64_t payload = 0);

  const NodeId id_;
  const Settings settings_;
  Surroundings world_;
  std::function<void(NodeId, Reply)> replies_;
  Random election_random_;
  Random disk_random_;
  Random crash_random_;
  Clock clock_;

  Disk disk_;
  Vfs vfs_;
  std::optional<storage::NodeStore> store_;
  std::optional<Replica> replica_;
  std::uint32_t incarnation_ = 0;

  int pauses_ = 0;
  // What came while paused.
  std::vector<std::function<void()>> waiting_;

  raft::Role role_before_ = raft::Role::kFollower;  // the last input
  Instant deadline_ = Instant::Never();
  SimTime deadline_event_ = SimTime::Never();  // the earliest one scheduled

  std::deque<raft::Write> log_queue_;
  std::vector<raft::Write> log_group_;  // being stored; empty if nothing is
  std::deque<StateWrite> state_queue_;  // the first is being stored
  bool state_busy_ = false;

  CrashPoint crash_point_ = CrashPoint::kNone;
  bool crash_is_due_ = false;
  Duration disk_slower_;
  bool disk_stalls_ = true;
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_NODE_H_
