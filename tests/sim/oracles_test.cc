// Each oracle is shown a sequence that keeps its property, and one that breaks it.

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/kv/codec.h"
#include "core/kv/machine.h"
#include "core/kv/requests.h"
#include "core/raft/node.h"
#include "sim/log_shadow.h"
#include "sim/oracles/acknowledgements.h"
#include "sim/oracles/bounded_reads.h"
#include "sim/oracles/bounds.h"
#include "sim/oracles/canonical_log.h"
#include "sim/oracles/check_quorum.h"
#include "sim/oracles/digests.h"
#include "sim/oracles/election_safety.h"
#include "sim/oracles/exactly_once.h"
#include "sim/oracles/fresh_reads.h"
#include "sim/oracles/leader_completeness.h"
#include "sim/oracles/lease_reads.h"
#include "sim/oracles/log_matching.h"
#include "sim/oracles/patience.h"
#include "sim/oracles/promises.h"
#include "sim/oracles/read_states.h"
#include "sim/oracles/reference.h"
#include "sim/oracles/transfers.h"
#include "sim/oracles/waiting.h"
#include "sim/violation.h"

namespace lockstep::sim {
namespace {

constexpr NodeId kA{1};
constexpr NodeId kB{2};
constexpr NodeId kC{3};

// The property that `act` finds broken; empty if it finds none.
std::string Broken(const std::function<void()>& act) {
  try {
    act();
  } catch (const Violation& violation) {
    return violation.property();
  }
  return "";
}

// What it rests on.
std::vector<Evidence> EvidenceOf(const std::function<void()>& act) {
  try {
    act();
  } catch (const Violation& violation) {
    return violation.evidence();
  }
  return {};
}

raft::Entry Command(std::uint64_t index, std::uint64_t term, const kv::Command& command) {
  return {.index = {index},
          .term = {term},
          .time = {},
          .kind = raft::EntryKind::kCommand,
          .payload = Bytes(kv::EncodeCommand(command))};
}

kv::Transact PutX(const std::string& value) {
  return kv::Transact{.session = {}, .transaction = kv::PutTransaction("x", value)};
}

raft::Entry Put(std::uint64_t index, std::uint64_t term, const std::string& value = "v") {
  return Command(index, term, PutX(value));
}

raft::Write WriteOf(std::vector<raft::Entry> entries) {
  raft::Write write;
  write.entries = std::move(entries);
  return write;
}

raft::Write WriteOf(raft::HardState state) {
  raft::Write write;
  write.hard_state = state;
  return write;
}

LogShadow LogOf(std::vector<raft::Entry> entries) {
  LogShadow log;
  log.Apply(WriteOf(std::move(entries)));
  return log;
}

TEST(LogShadowTest, FollowsWritesThroughTruncationAndCompaction) {
  LogShadow log = LogOf({Put(1, 1), Put(2, 1), Put(3, 1)});
  log.Apply(WriteOf({Put(2, 2)}));
  EXPECT_EQ(log.last(), (raft::LogPosition{{2}, {2}}));
  raft::Write compaction;
  compaction.compact_to = raft::LogPosition{{1}, {1}};
  log.Apply(compaction);
  EXPECT_EQ(log.base(), (raft::LogPosition{{1}, {1}}));
  EXPECT_EQ(log.At(Index{1}), nullptr);
  EXPECT_EQ(log.TermAt(Index{1}), Term{1});
  raft::Write reset;
  reset.reset_to = raft::LogPosition{{9}, {4}};
  log.Apply(reset);
  EXPECT_EQ(log.last(), (raft::LogPosition{{9}, {4}}));
}

TEST(LogShadowTest, TellsWhatAFileLacks) {
  const LogShadow log = LogOf({Put(1, 1), Put(2, 1)});
  raft::DurableState state;
  state.entries = {Put(1, 1), Put(2, 1)};
  EXPECT_EQ(log.DifferenceFrom(state), "");
  state.entries.pop_back();
  EXPECT_EQ(log.DifferenceFrom(state), "1 entries instead of 2");
  state.entries.push_back(Put(2, 1, "other"));
  EXPECT_EQ(log.DifferenceFrom(state), "another entry at index 2");
  state.hard_state.current_term = Term{7};
  EXPECT_NE(log.DifferenceFrom(state), "");
}

const raft::Membership kVoters = raft::MembershipOf({kA, kB, kC});

class ElectionSafetyTest : public testing::Test {
 protected:
  void Vote(NodeId voter, std::uint64_t term, NodeId candidate) {
    oracle_.HardStateDurable(voter, {Term{term}, candidate});
  }
  ElectionSafety oracle_{3};
};

TEST_F(ElectionSafetyTest, OneLeaderInATermIsFineHoweverOftenItIsSeen) {
  Vote(kA, 1, kA);
  Vote(kB, 1, kA);
  oracle_.Elected(kA, Term{1}, kVoters);
  oracle_.Elected(kA, Term{1}, kVoters);
  Vote(kB, 2, kB);
  Vote(kC, 2, kB);
  oracle_.Elected(kB, Term{2}, kVoters);
  EXPECT_EQ(oracle_.terms_led(), 2u);
}

TEST_F(ElectionSafetyTest, FindsTwoLeadersInATerm) {
  Vote(kA, 1, kA);
  Vote(kB, 1, kA);
  oracle_.Elected(kA, Term{1}, kVoters);
  EXPECT_EQ(Broken([&] { oracle_.Elected(kB, Term{1}, kVoters); }), "election safety");
}

TEST_F(ElectionSafetyTest, NamesBothLeaders) {
  Vote(kA, 1, kA);
  Vote(kB, 1, kA);
  oracle_.Elected(kA, Term{1}, kVoters);
  EXPECT_EQ(EvidenceOf([&] { oracle_.Elected(kB, Term{1}, kVoters); }),
            (std::vector<Evidence>{{.kind = Evidence::Kind::kLed, .node = kA, .term = {1}},
                                   {.kind = Evidence::Kind::kLed, .node = kB, .term = {1}}}));
}

TEST_F(ElectionSafetyTest, FindsALeaderWithoutAMajorityOfVotesOnDisk) {
  Vote(kA, 1, kA);
  EXPECT_EQ(Broken([&] { oracle_.Elected(kA, Term{1}, kVoters); }), "votes are durable");
}

// Node A and B vote in the configuration that is left, B and C in the one that is entered.
raft::Membership Joint() {
  auto changed = raft::ChangeStandings(raft::MembershipOf({kA, kB}), {{kA, raft::Standing::kNone}});
  auto joint = std::get<raft::Membership>(changed);
  joint.members[kC].voter = true;
  joint.next_id = {4};
  return joint;
}

TEST_F(ElectionSafetyTest, FindsALeaderThatOneHalfOfAJointConfigurationDidNotElect) {
  Vote(kB, 1, kB);
  Vote(kC, 1, kB);
  EXPECT_EQ(Broken([&] { oracle_.Elected(kB, Term{1}, Joint()); }), "votes are durable");
  Vote(kA, 2, kB);
  Vote(kB, 2, kB);
  EXPECT_EQ(Broken([&] { oracle_.Elected(kB, Term{2}, Joint()); }), "votes are durable");
  Vote(kA, 3, kB);
  Vote(kB, 3, kB);
  Vote(kC, 3, kB);
  oracle_.Elected(kB, Term{3}, Joint());
}

TEST_F(ElectionSafetyTest, ALearnersVoteCountsForNothing) {
  Vote(kA, 1, kA);
  Vote(kC, 1, kA);
  raft::Membership membership = raft::MembershipOf({kA, kB});
  membership.members[kC].learner = true;
  membership.next_id = {4};
  EXPECT_EQ(Broken([&] { oracle_.Elected(kA, Term{1}, membership); }), "votes are durable");
}

TEST_F(ElectionSafetyTest, FindsAVoteThatWasForgottenOrChangedAndATermThatWentBack) {
  Vote(kA, 3, kB);
  EXPECT_EQ(Broken([&] { Vote(kA, 3, kC); }), "votes are kept");
  EXPECT_EQ(Broken([&] { Vote(kA, 3, NodeId()); }), "votes are kept");
  EXPECT_EQ(Broken([&] { Vote(kA, 2, kB); }), "votes are kept");
}

TEST(LogMatchingTest, FindsOtherContentsAndOtherPredecessors) {
  LogMatching oracle;
  oracle.Appended(kA, LogOf({Put(1, 1), Put(2, 2)}), Index{1});
  oracle.Appended(kB, LogOf({Put(1, 1), Put(2, 2)}), Index{1});
  oracle.Appended(kC, LogOf({Put(1, 1), Put(2, 1)}), Index{2});
  EXPECT_EQ(Broken([&] { oracle.Appended(kC, LogOf({Put(1, 1, "w")}), Index{1}); }),
            "log matching");
  EXPECT_EQ(Broken([&] {
              oracle.Appended(kC, LogOf({Put(1, 2), Put(2, 2)}), Index{2});
            }),
            "log matching");
}

TEST(CanonicalLogTest, TakesOverWhatIsCommittedFirstAndFindsAnythingElseLater) {
  CanonicalLog canonical;
  canonical.Committed(kA, LogOf({Put(1, 1), Put(2, 1)}), Index{0}, Index{2});
  EXPECT_EQ(canonical.last_index(), Index{2});
  canonical.Committed(kB, LogOf({Put(1, 1), Put(2, 1), Put(3, 2)}), Index{0}, Index{3});
  EXPECT_EQ(canonical.TermAt(Index{3}), Term{2});

  const std::string property = "state machine safety";
  EXPECT_EQ(Broken([&] {
              canonical.Committed(kC, LogOf({Put(1, 1), Put(2, 2)}), Index{0}, Index{2});
            }),
            property);
  EXPECT_EQ(Broken([&] {
              canonical.Committed(kC, LogOf({Put(1, 1), Put(2, 1, "w")}), Index{0}, Index{2});
            }),
            property);
  EXPECT_EQ(Broken([&] { canonical.Committed(kC, LogOf({Put(1, 1)}), Index{0}, Index{2}); }),
            property);
}

TEST(CanonicalLogTest, FindsASnapshotOfWhatWasNeverCommitted) {
  CanonicalLog canonical;
  canonical.Committed(kA, LogOf({Put(1, 1), Put(2, 1)}), Index{0}, Index{2});
  canonical.Covered(kB, {{2}, {1}});
  EXPECT_EQ(Broken([&] { canonical.Covered(kB, {{3}, {1}}); }), "state machine safety");
  EXPECT_EQ(Broken([&] { canonical.Covered(kB, {{2}, {2}}); }), "state machine safety");
}

class LeaderCompletenessTest : public testing::Test {
 protected:
  LeaderCompletenessTest() {
    canonical_.Committed(kA, LogOf({Put(1, 1), Put(2, 2)}), Index{0}, Index{2});
  }
  CanonicalLog canonical_;
};

TEST_F(LeaderCompletenessTest, FindsALeaderThatLacksWhatIsCommitted) {
  CheckLeaderIsComplete(kB, Term{3}, LogOf({Put(1, 1), Put(2, 2), Put(3, 3)}), canonical_);
  EXPECT_EQ(Broken([&] { CheckLeaderIsComplete(kB, Term{3}, LogOf({Put(1, 1)}), canonical_); }),
            "leader completeness");
  EXPECT_EQ(Broken([&] {
              CheckLeaderIsComplete(kB, Term{3}, LogOf({Put(1, 1), Put(2, 1)}), canonical_);
            }),
            "leader completeness");
}

// Its votes came late: others have elected a leader of a later term, which has committed meanwhile,
// and an older entry with it. The simulator met this with seed 718.
TEST_F(LeaderCompletenessTest, AcceptsALeaderThatLacksWhatALaterTermHasCommitted) {
  CanonicalLog canonical;
  const LogShadow full = LogOf({Put(1, 1), Put(2, 1), Put(3, 3)});
  canonical.Committed(kA, full, Index{0}, Index{1});
  canonical.Committed(kA, full, Index{1}, Index{3});
  CheckLeaderIsComplete(kB, Term{2}, LogOf({Put(1, 1)}), canonical);
  EXPECT_EQ(Broken([&] { CheckLeaderIsComplete(kB, Term{2}, LogOf({}), canonical); }),
            "leader completeness");
  EXPECT_EQ(Broken([&] {
              CheckLeaderIsComplete(kB, Term{3}, LogOf({Put(1, 1), Put(2, 1)}), canonical);
            }),
            "leader completeness");
}

TEST_F(LeaderCompletenessTest, FindsACommitThatNoMajorityOfDisksHolds) {
  const LogShadow full = LogOf({Put(1, 1), Put(2, 2)});
  const LogShadow part = LogOf({Put(1, 1)});
  CheckCommitIsOnAQuorum(kA, true, Term{2}, Index{0}, canonical_, kVoters, {&full, &full, &part});
  EXPECT_EQ(Broken([&] {
              CheckCommitIsOnAQuorum(kA, true, Term{2}, Index{0}, canonical_, kVoters,
                                     {&full, &part, &part});
            }),
            "committed entries are durable");
}

TEST_F(LeaderCompletenessTest, FindsACommitOfAnOlderTermByCountingAndByAFollower) {
  const LogShadow full = LogOf({Put(1, 1), Put(2, 2)});
  EXPECT_EQ(Broken([&] {
              CheckCommitIsOnAQuorum(kA, true, Term{3}, Index{0}, canonical_, kVoters,
                                     {&full, &full, &full});
            }),
            "commit rule");
  EXPECT_EQ(Broken([&] {
              CheckCommitIsOnAQuorum(kA, false, Term{2}, Index{0}, canonical_, kVoters,
                                     {&full, &full, &full});
            }),
            "only leaders commit");
}

raft::Message From(NodeId from, std::uint64_t term, raft::Body body) {
  return {.cluster = {1}, .from = from, .to = kB, .term = {term}, .body = std::move(body)};
}

TEST(PromisesTest, AVoteMustBeOnDiskBeforeItIsGiven) {
  const raft::Message vote = From(kA, 2, raft::RequestVoteReply{.granted = true});
  LogShadow disk;
  EXPECT_EQ(Broken([&] { CheckPromise(vote, disk, Index{}); }), "promises are durable");
  disk.Apply(WriteOf(raft::HardState{Term{2}, kC}));
  EXPECT_EQ(Broken([&] { CheckPromise(vote, disk, Index{}); }), "promises are durable");
  LogShadow right;
  right.Apply(WriteOf(raft::HardState{Term{2}, kB}));
  CheckPromise(vote, right, Index{});
  right.Apply(WriteOf(raft::HardState{Term{3}, kA}));
  CheckPromise(vote, right, Index{});
  const raft::Message pre_vote =
      From(kA, 9, raft::RequestVoteReply{.pre_vote = true, .granted = true});
  CheckPromise(pre_vote, disk, Index{});  // promises nothing
}

TEST(PromisesTest, WhatIsAcknowledgedMustBeOnDiskAndSoMustTheTerm) {
  LogShadow disk = LogOf({Put(1, 1), Put(2, 1)});
  disk.Apply(WriteOf(raft::HardState{Term{1}, NodeId()}));
  const auto ack = [&](std::uint64_t match, std::uint64_t term) {
    return From(kA, term, raft::AppendEntriesReply{.success = true, .match = {match}});
  };
  CheckPromise(ack(2, 1), disk, Index{});
  CheckPromise(ack(5, 1), disk, Index{5});  // a checkpoint covers it
  EXPECT_EQ(Broken([&] { CheckPromise(ack(3, 1), disk, Index{}); }), "promises are durable");
  EXPECT_EQ(Broken([&] { CheckPromise(ack(2, 2), disk, Index{}); }), "promises are durable");
  const raft::Message snapshot = From(kA, 1, raft::InstallSnapshotReply{.match = {7}});
  CheckPromise(snapshot, disk, Index{7});
  EXPECT_EQ(Broken([&] { CheckPromise(snapshot, disk, Index{6}); }), "promises are durable");
}

TEST(AcknowledgementsTest, WhatALeaderCountsMustBeOnTheFollowersDisk) {
  LogShadow durable = LogOf({Put(1, 1), Put(2, 1), Put(3, 4)});
  durable.Apply(WriteOf(raft::HardState{Term{4}, kB}));
  const auto counts = [&](Term term, std::uint64_t index, std::uint64_t entry_term,
                          std::uint64_t checkpoint = 0) {
    return Broken([&] {
      CheckAcknowledged(kB, term, kA, {Index{index}, Term{entry_term}}, durable, Index{checkpoint});
    });
  };
  EXPECT_EQ(counts(Term{4}, 3, 4), "");
  EXPECT_EQ(counts(Term{4}, 1, 1), "");
  EXPECT_EQ(counts(Term{4}, 3, 2), "leaders count what is stored");
  EXPECT_EQ(counts(Term{4}, 4, 4), "leaders count what is stored");
  EXPECT_EQ(counts(Term{4}, 4, 4, 4), "");
  EXPECT_EQ(counts(Term{3}, 4, 3), "");  // it follows another by now
}

TEST(FreshReadsTest, FindsAReadOfLessThanWasCommittedBeforeIt) {
  const AskedRead asked{.read = {}, .at = {}, .committed = {6}, .committed_at_age = {}};
  EXPECT_EQ(Broken([&] { CheckFresh(kA, asked, Revision{6}); }), "");
  EXPECT_EQ(Broken([&] { CheckFresh(kA, asked, Revision{5}); }), "reads are fresh");
}

TEST(LeaseReadsTest, FindsAStaleReadThatNoClockExcuses) {
  const AskedRead asked{.read = {}, .at = {}, .committed = {6}, .committed_at_age = {}};
  ClockBounds clocks(3);
  const auto stale = [&](std::uint64_t revision) {
    return CheckLeaseRead(kA, asked, Revision{revision}, clocks);
  };
  EXPECT_FALSE(stale(6));
  EXPECT_EQ(Broken([&] { stale(5); }), "leases are exclusive");
  clocks.IsNow(kB, true, false);  // a follower may have voted early
  EXPECT_TRUE(stale(5));
  clocks.IsNow(kB, false, true);  // or a leader believe in its lease too long
  EXPECT_TRUE(stale(5));
  EXPECT_FALSE(stale(6));
  clocks.Trust();
  EXPECT_EQ(Broken([&] { stale(5); }), "leases are exclusive");
}

TEST(BoundedReadsTest, FindsDataThatIsOlderThanAllowed) {
  CommitTimes times;
  times.Committed(SimTime{} + Seconds(1), Revision{2});
  times.Committed(SimTime{} + Seconds(2), Revision{2});
  times.Committed(SimTime{} + Seconds(3), Revision{5});
  EXPECT_EQ(times.Before(SimTime{} + Seconds(1)), Revision{});
  EXPECT_EQ(times.Before(SimTime{} + Seconds(3)), Revision{2});
  EXPECT_EQ(times.Before(SimTime{} + Seconds(4)), Revision{5});

  const AskedRead asked{.read = {.keys = {}, .max_age = Seconds(1)},
                        .at = {},
                        .committed = {9},
                        .committed_at_age = {5}};
  ClockBounds clocks(3);
  const auto old = [&](std::uint64_t revision) {
    return CheckBoundedRead(kA, asked, Revision{revision}, clocks);
  };
  EXPECT_FALSE(old(5));
  EXPECT_EQ(Broken([&] { old(4); }), "data is no older than allowed");
  clocks.IsNow(kB, true, true);
  clocks.IsNow(kA, true, false);
  EXPECT_EQ(Broken([&] { old(4); }), "data is no older than allowed") << "its own is not slow";
  clocks.IsNow(kA, false, true);
  EXPECT_TRUE(old(4));
}

TEST(ReadStatesTest, FindsAReadOfWhatWasNeverCommitted) {
  Reference reference;
  std::uint64_t index = 0;
  for (const char* value : {"1", "2"}) {
    reference.Apply({.index = {++index},
                     .term = {1},
                     .time = {},
                     .kind = raft::EntryKind::kCommand,
                     .payload = Bytes(kv::EncodeCommand(
                         kv::Transact{.transaction = kv::PutTransaction("k", value)}))});
  }
  ASSERT_EQ(reference.revision(), Revision{3});
  const Read read{.keys = {"k"}};
  const auto broken = [&](ReadStates& states, std::uint64_t revision, const char* value) {
    ReadResult result{.revision = {revision}, .keys = {std::nullopt}};
    if (value != nullptr) {
      result.keys.front() = kv::KeyValue{.key = "k",
                                         .value = value,
                                         .create_revision = {2},
                                         .mod_revision = {revision},
                                         .version = revision - 1};
    }
    return Broken([&] { states.Answered(kA, read, result, reference); });
  };
  ReadStates states;
  EXPECT_EQ(broken(states, 1, nullptr), "");
  EXPECT_EQ(broken(states, 2, "1"), "");
  EXPECT_EQ(broken(states, 3, "2"), "");
  EXPECT_EQ(broken(states, 2, "1"), "reads of a node never go back");
  states.Stopped();
  EXPECT_EQ(broken(states, 2, "1"), "");
  EXPECT_EQ(broken(states, 2, "2"), "reads show what is committed");
  EXPECT_EQ(broken(states, 3, nullptr), "reads show what is committed");
  EXPECT_EQ(broken(states, 4, "2"), "reads show what is committed");
}

TEST(WaitingTest, FindsARequestThatWaitsForWhatIsApplied) {
  Waiting waiting;
  waiting.Appended(RequestId{1}, Index{5});
  waiting.Appended(RequestId{2}, Index{6});
  waiting.Rested(kA, Index{4});
  waiting.Answered(RequestId{1});
  waiting.Answered(RequestId{3});  // a read
  waiting.Rested(kA, Index{5});
  EXPECT_EQ(Broken([&] { waiting.Rested(kA, Index{6}); }), "nobody waits for what has happened");
  waiting.Stopped();
  waiting.Rested(kA, Index{6});
}

TEST(DigestsTest, FindsReplicasThatDifferAtOneIndex) {
  Digests digests;
  digests.Applied(kA, {.applied_index = {3}, .digest = 7});
  digests.Applied(kB, {.applied_index = {3}, .digest = 7});
  digests.Applied(kB, {.applied_index = {4}, .digest = 8});
  EXPECT_EQ(Broken([&] { digests.Applied(kC, {.applied_index = {3}, .digest = 8}); }),
            "replicas agree");
}

// Session 1 is opened by the first entry; its sequence 1 is in the log twice.
class ExactlyOnceTest : public testing::Test {
 protected:
  ExactlyOnceTest() {
    entries_ = {Command(1, 1, kv::OpenSession{.time_to_live = Seconds(60)}),
                Command(2, 1, InSession("once")), Command(3, 1, InSession("once")),
                Put(4, 1, "outside")};
    canonical_.Committed(kA, LogOf(entries_), Index{0}, Index{4});
    oracle_.Committed(canonical_);
  }

