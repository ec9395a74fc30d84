// Replication beyond the paper's sentences: messages in flight, losses, reordering, back-up.

#include <gtest/gtest.h>

#include <algorithm>

#include "core/raft/node.h"
#include "tests/core/raft_cluster.h"

namespace lockstep::raft {
namespace {

bool CarriesEntries(const Message& message) {
  const auto* append = std::get_if<AppendEntries>(&message.body);
  return append != nullptr && !append->entries.empty();
}

// A leader cut off from the majority keeps accepting proposals. None of them may survive its
// return (Raft §3.5, §3.6).
TEST(ReplicationTest, ADeposedLeaderDropsItsUncommittedTail) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.Isolate(1);
  cluster.Propose(1, "lost");
  cluster.Propose(1, "lost too");
  cluster.Run(Seconds(5));
  const std::uint64_t leader = cluster.Leader();
  ASSERT_NE(leader, 1u);
  const LogPosition kept = *cluster.Propose(leader, "kept");
  cluster.Heal();
  cluster.Run(Seconds(1));
  EXPECT_EQ(cluster.node(1).log().At(kept.index).payload.view(), "kept");
  EXPECT_EQ(cluster.node(1).log().last(), cluster.node(leader).log().last());
  EXPECT_EQ(cluster.disk(1).entries.size(), cluster.disk(leader).entries.size());
}

TEST(ReplicationTest, SeveralAppendsAreInFlightUpToTheBound) {
  RaftCluster cluster(3, [](Config& config) { config.appends_in_flight_max = 3; });
  cluster.Elect(1);
  const std::size_t before = cluster.sent().size();
  for (int i = 0; i < 10; ++i) {
    cluster.Propose(1, std::to_string(i));
  }
  EXPECT_EQ(std::count_if(cluster.sent().begin() + static_cast<std::ptrdiff_t>(before),
                          cluster.sent().end(),
                          [](const Message& m) { return m.to == NodeId{2} && CarriesEntries(m); }),
            3);
  cluster.Deliver();
  EXPECT_EQ(cluster.node(2).log().last(), cluster.node(1).log().last());
}

TEST(ReplicationTest, AFullWindowThatIsLostIsSentAgain) {
  RaftCluster cluster(3, [](Config& config) { config.appends_in_flight_max = 2; });
  cluster.Elect(1);
  cluster.Drop(CarriesEntries);
  for (int i = 0; i < 5; ++i) {
    cluster.Propose(1, std::to_string(i));
  }
  cluster.Run(Milliseconds(300));
  cluster.Drop(nullptr);
  cluster.Run(Seconds(1));  // no new proposal helps
  EXPECT_EQ(cluster.node(2).log().last(), cluster.node(1).log().last());
  EXPECT_EQ(cluster.node(3).commit_index(), cluster.node(1).log().last_index());
}

TEST(ReplicationTest, ReorderedAppendsMeetInTheEnd) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  for (int i = 0; i < 6; ++i) {
    cluster.Propose(1, std::to_string(i));
  }
  std::reverse(cluster.network().begin(), cluster.network().end());
  cluster.Deliver();
  cluster.Run(Seconds(1));
  EXPECT_EQ(cluster.node(2).log().last(), cluster.node(1).log().last());
  EXPECT_EQ(cluster.node(1).commit_index(), cluster.node(1).log().last_index());
}

// An old append that ends before the log does must not shorten it (§3.5).
TEST(ReplicationTest, ARepeatedOldAppendRemovesNothing) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.Propose(1, "a");
  const auto old = std::find_if(cluster.network().begin(), cluster.network().end(),
                                [](const Message& m) { return m.to == NodeId{2}; });
  ASSERT_NE(old, cluster.network().end());
  const Message repeated = *old;
  cluster.Propose(1, "b");
  cluster.Deliver();
  const LogPosition last = cluster.node(2).log().last();
  cluster.node(2).Receive(repeated, cluster.now());
  EXPECT_EQ(cluster.node(2).log().last(), last);
}

