#include "sim/plan.h"

#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <string>

#include "sim/plan_draw.h"
#include "sim/plan_text.h"

namespace lockstep::sim {
namespace {

std::string ErrorOf(const std::string& text) {
  std::string error;
  EXPECT_FALSE(ReadPlan(text, &error).has_value()) << text;
  return error;
}

TEST(PlanTest, EverySeedDrawsAValidPlanThatItsTextGivesBack) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const Plan plan = DrawPlan(seed);
    ASSERT_EQ(Validate(plan), "") << "seed " << seed;
    std::string error;
    const std::optional<Plan> read = ReadPlan(WritePlan(plan), &error);
    ASSERT_TRUE(read.has_value()) << "seed " << seed << ": " << error;
    ASSERT_EQ(*read, plan) << "seed " << seed;
  }
}

TEST(PlanTest, ReadsSayHowConsistentTheyAre) {
  const std::string head = "lockstep-plan 1\n";
  std::string error;
  const std::optional<Plan> plan = ReadPlan(
      head + "op 1 client=0 get keys=1\nop 2 client=0 get keys=1 consistency=bounded max_age=0.5\n",
      &error);
  ASSERT_TRUE(plan.has_value()) << error;
  EXPECT_EQ(plan->operations[0].consistency, Consistency::kLinearizable);
  EXPECT_EQ(plan->operations[1].consistency, Consistency::kBoundedStaleness);
  EXPECT_EQ(plan->operations[1].max_age, Milliseconds(500));
  EXPECT_EQ(ErrorOf(head + "op 1 client=0 get keys=1 consistency=perfect\n"),
            "line 2: there is no consistency \"perfect\"");
  EXPECT_EQ(ErrorOf(head + "op 1 client=0 get keys=1 consistency=bounded\n"),
            "get: a maximal age goes with bounded staleness, and that with one");
  EXPECT_EQ(ErrorOf(head + "op 1 client=0 put keys=1 consistency=lease\n"),
            "put: only reads have a consistency");
}

TEST(PlanTest, AllKindsOfFaultActionAndClusterAreDrawn) {
  std::set<FaultKind> kinds;
  std::set<ClientAction> actions;
  std::set<std::int64_t> sizes;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    const Plan plan = DrawPlan(seed, seed % 2 == 0 ? Budget::kWithin : Budget::kBeyond);
    sizes.insert(plan.settings.nodes - plan.settings.spares);
    for (const Fault& fault : plan.faults) {
      kinds.insert(fault.kind);
    }
    for (const PlannedOperation& operation : plan.operations) {
      actions.insert(operation.action);
    }
  }
  EXPECT_EQ(kinds.size(), FaultShapes().size());
  EXPECT_EQ(actions.size(), 7u);
  EXPECT_EQ(sizes, (std::set<std::int64_t>{1, 2, 3, 4, 5, 6, 7}));
}

TEST(PlanTest, WithinTheFaultModelAMajorityKeepsItsFiles) {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    const Plan plan = DrawPlan(seed);
    std::set<std::uint64_t> damaged;
    for (const Fault& fault : plan.faults) {
      if (fault.kind == FaultKind::kBitRot || fault.kind == FaultKind::kReadRot ||
          fault.kind == FaultKind::kPageRot || fault.kind == FaultKind::kWipe ||
          fault.kind == FaultKind::kStartAnew) {
        damaged.insert(fault.node);
        EXPECT_NE(fault.node, kWhoeverLeads);
      }
      EXPECT_NE(fault.kind, FaultKind::kLyingDisk);
    }
    EXPECT_LT(2 * damaged.size(),
              static_cast<std::size_t>(plan.settings.nodes - plan.settings.spares));
  }
}

TEST(PlanTest, BenchmarkPlansAreValidAndDifferFromDrawnOnesInNodesAndOperations) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const Plan plan = DrawBenchmarkPlan(seed, 200);
    EXPECT_EQ(Validate(plan), "");
    Settings expected = DrawPlan(seed).settings;
    expected.nodes = 5;
    expected.spares = 0;
    EXPECT_EQ(plan.settings, expected);
    const double seconds = static_cast<double>(plan.operations.back().at.ns) / 1e9;
    EXPECT_NEAR(static_cast<double>(plan.operations.size()) / seconds, 200, 20);
  }
}

