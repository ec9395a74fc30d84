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

// ---- Asked of a follower

bool Asks(const Message& message) { return Is<ReadIndex>(message); }
bool Answers(const Message& message) { return Is<ReadIndexReply>(message); }

// tikv/raft: simple_follower_read.
TEST(ReadScenario, AFollowerAsksTheLeaderFromWhereToRead) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.Run(Milliseconds(300));
  const Index index = cluster.Propose(1, "x")->index;
  cluster.Deliver();
  ASSERT_TRUE(cluster.Read(2, 7));
  EXPECT_TRUE(cluster.ready(2).empty());
  cluster.Deliver();
  ASSERT_EQ(cluster.ready(2).size(), 1u);
  EXPECT_EQ(cluster.ready(2).front().requests, std::vector<RequestId>{{7}});
  EXPECT_EQ(cluster.ready(2).front().read_index, index);
  EXPECT_TRUE(cluster.ready(2).front().forwarded);
}

TEST(ReadScenario, AFollowerAsksOnceForAllReadsThatWait) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.Run(Milliseconds(300));
  const std::size_t since = cluster.sent().size();
  for (std::uint64_t request = 1; request <= 50; ++request) {
    ASSERT_TRUE(cluster.node(2).Read({request}, cluster.now()));
  }
  cluster.Collect(2);
  ASSERT_TRUE(cluster.Read(2, 51));  // while the first batch is under way
  EXPECT_EQ(Sent<ReadIndex>(cluster, 2, 1, since).size(), 1u);
  cluster.Deliver();
  const std::vector<ReadIndex> asked = Sent<ReadIndex>(cluster, 2, 1, since);
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_NE(asked[0].number, asked[1].number);
  ASSERT_EQ(cluster.ready(2).size(), 2u);
  EXPECT_EQ(cluster.ready(2)[0].requests.size(), 50u);
  EXPECT_EQ(cluster.ready(2)[1].requests, std::vector<RequestId>{{51}});
}

// The leader's own reads and those of all followers share a round.
TEST(ReadScenario, OneRoundConfirmsTheReadsOfSeveralServers) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.Run(Milliseconds(300));
  ASSERT_TRUE(cluster.node(2).Read({7}, cluster.now()));
  ASSERT_TRUE(cluster.node(3).Read({8}, cluster.now()));
  ASSERT_TRUE(cluster.node(1).Read({9}, cluster.now()));
  cluster.Collect(2);
  cluster.Collect(3);
  while (!cluster.network().empty()) {
    const Message message = cluster.network().front();
    cluster.network().pop_front();
    cluster.node(message.to.value).Receive(message, cluster.now());
  }
  const std::size_t since = cluster.sent().size();
  cluster.Collect(1);
  EXPECT_EQ(Sent<AppendEntries>(cluster, 1, 2, since).size(), 1u);
  cluster.Deliver();
  for (std::uint64_t id = 1; id <= 3; ++id) {
    EXPECT_EQ(cluster.ready(id).size(), 1u) << id;
  }
}

// etcd: a context that is used again lets an old answer confirm a new read.
TEST(ReadScenario, AnswersToOtherQuestionsOfAFollowerConfirmNothing) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.Run(Milliseconds(300));
  ASSERT_TRUE(cluster.Read(2, 7));
  cluster.Deliver();
  ASSERT_EQ(cluster.ready(2).size(), 1u);
  Message old;
  for (const Message& message : cluster.sent()) {
    old = Answers(message) ? message : old;
  }
  cluster.Propose(1, "newer");
  cluster.Deliver();
  cluster.Drop(Asks);
  ASSERT_TRUE(cluster.Read(2, 8));
  cluster.Receive(old);
  EXPECT_EQ(cluster.ready(2).size(), 1u) << "of the batch before";

  cluster.Stop(2);
  cluster.Restart(2);
  cluster.Run(Milliseconds(200));
  ASSERT_TRUE(cluster.Read(2, 9));
  cluster.Receive(old);
  EXPECT_EQ(cluster.ready(2).size(), 1u) << "of an earlier life";
}

// etcd: NodeReadIndexToOldLeader.
TEST(ReadScenario, AnAnswerOfAnEarlierTermOrOfAnotherServerConfirmsNothing) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.Run(Milliseconds(300));
  cluster.Drop(Answers);
  ASSERT_TRUE(cluster.Read(2, 7));
  cluster.Deliver();
  const auto answer = Sent<ReadIndexReply>(cluster, 1, 2);
  ASSERT_FALSE(answer.empty());
  const Term term = cluster.node(2).current_term();
  cluster.Receive(From(3, 2, term, answer.back()));
  EXPECT_TRUE(cluster.ready(2).empty()) << "who said so does not lead";
  cluster.Elect(3);
  EXPECT_EQ(cluster.refused(2), std::vector<RequestId>{{7}}) << "its leader is gone";
  ASSERT_TRUE(cluster.Read(2, 8));
  cluster.Receive(From(1, 2, term, answer.back()));
  EXPECT_TRUE(cluster.ready(2).empty());
}

