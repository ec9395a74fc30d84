// What the judge itself looks at: that disks keep what was synced, and that nodes are what they
// write.

#include "sim/oracles/judge.h"

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/kv/codec.h"
#include "core/kv/requests.h"
#include "core/raft/node.h"
#include "core/random.h"
#include "sim/violation.h"

namespace lockstep::sim {
namespace {

constexpr NodeId kNode{1};

// The property that `act` finds broken; empty if it finds none.
std::string Broken(const std::function<void()>& act) {
  try {
    act();
  } catch (const Violation& violation) {
    return violation.property();
  }
  return "";
}

raft::Write Appending(std::uint64_t index) {
  raft::Write write;
  write.id = WriteId{index};
  write.entries.push_back(
      {.index = {index},
       .term = {1},
       .time = {},
       .kind = raft::EntryKind::kCommand,
       .payload = Bytes(kv::EncodeCommand(kv::Transact{
           .session = {}, .transaction = kv::PutTransaction("k", std::to_string(index))}))});
  return write;
}

StoredState Holding(const std::vector<raft::Write>& writes) {
  StoredState stored;
  for (const raft::Write& write : writes) {
    stored.log.entries.push_back(write.entries.front());
  }
  return stored;
}

class JudgeTest : public testing::Test {
 protected:
  JudgeTest() : judge_(1, probes_) { judge_.Started(kNode, {}); }

  void Store(const std::vector<raft::Write>& writes) {
    for (const raft::Write& write : writes) {
      judge_.Wrote(kNode, write);
    }
    judge_.StoringLog(kNode, writes);
  }

  std::string BrokenByStart(const StoredState& stored) {
    judge_.Stopped(kNode);
    return Broken([&] { judge_.Started(kNode, stored); });
  }

  ProbeCounts probes_;
  Judge judge_;
};

TEST_F(JudgeTest, FindsThatASyncedEntryIsGone) {
  Store({Appending(1)});
  judge_.LogStored(kNode);
  EXPECT_EQ(BrokenByStart(Holding({})), "disks keep what was synced");
}

TEST_F(JudgeTest, ATransactionUnderWayIsThereWhollyOrNotAtAll) {
  const std::vector<raft::Write> both = {Appending(1), Appending(2)};
  Store(both);
  EXPECT_EQ(BrokenByStart(Holding({both[0]})), "disks keep what was synced");
}

TEST_F(JudgeTest, ATransactionUnderWayMayBeThere) {
  const std::vector<raft::Write> both = {Appending(1), Appending(2)};
  Store(both);
  EXPECT_EQ(BrokenByStart(Holding(both)), "");
  EXPECT_EQ(probes_.Of(Probe::kUnacknowledgedWriteSurvived), 1U);
  // It was found, and must be there from now on.
  EXPECT_EQ(BrokenByStart(Holding({})), "disks keep what was synced");
}

TEST_F(JudgeTest, ATransactionUnderWayMayBeLost) {
  Store({Appending(1)});
  EXPECT_EQ(BrokenByStart(Holding({})), "");
  EXPECT_EQ(probes_.Of(Probe::kUnacknowledgedWriteLost), 1U);
}

TEST_F(JudgeTest, FindsThatAStoredStateIsGone) {
  kv::Summary summary;
  summary.applied_index = {1};
  judge_.StoringState(kNode, summary);
  judge_.StateStored(kNode);
  EXPECT_EQ(BrokenByStart({}), "disks keep what was synced");
}

TEST_F(JudgeTest, FindsALogThatWasCompactedBeyondTheState) {
  Store({Appending(1)});
  judge_.LogStored(kNode);
  raft::Write compaction;
  compaction.id = {2};
  compaction.compact_to = {Index{1}, Term{1}};
  EXPECT_EQ(Broken([&] {
              Store({compaction});
              judge_.LogStored(kNode);
            }),
            "compaction keeps the data");
}

TEST_F(JudgeTest, ADiskThatMayHaveForgottenIsBelievedAndRemembered) {
  Store({Appending(1)});
  judge_.LogStored(kNode);
  judge_.Stopped(kNode);
  judge_.Started(kNode, Holding({Appending(1)}), true);
  EXPECT_FALSE(judge_.promises_are_void());
  judge_.Stopped(kNode);
  judge_.Started(kNode, Holding({}), true);
  EXPECT_TRUE(judge_.promises_are_void());
}

// A cluster of one that has just become a candidate.
class SteppedTest : public JudgeTest {
 protected:
  SteppedTest() {
    ReplicaConfig config;
    config.raft.cluster = {1};
    config.raft.id = kNode;
    std::string error;
    StoredState stored;
    stored.image.membership.membership = raft::MembershipOf({kNode});
    replica_ = Replica::Start(config, std::move(stored), Random(1), Instant{}, &error);
    judge_.Configured(kNode, replica_->node());
    replica_->Advance(Instant{} + Seconds(10));
    effects_ = replica_->TakeEffects();
  }

  std::optional<Replica> replica_;
  Effects effects_;
};

TEST_F(SteppedTest, ANodeThatIsWhatItWritesIsFine) {
  ASSERT_TRUE(effects_.write.has_value());
  judge_.Wrote(kNode, *effects_.write);
  EXPECT_EQ(Broken([&] { judge_.Stepped(kNode, *replica_); }), "");
}

TEST_F(SteppedTest, FindsAChangeThatIsNotWritten) {
  EXPECT_EQ(Broken([&] { judge_.Stepped(kNode, *replica_); }), "changes are written");
}

TEST_F(SteppedTest, FindsAnEntryThatCountsAsDurableAndIsNotOnDisk) {
  // The vote is stored; the no-op of the new leader is only said to be.
  judge_.Wrote(kNode, *effects_.write);
  judge_.StoringLog(kNode, std::vector<raft::Write>{*effects_.write});
  judge_.LogStored(kNode);
  replica_->Persisted(effects_.write->id, Instant{} + Seconds(10));
  effects_ = replica_->TakeEffects();
  ASSERT_TRUE(effects_.write.has_value());
  ASSERT_FALSE(effects_.write->entries.empty());
  judge_.Wrote(kNode, *effects_.write);
  EXPECT_EQ(Broken([&] { judge_.Stepped(kNode, *replica_); }), "");
  replica_->Persisted(effects_.write->id, Instant{} + Seconds(10));
  (void)replica_->TakeEffects();
  EXPECT_EQ(Broken([&] { judge_.Stepped(kNode, *replica_); }), "what counts as durable is");
}

}  // namespace
}  // namespace lockstep::sim
