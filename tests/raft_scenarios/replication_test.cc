// Logs that come to agree: what is refused, what is overwritten, what is committed.

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/raft_scenarios/messages.h"

namespace lockstep::raft {
namespace {

using TermList = std::vector<std::uint64_t>;

// etcd: FastLogRejection. CCF: suffix_collision, matching_partial, long_divergence_sync. However
// long the logs, few messages find where they part.
TEST(ReplicationScenario, ARefusalSkipsWholeTermsOnBothSides) {
  struct Case {
    TermList leader;
    TermList follower;
    std::size_t refusals;
    const char* what;
  };
  const Case kCases[] = {
      {{1, 3, 3, 3, 5, 5, 5, 5, 5}, {1, 1, 1, 1, 2, 2}, 1, "the leader skips its terms 3 and 5"},
      {{1, 3, 3, 3, 5, 5, 5, 5, 5}, {1, 3, 3, 3, 3, 3, 3, 6}, 1, "the follower skips its term 6"},
      {{1, 1, 1, 1, 1, 1, 1, 1, 1}, {1, 1}, 1, "the follower's log is short"},
      {{1, 1, 1, 5, 5, 5}, {1, 1, 1, 2, 2, 2}, 1, "equally long, another last term"},
      {{1, 1, 1, 5, 5, 5}, {1, 1, 1, 6, 6, 6, 6, 6}, 1, "the follower's is longer and later"},
      {{1, 2, 2, 4, 4, 6, 6}, {1, 1, 3, 3, 3, 5, 5, 5}, 3, "terms that alternate"},
      {{2, 2, 2, 5}, {1, 1, 1, 1, 1, 1, 1}, 1, "nothing in common"},
      {{1, 2, 4}, {1, 2, 4}, 0, "equal"},
      {{1, 2}, {1, 2, 2, 2, 2}, 0, "only too long"},
  };
  for (const Case& c : kCases) {
    RaftCluster cluster(3);
    cluster.SetLog(1, c.leader, 7);
    cluster.SetLog(2, c.follower, 7);
    cluster.SetLog(3, {}, 7);
    cluster.Elect(1);
    TermList expected = c.leader;
    expected.push_back(8);
    EXPECT_EQ(Terms(cluster.node(2).log()), expected) << c.what;
    const auto replies = Sent<AppendEntriesReply>(cluster, 2, 1);
    EXPECT_EQ(std::count_if(replies.begin(), replies.end(),
                            [](const AppendEntriesReply& reply) { return !reply.success; }),
              c.refusals)
        << c.what;
  }
}

// etcd: OldMessages. An append of a leader that is deposed meanwhile arrives after its successor's.
TEST(ReplicationScenario, AnAppendThatArrivesAfterTheNextLeadersIsTooLate) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.Propose(1, "late");
  const auto late = std::find_if(cluster.network().begin(), cluster.network().end(),
                                 [](auto& m) { return m.to == NodeId{3} && CarriesEntries(m); });
  ASSERT_NE(late, cluster.network().end());
  const Message message = *late;
  cluster.network().clear();
  cluster.Isolate(1);
  cluster.Elect(2);
  const LogPosition last = cluster.node(3).log().last();
  cluster.Receive(message);
  EXPECT_EQ(cluster.node(3).log().last(), last);
  EXPECT_EQ(cluster.node(3).leader(), NodeId{2});
  EXPECT_FALSE(Sent<AppendEntriesReply>(cluster, 3, 1).back().success);
}

// etcd: lagging_commit, HandleHeartbeat. The append that would have told it is lost.
TEST(ReplicationScenario, AFollowerThatMissedACommitHearsOfItWithTheNextHeartbeat) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.Run(Milliseconds(300));
  const Index index = cluster.Propose(1, "x")->index;
  cluster.Deliver();
  ASSERT_EQ(cluster.node(1).commit_index(), index);
  EXPECT_EQ(cluster.node(2).commit_index(), index.Previous());
  cluster.Run(Milliseconds(110));
  EXPECT_EQ(cluster.node(2).commit_index(), index);
}

// etcd: HandleHeartbeat. ScyllaDB: follower_append_entries. A heartbeat that overtakes appends
// commits no more than is known to agree.
TEST(ReplicationScenario, AHeartbeatDoesNotCommitWhatAFollowerMayHoldFromAnother) {
  RaftCluster cluster(3);
  cluster.SetLog(2, {1, 1, 2}, 2);
  cluster.Receive(From(1, 2, {3}, AppendEntries{.previous = {}, .leader_commit = {3}}));
  EXPECT_EQ(cluster.node(2).commit_index(), Index{0});
  cluster.Receive(From(1, 2, {3}, AppendEntries{.previous = {{2}, {1}}, .leader_commit = {3}}));
  EXPECT_EQ(cluster.node(2).commit_index(), Index{2});
}

