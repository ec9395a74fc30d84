// The one way into a thread: a queue, and a wait that ends by what is put in, by a time or by
// closing. Any number of threads may put, one thread takes.

#ifndef LOCKSTEP_SERVER_MAILBOX_H_
#define LOCKSTEP_SERVER_MAILBOX_H_

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace lockstep::server {

// Items are taken all at once, in the order in which they were put: who takes them makes one batch
// of what has gathered. Has no bound of its own; who lets things in from outside keeps one.
template <class Item>
class Mailbox {
 public:
  using Clock = std::chrono::steady_clock;

  // False, and `item` is left as it was, if the mailbox is closed. Never waits for the taker.
  bool Put(Item&& item) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (closed_) {
        return false;
      }
      items_.push_back(std::move(item));
      if (items_.size() > 1) {
        return true;  // whoever put the first has woken the taker
      }
    }
    changed_.notify_one();
    return true;
  }

  // Moves all items to `taken`, after waiting for one until `deadline` (nullopt: for ever). Leaves
  // `taken` empty if the time came first. False once the mailbox is closed and empty.
  // REQUIRES: taken->empty().
  bool TakeAll(std::optional<Clock::time_point> deadline, std::vector<Item>* taken) {
    std::unique_lock<std::mutex> lock(mutex_);
    const auto ready = [this] { return closed_ || !items_.empty(); };
    if (deadline) {
      changed_.wait_until(lock, *deadline, ready);
    } else {
      changed_.wait(lock, ready);
    }
    items_.swap(*taken);
    return !closed_ || !taken->empty();
  }

  // Lets no more in. What is there can still be taken.
  void Close() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      closed_ = true;
    }
    changed_.notify_all();
  }

  std::size_t size() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return items_.size();
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Item> items_;
  bool closed_ = false;
};

}  // namespace lockstep::server

#endif  // LOCKSTEP_SERVER_MAILBOX_H_
