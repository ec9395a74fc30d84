// Who is elected, who is not, and what becomes of those who lose. Beside each story stands whose
// scenario it tells.

#include <gtest/gtest.h>

#include "tests/raft_scenarios/messages.h"

namespace lockstep::raft {
namespace {

// etcd: LeaderCycle.
TEST(ElectionScenario, EveryServerLeadsInTurn) {
  RaftCluster cluster(3);
  Term term;
  for (const std::uint64_t id : {1, 2, 3, 1}) {
    cluster.Elect(id);
    EXPECT_EQ(cluster.Leader(), id);
    EXPECT_GT(cluster.node(id).current_term(), term);
    term = cluster.node(id).current_term();
    for (const std::uint64_t other : {1, 2, 3}) {
      EXPECT_EQ(cluster.node(other).leader(), NodeId{id});
    }
  }
}

// etcd: LeaderElection.
TEST(ElectionScenario, AMajorityThatIsUpElectsAndAMinorityDoesNot) {
  struct Case {
    std::uint64_t size;
    std::vector<std::uint64_t> down;
    bool elects;
  };
  const Case kCases[] = {{3, {3}, true}, {3, {2, 3}, false}, {4, {3, 4}, false},
                         {4, {4}, true}, {5, {4, 5}, true},  {5, {3, 4, 5}, false}};
  for (const Case& c : kCases) {
    RaftCluster cluster(c.size);
    for (const std::uint64_t id : c.down) {
      cluster.Stop(id);
    }
    cluster.Campaign(1);
    cluster.Deliver();
    EXPECT_EQ(cluster.Leader(), c.elects ? 1u : 0u) << c.size << " servers";
    EXPECT_EQ(cluster.node(1).current_term(), c.elects ? Term{1} : Term{0});
  }
}

// etcd: LeaderElectionOverwriteNewerLogs. Server 3 led alone in term 2; a majority has its votes of
// that term, and not its entry.
TEST(ElectionScenario, AnEntryOfALaterTermThatNoMajorityHasIsOverwritten) {
  RaftCluster cluster(5);
  cluster.SetLog(1, {1}, 1);
  cluster.SetLog(2, {1}, 1);
  cluster.SetLog(3, {2}, 2);
  cluster.SetLog(4, {}, 2);
  cluster.SetLog(5, {}, 2);
  cluster.Campaign(1);
  cluster.Deliver();
  EXPECT_EQ(cluster.Leader(), 0u) << "it learns of term 2 first";
  cluster.Elect(1);
  EXPECT_EQ(cluster.node(1).current_term(), Term{3});
  for (const std::uint64_t id : {1, 2, 3, 4, 5}) {
    EXPECT_EQ(Terms(cluster.node(id).log()), (std::vector<std::uint64_t>{1, 3}));
  }
}

// etcd: DuelingCandidates, DuelingPreCandidates.
TEST(ElectionScenario, WhoCannotReachTheLeaderDoesNotDisturbItThroughOthers) {
  RaftCluster cluster(3);
  cluster.Drop([](const Message& m) { return m.from.value + m.to.value == 4; });  // 1 and 3
  cluster.Elect(1);
  const Term term = cluster.node(1).current_term();
  cluster.Run(Seconds(20));
  EXPECT_EQ(cluster.Leader(), 1u);
  EXPECT_EQ(cluster.node(3).role(), Role::kPreCandidate);
  cluster.Drop(nullptr);
  cluster.Run(Seconds(2));
  EXPECT_EQ(cluster.node(3).leader(), NodeId{1});
  EXPECT_EQ(cluster.node(1).current_term(), term);
}

// etcd: PreVoteWithSplitVote. CCF: pre_vote_split, pre_vote_double_leader.
TEST(ElectionScenario, TwoWithAMajorityOfPreVotesSplitTheVotesAndALaterTermDecides) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.Run(Milliseconds(200));
  cluster.Stop(1);
  cluster.Campaign(2);
  cluster.node(3).Advance(cluster.now());
  cluster.Collect(3);
  cluster.Deliver();
  const Term split = cluster.node(2).current_term();
  EXPECT_EQ(cluster.node(2).role(), Role::kCandidate);
  EXPECT_EQ(cluster.node(3).role(), Role::kCandidate);
  EXPECT_EQ(cluster.node(3).current_term(), split);
  EXPECT_EQ(cluster.node(2).voted_for(), NodeId{2});
  EXPECT_EQ(cluster.node(3).voted_for(), NodeId{3});
  cluster.Run(Seconds(20));
  ASSERT_NE(cluster.Leader(), 0u);
  EXPECT_GT(cluster.node(cluster.Leader()).current_term(), split);
}

// etcd: CandidateConcede, CandidateFallback, CandidateResetTerm.
TEST(ElectionScenario, ACandidateThatHearsALeaderOfItsTermOrALaterOneFollowsIt) {
  for (const std::uint64_t ahead : {0, 3}) {
    RaftCluster cluster(3);
    cluster.Drop(IsVote);
    cluster.Campaign(1);
    cluster.Deliver();
    ASSERT_EQ(cluster.node(1).role(), Role::kCandidate);
    const Term term = {cluster.node(1).current_term().value + ahead};
    cluster.Receive(From(3, 1, term, AppendEntries{}));
    EXPECT_EQ(cluster.node(1).role(), Role::kFollower);
    EXPECT_EQ(cluster.node(1).leader(), NodeId{3});
    EXPECT_EQ(cluster.node(1).current_term(), term);
    EXPECT_EQ(cluster.node(1).voted_for(), ahead == 0 ? NodeId{1} : NodeId{}) << "its vote stays";
  }
}

// etcd: AllServerStepdown, UpdateTermFromMessage.
TEST(ElectionScenario, WhoAsksForVotesAndLearnsOfALaterTermStops) {
  for (const bool pre_vote : {true, false}) {
    RaftCluster cluster(3);
    cluster.Drop([&](const Message& m) { return pre_vote ? Is<RequestVoteReply>(m) : IsVote(m); });
    cluster.Campaign(1);
    cluster.Deliver();
    ASSERT_EQ(cluster.node(1).role(), pre_vote ? Role::kPreCandidate : Role::kCandidate);
    cluster.Receive(From(2, 1, {7}, RequestVoteReply{.pre_vote = pre_vote, .granted = false}));
    EXPECT_EQ(cluster.node(1).role(), Role::kFollower);
    EXPECT_EQ(cluster.node(1).current_term(), Term{7});
    EXPECT_EQ(cluster.disk(1).hard_state, (HardState{{7}, {}}));
  }
}

// etcd: VoteFromAnyState. ScyllaDB: votes.
TEST(ElectionScenario, WhateverAServerWasItVotesInALaterTerm) {
  for (const Role role : {Role::kFollower, Role::kPreCandidate, Role::kCandidate}) {
    RaftCluster cluster(3);
    if (role != Role::kFollower) {
      cluster.Drop([&](const Message& m) {
        return role == Role::kPreCandidate ? Is<RequestVoteReply>(m) : IsVote(m);
      });
      cluster.Campaign(1);
      cluster.Deliver();
    }
    ASSERT_EQ(cluster.node(1).role(), role);
    cluster.Receive(From(2, 1, {9}, RequestVote{.pre_vote = false, .last_log = {}}));
    EXPECT_EQ(cluster.node(1).role(), Role::kFollower);
    EXPECT_EQ(cluster.disk(1).hard_state, (HardState{{9}, {2}}));
    EXPECT_TRUE(Sent<RequestVoteReply>(cluster, 1, 2).back().granted);
  }
}

// etcd: PreVoteFromAnyState.
TEST(ElectionScenario, AGrantedPreVoteChangesNothingInWhoeverGrantsIt) {
  for (const Role role : {Role::kFollower, Role::kPreCandidate, Role::kCandidate}) {
    RaftCluster cluster(3);
    if (role != Role::kFollower) {
      cluster.Drop([&](const Message& m) {
        return role == Role::kPreCandidate ? Is<RequestVoteReply>(m) : IsVote(m);
      });
      cluster.Campaign(1);
      cluster.Deliver();
    }
    const HardState before = cluster.disk(1).hard_state;
    cluster.Receive(From(2, 1, {9}, RequestVote{.pre_vote = true, .last_log = {}}));
    EXPECT_TRUE(Sent<RequestVoteReply>(cluster, 1, 2).back().granted);
    EXPECT_EQ(cluster.node(1).role(), role);
    EXPECT_EQ(cluster.disk(1).hard_state, before);
  }
}

// CCF: delayed_vote_requests. cowsql: PreVoteNoStaleVotes. hashicorp: SlowSendVote, SlowRecvVote.
TEST(ElectionScenario, AVoteOfAnEarlierElectionIsNotCounted) {
  RaftCluster cluster(3);
  cluster.Drop(IsVote);
  cluster.Campaign(1);
  cluster.Deliver();
  const Term first = cluster.node(1).current_term();
  cluster.Campaign(1);
  cluster.Deliver();
  ASSERT_EQ(cluster.node(1).current_term(), first.Next());
  ASSERT_EQ(cluster.node(1).role(), Role::kCandidate);
  const RequestVoteReply vote{.pre_vote = false, .granted = true};
  cluster.Receive(From(2, 1, first, vote));
  EXPECT_EQ(cluster.node(1).role(), Role::kCandidate);
  cluster.Receive(From(2, 1, first.Next(), vote));
  EXPECT_EQ(cluster.node(1).role(), Role::kLeader);
}

// cowsql: PreVoteNoStaleVotes; raft-rs: prevote with split vote.
TEST(ElectionScenario, APreVoteIsNoVoteAndAVoteIsNoPreVote) {
  RaftCluster cluster(3);
  cluster.Drop(Is<RequestVoteReply>);
  cluster.Campaign(1);
  cluster.Deliver();
  ASSERT_EQ(cluster.node(1).role(), Role::kPreCandidate);
  cluster.Receive(From(2, 1, {0}, RequestVoteReply{.pre_vote = false, .granted = true}));
  EXPECT_EQ(cluster.node(1).role(), Role::kPreCandidate);
  cluster.Receive(From(2, 1, {1}, RequestVoteReply{.pre_vote = true, .granted = true}));
  ASSERT_EQ(cluster.node(1).role(), Role::kCandidate);
  cluster.Receive(From(3, 1, {1}, RequestVoteReply{.pre_vote = true, .granted = true}));
  EXPECT_EQ(cluster.node(1).role(), Role::kCandidate);
}

// CCF: former_candidate_double_vote.
TEST(ElectionScenario, AFormerCandidateGivesItsVoteOfThatTermToNobodyElse) {
  RaftCluster cluster(3);
  cluster.Drop(IsVote);
  cluster.Campaign(1);
  cluster.Deliver();
  const Term term = cluster.node(1).current_term();
  cluster.Restart(1);
  ASSERT_EQ(cluster.node(1).role(), Role::kFollower);
  cluster.Receive(From(2, 1, term, RequestVote{.pre_vote = false, .last_log = {{9}, term}}));
  EXPECT_FALSE(Sent<RequestVoteReply>(cluster, 1, 2).back().granted);
  EXPECT_EQ(cluster.node(1).voted_for(), NodeId{1});
}

// etcd: CandidateSelfVoteAfterLostElection.
TEST(ElectionScenario, AnOwnVoteThatIsStoredAfterTheElectionWasLostElectsNobody) {
  RaftCluster cluster(3);
  cluster.PersistAtOnce(1, false);
  cluster.Campaign(1);
  cluster.Deliver();
  ASSERT_EQ(cluster.node(1).role(), Role::kCandidate);
  const Term term = cluster.node(1).current_term();
  cluster.Receive(From(2, 1, term, RequestVoteReply{.pre_vote = false, .granted = true}));
  EXPECT_EQ(cluster.node(1).role(), Role::kCandidate) << "its own vote is not stored yet";
  cluster.Receive(From(3, 1, term, AppendEntries{}));
  cluster.Persist(1);
  EXPECT_EQ(cluster.node(1).role(), Role::kFollower);
  EXPECT_EQ(cluster.node(1).leader(), NodeId{3});
}

// etcd: NodeWithSmallerTermCanCompleteElection.
TEST(ElectionScenario, AServerWithAnEarlierTermAndAFullLogIsElectedOnceItKnowsTheTerm) {
  RaftCluster cluster(3);
  cluster.SetLog(1, {1, 1}, 1);
  cluster.SetLog(2, {1, 1}, 6);
  cluster.SetLog(3, {1}, 6);
  cluster.Isolate(3);
  cluster.Campaign(1);
  cluster.Deliver();
  EXPECT_EQ(cluster.node(1).current_term(), Term{6});
  EXPECT_EQ(cluster.Leader(), 0u);
  cluster.Elect(1);
  EXPECT_EQ(cluster.node(1).current_term(), Term{7});
}

// etcd: FreeStuckCandidateWithCheckQuorum, DisruptiveFollower, PreVoteMigrationWithFreeStuck.
TEST(ElectionScenario, AServerInALaterTermThanTheLeadersIsTakenInThroughAnElection) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.Run(Milliseconds(300));
  cluster.SetLog(3, {}, 9);
  cluster.Run(Seconds(10));
  const std::uint64_t leader = cluster.Leader();
  ASSERT_NE(leader, 0u);
  EXPECT_NE(leader, 3u) << "its log is empty";
  EXPECT_GE(cluster.node(leader).current_term(), Term{10});
  EXPECT_EQ(cluster.node(3).leader(), NodeId{leader});
  EXPECT_EQ(cluster.node(3).log().last(), cluster.node(leader).log().last());
}

