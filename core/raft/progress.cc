#include "core/raft/progress.h"

#include <algorithm>

#include "core/assert.h"

namespace lockstep::raft {

bool Progress::MaySend(const Config& config) const {
  switch (state_) {
    case State::kProbe:
      return in_flight_.empty();
    case State::kReplicate:
      return in_flight_.size() < config.appends_in_flight_max;
    case State::kSnapshot:
      return false;
  }
  return false;
}

void Progress::Sent(Index last, Instant now) {
  CORE_ASSERT(state_ != State::kSnapshot);
  in_flight_.push_back({last, now});
  if (state_ == State::kReplicate) {
    next_ = last.Next();
  }
}

void Progress::Heard(std::uint64_t round, Instant now) {
  ever_heard_ = true;
  last_contact_ = std::max(last_contact_, now);
  acknowledged_round_ = std::max(acknowledged_round_, round);
}

void Progress::Promised(Instant until) { promised_until_ = std::max(promised_until_, until); }

void Progress::Acknowledged(Index match, Instant now) {
  // An answer to a probe that carried nothing new still says that the logs agree there.
  const bool answers_probe =
      state_ == State::kProbe && !in_flight_.empty() && match >= in_flight_.front().last;
  while (!in_flight_.empty() && in_flight_.front().last <= match) {
    replication_time_ = now - in_flight_.front().sent;
    in_flight_.pop_front();
  }
  const bool advances = match > match_;
  match_ = std::max(match_, match);
  switch (state_) {
    case State::kProbe:
      if (advances || answers_probe) {
        state_ = State::kReplicate;
        in_flight_.clear();
        next_ = match_.Next();
      }
      break;
    case State::kReplicate:
      next_ = std::max(next_, match_.Next());
      break;
    case State::kSnapshot:
      // The follower may have caught up by other means than this snapshot, and needs at least
      // what was sent to it: a newer local checkpoint says nothing of what it has.
      if (snapshot_.value != 0 && match_ >= snapshot_) {
        state_ = State::kReplicate;
        next_ = match_.Next();
      }
      break;
  }
}

bool Progress::Refused(Index previous, Index agreed) {
  if (previous <= match_) {
    return false;
  }
  if (state_ == State::kSnapshot || (state_ == State::kProbe && previous.Next() != next_)) {
    return false;
  }
  BecomeProbe();
  next_ = std::max(std::min(agreed, previous.Previous()), match_).Next();
  return true;
}

void Progress::NeedsSnapshot(Instant now) {
  in_flight_.clear();
  state_ = State::kSnapshot;
  snapshot_ = {};
  snapshot_since_ = now;
}

void Progress::SnapshotSent(Index last_included, Instant now) {
  CORE_ASSERT(awaits_snapshot_read());
  snapshot_ = last_included;
  snapshot_since_ = now;
}

Instant Progress::LossDeadline(const Config& config) const {
  if (state_ == State::kSnapshot) {
    // Who installs a snapshot still answers heartbeats; who does not has gone, and the snapshot
    // too.
    return std::min(snapshot_since_ + config.snapshot_timeout,
                    std::max(snapshot_since_, last_contact_) + config.election_timeout);
  }
  return in_flight_.empty() ? Instant::Never()
                            : in_flight_.front().sent + config.retransmit_timeout;
}

void Progress::Lost() { BecomeProbe(); }

void Progress::BecomeProbe() {
  if (state_ != State::kProbe) {
    next_ = match_.Next();
  }
  state_ = State::kProbe;
  in_flight_.clear();
}

void Progress::TellState(const Config& config, Instant now, StateSink& sink) const {
  const auto ago = [&](Instant then, Duration matters) {
    sink.Number(static_cast<std::uint64_t>(std::min(now - then, matters).ns));
  };
  sink.Number(static_cast<std::uint64_t>(state_));
  sink.Number(match_.value);
  sink.Number(next_.value);
  sink.Number(in_flight_.size());
  for (const InFlight& append : in_flight_) {
    sink.Number(append.last.value);
    ago(append.sent, config.retransmit_timeout);
  }
  sink.Number(acknowledged_round_);
  ago(last_contact_, config.election_timeout);
  sink.Number(promised_until_ > now ? static_cast<std::uint64_t>((promised_until_ - now).ns) : 0);
  if (state_ == State::kSnapshot) {
    sink.Number(snapshot_.value);
    ago(snapshot_since_, std::max(config.snapshot_timeout, config.election_timeout));
  }
}

}  // namespace lockstep::raft
