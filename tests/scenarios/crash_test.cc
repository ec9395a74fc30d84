#include <gtest/gtest.h>

#include "tests/scenarios/cluster.h"

namespace lockstep {
namespace {

// What a majority has on its disks is not lost when the power of all nodes is cut at once (§3.8).
TEST(CrashTest, WholeClusterLosingPowerKeepsWhatWasAcknowledged) {
  Cluster cluster({.nodes = 3, .seed = 1});
  for (int i = 0; i < 20; ++i) {
    cluster.Put("k" + std::to_string(i), std::to_string(i));
  }
  cluster.CrashAll();
  for (const NodeId node : cluster.nodes()) {
    cluster.Restart(node);
  }
  cluster.RunUntilQuiet();
  for (const NodeId node : cluster.nodes()) {
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(cluster.ValueAt(node, "k" + std::to_string(i)), std::to_string(i));
    }
  }
}

// A vote that was given holds across a restart: the node could otherwise give another one in the
// same term (§3.4).
TEST(CrashTest, RestartedNodeKeepsItsTermAndVote) {
  Cluster cluster({.nodes = 3, .seed = 2});
  const NodeId leader = cluster.ElectLeader();
  cluster.RunUntilQuiet();
  const Term term = cluster.TermOf(leader);
  for (const NodeId node : cluster.nodes()) {
    const NodeId vote = cluster.world().node(node).replica().node().voted_for();
    cluster.Crash(node);
    cluster.Restart(node);
    EXPECT_EQ(cluster.TermOf(node), term);
    EXPECT_EQ(cluster.world().node(node).replica().node().voted_for(), vote);
    EXPECT_FALSE(cluster.Leads(node)) << "a leader is elected, it does not resume";
    cluster.RunFor(Milliseconds(50));
  }
}

// The cluster goes on without its leader, and the leader comes back as a follower.
TEST(CrashTest, AnotherNodeTakesOverFromACrashedLeader) {
  Cluster cluster({.nodes = 3, .seed = 3});
  const NodeId old_leader = cluster.ElectLeader();
  cluster.Put("x", "1");
  cluster.Crash(old_leader);
  cluster.Put("x", "2");
  EXPECT_FALSE(cluster.Leads(old_leader));
  cluster.Restart(old_leader);
  cluster.RunUntilQuiet();
  EXPECT_FALSE(cluster.Leads(old_leader));
  EXPECT_EQ(cluster.ValueAt(old_leader, "x"), "2");
}

// Figure 3.7 of the dissertation: an entry of an older term on a majority of servers may still be
// overwritten, and is committed only through an entry of the leader's own term. The judge refuses
// any commit that rests on counting copies of an older term's entry.
TEST(CrashTest, EntriesOfOlderTermsAreCommittedThroughOnesOwn) {
  Cluster cluster({.nodes = 5, .seed = 4});
  const NodeId first = cluster.ElectLeader();
  cluster.RunUntilQuiet();
  const NodeId second = cluster.OtherThan({first});
  cluster.Partition({first, second});
  (void)cluster.ProposePut(first, "x", "older");
  cluster.RunUntil(
      [&] {
        const raft::Node& node = cluster.world().node(second).replica().node();
        return node.durable_index() ==
               cluster.world().node(first).replica().node().log().last_index();
      },
      "a copy on the second node");
  cluster.Crash(first);

  // Another leader of a later term appends its own entry at the same index, and fails before
  // anybody else has it.
  const NodeId third = cluster.ElectLeader();
  EXPECT_NE(third, second);
  cluster.Isolate(third);
  cluster.RunFor(Milliseconds(5));
  cluster.Crash(third);

  cluster.Heal();
  cluster.Restart(first);
  cluster.RunUntilQuiet();
  EXPECT_GT(cluster.Reached(sim::Probe::kOlderTermEntryCommitted), 0u);
  cluster.Restart(third);
  cluster.RunUntilQuiet();
  for (const NodeId node : cluster.nodes()) {
    EXPECT_EQ(cluster.ValueAt(node, "x"), "older");
  }
}

// Power goes at each of the first changes that a checkpoint asks the disk for, in turn. The node
// comes back with the state before it or after it, and the log that goes with it.
TEST(CrashTest, PowerLossInMidCheckpointLosesNothing) {
  for (std::uint64_t change = 1; change <= 25; ++change) {
    Cluster cluster({.nodes = 3, .seed = 5, .adjust = [](sim::Settings& settings) {
                       settings.checkpoint_entries = 4;
                       settings.entries_retained = 0;
                     }});
    const NodeId leader = cluster.ElectLeader();
    const NodeId unlucky = cluster.OtherThan({leader});
    cluster.RunUntilQuiet();
    cluster.world().BeginFault({.kind = sim::FaultKind::kCrashInStorage,
                                .node = unlucky.value,
                                .lasts = Milliseconds(20),
                                .amount = static_cast<std::int64_t>(change)});
    for (int i = 0; i < 12; ++i) {
      cluster.Put("x", std::to_string(i));
    }
    EXPECT_EQ(cluster.Reached(sim::Probe::kNodeCrashedBetweenStorageOperations), 1u);
    cluster.RunFor(Milliseconds(100));
    cluster.RunUntilQuiet();
    EXPECT_EQ(cluster.ValueAt(unlucky, "x"), "11") << "power cut at change " << change;
  }
}

// A single node is a majority of its own, and finds its data again.
TEST(CrashTest, SingleNodeFindsItsDataAgain) {
  Cluster cluster({.nodes = 1, .seed = 6});
  cluster.Put("x", "1");
  const NodeId node = cluster.nodes().front();
  cluster.Crash(node);
  cluster.Restart(node);
  cluster.RunUntilQuiet();
  EXPECT_EQ(cluster.ValueAt(node, "x"), "1");
}

// A leader that stood still (a stopped process, a migrated machine) does not know that it was
// replaced. What it accepts on waking must not be acknowledged.
TEST(CrashTest, LeaderThatWasPausedLearnsThatItWasReplaced) {
  Cluster cluster({.nodes = 3, .seed = 7});
  const NodeId old_leader = cluster.ElectLeader();
  cluster.RunUntilQuiet();
  cluster.Pause(old_leader);
  const RequestId late = cluster.ProposePut(old_leader, "x", "late");
  // The paused node still counts as a leader of its term; wait for one of a later term.
  const Term term = cluster.TermOf(old_leader);
  cluster.RunUntil(
      [&] {
        const NodeId leader = cluster.world().Leader();
        return leader != old_leader && leader != NodeId() && cluster.TermOf(leader) > term;
      },
      "another leader");
  cluster.Put("x", "new");
  cluster.Heal();
  cluster.RunUntilQuiet();
  EXPECT_TRUE(cluster.RefusalOf(late).has_value());
  for (const NodeId node : cluster.nodes()) {
    EXPECT_EQ(cluster.ValueAt(node, "x"), "new");
  }
}

// Commits wait for a majority, not for the slowest disk.
TEST(CrashTest, SlowDiskOfOneFollowerDelaysNobody) {
  Cluster cluster({.nodes = 3, .seed = 8});
  const NodeId leader = cluster.ElectLeader();
  cluster.RunUntilQuiet();
  cluster.SlowDisk(cluster.OtherThan({leader}), Seconds(30));
  const sim::SimTime begin = cluster.world().now();
  for (int i = 0; i < 10; ++i) {
    cluster.Put("x", std::to_string(i));
  }
  EXPECT_LT(cluster.world().now() - begin, Milliseconds(500));
  EXPECT_TRUE(cluster.Leads(leader));
}

}  // namespace
}  // namespace lockstep