// A late report of a write must not vouch for entries that replaced the ones it stored.
TEST(ReplicationTest, ALateWriteDoesNotAcknowledgeAnotherLeadersEntries) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.PersistAtOnce(2, false);
  cluster.Drop([](const Message& m) { return m.from == NodeId{2} || m.to == NodeId{3}; });
  cluster.Propose(1, "first");
  cluster.Deliver();  // at 2, not durable there
  const Index index = cluster.node(1).log().last_index();
  // A new leader of a later term, whose log has another entry there.
  const Term later = cluster.node(1).current_term().Next();
  Entry other{.index = index,
              .term = later,
              .time = cluster.node(1).log().last_time(),
              .kind = EntryKind::kNoOp,
              .payload = {}};
  cluster.node(2).Receive(
      {.cluster = {1},
       .from = {3},
       .to = {2},
       .term = later,
       .body = AppendEntries{.previous = {index.Previous(),
                                          *cluster.node(2).log().TermAt(index.Previous())},
                             .entries = {other},
                             .leader_commit = {}}},
      cluster.now());
  cluster.node(2).Persisted({2}, cluster.now());  // of what came before the new leader
  EXPECT_LT(cluster.node(2).durable_index(), index);
}

// A hint beyond the refused index cannot be encoded, and then the deposed leader would never hear
// of the later term (the simulator's seeds 57, 67, 148 and 173 showed it).
TEST(ReplicationTest, AStaleLeaderBehindOurCompactedLogGetsNoHint) {
  RaftCluster cluster(3, [](Config& config) { config.entries_retained = 0; });
  cluster.Elect(1);
  for (int i = 0; i < 5; ++i) {
    cluster.Propose(1, std::to_string(i));
    cluster.Deliver();
  }
  cluster.Run(Milliseconds(200));
  cluster.node(2).CheckpointCovers(cluster.node(2).commit_index());
  ASSERT_GT(cluster.node(2).log().base().index, Index{1});
  const AppendEntries stale{.previous = {{1}, {1}}};
  cluster.node(2).Receive({.cluster = {1}, .from = {3}, .to = {2}, .term = {0}, .body = stale},
                          cluster.now());
  cluster.Collect(2);
  const Message& reply = cluster.sent().back();
  EXPECT_EQ(reply.term, cluster.node(2).current_term());
  EXPECT_LE(std::get<AppendEntriesReply>(reply.body).hint.index, stale.previous.index);
}

TEST(ReplicationTest, MessagesOfAnotherClusterAreNotListenedTo) {
  RaftCluster cluster(3);
  cluster.node(1).Receive(
      {.cluster = {2}, .from = {2}, .to = {1}, .term = {9}, .body = AppendEntriesReply{}},
      cluster.now());
  cluster.node(1).Receive(
      {.cluster = {1}, .from = {2}, .to = {3}, .term = {9}, .body = AppendEntriesReply{}},
      cluster.now());
  EXPECT_EQ(cluster.node(1).current_term(), Term{0});
}

TEST(ReplicationTest, TooMuchThatIsUncommittedIsRefused) {
  RaftCluster cluster(3, [](Config& config) { config.uncommitted_bytes_max = 10; });
  cluster.Elect(1);
  cluster.Isolate(1);
  EXPECT_TRUE(cluster.Propose(1, "0123456789abcdef").has_value()) << "one is always taken";
  EXPECT_FALSE(cluster.Propose(1, "x").has_value());
  cluster.Heal();
  cluster.Run(Milliseconds(700));
  EXPECT_TRUE(cluster.Propose(1, "x").has_value());
}

TEST(ReplicationTest, AStalledDiskDoesNotSilenceAFollower) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.Isolate(3);
  cluster.PersistAtOnce(2, false);
  cluster.Propose(1, "x");
  cluster.Run(Seconds(10));
  EXPECT_EQ(cluster.node(1).role(), Role::kLeader) << "its heartbeats are answered all the same";
  EXPECT_LT(cluster.node(1).commit_index(), cluster.node(1).log().last_index());
}

