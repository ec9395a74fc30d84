// The production driver on real threads, without gRPC: the test that runs under ThreadSanitizer.

#include "server/driver.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "tests/server/driver_harness.h"
#include "tests/storage/temporary_folder.h"

namespace lockstep::server {
namespace {

bool Done(const ReplyResult& result) { return std::holds_alternative<kv::CommandResult>(result); }

bool Is(const ReplyResult& result, Unserved why) {
  const auto* unserved = std::get_if<Unserved>(&result);
  return unserved != nullptr && *unserved == why;
}

bool Is(const ReplyResult& result, RefusalKind kind) {
  const auto* refusal = std::get_if<Refusal>(&result);
  return refusal != nullptr && refusal->kind == kind;
}

bool Ready(const std::future<ReplyResult>& answer, std::chrono::milliseconds limit) {
  return answer.wait_for(limit) == std::future_status::ready;
}

TEST(MailboxTest, GivesAllItemsInTheirOrder) {
  Mailbox<int> mailbox;
  std::vector<int> taken;
  EXPECT_TRUE(mailbox.Put(1));
  EXPECT_TRUE(mailbox.Put(2));
  EXPECT_EQ(mailbox.size(), 2u);
  EXPECT_TRUE(mailbox.TakeAll(std::nullopt, &taken));
  EXPECT_EQ(taken, (std::vector<int>{1, 2}));
}

TEST(MailboxTest, AWaitEndsAtItsDeadline) {
  Mailbox<int> mailbox;
  std::vector<int> taken;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
  EXPECT_TRUE(mailbox.TakeAll(deadline, &taken));
  EXPECT_TRUE(taken.empty());
  EXPECT_GE(std::chrono::steady_clock::now(), deadline);
}

TEST(MailboxTest, OnceClosedItLetsNothingInAndGivesWhatItHas) {
  Mailbox<std::string> mailbox;
  EXPECT_TRUE(mailbox.Put("before"));
  mailbox.Close();
  std::string late = "late";
  EXPECT_FALSE(mailbox.Put(std::move(late)));
  EXPECT_EQ(late, "late");  // NOLINT: a refused item is not moved from
  std::vector<std::string> taken;
  EXPECT_TRUE(mailbox.TakeAll(std::nullopt, &taken));
  EXPECT_EQ(taken, std::vector<std::string>{"before"});
  taken.clear();
  EXPECT_FALSE(mailbox.TakeAll(std::nullopt, &taken));
}

TEST(MailboxTest, NothingIsLostBetweenManyThreads) {
  constexpr int kThreads = 4;
  constexpr int kItems = 5000;
  Mailbox<int> mailbox;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&mailbox] {
      for (int i = 0; i < kItems; ++i) {
        mailbox.Put(1);
      }
    });
  }
  int sum = 0;
  while (sum < kThreads * kItems) {
    std::vector<int> taken;
    ASSERT_TRUE(mailbox.TakeAll(std::nullopt, &taken));
    sum += static_cast<int>(taken.size());
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(sum, kThreads * kItems);
}

// Group commit: what arrives while the disk is busy shares the next transaction.
TEST(DriverTest, WritesThatWaitShareOneTransaction) {
  auto disk = std::make_unique<FakeDisk>();
  Gate gate;
  std::atomic<bool> hold = false;
  std::atomic<int> held = 0;
  disk->on_save = [&](const std::vector<raft::Write>&) {
    if (hold) {
      ++held;
      gate.Pass();
    }
    return absl::OkStatus();
  };
  LoneNode node(std::move(disk));
  node.WaitUntilItLeads();
  hold = true;
  std::vector<std::future<ReplyResult>> answers;
  answers.push_back(Ask(*node.driver, PutRequest("first", "")));
  ASSERT_TRUE(Eventually([&] { return held == 1; }));
  const int syncs = node.observer.syncs;
  for (int i = 0; i < 50; ++i) {
    answers.push_back(Ask(*node.driver, PutRequest("key", std::to_string(i))));
    // Each in a batch of its own on the core thread, so that there are many writes.
    ASSERT_TRUE(node.driver->GetStatusNow(Seconds(30)).has_value());
  }
  EXPECT_GE(node.driver->queues().log_writes, 40u);
  EXPECT_FALSE(Ready(answers.front(), std::chrono::milliseconds(0)));
  gate.Open();
  for (std::future<ReplyResult>& answer : answers) {
    EXPECT_TRUE(Done(answer.get()));
  }
  EXPECT_LE(node.observer.syncs - syncs, 3);
}