  static kv::Transact InSession(const std::string& value, std::uint64_t sequence = 1) {
    return kv::Transact{.session = {1},
                        .sequence = sequence,
                        .acknowledged = 0,
                        .transaction = kv::PutTransaction("x", value)};
  }

  static kv::TransactionResult Done(std::uint64_t revision) {
    kv::TransactionResult result{.succeeded = true, .revision = {revision}, .results = {}};
    result.results.emplace_back(kv::PutResult{});
    return result;
  }

  std::vector<raft::Entry> entries_;
  CanonicalLog canonical_;
  ExactlyOnce oracle_;
};

TEST_F(ExactlyOnceTest, TheDataIsThatOfEachCommandExecutedOnce) {
  kv::Machine machine;
  for (const raft::Entry& entry : entries_) {
    (void)machine.Apply(entry);
  }
  oracle_.Applied(kA, Index{0}, machine);
  EXPECT_EQ(oracle_.reference().At("x", Index{4})->version, 2u);
  EXPECT_EQ(oracle_.reference().At("x", Index{3})->value, "once");
  EXPECT_EQ(oracle_.reference().At("x", Index{1}), std::nullopt);
  EXPECT_EQ(oracle_.reference().replays(), 1u);
}

TEST_F(ExactlyOnceTest, FindsAReplicaThatExecutedARetryAgain) {
  kv::Machine machine;
  for (const raft::Entry& entry : entries_) {
    // The same retry with another sequence is executed, as it would be without the session's
    // memory.
    (void)machine.Apply(entry.index == Index{3} ? Command(3, 1, InSession("once", 2)) : entry);
  }
  EXPECT_EQ(Broken([&] { oracle_.Applied(kA, Index{0}, machine); }), "state is what was committed");
}

TEST_F(ExactlyOnceTest, FindsAnAnswerThatDiffersFromTheOneExecution) {
  oracle_.Answered(kA, InSession("once"), Done(2));
  EXPECT_EQ(Broken([&] { oracle_.Answered(kA, InSession("once"), Done(3)); }), "exactly once");
  EXPECT_EQ(Broken([&] { oracle_.Answered(kA, InSession("more", 2), Done(3)); }), "exactly once");
}

TEST_F(ExactlyOnceTest, FindsAnAnswerBeforeTheCommandIsCommitted) {
  EXPECT_EQ(Broken([&] { oracle_.Answered(kA, PutX("never"), Done(4)); }), "answers are committed");
  EXPECT_EQ(Broken([&] {
              oracle_.Answered(kA, kv::OpenSession{.time_to_live = Seconds(60)},
                               kv::SessionOpened{{9}});
            }),
            "answers are committed");
}

TEST_F(ExactlyOnceTest, FindsARefusalOfWhatWasDone) {
  oracle_.Refused(PutX("never"), 1);
  oracle_.Refused(InSession("more", 2), 2);
  oracle_.CheckRefused();
  oracle_.Refused(PutX("outside"), 3);
  EXPECT_EQ(Broken([&] { oracle_.CheckRefused(); }), "refusals are certain");
}

// A cluster of one whose writes are durable at once, with three commands applied, one appended and
// one request waiting.
class BoundsTest : public testing::Test {
 protected:
  BoundsTest() {
    config_.raft.cluster = {1};
    config_.raft.id = kA;
    config_.raft.appends_in_flight_max = 1;
    std::string error;
    StoredState stored;
    stored.log.hard_state = {Term{1}, kA};
    stored.image.membership.membership = raft::MembershipOf({kA, kB});
    replica_ = Replica::Start(config_, std::move(stored), Random(1), Instant{}, &error);
    // It is elected by B's vote.
    now_ = Instant{} + Seconds(10);
    replica_->Advance(now_);
    Settle();
    for (const bool pre_vote : {true, false}) {
      replica_->Receive({.cluster = {1},
                         .from = kB,
                         .to = kA,
                         .term = {replica_->node().current_term().value + (pre_vote ? 1 : 0)},
                         .body = raft::RequestVoteReply{.pre_vote = pre_vote, .granted = true}},
                        now_);
      Settle();
    }
    for (std::uint64_t id = 1; id <= 3; ++id) {
      replica_->Submit({.id = {id}, .deadline = now_ + Seconds(5), .body = PutX("value")}, now_);
      Settle();
    }
  }

