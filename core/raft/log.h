// The log in memory: every entry after a base that compaction moves forward. Knows nothing of what
// is durable or committed.

#ifndef LOCKSTEP_CORE_RAFT_LOG_H_
#define LOCKSTEP_CORE_RAFT_LOG_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "core/raft/message.h"
#include "core/raft/state_sink.h"

namespace lockstep::raft {

class Log {
 public:
  // An empty log whose first entry will follow `base`; `time` is the cluster time of the entry
  // there.
  explicit Log(LogPosition base = {}, ClusterTime time = {}) : base_(base), base_time_(time) {}

  LogPosition base() const { return base_; }
  Index first_index() const { return base_.index.Next(); }
  Index last_index() const { return {base_.index.value + entries_.size()}; }
  LogPosition last() const;
  // The cluster time of the entry at last().
  ClusterTime last_time() const;
  // Of all payloads held.
  std::uint64_t bytes() const { return bytes_; }

  // The term of the entry at `index`, also at the base; nullopt for what is not held.
  std::optional<Term> TermAt(Index index) const;
  bool Holds(LogPosition position) const { return TermAt(position.index) == position.term; }

  // REQUIRES: first_index() <= index <= last_index().
  const Entry& At(Index index) const;

  // Copies entries from `from` on: at most `count_max`, and no more than `bytes_max` of payload
  // unless the first one alone has more. Empty if there are none.
  // REQUIRES: from >= first_index().
  std::vector<Entry> Slice(Index from, std::uint64_t count_max, std::uint64_t bytes_max) const;

  // The last position at or before `limit.index` whose term is not above limit.term: where a log
  // that has `limit` could agree with this one. At least the base.
  LogPosition LastNotAbove(LogPosition limit) const;

  // REQUIRES: entry.index follows last_index(); term and time do not decrease.
  void Append(Entry entry);

  // Removes all entries from `index` on. REQUIRES: first_index() <= index <= last_index() + 1.
  void TruncateFrom(Index index);

  // Forgets the entries up to and including `index`. REQUIRES: base().index <= index <=
  // last_index().
  void CompactTo(Index index);

  // Becomes empty, with a new base.
  void Reset(LogPosition base, ClusterTime time);

  void TellState(StateSink& sink) const;

 private:
  LogPosition base_;
  ClusterTime base_time_;
  std::deque<Entry> entries_;
  std::uint64_t bytes_ = 0;
};

}  // namespace lockstep::raft

#endif  // LOCKSTEP_CORE_RAFT_LOG_H_
