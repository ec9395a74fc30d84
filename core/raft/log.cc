#include "core/raft/log.h"

#include <algorithm>
#include <utility>

#include "core/assert.h"

namespace lockstep::raft {

LogPosition Log::last() const {
  return entries_.empty() ? base_ : LogPosition{entries_.back().index, entries_.back().term};
}

ClusterTime Log::last_time() const { return entries_.empty() ? base_time_ : entries_.back().time; }

std::optional<Term> Log::TermAt(Index index) const {
  if (index == base_.index) {
    return base_.term;
  }
  if (index < base_.index || index > last_index()) {
    return std::nullopt;
  }
  return At(index).term;
}

const Entry& Log::At(Index index) const {
  CORE_ASSERT(index > base_.index);
  CORE_ASSERT(index <= last_index());
  return entries_[index.value - base_.index.value - 1];
}

std::vector<Entry> Log::Slice(Index from, std::uint64_t count_max, std::uint64_t bytes_max) const {
  CORE_ASSERT(from >= first_index());
  std::vector<Entry> slice;
  std::uint64_t bytes = 0;
  for (Index index = from; index <= last_index() && slice.size() < count_max;
       index = index.Next()) {
    const Entry& entry = At(index);
    bytes += entry.payload.size();
    if (!slice.empty() && bytes > bytes_max) {
      break;
    }
    slice.push_back(entry);
  }
  return slice;
}

LogPosition Log::LastNotAbove(LogPosition limit) const {
  Index index = std::min(limit.index, last_index());
  while (index > base_.index && At(index).term > limit.term) {
    index = index.Previous();
  }
  return index > base_.index ? LogPosition{index, At(index).term} : base_;
}

void Log::Append(Entry entry) {
  CORE_ASSERT(entry.index == last_index().Next());
  CORE_ASSERT(entry.term >= last().term);
  CORE_ASSERT(entry.time >= last_time());
  bytes_ += entry.payload.size();
  entries_.push_back(std::move(entry));
}

void Log::TruncateFrom(Index index) {
  CORE_ASSERT(index >= first_index());
  CORE_ASSERT(index <= last_index().Next());
  while (last_index() >= index) {
    bytes_ -= entries_.back().payload.size();
    entries_.pop_back();
  }
}

void Log::CompactTo(Index index) {
  CORE_ASSERT(index >= base_.index);
  CORE_ASSERT(index <= last_index());
  while (base_.index < index) {
    const Entry& first = entries_.front();
    base_ = {first.index, first.term};
    base_time_ = first.time;
    bytes_ -= first.payload.size();
    entries_.pop_front();
  }
}

void Log::Reset(LogPosition base, ClusterTime time) {
  base_ = base;
  base_time_ = time;
  entries_.clear();
  bytes_ = 0;
}

void Log::TellState(StateSink& sink) const {
  Tell(base_, sink);
  sink.Number(base_time_.value);
  sink.Number(entries_.size());
  for (const Entry& entry : entries_) {
    Tell(entry, sink);
  }
}

}  // namespace lockstep::raft