  void Settle() {
    for (Effects effects = replica_->TakeEffects(); effects.write.has_value();
         effects = replica_->TakeEffects()) {
      replica_->Persisted(effects.write->id, now_);
    }
  }

  std::string BrokenWith(const ReplicaConfig& config) {
    return Broken([&] { CheckBounds(kA, config, *replica_, Index{}, false); });
  }

  ReplicaConfig config_;
  Instant now_;
  std::optional<Replica> replica_;
};

TEST_F(BoundsTest, WhatTheConfigurationAllowsIsFine) {
  ASSERT_EQ(replica_->node().role(), Role::kLeader);
  EXPECT_EQ(BrokenWith(config_), "");
}

TEST_F(BoundsTest, FindsMoreOfAnythingThanItMayHold) {
  ReplicaConfig config = config_;
  config.limits.pending_requests_max = 2;
  EXPECT_EQ(BrokenWith(config), "resource bounds");
  config = config_;
  config.raft.appends_in_flight_max = 0;
  EXPECT_EQ(BrokenWith(config), "resource bounds");
  config = config_;
  config.raft.uncommitted_bytes_max = 20;
  EXPECT_EQ(BrokenWith(config), "resource bounds");
  // The log holds everything that a checkpoint up to its end would cover.
  config = config_;
  config.raft.entries_retained = 2;
  EXPECT_EQ(Broken([&] { CheckBounds(kA, config, *replica_, Index{3}, false); }),
            "resource bounds");
  EXPECT_EQ(Broken([&] { CheckBounds(kA, config, *replica_, Index{3}, true); }), "");
}

class PatienceTest : public testing::Test {
 protected:
  void At(int ms) { oracle_.Now(Instant{} + Milliseconds(ms)); }

