// Snapshots: when one is sent, what it brings, and what comes between.

#include <gtest/gtest.h>

#include "tests/raft_scenarios/messages.h"

namespace lockstep::raft {
namespace {

class SnapshotScenario : public testing::Test {
 protected:
  // Server 3 misses what the others commit, checkpoint and forget; then it is back, and the leader
  // wants a snapshot for it.
  void LeaveServer3Behind() {
    cluster_.Elect(1);
    cluster_.Isolate(3);
    Write();
    cluster_.Checkpoint(1);
    cluster_.Checkpoint(2);
    cluster_.Heal();
    cluster_.Run(Milliseconds(800));
    ASSERT_EQ(cluster_.snapshots_wanted(1), std::vector<NodeId>{{3}});
  }
  // Sends it, and lets it arrive.
  void SendSnapshotTo3() {
    cluster_.SendSnapshot(1, 3);
    cluster_.Deliver();
    ASSERT_TRUE(cluster_.received_snapshot(3).has_value());
  }
  void Write() {
    for (int i = 0; i < 5; ++i) {
      cluster_.Propose(1, std::to_string(i));
      cluster_.Deliver();
    }
    cluster_.Run(Milliseconds(150));
  }
  Progress::State StateOf3() { return cluster_.node(1).progress({3})->state(); }

