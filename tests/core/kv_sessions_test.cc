// Client sessions (dissertation §6.3), as a machine's clients meet them.

#include <gtest/gtest.h>

#include <limits>

#include "core/kv/digest.h"
#include "core/kv/requests.h"
#include "core/kv/sessions.h"
#include "tests/core/kv_log.h"

namespace lockstep::kv {
namespace {

std::string ValueAt(const Machine& machine, const std::string& key) {
  const KeyValue* found = machine.Find(key);
  return found == nullptr ? "absent" : found->value;
}

CommandResult Error(CommandError error) { return error; }

TEST(SessionTest, IsNamedAfterTheEntryThatOpenedIt) {
  LoggedMachine m;
  m.NoOp();
  EXPECT_EQ(m.Apply(OpenSession{Seconds(1)}), CommandResult(SessionOpened{SessionId{2}}));
  EXPECT_EQ(m.Apply(OpenSession{Seconds(1)}), CommandResult(SessionOpened{SessionId{3}}));
  EXPECT_EQ(m.machine.session_count(), 2u);
}

TEST(SessionTest, ExecutesACommandThatArrivesTwiceOnce) {
  LoggedMachine m;
  const SessionId session = m.Open();
  m.Transact(session, 1, PutTransaction("k", "1"));
  m.Transact(session, 1, PutTransaction("k", "1"));
  EXPECT_EQ(m.machine.Find("k")->version, 1u);
  EXPECT_EQ(m.machine.summary().revision, Revision{2});
}

// A retried compare-and-set must hear that it succeeded, although executing it now would fail.
TEST(SessionTest, AnswersARetryAsItAnsweredTheFirstTime) {
  LoggedMachine m;
  const SessionId session = m.Open();
  m.Transact(PutTransaction("k", "1"));
  const Transaction swap = CompareAndSetTransaction("k", "1", "2");
  const CommandResult first = m.Transact(session, 1, swap);
  EXPECT_TRUE(std::get<TransactionResult>(first).succeeded);
  m.Transact(PutTransaction("k", "3"));
  EXPECT_EQ(m.Transact(session, 1, swap), first);
  EXPECT_EQ(ValueAt(m.machine, "k"), "3");
}

TEST(SessionTest, AnswersARetriedReadFromWhenItWasFirstRead) {
  LoggedMachine m;
  const SessionId session = m.Open();
  m.Transact(PutTransaction("k", "1"));
  const Transaction read{{}, {Get{"k"}}, {}};
  const CommandResult first = m.Transact(session, 1, read);
  m.Transact(PutTransaction("k", "2"));
  EXPECT_EQ(m.Transact(session, 1, read), first);
}

TEST(SessionTest, KeepsTheRepliesOfAFailedConditionToo) {
  LoggedMachine m;
  const SessionId session = m.Open();
  const Transaction swap = CompareAndSetTransaction("k", "1", "2");
  const CommandResult first = m.Transact(session, 1, swap);
  EXPECT_FALSE(std::get<TransactionResult>(first).succeeded);
  m.Transact(PutTransaction("k", "1"));
  EXPECT_EQ(m.Transact(session, 1, swap), first);
  EXPECT_EQ(ValueAt(m.machine, "k"), "1");
}

TEST(SessionTest, TakesSequencesInAnyOrder) {
  LoggedMachine m;
  const SessionId session = m.Open();
  m.Transact(session, 3, PutTransaction("k", "3"));
  m.Transact(session, 1, PutTransaction("k", "1"));
  m.Transact(session, 3, PutTransaction("k", "3"));
  EXPECT_EQ(ValueAt(m.machine, "k"), "1");
  EXPECT_EQ(m.machine.Find("k")->version, 2u);
}

TEST(SessionTest, IsTheOnlyOneThatItsSequencesMeanAnythingTo) {
  LoggedMachine m;
  const SessionId a = m.Open();
  const SessionId b = m.Open();
  m.Transact(a, 1, PutTransaction("k", "a"));
  m.Transact(b, 1, PutTransaction("k", "b"));
  EXPECT_EQ(m.machine.Find("k")->version, 2u);
}

TEST(SessionTest, CommandsOutsideAnyAreExecutedEveryTime) {
  LoggedMachine m;
  m.Transact(PutTransaction("k", "1"));
  m.Transact(PutTransaction("k", "1"));
  EXPECT_EQ(m.machine.Find("k")->version, 2u);
}

TEST(SessionTest, UnknownIsAnErrorAndNeverMadeUp) {
  LoggedMachine m;
  const CommandResult unknown = Error(CommandError::kUnknownSession);
  EXPECT_EQ(m.Transact(SessionId{7}, 1, PutTransaction("k", "1")), unknown);
  EXPECT_EQ(m.Transact(SessionId{7}, 1, PutTransaction("k", "1")), unknown);
  EXPECT_EQ(m.machine.session_count(), 0u);
  EXPECT_EQ(ValueAt(m.machine, "k"), "absent");
}

TEST(SessionTest, ForgetsWhatIsAcknowledgedAndRefusesIt) {
  LoggedMachine m;
  const SessionId session = m.Open();
  for (std::uint64_t i = 1; i <= 3; ++i) m.Transact(session, i, PutTransaction("k", "1"));
  m.Transact(session, 4, PutTransaction("k", "1"), 2);
  const Image image = m.machine.ToImage();
  ASSERT_EQ(image.sessions.size(), 1u);
  EXPECT_EQ(image.sessions[0].acknowledged, 2u);
  ASSERT_EQ(image.sessions[0].replies.size(), 2u);
  EXPECT_EQ(image.sessions[0].replies.begin()->first, 3u);
  const CommandResult refused = Error(CommandError::kAcknowledged);
  EXPECT_EQ(m.Transact(session, 2, PutTransaction("k", "1")), refused);
  EXPECT_EQ(m.Transact(session, 1, PutTransaction("k", "1")), refused);
  EXPECT_EQ(m.machine.Find("k")->version, 4u);
}

TEST(SessionTest, DoesNotTakeAnAcknowledgementBack) {
  LoggedMachine m;
  const SessionId session = m.Open();
  m.Transact(session, 1, PutTransaction("k", "1"));
  m.Transact(session, 2, PutTransaction("k", "2"), 1);
  // A delayed command from before the acknowledgement.
  m.Transact(session, 3, PutTransaction("k", "3"), 0);
  EXPECT_EQ(m.Transact(session, 1, PutTransaction("k", "1")), Error(CommandError::kAcknowledged));
  EXPECT_EQ(ValueAt(m.machine, "k"), "3");
}

TEST(SessionTest, RefusesSequenceZeroAndCommandsThatAcknowledgeThemselves) {
  LoggedMachine m;
  const SessionId session = m.Open();
  const CommandResult refused = Error(CommandError::kAcknowledged);
  EXPECT_EQ(m.Transact(session, 0, PutTransaction("k", "1")), refused);
  EXPECT_EQ(m.Transact(session, 5, PutTransaction("k", "1"), 5), refused);
  EXPECT_EQ(ValueAt(m.machine, "k"), "absent");
}

TEST(SessionExpiryTest, ComesWhenTheTimeToLiveHasPassedAndNotBefore) {
  LoggedMachine m;
  m.Open(Seconds(10));
  m.log.Pass(Duration{Seconds(10).ns - 1});
  m.NoOp();
  EXPECT_EQ(m.machine.session_count(), 1u);
  m.log.Pass(Duration{1});
  m.NoOp();
  EXPECT_EQ(m.machine.session_count(), 0u);
}

TEST(SessionExpiryTest, ComesBeforeTheCommandOfTheSameEntry) {
  LoggedMachine m;
  const SessionId session = m.Open(Seconds(10));
  m.log.Pass(Seconds(10));
  EXPECT_EQ(m.Transact(session, 1, PutTransaction("k", "1")), Error(CommandError::kUnknownSession));
  EXPECT_EQ(ValueAt(m.machine, "k"), "absent");
}

// Were the session made up again, the retry would be executed a second time.
TEST(SessionExpiryTest, MakesALateRetryAnError) {
  LoggedMachine m;
  const SessionId session = m.Open(Seconds(10));
  m.Transact(session, 1, PutTransaction("k", "1"));
  m.Transact(PutTransaction("k", "2"));
  m.log.Pass(Seconds(10));
  EXPECT_EQ(m.Transact(session, 1, PutTransaction("k", "1")), Error(CommandError::kUnknownSession));
  EXPECT_EQ(ValueAt(m.machine, "k"), "2");
}

TEST(SessionExpiryTest, IsPutOffByEveryCommandOfItsOwn) {
  LoggedMachine m;
  const SessionId session = m.Open(Seconds(10));
  const auto pass_and_send = [&](std::uint64_t sequence, std::uint64_t acknowledged) {
    m.log.Pass(Seconds(9));
    m.Transact(session, sequence, PutTransaction("k", "1"), acknowledged);
    return m.machine.session_count();
  };
  EXPECT_EQ(pass_and_send(1, 0), 1u) << "executed";
  EXPECT_EQ(pass_and_send(1, 0), 1u) << "answered from memory";
  EXPECT_EQ(pass_and_send(2, 1), 1u) << "acknowledging";
  EXPECT_EQ(pass_and_send(1, 1), 1u) << "refused";
  m.log.Pass(Seconds(9));
  m.Transact(PutTransaction("other", "1"));
  EXPECT_EQ(m.machine.session_count(), 1u);
  m.log.Pass(Seconds(1));
  m.Transact(PutTransaction("other", "1"));
  EXPECT_EQ(m.machine.session_count(), 0u) << "commands of others do not count";
}

TEST(SessionExpiryTest, EndsEachSessionAtItsOwnTime) {
  LoggedMachine m;
  const SessionId slow = m.Open(Seconds(30));
  const SessionId fast = m.Open(Seconds(10));
  const SessionId used = m.Open(Seconds(10));
  m.log.Pass(Seconds(5));
  m.Transact(used, 1, PutTransaction("k", "1"));
  m.log.Pass(Seconds(5));
  m.NoOp();
  std::vector<SessionId> left;
  for (const SessionRow& row : m.machine.ToImage().sessions) left.push_back(row.id);
  EXPECT_EQ(left, (std::vector<SessionId>{slow, used})) << "without " << fast.value;
  m.log.Pass(Seconds(100));
  m.NoOp();
  EXPECT_EQ(m.machine.session_count(), 0u);
}

TEST(SessionExpiryTest, TakesTimesToLiveThatNobodyMeans) {
  LoggedMachine m;
  const SessionId endless = m.Open(Duration{std::numeric_limits<std::int64_t>::max()});
  m.Open(Duration{0});
  m.Open(Duration{-5});
  EXPECT_EQ(m.machine.session_count(), 2u) << "the one of no time ended at the next entry";
  m.log.Pass(Duration{std::numeric_limits<std::int64_t>::max() - 1});
  m.NoOp();
  ASSERT_EQ(m.machine.session_count(), 1u);
  // Its end lies beyond what a cluster time can say.
  m.Transact(endless, 1, PutTransaction("k", "1"));
  m.log.Pass(Seconds(1'000'000));
  m.NoOp();
  EXPECT_EQ(m.machine.session_count(), 1u);
}

TEST(SessionBoundsTest, OpensNoMoreThanTheMaximum) {
  LoggedMachine m;
  for (std::size_t i = 0; i < kSessionsMax; ++i) m.Open(Seconds(10));
  EXPECT_EQ(m.Apply(OpenSession{Seconds(10)}), Error(CommandError::kTooManySessions));
  EXPECT_EQ(m.machine.session_count(), kSessionsMax);
  m.log.Pass(Seconds(10));
  m.Open(Seconds(10));
  EXPECT_EQ(m.machine.session_count(), 1u) << "ended sessions make room";
}

TEST(SessionBoundsTest, KeepsNoMoreRepliesThanTheMaximum) {
  LoggedMachine m;
  const SessionId session = m.Open();
  for (std::uint64_t i = 1; i <= kUnacknowledgedRepliesMax; ++i) {
    m.Transact(session, i, PutTransaction("k", std::to_string(i)));
  }
  const std::uint64_t next = kUnacknowledgedRepliesMax + 1;
  EXPECT_EQ(m.Transact(session, next, PutTransaction("k", "lost")),
            Error(CommandError::kTooManyUnacknowledged));
  EXPECT_EQ(ValueAt(m.machine, "k"), std::to_string(kUnacknowledgedRepliesMax));
  EXPECT_TRUE(
      std::holds_alternative<TransactionResult>(m.Transact(session, 1, PutTransaction("k", "1"))))
      << "retries are still answered";
  EXPECT_TRUE(std::holds_alternative<TransactionResult>(
      m.Transact(session, next, PutTransaction("k", "now"), 1)))
      << "an acknowledgement makes room at once";
  EXPECT_EQ(ValueAt(m.machine, "k"), "now");
}

TEST(SessionBoundsTest, KeepsNoMoreReplyBytesThanTheMaximum) {
  LoggedMachine m;
  const SessionId session = m.Open();
  m.Transact(PutTransaction("big", std::string(kUnacknowledgedReplyBytesMax / 2, 'x')));
  const Transaction read{{}, {Get{"big"}}, {}};
  for (std::uint64_t i = 1; i <= 2; ++i) {
    EXPECT_TRUE(std::holds_alternative<TransactionResult>(m.Transact(session, i, read)));
  }
  EXPECT_EQ(m.Transact(session, 3, read), Error(CommandError::kTooManyUnacknowledged));
  EXPECT_TRUE(std::holds_alternative<TransactionResult>(m.Transact(session, 3, read, 1)));
}

TEST(SessionDeltaTest, NamesOnlyWhatStorageHasToLearn) {
  LoggedMachine m;
  const SessionId idle = m.Open(Seconds(100));
  const SessionId used = m.Open(Seconds(100));
  const SessionId ending = m.Open(Seconds(10));
  EXPECT_EQ(m.machine.TakeDelta().changed_sessions.size(), 3u);

  m.Open(Seconds(1));  // ends before the next delta: storage never hears of it
  m.Transact(used, 1, PutTransaction("k", "1"));
  m.Transact(ending, 1, PutTransaction("k", "2"));
  m.Transact(used, 2, PutTransaction("k", "3"));
  m.log.Pass(Seconds(10));
  m.NoOp();
  const Delta delta = m.machine.TakeDelta();
  EXPECT_EQ(delta.removed_sessions, std::vector<SessionId>{ending});
  ASSERT_EQ(delta.changed_sessions.size(), 1u) << "not " << idle.value;
  EXPECT_EQ(delta.changed_sessions[0].id, used);
  EXPECT_EQ(delta.changed_sessions[0].replies.size(), 2u);

  const Delta nothing = m.machine.TakeDelta();
  EXPECT_TRUE(nothing.removed_sessions.empty());
  EXPECT_TRUE(nothing.changed_sessions.empty());
}

}  // namespace
}  // namespace lockstep::kv
