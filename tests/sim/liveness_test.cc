// Liveness: a cluster that could come right and does not is a failure, one that cannot is none; the
// post-mortem tells which and why.

#include "sim/oracles/liveness.h"

#include <gtest/gtest.h>

#include <string>

#include "sim/plan.h"
#include "sim/trace.h"
#include "sim/violation.h"
#include "sim/world.h"

namespace lockstep::sim {
namespace {

Plan ThreeNodes() {
  Plan plan;
  plan.clocks.resize(3);
  return plan;
}

class LivenessTest : public testing::Test {
 protected:
  LivenessTest() : plan_(ThreeNodes()), world_(plan_, trace_) {
    world_.Start();
    world_.RunUntil(SimTime{} + Seconds(5));
  }

  bool Contains(const std::string& text) {
    return PostMortem(world_).find(text) != std::string::npos;
  }

  // Lets the bound pass, counted from now, and says what is found.
  std::string FoundAfterTheBound() {
    const SimTime since = world_.now();
    world_.RunUntil(since + world_.SettlingBound());
    EXPECT_NO_THROW(CheckLiveness(world_, since));  // not a moment too early
    world_.RunUntil(since + world_.SettlingBound() + Seconds(1));
    try {
      CheckLiveness(world_, since);
    } catch (const Violation& violation) {
      EXPECT_NE(std::string(violation.what()).find(PostMortem(world_)), std::string::npos);
      return violation.property();
    }
    return "";
  }

  const Plan plan_;
  Trace trace_;
  World world_;
};

TEST_F(LivenessTest, ACheckedClusterThatIsWellSaysSo) {
  EXPECT_TRUE(world_.Settled());
  EXPECT_TRUE(Contains("3 of 3 nodes can work, a majority"));
  EXPECT_TRUE(Contains(" leads"));
  EXPECT_FALSE(Contains("cut links"));
}

TEST_F(LivenessTest, FindsAClusterThatCouldElectALeaderAndHasNone) {
  for (const std::uint64_t node : {1, 2, 3}) {
    world_.BeginFault({.kind = FaultKind::kIsolate, .node = node, .lasts = Seconds(3600)});
  }
  EXPECT_EQ(FoundAfterTheBound(), "liveness");
  EXPECT_TRUE(Contains("cut links: n1->n2 n1->n3 n2->n1"));
  EXPECT_TRUE(Contains("nobody leads"));
}

TEST_F(LivenessTest, FindsANodeThatStaysBehind) {
  const NodeId leader = world_.Leader();
  const NodeId slow{leader == NodeId{1} ? 2U : 1U};
  world_.BeginFault({.kind = FaultKind::kPause, .node = slow.value, .lasts = Seconds(3600)});
  EXPECT_EQ(FoundAfterTheBound(), "liveness");
  EXPECT_TRUE(Contains("paused"));
  EXPECT_TRUE(Contains("leads: it does not get on"));
}

TEST_F(LivenessTest, AClusterWithoutAMajorityHasToStandStill) {
  for (const std::uint64_t node : {1, 2}) {
    world_.BeginFault(
        {.at = world_.now(), .kind = FaultKind::kWipe, .node = node, .lasts = Milliseconds(10)});
  }
  EXPECT_EQ(FoundAfterTheBound(), "");
  EXPECT_FALSE(world_.MajorityIsLeft());
  EXPECT_TRUE(Contains("1 of 3 nodes can work, no majority: the cluster has to stand still"));
  EXPECT_TRUE(Contains("down for good, has stopped: "));
}

}  // namespace
}  // namespace lockstep::sim