// The leader that the question goes to was deposed and does not know it.
TEST(ReadScenario, ADeposedLeaderAnswersNoFollower) {
  RaftCluster cluster(5);
  cluster.Elect(1);
  cluster.Run(Milliseconds(300));
  const auto minority = [](NodeId id) { return id.value <= 2; };
  cluster.Drop([&](const Message& m) { return minority(m.from) != minority(m.to); });
  cluster.Elect(3);
  cluster.Propose(3, "newer");
  cluster.Deliver();
  if (cluster.node(2).leader() != NodeId{1}) {
    GTEST_SKIP() << "server 2 has noticed by its own clock";
  }
  ASSERT_TRUE(cluster.Read(2, 7));
  cluster.Deliver();
  EXPECT_TRUE(cluster.ready(2).empty());
}

TEST(ReadScenario, ANewLeaderAnswersNoFollowerBeforeItsFirstCommit) {
  RaftCluster cluster(3);
  cluster.Drop(CarriesEntries);
  cluster.Elect(1);
  ASSERT_TRUE(cluster.Read(2, 7));
  cluster.Deliver();
  EXPECT_TRUE(Sent<ReadIndexReply>(cluster, 1, 2).empty());
  cluster.Drop(nullptr);
  cluster.Run(Milliseconds(700));
  EXPECT_EQ(cluster.ready(2).size(), 1u);
}

TEST(ReadScenario, AQuestionThatIsLostIsAskedAgain) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.Run(Milliseconds(300));
  cluster.Drop(Asks);
  ASSERT_TRUE(cluster.Read(2, 7));
  cluster.Run(Milliseconds(100));
  cluster.Drop(nullptr);
  cluster.Run(Milliseconds(600));
  EXPECT_EQ(cluster.ready(2).size(), 1u);
  const std::vector<ReadIndex> asked = Sent<ReadIndex>(cluster, 2, 1);
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_EQ(asked[0], asked[1]) << "of the same reads";
}

// tikv/raft: follower_read_after_partition. Nobody waits for ever.
TEST(ReadScenario, AFollowerWhoseQuestionsAreNotAnsweredRefuses) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.Run(Milliseconds(300));
  cluster.Drop(Asks);  // it hears the leader, and is not heard
  ASSERT_TRUE(cluster.Read(2, 7));
  cluster.Run(Milliseconds(900));
  EXPECT_TRUE(cluster.refused(2).empty());
  cluster.Run(Milliseconds(200));
  EXPECT_EQ(cluster.refused(2), std::vector<RequestId>{{7}});
  cluster.Drop(nullptr);
  cluster.Isolate(2);
  ASSERT_TRUE(cluster.Read(2, 8));
  cluster.Run(Seconds(2));
  EXPECT_EQ(cluster.refused(2), (std::vector<RequestId>{{7}, {8}}));
  EXPECT_FALSE(cluster.Read(2, 9)) << "it knows no leader";
  cluster.Heal();
  cluster.Run(Seconds(3));
  ASSERT_TRUE(cluster.Read(2, 10));
  cluster.Run(Milliseconds(100));
  EXPECT_EQ(cluster.ready(2).size(), 1u);
}

// raft-rs: advance_commit_index_by_read_index_response. The index is of the leader's log; the
// follower's own may hold something else there.
TEST(ReadScenario, AReadIndexDoesNotMoveTheFollowersCommitIndex) {
  RaftCluster cluster(3);
  cluster.SetLog(2, {1, 1, 1, 1, 1, 1}, 1);
  cluster.Isolate(2);
  cluster.Elect(1);
  for (int i = 0; i < 5; ++i) {
    cluster.Propose(1, std::to_string(i));
  }
  cluster.Deliver();
  cluster.Heal();
  cluster.Drop([](const Message& m) { return CarriesEntries(m) && m.to == NodeId{2}; });
  cluster.Run(Milliseconds(200));
  ASSERT_EQ(cluster.node(2).leader(), NodeId{1});
  ASSERT_TRUE(cluster.Read(2, 7));
  cluster.Deliver();
  ASSERT_EQ(cluster.ready(2).size(), 1u);
  EXPECT_GE(cluster.ready(2).front().read_index, Index{6});
  EXPECT_EQ(cluster.node(2).commit_index(), Index());
}

}  // namespace
}  // namespace lockstep::raft