TEST(ReplicationTest, ClusterTimeNeverRunsBackwardsOverLeaders) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.Run(Milliseconds(500));
  const Index first = cluster.Propose(1, "a")->index;
  cluster.Deliver();
  cluster.Run(Milliseconds(200));
  cluster.Stop(1);
  cluster.Run(Seconds(5));
  const std::uint64_t leader = cluster.Leader();
  ASSERT_NE(leader, 0u);
  cluster.Run(Milliseconds(300));
  const Index second = cluster.Propose(leader, "b")->index;
  const Log& log = cluster.node(leader).log();
  EXPECT_GE(log.At(first).time, ClusterTime{500'000'000});
  EXPECT_GE(log.At(second).time, ClusterTime{log.At(first).time.value + 300'000'000});
}

// ---- Snapshots and compaction

TEST(SnapshotTest, AFollowerThatNeedsCompactedEntriesGetsASnapshot) {
  RaftCluster cluster(3, [](Config& config) { config.entries_retained = 1; });
  cluster.Elect(1);
  cluster.Isolate(3);
  for (int i = 0; i < 5; ++i) {
    cluster.Propose(1, std::to_string(i));
    cluster.Deliver();
  }
  const LogPosition last = cluster.node(1).log().last();
  cluster.node(1).CheckpointCovers(last.index);
  cluster.Collect(1);
  EXPECT_EQ(cluster.node(1).log().base().index.value, last.index.value - 1);
  cluster.Heal();
  cluster.Run(Seconds(1));
  ASSERT_EQ(cluster.snapshots_wanted(1), std::vector<NodeId>{{3}});
  cluster.node(1).SnapshotRead({3}, last, Bytes("state"), cluster.now());
  cluster.Collect(1);
  cluster.Deliver();
  ASSERT_TRUE(cluster.received_snapshot(3).has_value());
  EXPECT_EQ(cluster.received_snapshot(3)->last_included, last);
  cluster.node(3).SnapshotInstalled({.position = last, .time = {}}, cluster.now());
  cluster.Collect(3);
  cluster.Propose(1, "after");
  cluster.Deliver();
  EXPECT_EQ(cluster.node(3).log().last(), cluster.node(1).log().last());
  EXPECT_EQ(cluster.disk(3).base, last);
}

TEST(SnapshotTest, ASnapshotOfWhatIsCommittedAlreadyIsAnsweredAndNotInstalled) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.Propose(1, "x");
  cluster.Deliver();
  cluster.Run(Milliseconds(200));
  const Index commit = cluster.node(2).commit_index();
  cluster.node(2).Receive({.cluster = {1},
                           .from = {1},
                           .to = {2},
                           .term = cluster.node(1).current_term(),
                           .body = InstallSnapshot{.last_included = {{1}, {1}}}},
                          cluster.now());
  cluster.Collect(2);
  EXPECT_FALSE(cluster.received_snapshot(2).has_value());
  EXPECT_EQ(cluster.node(2).commit_index(), commit);
}

TEST(SnapshotTest, ALostSnapshotIsReadAndSentAgain) {
  RaftCluster cluster(3, [](Config& config) {
    config.entries_retained = 0;
    config.snapshot_timeout = Seconds(2);
  });
  cluster.Elect(1);
  cluster.Isolate(3);
  cluster.Propose(1, "x");
  cluster.Deliver();
  cluster.node(1).CheckpointCovers(cluster.node(1).log().last_index());
  cluster.Heal();
  cluster.Run(Seconds(1));
  ASSERT_EQ(cluster.snapshots_wanted(1).size(), 1u);
  cluster.Run(Seconds(3));  // nobody answered
  EXPECT_GE(cluster.snapshots_wanted(1).size(), 2u);
}

