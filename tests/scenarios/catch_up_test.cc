#include <gtest/gtest.h>

#include "tests/scenarios/cluster.h"

namespace lockstep {
namespace {

void TinyLogs(sim::Settings& settings) {
  settings.checkpoint_entries = 5;
  settings.entries_retained = 0;
}

// A follower that lacks what the leader's log no longer holds gets the leader's state instead (§5).
TEST(CatchUpTest, FollowerBehindTheLogGetsASnapshot) {
  Cluster cluster({.nodes = 3, .seed = 1, .adjust = TinyLogs});
  const NodeId leader = cluster.ElectLeader();
  const NodeId away = cluster.OtherThan({leader});
  cluster.Isolate(away);
  for (int i = 0; i < 30; ++i) {
    cluster.Put("k" + std::to_string(i % 7), std::to_string(i));
  }
  EXPECT_EQ(cluster.Reached(sim::Probe::kSnapshotSent), 0u);
  cluster.Heal();
  cluster.RunUntilQuiet();
  EXPECT_GE(cluster.Reached(sim::Probe::kSnapshotInstalled), 1u);
  EXPECT_EQ(cluster.ValueAt(away, "k1"), "29");
}

// A follower that lacks only what the log holds gets entries.
TEST(CatchUpTest, FollowerALittleBehindGetsEntries) {
  Cluster cluster({.nodes = 3, .seed = 2});
  const NodeId leader = cluster.ElectLeader();
  const NodeId away = cluster.OtherThan({leader});
  cluster.Isolate(away);
  for (int i = 0; i < 30; ++i) {
    cluster.Put("x", std::to_string(i));
  }
  cluster.Heal();
  cluster.RunUntilQuiet();
  EXPECT_EQ(cluster.Reached(sim::Probe::kSnapshotSent), 0u);
  EXPECT_EQ(cluster.ValueAt(away, "x"), "29");
}

// A node that loses power while it installs a snapshot comes back with its old state or the new
// one.
TEST(CatchUpTest, PowerLossWhileInstallingASnapshotLosesNothing) {
  for (std::int64_t change = 1; change <= 15; ++change) {
    Cluster cluster({.nodes = 3, .seed = 3, .adjust = TinyLogs});
    const NodeId leader = cluster.ElectLeader();
    const NodeId away = cluster.OtherThan({leader});
    cluster.RunUntilQuiet();
    cluster.Isolate(away);
    for (int i = 0; i < 20; ++i) {
      cluster.Put("x", std::to_string(i));
    }
    cluster.Heal();
    cluster.world().BeginFault({.kind = sim::FaultKind::kCrashInStorage,
                                .node = away.value,
                                .lasts = Milliseconds(20),
                                .amount = change});
    cluster.RunFor(Seconds(1));
    cluster.RunUntilQuiet();
    EXPECT_EQ(cluster.ValueAt(away, "x"), "19") << "power cut at change " << change;
  }
}

// One entry a message and one message in flight is slow, not wrong, even when every message comes
// twice and many are lost.
TEST(CatchUpTest, SmallestWindowOnABadNetworkStillCatchesUp) {
  Cluster cluster({.nodes = 3, .seed = 4, .adjust = [](sim::Settings& settings) {
                     settings.append_entries_max = 1;
                     settings.appends_in_flight_max = 1;
                     settings.duplicate_permille = 1000;
                     settings.loss_permille = 200;
                     settings.retransmit_timeout_us = 20'000;
                   }});
  const NodeId leader = cluster.ElectLeader();
  const NodeId away = cluster.OtherThan({leader});
  cluster.Crash(away);
  for (int i = 0; i < 40; ++i) {
    cluster.Put("x", std::to_string(i));
  }
  cluster.Restart(away);
  cluster.RunUntilQuiet();
  EXPECT_EQ(cluster.ValueAt(away, "x"), "39");
}

// A clock that jumps ahead makes its node believe that it has heard nothing for an hour. The others
// know better and do not listen to it.
TEST(CatchUpTest, FollowersClockJumpDoesNotDeposeTheLeader) {
  Cluster cluster({.nodes = 3, .seed = 5});
  const NodeId leader = cluster.ElectLeader();
  cluster.RunUntilQuiet();
  const Term term = cluster.TermOf(leader);
  const std::uint64_t before = cluster.Reached(sim::Probe::kPreVoteStarted);
  cluster.JumpClock(cluster.OtherThan({leader}), Seconds(3600));
  cluster.RunFor(cluster.election_timeout() * 5);
  EXPECT_TRUE(cluster.Leads(leader));
  EXPECT_EQ(cluster.TermOf(leader), term);
  EXPECT_GT(cluster.Reached(sim::Probe::kPreVoteStarted), before);
}

}  // namespace
}  // namespace lockstep