// etcd: StepIgnoreOldTermMsg, LeaderAppResp. ScyllaDB: reordered_reject. cowsql:
// PipelineStaleRejectedIndex.
TEST(ReplicationScenario, AnOldRefusalSendsTheLeaderBackNoFurtherThanWhatItKnows) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  for (int i = 0; i < 5; ++i) {
    cluster.Propose(1, std::to_string(i));
  }
  cluster.Deliver();
  const Index last = cluster.node(1).log().last_index();
  ASSERT_EQ(cluster.node(1).progress({2})->match_index(), last);
  cluster.Receive(From(2, 1, cluster.node(1).current_term(),
                       AppendEntriesReply{.success = false, .match = {3}, .hint = {}}));
  EXPECT_EQ(cluster.node(1).progress({2})->match_index(), last);
  EXPECT_EQ(cluster.node(1).progress({2})->state(), Progress::State::kReplicate);
  EXPECT_EQ(cluster.node(1).progress({2})->next_index(), last.Next());
}

// A mad or much later server's answer. etcd: LeaderAppResp.
TEST(ReplicationScenario, AnAnswerAboutMoreThanTheLeaderHasCommitsNothing) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.Isolate(2);
  cluster.Isolate(3);
  cluster.Propose(1, "x");
  const Index commit = cluster.node(1).commit_index();
  cluster.Receive(From(2, 1, cluster.node(1).current_term(),
                       AppendEntriesReply{.success = true, .match = {99}, .hint = {}}));
  EXPECT_EQ(cluster.node(1).commit_index(), commit);
}

// etcd: async_storage_writes_append_aba_race. An entry is written, replaced by another leader's,
// and comes back from a third leader: the first write proves nothing of it, since the second one
// follows it on the disk.
TEST(ReplicationScenario, AWriteDoesNotVouchForAnEntryThatWentAndCameBack) {
  RaftCluster cluster(5);
  cluster.PersistAtOnce(1, false);
  const auto append = [&](std::uint64_t from, std::uint64_t term, std::uint64_t of_term) {
    cluster.Receive(
        From(from, 1, {term}, AppendEntries{.previous = {}, .entries = Entries(1, {of_term})}));
  };
  append(2, 2, 1);
  append(3, 3, 2);
  append(2, 4, 1);
  ASSERT_EQ(Terms(cluster.node(1).log()), TermList{1});
  const std::size_t since = cluster.sent().size();
  cluster.node(1).Persisted({1}, cluster.now());
  cluster.Collect(1);
  cluster.node(1).Persisted({2}, cluster.now());
  cluster.Collect(1);
  EXPECT_EQ(cluster.node(1).durable_index(), Index{0});
  EXPECT_TRUE(Sent<AppendEntriesReply>(cluster, 1, 2, since).empty());
  cluster.node(1).Persisted({3}, cluster.now());
  cluster.Collect(1);
  EXPECT_EQ(cluster.node(1).durable_index(), Index{1});
  ASSERT_EQ(Sent<AppendEntriesReply>(cluster, 1, 2, since).size(), 1u);
  EXPECT_EQ(Sent<AppendEntriesReply>(cluster, 1, 2, since).back().match, Index{1});
}

// etcd: LeaderMsgAppSelfAckAfterTermChange. The write of a leader's own entry completes when it is
// leader again, of a later term, and the entry is gone.
TEST(ReplicationScenario, ALeadersWriteOfAnEarlierTermDoesNotCountForItsLaterOnes) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.PersistAtOnce(1, false);
  cluster.Isolate(1);
  const LogPosition lost = *cluster.Propose(1, "lost");
  cluster.Elect(2);
  cluster.Propose(2, "kept");
  cluster.Heal();
  cluster.Run(Milliseconds(800));
  ASSERT_EQ(cluster.node(1).leader(), NodeId{2});
  ASSERT_NE(cluster.node(1).log().TermAt(lost.index), lost.term);
  EXPECT_LT(cluster.node(1).durable_index(), lost.index);
  cluster.Persist(1);
  EXPECT_EQ(cluster.node(1).durable_index(), cluster.node(2).log().last_index());
  EXPECT_EQ(cluster.disk(1).entries.back(), cluster.disk(2).entries.back());
}

