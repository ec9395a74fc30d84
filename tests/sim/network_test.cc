#include "sim/network.h"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

namespace lockstep::sim {
namespace {

constexpr NodeId kA{1};
constexpr NodeId kB{2};

// A heartbeat that can be told from others by its round.
raft::Message Heartbeat(NodeId from, NodeId to, std::uint64_t round) {
  raft::AppendEntries append;
  append.previous = {Index{1}, Term{1}};
  append.round = round;
  return {.cluster = ClusterId{1}, .from = from, .to = to, .term = Term{1}, .body = append};
}

class NetworkTest : public testing::Test {
 protected:
  Network Make(const NetworkSettings& settings) {
    return Network(settings, 3, 1, Random(1), scheduler_, probes_);
  }

  void SendMany(Network& network, NodeId from, NodeId to, std::uint64_t count) {
    for (std::uint64_t round = 0; round < count; ++round) {
      network.Send(Heartbeat(from, to, round));
    }
  }

  // The rounds that arrive, in the order of arrival.
  std::vector<std::uint64_t> Deliver(Network& network) {
    std::vector<std::uint64_t> rounds;
    while (!scheduler_.empty()) {
      const std::optional<raft::Message> message = network.Take(scheduler_.Pop());
      if (message.has_value()) {
        rounds.push_back(std::get<raft::AppendEntries>(message->body).round);
      }
    }
    return rounds;
  }

