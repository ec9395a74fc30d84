// Leadership that is handed over, or was meant to be.

#include <gtest/gtest.h>

#include "tests/raft_scenarios/messages.h"

namespace lockstep::raft {
namespace {

class TransferScenario : public testing::Test {
 protected:
  TransferScenario() {
    cluster_.Elect(1);
    cluster_.Run(Milliseconds(300));
  }

  RaftCluster cluster_{3};
};

// etcd: LeaderTransferBack, ToUpToDateNode.
TEST_F(TransferScenario, LeadershipGoesThereAndBack) {
  const Instant before = cluster_.now();
  ASSERT_EQ(cluster_.Transfer(1, 3), "");
  cluster_.Deliver();
  ASSERT_EQ(cluster_.Leader(), 3u);
  cluster_.Run(Milliseconds(200));
  ASSERT_EQ(cluster_.Transfer(3, 1), "");
  cluster_.Deliver();
  EXPECT_EQ(cluster_.Leader(), 1u);
  EXPECT_LT(cluster_.now() - before, Milliseconds(500));
  EXPECT_NE(cluster_.Propose(1, "x"), std::nullopt);
}

// etcd: LeaderTransferToSlowFollower.
TEST_F(TransferScenario, ATargetThatIsBehindGetsWhatItLacksBeforeItIsAsked) {
  cluster_.Isolate(3);
  for (int i = 0; i < 5; ++i) {
    cluster_.Propose(1, std::to_string(i));
  }
  cluster_.Run(Milliseconds(300));
  cluster_.Heal();
  const std::size_t since = cluster_.sent().size();
  ASSERT_EQ(cluster_.Transfer(1, 3), "");
  EXPECT_TRUE(Sent<TimeoutNow>(cluster_, 1, 3, since).empty());
  const LogPosition last = cluster_.node(1).log().last();
  cluster_.Run(Milliseconds(900));
  EXPECT_EQ(cluster_.Leader(), 3u);
  EXPECT_TRUE(cluster_.node(3).log().Holds(last));
}

// etcd: LeaderTransferTimeout. ScyllaDB: leader_transfer_lost_timeout_now,
// leader_transferee_dies_upon_receiving_timeout_now.
TEST_F(TransferScenario, ARequestToCampaignThatIsLostLeavesTheLeaderInItsPlace) {
  for (const bool dies : {false, true}) {
    const Term term = cluster_.node(1).current_term();
    if (dies) {
      cluster_.Stop(3);
    } else {
      cluster_.Drop(Is<TimeoutNow>);
    }
    ASSERT_EQ(cluster_.Transfer(1, 3), "");
    ASSERT_FALSE(Sent<TimeoutNow>(cluster_, 1, 3).empty());
    EXPECT_EQ(cluster_.Propose(1, "x"), std::nullopt);
    cluster_.Run(Milliseconds(1100));
    EXPECT_EQ(cluster_.Leader(), 1u);
    EXPECT_EQ(cluster_.node(1).current_term(), term);
    EXPECT_NE(cluster_.Propose(1, "x"), std::nullopt);
    ASSERT_FALSE(cluster_.transfers(1).empty());
    EXPECT_FALSE(cluster_.transfers(1).back().moved);
    EXPECT_TRUE(cluster_.transfers(1).back().asked);
    cluster_.Run(Milliseconds(300));
  }
}

// ScyllaDB: leader_transfer_lost_force_vote_request. The one that was asked campaigns in a later
// term and nobody hears it; the cluster finds a leader all the same.
TEST_F(TransferScenario, ATargetWhoseRequestsForVotesAreLostIsFollowedByAnotherElection) {
  cluster_.Drop([](const Message& m) { return m.from == NodeId{3} && Is<RequestVote>(m); });
  ASSERT_EQ(cluster_.Transfer(1, 3), "");
  cluster_.Deliver();
  EXPECT_EQ(cluster_.node(3).role(), Role::kCandidate);
  cluster_.Drop(nullptr);
  cluster_.Run(Seconds(10));
  ASSERT_NE(cluster_.Leader(), 0u);
  const std::uint64_t leader = cluster_.Leader();
  const Index index = cluster_.Propose(leader, "x")->index;
  cluster_.Run(Milliseconds(200));
  for (const std::uint64_t id : {1, 2, 3}) {
    EXPECT_EQ(cluster_.node(id).commit_index(), index);
  }
}

// etcd: LeaderTransferWithCheckQuorum. Others who hear from the leader vote all the same, since the
// leader wants it.
TEST_F(TransferScenario, OthersVoteThoughTheyHearFromTheLeader) {
  cluster_.Isolate(1);  // after it has asked
  cluster_.Receive(From(1, 3, cluster_.node(1).current_term(), TimeoutNow{}));
  cluster_.Deliver();
  EXPECT_EQ(cluster_.node(3).role(), Role::kLeader) << "by the vote of server 2";
}

// etcd: LeaderTransferReceiveHigherTermVote.
TEST_F(TransferScenario, ALaterTermEndsIt) {
  cluster_.Drop(Is<TimeoutNow>);
  ASSERT_EQ(cluster_.Transfer(1, 3), "");
  cluster_.Receive(From(2, 1, cluster_.node(1).current_term().Next(),
                        RequestVote{.last_log = cluster_.node(1).log().last(), .transfer = true}));
  EXPECT_EQ(cluster_.node(1).role(), Role::kFollower);
  ASSERT_EQ(cluster_.transfers(1).size(), 1u);
  EXPECT_TRUE(cluster_.transfers(1).back().moved);
  EXPECT_EQ(cluster_.node(1).voted_for(), NodeId{2});
}

// etcd: LeaderTransferSecondTransferToAnotherNode, ToSameNode. cowsql: Twice.
TEST_F(TransferScenario, ASecondOneIsRefusedWhileTheFirstIsUnderWay) {
  cluster_.Drop(Is<TimeoutNow>);
  ASSERT_EQ(cluster_.Transfer(1, 3), "");
  EXPECT_EQ(cluster_.Transfer(1, 2), "leadership is being handed to node 3");
  EXPECT_EQ(cluster_.Transfer(1, 3), "leadership is being handed to node 3");
  cluster_.Run(Milliseconds(1100));
  cluster_.Drop(nullptr);
  EXPECT_EQ(cluster_.Transfer(1, 2), "") << "when it has ended";
}

// etcd: LeaderTransferRemoveNode, DemoteNode.
TEST_F(TransferScenario, TheTargetIsNotRemovedOrDemotedMeanwhile) {
  cluster_.Drop(Is<TimeoutNow>);
  ASSERT_EQ(cluster_.Transfer(1, 3), "");
  for (const Standing standing : {Standing::kNone, Standing::kLearner}) {
    EXPECT_EQ(cluster_.Change(1, {.standings = {{{3}, standing}}}),
              "leadership is being handed over");
  }
}

// etcd: TransferNonMember, LearnerCampaign. ScyllaDB: non_voter_gets_timeout_now.
TEST_F(TransferScenario, WhoHasNoVoteDoesNotCampaignThoughItIsAsked) {
  cluster_.AddServer(4, {9});
  cluster_.Receive(From(1, 4, cluster_.node(1).current_term(), AppendEntries{}));
  cluster_.Receive(From(1, 4, cluster_.node(1).current_term(), TimeoutNow{}));
  EXPECT_EQ(cluster_.node(4).role(), Role::kFollower) << "no member yet";
  ASSERT_EQ(cluster_.Change(1, {.add = NewMember{.incarnation = {9}, .promote = false}}), "");
  cluster_.Run(Milliseconds(300));
  EXPECT_EQ(cluster_.Transfer(1, 4), "node 4 is not a voter");
  cluster_.Receive(From(1, 4, cluster_.node(1).current_term(), TimeoutNow{}));
  EXPECT_EQ(cluster_.node(4).role(), Role::kFollower) << "a learner";
}

// A request to campaign that was under way for long: the term it was sent in is over.
TEST_F(TransferScenario, ARequestToCampaignOfAnEarlierTermIsTooLate) {
  const Term old = cluster_.node(1).current_term();
  cluster_.Elect(2);
  cluster_.Receive(From(1, 3, old, TimeoutNow{}));
  EXPECT_EQ(cluster_.node(3).role(), Role::kFollower);
  cluster_.Receive(From(1, 3, cluster_.node(2).current_term(), TimeoutNow{}));
  EXPECT_EQ(cluster_.node(3).role(), Role::kFollower) << "server 1 does not lead this term";
}

// cowsql: AutoSelect.
TEST_F(TransferScenario, WithoutATargetTheOneWithTheMostGetsIt) {
  cluster_.Isolate(2);
  cluster_.Propose(1, "x");
  cluster_.Run(Milliseconds(300));
  cluster_.Heal();
  ASSERT_EQ(cluster_.Transfer(1, 0), "");
  cluster_.Deliver();
  EXPECT_EQ(cluster_.Leader(), 3u);
}

// etcd: LeaderTransferAfterSnapshot.
TEST(TransferSnapshotScenario, ATargetThatNeedsASnapshotGetsItFirst) {
  RaftCluster cluster(3, [](Config& config) { config.entries_retained = 0; });
  cluster.Elect(1);
  cluster.Isolate(3);
  cluster.Propose(1, "x");
  cluster.Run(Milliseconds(500));
  cluster.Checkpoint(1);
  cluster.Heal();
  cluster.Run(Milliseconds(600));
  ASSERT_EQ(cluster.snapshots_wanted(1), std::vector<NodeId>{{3}});
  ASSERT_EQ(cluster.Transfer(1, 3), "");
  cluster.SendSnapshot(1, 3);
  cluster.Deliver();
  EXPECT_TRUE(Sent<TimeoutNow>(cluster, 1, 3).empty());
  cluster.InstallSnapshot(3);
  cluster.Deliver();
  EXPECT_EQ(cluster.Leader(), 3u);
}

}  // namespace
}  // namespace lockstep::raft
