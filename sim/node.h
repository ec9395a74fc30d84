// One simulated machine: its clock, its disk, and the process that runs on it, which is the real
// replica on the real storage, driven as the server drives them. Decides nothing about consensus.

#ifndef LOCKSTEP_SIM_NODE_H_
#define LOCKSTEP_SIM_NODE_H_

#include <algorithm>
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
#include "sim/oracles/check_quorum.h"
#include "sim/oracles/judge.h"
#include "sim/oracles/patience.h"
#include "sim/oracles/stalled_disk.h"
#include "sim/oracles/transfers.h"
#include "sim/oracles/waiting.h"
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
  bool stores_log() const { return !log_group_.empty(); }
  // Counts the crashes so far.
  std::uint32_t incarnation() const { return incarnation_; }

  // The power went during the last event, or was planned to: Crash() is due.
  bool crash_is_due() const { return crash_is_due_; }
  // It is due because the disk has failed: the process ends without a power cut.
  bool stops_by_itself() const { return stops_by_itself_; }

  // Its files are damaged or gone, or it is no member any more: starting it again would not help,
  // and it stays down.
  bool given_up() const { return refusals_ >= kRefusalsMax || expulsions_ >= kExpulsionsMax; }
  // Whether it is to run: it is not given up, and was a member from the beginning or has joined.
  bool may_start() const { return joined_ && !given_up(); }
  // Starts the process of a machine that was added.
  void Join();
  // Of the files that it makes first.
  Incarnation first_incarnation() const { return first_start_.incarnation; }
  // Why it last stopped by itself or did not start; for people.
  const std::string& stop_reason() const { return stop_reason_; }

  // Handles an event for this machine: a deadline, something stored, a snapshot read.
  void Handle(const Event& event);
  void Receive(const raft::Message& message);
  void Submit(Request request, Duration patience);
  void RequestCheckpoint();

  // ---- Faults

  // Lets the power go at the nth change that the disk is asked for from now on.
  void CutPowerAtChange(std::uint64_t nth) { disk_.CutPowerAt(nth); }
  // The same, counted from the beginning of its next start.
  void CutPowerInStart(std::uint64_t nth) { cut_in_start_ = nth; }
  // Lets an operation of its next start fail.
  void FailInStart(DiskFault fault) { fault_in_start_ = fault; }
  // As CutPowerAtChange(), counted from the beginning of its next write to state.db.
  void CutPowerInStateWrite(std::uint64_t nth) { cut_in_state_write_ = nth; }
  // Crashes when a write to log.db next gets to this point.
  void CrashAt(CrashPoint point) { crash_point_ = point; }
  void DisarmCrashes();
  void SlowDiskDown(Duration by) { disk_slower_ = disk_slower_ + by; }
  // No storage operation begun before then is done before then.
  void StallDisk(SimTime until) { disk_stalled_until_ = std::max(disk_stalled_until_, until); }
  // To make it fail. A node whose disk fails stops: Crash() is due then.
  Disk& disk() { return disk_; }
  // The power is cut and the disk is replaced by an empty one.
  void Wipe();
  // The same, and whoever starts it next does so as if it had never been there: it makes new files.
  void WipeAndForget();
  // Whether WipeAndForget() was called: what runs under its id is not the member of that id.
  bool is_another() const { return is_another_; }
  // From now on the disk never stalls.
  void Calm();

  // To be followed by ClockChanged().
  Clock& clock() { return clock_; }
  void ClockChanged();
  void StepClockBack(Duration by);

  // REQUIRES: running().
  const Replica& replica() const { return *replica_; }

 private:
  using StateWrite = std::variant<Checkpoint, Installation>;

  // Lets the replica handle one input, then carries out what it wants done; or later, if more
  // inputs wait.
  template <class Input>
  void Step(const Input& input);
  bool MayHandleMore() const;
  void TakeEffects();
  void CarryOut(Effects&& effects);
  void Notice(const raft::Event& event);
  void Notice(const raft::Message& sent);
  void NoticeMembership();
  bool IsStranger(const raft::Message& message) const;
  void ScheduleDeadline();

  void StoreLog();
  void ExecuteLog();
  void ReportLog();
  void StoreState();
  void ExecuteState();
  void ReportState();
  void TellState(bool stored);
  void ReadSnapshot(NodeId peer);

  // True if `status` is success; false if the power was cut, or the disk was made to fail and the
  // node stops. Throws Violation on an error without a cause.
  bool Stored(const absl::Status& status, const char* what);
  void StopBecause(const absl::Status& status);
  void CountFailedStart(const absl::Status& status, bool cut);
  Duration DrawDiskTime();
  void TraceState();
  Instant LocalTime() const;
  void LookAtClock();
  void TellClock() const;
  void NoticeRead(const Read& read);
  SimTime now() const { return world_.scheduler.now(); }
  void After(Duration delay, EventKind kind, std::uint64_t payload = 0);

  // A read that went wrong does so once: damage is what is found again.
  static constexpr int kRefusalsMax = 2;
  // Somebody may not notice that a node was removed, and start it again.
  static constexpr int kExpulsionsMax = 2;

  const NodeId id_;
  const Settings settings_;
  ReplicaConfig config_;  // but for the incarnation the same in every life
  storage::FirstStart first_start_;
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
  bool handles_what_waited_ = false;  // several inputs between two looks at the effects
  bool effects_wait_ = false;         // of inputs that were handled

  Patience patience_;
  CheckQuorum check_quorum_;
  Transfers transfers_;
  StalledDisk stalled_disk_;
  Waiting waiting_requests_;
  raft::Role role_before_ = raft::Role::kFollower;  // the inputs whose effects were taken last
  Index commit_before_;
  raft::MembershipAt membership_before_;  // the last change
  Instant deadline_ = Instant::Never();
  SimTime deadline_event_ = SimTime::Never();  // the earliest one scheduled
  Instant told_;                               // the replica, last
  bool stepped_back_ = false;  // the clock, since the replica was last told the time

  std::deque<raft::Write> log_queue_;
  std::vector<raft::Write> log_group_;  // being stored; empty if nothing is
  std::deque<StateWrite> state_queue_;  // the first is being stored
  bool state_busy_ = false;

  CrashPoint crash_point_ = CrashPoint::kNone;
  bool crash_is_due_ = false;
  bool stops_by_itself_ = false;  // crash_is_due_, and the process ends without a power cut
  std::string stop_reason_;
  bool has_started_ = false;  // ever, with success
  bool joined_ = true;
  int expulsions_ = 0;
  int refusals_ = 0;           // of its files since they were last accepted
  bool disk_is_gone_ = false;  // with what it had promised
  bool is_another_ = false;
  std::uint64_t failed_syncs_ = 0;  // of the disk, when the node last stopped
  std::uint64_t cut_in_start_ = 0;
  std::optional<DiskFault> fault_in_start_;
  std::uint64_t cut_in_state_write_ = 0;
  SimTime disk_stalled_until_;
  Duration disk_slower_;
  bool disk_stalls_ = true;
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_NODE_H_
