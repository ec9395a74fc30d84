// What happens next. The scheduler holds every future event of a run and is its only clock.

#ifndef LOCKSTEP_SIM_SCHEDULER_H_
#define LOCKSTEP_SIM_SCHEDULER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sim/sim_time.h"

namespace lockstep::sim {

enum class EventKind : std::uint8_t {
  kDeliver = 1,      // payload: a message held by the network; target: the receiving node
  kDeadline,         // target: the node whose replica wants to be told the time
  kLogExecute,       // target: the node whose queued log writes are stored now
  kLogReport,        // target: the node that now learns that they are durable
  kStateExecute,     // target: the node whose oldest write to state.db is stored now
  kStateReport,      // target: the node that now learns so
  kSnapshotRead,     // target: the node; payload: the peer that needs state.db's contents
  kRequest,          // target: the node; payload: a request held by the clients
  kReply,            // target: the client; payload: a reply held by the clients
  kClientTimer,      // target: the client; payload: what it was waiting for
  kClientOperation,  // payload: index of an operation of the plan
  kFault,            // payload: index of a fault of the plan
  kFaultEnd,         // payload: index of a fault that is under way
  kFaultTurn,        // payload: the same, of one that comes and goes
  kOperatorTimer,    // payload: the request that was not answered in time
  kRestart,          // target: the node; payload: the crash that it recovers from
};

// An event as plain data: what it means is up to whoever handles its kind.
struct Event {
  SimTime time;
  std::uint64_t sequence = 0;  // breaks ties: what was scheduled first happens first
  EventKind kind = EventKind::kDeliver;
  std::uint16_t target = 0;
  // Of the target when the event was made: one for a process that is gone means nothing.
  std::uint32_t incarnation = 0;
  std::uint64_t payload = 0;
};

class Scheduler {
 public:
  // Time only moves in Pop().
  SimTime now() const { return now_; }

  // Events popped so far.
  std::uint64_t popped() const { return popped_; }

  // Adds an event. One for a moment that has passed happens now, after what is due already.
  void At(SimTime time, EventKind kind, std::uint16_t target = 0, std::uint32_t incarnation = 0,
          std::uint64_t payload = 0);
  void After(Duration delay, EventKind kind, std::uint16_t target = 0,
             std::uint32_t incarnation = 0, std::uint64_t payload = 0) {
    At(now_ + delay, kind, target, incarnation, payload);
  }

  bool empty() const { return heap_.empty(); }

  // When the next event is due. REQUIRES: !empty().
  SimTime next_time() const { return heap_.front().time; }

  // Moves time to the next event and takes it. REQUIRES: !empty().
  Event Pop();

  // Lets time pass up to `time` without an event. REQUIRES: no event is due before.
  void IdleUntil(SimTime time);

 private:
  std::vector<Event> heap_;  // binary, the earliest (time, sequence) in front
  SimTime now_;
  std::uint64_t next_sequence_ = 0;
  std::uint64_t popped_ = 0;
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_SCHEDULER_H_