// A member that was away gets its snapshot when it is back, not when a timeout for the one that was
// sent to nobody is over.
TEST(SnapshotTest, AServerThatIsAwayIsSentNothingUntilItAnswersAHeartbeat) {
  RaftCluster cluster(3, [](Config& config) {
    config.entries_retained = 0;
    config.snapshot_timeout = Seconds(3600);
  });
  cluster.Elect(1);
  cluster.Isolate(3);
  cluster.Propose(1, "x");
  cluster.Deliver();
  cluster.node(1).CheckpointCovers(cluster.node(1).log().last_index());
  cluster.Run(Seconds(10));
  cluster.snapshots_wanted(1).clear();
  const std::size_t sent = cluster.sent().size();
  cluster.Propose(1, "y");
  cluster.Run(Milliseconds(50));
  for (std::size_t i = sent; i < cluster.sent().size(); ++i) {
    EXPECT_FALSE(cluster.sent()[i].to == NodeId{3} && CarriesEntries(cluster.sent()[i]));
  }
  EXPECT_TRUE(cluster.snapshots_wanted(1).empty());
  cluster.Heal();
  cluster.Run(Seconds(1));
  EXPECT_EQ(cluster.snapshots_wanted(1), std::vector<NodeId>{{3}});
}

// It was sent and lost with its receiver.
TEST(SnapshotTest, ASnapshotToAServerThatFallsSilentCountsAsLost) {
  RaftCluster cluster(3, [](Config& config) {
    config.entries_retained = 0;
    config.snapshot_timeout = Seconds(3600);
  });
  cluster.Elect(1);
  cluster.Isolate(3);
  cluster.Propose(1, "x");
  cluster.Deliver();
  cluster.node(1).CheckpointCovers(cluster.node(1).log().last_index());
  cluster.Heal();
  cluster.Run(Seconds(1));
  ASSERT_EQ(cluster.snapshots_wanted(1).size(), 1u);
  cluster.Isolate(3);
  cluster.node(1).SnapshotRead({3}, cluster.node(1).log().last(), Bytes("state"), cluster.now());
  cluster.Run(Seconds(3));
  cluster.Heal();
  cluster.Run(Seconds(1));
  EXPECT_EQ(cluster.snapshots_wanted(1).size(), 2u);
}

TEST(SnapshotTest, AServerInstallingASnapshotTakesNoEntriesAndDoesNotCampaign) {
  RaftCluster cluster(3);
  cluster.node(2).Receive({.cluster = {1},
                           .from = {1},
                           .to = {2},
                           .term = {3},
                           .body = InstallSnapshot{.last_included = {{9}, {2}}}},
                          cluster.now());
  cluster.Collect(2);
  cluster.Isolate(2);
  cluster.Run(Seconds(10));
  EXPECT_EQ(cluster.node(2).role(), Role::kFollower);
  EXPECT_TRUE(cluster.node(2).installing());
}

// A crash between the two files of a node: the data is the snapshot's, the log is older.
TEST(SnapshotTest, AnInstalledSnapshotThatTheLogHasNotFollowedTakesItsPlaceAtTheStart) {
  Config config;
  config.cluster = {1};
  config.id = {1};
  std::string error;
  auto node = Node::Start(
      config, {.hard_state = {{2}, {1}}, .base = {}, .entries = Entries(1, {1, 2})},
      {.position = {{8}, {5}}, .time = {77}, .membership = {{}, MembershipOf({{1}, {2}, {3}})}},
      Random(1), {}, &error);
  ASSERT_TRUE(node.has_value()) << error;
  EXPECT_EQ(node->log().base(), (LogPosition{{8}, {5}}));
  EXPECT_EQ(node->current_term(), Term{5});
  EXPECT_EQ(node->voted_for(), NodeId{0});
  const NodeEffects effects = node->TakeEffects();
  ASSERT_TRUE(effects.write.has_value());
  EXPECT_EQ(effects.write->reset_to, (LogPosition{{8}, {5}}));
}

TEST(SnapshotTest, FilesThatCannotBelongTogetherAreRefused) {
  Config config;
  config.cluster = {1};
  config.id = {1};
  struct Case {
    DurableState log;
    Index applied;
    const char* error;
  };
  const Case kCases[] = {
      {{.hard_state = {{3}, {}}, .base = {{5}, {1}}, .entries = {}},
       {4},
       "the log begins after index 5, but the data only goes up to index 4"},
      {{.hard_state = {{3}, {}}, .base = {}, .entries = Entries(2, {1})},
       {0},
       "the log is not in order at index 1"},
      {{.hard_state = {{3}, {}}, .base = {}, .entries = Entries(1, {2, 1})},
       {0},
       "the log is not in order at index 2"},
      {{.hard_state = {{1}, {}}, .base = {}, .entries = Entries(1, {2})},
       {0},
       "the log holds an entry of term 2, but the node was last seen in term 1"},
  };
  for (const Case& c : kCases) {
    std::string error;
    EXPECT_FALSE(
        Node::Start(
            config, c.log,
            {.position = {c.applied, {1}}, .time = {}, .membership = {{}, MembershipOf({{1}})}},
            Random(1), {}, &error)
            .has_value());
    EXPECT_EQ(error, c.error);
  }
}