TEST(DriverTest, ACheckpointDoesNotStandInTheWayOfACommit) {
  auto disk = std::make_unique<FakeDisk>();
  Gate gate;
  std::atomic<int> stores = 0;
  disk->on_store = [&] {
    ++stores;
    gate.Pass();
    return absl::OkStatus();
  };
  ReplicaConfig config = TestConfig(NodeId{1});
  config.checkpoint_entries = 1;
  LoneNode node(std::move(disk), {}, config);
  node.WaitUntilItLeads();
  EXPECT_TRUE(Done(Ask(*node.driver, PutRequest("a", "1")).get()));
  ASSERT_TRUE(Eventually([&] { return stores == 1; }));
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(Done(Ask(*node.driver, PutRequest("b", "2")).get()));
  }
  EXPECT_EQ(node.observer.checkpoints, 0);
  gate.Open();
  EXPECT_TRUE(Eventually([&] { return node.observer.checkpoints >= 1; }));
}

TEST(DriverTest, RequestsBeyondTheQueueAreRefusedAtOnce) {
  DriverOptions options;
  options.queued_requests_max = 5;
  LoneNode node(std::make_unique<FakeDisk>(), options);
  node.WaitUntilItLeads();
  Gate gate;
  std::atomic<bool> blocked = false;
  node.driver->GetStatus([&](const Status*) {  // holds the core thread
    blocked = true;
    gate.Pass();
  });
  ASSERT_TRUE(Eventually([&] { return blocked.load(); }));
  std::vector<std::future<ReplyResult>> accepted;
  for (int i = 0; i < 5; ++i) {
    accepted.push_back(Ask(*node.driver, PutRequest("a", "1")));
  }
  std::future<ReplyResult> refused = Ask(*node.driver, PutRequest("a", "1"));
  ASSERT_TRUE(Ready(refused, std::chrono::milliseconds(0)));
  EXPECT_TRUE(Is(refused.get(), Unserved::kQueueFull));
  EXPECT_EQ(node.driver->queues().refused, 1u);
  gate.Open();
  for (std::future<ReplyResult>& answer : accepted) {
    EXPECT_TRUE(Done(answer.get()));
  }
  EXPECT_TRUE(Done(Ask(*node.driver, PutRequest("a", "2")).get()));
}

