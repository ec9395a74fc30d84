// Raft consensus (Ongaro 2014: chapter 3, leadership transfer §3.10, membership chapter 4, pre-vote
// §9.6, leader stickiness §4.2.3, check-quorum §6.2, ReadIndex §6.4, snapshots chapter 5) as a pure
// state machine.
//
// A Node never sends, writes, sleeps, logs or reads a clock. Inputs enter through the functions
// below, each with the node's local time; everything it wants done leaves through TakeEffects().
// Equal seeds and equal inputs give equal effects. One thread owns a Node.

#ifndef LOCKSTEP_CORE_RAFT_NODE_H_
#define LOCKSTEP_CORE_RAFT_NODE_H_

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/raft/config.h"
#include "core/raft/durability.h"
#include "core/raft/event.h"
#include "core/raft/forwarded_reads.h"
#include "core/raft/log.h"
#include "core/raft/membership_change.h"
#include "core/raft/membership_history.h"
#include "core/raft/message.h"
#include "core/raft/progress.h"
#include "core/raft/reads.h"
#include "core/raft/round_times.h"
#include "core/raft/state_sink.h"
#include "core/random.h"
#include "core/types.h"

namespace lockstep::raft {

// State that the owner keeps for the node beside the log: what a snapshot or checkpoint holds.
struct AppliedState {
  LogPosition position;
  ClusterTime time;
  MembershipAt membership;  // in force at `position`
};

// How a leader's attempt to hand leadership over ended.
struct TransferEnded {
  NodeId target;
  bool moved = false;  // this node leads no more; not that `target` has won
  bool asked = false;  // `target` was asked to campaign, and may do so yet
  std::string why;     // if not
};

// A snapshot that came from the leader. Nothing is known of its bytes yet.
struct ReceivedSnapshot {
  NodeId from;
  LogPosition last_included;
  Bytes data;
};

// What the owner must do; see lockstep::Effects, of which this is the part that concerns Raft.
struct NodeEffects {
  std::optional<Write> write;
  std::vector<Message> messages;
  std::vector<ReadyReads> ready_reads;
  std::vector<RequestId> refused_reads;  // the leader changes, or does not answer
  std::vector<NodeId> snapshots_wanted;
  // To install, then SnapshotInstalled(); or not to, then SnapshotRejected(). Until one of them is
  // called the node takes no entries and does not campaign.
  std::optional<ReceivedSnapshot> received_snapshot;
  std::optional<TransferEnded> transfer_ended;
  // The configuration that counts from now on, committed or not, if it has changed: it names whom
  // to talk to.
  std::optional<MembershipAt> membership;
  // This node is no member any more, and says why: it does nothing from now on.
  std::optional<std::string> expelled;
  std::vector<Event> events;
  Instant deadline = Instant::Never();
};

enum class ProposalRefusal : std::uint8_t {
  kNotLeader = 1,
  kTooMuchUncommitted,
  kTransferring,  // leadership is being handed over
};

class Node {
 public:
  // Resumes from what earlier writes made durable. `applied` is the state that the owner durably
  // holds: the log may lack any entry up to it. Nullopt, with `error`, if the two cannot be of
  // one node. `random` jitters election timeouts, and numbers what the node asks: it must differ
  // from start to start.
  // REQUIRES: Validate(config) is empty.
  static std::optional<Node> Start(const Config& config, DurableState durable, AppliedState applied,
                                   Random random, Instant now, std::string* error);

  // Lets time pass. A `now` that is earlier than one before, here or in another call, does not turn
  // time back; but a clock that does so measures nothing, and what rests on that is given up.
  void Advance(Instant now);

  // Handles one message. Stale, repeated and reordered ones are normal input, and so are those of
  // strangers. REQUIRES: what net/codec checks of a message's own parts holds.
  void Receive(const Message& message, Instant now);

  // The write with this id, and every one before it, survives a crash from now on.
  void Persisted(WriteId id, Instant now);

