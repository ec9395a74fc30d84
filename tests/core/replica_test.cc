// The replica's promises to clients and to its driver, with three of them joined by hand.

#include "core/replica.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>

#include "core/assert.h"
#include "core/kv/codec.h"
#include "core/kv/digest.h"
#include "core/kv/machine.h"
#include "core/kv/requests.h"
#include "core/raft/node.h"
#include "tests/core/raft_cluster.h"

namespace lockstep {
namespace {

// What state.db does with a delta, on an image in memory.
void Store(const kv::Delta& delta, kv::Image& image) {
  std::map<kv::RowId, kv::KeyRow> keys;
  for (kv::KeyRow& row : image.keys) {
    keys.emplace(row.id, std::move(row));
  }
  for (const kv::RowId& id : delta.removed_keys) {
    keys.erase(id);
  }
  for (const kv::KeyRow& row : delta.added_keys) {
    keys[row.id] = row;
  }
  std::map<SessionId, kv::SessionRow> sessions;
  for (kv::SessionRow& row : image.sessions) {
    sessions.emplace(row.id, std::move(row));
  }
  for (const SessionId& id : delta.removed_sessions) {
    sessions.erase(id);
  }
  for (const kv::SessionRow& row : delta.changed_sessions) {
    sessions[row.id] = row;
  }
  image = {.summary = delta.summary, .membership = delta.membership, .keys = {}, .sessions = {}};
  for (auto& [id, row] : keys) {
    image.keys.push_back(std::move(row));
  }
  for (auto& [id, row] : sessions) {
    image.sessions.push_back(std::move(row));
  }
}

class Replicas {
 public:
  explicit Replicas(std::size_t size, std::function<void(ReplicaConfig&)> adjust = {}) {
    ReplicaConfig config;
    config.raft.cluster = {1};
    std::vector<NodeId> voters;
    for (std::uint64_t id = 1; id <= size; ++id) {
      voters.push_back({id});
    }
    if (adjust) {
      adjust(config);
    }
    for (std::uint64_t id = 1; id <= size; ++id) {
      config.raft.id = {id};
      members_[{id}].config = config;
      members_[{id}].files.image.membership.membership = raft::MembershipOf(voters);
      Restart(id);
    }
  }

  Replica& replica(std::uint64_t id) { return *members_.at(NodeId{id}).replica; }
  StoredState& files(std::uint64_t id) { return members_.at(NodeId{id}).files; }

  void Restart(std::uint64_t id) {
    Member& member = members_.at(NodeId{id});
    std::string error;
    member.replica = Replica::Start(member.config, member.files, Random(id), now_, &error);
    CORE_ASSERT(member.replica.has_value());
    Collect(id);
  }

  void Cut(std::uint64_t id) { cut_ = {id}; }
  void Heal() { cut_ = {}; }

  void Run(Duration duration) {
    const Instant end = now_ + duration;
    while (now_ < end) {
      now_ = now_ + Milliseconds(10);
      for (auto& [id, member] : members_) {
        member.replica->Advance(now_);
        Collect(id.value);
      }
      Deliver();
    }
  }

  std::uint64_t Leader() {
    Run(Seconds(5));
    std::uint64_t leader = 0;
    for (auto& [id, member] : members_) {
      if (id != cut_ && member.replica->GetStatus(now_).role == Role::kLeader) {
        leader = id.value;
      }
    }
    CORE_ASSERT(leader != 0);
    return leader;
  }

  // Submits without waiting for the answer.
  RequestId Submit(std::uint64_t node, decltype(Request::body) body,
                   Duration patience = Seconds(1)) {
    last_request_ = last_request_.Next();
    replica(node).Submit(
        {.id = last_request_, .deadline = now_ + patience, .body = std::move(body)}, now_);
    Collect(node);
    return last_request_;
  }

  // Submits and lets time pass until the answer has come.
  decltype(Reply::result) Ask(std::uint64_t node, decltype(Request::body) body) {
    const RequestId id = Submit(node, std::move(body));
    Deliver();
    for (int i = 0; i < 300 && replies_.count(id) == 0; ++i) {
      Run(Milliseconds(10));
    }
    return replies_.at(id);
  }