TEST(DriverTest, MessagesBeyondTheQueueAreDropped) {
  DriverOptions options;
  options.queued_peer_bytes_max = 1 << 20;
  LoneNode node(std::make_unique<FakeDisk>(), options);
  Gate gate;
  std::atomic<bool> blocked = false;
  node.driver->GetStatus([&](const Status*) {
    blocked = true;
    gate.Pass();
  });
  ASSERT_TRUE(Eventually([&] { return blocked.load(); }));
  raft::InstallSnapshot snapshot;
  snapshot.last_included = {Index{1}, Term{1}};
  snapshot.data = Bytes(std::string(600'000, 'x'));
  for (int i = 0; i < 3; ++i) {
    node.driver->Receive({ClusterId{7}, NodeId{2}, NodeId{1}, Incarnation{}, Term{1}, snapshot});
  }
  EXPECT_EQ(node.driver->queues().peer_dropped, 2u);
  EXPECT_LE(node.driver->queues().peer_bytes, options.queued_peer_bytes_max);
  gate.Open();
  EXPECT_TRUE(Eventually([&] { return node.driver->queues().peer_bytes == 0; }));
}

// A failed sync says nothing about what the disk holds, so nothing may be promised after it.
TEST(DriverTest, AFailedDiskEndsTheNode) {
  auto disk = std::make_unique<FakeDisk>();
  std::atomic<bool> broken = false;
  disk->on_save = [&](const std::vector<raft::Write>&) {
    return broken ? absl::DataLossError("log.db: disk I/O error") : absl::OkStatus();
  };
  LoneNode node(std::move(disk));
  node.WaitUntilItLeads();
  broken = true;
  std::future<ReplyResult> under_way = Ask(*node.driver, PutRequest("a", "1"));
  EXPECT_TRUE(Is(under_way.get(), Unserved::kOutcomeUnknown));
  EXPECT_TRUE(Is(Ask(*node.driver, PutRequest("a", "1")).get(), Unserved::kStopping));
  EXPECT_FALSE(node.driver->GetStatusNow(Seconds(30)).has_value());
  EXPECT_FALSE(node.driver->Stop(Seconds(30)));
  // Told by another thread than the one that answers requests.
  EXPECT_EQ(node.observer.disk_failures, 1);
}

TEST(DriverTest, AFailedCheckpointEndsTheNodeToo) {
  auto disk = std::make_unique<FakeDisk>();
  disk->on_store = [] { return absl::DataLossError("state.db: disk I/O error"); };
  LoneNode node(std::move(disk));
  node.WaitUntilItLeads();
  EXPECT_FALSE(node.driver->Stop(Seconds(30)));
  EXPECT_EQ(node.observer.disk_failures, 1);
}

TEST(DriverTest, AStopAnswersWhatIsUnderWay) {
  auto disk = std::make_unique<FakeDisk>();
  Gate gate;
  std::atomic<bool> hold = false;
  disk->on_save = [&](const std::vector<raft::Write>&) {
    if (hold) {
      gate.Pass();
    }
    return absl::OkStatus();
  };
  LoneNode node(std::move(disk));
  node.WaitUntilItLeads();
  hold = true;
  std::future<ReplyResult> stuck = Ask(*node.driver, PutRequest("a", "1"));
  std::thread opener([&] {
    // The disk comes back only after the stop has given up on the request.
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    gate.Open();
  });
  EXPECT_FALSE(node.driver->Stop(Milliseconds(100)));
  opener.join();
  EXPECT_TRUE(Is(stuck.get(), Unserved::kOutcomeUnknown));
  EXPECT_TRUE(Is(Ask(*node.driver, PutRequest("a", "1")).get(), Unserved::kStopping));
}

TEST(DriverTest, TheSenderIsToldTheMembershipWhenItChanges) {
  LoneNode node(std::make_unique<FakeDisk>());
  node.WaitUntilItLeads();
  raft::MembershipChange change;
  change.add = raft::NewMember{
      .incarnation = {5}, .peer_address = "two:1", .client_address = "two:2", .promote = false};
  ReplyResult reply;
  ASSERT_TRUE(Eventually([&] {
    reply = Ask(*node.driver, change).get();
    return std::holds_alternative<MembershipChanged>(reply);
  }));
  EXPECT_EQ(std::get<MembershipChanged>(reply).added, NodeId{2});
  EXPECT_EQ(node.sender.membership(), std::get<MembershipChanged>(reply).membership.membership);
  EXPECT_EQ(node.observer.expelled, 0);
}

TEST(LocalClusterTest, ARemovedMemberLearnsItAndTheOthersGoOn) {
  const storage::TemporaryFolder folder;
  LocalCluster cluster(folder.path());
  cluster.Put("a", "1");
  const int leader = cluster.WaitForLeader();
  const int removed = leader % LocalCluster::kNodes + 1;
  raft::MembershipChange change;
  change.standings = {{{static_cast<std::uint64_t>(removed)}, raft::Standing::kNone}};
  ASSERT_TRUE(Eventually([&] {
    return std::holds_alternative<MembershipChanged>(
        Ask(cluster.driver(cluster.WaitForLeader()), change).get());
  }));
  EXPECT_TRUE(Eventually([&] { return cluster.observer(removed).expelled == 1; }));
  EXPECT_EQ(cluster.observer(leader).expelled, 0);
  EXPECT_TRUE(cluster.Stop(removed)) << "what it had accepted is drained";
  cluster.Put("b", "2");
  EXPECT_EQ(cluster.Get("a"), "1");
  EXPECT_TRUE(cluster.Agree());
}

TEST(LocalClusterTest, ServesManyClientsAndAgrees) {
  const storage::TemporaryFolder folder;
  LocalCluster cluster(folder.path());
  cluster.WaitForLeader();
  std::vector<std::thread> clients;
  for (int client = 0; client < 4; ++client) {
    clients.emplace_back([&cluster, client] {
      for (int i = 0; i < 25; ++i) {
        cluster.Put("key " + std::to_string(client), std::to_string(i));
      }
    });
  }
  for (std::thread& client : clients) {
    client.join();
  }
  for (int client = 0; client < 4; ++client) {
    EXPECT_EQ(cluster.Get("key " + std::to_string(client)), "24");
  }
  EXPECT_TRUE(cluster.Agree());
}

TEST(LocalClusterTest, AFollowerSaysWhoLeads) {
  const storage::TemporaryFolder folder;
  LocalCluster cluster(folder.path());
  const int leader = cluster.WaitForLeader();
  const int follower = leader % LocalCluster::kNodes + 1;
  ASSERT_TRUE(Eventually([&] {
    const std::optional<Status> status = cluster.driver(follower).GetStatusNow(Seconds(30));
    return status && status->leader.value == static_cast<std::uint64_t>(leader);
  }));
  const ReplyResult result = Ask(cluster.driver(follower), PutRequest("a", "1")).get();
  ASSERT_TRUE(Is(result, RefusalKind::kNotLeader));
  EXPECT_EQ(std::get<Refusal>(result).leader.value, static_cast<std::uint64_t>(leader));
}

TEST(LocalClusterTest, ALeaderThatIsCutOffIsReplacedAndLosesNothingAcknowledged) {
  const storage::TemporaryFolder folder;
  LocalCluster cluster(folder.path());
  cluster.Put("a", "before");
  const int old_leader = cluster.WaitForLeader();
  cluster.network().CutOff(NodeId{static_cast<std::uint64_t>(old_leader)});
  // It still believes to lead: the request is taken and must end by its deadline, as unknown.
  std::future<ReplyResult> lost =
      Ask(cluster.driver(old_leader), PutRequest("a", "lost"), Driver::Now() + Milliseconds(200));
  const int new_leader = cluster.WaitForLeader(old_leader);
  EXPECT_NE(new_leader, old_leader);
  EXPECT_TRUE(Done(Ask(cluster.driver(new_leader), PutRequest("b", "after")).get()));
  const ReplyResult fate = lost.get();
  EXPECT_TRUE(Is(fate, RefusalKind::kUnknown) || Is(fate, RefusalKind::kNotLeader));
  cluster.network().Heal();
  EXPECT_TRUE(cluster.Agree());
  EXPECT_EQ(cluster.Get("a"), "before");
  EXPECT_EQ(cluster.Get("b"), "after");
}

TEST(LocalClusterTest, ACleanStopLeavesACheckpointOfEverything) {
  const storage::TemporaryFolder folder;
  LocalCluster cluster(folder.path());
  for (int i = 0; i < 10; ++i) {
    cluster.Put("a", std::to_string(i));
  }
  ASSERT_TRUE(cluster.Agree());
  const int follower = cluster.WaitForLeader() % LocalCluster::kNodes + 1;
  const Index applied = cluster.driver(follower).GetStatusNow(Seconds(30))->summary.applied_index;
  EXPECT_TRUE(cluster.Stop(follower));
  cluster.Start(follower);
  EXPECT_GE(cluster.recovered(follower), applied);
  EXPECT_TRUE(cluster.Agree());
}

TEST(LocalClusterTest, ANodeThatMissedTheLogGetsASnapshot) {
  const storage::TemporaryFolder folder;
  LocalCluster cluster(folder.path(), 5);
  const int leader = cluster.WaitForLeader();
  const int away = leader % LocalCluster::kNodes + 1;
  cluster.Stop(away);
  for (int i = 0; i < 60; ++i) {
    cluster.Put("key " + std::to_string(i), "value");
  }
  cluster.Start(away);
  EXPECT_TRUE(cluster.Agree());
  EXPECT_GE(cluster.observer(away).installations, 1);
  for (int i = 60; i < 70; ++i) {
    cluster.Put("key " + std::to_string(i), "value");
  }
  EXPECT_TRUE(cluster.Agree());
}

TEST(LocalClusterTest, NothingAcknowledgedIsLostWhenAllNodesStopAtOnce) {
  const storage::TemporaryFolder folder;
  {
    LocalCluster cluster(folder.path());
    for (int i = 0; i < 20; ++i) {
      cluster.Put("key " + std::to_string(i), std::to_string(i));
    }
  }  // no checkpoint: the logs hold it all
  LocalCluster again(folder.path());
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(again.Get("key " + std::to_string(i)), std::to_string(i));
  }
  EXPECT_TRUE(again.Agree());
}

}  // namespace
}  // namespace lockstep::server