// ---- Reads

TEST(ReadTest, AReadIsReadyOnceAMajorityHasConfirmedTheLeader) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  ASSERT_TRUE(cluster.node(1).Read({7}, cluster.now()));
  cluster.Collect(1);
  EXPECT_TRUE(cluster.ready(1).empty());
  cluster.Deliver();
  ASSERT_EQ(cluster.ready(1).size(), 1u);
  EXPECT_EQ(cluster.ready(1)[0].requests, std::vector<RequestId>{{7}});
  EXPECT_EQ(cluster.ready(1)[0].read_index, cluster.node(1).commit_index());
}

TEST(ReadTest, OneRoundConfirmsAllReadsThatWaitWhenItStarts) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  const std::size_t before = cluster.sent().size();
  for (std::uint64_t id = 1; id <= 50; ++id) {
    ASSERT_TRUE(cluster.node(1).Read({id}, cluster.now()));
  }
  cluster.Collect(1);
  EXPECT_EQ(cluster.sent().size(), before + 2) << "one heartbeat for each follower";
  cluster.Deliver();
  ASSERT_EQ(cluster.ready(1).size(), 1u);
  EXPECT_EQ(cluster.ready(1)[0].requests.size(), 50u);
}

TEST(ReadTest, AnswersToAnEarlierRoundConfirmNothing) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.Run(Milliseconds(110));
  std::vector<Message> earlier;
  for (const Message& message : cluster.sent()) {
    if (message.to == NodeId{1} && std::holds_alternative<AppendEntriesReply>(message.body)) {
      earlier.push_back(message);
    }
  }
  cluster.Drop([](const Message& m) { return m.from == NodeId{1}; });
  ASSERT_TRUE(cluster.node(1).Read({7}, cluster.now()));
  cluster.Collect(1);
  for (const Message& message : earlier) {
    cluster.node(1).Receive(message, cluster.now());
  }
  cluster.Collect(1);
  EXPECT_TRUE(cluster.ready(1).empty());
}

TEST(ReadTest, ANewLeaderAnswersNoReadBeforeItsFirstCommit) {
  RaftCluster cluster(3);
  cluster.Drop([](const Message& message) {
    const auto* append = std::get_if<AppendEntries>(&message.body);
    return append != nullptr && !append->entries.empty();
  });
  cluster.Elect(1);
  ASSERT_TRUE(cluster.node(1).Read({7}, cluster.now()));
  cluster.Collect(1);
  cluster.Run(Milliseconds(300));
  EXPECT_TRUE(cluster.ready(1).empty());
  cluster.Drop(nullptr);
  cluster.Run(Seconds(1));
  EXPECT_EQ(cluster.ready(1).size(), 1u);
}

TEST(ReadTest, ADeposedLeaderRefusesTheReadsThatWait) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.Isolate(1);
  ASSERT_TRUE(cluster.node(1).Read({7}, cluster.now()));
  cluster.Collect(1);
  cluster.Run(Seconds(2));
  EXPECT_TRUE(cluster.ready(1).empty());
  EXPECT_EQ(cluster.refused(1), std::vector<RequestId>{{7}});
}

TEST(ReadTest, ALoneVoterConfirmsItself) {
  RaftCluster cluster(1);
  cluster.Run(Seconds(3));
  ASSERT_TRUE(cluster.node(1).Read({7}, cluster.now()));
  cluster.Collect(1);
  EXPECT_EQ(cluster.ready(1).size(), 1u);
}

}  // namespace
}  // namespace lockstep::raft
