// The leader's view of one follower: what it surely has, what is under way to it, and how to send.

#ifndef LOCKSTEP_CORE_RAFT_PROGRESS_H_
#define LOCKSTEP_CORE_RAFT_PROGRESS_H_

#include <cstdint>
#include <deque>
#include <optional>

#include "core/raft/config.h"
#include "core/raft/state_sink.h"
#include "core/types.h"

namespace lockstep::raft {

class Progress {
 public:
  enum class State : std::uint8_t {
    kProbe,      // where the logs agree is not known: one append at a time
    kReplicate,  // they agree: appends are sent ahead of their acknowledgements
    kSnapshot,   // the entries it needs are compacted: a snapshot is being read or sent
  };

  // Of a follower of which nothing is known, to which a leader whose log ends at `last_index` is
  // elected at `now`.
  Progress(Index last_index, Instant now) : next_(last_index.Next()), last_contact_(now) {}

  State state() const { return state_; }
  Index match_index() const { return match_; }  // durably stored by the follower
  Index next_index() const { return next_; }    // of the next entry to send
  std::uint64_t in_flight() const { return in_flight_.size(); }
  Instant last_contact() const { return last_contact_; }
  bool ever_heard() const { return ever_heard_; }
  std::uint64_t acknowledged_round() const { return acknowledged_round_; }
  std::optional<Duration> replication_time() const { return replication_time_; }
  // Until then, by the leader's clock, the follower votes for nobody else. Long ago if it has not
  // promised to.
  Instant promised_until() const { return promised_until_; }

  // Whether an append may leave now.
  bool MaySend(const Config& config) const;

  // An append with entries up to `last` (the one before next_index() if it has none) has left.
  void Sent(Index last, Instant now);

  // A message of this term came from the follower.
  void Heard(std::uint64_t round, Instant now);

  // The follower keeps its vote from others until then; or that is not known any more.
  void Promised(Instant until);
  void ForgetPromise() { promised_until_ = {}; }

  // The follower has durably stored everything up to `match`. Late reports change nothing.
  void Acknowledged(Index match, Instant now);

  // The follower refused an append that followed `previous`; the logs can agree at `agreed` at
  // best. False if the refusal is of a message that has since been overtaken: nothing changes then.
  bool Refused(Index previous, Index agreed);

  // A snapshot must be read for the follower; then one that ends at `last_included` was sent.
  void NeedsSnapshot(Instant now);
  void SnapshotSent(Index last_included, Instant now);
  bool awaits_snapshot_read() const { return state_ == State::kSnapshot && snapshot_.value == 0; }

  // When what is under way counts as lost; Never() if nothing is.
  Instant LossDeadline(const Config& config) const;

  // Counts what is under way as lost: probes again from what the follower surely has.
  void Lost();

  void TellState(const Config& config, Instant now, StateSink& sink) const;

 private:
  struct InFlight {
    Index last;
    Instant sent;
  };

  void BecomeProbe();

  State state_ = State::kProbe;
  Index match_;
  Index next_;
  std::deque<InFlight> in_flight_;  // rising; in kProbe at most one
  Index snapshot_;                  // in kSnapshot: what was sent, 0 while it is being read
  Instant snapshot_since_;
  Instant last_contact_;
  bool ever_heard_ = false;
  std::uint64_t acknowledged_round_ = 0;
  Instant promised_until_;
  std::optional<Duration> replication_time_;
};

}  // namespace lockstep::raft

#endif  // LOCKSTEP_CORE_RAFT_PROGRESS_H_
