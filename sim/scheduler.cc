#include "sim/scheduler.h"

#include <algorithm>

#include "core/assert.h"

namespace lockstep::sim {
namespace {

// The order of (time, sequence) is total, so that the heap's inner order cannot show. A type, not a
// function, so that the heap's algorithms take it in.
struct Later {
  bool operator()(const Event& a, const Event& b) const {
    return a.time != b.time ? a.time > b.time : a.sequence > b.sequence;
  }
};

}  // namespace

void Scheduler::At(SimTime time, EventKind kind, std::uint16_t target, std::uint32_t incarnation,
                   std::uint64_t payload) {
  heap_.push_back({.time = std::max(time, now_),
                   .sequence = next_sequence_,
                   .kind = kind,
                   .target = target,
                   .incarnation = incarnation,
                   .payload = payload});
  ++next_sequence_;
  std::push_heap(heap_.begin(), heap_.end(), Later{});
}

Event Scheduler::Pop() {
  CORE_ASSERT(!heap_.empty());
  std::pop_heap(heap_.begin(), heap_.end(), Later{});
  const Event event = heap_.back();
  heap_.pop_back();
  CORE_ASSERT(event.time >= now_);
  now_ = event.time;
  ++popped_;
  return event;
}

void Scheduler::IdleUntil(SimTime time) {
  CORE_ASSERT(heap_.empty() || heap_.front().time >= time);
  now_ = std::max(now_, time);
}

}  // namespace lockstep::sim
