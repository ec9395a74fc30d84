// Every kind of fault does what it says, and the cluster lives through it.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "sim/plan.h"
#include "sim/plan_text.h"
#include "sim/run.h"

namespace lockstep::sim {
namespace {

// Five nodes under load for eight seconds, with no fault but those added.
Plan QuietPlan() {
  Plan plan;
  plan.seed = 7;
  plan.settings.nodes = 5;
  plan.settings.fault_phase_us = 8'000'000;
  plan.settings.election_timeout_us = 300'000;
  plan.settings.heartbeat_interval_us = 50'000;
  plan.settings.checkpoint_entries = 3;
  plan.settings.entries_retained = 2;
  plan.clocks.resize(5);
  for (std::int64_t i = 0; i < 300; ++i) {
    plan.operations.push_back({.at = SimTime{} + Milliseconds(25 * i),
                               .client = static_cast<std::uint64_t>(i % 3),
                               .action = i % 3 == 0 ? ClientAction::kGet : ClientAction::kPut,
                               .keys = {static_cast<std::uint64_t>(i % 5)}});
  }
  return plan;
}

void Add(Plan& plan, Fault fault) {
  plan.faults.push_back(fault);
  std::stable_sort(plan.faults.begin(), plan.faults.end(),
                   [](const Fault& a, const Fault& b) { return a.at < b.at; });
}

// A sensible fault of the kind, at a node that leads if the kind allows it.
Fault Sensible(const FaultShape& shape, SimTime at) {
  Fault fault{.at = at, .kind = shape.kind, .node = 1, .peer = 2, .group = 3};
  fault.lasts = Milliseconds(700);
  fault.amount = std::clamp<std::int64_t>(shape.kind == FaultKind::kLoss ? 500 : 5,
                                          shape.amount_min, shape.amount_max);
  if (shape.amount != nullptr && std::string(shape.amount).ends_with("_us")) {
    fault.amount = 200'000;
  } else if (shape.kind == FaultKind::kClockDrift) {
    fault.amount = 500'000;
  } else if (shape.kind == FaultKind::kPageRot) {
    fault.amount = 2 * 8 * 4096 + 1;  // of what the third page is
  }
  return fault;
}

TEST(FaultsTest, TheClusterLivesThroughEachKind) {
  // Kinds that leave a mark of their own.
  const std::map<FaultKind, Probe> marks = {
      {FaultKind::kCrash, Probe::kNodeCrashed},
      {FaultKind::kCrashInStorage, Probe::kNodeCrashedBetweenStorageOperations},
      {FaultKind::kCrashInWrite, Probe::kNodeCrashedWhileWriteInFlight},
      {FaultKind::kCrashAll, Probe::kWholeClusterDown},
      {FaultKind::kPause, Probe::kNodePaused},
      {FaultKind::kPartition, Probe::kMinorityCutOff},
      {FaultKind::kOneWay, Probe::kOneWayCut},
      {FaultKind::kIsolate, Probe::kMessageCut},
      {FaultKind::kLoss, Probe::kMessageLost},
      {FaultKind::kClockJump, Probe::kClockJumped},
      {FaultKind::kClockStall, Probe::kClockStalled},
      {FaultKind::kCheckpoint, Probe::kCheckpointStored},
      {FaultKind::kCrashInStart, Probe::kNodeCrashedInStart},
      {FaultKind::kCrashInState, Probe::kNodeCrashedBetweenStorageOperations},
      {FaultKind::kFlapLink, Probe::kLinkFlapped},
      {FaultKind::kClog, Probe::kMessageClogged},
      {FaultKind::kClockStepBack, Probe::kClockSteppedBack},
      {FaultKind::kDiskError, Probe::kNodeStoppedByIoError},
      {FaultKind::kReadError, Probe::kNodeStoppedByIoError},
      {FaultKind::kReadRot, Probe::kNodeStoppedByDamage},
      {FaultKind::kPageRot, Probe::kNodeStoppedByDamage},
      {FaultKind::kSyncError, Probe::kNodeStoppedByFailedSync},
      {FaultKind::kDiskFull, Probe::kNodeStoppedByFullDisk},
      {FaultKind::kDiskStall, Probe::kDiskStalled},
      {FaultKind::kBitRot, Probe::kBitRotted},
      {FaultKind::kWipe, Probe::kNodeGivenUp},
      {FaultKind::kStartAnew, Probe::kNodeExpelled},
      {FaultKind::kClientPause, Probe::kClientPaused},
      {FaultKind::kClientCut, Probe::kClientCutOff},
      {FaultKind::kClientDuplicate, Probe::kRequestDuplicated},
      {FaultKind::kClientRestart, Probe::kClientRestarted},
      {FaultKind::kLeave, Probe::kMembershipChanged},
      {FaultKind::kDemote, Probe::kMembershipChanged},
      {FaultKind::kPromote, Probe::kMembershipChangeInvalid},
      {FaultKind::kTransfer, Probe::kLeadershipTransferred},
      {FaultKind::kPrefer, Probe::kMembershipChanged},
      {FaultKind::kReshape, Probe::kMembershipChanged},
  };
  for (const FaultShape& shape : FaultShapes()) {
    Plan plan = QuietPlan();
    Add(plan, Sensible(shape, SimTime{} + Milliseconds(2000)));
    ASSERT_EQ(Validate(plan), "") << shape.name;
    const RunResult result = RunPlan(plan);
    EXPECT_FALSE(result.failure.has_value())
        << shape.name << ": " << result.failure->property << ": " << result.failure->text;
    EXPECT_GT(result.operations.ok, 250U) << shape.name;
    if (const auto mark = marks.find(shape.kind); mark != marks.end()) {
      EXPECT_GT(result.probes.Of(mark->second), 0U) << shape.name;
    }
  }
}

// A power cut, or an error, at every single operation that one node's disk is asked for, in turn.
TEST(FaultsTest, ANodeMayFailAtEveryStorageOperationInTurn) {
  for (const FaultKind kind :
       {FaultKind::kCrashInStorage, FaultKind::kCrashInStart, FaultKind::kCrashInState,
        FaultKind::kDiskError, FaultKind::kReadError, FaultKind::kReadRot, FaultKind::kSyncError}) {
    int struck = 0;
    for (std::int64_t nth = 1; nth <= 60; ++nth) {
      Plan plan = QuietPlan();
      plan.settings.fault_phase_us = 2'000'000;
      plan.operations.resize(70);
      Add(plan, {.at = SimTime{} + Milliseconds(1000),
                 .kind = kind,
                 .node = kWhoeverLeads,
                 .lasts = Milliseconds(400),
                 .amount = nth});
      const RunResult result = RunPlan(plan);
      EXPECT_FALSE(result.failure.has_value())
          << Describe(plan.faults.front()) << ": " << result.failure->property << ": "
          << result.failure->text;
      struck += result.probes.Of(Probe::kNodeCrashed) > 0 ? 1 : 0;
    }
    EXPECT_GT(struck, 10) << ShapeOf(kind).name;
  }
}

// The power goes at every change that the very first start asks for, in turn, on two of three
// nodes.
TEST(FaultsTest, AFirstStartMayBeCutAtEveryChangeInTurn) {
  int struck = 0;
  for (std::int64_t nth = 1; nth <= 60; ++nth) {
    Plan plan = QuietPlan();
    plan.settings.fault_phase_us = 2'000'000;
    plan.operations.resize(70);
    for (const std::uint64_t node : {1, 2}) {
      Add(plan, {.kind = FaultKind::kCrashInStart,
                 .node = node,
                 .lasts = Milliseconds(100),
                 .amount = nth});
    }
    const RunResult result = RunPlan(plan);
    EXPECT_FALSE(result.failure.has_value())
        << nth << ": " << result.failure->property << ": " << result.failure->text;
    struck += result.probes.Of(Probe::kNodeCrashedInStart) == 2 ? 1 : 0;
  }
  EXPECT_GT(struck, 20);
}

TEST(FaultsTest, ANodeWhoseFilesAreDamagedStopsAndTheOthersGoOn) {
  int given_up = 0;
  for (std::int64_t place = 0; place < 1'000'000; place += 20'011) {
    Plan plan = QuietPlan();
    Add(plan, {.at = SimTime{} + Milliseconds(3000),
               .kind = FaultKind::kBitRot,
               .node = 3,
               .amount = place});
    Add(plan, {.at = SimTime{} + Milliseconds(3001),
               .kind = FaultKind::kCrash,
               .node = 3,
               .lasts = Milliseconds(100)});
    const RunResult result = RunPlan(plan);
    EXPECT_FALSE(result.failure.has_value())
        << place << ": " << result.failure->property << ": " << result.failure->text;
    given_up += result.probes.Of(Probe::kNodeGivenUp) > 0 ? 1 : 0;
  }
  EXPECT_GT(given_up, 5);
}

// The end of a pause lets a snapshot leave, whose loss is the beginning of another fault.
TEST(FaultsTest, AFaultMayBeginWhileAnotherEnds) {
  std::uint64_t lost = 0;
  for (std::int64_t offset = 0; offset < 400; offset += 10) {
    Plan plan = QuietPlan();
    const auto at = [](std::int64_t ms) { return SimTime{} + Milliseconds(ms); };
    // The fifth fault is the one that makes a vector of them move.
    Add(plan, {.at = at(1000), .kind = FaultKind::kCheckpoint, .node = 1});
    Add(plan, {.at = at(2000), .kind = FaultKind::kIsolate, .node = 3, .lasts = Seconds(2)});
    Add(plan, {.at = at(2500),
               .kind = FaultKind::kCutSnapshot,
               .node = kWhoeverLeads,
               .lasts = Milliseconds(50)});
    Add(plan, {.at = at(3900 + offset),
               .kind = FaultKind::kPause,
               .node = kWhoeverLeads,
               .lasts = Milliseconds(100)});
    const RunResult result = RunPlan(plan);
    EXPECT_FALSE(result.failure.has_value()) << result.failure->text;
    lost += result.probes.Of(Probe::kSnapshotLost);
  }
  EXPECT_GT(lost, 5U);
}

// Beyond the fault model: with no majority left nobody is answered, and nothing is made up.
TEST(FaultsTest, WithoutAMajorityTheClusterStandsStill) {
  Plan plan = QuietPlan();
  for (std::uint64_t node = 1; node <= 3; ++node) {
    Add(plan, {.at = SimTime{} + Milliseconds(2000 + 10 * static_cast<std::int64_t>(node)),
               .kind = FaultKind::kWipe,
               .node = node,
               .lasts = Milliseconds(100)});
  }
  const RunResult result = RunPlan(plan);
  EXPECT_FALSE(result.failure.has_value()) << result.failure->text;
  EXPECT_EQ(result.probes.Of(Probe::kNodeGivenUp), 3U);
  EXPECT_LT(result.operations.ok, 120U);
  EXPECT_GT(result.operations.unknown, 0U);
}

// A disk that loses what it had promised breaks Raft: the run says so, and that it is excused.
TEST(FaultsTest, WhatBreaksAfterADiskLiedIsExcused) {
  int excused = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Plan plan = QuietPlan();
    plan.seed = seed;
    // Most of what a cluster could lose is noticed or repaired: one node can do neither.
    plan.settings.nodes = 1;
    plan.clocks.resize(1);
    plan.settings.checkpoint_entries = 10'000;
    Add(plan, {.at = SimTime{} + Milliseconds(1000),
               .kind = FaultKind::kLyingDisk,
               .lasts = Milliseconds(3000)});
    Add(plan, {.at = SimTime{} + Milliseconds(3500),
               .kind = FaultKind::kCrashAll,
               .lasts = Milliseconds(300)});
    const RunResult result = RunPlan(plan);
    EXPECT_FALSE(result.failure.has_value()) << result.failure->text;
    excused += result.excused.has_value() ? 1 : 0;
  }
  EXPECT_GT(excused, 3);
}

}  // namespace
}  // namespace lockstep::sim