  // Appends `payload` if this node leads and has room, else changes nothing. The command takes
  // effect once the entry at the returned position is applied; it certainly does not if that index
  // is applied with another term; its fate is unknown if a snapshot passes the index first.
  [[nodiscard]] std::variant<LogPosition, ProposalRefusal> Propose(Bytes payload, Instant now);

  // Changes who belongs to the cluster, if this node leads and no other change is under way: the
  // position of the entry that does it, or that begins it. A joint configuration is left by itself
  // once it is committed (§4.3); the change is done when a configuration at or after the position
  // that is not joint is committed. Refuses what would leave no live quorum.
  [[nodiscard]] std::variant<LogPosition, MembershipRefusal> ChangeMembership(
      const MembershipChange& change, Instant now);

  // Hands leadership to `target`, or to the best voter for it if that is 0 (§3.10): proposals are
  // refused until it has ended, as NodeEffects::transfer_ended tells, at the latest after an
  // election timeout. Not empty: why it did not begin.
  [[nodiscard]] std::string TransferLeadership(NodeId target, Instant now);

  // ---- Reads (node_reads.cc): each asks from which index on the applied state may answer.

  // That shows everything that anybody had committed before `now`: by a round of heartbeats if this
  // node leads, else from the leader; it comes with ready_reads or refused_reads. False if no
  // leader is known: then nothing is changed. A follower refuses what the leader has not answered
  // within an election timeout.
  [[nodiscard]] bool Read(RequestId request, Instant now);

  // The same without asking anybody: nullopt unless this node leads and holds a lease. A lease is
  // safe as long as no clock drifts more than clock_drift_ppm allows.
  std::optional<Index> LeaseReadIndex(Instant now);

  // That shows everything that anybody had committed `max_age` before `now`, or later: nullopt if
  // this node cannot be sure of it without asking. It was sure of it when it last asked, or as a
  // leader when a quorum last answered. Safe as long as its own clock drifts no more than
  // clock_drift_ppm allows.
  std::optional<Index> FreshIndex(Duration max_age, Instant now);

  // Whether this node leads and has asked another to take over: from then on it has no lease.
  bool transfer_voids_lease() const;

  // The owner's durable state is now the received snapshot, up to `applied`.
  void SnapshotInstalled(AppliedState applied, Instant now);
  void SnapshotRejected(const std::string& why);

  // Answers snapshots_wanted. A snapshot that nobody waits for is dropped.
  void SnapshotRead(NodeId peer, LogPosition last_included, Bytes data, Instant now);

  // The owner's durable state covers `index`: forgets entries that are no longer needed, keeping
  // the last entries_retained before it. REQUIRES: index <= appliable_index().
  void CheckpointCovers(Index index);

  // Moves out all work produced since the last call.
  [[nodiscard]] NodeEffects TakeEffects();

  // Entries up to this one are committed and durable here: safe to apply, in order.
  Index appliable_index() const;

  const Config& config() const { return config_; }
  const Log& log() const { return log_; }
  Role role() const;
  Term current_term() const { return hard_state_.current_term; }
  NodeId voted_for() const { return hard_state_.voted_for; }
  Index commit_index() const { return commit_index_; }
  Index durable_index() const { return durability_.index(); }
  // Of the current term; 0 if not known.
  NodeId leader() const;
  bool installing() const { return installing_.has_value(); }
  // The configuration that counts now, committed or not.
  const MembershipAt& membership() const { return history_.latest(); }
  // The one that is in force when everything committed is applied.
  const MembershipAt& committed_membership() const { return history_.At(commit_index_); }
  bool expelled() const { return expelled_; }
  // When the lease of this node ends, by its clock; long ago if it has none, Never() if it is the
  // only voter.
  Instant LeaseEnd() const;
  // Null unless this node leads and `peer` is another member.
  const Progress* progress(NodeId peer) const;
  // Of the entry committed last while leading, from append to commit.
  std::optional<Duration> commit_time() const { return commit_time_; }
  // All that decides the node's future (core/raft/state_sink.h). REQUIRES: the effects are taken.
  void TellState(StateSink& sink) const;

