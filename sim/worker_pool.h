// Forked processes that do what they are told, one thing at a time each. SQLite's generator is one
// for each process, so runs that are to go on at once need processes; and a run that crashes takes
// only its own process with it.

#ifndef LOCKSTEP_SIM_WORKER_POOL_H_
#define LOCKSTEP_SIM_WORKER_POOL_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/types.h"
#include "sim/stopwatch.h"

namespace lockstep::sim {

class WorkerPool {
 public:
  // What a worker does with an order: runs in the worker's process, which a later order finds as
  // this one left it. Must not throw.
  using Work = std::function<std::string(std::string_view order)>;

  enum class Fate : std::uint8_t {
    kAnswered,
    kCrashed,  // the worker's process ended
    kHung,     // no answer in time: the worker was killed
  };

  struct Outcome {
    std::uint64_t id = 0;  // of the order
    Fate fate = Fate::kAnswered;
    std::string answer;  // if answered
    std::string death;   // else: what became of the worker, in words
  };

  // Forks `jobs` workers. An order that takes longer than `time_max` of real time ends its worker.
  // REQUIRES: no thread runs, jobs > 0. Throws std::runtime_error if the system has no process
  // left.
  WorkerPool(unsigned jobs, Duration time_max, Work work);
  // Kills those that still work.
  ~WorkerPool();

  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  bool HasIdle() const;  // some worker has nothing to do
  bool Busy() const;     // some worker has

  // Gives an order to an idle worker. REQUIRES: HasIdle().
  void Order(std::uint64_t id, std::string_view order);

  // What orders led to, each told once, in no particular order. Returns with nothing after
  // `timeout`, or when a signal came.
  std::vector<Outcome> Wait(Duration timeout);

 private:
  struct Worker {
    pid_t process = 0;
    int socket = -1;
    bool busy = false;
    std::uint64_t id = 0;
    Stopwatch since;  // the order, if busy
  };

  Worker Spawn();
  Outcome Collect(Worker& worker);
  Outcome End(Worker& worker, Fate fate);

  const Duration time_max_;
  const Work work_;
  std::vector<Worker> workers_;
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_WORKER_POOL_H_