// cowsql: LastStoredLaggingBehindCommitIndex. A majority without it has committed.
TEST(ReplicationScenario, AFollowerAppliesNothingThatItsOwnDiskDoesNotHave) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.Run(Milliseconds(200));
  cluster.PersistAtOnce(2, false);
  const Index index = cluster.Propose(1, "x")->index;
  cluster.Run(Milliseconds(200));
  EXPECT_EQ(cluster.node(2).commit_index(), index);
  EXPECT_EQ(cluster.node(2).appliable_index(), index.Previous());
  cluster.Persist(2);
  EXPECT_EQ(cluster.node(2).appliable_index(), index);
}

// cowsql: NoLeaderAfterPersistingEntries. What was stored for a leader that is none any more is not
// acknowledged to its successor before that has matched it.
TEST(ReplicationScenario, WhatWasStoredForOneLeaderIsNotAcknowledgedToTheNext) {
  RaftCluster cluster(3);
  cluster.PersistAtOnce(2, false);
  cluster.Receive(From(1, 2, {1}, AppendEntries{.previous = {}, .entries = Entries(1, {1, 1})}));
  cluster.Receive(From(3, 2, {2}, AppendEntries{}));
  cluster.Persist(2);
  EXPECT_TRUE(Sent<AppendEntriesReply>(cluster, 2, 1).empty());
  for (const AppendEntriesReply& reply : Sent<AppendEntriesReply>(cluster, 2, 3)) {
    EXPECT_EQ(reply.match, Index{0});
  }
  EXPECT_EQ(cluster.node(2).durable_index(), Index{2});
}

// CCF: soft_rollback, rollback_safety. Restarts forget nothing that was acknowledged: a leader that
// fails right after its commit is followed by one that has it.
TEST(ReplicationScenario, WhatWasCommittedSurvivesEveryLossOfPowerOfAMinority) {
  RaftCluster cluster(3);
  for (std::uint64_t round = 0; round < 6; ++round) {
    const std::uint64_t leader = 1 + round % 3;
    cluster.Elect(leader);
    const LogPosition position = *cluster.Propose(leader, "round " + std::to_string(round));
    cluster.Deliver();
    ASSERT_GE(cluster.node(leader).commit_index(), position.index);
    cluster.Restart(leader);
    cluster.Run(Milliseconds(50));
  }
  cluster.Run(Seconds(5));
  const std::uint64_t leader = cluster.Leader();
  ASSERT_NE(leader, 0u);
  std::vector<std::string> commands;
  for (const Entry& entry : cluster.disk(leader).entries) {
    if (entry.kind == EntryKind::kCommand) {
      commands.emplace_back(entry.payload.view());
    }
  }
  EXPECT_EQ(commands, (std::vector<std::string>{"round 0", "round 1", "round 2", "round 3",
                                                "round 4", "round 5"}));
}

// etcd: ProposalByProxy, Proposal; a follower names the leader, and appends nothing itself.
TEST(ReplicationScenario, OnlyTheLeaderTakesProposals) {
  RaftCluster cluster(3);
  EXPECT_EQ(cluster.Propose(1, "x"), std::nullopt);
  cluster.Elect(1);
  EXPECT_EQ(cluster.Propose(2, "x"), std::nullopt);
  EXPECT_EQ(cluster.node(2).log().last_index(), Index{1});
  EXPECT_NE(cluster.Propose(1, "x"), std::nullopt);
}

// hashicorp: LeaderPartitions. Cuts, one after the other, and writes at whoever believes to lead.
TEST(ReplicationScenario, LeadersAreCutOffOneAfterTheOtherAndNothingCommittedIsLost) {
  RaftCluster cluster(5);
  std::map<Index, LogPosition> committed;
  for (std::uint64_t round = 0; round < 15; ++round) {
    cluster.Run(Seconds(4));
    const std::uint64_t leader = cluster.Leader();
    ASSERT_NE(leader, 0u) << round;
    const LogPosition position = *cluster.Propose(leader, std::to_string(round));
    if (round % 2 == 0) {
      cluster.Deliver();
      ASSERT_GE(cluster.node(leader).commit_index(), position.index);
      committed[position.index] = position;
    }
    cluster.Heal();
    cluster.Isolate(leader);
  }
  cluster.Heal();
  cluster.Run(Seconds(5));
  for (std::uint64_t id = 1; id <= 5; ++id) {
    EXPECT_EQ(cluster.node(id).commit_index(), cluster.node(1).commit_index());
    for (const auto& [index, position] : committed) {
      EXPECT_TRUE(cluster.node(id).log().Holds(position)) << id << " " << index.value;
    }
  }
}

}  // namespace
}  // namespace lockstep::raft
