// Members without a vote.

#include <gtest/gtest.h>

#include "tests/raft_scenarios/messages.h"

namespace lockstep::raft {
namespace {

class LearnerScenario : public testing::Test {
 protected:
  LearnerScenario() {
    cluster_.Elect(1);
    cluster_.Run(Milliseconds(300));
    cluster_.AddServer(4, {9});
    EXPECT_EQ(cluster_.Change(1, {.add = NewMember{.incarnation = {9}, .promote = false}}), "");
    cluster_.Run(Seconds(1));
    EXPECT_EQ(MembersOf(4), "voters 1 2 3, learner 4");
  }
  std::string MembersOf(std::uint64_t id) {
    return ToText(cluster_.node(id).membership().membership);
  }

  RaftCluster cluster_{3};
};

// etcd: LearnerLogReplication.
TEST_F(LearnerScenario, ItGetsTheLogAndDoesNotCountForItsCommit) {
  AddLearners(cluster_, 1, 5);  // two, with whom the leader would be three of five
  cluster_.Isolate(2);
  cluster_.Isolate(3);
  const Index index = cluster_.Propose(1, "x")->index;
  cluster_.Run(Milliseconds(200));
  ASSERT_EQ(cluster_.node(1).role(), Role::kLeader);
  EXPECT_EQ(cluster_.node(1).progress({4})->match_index(), index);
  EXPECT_LT(cluster_.node(1).commit_index(), index);
  cluster_.Heal();
  cluster_.Run(Milliseconds(700));
  EXPECT_EQ(cluster_.node(4).commit_index(), index);
}

// etcd: LearnerElectionTimeout, LearnerCampaign. ScyllaDB: non_voter_election_timeout.
TEST_F(LearnerScenario, ItNeverAsksForVotes) {
  const Term term = cluster_.node(4).current_term();
  cluster_.Isolate(4);
  cluster_.Run(Seconds(20));
  EXPECT_EQ(cluster_.node(4).role(), Role::kFollower);
  EXPECT_EQ(cluster_.node(4).current_term(), term);
  for (const std::uint64_t to : {1, 2, 3}) {
    EXPECT_TRUE(Sent<RequestVote>(cluster_, 4, to).empty());
  }
}

// etcd: LearnerPromotion.
TEST_F(LearnerScenario, OnceItIsPromotedItsVoteCountsAndItMayLead) {
  ASSERT_EQ(cluster_.Change(1, {.standings = {{{4}, Standing::kVoter}}}), "");
  cluster_.Run(Milliseconds(500));
  EXPECT_EQ(MembersOf(4), "voters 1 2 3 4");
  cluster_.Stop(3);
  ASSERT_EQ(cluster_.Transfer(1, 4), "");
  cluster_.Run(Milliseconds(200));
  ASSERT_EQ(cluster_.Leader(), 4u);
  const Index index = cluster_.Propose(4, "x")->index;
  cluster_.Stop(1);
  cluster_.Run(Milliseconds(300));
  EXPECT_LT(cluster_.node(4).commit_index(), index) << "three of four are needed now";
}

// etcd: LearnerCanVote, campaign_learner_must_vote. ScyllaDB: non_voter_can_vote. It does not know
// yet that it was promoted, and the candidate needs its vote.
TEST_F(LearnerScenario, WhoDoesNotKnowYetThatItWasPromotedVotes) {
  cluster_.Drop([](const Message& m) { return m.to == NodeId{4} && CarriesEntries(m); });
  ASSERT_EQ(cluster_.Change(1, {.standings = {{{4}, Standing::kVoter}}}), "");
  cluster_.Run(Milliseconds(300));
  ASSERT_EQ(MembersOf(2), "voters 1 2 3 4");
  ASSERT_EQ(MembersOf(4), "voters 1 2 3, learner 4");
  cluster_.Stop(1);
  cluster_.Campaign(2);
  cluster_.Deliver();
  EXPECT_EQ(cluster_.Leader(), 2u);
  EXPECT_EQ(cluster_.disk(4).hard_state.voted_for, NodeId{2});
  cluster_.Stop(3);
  cluster_.Campaign(2);  // to lead without 3 is impossible: 2 and 4 are two of four
  cluster_.Run(Milliseconds(100));
  EXPECT_NE(cluster_.Leader(), 2u);
}

// ScyllaDB: leader_change_to_non_voter. etcd: confchange_v2 leader stepdown.
TEST_F(LearnerScenario, ALeaderThatIsMadeOneHandsOverAndStaysAMember) {
  ASSERT_EQ(cluster_.Change(1, {.standings = {{{1}, Standing::kLearner}}}), "");
  cluster_.Run(Milliseconds(500));
  EXPECT_NE(cluster_.Leader(), 0u);
  EXPECT_NE(cluster_.Leader(), 1u);
  EXPECT_FALSE(cluster_.node(1).expelled());
  EXPECT_EQ(MembersOf(1), "voters 2 3, learners 1 4");
  const Index index = cluster_.Propose(cluster_.Leader(), "x")->index;
  cluster_.Run(Milliseconds(200));
  EXPECT_EQ(cluster_.node(1).commit_index(), index) << "the log still comes";
}

// ScyllaDB: non_voter_voter_loop, rpc_voter_non_voter_transition.
TEST_F(LearnerScenario, AMemberIsPromotedAndDemotedAgainAndAgain) {
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(cluster_.Change(1, {.standings = {{{4}, Standing::kVoter}}}), "") << i;
    cluster_.Run(Milliseconds(400));
    EXPECT_EQ(MembersOf(4), "voters 1 2 3 4");
    ASSERT_EQ(cluster_.Change(1, {.standings = {{{4}, Standing::kLearner}}}), "") << i;
    cluster_.Run(Milliseconds(600));
    EXPECT_EQ(MembersOf(4), "voters 1 2 3, learner 4");
  }
  EXPECT_EQ(cluster_.Leader(), 1u);
}

// ScyllaDB: non_voter_stays_pipeline. What the leader knows of a member survives its promotion.
TEST_F(LearnerScenario, WhatTheLeaderKnowsOfItIsKeptWhenItIsPromoted) {
  const Index match = cluster_.node(1).progress({4})->match_index();
  ASSERT_EQ(cluster_.node(1).progress({4})->state(), Progress::State::kReplicate);
  ASSERT_EQ(cluster_.Change(1, {.standings = {{{4}, Standing::kVoter}}}), "");
  EXPECT_EQ(cluster_.node(1).progress({4})->state(), Progress::State::kReplicate);
  EXPECT_EQ(cluster_.node(1).progress({4})->match_index(), match);
}

// etcd: RemoveLearner.
TEST_F(LearnerScenario, ItIsRemovedInOneStepAndLearnsIt) {
  ASSERT_EQ(cluster_.Change(1, {.standings = {{{4}, Standing::kNone}}}), "");
  EXPECT_EQ(MembersOf(1), "voters 1 2 3") << "not joint: no vote changes";
  cluster_.Run(Seconds(5));
  EXPECT_TRUE(cluster_.node(4).expelled());
}

}  // namespace
}  // namespace lockstep::raft
