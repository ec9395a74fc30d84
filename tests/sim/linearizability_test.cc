// Histories that are linearizable and that are not, each with the reason. Times are those of a
// story: what is said to come first has returned before the next is called.

#include "sim/oracles/linearizability.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/sim/linearizability_histories.h"

namespace lockstep::sim::history {
namespace {

using Operations = std::vector<Operation>;

Verdict VerdictOn(Model model, Operations operations, Value initial = kAbsent) {
  return CheckLinearizability(HistoryOf(model, std::move(operations), std::move(initial)))
      .value()
      .verdict;
}
Verdict OnRegister(Operations operations) {
  return VerdictOn(Model::kRegister, std::move(operations));
}
Verdict OnKeys(Operations operations) { return VerdictOn(Model::kKv, std::move(operations)); }
Verdict OnTransactions(Operations operations) {
  return VerdictOn(Model::kTxn, std::move(operations));
}
Verdict OnStore(Operations operations) { return VerdictOn(Model::kStore, std::move(operations)); }

TEST(LinearizabilityTest, NothingHappened) { EXPECT_EQ(OnRegister({}), Verdict::kLinearizable); }

TEST(LinearizabilityTest, AReadReturnsTheInitialValueUntilAWrite) {
  EXPECT_EQ(OnRegister({Ok({0, 1}, Read(kAbsent))}), Verdict::kLinearizable);
  EXPECT_EQ(OnRegister({Ok({0, 1}, Read("a"))}), Verdict::kIllegal);
  EXPECT_EQ(VerdictOn(Model::kRegister, {Ok({0, 1}, Read("a"))}, "a"), Verdict::kLinearizable);
  EXPECT_EQ(VerdictOn(Model::kKv, {Ok({0, 1}, Get("k", "a")), Ok({2, 3}, Get("l", "a"))}, "a"),
            Verdict::kLinearizable);
}

TEST(LinearizabilityTest, AStaleReadIsIllegal) {
  EXPECT_EQ(
      OnRegister({Ok({0, 1}, Write("old")), Ok({2, 3}, Write("new")), Ok({4, 5}, Read("old"))}),
      Verdict::kIllegal);
}

TEST(LinearizabilityTest, AReadDuringAWriteReturnsOldOrNew) {
  const Operation before = Ok({0, 1}, Write("old"));
  const Operation write = Ok({2, 9}, Write("new"));
  EXPECT_EQ(OnRegister({before, write, Ok({3, 4}, Read("old"))}), Verdict::kLinearizable);
  EXPECT_EQ(OnRegister({before, write, Ok({3, 4}, Read("new"))}), Verdict::kLinearizable);
}

TEST(LinearizabilityTest, ReadsDoNotGoBackwards) {
  EXPECT_EQ(OnRegister({Ok({0, 1}, Write("old")), Ok({2, 9}, Write("new")), Ok({3, 4}, Read("new")),
                        Ok({5, 6}, Read("old"))}),
            Verdict::kIllegal);
}

TEST(LinearizabilityTest, ALostWriteIsIllegal) {
  EXPECT_EQ(OnKeys({Ok({0, 1}, Put("k", "a")), Ok({2, 3}, Get("k", kAbsent))}), Verdict::kIllegal);
}

TEST(LinearizabilityTest, ADirtyReadOfAFailedWriteIsIllegal) {
  EXPECT_EQ(OnKeys({Failed({0, 9}, Put("k", "a")), Ok({3, 4}, Get("k", "a"))}), Verdict::kIllegal);
}

TEST(LinearizabilityTest, AValueIsNotReadBeforeItsWriteIsCalled) {
  EXPECT_EQ(OnKeys({Ok({0, 1}, Get("k", "a")), Ok({2, 3}, Put("k", "a"))}), Verdict::kIllegal);
  EXPECT_EQ(OnKeys({Ok({0, 1}, Get("k", "a")), Unknown({2}, Put("k", "a"))}), Verdict::kIllegal);
}

TEST(LinearizabilityTest, EqualTimesAreConcurrent) {
  EXPECT_EQ(OnKeys({Ok({0, 2}, Get("k", "a")), Ok({2, 3}, Put("k", "a"))}), Verdict::kLinearizable);
}

TEST(LinearizabilityTest, AnUnknownWriteMayBeSeenMuchLater) {
  EXPECT_EQ(
      OnKeys({Unknown({0}, Put("k", "a")), Ok({1, 2}, Get("k", kAbsent)), Ok({3, 4}, Put("k", "b")),
              Ok({5, 6}, Get("k", "b")), Ok({7, 8}, Get("k", "a"))}),
      Verdict::kLinearizable);
}

TEST(LinearizabilityTest, AnUnknownWriteMayNeverBeSeen) {
  EXPECT_EQ(OnKeys({Unknown({0}, Put("k", "a")), Ok({1, 2}, Get("k", kAbsent))}),
            Verdict::kLinearizable);
}

TEST(LinearizabilityTest, AnUnknownWriteTakesEffectOnce) {
  const Operations twice_seen = {Unknown({0}, Put("k", "a")), Ok({1, 2}, Get("k", "a")),
                                 Ok({3, 4}, Put("k", "b")), Ok({5, 6}, Get("k", "a"))};
  EXPECT_EQ(OnKeys(twice_seen), Verdict::kIllegal);
  Operations two_writes = twice_seen;
  two_writes.push_back(Unknown({0}, Put("k", "a")));
  EXPECT_EQ(OnKeys(two_writes), Verdict::kLinearizable);
}

TEST(LinearizabilityTest, AnUnknownReadSaysNothing) {
  Operation read = Unknown({0}, Read());
  EXPECT_EQ(OnRegister({read, Ok({1, 2}, Read(kAbsent))}), Verdict::kLinearizable);
}

TEST(LinearizabilityTest, TwoCompareAndSetsFromOneValueDoNotBothSucceed) {
  EXPECT_EQ(
      OnKeys({Ok({0, 9}, Cas("k", kAbsent, "a", true)), Ok({0, 9}, Cas("k", kAbsent, "b", true))}),
      Verdict::kIllegal);
  EXPECT_EQ(
      OnKeys({Ok({0, 9}, Cas("k", kAbsent, "a", true)), Ok({0, 9}, Cas("k", kAbsent, "b", false))}),
      Verdict::kLinearizable);
}

TEST(LinearizabilityTest, ACompareAndSetDoesNotFailWhereItMatches) {
  EXPECT_EQ(OnRegister({Ok({0, 1}, Write("a")), Ok({2, 3}, RegisterCas("a", "b", false))}),
            Verdict::kIllegal);
}

TEST(LinearizabilityTest, AnUnknownCompareAndSetMayExplainAFailedOne) {
  EXPECT_EQ(OnRegister({Ok({0, 1}, Write("a")), Unknown({2}, RegisterCas("a", "never read")),
                        Ok({3, 4}, RegisterCas("a", "b", false))}),
            Verdict::kLinearizable);
}

TEST(LinearizabilityTest, UnknownOperationsMayBuildOnEachOther) {
  const Operations chain = {Unknown({0}, Cas("k", kAbsent, "a")), Unknown({0}, Cas("k", "a", "b")),
                            Unknown({0}, Cas("k", "b", "c"))};
  Operations seen = chain;
  seen.push_back(Ok({5, 6}, Get("k", "c")));
  EXPECT_EQ(OnKeys(seen), Verdict::kLinearizable);
  seen.erase(seen.begin() + 1);
  EXPECT_EQ(OnKeys(seen), Verdict::kIllegal);
}

TEST(LinearizabilityTest, ADeleteSaysWhetherTheKeyWasThere) {
  const Operation put = Ok({0, 1}, Put("k", "a"));
  EXPECT_EQ(OnKeys({put, Ok({2, 3}, Delete("k", true)), Ok({4, 5}, Get("k", kAbsent))}),
            Verdict::kLinearizable);
  EXPECT_EQ(OnKeys({put, Ok({2, 3}, Delete("k", false))}), Verdict::kIllegal);
  EXPECT_EQ(OnKeys({put, Ok({2, 3}, Delete("k", true)), Ok({4, 5}, Delete("k", true))}),
            Verdict::kIllegal);
  EXPECT_EQ(OnKeys({put, Ok({2, 3}, Delete("k", true)), Ok({4, 5}, Get("k", "a"))}),
            Verdict::kIllegal);
}

TEST(LinearizabilityTest, AppendsAreAllThereInOneOrder) {
  const Operations appends = {Ok({0, 9}, Append("k", "ab")), Ok({0, 9}, Append("k", "c")),
                              Ok({0, 9}, Append("k", "a"))};
  for (const char* text : {"abca", "abac", "caba", "caab", "aabc", "acab"}) {
    Operations operations = appends;
    operations.push_back(Ok({10, 11}, Get("k", text)));
    EXPECT_EQ(OnKeys(operations), Verdict::kLinearizable) << text;
  }
  for (const char* text : {"abc", "abcaa", "bcaa", ""}) {
    Operations operations = appends;
    operations.push_back(Ok({10, 11}, Get("k", text)));
    EXPECT_EQ(OnKeys(operations), Verdict::kIllegal) << text;
  }
}

TEST(LinearizabilityTest, AnEmptyValueIsNotAnAbsentOne) {
  EXPECT_EQ(OnKeys({Ok({0, 1}, Put("k", "")), Ok({2, 3}, Get("k", ""))}), Verdict::kLinearizable);
  EXPECT_EQ(OnKeys({Ok({0, 1}, Put("k", "")), Ok({2, 3}, Get("k", kAbsent))}), Verdict::kIllegal);
  EXPECT_EQ(OnKeys({Ok({0, 1}, Append("k", "")), Ok({2, 3}, Get("k", ""))}),
            Verdict::kLinearizable);
  EXPECT_EQ(OnKeys({Ok({0, 1}, Append("k", "")), Ok({2, 3}, Get("k", kAbsent))}),
            Verdict::kIllegal);
}

TEST(LinearizabilityTest, KeysAreIndependent) {
  // Each key alone has an order, and so have both: what one key says of time binds no other.
  const CheckReport report =
      CheckLinearizability(
          HistoryOf(Model::kKv, {Ok({0, 1}, Put("k", "a")), Ok({2, 3}, Put("l", "b")),
                                 Ok({4, 5}, Get("k", "a")), Ok({6, 7}, Get("l", kAbsent))}))
          .value();
  EXPECT_EQ(report.verdict, Verdict::kIllegal);
  EXPECT_EQ(report.groups, 2U);
  ASSERT_EQ(report.violations.size(), 1U);
  EXPECT_EQ(report.violations[0].keys, std::vector<std::string>{"l"});
}

TEST(LinearizabilityTest, ALockIsHeldByOne) {
  EXPECT_EQ(VerdictOn(Model::kMutex, {Ok({0, 1}, Acquire()), Ok({2, 3}, Acquire())}),
            Verdict::kIllegal);
  EXPECT_EQ(VerdictOn(Model::kMutex,
                      {Ok({0, 1}, Acquire()), Ok({2, 9}, Acquire()), Ok({3, 4}, Release())}),
            Verdict::kLinearizable);
  EXPECT_EQ(VerdictOn(Model::kMutex, {Ok({0, 1}, Release())}), Verdict::kIllegal);
  EXPECT_EQ(VerdictOn(Model::kMutex,
                      {Ok({0, 1}, Acquire()), Unknown({2}, Release()), Ok({3, 4}, Acquire())}),
            Verdict::kLinearizable);
}

TEST(LinearizabilityTest, ATransactionIsNotSeenInPart) {
  const Operation both = Ok({0, 9}, Txn({W("x", "1"), W("y", "1")}, {Nothing(), Nothing()}));
  EXPECT_EQ(OnTransactions({both, Ok({2, 3}, Txn({R("x"), R("y")}, {Saw("1"), Saw("1")}))}),
            Verdict::kLinearizable);
  EXPECT_EQ(OnTransactions({both, Ok({2, 3}, Txn({R("x"), R("y")}, {Saw("1"), Saw(kAbsent)}))}),
            Verdict::kIllegal);
}

TEST(LinearizabilityTest, AnUnknownTransactionIsNotSeenInPart) {
  const Operation both = Unknown({0}, Txn({W("x", "1"), W("y", "1")}));
  EXPECT_EQ(OnTransactions({both, Ok({2, 3}, Txn({R("x")}, {Saw("1")})),
                            Ok({4, 5}, Txn({R("y")}, {Saw(kAbsent)}))}),
            Verdict::kIllegal);
}

TEST(LinearizabilityTest, WriteSkewIsIllegal) {
  // Each looks whether the other's key is free and takes its own: one of them must see the other.
  EXPECT_EQ(OnTransactions({Ok({0, 9}, Txn({R("y"), W("x", "1")}, {Saw(kAbsent), Nothing()})),
                            Ok({0, 9}, Txn({R("x"), W("y", "1")}, {Saw(kAbsent), Nothing()}))}),
            Verdict::kIllegal);
}

TEST(LinearizabilityTest, TwoReadersAgreeOnTheOrderOfTwoWrites) {
  EXPECT_EQ(OnTransactions({Ok({0, 9}, Txn({W("x", "1")}, {Nothing()})),
                            Ok({0, 9}, Txn({W("y", "1")}, {Nothing()})),
                            Ok({1, 2}, Txn({R("x"), R("y")}, {Saw("1"), Saw(kAbsent)})),
                            Ok({1, 2}, Txn({R("x"), R("y")}, {Saw(kAbsent), Saw("1")}))}),
            Verdict::kIllegal);
}

TEST(LinearizabilityTest, TransactionsObeyRealTimeAcrossKeys) {
  EXPECT_EQ(OnTransactions({Ok({0, 1}, Txn({W("x", "1")}, {Nothing()})),
                            Ok({2, 3}, Txn({W("y", "1")}, {Nothing()})),
                            Ok({0, 9}, Txn({R("x"), R("y")}, {Saw(kAbsent), Saw("1")}))}),
            Verdict::kIllegal);
}

TEST(LinearizabilityTest, ATransactionReadsItsOwnWrites) {
  EXPECT_EQ(OnTransactions({Ok({0, 1}, Txn({W("x", "1"), R("x"), W("x", kAbsent), R("x")},
                                           {Nothing(), Saw("1"), Nothing(), Saw(kAbsent)}))}),
            Verdict::kLinearizable);
  EXPECT_EQ(OnTransactions({Ok({0, 1}, Txn({W("x", "1"), R("x")}, {Nothing(), Saw("2")}))}),
            Verdict::kIllegal);
}

TEST(LinearizabilityTest, ListsGrowElementByElement) {
  const Operation first = Ok({0, 1}, Txn({A("x", "1")}, {Nothing()}));
  EXPECT_EQ(OnTransactions(
                {first, Ok({2, 3}, Txn({A("x", "2"), R("x")}, {Nothing(), SawList({"1", "2"})}))}),
            Verdict::kLinearizable);
  EXPECT_EQ(
      OnTransactions({first, Ok({2, 3}, Txn({A("x", "2"), R("x")}, {Nothing(), SawList({"2"})}))}),
      Verdict::kIllegal);
  EXPECT_EQ(OnTransactions({first, Ok({2, 3}, Txn({R("x")}, {SawList({"12"})}))}),
            Verdict::kIllegal);
  EXPECT_EQ(OnTransactions({first, Ok({2, 3}, Txn({R("x")}, {Saw(kAbsent)}))}), Verdict::kIllegal);
  EXPECT_EQ(OnTransactions({Ok({2, 3}, Txn({R("x"), R("x")}, {Saw(kAbsent), SawList({})}))}),
            Verdict::kLinearizable);
}

TEST(LinearizabilityTest, AReadWithoutAClaimFitsEverything) {
  EXPECT_EQ(OnTransactions({Ok({0, 1}, Txn({R("x"), R("y")}, {SawSomething(), Saw(kAbsent)}))}),
            Verdict::kLinearizable);
}

TEST(LinearizabilityTest, KeysThatNoTransactionConnectsAreCheckedApart) {
  const CheckReport report =
      CheckLinearizability(
          HistoryOf(Model::kTxn, {Ok({0, 1}, Txn({W("a", "1"), W("b", "1")}, {{}, {}})),
                                  Ok({0, 1}, Txn({W("c", "1"), W("d", "1")}, {{}, {}})),
                                  Ok({2, 3}, Txn({W("b", "1"), W("e", "1")}, {{}, {}})),
                                  Ok({4, 5}, Txn({}, {}))}))
          .value();
  EXPECT_EQ(report.verdict, Verdict::kLinearizable);
  EXPECT_EQ(report.groups, 3U);
}

TEST(LinearizabilityTest, AConditionalTransactionTakesTheBranchOfItsConditions) {
  const Operation take = If({Is("lock", kAbsent)}, {W("lock", "me")}, {R("lock")});
  EXPECT_EQ(
      OnStore({Ok({0, 1}, Held(take, {Nothing()})), Ok({2, 3}, DidNotHold(take, {Saw("me")}))}),
      Verdict::kLinearizable);
  EXPECT_EQ(OnStore({Ok({0, 1}, Held(take, {Nothing()})), Ok({2, 3}, Held(take, {Nothing()}))}),
            Verdict::kIllegal);
  EXPECT_EQ(OnStore({Ok({0, 1}, DidNotHold(take, {Saw(kAbsent)}))}), Verdict::kIllegal);
}

TEST(LinearizabilityTest, OneFailedConditionIsEnoughForTheElseBranch) {
  const Operation both = If({Is("x", "1"), Is("y", "1")}, {W("z", "then")}, {W("z", "else")});
  EXPECT_EQ(OnStore({Ok({0, 1}, Put("x", "1")), Ok({2, 3}, DidNotHold(both, {Nothing()})),
                     Ok({4, 5}, Get("z", "else"))}),
            Verdict::kLinearizable);
  EXPECT_EQ(OnStore({Ok({0, 1}, Put("x", "1")), Ok({2, 3}, Held(both, {Nothing()}))}),
            Verdict::kIllegal);
  EXPECT_EQ(OnStore({Ok({0, 1}, Put("x", "1")), Ok({0, 1}, Put("y", "1")),
                     Ok({2, 3}, DidNotHold(both, {Nothing()}))}),
            Verdict::kIllegal);
}

TEST(LinearizabilityTest, NoConditionsAlwaysHold) {
  const Operation always = If({}, {W("x", "1")}, {});
  EXPECT_EQ(OnStore({Ok({0, 1}, Held(always, {Nothing()}))}), Verdict::kLinearizable);
  EXPECT_EQ(OnStore({Ok({0, 1}, DidNotHold(always, {}))}), Verdict::kIllegal);
  EXPECT_EQ(OnStore({Ok({0, 1}, DidNotHold(If({}, {}, {}), {}))}), Verdict::kIllegal);
}

TEST(LinearizabilityTest, AnAbsentKeyIsNotDifferentFromAValue) {
  const Operation differs = If({IsNot("x", "1")}, {W("x", "2")}, {});
  EXPECT_EQ(OnStore({Ok({0, 1}, Held(differs, {Nothing()}))}), Verdict::kIllegal);
  EXPECT_EQ(OnStore({Ok({0, 1}, DidNotHold(differs, {}))}), Verdict::kLinearizable);
  EXPECT_EQ(OnStore({Ok({0, 1}, Put("x", "3")), Ok({2, 3}, Held(differs, {Nothing()}))}),
            Verdict::kLinearizable);
  EXPECT_EQ(OnStore({Ok({0, 1}, Put("x", "1")), Ok({2, 3}, Held(differs, {Nothing()}))}),
            Verdict::kIllegal);
}

TEST(LinearizabilityTest, AnUnknownConditionalTransactionTakesOneBranch) {
  const Operation choose =
      Unknown({0}, If({Is("x", kAbsent)}, {W("y", "then"), W("x", "1")}, {W("y", "else")}));
  EXPECT_EQ(OnStore({choose, Ok({1, 2}, Get("y", "then"))}), Verdict::kLinearizable);
  EXPECT_EQ(OnStore({choose, Ok({1, 2}, Get("y", "else"))}), Verdict::kIllegal);
  EXPECT_EQ(OnStore({choose, Ok({1, 2}, Put("x", "2")), Ok({3, 4}, Get("y", "else"))}),
            Verdict::kLinearizable);
  EXPECT_EQ(OnStore({choose, Ok({1, 2}, Get("y", "then")), Ok({3, 4}, Get("y", "else"))}),
            Verdict::kIllegal);
}

TEST(LinearizabilityTest, SingleOperationsAndTransactionsSeeOneStore) {
  EXPECT_EQ(OnStore({Ok({0, 1}, Txn({W("x", "1"), W("y", "1")}, {{}, {}})),
                     Ok({2, 3}, Cas("x", "1", "2", true)), Ok({4, 5}, Delete("y", true)),
                     Ok({6, 7}, Txn({R("x"), R("y")}, {Saw("2"), Saw(kAbsent)}))}),
            Verdict::kLinearizable);
}

TEST(LinearizabilityTest, AViolationNamesTheOperationAndWhatLedToIt) {
  const History history = HistoryOf(
      Model::kKv, {Ok({0, 1}, Put("k", "a")), Ok({2, 3}, Put("k", "b")), Ok({4, 7}, Put("k", "c")),
                   Ok({5, 6}, Get("k", "a")), Ok({5, 6}, Put("other", "x"))});
  const CheckReport report = CheckLinearizability(history).value();
  ASSERT_EQ(report.violations.size(), 1U);
  const Violation& violation = report.violations[0];
  EXPECT_EQ(violation.keys, std::vector<std::string>{"k"});
  EXPECT_EQ(violation.misplaced, 3U);
  EXPECT_EQ(violation.concurrent, std::vector<std::size_t>{2});
  EXPECT_EQ(violation.prefix, (std::vector<std::size_t>{0, 1}));
  EXPECT_EQ(violation.text,
            "key k: not linearizable\n"
            "This operation, with all that returned before it, fits no order:\n"
            "  #4  client 3  get k = \"a\"  [called 5, returned 6]\n"
            "Concurrent with it:\n"
            "  #3  client 2  put k \"c\"  [called 4, returned 7]\n"
            "An order of what had returned before that (2 operations):\n"
            "  #1  client 0  put k \"a\"  [called 0, returned 1]\n"
            "  #2  client 1  put k \"b\"  [called 2, returned 3]\n"
            "In the orders of that, the last state is:\n"
            "  k = \"b\"\n");
}

TEST(LinearizabilityTest, AWitnessLeavesOutWhatNeedNotHaveHappened) {
  const History history =
      HistoryOf(Model::kRegister, {Ok({0, 1}, Write("a")), Unknown({2}, Write("b")),
                                   Unknown({3}, Write("never seen")), Ok({4, 5}, Read("b")),
                                   Failed({6, 7}, Write("c"))});
  const CheckReport report = CheckLinearizability(history, {.witness = true}).value();
  EXPECT_EQ(report.orders, (std::vector<std::vector<std::size_t>>{{0, 1, 3}}));
}

// So many concurrent writes of different values, and a read of each, in an impossible order.
History HardHistory(int writes) {
  Operations operations;
  for (int i = 0; i < writes; ++i) {
    operations.push_back(Ok({0, 1000}, Write(std::to_string(i))));
    operations.push_back(Unknown({0}, RegisterCas(std::to_string(i), std::to_string(i + 1))));
    operations.push_back(Ok({10, 1000}, Read(std::to_string(i))));
    operations.push_back(
        Ok({10, 1000}, RegisterCas(std::to_string(i), std::to_string(i + 1), true)));
  }
  operations.push_back(Ok({2000, 2001}, Read("0")));
  operations.push_back(Ok({2002, 2003}, Read("1")));
  operations.push_back(Ok({2004, 2005}, Read("0")));
  return HistoryOf(Model::kRegister, std::move(operations));
}

TEST(LinearizabilityTest, TheSearchEndsWhereItsStepsDo) {
  const CheckReport report = CheckLinearizability(HardHistory(20), {.steps_max = 10'000}).value();
  EXPECT_EQ(report.verdict, Verdict::kGaveUp);
  EXPECT_LT(report.steps, 11'000U);
  EXPECT_TRUE(report.violations.empty());
}

TEST(LinearizabilityTest, AnIllegalKeyCountsMoreThanOneTooHardToCheck) {
  History history = HistoryOf(Model::kKv, {Ok({0, 1}, Get("first", "never written"))});
  std::int64_t client = 100;
  for (Operation operation : HardHistory(20).operations) {
    operation.key = "k";
    if (operation.action == Action::kRead) operation.action = Action::kGet;
    if (operation.action == Action::kWrite) operation.action = Action::kPut;
    operation.client = client++;
    history.operations.push_back(operation);
  }
  EXPECT_EQ(CheckLinearizability(history, {.steps_max = 10'000}).value().verdict,
            Verdict::kIllegal);
}

TEST(LinearizabilityTest, EqualHistoriesTakeEqualSteps) {
  const CheckReport first = CheckLinearizability(HardHistory(4)).value();
  const CheckReport second = CheckLinearizability(HardHistory(4)).value();
  EXPECT_EQ(first.verdict, Verdict::kIllegal);
  EXPECT_EQ(first.steps, second.steps);
  EXPECT_EQ(first.violations[0].text, second.violations[0].text);
}

TEST(LinearizabilityTest, ALongHistoryNeedsNoDeepStack) {
  Operations operations;
  for (int i = 0; i < 50'000; ++i) {
    operations.push_back(Ok({10 * i, 10 * i + 15}, Write(std::to_string(i % 7))));
    operations.push_back(Ok({10 * i + 16, 10 * i + 18}, Read(std::to_string(i % 7))));
  }
  EXPECT_NE(OnRegister(operations), Verdict::kGaveUp);
}

TEST(LinearizabilityTest, AMalformedHistoryIsRefused) {
  const auto report =
      CheckLinearizability(HistoryOf(Model::kRegister, {Ok({0, 1}, Get("k", "a"))}));
  EXPECT_EQ(report.status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace lockstep::sim::history
