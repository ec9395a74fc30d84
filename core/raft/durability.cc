#include "core/raft/durability.h"

#include <algorithm>

#include "core/assert.h"

namespace lockstep::raft {

void Durability::Started(WriteId id, Index last) {
  CORE_ASSERT(id == started_.Next());
  started_ = id;
  pending_.push_back({id, last});
}

void Durability::Truncated(Index index) {
  index_ = std::min(index_, index.Previous());
  for (Pending& write : pending_) {
    write.last = std::min(write.last, index.Previous());
  }
}

void Durability::Reset(Index index) {
  index_ = index;
  for (Pending& write : pending_) {
    write.last = std::min(write.last, index);
  }
}

void Durability::Persisted(WriteId id) {
  CORE_ASSERT(id <= started_);
  while (!pending_.empty() && pending_.front().id <= id) {
    index_ = std::max(index_, pending_.front().last);
    persisted_ = pending_.front().id;
    pending_.pop_front();
  }
}

void Durability::TellState(StateSink& sink) const {
  sink.Number(index_.value);
  sink.Number(pending_.size());  // of consecutive ids up to the last one started
  for (const Pending& write : pending_) {
    sink.Number(write.last.value);
  }
}

}  // namespace lockstep::raft