 private:
  struct Follower {
    NodeId leader;            // 0 if not known
    Index matched;            // of this term: our log equals the leader's up to here
    Index acknowledged;       // the highest match told to the leader
    std::uint64_t round = 0;  // the leader's latest that we saw
  };
  struct PreCandidate {
    std::set<NodeId> granted;
  };
  struct Candidate {
    std::set<NodeId> granted;
  };
  // How a learner catches up (§4.2.1): in rounds, each of which is to copy what the log held when
  // the round began.
  struct CatchUp {
    Index target;
    std::uint64_t answered_round = 0;  // of heartbeats, to be answered before the round ends
    Instant since;
    std::uint64_t fast_rounds = 0;  // one after the other
  };
  struct Transfer {
    NodeId target;
    Instant deadline;
    bool sent = false;  // TimeoutNow
  };
  struct Leader {
    std::map<NodeId, Progress> peers;
    Index first_own_index;  // of the no-op of this term
    std::uint64_t round = 0;
    Instant next_heartbeat;
    Reads reads;
    RoundTimes round_times{Duration()};
    bool lease_is_void = false;  // for the rest of the term
    Instant since;               // elected
    ClusterTime time_at_election;
    std::deque<std::pair<Index, Instant>> appended;  // not committed yet, and when they came
    std::uint64_t uncommitted_bytes = 0;
    std::map<NodeId, CatchUp> catching_up;      // learners to be promoted
    std::map<NodeId, Incarnation> first_heard;  // of members whose incarnation is not known
    std::optional<Transfer> transfer;
    Instant
        may_prefer_another;  // not before then is leadership given to a member of higher priority
  };

  Node(const Config& config, const DurableState& durable, AppliedState applied, Random random,
       Instant now);

  // Receive() after the comparison of terms.
  void Handle(NodeId from, const RequestVote& request, Term term);
  void Handle(NodeId from, const RequestVoteReply& reply, Term term);
  void Handle(NodeId from, const AppendEntries& request, Term term);
  void Handle(NodeId from, const AppendEntriesReply& reply, Term term);
  void Handle(NodeId from, const InstallSnapshot& request, Term term);
  void Handle(NodeId from, const InstallSnapshotReply& reply, Term term);
  void Handle(NodeId from, const ReadIndex& request, Term term);
  void Handle(NodeId from, const ReadIndexReply& reply, Term term);

  void RejectStale(const Message& message);
  void TimeIs(Instant now);
  // Whether it has heard from a leader other than `candidate`, of whatever term, within the minimum
  // election timeout.
  bool ListensToLeader(NodeId candidate) const;
  bool IsUpToDate(LogPosition last_log) const;
  bool IsVoter() const { return membership().membership.IsVoter(config_.id); }
  bool MayCampaign() const;
  bool RefuseSender(const Message& message);
  void Expel(const std::string& why);

  void SetHardState(HardState state);
  void BecomeFollower(Term term, NodeId leader, const std::string& why);
  Follower& FollowLeader(NodeId leader);
  void BecomePreCandidate();
  void BecomeCandidate(bool transfer);
  void BecomeLeader();
  void CountVotes();
  void RestartElectionTimer();
  void StepDownUnlessQuorumHeard();
  bool HasQuorum(const std::set<NodeId>& granted) const;

  Index Append(const std::vector<Entry>& entries, LogPosition previous);
  void AppendOwn(EntryKind kind, Bytes payload);
  void TruncateFrom(Index index);
  void Match(Follower& follower, Index matched, Index leader_commit);
  void Acknowledge(Follower& follower);
  void CommitTo(Index index);
  void AdvanceLeaderCommit();

