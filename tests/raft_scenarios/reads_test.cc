// Reads that need no entry of the log: who confirms them, and how fresh they are.

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/raft_scenarios/messages.h"

namespace lockstep::raft {
namespace {

// etcd: ReadOnlyOptionSafe, in figures. ScyllaDB: read_barrier.
TEST(ReadScenario, AReadSeesAllThatWasCommittedBeforeItWasAsked) {
  RaftCluster cluster(5);
  cluster.Elect(1);
  for (std::uint64_t request = 1; request <= 5; ++request) {
    const Index index = cluster.Propose(1, std::to_string(request))->index;
    cluster.Deliver();
    ASSERT_EQ(cluster.node(1).commit_index(), index);
    ASSERT_TRUE(cluster.Read(1, request));
    cluster.Deliver();
    ASSERT_EQ(cluster.ready(1).size(), request);
    EXPECT_EQ(cluster.ready(1).back().requests, std::vector<RequestId>{{request}});
    EXPECT_EQ(cluster.ready(1).back().read_index, index);
  }
}

// etcd: NodeReadIndexToOldLeader. The old leader cannot know that it was deposed; the round of
// heartbeats tells.
TEST(ReadScenario, ALeaderThatWasDeposedWithoutKnowingItAnswersNoRead) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.Isolate(1);
  cluster.Elect(2);
  cluster.Propose(2, "newer");
  cluster.Deliver();
  cluster.Heal();
  ASSERT_EQ(cluster.node(1).role(), Role::kLeader) << "nobody has told it";
  ASSERT_TRUE(cluster.Read(1, 7));
  cluster.Deliver();
  EXPECT_TRUE(cluster.ready(1).empty());
  EXPECT_EQ(cluster.refused(1), std::vector<RequestId>{{7}});
  EXPECT_FALSE(cluster.Read(1, 8)) << "it follows now";
}

// etcd: ReadOnlyWithLearner.
TEST(ReadScenario, LearnersAnswersConfirmNothing) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  AddLearners(cluster, 1, 5);  // with them the leader would be three of five
  cluster.Isolate(2);
  cluster.Isolate(3);
  ASSERT_TRUE(cluster.Read(1, 7));
  cluster.Run(Milliseconds(500));
  ASSERT_EQ(cluster.node(1).role(), Role::kLeader);
  EXPECT_TRUE(cluster.ready(1).empty());
  cluster.Heal();
  cluster.Isolate(3);
  cluster.Run(Milliseconds(200));
  EXPECT_EQ(cluster.ready(1).size(), 1u);
}

// ScyllaDB: leader_read_quorum. The new half alone would be served by the leader itself.
TEST(ReadScenario, AReadInAJointConfigurationIsConfirmedByBothHalves) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.Run(Milliseconds(300));
  cluster.Drop(CarriesEntries);  // so that the change does not end
  ASSERT_EQ(cluster.Change(1, {.standings = {{{2}, Standing::kNone}, {{3}, Standing::kNone}}}), "");
  cluster.Deliver();
  cluster.Drop([](const Message&) { return true; });
  ASSERT_TRUE(cluster.Read(1, 7));
  cluster.Run(Milliseconds(300));
  EXPECT_TRUE(cluster.ready(1).empty());
  cluster.Drop([](const Message& m) { return CarriesEntries(m) || m.to == NodeId{3}; });
  cluster.Run(Milliseconds(200));
  EXPECT_EQ(cluster.ready(1).size(), 1u) << "server 2 makes a majority of the old half";
}

// raft-rs: read_when_quorum_becomes_less. It waits for a server that is then removed.
TEST(ReadScenario, AReadThatWaitsForARemovedServerIsAnsweredWithoutIt) {
  RaftCluster cluster(2);
  cluster.Elect(1);
  cluster.Run(Milliseconds(300));
  ASSERT_EQ(cluster.Change(1, {.standings = {{{2}, Standing::kNone}}}), "");
  // The last word of server 2 lets the old configuration be left; it confirms no read.
  cluster.Deliver();
  ASSERT_EQ(ToText(cluster.node(1).membership().membership), "voter 1");
  cluster.Isolate(2);
  ASSERT_TRUE(cluster.Read(1, 7));
  cluster.Run(Milliseconds(200));
  ASSERT_EQ(cluster.ready(1).size(), 1u);
  EXPECT_EQ(cluster.ready(1).back().read_index, cluster.node(1).log().last_index());
}

// A round that began before a read came says nothing of who leads since. etcd: ReadOnlyOptionSafe.
TEST(ReadScenario, AReadWaitsForTheRoundAfterTheOneThatIsUnderWay) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  ASSERT_TRUE(cluster.Read(1, 1));
  const std::vector<Message> first(cluster.network().begin(), cluster.network().end());
  ASSERT_TRUE(cluster.Read(1, 2));
  EXPECT_EQ(cluster.network().size(), first.size()) << "one round at a time";
  cluster.Drop([&](const Message& m) {
    return m.from == NodeId{1} && std::find(first.begin(), first.end(), m) == first.end();
  });
  cluster.Deliver();
  ASSERT_EQ(cluster.ready(1).size(), 1u);
  EXPECT_EQ(cluster.ready(1).front().requests, std::vector<RequestId>{{1}});
  cluster.Drop(nullptr);
  cluster.Run(Milliseconds(200));
  ASSERT_EQ(cluster.ready(1).size(), 2u);
  EXPECT_EQ(cluster.ready(1).back().requests, std::vector<RequestId>{{2}});
}

}  // namespace
}  // namespace lockstep::raft
