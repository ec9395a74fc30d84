// One member of a cluster as a pure state machine: raft::Node and kv::Machine behind one door. Both
// drivers, the simulator's and the server's, hold exactly this class.
//
// A Replica never sends, writes, sleeps, logs or reads a clock. Inputs enter through the functions
// below, each with the node's local time; everything it wants done leaves through TakeEffects().
// Equal construction and equal inputs give equal effects. One thread owns a Replica.

#ifndef LOCKSTEP_CORE_REPLICA_H_
#define LOCKSTEP_CORE_REPLICA_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/kv/types.h"
#include "core/raft/config.h"
#include "core/raft/event.h"
#include "core/raft/membership_change.h"
#include "core/raft/message.h"
#include "core/random.h"
#include "core/request_limits.h"
#include "core/types.h"

namespace lockstep {

namespace kv {
class Machine;
}
namespace raft {
class Node;
}

struct ReplicaConfig {
  raft::Config raft;
  Limits limits;
  // A checkpoint is written once so much was applied since the last, whichever comes first.
  std::uint64_t checkpoint_entries = 10'000;
  std::uint64_t checkpoint_bytes = 16 << 20;
  // Replicas compare their digests at the indexes that are multiples of this (core/digest_watch.h).
  // The same on all nodes, or they compare at common multiples only. Not 0.
  std::uint64_t digest_interval = 256;
};

// What the two files of a node held when it started. raft::DurableState{} and kv::Image{} for a
// node that never ran.
struct StoredState {
  raft::DurableState log;
  kv::Image image;
};

// Asks the leader to hand leadership to `target`, or to the best voter for it if that is 0.
struct TransferLeadership {
  NodeId target;
};

struct Request {
  RequestId id;
  // The reply comes by then, if only to say that it is not known what happened.
  Instant deadline = Instant::Never();
  std::variant<kv::OpenSession, kv::Transact, Read, raft::MembershipChange, TransferLeadership>
      body;
};

// What vouches for the answer to a read.
enum class ReadPath : std::uint8_t {
  kQuorum = 1,  // a quorum has confirmed this leader
  kForwarded,   // the leader has named an index to this follower
  kLease,       // this leader's lease
  kLocal,       // what this replica had applied, and knew the age of if that matters
};

struct ReadResult {
  Revision revision;                              // of the store when it was read
  std::vector<std::optional<kv::KeyValue>> keys;  // in the order of the request
  ReadPath path = ReadPath::kQuorum;
};

// The change is committed, and no joint configuration is in force any more.
struct MembershipChanged {
  raft::MembershipAt membership;
  NodeId added;  // the id of the member that was asked for, also if it was one already; else 0
};

// This node leads no more. That `target` does is likely and not certain.
struct LeadershipTransferred {
  NodeId target;
};

// Why a request was not served. Each says what is certain.
enum class RefusalKind : std::uint8_t {
  kNotLeader = 1,  // certainly not done; `leader` may know better
  kOverloaded,     // certainly not done; worth trying later
  kInvalid,        // certainly not done, and never will be; `text` names what is wrong
  kDropped,        // certainly not done: another leader's entry took its place in the log
  kUnknown,        // it may have happened, or may yet
  kNotReady,       // certainly not done; `text` says what the cluster must do first
};

struct Refusal {
  RefusalKind kind = RefusalKind::kUnknown;
  NodeId leader;     // of kNotLeader: 0 if not known
  std::string text;  // for people
};

struct Reply {
  RequestId id;
  std::variant<kv::CommandResult, ReadResult, Refusal, MembershipChanged, LeadershipTransferred>
      result;
};

// A state that was read from state.db to bring a follower up to date (its bytes: kv::EncodeImage).
struct Snapshot {
  raft::LogPosition last_included;
  Bytes data;
};

// To replace all of state.db's contents with, in one transaction; then SnapshotInstalled().
struct Installation {
  CheckpointId id;
  std::shared_ptr<const kv::Image> image;
};

// To add to state.db in one transaction; then CheckpointStored().
struct Checkpoint {
  CheckpointId id;
  kv::Delta delta;
};

using raft::Event;
using raft::Role;

// What the driver must do. The fields may be carried out in any order and in parallel, except that
// writes are carried out in the order of their ids, and so are checkpoints and installations, which
// share one sequence of ids. A message that promises something durable is not here before it is.
struct Effects {
  // To store in log.db in one transaction (several may share one), then to be reported with
  // Persisted().
  std::optional<raft::Write> write;
  std::optional<Checkpoint> checkpoint;
  std::optional<Installation> installation;
  // Followers that need state.db's contents, each to be answered with SnapshotRead().
  std::vector<NodeId> snapshots_wanted;
  // To send. The network may lose, delay, duplicate or reorder them.
  std::vector<raft::Message> messages;
  // Whom to talk to from now on, if that has changed.
  std::optional<raft::MembershipAt> membership;
  // This node is no member any more, and says why: it is to stop, and not to start again with these
  // files.
  std::optional<std::string> expelled;
  // The data here is not what a majority has, as this says: the node is to stop, and not to start
  // again with these files. It serves nothing and sends nothing from now on.
  std::optional<std::string> diverged;
  std::vector<Reply> replies;  // each accepted request gets exactly one
  std::vector<Event> events;
  // Call Advance() no later than this local time, even if nothing else happens.
  Instant deadline = Instant::Never();
};

struct PeerStatus {
  NodeId id;
  Index match_index;
  Index next_index;
  std::string state;  // "probe", "replicate" or "snapshot"
  std::uint64_t in_flight = 0;
  std::optional<Duration> since_contact;     // empty before the first reply in this term
  std::optional<Duration> replication_time;  // of the last answered append
};

struct Status {
  ClusterId cluster;
  NodeId id;
  Role role = Role::kFollower;
  Term term;
  NodeId leader;      // 0 if not known
  Index first_index;  // of the log; greater than last_index when it holds no entry
  Index last_index;
  Index durable_index;
  Index commit_index;
  Index checkpoint_index;  // what state.db durably holds
  kv::Summary summary;     // applied index, revision, digest
  std::uint64_t keys = 0;
  std::uint64_t sessions = 0;
  std::uint64_t pending_requests = 0;
  std::uint64_t pending_reads = 0;  // of them
  std::uint64_t log_bytes = 0;      // of the entries held in memory
  std::optional<Duration>
      commit_time;                // append to commit, of the entry committed last here as leader
  std::vector<PeerStatus> peers;  // of a leader
  raft::MembershipAt membership;  // that counts now, committed or not
};

class Replica {
 public:
  // Resumes from what the node's files held. Nullopt, with `error` saying why, if they cannot be
  // those of one node: the files must then not be used.
  // `random` jitters election timeouts and numbers what the node asks: nodes must differ in it, and
  // so must the starts of one node.
  // REQUIRES: raft::Validate(config.raft) is empty.
  static std::optional<Replica> Start(const ReplicaConfig& config, StoredState stored,
                                      Random random, Instant now, std::string* error);

