// A run is what its seed says, every time.

#include "sim/world.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "sim/history_file.h"
#include "sim/plan_draw.h"
#include "sim/plan_text.h"
#include "sim/run.h"

namespace lockstep::sim {
namespace {

TEST(WorldTest, TheSameSeedLeavesTheSameTraceWhateverRanBefore) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const RunResult first = RunPlan(DrawPlan(seed));
    EXPECT_FALSE(first.failure.has_value()) << "seed " << seed << ": " << first.failure->text;
    (void)RunPlan(DrawPlan(seed + 100));
    const RunResult second = RunPlan(DrawPlan(seed));
    EXPECT_EQ(first.fingerprint, second.fingerprint) << "seed " << seed;
    EXPECT_EQ(first.events, second.events) << "seed " << seed;
  }
}

TEST(WorldTest, DifferentSeedsLeaveDifferentTraces) {
  std::set<std::string> fingerprints;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    fingerprints.insert(RunPlan(DrawPlan(seed)).fingerprint.ToString());
  }
  EXPECT_EQ(fingerprints.size(), 10u);
}

TEST(WorldTest, APlansTextRunsAsThePlanDoes) {
  const Plan plan = DrawPlan(3);
  std::string error;
  const std::optional<Plan> read = ReadPlan(WritePlan(plan), &error);
  ASSERT_TRUE(read.has_value()) << error;
  EXPECT_EQ(RunPlan(plan).fingerprint, RunPlan(*read).fingerprint);
}

TEST(WorldTest, PrintingTheTraceDoesNotChangeTheRun) {
  const Plan plan = DrawPlan(3);
  std::FILE* sink = std::tmpfile();
  ASSERT_NE(sink, nullptr);
  const RunResult printed = RunPlan(plan, {.trace = sink});
  EXPECT_GT(std::ftell(sink), 100'000);
  std::fclose(sink);
  EXPECT_EQ(printed.fingerprint, RunPlan(plan).fingerprint);
}

TEST(WorldTest, ARunDoesWorkAndWritesAValidHistory) {
  history::History history;
  const RunResult result = RunPlan(DrawPlan(1), {.trace = nullptr, .history = &history});
  EXPECT_GT(result.operations.ok, 100u);
  EXPECT_GT(result.committed, 100u);
  EXPECT_TRUE(history::ValidateHistory(history).ok());
  EXPECT_GE(history.operations.size(), result.operations.ok);
}

}  // namespace
}  // namespace lockstep::sim
