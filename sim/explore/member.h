// One node of the small world: the shipped raft::Node, a plain disk, and the writes on their way
// from one to the other. Copying a Member copies the node with everything that it has.
//
// The disk holds what log.db and state.db hold. A write handed out by the node waits until a step
// makes it durable, in order; a crash forgets the node and the writes that wait, but for those that
// the step says had reached the disk unnoticed. The data is how far the log is applied: what
// entries mean to the store does not concern consensus.
//
// Time. Each node has its own clock, and it stands still but in the steps that are about time: they
// move it to the next moment at which something happens. Messages take no time, so that every order
// of timeouts between nodes and between deliveries is one of these steps' orders. A clock has no
// origin: the node tells its state relative to it (core/raft/state_sink.h), and of the election
// deadline, drawn at random, only whether it passed.

#ifndef LOCKSTEP_SIM_EXPLORE_MEMBER_H_
#define LOCKSTEP_SIM_EXPLORE_MEMBER_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/raft/invariants.h"
#include "core/raft/node.h"
#include "core/raft/state_sink.h"
#include "sim/explore/bounds.h"
#include "sim/log_shadow.h"

namespace lockstep::sim::explore {

enum class StepKind : std::uint8_t {
  kDeliver,       // a message
  kRepeat,        // the same, and a copy of it stays in the network
  kPersist,       // the oldest write that waits is durable
  kTimeout,       // the election deadline passes
  kPatience,      // a follower has not heard of its leader for an election timeout
  kTick,          // a leader's next deadline passes
  kSilence,       // an election timeout passes for a leader
  kCrash,         // and restart; number: how many of the writes that wait had reached the disk
  kCrashInstall,  // the same just after an installation was durable
  kWrite,         // a client's command; number: which
  kRead,          // a client's read; number: which
  kCheckpoint,    // the state applied so far is durable, and the node is told
  kReadSnapshot,  // the checkpoint is read for a follower; number: its id
  kInstall,       // the received snapshot is durable
};

// What a step showed to others.
struct Facts {
  std::vector<raft::Message> messages;
  std::vector<raft::Event> events;
  bool elected = false;
  bool log_changed = false;
  Index commit_before;
  Index served;  // what the answers given to clients in this step rest on; 0 if there were none
};

// The log that `node` has in memory.
LogShadow ShadowOf(const raft::Node& node);

class Member {
 public:
  // A node that never ran.
  Member(const Bounds& bounds, NodeId id);

  // Takes one step. `message` is what is delivered, null for other kinds. `served` is what a read
  // that is submitted now must see at least. Throws Violation or AssertionFailure if the node
  // breaks what can be judged by looking at it alone.
  Facts Step(StepKind kind, std::uint64_t number, const raft::Message* message, Index served);

  // Everything that decides the future.
  void TellState(raft::StateSink& sink) const;

  // For people, in one line.
  std::string Describe() const;

  const raft::Node& node() const { return *node_; }
  const LogShadow& disk() const { return disk_; }
  std::size_t writes_waiting() const { return writes_.size(); }
  const std::set<NodeId>& snapshots_wanted() const { return snapshots_wanted_; }
  bool installing() const { return installation_.has_value(); }
  bool may_checkpoint() const { return applied_.position.index > checkpoint_.position.index; }
  // Whether kPatience changes anything.
  bool patient() const;

 private:
  struct WaitingRead {
    RequestId id;
    Index must_see;
    std::optional<Index> read_index;  // once it is confirmed
  };

  raft::Config ConfigOf(NodeId id) const;
  void Restart(std::size_t survived, bool installed);
  void Start();
  void PersistNext();
  void Take(Facts& facts);
  void Apply(Facts& facts);
  void Answer(Facts& facts);
  void Check(const raft::View* before) const;
  void CheckKept(const LogShadow& before, const raft::Message* message) const;

  Bounds bounds_;
  NodeId id_;
  std::optional<raft::Node> node_;  // always there once constructed
  Instant now_;
  Instant deadline_ = Instant::Never();

  LogShadow disk_;
  std::optional<LogShadow> lied_;  // what a crash brings back if the disk lies
  raft::AppliedState checkpoint_;
  std::deque<raft::Write> writes_;
  std::set<NodeId> snapshots_wanted_;
  std::optional<raft::ReceivedSnapshot> installation_;

  raft::AppliedState applied_;
  std::vector<raft::LogPosition> waiting_writes_;  // of clients, submitted here
  std::vector<WaitingRead> waiting_reads_;
};

}  // namespace lockstep::sim::explore

#endif  // LOCKSTEP_SIM_EXPLORE_MEMBER_H_
