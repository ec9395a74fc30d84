// How much is under way to a follower, and what happens when it is lost.

#include <gtest/gtest.h>

#include "tests/raft_scenarios/messages.h"

namespace lockstep::raft {
namespace {

std::vector<AppendEntries> Appends(const RaftCluster& cluster, std::uint64_t to,
                                   std::size_t since) {
  std::vector<AppendEntries> found;
  for (AppendEntries& append : Sent<AppendEntries>(cluster, 1, to, since)) {
    if (!append.entries.empty()) {
      found.push_back(std::move(append));
    }
  }
  return found;
}

// Server 1 leads, of a window of three appends, and the network holds what it sends.
RaftCluster WindowOfThree() {
  RaftCluster cluster(3, [](Config& config) { config.appends_in_flight_max = 3; });
  cluster.Elect(1);
  cluster.Run(Milliseconds(200));
  return cluster;
}

// etcd: MsgAppFlowControlMoveForward, Inflights FreeTo.
TEST(FlowControlScenario, AnAnswerFreesThePlacesOfAllThatItCovers) {
  RaftCluster cluster = WindowOfThree();
  const std::size_t since = cluster.sent().size();
  std::vector<LogPosition> positions;
  for (int i = 0; i < 8; ++i) {
    positions.push_back(*cluster.Propose(1, std::to_string(i)));
  }
  ASSERT_EQ(Appends(cluster, 2, since).size(), 3u);
  const auto answer = [&](Index match) {
    cluster.Receive(From(2, 1, cluster.node(1).current_term(),
                         AppendEntriesReply{.success = true, .match = match, .hint = {}}));
  };
  answer(positions[1].index);
  EXPECT_EQ(cluster.node(1).progress({2})->in_flight(), 2u) << "one is left, one carries the rest";
  ASSERT_EQ(Appends(cluster, 2, since).size(), 4u);
  EXPECT_EQ(Appends(cluster, 2, since).back().entries.size(), 5u);
  answer(positions[0].index);
  EXPECT_EQ(cluster.node(1).progress({2})->in_flight(), 2u) << "what was freed is not freed again";
  EXPECT_EQ(Appends(cluster, 2, since).size(), 4u);
}

// etcd: MsgAppFlowControlRecvHeartbeat. Ours frees no place for it: the answer says nothing of the
// appends, which are sent again after a while (AFullWindowThatIsLostIsSentAgain).
TEST(FlowControlScenario, AHeartbeatsAnswerFreesNoPlace) {
  RaftCluster cluster = WindowOfThree();
  cluster.Drop(CarriesEntries);
  const std::size_t since = cluster.sent().size();
  for (int i = 0; i < 8; ++i) {
    cluster.Propose(1, std::to_string(i));
  }
  cluster.Run(Milliseconds(250));
  EXPECT_EQ(Appends(cluster, 2, since).size(), 3u);
  EXPECT_EQ(cluster.node(1).progress({2})->in_flight(), 3u);
}

// etcd: SendAppendForProgressProbe, ProgressPaused, heartbeat_resp_recovers_from_probing.
TEST(FlowControlScenario, AProbeIsOneMessageUntilItIsAnsweredOrLost) {
  RaftCluster cluster = WindowOfThree();
  cluster.Drop(CarriesEntries);
  cluster.Propose(1, "lost");
  cluster.Run(Milliseconds(600));
  ASSERT_EQ(cluster.node(1).progress({2})->state(), Progress::State::kProbe);
  const std::size_t since = cluster.sent().size();
  for (int i = 0; i < 5; ++i) {
    cluster.Propose(1, std::to_string(i));
  }
  EXPECT_TRUE(Appends(cluster, 2, since).empty()) << "the probe is under way";
  cluster.Run(Milliseconds(500));
  EXPECT_EQ(Appends(cluster, 2, since).size(), 1u) << "lost, and sent once again";
  cluster.Drop(nullptr);
  cluster.Run(Milliseconds(600));
  EXPECT_EQ(cluster.node(1).progress({2})->state(), Progress::State::kReplicate);
  EXPECT_EQ(cluster.node(1).progress({2})->match_index(), cluster.node(1).log().last_index());
}

// etcd: SendAppendForProgressReplicate, LeaderIncreaseNext.
TEST(FlowControlScenario, NextMovesOnWithEachAppendBeforeItIsAnswered) {
  RaftCluster cluster = WindowOfThree();
  const Index first = cluster.Propose(1, "a")->index;
  EXPECT_EQ(cluster.node(1).progress({2})->next_index(), first.Next());
  cluster.Propose(1, "b");
  EXPECT_EQ(cluster.node(1).progress({2})->next_index(), first.Next().Next());
  EXPECT_LT(cluster.node(1).progress({2})->match_index(), first);
}

// ScyllaDB: backpressure. etcd: AppendPagination.
TEST(FlowControlScenario, WhatWaitedGoesInAppendsOfTheLargestSize) {
  RaftCluster cluster(3, [](Config& config) {
    config.appends_in_flight_max = 1;
    config.append_entries_max = 4;
    config.append_bytes_max = 10;
  });
  cluster.Elect(1);
  const std::size_t since = cluster.sent().size();
  for (const char* command :
       {"1", "2", "3", "4", "5", "6", "12345", "12345", "1", "too much for one"}) {
    cluster.Propose(1, command);
  }
  cluster.Deliver();
  std::vector<std::size_t> sizes;
  for (const AppendEntries& append : Appends(cluster, 2, since)) {
    sizes.push_back(append.entries.size());
  }
  EXPECT_EQ(sizes, (std::vector<std::size_t>{1, 4, 2, 2, 1}));
  EXPECT_EQ(cluster.node(2).log().last(), cluster.node(1).log().last());
}

}  // namespace
}  // namespace lockstep::raft