TEST(PlanTest, SettingsThatAreNotNamedHaveTheirDefaults) {
  std::string error;
  const std::optional<Plan> plan = ReadPlan("lockstep-plan 1\nset nodes 5\n", &error);
  ASSERT_TRUE(plan.has_value()) << error;
  Settings expected;
  expected.nodes = 5;
  EXPECT_EQ(plan->settings, expected);
  EXPECT_EQ(plan->clocks.size(), 5u);
}

TEST(PlanTest, LinesMayComeInAnyOrderWithRemarksBetween) {
  std::string error;
  const std::optional<Plan> plan = ReadPlan(
      "lockstep-plan 1\n# late\nat 2.5 crash node=leader for=0.1\n\nat 1 pause node=2 for=1\n",
      &error);
  ASSERT_TRUE(plan.has_value()) << error;
  ASSERT_EQ(plan->faults.size(), 2u);
  EXPECT_EQ(plan->faults[0].kind, FaultKind::kPause);
  EXPECT_EQ(plan->faults[1].at, SimTime{} + Milliseconds(2500));
  EXPECT_EQ(plan->faults[1].node, kWhoeverLeads);
}

TEST(PlanTest, WhatIsNoPlanIsRefusedWithTheLineAndTheReason) {
  const std::string head = "lockstep-plan 1\n";
  EXPECT_EQ(ErrorOf(""), "line 1: a plan begins with \"lockstep-plan 1\"");
  EXPECT_EQ(ErrorOf("lockstep-plan 2\n"), "line 1: a plan begins with \"lockstep-plan 1\"");
  EXPECT_EQ(ErrorOf(head + "dance\n"), "line 2: a line cannot begin with \"dance\"");
  EXPECT_EQ(ErrorOf(head + "seed x\n"), "line 2: \"x\" is not a number in range");
  EXPECT_EQ(ErrorOf(head + "set nodse 3\n"), "line 2: there is no setting \"nodse\"");
  EXPECT_EQ(ErrorOf(head + "\nat 1 crsh node=1 for=1\n"), "line 3: there is no fault \"crsh\"");
  EXPECT_EQ(ErrorOf(head + "at 1 crash for=1\n"), "line 2: \"node=\" is missing");
  EXPECT_EQ(ErrorOf(head + "at 1 crash node=1 for=1 by_us=2\n"),
            "line 2: \"by_us=\" means nothing here");
  EXPECT_EQ(ErrorOf(head + "at 1 crash node=1 node=2 for=1\n"), "line 2: \"node\" is given twice");
  EXPECT_EQ(ErrorOf(head + "at 1.1234567 crash node=1 for=1\n"),
            "line 2: \"1.1234567\" has more than six decimals");
  EXPECT_EQ(ErrorOf(head + "op 1 client=0 fetch keys=1\n"),
            "line 2: there is no operation \"fetch\"");
  EXPECT_EQ(ErrorOf(head + "at 1 crash node=9 for=1\n"), "crash: there is no node 9");
  EXPECT_EQ(ErrorOf(head + "op 1 client=7 get keys=1\n"), "get: there is no client 7");
  EXPECT_EQ(ErrorOf(head + "op 1 client=0 txn keys=1\n"), "txn: 1 keys");
  EXPECT_EQ(ErrorOf(head + "op 1 client=0 txn keys=1,1\n"), "txn: key 1 is named twice");
  EXPECT_EQ(ErrorOf(head + "set loss_permille 1001\n"),
            "loss_permille is 1001, not between 0 and 1000");
  EXPECT_EQ(ErrorOf(head + "set page_bytes 1000\n"), "page_bytes is not a power of two");
  EXPECT_EQ(ErrorOf(head + "clock node=4 offset=0 drift_ppm=0\n"),
            "there is no node 4 whose clock could be wrong");
}

}  // namespace
}  // namespace lockstep::sim