  // ---- node_membership.cc
  void MembershipChanged();
  void TrackMembers();
  void AppendMembership(const Membership& membership);
  void ProceedWithMembership();
  std::optional<Membership> WithIncarnations() const;
  std::optional<Membership> WithPromotion();
  bool IsCaughtUp(NodeId learner, const Progress& progress);
  bool IsLive(NodeId member) const;  // heard of within an election timeout
  std::string LacksLiveQuorum(const Membership& membership) const;
  void ExpelIfRemoved();

  // ---- node_transfer.cc
  void Handle(NodeId from, const TimeoutNow& request, Term term);
  void Handle(NodeId from, const Refused& refused);
  void Handle(NodeId, const Knock&, Term) {}
  void KnockAtMembers();
  NodeId BestSuccessor() const;
  void ProceedWithTransfer();
  void EndTransfer(bool moved, const std::string& why);
  void PreferAnother();
  // Gives up leadership, and asks the best voter to take it.
  void Abdicate(const std::string& why);

  void HeartbeatAll();

  // ---- node_reads.cc
  void ConfirmReads();
  void CountPromise(Progress& progress, const AppendEntriesReply& reply);
  Duration Promise() const { return config_.lease_reads ? config_.election_timeout : Duration(); }
  void AskLeaderForReads();
  Instant ForwardedDeadline() const;  // when AskLeaderForReads() has more to do
  void SendReadIndex(std::uint64_t number);
  void RefuseForwardedReads();
  void KnowFresh(Instant since, Index index);
  void ForgetMeasuredTimes();

  void Replicate(NodeId peer, Progress& progress);
  void HandleLostMessages();

  ClusterTime StampTime() const;
  Instant QuorumContact() const;
  Message MakeMessage(NodeId to, Term term, Body body) const;
  void SendNow(NodeId to, Term term, Body body);
  void SendWhenDurable(NodeId to, Body body);
  void ReleaseHeld();
  bool HardStateIsDurable() const { return hard_state_write_ <= durability_.persisted(); }
  void Emit(Event event) { effects_.events.push_back(std::move(event)); }
  Instant NextDeadline() const;
  bool DiskStalls() const { return now_ >= DiskStallsAt(); }
  // When the oldest write under way will have taken too long; Never() if none is under way.
  Instant DiskStallsAt() const;

  Config config_;
  Random random_;
  Instant now_;

  HardState hard_state_;
  Log log_;
  MembershipHistory history_;  // what is committed, and all since
  bool expelled_ = false;
  // The leader last heard from, of whatever term, and when. 0: this node does not remember, and may
  // have heard from any.
  struct Heard {
    NodeId leader;
    Instant at;
  };
  std::optional<Heard> heard_;
  ForwardedReads forwarded_;
  // At `since` nothing was committed anywhere beyond `index`. Stays true for ever.
  struct Freshness {
    Instant since;
    Index index;
  };
  std::optional<Freshness> freshness_;
  bool clock_is_behind_ = false;  // shows less than it did before
  Instant went_back_{-1};         // what it had shown when it last went back
  Durability durability_;
  Index commit_index_;
  std::variant<Follower, PreCandidate, Candidate, Leader> role_;
  Instant election_deadline_ = Instant::Never();
  std::optional<LogPosition> installing_;

  WriteId last_write_;        // handed out
  WriteId hard_state_write_;  // makes hard_state_ durable; perhaps not handed out yet
  Write pending_;             // to be handed out next, if has_pending_
  bool has_pending_ = false;

  std::deque<std::pair<WriteId, Instant>> storing_;  // handed out, not durable, and since when

  struct Held {
    WriteId until;
    Message message;
  };
  std::deque<Held> held_;

  std::optional<Duration> commit_time_;
  NodeEffects effects_;
};

}  // namespace lockstep::raft

#endif  // LOCKSTEP_CORE_RAFT_NODE_H_
