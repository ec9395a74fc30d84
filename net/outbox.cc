#include "net/outbox.h"

#include <utility>

#include "core/assert.h"

namespace lockstep::net {

Outbox::Outbox(Limits limits) : limits_(limits) {
  CORE_ASSERT(limits.messages_max > 0);
  CORE_ASSERT(limits.bytes_max > 0);
  CORE_ASSERT(limits.batch_messages_max > 0);
  CORE_ASSERT(limits.batch_bytes_max > 0);
}

void Outbox::Push(raft::Message message, std::uint64_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  queue_.push_back({std::move(message), bytes});
  queued_bytes_ += bytes;
  while (queue_.size() > 1 &&
         (queue_.size() > limits_.messages_max || queued_bytes_ > limits_.bytes_max)) {
    DropOldest();
  }
}

std::vector<raft::Message> Outbox::TakeBatch() {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<raft::Message> batch;
  std::uint64_t bytes = 0;
  while (!queue_.empty() && batch.size() < limits_.batch_messages_max &&
         (batch.empty() || bytes + queue_.front().bytes <= limits_.batch_bytes_max)) {
    bytes += queue_.front().bytes;
    batch.push_back(std::move(queue_.front().message));
    queue_.pop_front();
  }
  queued_bytes_ -= bytes;
  taken_ += batch.size();
  return batch;
}

void Outbox::KeepNewest(std::uint64_t messages) {
  const std::lock_guard<std::mutex> lock(mutex_);
  while (queue_.size() > messages) {
    DropOldest();
  }
}

void Outbox::CountDropped(std::uint64_t messages) {
  const std::lock_guard<std::mutex> lock(mutex_);
  dropped_ += messages;
}

Outbox::Stats Outbox::stats() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return {queue_.size(), queued_bytes_, taken_, dropped_};
}

void Outbox::DropOldest() {
  queued_bytes_ -= queue_.front().bytes;
  queue_.pop_front();
  ++dropped_;
}

}  // namespace lockstep::net
