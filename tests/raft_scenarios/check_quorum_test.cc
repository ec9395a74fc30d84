// Leaders that are no longer heard, and those who still hear one.

#include <gtest/gtest.h>

#include "tests/raft_scenarios/messages.h"

namespace lockstep::raft {
namespace {

// etcd: LeaderSupersedingWithCheckQuorum, LeaderElectionWithCheckQuorum.
TEST(CheckQuorumScenario, ACandidateIsListenedToOnceTheLeaderWasSilentForAnElectionTimeout) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  const Term later = cluster.node(1).current_term().Next();
  const RequestVote request{.pre_vote = true, .last_log = cluster.node(3).log().last()};
  cluster.Receive(From(3, 2, later, request));
  EXPECT_TRUE(Sent<RequestVoteReply>(cluster, 2, 3).empty()) << "it hears from server 1";
  cluster.Isolate(1);
  cluster.Run(Milliseconds(990));
  cluster.Receive(From(3, 2, later, request));
  EXPECT_TRUE(Sent<RequestVoteReply>(cluster, 2, 3).empty()) << "not for long enough";
  cluster.node(2).Advance(cluster.now());
  cluster.Run(Milliseconds(10));
  cluster.Receive(From(3, 2, later, request));
  ASSERT_FALSE(Sent<RequestVoteReply>(cluster, 2, 3).empty());
  EXPECT_TRUE(Sent<RequestVoteReply>(cluster, 2, 3).back().granted);
}

// etcd: LeaderStepdownWhenQuorumActive. Answers from one at a time are enough if each is recent.
TEST(CheckQuorumScenario, AMajorityMayConsistOfOthersEachTime) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  for (int i = 0; i < 20; ++i) {
    cluster.Heal();
    cluster.Isolate(i % 2 == 0 ? 2 : 3);
    cluster.Run(Milliseconds(700));
    ASSERT_EQ(cluster.node(1).role(), Role::kLeader) << i;
  }
}

// Learners have no voice in whether the leader still leads. etcd: NonPromotableVoter, AddNode.
TEST(CheckQuorumScenario, LearnersAnswersDoNotKeepALeader) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  AddLearners(cluster, 1, 5);  // with them the leader would be three of five
  ASSERT_EQ(cluster.node(5).leader(), NodeId{1});
  cluster.Isolate(2);
  cluster.Isolate(3);
  cluster.Run(Milliseconds(1100));
  EXPECT_NE(cluster.node(1).role(), Role::kLeader);
}

// ScyllaDB: leader_stepdown in a joint configuration. Of the voters that are left only the leader
// can be heard.
TEST(CheckQuorumScenario, ALeaderInAJointConfigurationNeedsAMajorityOfEitherHalf) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.Run(Milliseconds(300));
  cluster.Drop(CarriesEntries);  // so that the change does not end
  ASSERT_EQ(cluster.Change(1, {.standings = {{{2}, Standing::kNone}, {{3}, Standing::kNone}}}), "");
  cluster.Run(Seconds(3));
  ASSERT_EQ(cluster.node(1).role(), Role::kLeader) << "all are heard";
  cluster.Isolate(2);
  cluster.Isolate(3);
  cluster.Run(Milliseconds(1100));
  EXPECT_NE(cluster.node(1).role(), Role::kLeader) << "alone it is a majority of the new half only";
}

}  // namespace
}  // namespace lockstep::raft
