// What must stay stays, all else goes. The runs here are made up: a plan "fails" if it has what the
// test says, so that the smallest plan is known.

#include "sim/shrink.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "sim/plan_draw.h"
#include "sim/plan_text.h"

namespace lockstep::sim {
namespace {

using Predicate = std::function<bool(const Plan&)>;

// Runs that break `property` exactly if `fails` says so.
RunFunction FailsIf(const Predicate& fails, const std::string& property = "the planted one") {
  return [=](const Plan& plan, const RunOptions&) {
    RunResult result;
    result.simulated = Microseconds(plan.settings.fault_phase_us);
    result.events = 100 + plan.operations.size();
    if (fails(plan)) {
      result.failure = Failure{property, "planted"};
    }
    return result;
  };
}

ShrinkResult ShrinkIf(const Plan& plan, const Predicate& fails, unsigned jobs = 2) {
  ShrinkOptions options{.jobs = jobs, .time = Seconds(60), .run = FailsIf(fails)};
  const std::optional<ShrinkResult> result = Shrink(plan, options);
  EXPECT_TRUE(result.has_value());
  EXPECT_TRUE(fails(result->plan));
  EXPECT_EQ(Validate(result->plan), "");
  EXPECT_TRUE(result->finished);
  return *result;
}

std::size_t Count(const Plan& plan, FaultKind kind) {
  return static_cast<std::size_t>(
      std::count_if(plan.faults.begin(), plan.faults.end(),
                    [&](const Fault& fault) { return fault.kind == kind; }));
}

// A plan with at least one fault of each of `kinds`, and several nodes.
Plan PlanWith(const std::vector<FaultKind>& kinds) {
  for (std::uint64_t seed = 1;; ++seed) {
    const Plan plan = DrawPlan(seed);
    if (plan.settings.nodes >= 4 && plan.settings.keys >= 3 &&
        std::all_of(kinds.begin(), kinds.end(),
                    [&](FaultKind kind) { return Count(plan, kind) > 2; })) {
      return plan;
    }
  }
}

TEST(ShrinkTest, APlanThatDoesNotFailIsRefused) {
  ShrinkOptions options{.run = FailsIf([](const Plan&) { return false; })};
  EXPECT_FALSE(Shrink(DrawPlan(1), options).has_value());
}

TEST(ShrinkTest, WhatFailsWithoutAnythingBecomesAlmostNothing) {
  const ShrinkResult result = ShrinkIf(DrawPlan(3), [](const Plan&) { return true; });
  EXPECT_EQ(result.after, (PlanSize{.nodes = 1, .clients = 1, .keys = 1}));
  EXPECT_EQ(result.before, SizeOf(DrawPlan(3)));
  EXPECT_EQ(result.plan.settings.fault_phase_us, 0);
}

TEST(ShrinkTest, KeepsTheOneFaultAndTheOneOperationThatMatter) {
  const Plan plan = PlanWith({FaultKind::kPartition, FaultKind::kCrash});
  const ShrinkResult result = ShrinkIf(plan, [](const Plan& candidate) {
    const bool deletes =
        std::any_of(candidate.operations.begin(), candidate.operations.end(),
                    [](const PlannedOperation& op) { return op.action == ClientAction::kDelete; });
    return deletes && Count(candidate, FaultKind::kPartition) > 0;
  });
  EXPECT_EQ(result.after,
            (PlanSize{.faults = 1, .operations = 1, .nodes = 2, .clients = 1, .keys = 1}));
}

TEST(ShrinkTest, KeepsPairsThatNeedEachOther) {
  const Plan plan = PlanWith({FaultKind::kCrash});
  // An odd number of crashes: none can go alone.
  const ShrinkResult result = ShrinkIf(plan, [](const Plan& candidate) {
    return Count(candidate, FaultKind::kCrash) % 2 == 1 || Count(candidate, FaultKind::kCrash) > 2;
  });
  EXPECT_EQ(result.after.faults, 1u);
}

TEST(ShrinkTest, SettingsAndClocksGoBackToTheirDefault) {
  Plan plan = PlanWith({});
  plan.settings.loss_permille = 137;
  plan.settings.append_entries_max = 3;
  const ShrinkResult result =
      ShrinkIf(plan, [](const Plan& candidate) { return candidate.settings.loss_permille >= 99; });
  EXPECT_EQ(result.after.settings, 1u);
  EXPECT_EQ(result.plan.settings.loss_permille, 100);
}

TEST(ShrinkTest, LimitsBecomeTightIfThatSavesOperations) {
  Plan plan = PlanWith({});
  plan.settings.checkpoint_entries = 20;
  plan.settings.append_entries_max = 3;
  const ShrinkResult result = ShrinkIf(plan, [](const Plan& candidate) {
    return candidate.operations.size() >=
           static_cast<std::size_t>(candidate.settings.checkpoint_entries);
  });
  EXPECT_EQ(result.after.operations, 1u);
  EXPECT_EQ(result.after.settings, 1u);
}

TEST(ShrinkTest, TimesBecomeEarlyShortAndRound) {
  const Plan plan = PlanWith({FaultKind::kPause});
  const ShrinkResult result = ShrinkIf(plan, [](const Plan& candidate) {
    return std::any_of(candidate.faults.begin(), candidate.faults.end(), [](const Fault& fault) {
      return fault.kind == FaultKind::kPause && fault.at >= SimTime{} + Milliseconds(200);
    });
  });
  ASSERT_EQ(result.plan.faults.size(), 1u);
  EXPECT_LT(result.plan.faults[0].at, SimTime{} + Seconds(2));
  EXPECT_EQ(result.plan.faults[0].at.ns % Milliseconds(100).ns, 0) << WritePlan(result.plan);
  EXPECT_LE(result.plan.faults[0].lasts, Milliseconds(1));
}

TEST(ShrinkTest, NodesAreRenumberedInFaultsAndGroups) {
  Plan plan = PlanWith({});
  plan.faults = {{.at = SimTime{} + Seconds(1),
                  .kind = FaultKind::kCutLink,
                  .node = 2,
                  .peer = 4,
                  .lasts = Seconds(1)},
                 {.at = SimTime{} + Seconds(2),
                  .kind = FaultKind::kPartition,
                  .group = 0b1010,
                  .lasts = Seconds(1)},
                 {.at = SimTime{} + Seconds(3), .kind = FaultKind::kCrash, .node = 4}};
  plan.clocks[1].drift_ppm = 22;
  plan.clocks[3].drift_ppm = 44;
  const Plan less = WithoutNodes(plan, 0b0101);  // 1 and 3
  EXPECT_EQ(less.settings.nodes, plan.settings.nodes - 2);
  EXPECT_EQ(less.clocks[0].drift_ppm, 22);
  EXPECT_EQ(less.clocks[1].drift_ppm, 44);
  ASSERT_GE(less.faults.size(), 2u);
  EXPECT_EQ(less.faults[0].node, 1u);
  EXPECT_EQ(less.faults[0].peer, 2u);
  EXPECT_EQ(less.faults.back().node, 2u);
  EXPECT_EQ(less.faults.size(), plan.settings.nodes == 4 ? 2u : 3u)
      << "a group of all that are left cuts nothing";
  EXPECT_EQ(Validate(less), "");
  EXPECT_EQ(WithoutNodes(plan, 0b1000).faults.size(), 1u) << "4 is named by two";
}

TEST(ShrinkTest, ClientsAreRenumberedInFaults) {
  Plan plan = PlanWith({});
  plan.settings.clients = 6;
  plan.operations.resize(1);
  plan.operations[0].client = 2;
  plan.faults = {{.at = SimTime{} + Seconds(1), .kind = FaultKind::kClientPause, .client = 5},
                 {.at = SimTime{} + Seconds(2), .kind = FaultKind::kClientCut, .client = 2}};
  const Plan packed = WithClientsPacked(plan);
  EXPECT_EQ(packed.settings.clients, 2);
  EXPECT_EQ(packed.operations[0].client, 0u);
  EXPECT_EQ(packed.faults[0].client, 1u);
  EXPECT_EQ(packed.faults[1].client, 0u);
  const Plan merged = WithClientMerged(packed, 1, 0);
  EXPECT_EQ(merged.faults[0].client, 0u);
  EXPECT_EQ(Validate(WithClientsPacked(merged)), "");
}

TEST(ShrinkTest, AnotherSeedOfTheRunIsFoundIfThePlanNeedsIt) {
  // Every operation that is left makes another seed fail: as runs are, hard to foresee.
  const Plan plan = DrawPlan(3);
  const ShrinkResult result = ShrinkIf(plan, [&](const Plan& candidate) {
    return candidate == plan || (candidate.operations.size() + candidate.seed) % 8 == 0;
  });
  EXPECT_EQ(result.after.operations, 0u);
  EXPECT_EQ(result.plan.seed % 8, 0u);
}

TEST(ShrinkTest, OtherFailuresDoNotCount) {
  const Plan plan = PlanWith({FaultKind::kPause});
  ShrinkOptions options{.time = Seconds(60)};
  options.run = [](const Plan& candidate, const RunOptions&) {
    RunResult result;
    const bool paused = Count(candidate, FaultKind::kPause) > 0;
    result.failure = Failure{paused ? "the planted one" : "another", ""};
    return result;
  };
  const std::optional<ShrinkResult> result = Shrink(plan, options);
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->failure.property, "the planted one");
  EXPECT_EQ(result->after.faults, 1u);
}

TEST(ShrinkTest, ACrashOfTheSimulatorShrinksToo) {
  const Plan plan = PlanWith({FaultKind::kPause});
  ShrinkOptions options{.time = Seconds(120)};
  options.run = [](const Plan& candidate, const RunOptions&) {
    if (Count(candidate, FaultKind::kPause) > 0) {
      kill(getpid(), SIGKILL);
    }
    return RunResult();
  };
  const std::optional<ShrinkResult> result = Shrink(plan, options);
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->failure.property, kCrash);
  EXPECT_EQ(result->after.faults, 1u);
  EXPECT_EQ(result->after.operations, 0u);
}

