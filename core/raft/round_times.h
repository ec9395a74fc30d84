// When a leader's rounds of heartbeats began. What a follower promises counts from when it heard of
// a round, which is not before the leader began it: leases and the age of data are counted from
// there, by the leader's clock, and never from when an answer came.

#ifndef LOCKSTEP_CORE_RAFT_ROUND_TIMES_H_
#define LOCKSTEP_CORE_RAFT_ROUND_TIMES_H_

#include <cstdint>
#include <deque>
#include <optional>

#include "core/types.h"

namespace lockstep::raft {

class RoundTimes {
 public:
  struct Round {
    std::uint64_t number = 0;
    Instant began;
    Index read_index;  // the leader's commit index then; 0 if it could not answer reads yet
  };

  // Rounds that began longer than `keep` ago are forgotten, so that a bounded number is kept.
  explicit RoundTimes(Duration keep) : keep_(keep) {}

  // REQUIRES: rounds come in the order of their numbers, and times never go back.
  void Began(const Round& round);

  // The last round up to `number` of which the time is kept: it began no later than that one.
  std::optional<Round> LastUpTo(std::uint64_t number) const;

  // What was measured is worth nothing: the clock has gone back.
  void Clear() { rounds_.clear(); }

 private:
  // Rounds that follow each other quickly share the time of the first.
  static constexpr std::int64_t kKept = 64;

  Duration keep_;
  std::deque<Round> rounds_;
};

}  // namespace lockstep::raft

#endif  // LOCKSTEP_CORE_RAFT_ROUND_TIMES_H_