  Replica(Replica&&) noexcept;
  Replica& operator=(Replica&&) noexcept;
  ~Replica();

  // Lets time pass. See raft::Node::Advance() about a `now` that is earlier than before.
  void Advance(Instant now);

  // Handles one message. Stale, repeated, reordered and ill-formed messages are normal input.
  void Receive(const raft::Message& message, Instant now);

  // Takes a client's request; its reply comes with some later effects, perhaps the next.
  // REQUIRES: request.id was not used before.
  void Submit(Request request, Instant now);

  // The write with this id, and every one before it, survives a crash from now on.
  void Persisted(WriteId id, Instant now);

  // The checkpoint with this id survives a crash from now on.
  void CheckpointStored(CheckpointId id, Instant now);

  // The installation with this id survives a crash from now on.
  void SnapshotInstalled(CheckpointId id, Instant now);

  // Answers Effects::snapshots_wanted.
  void SnapshotRead(NodeId peer, Snapshot snapshot, Instant now);

  // Asks for a checkpoint of all that is applied, as a clean shutdown does before it stops.
  void RequestCheckpoint(Instant now);

  // Moves out all work produced since the last call.
  [[nodiscard]] Effects TakeEffects();

  Status GetStatus(Instant now) const;

  // Accepted and not answered yet.
  std::size_t pending_requests() const;

  // The applied state. Valid until the next input.
  const kv::Machine& machine() const;
  // The consensus state, for invariants and oracles. Valid until the next input.
  const raft::Node& node() const;

 private:
  class Impl;
  explicit Replica(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockstep

#endif  // LOCKSTEP_CORE_REPLICA_H_
