// The simulator's own idea of what a node's log holds, kept from the writes that the node hands
// out. One shadow follows what the node has in memory, another what its disk has made durable, so
// that oracles need not believe either.

#ifndef LOCKSTEP_SIM_LOG_SHADOW_H_
#define LOCKSTEP_SIM_LOG_SHADOW_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "core/raft/message.h"
#include "core/types.h"

namespace lockstep::sim {

struct ShadowEntry {
  raft::Entry entry;
  std::uint64_t hash = 0;  // of everything but index and term
};

std::uint64_t HashOf(const raft::Entry& entry);

class LogShadow {
 public:
  // A node that never ran.
  LogShadow() = default;
  // What a node's file holds.
  explicit LogShadow(const raft::DurableState& state);

  // REQUIRES: the write fits: its entries follow what is here without a gap.
  void Apply(const raft::Write& write);

  const raft::HardState& hard_state() const { return hard_state_; }
  raft::LogPosition base() const { return base_; }
  Index last_index() const { return {base_.index.value + entries_.size()}; }
  raft::LogPosition last() const;

  // Null for what is not held.
  const ShadowEntry* At(Index index) const;
  // Also of the base; nullopt for what is not held.
  std::optional<Term> TermAt(Index index) const;

  // Empty if `state` is the same, else the first difference, in words.
  std::string DifferenceFrom(const raft::DurableState& state) const;

 private:
  raft::HardState hard_state_;
  raft::LogPosition base_;
  std::deque<ShadowEntry> entries_;
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_LOG_SHADOW_H_
