// The production driver: carries a Replica's effects out on real threads, real disks and the real
// clock, and decides nothing. Without gRPC, so that all of its threads can run under
// ThreadSanitizer.
//
//   any thread ──▶ inbox ──▶ core thread (owns the Replica) ──┬──▶ log thread: commits groups
//                    ▲                                        ├──▶ state thread: checkpoints,
//                    │                                        │    installations, snapshot reads
//                    │                                        ├──▶ reply thread: clients' callbacks
//                    │                                        └──▶ PeerSender: messages
//                    └──── "write 17 is durable" ◀── log and state thread
//
// A checkpoint has its own thread and its own file, so that it never stands in the way of a commit.
// The log thread takes all writes that wait and makes one transaction of them.

#ifndef LOCKSTEP_SERVER_DRIVER_H_
#define LOCKSTEP_SERVER_DRIVER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "core/replica.h"
#include "server/disk.h"
#include "server/mailbox.h"

namespace lockstep::server {

using RequestBody = decltype(Request::body);

// Why a request got no reply of the replica's.
enum class Unserved : std::uint8_t {
  kQueueFull = 1,   // certainly not done: too many requests are queued
  kStopping,        // certainly not done: the node takes no new requests
  kOutcomeUnknown,  // the node stopped while the request was under way
};
using ReplyResult = std::variant<kv::CommandResult, ReadResult, Refusal, MembershipChanged,
                                 LeadershipTransferred, Unserved>;
using ReplyCallback = std::function<void(ReplyResult)>;
// Null: the driver has stopped.
using StatusCallback = std::function<void(const Status*)>;

// The way to the other members.
class PeerSender {
 public:
  virtual ~PeerSender() = default;
  // Called on the core thread. Must not block; may drop what it has no room for.
  virtual void Send(std::vector<raft::Message> messages) = 0;
  // Called on the core thread, before the messages of that moment: whom to talk to from now on.
  virtual void SetMembership(const raft::Membership& membership) = 0;
};

// Hears what the driver and its replica do, for logs and metrics. Must not block.
class DriverObserver {
 public:
  virtual ~DriverObserver() = default;
  // On the core thread, after the effects that held the events; `status` is of then.
  virtual void OnEvents(const std::vector<Event>& events, const Status& status) = 0;
  // On the core thread, while it is busy, some twenty times a second.
  virtual void OnSample(const Status& status) = 0;
  // On the log thread: one transaction with so many writes and entries is durable.
  virtual void OnLogSync(Duration took, std::size_t writes, std::size_t entries) = 0;
  // On the state thread.
  virtual void OnCheckpoint(Duration took) = 0;
  virtual void OnInstallation(Duration took) = 0;
  virtual void OnSnapshotRead(Duration took, std::size_t bytes) = 0;
  // On the thread where the disk failed. The node takes nothing any more; its owner must end it.
  virtual void OnDiskFailure(const absl::Status& status) = 0;
  // On the core thread: this node is no member any more. It goes on as a follower that nobody
  // hears; its owner must stop it.
  virtual void OnExpelled(const std::string& why) = 0;
  // On the core thread: the replica's data is not that of the others. It does nothing any more; its
  // owner must stop it, and not start it again with these files.
  virtual void OnDiverged(const std::string& why) = 0;
};

struct DriverOptions {
  std::uint64_t queued_requests_max = 10'000;
  std::uint64_t queued_peer_bytes_max = 256 << 20;
};

struct QueueLengths {
  std::size_t inbox = 0;           // inputs for the core thread
  std::size_t requests = 0;        // those of them that are clients' requests
  std::size_t peer_bytes = 0;      // in those of them that are peers' messages
  std::size_t log_writes = 0;      // waiting for log.db
  std::size_t state_jobs = 0;      // waiting for state.db
  std::size_t replies = 0;         // waiting for their callbacks
  std::uint64_t refused = 0;       // requests, ever, because too many were queued
  std::uint64_t peer_dropped = 0;  // messages, ever, because too many bytes were queued
};

class Driver {
 public:
  // The clock of all Instants here: CLOCK_MONOTONIC.
  static Instant Now();

  // Starts the threads. `replica` was started at a Now(); `disk`, `sender` and `observer` must
  // outlive the driver.
  Driver(Replica replica, DriverOptions options, Disk* disk, PeerSender* sender,
         DriverObserver* observer);
  // Stops without waiting for anything but the threads' current work, unless Stop() was called.
  ~Driver();

  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  // Hands in a client's request. `done` is called exactly once: on the reply thread, or before
  // this returns if it is refused at the door (Unserved). Any thread. `done` must not block.
  void Submit(RequestBody body, Instant deadline, ReplyCallback done);

