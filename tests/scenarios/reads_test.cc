// Reads of every consistency, while the leader that a node believes in is not the leader any more.

#include <gtest/gtest.h>

#include "sim/violation.h"
#include "tests/scenarios/cluster.h"

namespace lockstep {
namespace {

Read ReadOf(Consistency consistency, Duration max_age = {}) {
  return {.keys = {"x"}, .consistency = consistency, .max_age = max_age};
}

std::string ValueOf(const ReadResult* read) {
  return read == nullptr || !read->keys.front() ? "" : read->keys.front()->value;
}

TEST(ReadsTest, AnyMemberServesEveryConsistency) {
  Cluster cluster({.nodes = 3, .seed = 21, .adjust = [](sim::Settings& settings) {
                     settings.lease_reads = 1;
                   }});
  const NodeId leader = cluster.ElectLeader();
  cluster.Put("x", "1");
  cluster.RunUntilQuiet();
  for (const NodeId node : cluster.nodes()) {
    const bool leads = node == leader;
    for (const Consistency consistency :
         {Consistency::kLinearizable, Consistency::kLease, Consistency::kSerializable,
          Consistency::kBoundedStaleness}) {
      const Duration max_age =
          consistency == Consistency::kBoundedStaleness ? Seconds(5) : Duration{};
      const RequestId request = cluster.StartRead(node, ReadOf(consistency, max_age));
      const ReadResult* read = cluster.ReadOf(request);
      ASSERT_NE(read, nullptr);
      EXPECT_EQ(ValueOf(read), "1");
      switch (consistency) {
        case Consistency::kLinearizable:
          EXPECT_EQ(read->path, leads ? ReadPath::kQuorum : ReadPath::kForwarded);
          break;
        case Consistency::kLease:
          EXPECT_EQ(read->path, leads ? ReadPath::kLease : ReadPath::kForwarded);
          break;
        default:
          EXPECT_EQ(read->path, ReadPath::kLocal) << "it has asked already";
          break;
      }
    }
  }
}

// A node that hears nobody tells what it has, and refuses what it cannot know.
TEST(ReadsTest, ANodeWithoutALeaderServesSerializableReadsOnly) {
  Cluster cluster({.nodes = 3, .seed = 22});
  const NodeId leader = cluster.ElectLeader();
  cluster.Put("x", "old");
  cluster.RunUntilQuiet();
  const NodeId away = cluster.OtherThan({leader});
  cluster.Isolate(away);
  const RequestId waits = cluster.StartRead(away, "x");
  cluster.Put("x", "new");
  cluster.RunFor(cluster.election_timeout() * 3);
  EXPECT_EQ(cluster.RefusalOf(waits), RefusalKind::kNotLeader);
  EXPECT_EQ(cluster.RefusalOf(cluster.StartRead(away, "x")), RefusalKind::kNotLeader);
  EXPECT_EQ(cluster.RefusalOf(
                cluster.StartRead(away, ReadOf(Consistency::kBoundedStaleness, Seconds(1)))),
            RefusalKind::kNotLeader);
  EXPECT_EQ(ValueOf(cluster.ReadOf(cluster.StartRead(away, ReadOf(Consistency::kSerializable)))),
            "old");
}

TEST(ReadsTest, BoundedStalenessLastsAsLongAsItsBound) {
  Cluster cluster({.nodes = 3, .seed = 23});
  const NodeId leader = cluster.ElectLeader();
  cluster.Put("x", "old");
  cluster.RunUntilQuiet();
  const NodeId away = cluster.OtherThan({leader});
  ASSERT_NE(cluster.ReadOf(cluster.StartRead(away, "x")), nullptr);
  cluster.Isolate(away);
  cluster.Put("x", "new");
  const Read bounded = ReadOf(Consistency::kBoundedStaleness, Seconds(10));
  EXPECT_EQ(ValueOf(cluster.ReadOf(cluster.StartRead(away, bounded))), "old");
  cluster.RunFor(Seconds(9));
  EXPECT_EQ(ValueOf(cluster.ReadOf(cluster.StartRead(away, bounded))), "old");
  cluster.RunFor(Seconds(1));
  EXPECT_EQ(cluster.RefusalOf(cluster.StartRead(away, bounded)), RefusalKind::kNotLeader);
}

// The node thinks that less time has passed than has.
TEST(ReadsTest, ASlowClockBeyondTheBoundMakesDataOlderThanAllowed) {
  const auto read_at_last = [](std::int64_t ppm) {
    Cluster cluster({.nodes = 3, .seed = 24, .adjust = [](sim::Settings& settings) {
                       settings.trust_clocks = 1;
                     }});
    const NodeId leader = cluster.ElectLeader();
    cluster.Put("x", "old");
    cluster.RunUntilQuiet();
    const NodeId away = cluster.OtherThan({leader});
    cluster.DriftClock(away, ppm);
    static_cast<void>(cluster.ReadOf(cluster.StartRead(away, "x")));
    cluster.Isolate(away);
    cluster.Put("x", "new");
    cluster.RunFor(Seconds(3));
    static_cast<void>(cluster.StartRead(away, ReadOf(Consistency::kBoundedStaleness, Seconds(2))));
  };
  EXPECT_NO_THROW(read_at_last(-10'000));
  EXPECT_THROW(read_at_last(-500'000), sim::Violation);
}

struct Tried {
  std::uint64_t served = 0;  // by a lease, from when the leader was cut off
  std::uint64_t stale = 0;
  bool caught = false;
};

// A leader is cut off and another one is elected as soon as the others' clocks allow. The old one
// is asked all the time.
Tried CutOffALeader(std::uint64_t seed, std::int64_t bound_ppm, std::int64_t leader_ppm,
                    std::int64_t others_ppm, bool trust_clocks) {
  Cluster cluster({.nodes = 3, .seed = seed, .adjust = [&](sim::Settings& settings) {
                     settings.lease_reads = 1;
                     settings.clock_drift_ppm = bound_ppm;
                     settings.trust_clocks = trust_clocks ? 1 : 0;
                   }});
  const NodeId old_leader = cluster.ElectLeader();
  cluster.Put("x", "old");
  for (const NodeId node : cluster.nodes()) {
    cluster.DriftClock(node, node == old_leader ? leader_ppm : others_ppm);
  }
  cluster.RunFor(cluster.election_timeout());
  cluster.Isolate(old_leader);
  const std::uint64_t before = cluster.Reached(sim::Probe::kLeaseReadServed);
  Tried tried;
  bool put = false;
  try {
    for (int i = 0; i < 1500; ++i) {
      cluster.RunFor(Milliseconds(2));
      static_cast<void>(cluster.StartRead(old_leader, ReadOf(Consistency::kLease)));
      for (const NodeId node : cluster.nodes()) {
        if (!put && node != old_leader && cluster.Leads(node)) {
          put = true;
          static_cast<void>(cluster.ProposePut(node, "x", "new"));
        }
      }
    }
  } catch (const sim::Violation& violation) {
    EXPECT_EQ(violation.property(), "leases are exclusive");
    tried.caught = true;
  }
  tried.served = cluster.Reached(sim::Probe::kLeaseReadServed) - before;
  tried.stale = cluster.Reached(sim::Probe::kLeaseReadStaleByClocks);
  return tried;
}

// The clocks are as wrong as the bound allows, in the worst directions.
TEST(ReadsTest, ALeaseIsOverBeforeAnotherLeaderIsElectedAtTheEdgeOfTheBound) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    const Tried tried = CutOffALeader(seed, 200'000, -200'000, 200'000, true);
    EXPECT_FALSE(tried.caught) << seed;
    EXPECT_GT(tried.served, 0u) << seed;
  }
}

// A leader whose clock runs at a tenth of the rate of true time takes its lease for ten times as
// long as it is. If nodes reckon with that, nothing is stale; if they do not, it is seen.
TEST(ReadsTest, AClockBeyondTheBoundMakesALeaseStaleAndIsCaught) {
  const Tried caught = CutOffALeader(31, 10'000, -900'000, 0, true);
  EXPECT_TRUE(caught.caught);
  const Tried excused = CutOffALeader(31, 10'000, -900'000, 0, false);
  EXPECT_FALSE(excused.caught);
  EXPECT_GT(excused.stale, 0u);
  const Tried reckoned = CutOffALeader(31, 950'000, -900'000, 0, true);
  EXPECT_FALSE(reckoned.caught);
}

}  // namespace
}  // namespace lockstep
