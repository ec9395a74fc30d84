#include <gtest/gtest.h>

#include "core/kv/requests.h"
#include "tests/scenarios/cluster.h"

namespace lockstep {
namespace {

kv::Transact InSession(SessionId session, std::uint64_t sequence, kv::Transaction transaction) {
  return {.session = session,
          .sequence = sequence,
          .acknowledged = sequence - 1,
          .transaction = std::move(transaction)};
}

// A client whose leader dies before it hears of success tries again elsewhere. The command is
// executed once, and the retry is told what the one execution gave (§6.3).
TEST(ClientTest, RetryAfterALeadersCrashIsAnsweredFromTheSavedReply) {
  Cluster cluster({.nodes = 3, .seed = 1});
  const SessionId session = cluster.OpenSession();
  const NodeId leader = cluster.ElectLeader();
  const kv::Transact command = InSession(session, 1, kv::PutIfAbsentTransaction("x", "once"));
  const RequestId first = cluster.Propose(leader, command);
  const kv::TransactionResult original = *cluster.ResultOf(first);
  EXPECT_TRUE(original.succeeded);
  cluster.Crash(leader);

  const NodeId next = cluster.ElectLeader();
  const RequestId retry = cluster.Propose(next, command);
  ASSERT_NE(cluster.ResultOf(retry), nullptr);
  EXPECT_EQ(*cluster.ResultOf(retry), original) << "not that the key was there already";
  EXPECT_EQ(cluster.KeyValueAt(next, "x")->version, 1u);
}

// The memory of replies is part of the data: it comes with a snapshot.
TEST(ClientTest, RetryIsRecognisedByANodeThatHasTheSessionFromASnapshot) {
  Cluster cluster({.nodes = 3, .seed = 2, .adjust = [](sim::Settings& settings) {
                     settings.checkpoint_entries = 3;
                     settings.entries_retained = 0;
                   }});
  const SessionId session = cluster.OpenSession();
  const NodeId leader = cluster.ElectLeader();
  const NodeId away = cluster.OtherThan({leader});
  cluster.Isolate(away);
  const kv::Transact command = InSession(session, 1, kv::PutTransaction("x", "once"));
  const kv::TransactionResult original = *cluster.ResultOf(cluster.Propose(leader, command));
  for (int i = 0; i < 20; ++i) {
    cluster.Put("y", std::to_string(i));
  }
  cluster.Heal();
  cluster.RunUntilQuiet();
  ASSERT_EQ(cluster.Reached(sim::Probe::kSnapshotInstalled), 1u);

  // Only the one with the snapshot and one other are left; make that one the leader.
  cluster.Crash(leader);
  const NodeId next = cluster.ElectLeader();
  const kv::TransactionResult* again = cluster.ResultOf(cluster.Propose(next, command));
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(*again, original);
  cluster.RunUntilQuiet();
  EXPECT_EQ(cluster.KeyValueAt(away, "x")->version, 1u);
}

// A deposed leader that does not know it yet must not answer reads from its old state (§6.4).
TEST(ClientTest, DeposedLeaderAnswersNoRead) {
  Cluster cluster({.nodes = 3, .seed = 3});
  const NodeId old_leader = cluster.ElectLeader();
  cluster.Put("x", "old");
  cluster.Isolate(old_leader);
  const RequestId read = cluster.StartRead(old_leader, "x");
  cluster.Put("x", "new");
  EXPECT_TRUE(cluster.RefusalOf(read).has_value());
}

// A leader knows all that is committed only after it has committed an entry of its own term. A read
// that comes before must wait for that (§6.4).
TEST(ClientTest, NewLeaderReadsWhatTheOldOneHadAcknowledged) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Cluster cluster({.nodes = 3, .seed = seed});
    const NodeId old_leader = cluster.ElectLeader();
    cluster.Put("x", "acknowledged");
    cluster.Crash(old_leader);
    const NodeId leader = cluster.ElectLeader();
    const RequestId read = cluster.StartRead(leader, "x");
    const ReadResult* result = cluster.ReadOf(read);
    ASSERT_NE(result, nullptr);
    ASSERT_TRUE(result->keys.front().has_value());
    EXPECT_EQ(result->keys.front()->value, "acknowledged");
  }
}

// A follower says who leads rather than guess an answer.
TEST(ClientTest, FollowerNamesTheLeader) {
  Cluster cluster({.nodes = 3, .seed = 4});
  const NodeId leader = cluster.ElectLeader();
  cluster.RunUntilQuiet();
  const NodeId follower = cluster.OtherThan({leader});
  const RequestId put = cluster.ProposePut(follower, "x", "1");
  EXPECT_EQ(cluster.RefusalOf(put), RefusalKind::kNotLeader);
  EXPECT_EQ(std::get<Refusal>(cluster.world().AnswerTo(put)->result).leader, leader);
}

// Transactions take effect whole or not at all, with their conditions judged at that moment.
TEST(ClientTest, CompareAndSetSucceedsForOneOfTwoThatRace) {
  Cluster cluster({.nodes = 3, .seed = 5});
  cluster.Put("x", "0");
  const NodeId leader = cluster.ElectLeader();
  kv::Transact first;
  first.transaction = kv::CompareAndSetTransaction("x", "0", "first");
  kv::Transact second;
  second.transaction = kv::CompareAndSetTransaction("x", "0", "second");
  const RequestId one = cluster.Propose(leader, first);
  const RequestId two = cluster.Propose(leader, second);
  EXPECT_TRUE(cluster.ResultOf(one)->succeeded);
  EXPECT_FALSE(cluster.ResultOf(two)->succeeded);
  EXPECT_EQ(cluster.ValueAt(leader, "x"), "first");
}

}  // namespace
}  // namespace lockstep
