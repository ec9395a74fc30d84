// Real time for those who search: how long it took, whether a budget is spent. No run depends on
// it.

#ifndef LOCKSTEP_SIM_STOPWATCH_H_
#define LOCKSTEP_SIM_STOPWATCH_H_

#include <chrono>

#include "core/types.h"

namespace lockstep::sim {

class Stopwatch {
 public:
  // Since it was made.
  Duration Elapsed() const {
    return Duration{std::chrono::duration_cast<std::chrono::nanoseconds>(
                        std::chrono::steady_clock::now() - begin_)
                        .count()};
  }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_STOPWATCH_H_