  Scheduler scheduler_;
  ProbeCounts probes_;
};

TEST_F(NetworkTest, AGoodNetworkDeliversEachMessageOnceWithinItsDelay) {
  Network network = Make({.delay_min = Milliseconds(1), .delay_spread = Milliseconds(2)});
  SendMany(network, kA, kB, 100);
  EXPECT_GE(scheduler_.next_time(), SimTime{} + Milliseconds(1));
  EXPECT_EQ(Deliver(network).size(), 100u);
  EXPECT_LE(scheduler_.now(), SimTime{} + Milliseconds(3));
  EXPECT_EQ(network.delivered(), 100u);
}

TEST_F(NetworkTest, MessagesOvertakeEachOtherUnlessTheLinkIsInOrder) {
  Network loose = Make({});
  SendMany(loose, kA, kB, 100);
  const std::vector<std::uint64_t> mixed = Deliver(loose);
  EXPECT_FALSE(std::is_sorted(mixed.begin(), mixed.end()));
  EXPECT_GT(probes_.Of(Probe::kMessageOvertaken), 0u);

  Network strict = Make({.in_order = true});
  SendMany(strict, kA, kB, 100);
  const std::vector<std::uint64_t> ordered = Deliver(strict);
  EXPECT_EQ(ordered.size(), 100u);
  EXPECT_TRUE(std::is_sorted(ordered.begin(), ordered.end()));
}

TEST_F(NetworkTest, LosesAndRepeatsAsOftenAsTold) {
  Network network = Make({.loss_permille = 300, .duplicate_permille = 200});
  SendMany(network, kA, kB, 10'000);
  EXPECT_NEAR(static_cast<double>(Deliver(network).size()), 10'000 * 0.7 * 1.2, 300);
}

TEST_F(NetworkTest, SomeMessagesComeOnceMoreMuchLater) {
  Network network = Make({.late_copy_permille = 100, .late_copy = Seconds(100)});
  SendMany(network, kA, kB, 1000);
  EXPECT_NEAR(static_cast<double>(Deliver(network).size()), 1000 * 1.1, 50);
  EXPECT_GT(scheduler_.now(), SimTime{} + Seconds(50));
  EXPECT_NEAR(static_cast<double>(probes_.Of(Probe::kMessageCopiedLate)), 100, 50);
}

TEST_F(NetworkTest, ACutIsOneWayAndNests) {
  Network network = Make({});
  network.Cut(kA, kB);
  network.Cut(kA, kB);
  SendMany(network, kA, kB, 1);
  SendMany(network, kB, kA, 1);
  EXPECT_EQ(Deliver(network).size(), 1u);
  network.Mend(kA, kB);
  SendMany(network, kA, kB, 1);
  EXPECT_EQ(Deliver(network).size(), 0u);
  network.Mend(kA, kB);
  SendMany(network, kA, kB, 1);
  EXPECT_EQ(Deliver(network).size(), 1u);
}

TEST_F(NetworkTest, ACutLosesWhatIsUnderWayOnlyIfToldSo) {
  for (const bool loses : {true, false}) {
    Network network = Make({.cut_loses_in_flight = loses});
    SendMany(network, kA, kB, 5);
    network.Cut(kA, kB);
    EXPECT_EQ(Deliver(network).size(), loses ? 0u : 5u);
  }
}

TEST_F(NetworkTest, AClogHoldsBackWhatIsSentUntilAllClogsEnd) {
  Network network = Make({});
  network.Clog(kA, kB);
  network.Clog(kA, kB);
  SendMany(network, kA, kB, 3);
  SendMany(network, kB, kA, 1);
  EXPECT_EQ(Deliver(network).size(), 1u);
  network.Unclog(kA, kB);
  EXPECT_EQ(Deliver(network).size(), 0u);
  scheduler_.IdleUntil(scheduler_.now() + Seconds(9));
  network.Unclog(kA, kB);
  EXPECT_EQ(Deliver(network).size(), 3u);
  EXPECT_EQ(probes_.Of(Probe::kMessageClogged), 3u);
}

TEST_F(NetworkTest, ASnapshotCanBeLostWithItsConnection) {
  Network network = Make({});
  std::vector<NodeId> lost;
  network.LoseNextSnapshot(kA, [&lost](NodeId to) { lost.push_back(to); });
  const auto send = [&network](NodeId from) {
    raft::InstallSnapshot snapshot;
    snapshot.last_included = {Index{1}, Term{1}};
    network.Send(
        {.cluster = ClusterId{1}, .from = from, .to = kB, .term = Term{1}, .body = snapshot});
  };
  SendMany(network, kA, kB, 1);
  send(NodeId{3});
  EXPECT_TRUE(lost.empty());
  send(kA);
  EXPECT_EQ(lost, std::vector<NodeId>{kB});
  send(kA);
  EXPECT_EQ(lost.size(), 1u);
  EXPECT_EQ(probes_.Of(Probe::kSnapshotLost), 1u);
}

TEST_F(NetworkTest, AClientThatIsCutOffReachesNobodyUntilAllCutsEnd) {
  Network network = Make({});
  EXPECT_TRUE(network.ClientTransit(0).has_value());
  network.CutClient(0);
  network.CutClient(0);
  network.MendClient(0);
  EXPECT_FALSE(network.ClientTransit(0).has_value());
  network.MendClient(0);
  EXPECT_TRUE(network.ClientTransit(0).has_value());
}

TEST_F(NetworkTest, ASlowLinkIsSlowInOneDirection) {
  Network network = Make({});
  network.SlowDown(kA, kB, Seconds(1));
  SendMany(network, kB, kA, 1);
  (void)Deliver(network);
  EXPECT_LT(scheduler_.now(), SimTime{} + Seconds(1));
  SendMany(network, kA, kB, 1);
  (void)Deliver(network);
  EXPECT_GT(scheduler_.now(), SimTime{} + Seconds(1));
}

TEST_F(NetworkTest, WhatPassesTheCodecArrivesUnchangedAndWhatIsMangledDoesNotArrive) {
  Network network = Make({.codec_permille = 1000});
  SendMany(network, kA, kB, 200);
  EXPECT_EQ(Deliver(network).size(), 200u);
  EXPECT_EQ(probes_.Of(Probe::kMessageThroughCodec), 200u);

  Network noisy = Make({.codec_permille = 1000, .mangle_permille = 1000});
  SendMany(noisy, kA, kB, 2000);
  EXPECT_EQ(Deliver(noisy).size(), 0u);
  EXPECT_EQ(probes_.Of(Probe::kMangledMessageRefused), 2000u);
}

TEST_F(NetworkTest, DrawsOfOneLinkDoNotMoveThoseOfAnother) {
  const NetworkSettings settings{.loss_permille = 500};
  Network quiet = Make(settings);
  SendMany(quiet, kA, kB, 50);
  const std::vector<std::uint64_t> alone = Deliver(quiet);

  scheduler_ = Scheduler();
  Network busy = Make(settings);
  SendMany(busy, kB, kA, 17);
  while (!scheduler_.empty()) {
    (void)busy.Take(scheduler_.Pop());
  }
  SendMany(busy, kA, kB, 50);
  EXPECT_EQ(Deliver(busy), alone);
}

}  // namespace
}  // namespace lockstep::sim