TEST(ShrinkTest, TheResultDoesNotDependOnTheNumberOfJobs) {
  const Plan plan = PlanWith({FaultKind::kCrash, FaultKind::kPause});
  const Predicate fails = [](const Plan& candidate) {
    return Count(candidate, FaultKind::kCrash) > 1 && candidate.operations.size() >= 3 &&
           (candidate.operations.size() + candidate.faults.size() + candidate.seed) % 3 != 0;
  };
  Plan start = plan;
  start.seed = fails(start) ? start.seed : start.seed + 1;
  const ShrinkResult one = ShrinkIf(start, fails, 1);
  const ShrinkResult three = ShrinkIf(start, fails, 3);
  EXPECT_EQ(one.plan, three.plan);
  EXPECT_EQ(one.after.operations, 3u);
}

TEST(ShrinkTest, TimeUpIsSaidAndLeavesAPlanThatFails) {
  ShrinkOptions options{.time = Seconds(60), .run = FailsIf([](const Plan& plan) {
                                               return plan.operations.size() > 10;
                                             })};
  int asked = 0;
  options.stop = [&] {
    ++asked;
    return asked > 30;
  };
  const std::optional<ShrinkResult> result = Shrink(DrawPlan(1), options);
  ASSERT_TRUE(result.has_value());
  EXPECT_FALSE(result->finished);
  EXPECT_GT(result->plan.operations.size(), 10u);
}

TEST(RunTest, ARunIsCutOffAfterItsEvents) {
  const RunResult whole = RunPlan(DrawPlan(3));
  ASSERT_FALSE(whole.cut_off);
  const RunResult part = RunPlan(DrawPlan(3), {.events_max = 1000});
  EXPECT_TRUE(part.cut_off);
  EXPECT_FALSE(part.failure.has_value());
  EXPECT_EQ(part.events, 1000u);
}

}  // namespace
}  // namespace lockstep::sim
