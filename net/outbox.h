// The bounded queue of messages to one peer: any thread puts in, whoever writes the stream takes
// batches out. Raft tolerates loss and prefers what is new, so a full queue drops its oldest.
//
// Thread-safe. No call waits for anything but the queue's mutex.

#ifndef LOCKSTEP_NET_OUTBOX_H_
#define LOCKSTEP_NET_OUTBOX_H_

#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

#include "core/raft/message.h"

namespace lockstep::net {

class Outbox {
 public:
  struct Limits {
    std::uint64_t messages_max = 4096;
    std::uint64_t bytes_max = 96 << 20;
    // One message is always allowed, in the queue and in a batch.
    std::uint64_t batch_messages_max = 256;
    std::uint64_t batch_bytes_max = 2 << 20;
  };
  struct Stats {
    std::uint64_t queued_messages = 0;
    std::uint64_t queued_bytes = 0;
    std::uint64_t taken = 0;    // since the start
    std::uint64_t dropped = 0;  // since the start
  };

  // REQUIRES: all limits are above 0.
  explicit Outbox(Limits limits);

  // Puts `message`, which takes `bytes`, last. Drops the oldest until the rest is within limits.
  void Push(raft::Message message, std::uint64_t bytes);

  // Takes the oldest messages, in order, that fit in a batch. Empty if there are none.
  std::vector<raft::Message> TakeBatch();

  // Drops all but the newest `messages`. For a peer that was not reachable: what waited for it is
  // stale, and must not flood it when it is back.
  void KeepNewest(std::uint64_t messages);

  // Counts messages as dropped that never came in, or that were taken and not sent.
  void CountDropped(std::uint64_t messages);

  Stats stats() const;

 private:
  struct Waiting {
    raft::Message message;
    std::uint64_t bytes;
  };

  void DropOldest();  // with mutex_ held

  const Limits limits_;
  mutable std::mutex mutex_;
  std::deque<Waiting> queue_;
  std::uint64_t queued_bytes_ = 0;
  std::uint64_t taken_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace lockstep::net

#endif  // LOCKSTEP_NET_OUTBOX_H_
