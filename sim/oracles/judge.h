// All oracles of a run behind one door. The world tells the judge what happens, in the order in
// which it happens; the judge throws a Violation (or core's AssertionFailure) as soon as a
// guarantee is broken. Everything is judged over the whole run, also what concerns nodes that are
// down.

#ifndef LOCKSTEP_SIM_ORACLES_JUDGE_H_
#define LOCKSTEP_SIM_ORACLES_JUDGE_H_

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "core/kv/types.h"
#include "core/raft/invariants.h"
#include "core/raft/message.h"
#include "core/replica.h"
#include "core/types.h"
#include "sim/log_shadow.h"
#include "sim/oracles/acknowledgements.h"
#include "sim/oracles/asked_read.h"
#include "sim/oracles/bounded_reads.h"
#include "sim/oracles/bounds.h"
#include "sim/oracles/canonical_log.h"
#include "sim/oracles/clock_bounds.h"
#include "sim/oracles/digests.h"
#include "sim/oracles/election_safety.h"
#include "sim/oracles/exactly_once.h"
#include "sim/oracles/log_matching.h"
#include "sim/oracles/read_states.h"
#include "sim/probes.h"
#include "sim/sim_time.h"

namespace lockstep::sim {

class Judge {
 public:
  Judge(std::size_t nodes, ProbeCounts& probes);

  // True time, whenever something follows for which it matters: commits and reads.
  void Now(SimTime now) { now_ = now; }

  // ---- A node's life

  // `node` starts, and has read this from its files. If its disk may have forgotten what its syncs
  // had promised, anything that a node can hold is believed.
  void Started(NodeId node, const StoredState& stored, bool may_have_forgotten = false);
  // `node` is gone. What was being stored may or may not be on its disk.
  void Stopped(NodeId node);

  // The disk of `node` is lost. What runs under its id from now on is not that node: nothing is
  // demanded of it but that nobody believes it.
  void Lost(NodeId node) { At(node).is_lost = true; }
  // Whether what `node` durably holds tells it which files are those of `other`, a member; or it
  // takes part in nothing yet.
  bool Knows(NodeId node, NodeId other) const;

  // ---- One input, in this order; each part may be missing

  // The node has handed out a write to log.db.
  void Wrote(NodeId node, const raft::Write& write);
  // The input is handled, and its effects are taken.
  void Stepped(NodeId node, const Replica& replica);
  // The effects of the input are carried out; `storing_state` if a write to state.db is not done.
  void Rested(NodeId node, const Replica& replica, const ReplicaConfig& config,
              bool storing_state) const {
    if (At(node).is_lost) {
      return;
    }
    CheckBounds(node, config, replica, At(node).state.applied_index, storing_state);
  }
  // The node sends a message.
  void Sent(const raft::Message& message) const;
  // The node has handled what `from` had to say.
  void Heard(NodeId node, NodeId from, const Replica& replica);
  // The node is asked to read; it answers a request: with data, if that was a read.
  void ReadAsked(NodeId node, RequestId request, const Read& read);
  void Replied(NodeId node, const Reply& reply);
  // The node answers a command, not a read, with a result.
  void Answered(NodeId node, const kv::Command& command, const kv::CommandResult& result) const {
    exactly_once_.Answered(node, command, result);
  }

  // The configuration that the cluster begins with.
  void Begin(const raft::Membership& membership);
  // The one that is in force when all that anybody has committed is applied.
  const raft::Membership& committed_membership() const { return committed_membership_; }

  // The configuration that `node` goes by from now on: when it starts, and after the step in which
  // that changes.
  void Configured(NodeId node, const raft::Node& raft);

  ClockBounds& clocks() { return clocks_; }
  const ClockBounds& clocks() const { return clocks_; }

  // ---- Disks

  // These writes are being stored in one transaction; then: it has returned success.
  void StoringLog(NodeId node, std::span<const raft::Write> writes);
  void LogStored(NodeId node);
  // The state with this summary is being stored; then: that has returned success.
  void StoringState(NodeId node, const kv::Summary& summary);
  void StateStored(NodeId node);

  // ---- Clients

  // An operation, at this position of the history, was reported as certainly not done.
  void Refused(const kv::Transact& command, std::uint64_t operation) {
    exactly_once_.Refused(command, operation);
  }

  // The run is over.
  void CheckEnd() const { exactly_once_.CheckRefused(); }

  // Whether a node started on less than it had promised: nothing can be demanded from then on.
  bool promises_are_void() const { return promises_are_void_; }

  const CanonicalLog& canonical() const { return canonical_; }
  const ExactlyOnce& exactly_once() const { return exactly_once_; }
  std::size_t terms_led() const { return election_safety_.terms_led(); }

 private:
  struct Node {
    LogShadow memory;                      // what the running node has
    LogShadow durable;                     // what its log.db has
    std::vector<raft::Write> storing_log;  // in the transaction under way
    kv::Summary state;                     // what its state.db has
    std::optional<kv::Summary> storing_state;
    bool is_lost = false;
    std::optional<raft::View> view;  // after the last input; empty if there was none
    Index applied;
    std::map<RequestId, AskedRead> asked_reads;
    ReadStates read_states;
    raft::Membership membership;  // that it goes by
    Matches matches;
  };

  Node& At(NodeId node) { return nodes_[node.value - 1]; }
  const Node& At(NodeId node) const { return nodes_[node.value - 1]; }

  void Believe(Node& node, const StoredState& stored);
  void CheckLogLoaded(NodeId id, const raft::DurableState& log);
  void CheckStateLoaded(NodeId id, const kv::Summary& summary);
  void CheckShadow(const Node& node, const raft::View& view) const;
  void CheckCommit(Node& node, const raft::View& view, Index before);
  void CheckRead(NodeId id, const AskedRead& asked, const ReadResult& result);
  void CheckApplied(Node& node, NodeId id, const Replica& replica);

  std::vector<Node> nodes_;
  std::vector<const LogShadow*> durable_;  // of nodes_
  CanonicalLog canonical_;
  ElectionSafety election_safety_;
  LogMatching log_matching_;
  Digests digests_;
  ExactlyOnce exactly_once_;
  ProbeCounts& probes_;
  raft::Membership committed_membership_;
  std::map<NodeId, Index> known_since_;  // where a committed entry says whose files are a member's
  SimTime now_;
  CommitTimes commit_times_;
  ClockBounds clocks_;
  bool promises_are_void_ = false;
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_ORACLES_JUDGE_H_
