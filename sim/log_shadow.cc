#include "sim/log_shadow.h"

#include "core/assert.h"
#include "sim/trace.h"

namespace lockstep::sim {
namespace {

std::string Words(raft::LogPosition position) {
  return "(index " + std::to_string(position.index.value) + ", term " +
         std::to_string(position.term.value) + ")";
}

std::string Words(const raft::HardState& state) {
  return "(term " + std::to_string(state.current_term.value) + ", vote for " +
         std::to_string(state.voted_for.value) + ")";
}

}  // namespace

std::uint64_t HashOf(const raft::Entry& entry) {
  Fingerprint fingerprint;
  fingerprint.Add(entry.time.value);
  fingerprint.Add(static_cast<std::uint64_t>(entry.kind));
  fingerprint.Add(entry.payload.view());
  return fingerprint.low();
}

LogShadow::LogShadow(const raft::DurableState& state)
    : hard_state_(state.hard_state), base_(state.base) {
  for (const raft::Entry& entry : state.entries) {
    entries_.push_back({entry, HashOf(entry)});
  }
}

void LogShadow::Apply(const raft::Write& write) {
  if (write.hard_state.has_value()) {
    hard_state_ = *write.hard_state;
  }
  if (write.reset_to.has_value()) {
    entries_.clear();
    base_ = *write.reset_to;
  }
  if (!write.entries.empty()) {
    const Index first = write.entries.front().index;
    CORE_ASSERT(first > base_.index);
    CORE_ASSERT(first <= last_index().Next());
    while (last_index() >= first) {
      entries_.pop_back();
    }
    for (const raft::Entry& entry : write.entries) {
      CORE_ASSERT(entry.index == last_index().Next());
      entries_.push_back({entry, HashOf(entry)});
    }
  }
  if (write.compact_to.has_value()) {
    CORE_ASSERT(TermAt(write.compact_to->index) == write.compact_to->term);
    while (base_.index < write.compact_to->index) {
      base_ = {entries_.front().entry.index, entries_.front().entry.term};
      entries_.pop_front();
    }
  }
}

raft::LogPosition LogShadow::last() const {
  return entries_.empty()
             ? base_
             : raft::LogPosition{entries_.back().entry.index, entries_.back().entry.term};
}

const ShadowEntry* LogShadow::At(Index index) const {
  if (index <= base_.index || index > last_index()) {
    return nullptr;
  }
  return &entries_[index.value - base_.index.value - 1];
}

std::optional<Term> LogShadow::TermAt(Index index) const {
  if (index == base_.index) {
    return base_.term;
  }
  const ShadowEntry* found = At(index);
  return found == nullptr ? std::nullopt : std::optional<Term>(found->entry.term);
}

std::string LogShadow::DifferenceFrom(const raft::DurableState& state) const {
  if (state.hard_state != hard_state_) {
    return "hard state " + Words(state.hard_state) + " instead of " + Words(hard_state_);
  }
  if (state.base != base_) {
    return "base " + Words(state.base) + " instead of " + Words(base_);
  }
  if (state.entries.size() != entries_.size()) {
    return std::to_string(state.entries.size()) + " entries instead of " +
           std::to_string(entries_.size());
  }
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (state.entries[i] != entries_[i].entry) {
      return "another entry at index " + std::to_string(entries_[i].entry.index.value);
    }
  }
  return "";
}

}  // namespace lockstep::sim
