#include <gtest/gtest.h>

#include "tests/scenarios/cluster.h"

namespace lockstep {
namespace {

// A leader cut off from the majority keeps accepting proposals. None of them may survive its return
// (Raft §3.5, §3.6).
TEST(PartitionTest, DeposedLeaderDropsItsUncommittedTail) {
  Cluster cluster({.nodes = 3, .seed = 1});
  const NodeId old_leader = cluster.ElectLeader();
  cluster.Isolate(old_leader);
  const RequestId lost = cluster.ProposePut(old_leader, "x", "lost");

  cluster.Put("x", "kept");
  cluster.Heal();
  cluster.RunUntilQuiet();
  for (const NodeId node : cluster.nodes()) {
    EXPECT_EQ(cluster.ValueAt(node, "x"), "kept");
  }
  EXPECT_EQ(cluster.RefusalOf(lost), RefusalKind::kDropped) << "it is certain that it was lost";
  EXPECT_EQ(cluster.Reached(sim::Probe::kLogTruncated), 1u);
}

// Check-quorum: a leader that hears from no majority for an election timeout steps down, so that
// its clients look for another one (§6.2).
TEST(PartitionTest, LeaderWithoutAMajorityStepsDown) {
  Cluster cluster({.nodes = 5, .seed = 2});
  const NodeId leader = cluster.ElectLeader();
  cluster.Partition({leader, cluster.OtherThan({leader})});
  cluster.RunFor(cluster.election_timeout() * 3);
  EXPECT_FALSE(cluster.Leads(leader));
  EXPECT_EQ(cluster.Reached(sim::Probe::kSteppedDownByCheckQuorum), 1u);
}

// A leader that keeps a majority loses nothing when a minority goes.
TEST(PartitionTest, LosingAMinorityDisturbsNobody) {
  Cluster cluster({.nodes = 5, .seed = 3});
  const NodeId leader = cluster.ElectLeader();
  cluster.Put("x", "1");
  const Term term = cluster.TermOf(leader);
  const NodeId first = cluster.OtherThan({leader});
  cluster.Partition({first, cluster.OtherThan({leader, first})});
  cluster.Put("x", "2");
  cluster.RunFor(cluster.election_timeout() * 10);
  EXPECT_TRUE(cluster.Leads(leader));
  EXPECT_EQ(cluster.TermOf(leader), term);
}

// Pre-vote: a node that comes back from a long isolation has not raised its term, and deposes
// nobody (§9.6).
TEST(PartitionTest, ReturningNodeDoesNotDeposeTheLeader) {
  Cluster cluster({.nodes = 3, .seed = 4});
  const NodeId leader = cluster.ElectLeader();
  cluster.RunUntilQuiet();
  const Term term = cluster.TermOf(leader);
  const NodeId away = cluster.OtherThan({leader});
  cluster.Isolate(away);
  cluster.RunFor(cluster.election_timeout() * 20);
  EXPECT_EQ(cluster.TermOf(away), term);
  EXPECT_GT(cluster.Reached(sim::Probe::kPreVoteStarted), 5u);
  cluster.Heal();
  cluster.RunFor(cluster.election_timeout() * 5);
  EXPECT_TRUE(cluster.Leads(leader));
  EXPECT_EQ(cluster.TermOf(leader), term);
}

// A node that hears nothing but can be heard must not be able to disturb, however long that lasts
// (leader stickiness, §4.2.3).
TEST(PartitionTest, DeafNodeDoesNotDeposeTheLeader) {
  Cluster cluster({.nodes = 3, .seed = 5});
  const NodeId leader = cluster.ElectLeader();
  cluster.RunUntilQuiet();
  const Term term = cluster.TermOf(leader);
  const NodeId deaf = cluster.OtherThan({leader});
  for (const NodeId other : cluster.nodes()) {
    if (other != deaf) {
      cluster.CutOneWay(other, deaf);
    }
  }
  cluster.RunFor(cluster.election_timeout() * 20);
  EXPECT_TRUE(cluster.Leads(leader));
  EXPECT_EQ(cluster.TermOf(leader), term);
  EXPECT_GT(cluster.Reached(sim::Probe::kPreVoteStarted), 5u);
}

// A leader that is heard but hears nothing would keep its followers quiet for ever, if it did not
// step down by itself.
TEST(PartitionTest, DeafLeaderMakesRoomForAnotherOne) {
  Cluster cluster({.nodes = 3, .seed = 6});
  const NodeId leader = cluster.ElectLeader();
  for (const NodeId other : cluster.nodes()) {
    if (other != leader) {
      cluster.CutOneWay(other, leader);
    }
  }
  cluster.RunFor(cluster.election_timeout() * 2);
  EXPECT_FALSE(cluster.Leads(leader));
  EXPECT_NE(cluster.ElectLeader(), leader);
}

// Two of four are no majority: neither half may go on alone.
TEST(PartitionTest, HalfOfTheClusterCommitsNothing) {
  Cluster cluster({.nodes = 4, .seed = 7});
  const NodeId leader = cluster.ElectLeader();
  cluster.RunUntilQuiet();
  cluster.Partition({leader, cluster.OtherThan({leader})});
  const RequestId put = cluster.ProposePut(leader, "x", "half");
  cluster.RunFor(cluster.election_timeout() * 10);
  for (const NodeId node : cluster.nodes()) {
    EXPECT_FALSE(cluster.Leads(node));
    EXPECT_EQ(cluster.ValueAt(node, "x"), std::nullopt);
  }
  EXPECT_FALSE(cluster.Answered(put)) << "it may still be committed by whoever leads next";
}

}  // namespace
}  // namespace lockstep
