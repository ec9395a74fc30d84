#include "net/client.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/net/fake_kv.h"

namespace lockstep::net {
namespace {

using Step = FakeNode::Step;

FakeNode::Answer Do(Step step) { return {step, std::nullopt}; }
FakeNode::Answer Refuse(Error error) { return {Step::kServe, std::move(error)}; }

Error NotLeader(const std::string& leader_address) {
  return FromRefusal({RefusalKind::kNotLeader, {1}, "follower"}, leader_address);
}
Error Dropped() { return FromRefusal({RefusalKind::kDropped, {}, "overwritten"}, ""); }
Error Overloaded() { return FromRefusal({RefusalKind::kOverloaded, {}, "full"}, ""); }
Error UnknownSession() { return FromCommandError(kv::CommandError::kUnknownSession); }

class ClientTest : public testing::Test {
 protected:
  std::unique_ptr<Client> Connect(std::vector<std::string> endpoints) {
    ClientOptions options;
    options.endpoints = std::move(endpoints);
    options.call_timeout = Milliseconds(10'000);
    options.attempt_timeout = Milliseconds(300);
    options.backoff_min = Milliseconds(1);
    options.backoff_max = Milliseconds(20);
    return Connect(options);
  }

  std::unique_ptr<Client> Connect(const ClientOptions& options) {
    absl::StatusOr<std::unique_ptr<Client>> client = Client::Connect(options);
    EXPECT_TRUE(client.ok()) << client.status();
    return *std::move(client);
  }

  // How often the put of `key` took effect.
  int Executed(const std::string& key) {
    const std::lock_guard<std::mutex> lock(cluster_->mutex);
    return cluster_->executed[key];
  }

  // An address of the loopback device where nobody listens.
  static std::string DeadAddress() {
    const FakeNode node(std::make_shared<FakeCluster>());
    return node.address();
  }

  const std::shared_ptr<FakeCluster> cluster_ = std::make_shared<FakeCluster>();
  FakeNode leader_{cluster_};
  FakeNode follower_{cluster_};
};

TEST_F(ClientTest, WritesWithinASessionThatItOpensOnce) {
  const std::unique_ptr<Client> client = Connect({leader_.address()});
  for (int i = 0; i < 3; ++i) {
    const Outcome<PutReply> put = client->Put("k" + std::to_string(i), "v");
    ASSERT_TRUE(put.done());
    EXPECT_EQ(put.value().revision, Revision{static_cast<std::uint64_t>(i) + 2});
  }
  EXPECT_EQ(leader_.sessions_opened(), 1);
  const std::vector<v1::PutRequest> puts = leader_.puts();
  ASSERT_EQ(puts.size(), 3u);
  for (std::uint64_t i = 0; i < 3; ++i) {
    EXPECT_EQ(puts[i].session().id(), 1u);
    EXPECT_EQ(puts[i].session().sequence(), i + 1);
    EXPECT_EQ(puts[i].session().acknowledged(), i) << "the replies of all before were received";
  }
}

TEST_F(ClientTest, FollowsTheHintToTheLeader) {
  follower_.Default(Refuse(NotLeader(leader_.address())));
  follower_.ScriptSessions({Refuse(NotLeader(leader_.address()))});
  const std::unique_ptr<Client> client = Connect({follower_.address()});
  ASSERT_TRUE(client->Put("k", "v").done());
  ASSERT_TRUE(client->Put("l", "v").done());
  EXPECT_EQ(leader_.puts().size(), 2u);
  EXPECT_EQ(follower_.puts().size(), 0u) << "the leader was known after the session was opened";
}

TEST_F(ClientTest, LooksForTheLeaderAmongAllEndpointsWithoutAHint) {
  follower_.Default(Refuse(NotLeader("")));
  follower_.ScriptSessions({Refuse(NotLeader(""))});
  const std::unique_ptr<Client> client =
      Connect({DeadAddress(), follower_.address(), leader_.address()});
  EXPECT_TRUE(client->Put("k", "v").done());
  EXPECT_EQ(Executed("k"), 1);
}

TEST_F(ClientTest, ALostReplyIsAskedForAgainWithTheSameSequenceAndTheWriteHappensOnce) {
  const std::unique_ptr<Client> client = Connect({leader_.address()});
  leader_.Script({Do(Step::kLoseReply), Do(Step::kLoseReply), Do(Step::kExecuteAndHang)});
  const Outcome<PutReply> put = client->Put("k", "v");
  ASSERT_TRUE(put.done());
  EXPECT_EQ(put.value().revision, Revision{2});
  EXPECT_EQ(Executed("k"), 1);
  const std::vector<v1::PutRequest> puts = leader_.puts();
  ASSERT_EQ(puts.size(), 4u);
  for (const v1::PutRequest& request : puts) {
    EXPECT_EQ(request.session().id(), puts.front().session().id());
    EXPECT_EQ(request.session().sequence(), 1u);
    EXPECT_EQ(request.session().acknowledged(), 0u);
  }
}

TEST_F(ClientTest, AWriteMovesToTheNextLeaderWithTheSameSequence) {
  const std::unique_ptr<Client> client = Connect({leader_.address(), follower_.address()});
  ASSERT_TRUE(client->Put("first", "v").done());
  // It executes the write and then loses its office before it answers.
  leader_.Script({Do(Step::kLoseReply)});
  leader_.Default(Refuse(NotLeader(follower_.address())));
  ASSERT_TRUE(client->Put("k", "v").done());
  EXPECT_EQ(Executed("k"), 1);
  ASSERT_GE(follower_.puts().size(), 1u);
  EXPECT_EQ(follower_.puts().back().session().sequence(), 2u);
}

TEST_F(ClientTest, WhatCertainlyDidNotHappenIsTriedAgain) {
  const std::unique_ptr<Client> client = Connect({leader_.address()});
  leader_.Script({Refuse(Dropped()), Refuse(Overloaded()), Refuse(Dropped())});
  EXPECT_TRUE(client->Put("k", "v").done());
  EXPECT_EQ(leader_.puts().size(), 4u);
}

TEST_F(ClientTest, AnInvalidRequestFailsAtOnceAndForCertain) {
  const std::unique_ptr<Client> client = Connect({leader_.address()});
  leader_.Script({Refuse(InvalidError("key has 5000 bytes; the limit is 4096"))});
  const Outcome<PutReply> put = client->Put("k", "v");
  ASSERT_NE(put.not_done(), nullptr);
  EXPECT_EQ(put.not_done()->kind, ErrorKind::kInvalid);
  EXPECT_EQ(put.not_done()->reason, "key has 5000 bytes; the limit is 4096");
  EXPECT_EQ(leader_.puts().size(), 1u);
}

TEST_F(ClientTest, ARefusalAfterAnOpenAttemptLeavesTheWriteUnknown) {
  const std::unique_ptr<Client> client = Connect({leader_.address()});
  leader_.Script({Do(Step::kLoseReply), Refuse(InvalidError("limits differ here"))});
  const Outcome<PutReply> put = client->Put("k", "v");
  ASSERT_NE(put.unknown(), nullptr) << "it was executed by the first attempt";
  EXPECT_EQ(Executed("k"), 1);
}

TEST_F(ClientTest, RefusalsUntilTheDeadlineAreCertain) {
  leader_.Default(Refuse(Overloaded()));
  const std::unique_ptr<Client> client = Connect({leader_.address()});
  const Outcome<PutReply> put = client->Put("k", "v", {.timeout = Milliseconds(150)});
  ASSERT_NE(put.not_done(), nullptr);
  EXPECT_EQ(put.not_done()->kind, ErrorKind::kDeadline);
  EXPECT_NE(put.not_done()->reason.find("overloaded: full"), std::string::npos)
      << put.not_done()->reason;
}

TEST_F(ClientTest, SilenceUntilTheDeadlineIsUnknown) {
  const std::unique_ptr<Client> client = Connect({leader_.address()});
  leader_.Default(Do(Step::kExecuteAndHang));
  const auto start = std::chrono::steady_clock::now();
  const Outcome<PutReply> put = client->Put("k", "v", {.timeout = Milliseconds(500)});
  const auto took = std::chrono::steady_clock::now() - start;
  ASSERT_NE(put.unknown(), nullptr);
  EXPECT_EQ(put.unknown()->kind, ErrorKind::kDeadline);
  EXPECT_EQ(Executed("k"), 1);
  EXPECT_GE(took, std::chrono::milliseconds(499));
  EXPECT_LT(took, std::chrono::milliseconds(3000));
}

TEST_F(ClientTest, OneOpenAttemptAmongRefusalsMakesTheDeadlineUnknown) {
  const std::unique_ptr<Client> client = Connect({leader_.address()});
  leader_.Script({Refuse(Overloaded()), Do(Step::kLoseReply)});
  leader_.Default(Refuse(Overloaded()));
  const Outcome<PutReply> put = client->Put("k", "v", {.timeout = Milliseconds(150)});
  ASSERT_NE(put.unknown(), nullptr);
  EXPECT_EQ(Executed("k"), 1);
}

TEST_F(ClientTest, WithoutAConnectionNothingWasSentAndThatIsCertain) {
  const std::unique_ptr<Client> client = Connect({DeadAddress()});
  const Outcome<PutReply> put = client->Put("k", "v", {.timeout = Milliseconds(200)});
  ASSERT_NE(put.not_done(), nullptr);
  EXPECT_NE(put.not_done()->reason.find("no connection"), std::string::npos)
      << put.not_done()->reason;
}

TEST_F(ClientTest, AWriteThatFindsItsSessionExpiredMovesToANewOneIfItWasNeverExecuted) {
  const std::unique_ptr<Client> client = Connect({leader_.address()});
  ASSERT_TRUE(client->Put("first", "v").done());
  {
    const std::lock_guard<std::mutex> lock(cluster_->mutex);
    cluster_->sessions.clear();
  }
  ASSERT_TRUE(client->Put("k", "v").done());
  EXPECT_EQ(Executed("k"), 1);
  EXPECT_EQ(leader_.sessions_opened(), 2);
  EXPECT_EQ(leader_.puts().back().session().id(), 2u);
  EXPECT_EQ(leader_.puts().back().session().sequence(), 1u);
}

TEST_F(ClientTest, AWriteThatMayHaveHappenedBeforeItsSessionExpiredIsUnknown) {
  const std::unique_ptr<Client> client = Connect({leader_.address()});
  leader_.Script({Do(Step::kLoseReply), Refuse(UnknownSession())});
  const Outcome<PutReply> put = client->Put("k", "v");
  ASSERT_NE(put.unknown(), nullptr);
  EXPECT_EQ(put.unknown()->kind, ErrorKind::kUnknownSession);
  EXPECT_EQ(Executed("k"), 1) << "and was not sent again in another session";
  EXPECT_TRUE(client->Put("next", "v").done()) << "in a new session";
  EXPECT_EQ(leader_.sessions_opened(), 2);
}

TEST_F(ClientTest, ASessionThatIsRefusedForGoodFailsTheWriteAtOnce) {
  leader_.ScriptSessions({Refuse(InvalidError("time_to_live is too long"))});
  const std::unique_ptr<Client> client = Connect({leader_.address()});
  const Outcome<PutReply> put = client->Put("k", "v");
  ASSERT_NE(put.not_done(), nullptr);
  EXPECT_EQ(put.not_done()->kind, ErrorKind::kInvalid);
  EXPECT_EQ(put.not_done()->reason, "no session: time_to_live is too long");
}

TEST_F(ClientTest, ReadsAreRepeatedAndNeverUnknown) {
  const std::unique_ptr<Client> client = Connect({leader_.address()});
  ASSERT_TRUE(client->Put("k", "v").done());
  leader_.Script({Do(Step::kFail), Refuse(UnknownError("deposed")), Do(Step::kHang)});
  const Outcome<GetReply> get = client->Get(std::vector<std::string>{"k", "absent"});
  ASSERT_TRUE(get.done());
  ASSERT_EQ(get.value().keys.size(), 2u);
  EXPECT_TRUE(get.value().keys[0].has_value());
  EXPECT_FALSE(get.value().keys[1].has_value());

  leader_.Default(Do(Step::kHang));
  const Outcome<GetReply> silent = client->Get("k", {.timeout = Milliseconds(100)});
  ASSERT_NE(silent.not_done(), nullptr);
  EXPECT_EQ(silent.not_done()->kind, ErrorKind::kDeadline);
}

TEST_F(ClientTest, AReadSaysHowConsistentItIs) {
  const std::unique_ptr<Client> client = Connect({leader_.address()});
  ASSERT_TRUE(client->Get("k").done());
  EXPECT_EQ(leader_.last_get()->consistency(), v1::GetRequest::LINEARIZABLE);
  ASSERT_TRUE(
      client->Get("k", {}, {.consistency = Consistency::kBoundedStaleness, .max_age = Seconds(5)})
          .done());
  EXPECT_EQ(leader_.last_get()->consistency(), v1::GetRequest::BOUNDED_STALENESS);
  EXPECT_EQ(leader_.last_get()->max_age_ms(), 5000);
}

TEST_F(ClientTest, SurvivesTheRestartOfANode) {
  auto node = std::make_unique<FakeNode>(cluster_);
  const std::string address = node->address();
  const std::unique_ptr<Client> client = Connect({address});
  ASSERT_TRUE(client->Put("before", "v").done());
  node.reset();
  std::thread restart([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    node = std::make_unique<FakeNode>(cluster_, address);
  });
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(client->Put("after", "v").done());
  const auto took = std::chrono::steady_clock::now() - start;
  restart.join();
  EXPECT_EQ(Executed("after"), 1);
  EXPECT_LT(took, std::chrono::milliseconds(3000)) << "gRPC's blocking stubs need five seconds";
}

TEST_F(ClientTest, ManyThreadsShareOneSessionAndEachWriteHappensOnce) {
  const std::unique_ptr<Client> client = Connect({leader_.address()});
  leader_.Script({Do(Step::kServe), Do(Step::kLoseReply), Refuse(Dropped()), Do(Step::kServe),
                  Do(Step::kLoseReply), Refuse(Overloaded()), Do(Step::kFail)});
  constexpr int kThreads = 8;
  constexpr int kEach = 25;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&client, t] {
      for (int i = 0; i < kEach; ++i) {
        EXPECT_TRUE(client->Put(std::to_string(t) + "/" + std::to_string(i), "v").done());
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(leader_.sessions_opened(), 1);
  for (int t = 0; t < kThreads; ++t) {
    for (int i = 0; i < kEach; ++i) {
      EXPECT_EQ(Executed(std::to_string(t) + "/" + std::to_string(i)), 1);
    }
  }
}

TEST_F(ClientTest, CallsBeyondTheBoundWaitForTheirTurnWithinTheirDeadline) {
  ClientOptions options;
  options.endpoints = {leader_.address()};
  options.calls_in_flight_max = 1;
  const std::unique_ptr<Client> client = Connect(options);
  ASSERT_TRUE(client->Put("session", "v").done());
  leader_.Script({Do(Step::kHang)});
  std::thread slow([&client] { (void)client->Put("slow", "v", {.timeout = Milliseconds(400)}); });
  while (leader_.puts().size() < 2) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  const Outcome<PutReply> impatient = client->Put("k", "v", {.timeout = Milliseconds(50)});
  ASSERT_NE(impatient.not_done(), nullptr);
  EXPECT_EQ(impatient.not_done()->kind, ErrorKind::kDeadline);
  EXPECT_TRUE(client->Put("k", "v").done());
  slow.join();
}

TEST_F(ClientTest, ClosingEndsARunningWriteAsUnknownAndRefusesLaterOnes) {
  const std::unique_ptr<Client> client = Connect({leader_.address()});
  ASSERT_TRUE(client->Put("session", "v").done());
  leader_.Default(Do(Step::kExecuteAndHang));
  std::thread closer([this, &client] {
    while (leader_.puts().size() < 2) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    client->Close();
  });
  const Outcome<PutReply> put = client->Put("k", "v");
  closer.join();
  ASSERT_NE(put.unknown(), nullptr);
  EXPECT_EQ(put.unknown()->kind, ErrorKind::kClosed);
  const Outcome<PutReply> later = client->Put("k", "v");
  ASSERT_NE(later.not_done(), nullptr);
  EXPECT_EQ(later.not_done()->kind, ErrorKind::kClosed);
}

TEST_F(ClientTest, ARequestThatGrpcWouldNotCarryFailsForCertain) {
  const std::unique_ptr<Client> client = Connect({leader_.address()});
  const Outcome<PutReply> put = client->Put("k", std::string(kRequestBytesMax, 'x'));
  ASSERT_NE(put.not_done(), nullptr);
  EXPECT_EQ(put.not_done()->kind, ErrorKind::kInvalid);
  EXPECT_TRUE(client->Put("k", std::string(kRequestBytesMax - 1000, 'x')).done());
}

TEST_F(ClientTest, AsksOneNodeForItsStatus) {
  const std::unique_ptr<Client> client = Connect({follower_.address()});
  const Outcome<v1::StatusResponse> status = client->Status(leader_.address());
  ASSERT_TRUE(status.done());
  EXPECT_EQ(status.value().node_id(), 42u);
  const Outcome<v1::StatusResponse> dead = client->Status(DeadAddress());
  ASSERT_NE(dead.not_done(), nullptr);
  EXPECT_EQ(dead.not_done()->kind, ErrorKind::kUnreachable);
}

TEST(ClientOptionsTest, BadOptionsAreNamed) {
  const auto error = [](auto change) {
    ClientOptions options;
    options.endpoints = {"127.0.0.1:1"};
    change(&options);
    return std::string(Client::Connect(options).status().message());
  };
  EXPECT_EQ(error([](ClientOptions* o) { o->endpoints.clear(); }),
            "endpoints is empty, and no discovery_srv is given");
  EXPECT_EQ(error([](ClientOptions* o) { o->endpoints = {""}; }), "endpoints holds an empty one");
  EXPECT_EQ(error([](ClientOptions* o) { o->call_timeout = {}; }), "call_timeout is not above 0");
  EXPECT_EQ(error([](ClientOptions* o) { o->backoff_max = Milliseconds(1); }),
            "backoff_max is below backoff_min");
  EXPECT_EQ(error([](ClientOptions* o) { o->session_time_to_live = Microseconds(1); }),
            "session_time_to_live is below 1 ms");
  EXPECT_EQ(error([](ClientOptions* o) { o->calls_in_flight_max = 0; }),
            "calls_in_flight_max is 0");
  EXPECT_EQ(error([](ClientOptions*) {}), "");
}

}  // namespace
}  // namespace lockstep::net
