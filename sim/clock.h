// One node's monotonic clock, as far from the truth as the plan says.

#ifndef LOCKSTEP_SIM_CLOCK_H_
#define LOCKSTEP_SIM_CLOCK_H_

#include <cstdint>

#include "core/types.h"
#include "sim/sim_time.h"

namespace lockstep::sim {

// A clock may start anywhere, run too fast or too slow, jump forward, stand still, and even step
// back, as virtual machines have made monotonic clocks do. Integers only: the same readings on
// every machine.
class Clock {
 public:
  // Reads `offset` at the start of the run and gains `drift_ppm` millionths on true time.
  // REQUIRES: drift_ppm > -1'000'000.
  Clock(Duration offset, std::int64_t drift_ppm);

  // What the clock shows. REQUIRES: `now` is not before the last change.
  Instant Read(SimTime now) const;

  // The first moment at or after `now` at which the clock shows `reading` or more, if nothing
  // changes; Never() while it stands still before that reading.
  SimTime WhenReads(Instant reading, SimTime now) const;

  // Shows `step` more from now on. REQUIRES: step is not negative.
  void Jump(Duration step, SimTime now);

  // The same for a step back, which no monotonic clock should make: never below zero.
  void StepBack(Duration step, SimTime now);

  // Shows at least what it has ever shown before a step back.
  void CatchUp(SimTime now);

  // Runs at another rate from now on. REQUIRES: drift_ppm > -1'000'000.
  void SetDrift(std::int64_t drift_ppm, SimTime now);

  // Stands still until Resume(). Stalls nest.
  void Stall(SimTime now);
  void Resume(SimTime now);

  std::int64_t drift_ppm() const { return drift_ppm_; }

  // Whether it has ever shown that more time had passed than a clock that gains `drift_ppm` would;
  // and less than one that loses as much. A step back counts once StepBackUnnoticed() is called.
  bool HasGainedMoreThan(std::int64_t drift_ppm) const { return gained_ppm_ > drift_ppm; }
  bool HasLostMoreThan(std::int64_t drift_ppm) const { return lost_ppm_ > drift_ppm; }
  // Nobody has looked at the clock before the step and again while it still showed less.
  void StepBackUnnoticed();

 private:
  // Local nanoseconds in a true second, divided by a thousand; 0 while stalled.
  std::int64_t Rate() const;
  void Anchor(SimTime now);

  void NoteRate();

  std::int64_t drift_ppm_;
  std::int64_t gained_ppm_ = 0;  // the most so far; beyond any bound for a jump
  std::int64_t lost_ppm_ = 0;
  int stalls_ = 0;
  // The clock showed `anchor_reading_` at `anchor_time_` and has run evenly since.
  SimTime anchor_time_;
  Instant anchor_reading_;
  Instant highest_;  // before a step back
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_CLOCK_H_