  // Submits and returns the refusal that must be the answer.
  Refusal AskForRefusal(std::uint64_t node, decltype(Request::body) body) {
    return std::get<Refusal>(Ask(node, std::move(body)));
  }

  kv::TransactionResult Put(std::uint64_t node, const std::string& key, const std::string& value) {
    return std::get<kv::TransactionResult>(std::get<kv::CommandResult>(
        Ask(node, kv::Transact{.transaction = kv::PutTransaction(key, value)})));
  }

  std::map<RequestId, decltype(Reply::result)>& replies() { return replies_; }
  std::size_t installations() const { return installations_; }
  // Who has found that its data is wrong, and why.
  const std::map<std::uint64_t, std::string>& diverged() const { return diverged_; }
  Instant now() const { return now_; }

 private:
  struct Member {
    ReplicaConfig config;
    StoredState files;
    std::optional<Replica> replica;
  };

  void Collect(std::uint64_t id) {
    Member& member = members_.at(NodeId{id});
    for (bool more = true; more;) {
      more = false;
      Effects effects = member.replica->TakeEffects();
      for (raft::Message& message : effects.messages) {
        network_.push_back(std::move(message));
      }
      if (effects.diverged) {
        EXPECT_TRUE(diverged_.emplace(id, *effects.diverged).second) << "told twice";
      }
      for (Reply& reply : effects.replies) {
        EXPECT_FALSE(diverged_.contains(id)) << "one that has diverged answers";
        const bool first = replies_.emplace(reply.id, std::move(reply.result)).second;
        EXPECT_TRUE(first) << "answered twice";
      }
      if (effects.write) {
        raft::Store(*effects.write, member.files.log);
        member.replica->Persisted(effects.write->id, now_);
        more = true;
      }
      if (effects.checkpoint) {
        Store(effects.checkpoint->delta, member.files.image);
        member.replica->CheckpointStored(effects.checkpoint->id, now_);
        more = true;
      }
      if (effects.installation) {
        member.files.image = *effects.installation->image;
        member.replica->SnapshotInstalled(effects.installation->id, now_);
        ++installations_;
        more = true;
      }
      for (const NodeId peer : effects.snapshots_wanted) {
        const kv::Image& image = member.files.image;
        member.replica->SnapshotRead(
            peer,
            {.last_included = {image.summary.applied_index, image.summary.applied_term},
             .data = Bytes(kv::EncodeImage(image))},
            now_);
        more = true;
      }
    }
  }

  void Deliver() {
    while (!network_.empty()) {
      const raft::Message message = std::move(network_.front());
      network_.pop_front();
      if (message.from != cut_ && message.to != cut_) {
        replica(message.to.value).Receive(message, now_);
        Collect(message.to.value);
      }
    }
  }