  Patience oracle_{kA, Milliseconds(100)};
};

TEST_F(PatienceTest, FindsACampaignSoonAfterAWordOfTheLeader) {
  oracle_.Campaigns();  // it has heard of nobody
  At(50);
  oracle_.Heard();
  At(149);
  EXPECT_EQ(Broken([&] { oracle_.Campaigns(); }), "nobody campaigns too early");
  At(150);
  oracle_.Campaigns();
  oracle_.Heard();
  oracle_.Started();
  At(151);
  oracle_.Campaigns();
}

TEST_F(PatienceTest, FindsACandidateThatIsIgnoredThoughThereIsNoLeader) {
  At(50);
  oracle_.Heard();
  At(149);
  oracle_.Asked(Term{3}, Term{2}, false);
  At(150);
  At(20);  // after a step back it may think so
  oracle_.Asked(Term{3}, Term{2}, false);
  At(150);
  oracle_.Asked(Term{3}, Term{3}, false);
  EXPECT_EQ(Broken([&] { oracle_.Asked(Term{3}, Term{2}, false); }), "candidates are heard");
}

TEST_F(PatienceTest, FindsACandidateThatIsIgnoredThoughTheLeaderWantsIt) {
  At(50);
  oracle_.Heard();
  EXPECT_EQ(Broken([&] { oracle_.Asked(Term{3}, Term{2}, true); }), "candidates are heard");
}

class CheckQuorumTest : public testing::Test {
 protected:
  void At(int ms) { oracle_.Now(Instant{} + Milliseconds(ms)); }
  static raft::Membership Of(std::initializer_list<NodeId> voters, NodeId learner) {
    raft::Membership membership;
    for (const NodeId voter : voters) {
      membership.members[voter].voter = true;
    }
    membership.members[learner].learner = true;
    return membership;
  }
  void Leads(int ms, Term term = Term{2}) {
    At(ms);
    oracle_.Leads(term, membership_);
  }

