#include "sim/scheduler.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "core/random.h"

namespace lockstep::sim {
namespace {

SimTime At(std::int64_t ns) { return SimTime{ns}; }

TEST(SchedulerTest, TakesEventsInTheOrderOfTime) {
  Scheduler scheduler;
  Random random(1);
  for (int i = 0; i < 1000; ++i) {
    scheduler.At(At(random.Between(0, 100)), EventKind::kFault, 0, 0,
                 static_cast<std::uint64_t>(i));
  }
  SimTime before;
  std::vector<std::uint64_t> last_payload(101, 0);
  while (!scheduler.empty()) {
    const Event event = scheduler.Pop();
    EXPECT_GE(event.time, before);
    EXPECT_EQ(scheduler.now(), event.time);
    if (event.time == before) {
      const auto at = static_cast<std::size_t>(event.time.ns);
      EXPECT_GE(event.payload, last_payload[at]) << "ties are broken by what was scheduled first";
    }
    last_payload[static_cast<std::size_t>(event.time.ns)] = event.payload;
    before = event.time;
  }
  EXPECT_EQ(scheduler.popped(), 1000u);
}

TEST(SchedulerTest, AnEventForThePastHappensNowAfterWhatIsDueAlready) {
  Scheduler scheduler;
  scheduler.At(At(10), EventKind::kFault);
  scheduler.At(At(10), EventKind::kFaultEnd, 0, 0, 1);
  (void)scheduler.Pop();
  scheduler.At(At(3), EventKind::kFaultEnd, 0, 0, 2);
  EXPECT_EQ(scheduler.Pop().payload, 1u);
  const Event late = scheduler.Pop();
  EXPECT_EQ(late.payload, 2u);
  EXPECT_EQ(late.time, At(10));
}

TEST(SchedulerTest, IdlingMovesTimeButNotPastAnEvent) {
  Scheduler scheduler;
  scheduler.At(At(10), EventKind::kFault);
  scheduler.IdleUntil(At(10));
  EXPECT_EQ(scheduler.now(), At(10));
  EXPECT_ANY_THROW(scheduler.IdleUntil(At(11)));
}

}  // namespace
}  // namespace lockstep::sim
