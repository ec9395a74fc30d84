#include "sim/clock.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace lockstep::sim {
namespace {

constexpr SimTime kStart;

TEST(ClockTest, APerfectClockShowsTrueTimeFromItsOffset) {
  const Clock clock(Seconds(5), 0);
  EXPECT_EQ(clock.Read(kStart), Instant{} + Seconds(5));
  EXPECT_EQ(clock.Read(kStart + Milliseconds(7)), Instant{} + Seconds(5) + Milliseconds(7));
}

TEST(ClockTest, DriftIsGainedOnTrueTime) {
  const Clock fast(Duration{}, 100'000);
  EXPECT_EQ(fast.Read(kStart + Seconds(10)), Instant{} + Seconds(11));
  const Clock slow(Duration{}, -100'000);
  EXPECT_EQ(slow.Read(kStart + Seconds(10)), Instant{} + Seconds(9));
}

TEST(ClockTest, AJumpMovesReadingsForwardAtOnce) {
  Clock clock(Duration{}, 0);
  clock.Jump(Seconds(3), kStart + Seconds(1));
  EXPECT_EQ(clock.Read(kStart + Seconds(1)), Instant{} + Seconds(4));
  EXPECT_EQ(clock.Read(kStart + Seconds(2)), Instant{} + Seconds(5));
}

TEST(ClockTest, AStepBackIsRepeatedAndCanBeCaughtUp) {
  Clock clock(Seconds(5), 0);
  clock.StepBack(Seconds(3), kStart + Seconds(1));
  EXPECT_EQ(clock.Read(kStart + Seconds(1)), Instant{} + Seconds(3));
  EXPECT_EQ(clock.Read(kStart + Seconds(2)), Instant{} + Seconds(4));
  EXPECT_EQ(clock.WhenReads(Instant{} + Seconds(6), kStart + Seconds(2)), kStart + Seconds(4));
  clock.CatchUp(kStart + Seconds(2));
  EXPECT_EQ(clock.Read(kStart + Seconds(2)), Instant{} + Seconds(6));
  clock.CatchUp(kStart + Seconds(4));
  EXPECT_EQ(clock.Read(kStart + Seconds(4)), Instant{} + Seconds(8));
  clock.StepBack(Seconds(100), kStart + Seconds(4));
  EXPECT_EQ(clock.Read(kStart + Seconds(4)), Instant{});
}

TEST(ClockTest, AStalledClockStandsStillUntilAllStallsEnd) {
  Clock clock(Duration{}, 0);
  clock.Stall(kStart + Seconds(1));
  clock.Stall(kStart + Seconds(2));
  clock.Resume(kStart + Seconds(3));
  EXPECT_EQ(clock.Read(kStart + Seconds(4)), Instant{} + Seconds(1));
  EXPECT_EQ(clock.WhenReads(Instant{} + Seconds(2), kStart + Seconds(4)), SimTime::Never());
  clock.Resume(kStart + Seconds(5));
  EXPECT_EQ(clock.Read(kStart + Seconds(6)), Instant{} + Seconds(2));
}

TEST(ClockTest, ItKnowsWhatBoundItHasBroken) {
  Clock clock(Duration{}, 50);
  EXPECT_TRUE(clock.HasGainedMoreThan(49));
  EXPECT_FALSE(clock.HasGainedMoreThan(50));
  EXPECT_FALSE(clock.HasLostMoreThan(0));
  clock.SetDrift(-70, kStart);
  clock.SetDrift(0, kStart);
  EXPECT_TRUE(clock.HasLostMoreThan(69));
  EXPECT_FALSE(clock.HasLostMoreThan(70));
  clock.StepBack(Seconds(1), kStart + Seconds(2));
  EXPECT_FALSE(clock.HasLostMoreThan(70)) << "its node may notice";
  Clock behind = clock;
  behind.StepBackUnnoticed();
  EXPECT_TRUE(behind.HasLostMoreThan(999'999));
  clock.CatchUp(kStart + Seconds(2));
  EXPECT_TRUE(clock.HasGainedMoreThan(999'999));
  Clock stalled(Duration{}, 0);
  stalled.Stall(kStart);
  EXPECT_TRUE(stalled.HasLostMoreThan(999'999));
  EXPECT_FALSE(stalled.HasGainedMoreThan(0));
}

TEST(ClockTest, AReadingThatHasPassedIsReachedNow) {
  const Clock clock(Seconds(9), 0);
  EXPECT_EQ(clock.WhenReads(Instant{} + Seconds(1), kStart + Seconds(2)), kStart + Seconds(2));
}

TEST(ClockTest, NeverIsNeverReached) {
  EXPECT_EQ(Clock(Duration{}, 50).WhenReads(Instant::Never(), kStart), SimTime::Never());
}

RC_GTEST_PROP(ClockTest, WhenReadsIsTheFirstMomentThatShowsTheReading, ()) {
  const Duration offset{*rc::gen::inRange<std::int64_t>(0, 3'600'000'000'000)};
  const auto drift = *rc::gen::inRange<std::int64_t>(-900'000, 1'000'001);
  Clock clock(offset, drift);
  SimTime now = kStart + Duration{*rc::gen::inRange<std::int64_t>(0, 100'000'000'000)};
  if (*rc::gen::arbitrary<bool>()) {
    clock.Jump(Duration{*rc::gen::inRange<std::int64_t>(0, 1'000'000'000)}, now);
  }
  const Instant wanted =
      clock.Read(now) + Duration{*rc::gen::inRange<std::int64_t>(1, 3'600'000'000'000)};
  const SimTime when = clock.WhenReads(wanted, now);
  RC_ASSERT(clock.Read(when) >= wanted);
  RC_ASSERT(clock.Read(when - Duration{1}) < wanted);
}

}  // namespace
}  // namespace lockstep::sim
