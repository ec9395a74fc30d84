// Clients that write and read a real cluster all the time, and the history of what they saw, for
// the linearizability checker.

#ifndef LOCKSTEP_TESTS_E2E_WORKLOAD_H_
#define LOCKSTEP_TESTS_E2E_WORKLOAD_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "core/random.h"
#include "net/client.h"
#include "sim/history.h"

namespace lockstep::e2e {

// Thread-safe. Each client runs on a thread of its own, with a session of its own.
class Workload {
 public:
  struct Options {
    int clients = 6;
    int keys = 5;
    std::chrono::milliseconds pause{5};  // between two operations of a client
    std::uint64_t seed = 1;
  };

  Workload(Options options, std::function<std::unique_ptr<net::Client>()> new_client);
  ~Workload();  // as Stop()

  // Ends all clients after the operation that each has under way.
  void Stop();

  // Of this program's clock, as in the history.
  static std::int64_t Now();

  // How long after `since` the first write that was called after it returned successfully; nullopt
  // if none has.
  std::optional<std::chrono::nanoseconds> FirstWriteAfter(std::int64_t since) const;

  // The longest stretch within [from, to] at whose ends a write returned successfully, or the
  // stretch began or ended, and in between none did.
  std::chrono::nanoseconds LongestWithoutWrite(std::int64_t from, std::int64_t to) const;

  // What was seen so far; whole once Stop() has returned.
  sim::history::History TakeHistory();

 private:
  class Recorder;

  void Run(int client);

  const Options options_;
  const std::function<std::unique_ptr<net::Client>()> new_client_;
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  sim::history::History history_;
  std::int64_t next_client_ = 0;
  std::vector<std::pair<std::int64_t, std::int64_t>> written_;  // when called, when returned
  std::vector<std::thread> threads_;
};

}  // namespace lockstep::e2e

#endif  // LOCKSTEP_TESTS_E2E_WORKLOAD_H_