  Instant now_;
  std::map<std::uint64_t, std::string> diverged_;
  std::map<NodeId, Member> members_;
  std::deque<raft::Message> network_;
  NodeId cut_;
  RequestId last_request_;
  std::map<RequestId, decltype(Reply::result)> replies_;
  std::size_t installations_ = 0;
};

kv::Transact PutCommand(const std::string& key, const std::string& value) {
  return {.transaction = kv::PutTransaction(key, value)};
}

TEST(ReplicaTest, AWriteIsReadBack) {
  Replicas replicas(3);
  const std::uint64_t leader = replicas.Leader();
  EXPECT_EQ(replicas.Put(leader, "k", "v").revision, Revision{2});
  const auto read = std::get<ReadResult>(replicas.Ask(leader, Read{{"k", "absent"}}));
  ASSERT_TRUE(read.keys[0].has_value());
  EXPECT_EQ(read.keys[0]->value, "v");
  EXPECT_FALSE(read.keys[1].has_value());
  EXPECT_EQ(read.revision, Revision{2});
}

TEST(ReplicaTest, AFollowerNamesTheLeader) {
  Replicas replicas(3);
  const std::uint64_t leader = replicas.Leader();
  const std::uint64_t follower = leader == 1 ? 2 : 1;
  for (const decltype(Request::body)& body :
       {decltype(Request::body)(PutCommand("k", "v")),
        decltype(Request::body)(kv::OpenSession{Seconds(1)})}) {
    const Refusal refusal = replicas.AskForRefusal(follower, body);
    EXPECT_EQ(refusal.kind, RefusalKind::kNotLeader);
    EXPECT_EQ(refusal.leader, NodeId{leader});
  }
}

TEST(ReplicaTest, AFollowerServesReads) {
  Replicas replicas(3);
  const std::uint64_t leader = replicas.Leader();
  const std::uint64_t follower = leader == 1 ? 2 : 1;
  replicas.Put(leader, "k", "v");
  const auto ask = [&](Consistency consistency, Duration max_age) {
    return std::get<ReadResult>(replicas.Ask(follower, Read{{"k"}, consistency, max_age}));
  };
  const ReadResult forwarded = ask(Consistency::kLinearizable, {});
  EXPECT_EQ(forwarded.path, ReadPath::kForwarded);
  EXPECT_EQ(forwarded.revision, Revision{2});
  EXPECT_EQ(ask(Consistency::kLease, {}).path, ReadPath::kForwarded) << "it has none";
  EXPECT_EQ(ask(Consistency::kSerializable, {}).path, ReadPath::kLocal);
  EXPECT_EQ(ask(Consistency::kBoundedStaleness, Seconds(60)).path, ReadPath::kLocal);
  EXPECT_EQ(ask(Consistency::kBoundedStaleness, Duration{1}).path, ReadPath::kForwarded);
}

TEST(ReplicaTest, DigestsAgreeAtEqualAppliedIndexes) {
  Replicas replicas(3);
  const std::uint64_t leader = replicas.Leader();
  for (int i = 0; i < 20; ++i) {
    replicas.Put(leader, "k" + std::to_string(i % 5), std::to_string(i));
  }
  replicas.Run(Seconds(1));
  const kv::Summary summary = replicas.replica(1).machine().summary();
  EXPECT_EQ(replicas.replica(2).machine().summary(), summary);
  EXPECT_EQ(replicas.replica(3).machine().summary(), summary);
}

// The same sequence of a session is one write however often it is sent (§6.3), also over a leader.
TEST(ReplicaTest, ARetryInASessionGetsTheFirstAnswer) {
  Replicas replicas(3);
  std::uint64_t leader = replicas.Leader();
  const auto opened = std::get<kv::SessionOpened>(
      std::get<kv::CommandResult>(replicas.Ask(leader, kv::OpenSession{Seconds(60)})));
  kv::Transact once{.session = opened.session,
                    .sequence = 1,
                    .acknowledged = 0,
                    .transaction = kv::PutIfAbsentTransaction("k", "v")};
  const auto first = std::get<kv::CommandResult>(replicas.Ask(leader, once));
  EXPECT_TRUE(std::get<kv::TransactionResult>(first).succeeded);
  replicas.Cut(leader);
  leader = replicas.Leader();
  EXPECT_EQ(std::get<kv::CommandResult>(replicas.Ask(leader, once)), first);
}

// What a deposed leader had appended is dropped for certain once another entry is there.
TEST(ReplicaTest, AnOverwrittenWriteIsCertainlyNotDone) {
  Replicas replicas(3);
  const std::uint64_t old_leader = replicas.Leader();
  replicas.Cut(old_leader);
  const RequestId lost = replicas.Submit(old_leader, PutCommand("k", "lost"), Seconds(60));
  const std::uint64_t leader = replicas.Leader();
  replicas.Put(leader, "k", "kept");
  EXPECT_EQ(replicas.replies().count(lost), 0u) << "it could still come true";
  replicas.Heal();
  replicas.Run(Seconds(2));
  EXPECT_EQ(std::get<Refusal>(replicas.replies().at(lost)).kind, RefusalKind::kDropped);
}

TEST(ReplicaTest, AWriteWhoseDeadlinePassesIsUnknown) {
  Replicas replicas(3);
  const std::uint64_t leader = replicas.Leader();
  replicas.Cut(leader);
  const RequestId id = replicas.Submit(leader, PutCommand("k", "v"), Milliseconds(300));
  replicas.Run(Milliseconds(290));
  EXPECT_EQ(replicas.replies().count(id), 0u);
  replicas.Run(Milliseconds(20));
  EXPECT_EQ(std::get<Refusal>(replicas.replies().at(id)).kind, RefusalKind::kUnknown);
  replicas.Heal();
  replicas.Run(Seconds(5));  // its entry comes true or not: it is not answered again
}

TEST(ReplicaTest, AReadOnADeposedLeaderIsRefused) {
  Replicas replicas(3);
  const std::uint64_t leader = replicas.Leader();
  replicas.Put(leader, "k", "old");
  replicas.Cut(leader);
  const RequestId read = replicas.Submit(leader, Read{{"k"}}, Seconds(60));
  replicas.Run(Seconds(3));
  EXPECT_EQ(std::get<Refusal>(replicas.replies().at(read)).kind, RefusalKind::kNotLeader);
}

TEST(ReplicaTest, CheckpointsLetTheLogShrinkAndARestartBuildsOnThem) {
  Replicas replicas(3, [](ReplicaConfig& config) {
    config.checkpoint_entries = 10;
    config.raft.entries_retained = 5;
  });
  const std::uint64_t leader = replicas.Leader();
  for (int i = 0; i < 55; ++i) {
    replicas.Put(leader, "k" + std::to_string(i % 7), std::to_string(i));
  }
  replicas.Run(Seconds(1));
  const kv::Summary before = replicas.replica(leader).machine().summary();
  EXPECT_LE(replicas.files(leader).log.entries.size(), 15u);
  EXPECT_GT(replicas.files(leader).image.summary.applied_index, Index{40});
  replicas.Restart(leader);
  replicas.Run(Seconds(5));
  EXPECT_GE(replicas.replica(leader).machine().summary().applied_index, before.applied_index);
  EXPECT_EQ(replicas.replica(leader).machine().Find("k0")->value, "49");
}

// A crash between a checkpoint and the compaction after it must not make the log longer each time.
TEST(ReplicaTest, AStartCompactsWhatTheLastCheckpointCovers) {
  Replicas replicas(1, [](ReplicaConfig& config) {
    config.checkpoint_entries = 5;
    config.raft.entries_retained = 2;
  });
  replicas.Leader();
  for (int i = 0; i < 12; ++i) {
    replicas.Submit(1, kv::Transact{.session = {}, .transaction = kv::PutTransaction("k", "v")});
    replicas.Run(Milliseconds(200));
  }
  const Index covered = replicas.files(1).image.summary.applied_index;
  ASSERT_GE(covered, Index{10});
  // As if the compaction had not reached the disk: the log begins at its beginning.
  ASSERT_EQ(replicas.files(1).log.base.index, Index{covered.value - 2});
  const raft::Entry first = replicas.files(1).log.entries.front();
  for (std::uint64_t index = first.index.value - 1; index >= 1; --index) {
    raft::Entry earlier = first;
    earlier.index = {index};
    replicas.files(1).log.entries.insert(replicas.files(1).log.entries.begin(), earlier);
  }
  replicas.files(1).log.base = {};
  replicas.Restart(1);
  EXPECT_EQ(replicas.replica(1).node().log().base().index, Index{covered.value - 2});
}

TEST(ReplicaTest, AFollowerFarBehindInstallsASnapshotWithItsSessions) {
  Replicas replicas(3, [](ReplicaConfig& config) {
    config.checkpoint_entries = 5;
    config.raft.entries_retained = 0;
  });
  std::uint64_t leader = replicas.Leader();
  const auto opened = std::get<kv::SessionOpened>(
      std::get<kv::CommandResult>(replicas.Ask(leader, kv::OpenSession{Seconds(600)})));
  const std::uint64_t behind = leader == 3 ? 2 : 3;
  replicas.Cut(behind);
  const kv::Transact once{.session = opened.session,
                          .sequence = 1,
                          .acknowledged = 0,
                          .transaction = kv::PutIfAbsentTransaction("once", "v")};
  const auto first = std::get<kv::CommandResult>(replicas.Ask(leader, once));
  for (int i = 0; i < 30; ++i) {
    replicas.Put(leader, "k", std::to_string(i));
  }
  replicas.Heal();
  replicas.Run(Seconds(3));
  EXPECT_EQ(replicas.installations(), 1u);
  EXPECT_EQ(replicas.replica(behind).machine().summary().digest,
            replicas.replica(leader).machine().summary().digest);
  // It answers the retry as the others do.
  while ((leader = replicas.Leader()) != behind) {
    replicas.Cut(leader);
    replicas.Leader();
    replicas.Heal();
  }
  EXPECT_EQ(std::get<kv::CommandResult>(replicas.Ask(leader, once)), first);
}

TEST(ReplicaTest, RequestsBeyondTheLimitsAreRefusedByName) {
  Replicas replicas(1, [](ReplicaConfig& config) {
    config.limits = {.key_bytes_max = 4,
                     .value_bytes_max = 8,
                     .transaction_operations_max = 2,
                     .request_bytes_max = 10,
                     .pending_requests_max = 100};
  });
  replicas.Leader();
  const kv::Operation get = kv::Get{"k"};
  struct Case {
    decltype(Request::body) body;
    const char* text;
  };
  const Case kCases[] = {
      {PutCommand("", "v"), "the key is empty"},
      {PutCommand("12345", "v"), "the key has 5 bytes; key_bytes_max is 4"},
      {PutCommand("k", "123456789"), "the value has 9 bytes; value_bytes_max is 8"},
      {PutCommand("1234", "1234567"), "the request has 11 bytes; request_bytes_max is 10"},
      {kv::Transact{.transaction = {.then = {get, get, get}}},
       "then-operations number 3; transaction_operations_max is 2"},
      {kv::Transact{.session = {1}, .sequence = 0},
       "a sequence number goes with a session and starts at 1"},
      {kv::Transact{.session = {}, .sequence = 3},
       "a sequence number goes with a session and starts at 1"},
      {kv::OpenSession{Duration{0}}, "the session's time to live must be positive"},
      {kv::OpenSession{Seconds(1'000'000'000)},
       "the session's time to live must be at most 7 days"},
      {Read{}, "a read names at least one key"},
      {Read{{"a"}, Consistency::kBoundedStaleness, {}},
       "a read of bounded staleness needs a maximal age above 0"},
      {Read{{"a"}, Consistency::kLease, Seconds(1)},
       "a maximal age goes with bounded staleness only"},
      {Read{{"a", "b", "c"}}, "keys number 3; transaction_operations_max is 2"},
  };
  const kv::Summary before = replicas.replica(1).machine().summary();
  for (const Case& c : kCases) {
    const Refusal refusal = replicas.AskForRefusal(1, c.body);
    EXPECT_EQ(refusal.kind, RefusalKind::kInvalid);
    EXPECT_EQ(refusal.text, c.text);
  }
  EXPECT_EQ(replicas.replica(1).machine().summary(), before);
}

TEST(ReplicaTest, MoreRequestsThanMayWaitAreRefused) {
  Replicas replicas(3, [](ReplicaConfig& config) { config.limits.pending_requests_max = 2; });
  const std::uint64_t leader = replicas.Leader();
  replicas.Cut(leader);
  replicas.Submit(leader, PutCommand("a", "1"));
  replicas.Submit(leader, Read{{"a"}});
  const Refusal refusal = replicas.AskForRefusal(leader, PutCommand("a", "2"));
  EXPECT_EQ(refusal.kind, RefusalKind::kOverloaded);
}

TEST(ReplicaTest, AnIdleNodeHasNothingToDoUntilItsDeadline) {
  Replicas replicas(3);
  const std::uint64_t leader = replicas.Leader();
  replicas.Run(Seconds(1));
  const std::uint64_t follower = leader == 1 ? 2 : 1;
  const Effects effects = replicas.replica(follower).TakeEffects();
  EXPECT_FALSE(effects.write || effects.checkpoint || !effects.messages.empty());
  EXPECT_GT(effects.deadline, replicas.now() + Milliseconds(800));
}

// One value of one replica is another one, in a way that all checks of files pass by.
void Alter(kv::Image& image) {
  CORE_ASSERT(!image.keys.empty());
  image.keys.back().key_value.value += "x";  // the newest, which no entry replaces soon
  image.summary.digest = 0;
  image.summary.digest = kv::DigestOf(image);
}

class DivergenceTest : public ::testing::TestWithParam<bool> {
 protected:
  static constexpr std::uint64_t kInterval = 10;

  DivergenceTest()
      : replicas_(3, [](ReplicaConfig& config) {
          config.digest_interval = kInterval;
          config.checkpoint_entries = 5;
        }) {}

  Replicas replicas_;
};

TEST_P(DivergenceTest, TheReplicaThatDiffersIsFoundAndNoOther) {
  const bool is_leader = GetParam();
  std::uint64_t leader = replicas_.Leader();
  for (int i = 0; i < 25; ++i) {
    replicas_.Put(leader, "key" + std::to_string(i % 7), std::to_string(i));
  }
  EXPECT_TRUE(replicas_.diverged().empty());
  const std::uint64_t altered = leader % 3 + 1;
  Alter(replicas_.files(altered).image);
  replicas_.Restart(altered);
  leader = replicas_.Leader();
  if (is_leader && leader != altered) {
    replicas_.Ask(leader, TransferLeadership{NodeId{altered}});
    leader = replicas_.Leader();
    ASSERT_EQ(leader, altered);
  }
  const Index before = replicas_.replica(altered).machine().applied_index();
  for (std::uint64_t i = 0; i < 2 * kInterval && replicas_.diverged().empty(); ++i) {
    replicas_.Submit(leader, kv::Transact{.transaction = kv::PutTransaction("more", "value")});
    replicas_.Run(Milliseconds(300));
  }
  ASSERT_EQ(replicas_.diverged().size(), 1u);
  EXPECT_EQ(replicas_.diverged().begin()->first, altered);
  const std::uint64_t found = (before.value / kInterval + 1) * kInterval;
  EXPECT_NE(replicas_.diverged().begin()->second.find("index " + std::to_string(found) + ":"),
            std::string::npos)
      << replicas_.diverged().begin()->second << ", altered at " << before.value;
  // The others go on, and it never answers again.
  replicas_.Cut(altered);
  const std::uint64_t next = replicas_.Leader();
  EXPECT_NE(next, altered);
  replicas_.Put(next, "after", "that");
  replicas_.Submit(altered, Read{{"after"}});
  replicas_.Run(Seconds(3));
}

INSTANTIATE_TEST_SUITE_P(AsA, DivergenceTest, ::testing::Bool(),
                         [](const auto& each) { return each.param ? "Leader" : "Follower"; });

TEST(DivergenceOfTwoTest, NobodyKnowsWhoIsWrong) {
  Replicas replicas(2, [](ReplicaConfig& config) {
    config.digest_interval = 5;
    config.checkpoint_entries = 5;
  });
  std::uint64_t leader = replicas.Leader();
  for (int i = 0; i < 20; ++i) {
    replicas.Put(leader, "key", std::to_string(i));
  }
  Alter(replicas.files(leader % 2 + 1).image);
  replicas.Restart(leader % 2 + 1);
  leader = replicas.Leader();
  for (int i = 0; i < 20; ++i) {
    replicas.Put(leader, "key2", std::to_string(i));
  }
  EXPECT_TRUE(replicas.diverged().empty());
}

}  // namespace
}  // namespace lockstep