  // Hands in a message of another member, or drops it if too much is queued. Any thread.
  void Receive(raft::Message message);

  // Calls `done` exactly once: with the replica's status on the core thread, in turn with other
  // inputs, or with null before this returns. Any thread. `done` must not block.
  void GetStatus(StatusCallback done);

  // Nullopt if the core thread has stopped or did not come to it within `timeout`. Any thread but
  // the driver's own.
  std::optional<Status> GetStatusNow(Duration timeout);

  QueueLengths queues() const;

  // The replica's current term, at most some 50 ms late. Any thread.
  Term term() const { return {term_.load()}; }

  // A clean stop: refuses new requests, answers those under way, writes a checkpoint of all that
  // is applied, and ends the threads. Requests that are still unanswered after half of `timeout`
  // are answered "unknown" in the end, and a checkpoint that is not stored by `timeout` is left to
  // the next start. True if everything was done. What the disk is busy with is waited for in any
  // case. Once; not on the driver's threads.
  bool Stop(Duration timeout);

 private:
  struct ClientRequest {
    RequestBody body;
    Instant deadline;
    ReplyCallback done;
  };
  struct PeerMessage {
    raft::Message message;
    std::size_t bytes = 0;
  };
  struct LogPersisted {
    WriteId id;
  };
  struct SnapshotForPeer {
    NodeId peer;
    Snapshot snapshot;
  };
  struct StatusQuery {
    StatusCallback done;
  };
  struct Drain {
    Instant answer_until;
    Instant stop_at;
  };
  using CheckpointDone = CheckpointId;
  struct InstallationDone {
    CheckpointId id;
  };
  using Input = std::variant<ClientRequest, PeerMessage, LogPersisted, CheckpointDone,
                             InstallationDone, SnapshotForPeer, StatusQuery, Drain>;
  struct SnapshotWanted {
    NodeId peer;
  };
  using StateJob = std::variant<Checkpoint, Installation, SnapshotWanted>;
  struct ReadyReply {
    ReplyCallback done;
    ReplyResult result;
  };

  // The core thread.
  void RunCore();
  void Handle(ClientRequest request);
  void Handle(PeerMessage message);
  void Handle(LogPersisted persisted);
  void Handle(CheckpointDone id);
  void Handle(InstallationDone done);
  void Handle(SnapshotForPeer snapshot);
  void Handle(StatusQuery query);
  void Handle(Drain drain);
  void HandleAll(std::vector<Input> inputs);
  void CarryOut(Effects effects);
  void Observe(const std::vector<Event>& events);
  bool Drained();
  void AnswerTheRest();

  void RunLog();
  void RunState();
  absl::Status Do(Checkpoint checkpoint);
  absl::Status Do(Installation installation);
  absl::Status Do(SnapshotWanted wanted);
  void RunReplies();
  void Fail(const absl::Status& status);

  const DriverOptions options_;
  Disk* const disk_;
  PeerSender* const sender_;
  DriverObserver* const observer_;

  // Owned by the core thread.
  Replica replica_;
  std::map<RequestId, ReplyCallback> pending_;
  RequestId last_request_;
  Instant deadline_;
  Instant last_sample_;
  std::size_t state_writes_under_way_ = 0;  // checkpoints and installations
  std::optional<Drain> drain_;
  bool last_checkpoint_requested_ = false;
  bool drained_ = false;  // read by Stop() once the core thread has ended

  std::atomic<std::uint64_t> term_ = 0;
  std::atomic<bool> accepting_ = true;
  std::atomic<bool> abandoned_ = false;  // leave what is queued for the disk
  std::atomic<bool> failed_ = false;
  std::atomic<std::size_t> queued_requests_ = 0;
  std::atomic<std::size_t> queued_peer_bytes_ = 0;
  std::atomic<std::uint64_t> refused_ = 0;
  std::atomic<std::uint64_t> peer_dropped_ = 0;

  Mailbox<Input> inbox_;
  Mailbox<raft::Write> log_queue_;
  Mailbox<StateJob> state_queue_;
  Mailbox<ReadyReply> reply_queue_;

  bool joined_ = false;
  std::thread core_thread_;
  std::thread log_thread_;
  std::thread state_thread_;
  std::thread reply_thread_;
};

}  // namespace lockstep::server

#endif  // LOCKSTEP_SERVER_DRIVER_H_