  RaftCluster cluster_{3, [](Config& config) { config.entries_retained = 0; }};
};

// etcd: SlowNodeRestore, slow_follower_after_compaction, RestoreFromSnapMsg. ScyllaDB:
// take_snapshot_and_stream.
TEST_F(SnapshotScenario, AfterASnapshotEntriesFollowAsToAnyOther) {
  LeaveServer3Behind();
  SendSnapshotTo3();
  cluster_.InstallSnapshot(3);
  cluster_.Deliver();
  EXPECT_EQ(StateOf3(), Progress::State::kReplicate);
  cluster_.Propose(1, "after");
  cluster_.Run(Milliseconds(150));
  EXPECT_EQ(cluster_.node(3).log().last(), cluster_.node(1).log().last());
  EXPECT_EQ(cluster_.node(3).commit_index(), cluster_.node(1).commit_index());
  EXPECT_EQ(cluster_.snapshots_wanted(1).size(), 1u);
  cluster_.Restart(3);
  EXPECT_EQ(cluster_.node(3).log().last(), cluster_.node(1).log().last());
}

// etcd: PendingSnapshotPauseReplication, SendAppendForProgressSnapshot. ScyllaDB:
// snapshot_follower_is_quiet.
TEST_F(SnapshotScenario, WhileASnapshotIsUnderWayOnlyHeartbeatsGoThere) {
  LeaveServer3Behind();
  SendSnapshotTo3();
  const std::size_t since = cluster_.sent().size();
  Write();
  EXPECT_EQ(StateOf3(), Progress::State::kSnapshot);
  EXPECT_FALSE(Sent<AppendEntries>(cluster_, 1, 3, since).empty());
  for (const AppendEntries& append : Sent<AppendEntries>(cluster_, 1, 3, since)) {
    EXPECT_TRUE(append.entries.empty());
  }
  EXPECT_TRUE(Sent<InstallSnapshot>(cluster_, 1, 3, since).empty());
}

// etcd: snapshot_succeed_via_app_resp and its _behind variant. Another way than the leader's
// snapshot brought the follower's log up to date.
TEST_F(SnapshotScenario, WhoCatchesUpByOtherMeansIsSentEntriesOnceItHasWhatTheSnapshotHolds) {
  LeaveServer3Behind();
  cluster_.Drop(Is<InstallSnapshot>);
  cluster_.SendSnapshot(1, 3);
  const Index needed = cluster_.node(1).log().base().index;
  const auto answer = [&](Index match) {
    cluster_.Receive(From(3, 1, cluster_.node(1).current_term(),
                          AppendEntriesReply{.success = true, .match = match, .hint = {}}));
  };
  answer(needed.Previous());
  EXPECT_EQ(StateOf3(), Progress::State::kSnapshot);
  answer(needed);
  EXPECT_EQ(StateOf3(), Progress::State::kReplicate);
  EXPECT_EQ(cluster_.node(1).progress({3})->next_index(), needed.Next());
}

// etcd: RestoreIgnoreSnapshot, fast-forward. The entries are here and only their commit is not.
TEST_F(SnapshotScenario, ASnapshotOfEntriesThatAreHereOnlyCommitsThem) {
  cluster_.SetLog(2, {1, 1, 1}, 1);
  cluster_.Receive(From(1, 2, {2}, InstallSnapshot{.last_included = {{2}, {1}}}));
  EXPECT_FALSE(cluster_.received_snapshot(2).has_value());
  EXPECT_EQ(cluster_.node(2).commit_index(), Index{2});
  EXPECT_EQ(cluster_.node(2).log().last_index(), Index{3}) << "nothing is thrown away";
}

// etcd: Restore. The same place in the log, with another term: what is there is worth nothing.
TEST_F(SnapshotScenario, ASnapshotReplacesALogThatConflictsWithIt) {
  LeaveServer3Behind();
  cluster_.SetLog(3, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 0);
  SendSnapshotTo3();
  cluster_.InstallSnapshot(3);
  cluster_.Deliver();
  EXPECT_EQ(cluster_.node(3).log().last(), cluster_.node(1).log().last());
  EXPECT_EQ(cluster_.disk(3).base, cluster_.node(1).log().base());
  EXPECT_TRUE(cluster_.disk(3).entries.empty());
}

// ScyllaDB: append_entry_inside_snapshot.
TEST_F(SnapshotScenario, AnAppendThatBeginsInsideTheSnapshotIsTakenFromItsEndOn) {
  LeaveServer3Behind();
  SendSnapshotTo3();
  cluster_.InstallSnapshot(3);
  cluster_.Deliver();
  const LogPosition base = cluster_.node(3).log().base();
  ASSERT_GE(base.index, Index{4});
  std::vector<Entry> entries = Entries(base.index.value - 1, {1, 1, 1, 1});
  for (Entry& entry : entries) {
    entry.term = base.term;
    entry.time = cluster_.node(1).log().last_time();
  }
  const LogPosition previous = {entries.front().index.Previous(), base.term};
  const std::size_t since = cluster_.sent().size();
  cluster_.Receive(From(1, 3, cluster_.node(1).current_term(),
                        AppendEntries{.previous = previous, .entries = entries}));
  EXPECT_EQ(cluster_.node(3).log().base(), base);
  EXPECT_EQ(cluster_.node(3).log().last_index(), entries.back().index);
  EXPECT_EQ(Sent<AppendEntriesReply>(cluster_, 3, 1, since).back().match, entries.back().index);
}

// nemesis: snapshot_uses_correct_term. After a snapshot the log's last term is the snapshot's, by
// which votes are given.
TEST_F(SnapshotScenario, AServerVotesByTheTermOfItsSnapshot) {
  LeaveServer3Behind();
  SendSnapshotTo3();
  cluster_.InstallSnapshot(3);
  cluster_.Deliver();
  const LogPosition last = cluster_.node(3).log().last();
  cluster_.Restart(3);
  EXPECT_EQ(cluster_.node(3).log().last(), last);
  const Term later = cluster_.node(3).current_term().Next();
  const RequestVote shorter{.last_log = {last.index.Previous(), last.term}};
  cluster_.Receive(From(2, 3, later, shorter));
  EXPECT_FALSE(Sent<RequestVoteReply>(cluster_, 3, 2).back().granted);
  cluster_.Receive(From(2, 3, later, RequestVote{.last_log = last}));
  EXPECT_TRUE(Sent<RequestVoteReply>(cluster_, 3, 2).back().granted);
}

// NuRaft: snapshot_leader_switch. cowsql: NewTermWhileInstalling. ScyllaDB:
// leader_change_during_snapshot_transfer.
TEST_F(SnapshotScenario, ASnapshotOfADeposedLeaderIsInstalledAndToldToTheNext) {
  LeaveServer3Behind();
  SendSnapshotTo3();
  cluster_.Isolate(1);
  cluster_.Elect(2);
  cluster_.Run(Milliseconds(150));
  ASSERT_EQ(cluster_.node(3).leader(), NodeId{2});
  ASSERT_EQ(cluster_.snapshots_wanted(2), std::vector<NodeId>{{3}});
  cluster_.SendSnapshot(2, 3);  // and server 3 takes none while it installs another
  cluster_.Deliver();
  const std::size_t since = cluster_.sent().size();
  cluster_.InstallSnapshot(3);
  cluster_.Run(Seconds(2));
  EXPECT_TRUE(Sent<InstallSnapshotReply>(cluster_, 3, 1, since).empty());
  ASSERT_FALSE(Sent<InstallSnapshotReply>(cluster_, 3, 2, since).empty());
  EXPECT_EQ(cluster_.node(3).log().last(), cluster_.node(2).log().last());
  EXPECT_EQ(cluster_.node(3).commit_index(), cluster_.node(2).commit_index());
}

// The same, when the next leader's log begins later than that snapshot ends: what it sent meanwhile
// was dropped, and the answer says so.
TEST_F(SnapshotScenario, ASnapshotThatCameDuringAnotherInstallationIsSentAgainAtOnce) {
  LeaveServer3Behind();
  SendSnapshotTo3();
  Write();
  cluster_.Checkpoint(2);
  cluster_.Isolate(1);
  cluster_.Elect(2);
  cluster_.Run(Milliseconds(150));
  ASSERT_EQ(cluster_.snapshots_wanted(2), std::vector<NodeId>{{3}});
  cluster_.SendSnapshot(2, 3);
  cluster_.Deliver();
  cluster_.InstallSnapshot(3);
  ASSERT_LT(cluster_.node(3).log().last_index(), cluster_.node(2).log().base().index);
  cluster_.Run(Milliseconds(100));
  ASSERT_EQ(cluster_.snapshots_wanted(2), (std::vector<NodeId>{{3}, {3}}));
  cluster_.SendSnapshot(2, 3);
  cluster_.Deliver();
  cluster_.InstallSnapshot(3);
  cluster_.Run(Milliseconds(100));
  EXPECT_EQ(cluster_.node(3).log().last(), cluster_.node(2).log().last());
}

// etcd: SnapshotFailure.
TEST_F(SnapshotScenario, AServerThatCouldNotInstallASnapshotGetsItAgain) {
  LeaveServer3Behind();
  SendSnapshotTo3();
  cluster_.received_snapshot(3).reset();
  cluster_.node(3).SnapshotRejected("its bytes are damaged");
  cluster_.Collect(3);
  EXPECT_FALSE(cluster_.node(3).installing());
  cluster_.Run(Seconds(35));
  ASSERT_GE(cluster_.snapshots_wanted(1).size(), 2u);
  SendSnapshotTo3();
  cluster_.InstallSnapshot(3);
  cluster_.Deliver();
  EXPECT_EQ(cluster_.node(3).log().last(), cluster_.node(1).log().last());
}

// NuRaft: snapshot_creation_index_inversion. The log was compacted while the snapshot was read.
TEST_F(SnapshotScenario, ASnapshotThatIsOlderThanTheLogIsNotSent) {
  LeaveServer3Behind();
  const LogPosition old = cluster_.node(1).log().base();
  Write();
  cluster_.Checkpoint(1);
  const std::size_t since = cluster_.sent().size();
  cluster_.node(1).SnapshotRead({3}, old, Bytes("old"), cluster_.now());
  cluster_.Collect(1);
  EXPECT_TRUE(Sent<InstallSnapshot>(cluster_, 1, 3, since).empty());
  EXPECT_EQ(cluster_.snapshots_wanted(1).size(), 2u) << "another one is asked for at once";
  SendSnapshotTo3();
  cluster_.InstallSnapshot(3);
  cluster_.Deliver();
  EXPECT_EQ(cluster_.node(3).log().last(), cluster_.node(1).log().last());
}

// etcd: IgnoreProvidingSnap, SnapshotAbort: an answer from storage that nobody waits for any more.
TEST_F(SnapshotScenario, ASnapshotThatIsReadTooLateIsNotSent) {
  LeaveServer3Behind();
  cluster_.Receive(From(3, 1, cluster_.node(1).current_term().Next(), AppendEntriesReply{}));
  ASSERT_EQ(cluster_.node(1).role(), Role::kFollower);
  cluster_.SendSnapshot(1, 3);
  cluster_.Deliver();
  EXPECT_FALSE(cluster_.received_snapshot(3).has_value());
}

// etcd: RestoreWithLearner, LearnerReceiveSnapshot. ScyllaDB: non_voter_confchange_in_snapshot,
// rpc_load_conf_from_snapshot.
TEST_F(SnapshotScenario, ANewServerLearnsWhoBelongsToTheClusterFromItsSnapshot) {
  cluster_.Elect(1);
  Write();
  cluster_.AddServer(4, {9});
  ASSERT_EQ(cluster_.Change(1, {.add = NewMember{.incarnation = {9}, .promote = false}}), "");
  cluster_.Isolate(4);
  cluster_.Run(Milliseconds(300));
  cluster_.Checkpoint(1);
  cluster_.Heal();
  cluster_.Run(Milliseconds(800));
  ASSERT_EQ(cluster_.snapshots_wanted(1), std::vector<NodeId>{{4}});
  EXPECT_EQ(ToText(cluster_.node(4).membership().membership), "nobody");
  cluster_.SendSnapshot(1, 4);
  cluster_.Deliver();
  cluster_.InstallSnapshot(4);
  cluster_.Deliver();
  EXPECT_EQ(ToText(cluster_.node(4).membership().membership), "voters 1 2 3, learner 4");
  cluster_.Restart(4);
  EXPECT_EQ(ToText(cluster_.node(4).membership().membership), "voters 1 2 3, learner 4");
}

// etcd: RestoreVoterToLearner. The server missed that it was demoted.
TEST_F(SnapshotScenario, AVoterLearnsFromASnapshotThatItHasNoVoteAnyMore) {
  cluster_.Elect(1);
  cluster_.Run(Milliseconds(300));
  cluster_.Isolate(3);
  ASSERT_EQ(cluster_.Change(1, {.standings = {{{3}, Standing::kLearner}}}), "");
  cluster_.Run(Milliseconds(300));
  ASSERT_EQ(ToText(cluster_.node(1).committed_membership().membership), "voters 1 2, learner 3");
  cluster_.Checkpoint(1);
  EXPECT_EQ(ToText(cluster_.node(3).membership().membership), "voters 1 2 3");
  cluster_.Heal();
  cluster_.Run(Milliseconds(800));
  ASSERT_EQ(cluster_.snapshots_wanted(1).size(), 1u);
  SendSnapshotTo3();
  cluster_.InstallSnapshot(3);
  cluster_.Deliver();
  EXPECT_EQ(ToText(cluster_.node(3).membership().membership), "voters 1 2, learner 3");
  cluster_.Isolate(3);
  cluster_.Run(Seconds(10));
  EXPECT_EQ(cluster_.node(3).role(), Role::kFollower) << "it does not campaign";
}

// etcd: RestoreLearnerPromotion. The learner missed that it was promoted.
TEST_F(SnapshotScenario, ALearnerLearnsFromASnapshotThatItHasAVote) {
  cluster_.Elect(1);
  cluster_.Run(Milliseconds(300));
  cluster_.AddServer(4, {9});
  ASSERT_EQ(cluster_.Change(1, {.add = NewMember{.incarnation = {9}, .promote = false}}), "");
  cluster_.Run(Seconds(1));
  cluster_.Isolate(4);
  ASSERT_EQ(cluster_.Change(1, {.standings = {{{4}, Standing::kVoter}}}), "");
  cluster_.Run(Milliseconds(300));
  cluster_.Checkpoint(1);
  ASSERT_EQ(ToText(cluster_.node(4).membership().membership), "voters 1 2 3, learner 4");
  cluster_.Heal();
  cluster_.Run(Milliseconds(800));
  ASSERT_EQ(cluster_.snapshots_wanted(1), std::vector<NodeId>{{4}});
  cluster_.SendSnapshot(1, 4);
  cluster_.Deliver();
  cluster_.InstallSnapshot(4);
  cluster_.Deliver();
  EXPECT_EQ(ToText(cluster_.node(4).membership().membership), "voters 1 2 3 4");
  ASSERT_EQ(cluster_.Transfer(1, 4), "");
  cluster_.Deliver();
  EXPECT_EQ(cluster_.Leader(), 4u);
}

// etcd: RestoreWithVotersOutgoing. What was committed last when the snapshot was made is the joint
// configuration.
TEST_F(SnapshotScenario, ASnapshotThatEndsInAJointConfigurationBringsBothHalves) {
  cluster_.Elect(1);
  cluster_.Run(Milliseconds(300));
  cluster_.Isolate(3);
  cluster_.Drop([](const Message& m) {
    const auto* append = std::get_if<AppendEntries>(&m.body);
    return append != nullptr && !append->entries.empty() &&
           append->entries.back().kind == EntryKind::kMembership &&
           !DecodeMembership(append->entries.back().payload.view())->IsJoint();
  });
  ASSERT_EQ(cluster_.Change(1, {.standings = {{{3}, Standing::kLearner}}}), "");
  cluster_.Run(Milliseconds(300));
  const std::string joint = "voters 1 2, leaving voters 1 2 3, learner 3";
  ASSERT_EQ(ToText(cluster_.node(1).committed_membership().membership), joint);
  cluster_.Checkpoint(1);
  cluster_.Heal();
  cluster_.Run(Milliseconds(800));
  ASSERT_EQ(cluster_.snapshots_wanted(1), std::vector<NodeId>{{3}});
  SendSnapshotTo3();
  cluster_.InstallSnapshot(3);
  EXPECT_EQ(ToText(cluster_.node(3).membership().membership), joint);
  cluster_.Restart(3);
  EXPECT_EQ(ToText(cluster_.node(3).membership().membership), joint);
  cluster_.Drop(nullptr);
  cluster_.Run(Seconds(1));
  EXPECT_EQ(ToText(cluster_.node(3).membership().membership), "voters 1 2, learner 3");
}

// cowsql: RollbackConfigurationToSnapshot. ScyllaDB: configuration_truncate_restore_from_snp.
TEST_F(SnapshotScenario, ATruncatedChangeBringsTheSnapshotsConfigurationBack) {
  cluster_.Elect(1);
  Write();
  cluster_.Checkpoint(1);
  cluster_.Isolate(1);
  ASSERT_EQ(cluster_.Change(1, {.add = NewMember{.incarnation = {9}}}), "");
  cluster_.Restart(1);
  ASSERT_EQ(ToText(cluster_.node(1).membership().membership), "voters 1 2 3, learner 4");
  cluster_.Elect(2);
  cluster_.Heal();
  cluster_.Run(Seconds(1));
  EXPECT_EQ(ToText(cluster_.node(1).membership().membership), "voters 1 2 3");
  EXPECT_EQ(cluster_.node(1).log().last(), cluster_.node(2).log().last());
}

}  // namespace
}  // namespace lockstep::raft