  const raft::Membership membership_ = Of({kA, kB, kC}, NodeId{4});
  CheckQuorum oracle_{kA, Milliseconds(100)};
};

TEST_F(CheckQuorumTest, FindsALeaderThatHearsNoMajorityOfVoters) {
  Leads(10);  // elected then at the latest
  Leads(109);
  oracle_.Heard(NodeId{4});  // a learner
  EXPECT_EQ(Broken([&] { Leads(110); }), "leaders are heard");
}

TEST_F(CheckQuorumTest, LetsALeaderBeThatIsHeard) {
  Leads(10);
  At(50);
  At(20);  // after a step back it goes by what it saw before
  oracle_.Heard(kB);
  Leads(149);
  EXPECT_EQ(Broken([&] { Leads(150); }), "leaders are heard");
  Leads(151, Term{3});  // elected again
  oracle_.Started();
  Leads(20);
}

class TransfersTest : public testing::Test {
 protected:
  void At(int ms) { oracle_.Now(Instant{} + Milliseconds(ms)); }

  const std::string property_ = "leadership is handed over in order";
  Transfers oracle_{kA, Milliseconds(100)};
};

TEST_F(TransfersTest, FindsACommandThatIsTakenMeanwhile) {
  oracle_.Took();
  oracle_.Began();
  EXPECT_EQ(Broken([&] { oracle_.Took(); }), property_);
  oracle_.Ended();
  oracle_.Took();
}

TEST_F(TransfersTest, FindsOneThatDoesNotEnd) {
  At(50);
  oracle_.Began();
  At(149);
  oracle_.DoneWhatWasDue();
  At(150);
  EXPECT_EQ(Broken([&] { oracle_.DoneWhatWasDue(); }), property_);
  oracle_.Started();
  oracle_.DoneWhatWasDue();
}

TEST_F(TransfersTest, FindsACampaignThatNobodyAskedFor) {
  EXPECT_EQ(Broken([&] { oracle_.Campaigns(Term{2}); }), property_);
  oracle_.Asked(Term{1});
  oracle_.Campaigns(Term{2});
  EXPECT_EQ(Broken([&] { oracle_.Campaigns(Term{3}); }), property_);
}

}  // namespace
}  // namespace lockstep::sim