// etcd: CampaignWhileLeader, PreCampaignWhileLeader.
TEST(ElectionScenario, ALeaderDoesNotCampaignWhateverItIsTold) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  const Term term = cluster.node(1).current_term();
  cluster.Receive(From(2, 1, term, TimeoutNow{}));
  cluster.Receive(From(2, 1, term, RequestVote{.pre_vote = false, .last_log = {{99}, term}}));
  EXPECT_EQ(cluster.node(1).role(), Role::kLeader);
  EXPECT_EQ(cluster.node(1).current_term(), term);
  EXPECT_FALSE(Sent<RequestVoteReply>(cluster, 1, 2).back().granted);
}

// CCF: candidate_viability. etcd: LogReplication after DuelingPreCandidates.
TEST(ElectionScenario, AServerThatLacksWhatIsCommittedIsNeverElected) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.Isolate(3);
  const LogPosition kept = *cluster.Propose(1, "kept");
  cluster.Deliver();
  ASSERT_EQ(cluster.node(1).commit_index(), kept.index);
  cluster.Stop(1);
  cluster.Heal();
  for (int tries = 0; tries < 5; ++tries) {
    cluster.Campaign(3);
    cluster.Deliver();
    EXPECT_EQ(cluster.Leader(), 0u);
  }
  cluster.Elect(2);
  cluster.Run(Milliseconds(300));
  EXPECT_EQ(cluster.node(3).log().At(kept.index).payload.view(), "kept");
}

// ScyllaDB: candidate_outside_configuration. The entry that adds the candidate is not here yet; and
// without this vote it might never come (§4.1).
TEST(ElectionScenario, ACandidateThatIsNotKnownHereYetGetsAVote) {
  RaftCluster cluster(3);
  cluster.Receive(From(4, 1, {2}, RequestVote{.pre_vote = false, .last_log = {{5}, {1}}}));
  EXPECT_TRUE(Sent<RequestVoteReply>(cluster, 1, 4).back().granted);
  EXPECT_EQ(cluster.disk(1).hard_state, (HardState{{2}, {4}}));
}

// ScyllaDB: single_node_is_quiet.
TEST(ElectionScenario, ALoneServerLeadsWithoutAWord) {
  RaftCluster cluster(1);
  cluster.Run(Seconds(5));
  ASSERT_EQ(cluster.Leader(), 1u);
  const LogPosition proposed = *cluster.Propose(1, "x");
  EXPECT_EQ(cluster.node(1).commit_index(), proposed.index);
  EXPECT_TRUE(cluster.sent().empty());
}

}  // namespace
}  // namespace lockstep::raft
