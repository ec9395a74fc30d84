#include "sim/history.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/sim/linearizability_histories.h"

namespace lockstep::sim::history {
namespace {

std::string ErrorOf(const History& history, std::size_t* bad = nullptr) {
  return std::string(ValidateHistory(history, bad).message());
}

Operation By(std::int64_t client, Operation operation) {
  operation.client = client;
  return operation;
}

TEST(HistoryTest, AHistoryInTheMakingIsValid) {
  History history;
  history.model = Model::kStore;
  EXPECT_EQ(ErrorOf(history), "");
  history.operations.push_back(By(1, Unknown({10}, Put("k", "a"))));
  history.operations.push_back(By(2, Unknown({11}, Get("k"))));
  EXPECT_EQ(ErrorOf(history), "");
  history.operations[0].outcome = Outcome::kOk;
  history.operations[0].returned_at = 15;
  history.operations.push_back(By(1, Unknown({15}, Put("k", "b"))));
  EXPECT_EQ(ErrorOf(history), "");
}

struct Case {
  std::string error;
  Model model;
  std::vector<Operation> operations;
  Value initial;
};

TEST(HistoryTest, WhatIsMalformedIsNamed) {
  Operation no_result_yet = Unknown({0}, Cas("k", "a", "b", true));
  Operation returned = Unknown({0}, Put("k", "a"));
  returned.returned_at = 5;
  Operation never_returned = Ok({0, kNever}, Put("k", "a"));
  Operation without_value = Ok({0, 1}, Put("k", "a"));
  without_value.value.reset();
  Step read_with_value = R("k");
  read_with_value.value = "a";
  const Case cases[] = {
      {"model kv has no operation read", Model::kKv, {Ok({0, 1}, Read())}, {}},
      {"model store has no operation append", Model::kStore, {Ok({0, 1}, Append("k", "a"))}, {}},
      {"model txn has no operation cond_txn", Model::kTxn, {Ok({0, 1}, If({}, {}, {}))}, {}},
      {"a result, but the outcome is unknown", Model::kKv, {no_result_yet}, {}},
      {"the outcome is unknown, yet it returned", Model::kKv, {returned}, {}},
      {"the outcome is ok, yet it never returned", Model::kKv, {never_returned}, {}},
      {"return 4 before call 5", Model::kKv, {Ok({5, 4}, Get("k"))}, {}},
      {"put without a value", Model::kKv, {without_value}, {}},
      {"1 results for 2 steps", Model::kTxn, {Ok({0, 1}, Txn({R("x"), R("y")}, {Saw("1")}))}, {}},
      {"step 1 reads and has a value",
       Model::kTxn,
       {Ok({0, 1}, Txn({read_with_value}, {Saw("a")}))},
       {}},
      {"step 2 writes and has a result",
       Model::kTxn,
       {Ok({0, 1}, Txn({R("x"), W("x", "1")}, {Saw("1"), Saw("1")}))},
       {}},
      {"key \"x\" is used both as a list and as a value",
       Model::kTxn,
       {Ok({0, 1}, Txn({A("x", "1")}, {{}})), Ok({2, 3}, Txn({R("x")}, {Saw("1")}))},
       {}},
      {"step 1 uses a list, which model store does not have",
       Model::kStore,
       {Ok({0, 1}, Txn({A("x", "1")}, {{}}))},
       {}},
      {"step 1 uses a list, but keys start as \"0\"",
       Model::kTxn,
       {Ok({0, 1}, Txn({A("x", "1")}, {{}}))},
       "0"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(ErrorOf(HistoryOf(c.model, c.operations, c.initial)), c.error);
  }
}

TEST(HistoryTest, OperationsAreInTheOrderOfTheirCalls) {
  History history;
  history.operations = {By(1, Ok({5, 6}, Write("a"))), By(2, Ok({4, 6}, Write("b")))};
  std::size_t bad = 0;
  EXPECT_EQ(ErrorOf(history, &bad),
            "call 4 comes after call 5: operations must be in the order of calls");
  EXPECT_EQ(bad, 1U);
}

TEST(HistoryTest, AClientDoesOneThingAtATime) {
  History history;
  history.operations = {By(1, Ok({0, 5}, Write("a"))), By(1, Ok({5, 6}, Write("b")))};
  EXPECT_EQ(ErrorOf(history), "");
  history.operations[1].called_at = 4;
  EXPECT_EQ(ErrorOf(history), "client 1 has another operation under way, which returns at 5");
}

TEST(HistoryTest, AClientWithAnUnknownWriteIsNotUsedAgain) {
  History history;
  history.operations = {By(1, Unknown({0}, Write("a"))), By(1, Ok({5, 6}, Write("b")))};
  EXPECT_EQ(ErrorOf(history), "client 1 is used again after an operation with unknown outcome");
  history.operations[0].action = Action::kRead;
  history.operations[0].value.reset();
  EXPECT_EQ(ErrorOf(history), "") << "an unknown read leaves nothing behind";
}

TEST(HistoryTest, OnlyWhatCannotMatterMakesNoClaim) {
  EXPECT_TRUE(MakesNoClaim(Failed({0, 1}, Write("a"))));
  EXPECT_TRUE(MakesNoClaim(Unknown({0}, Read())));
  EXPECT_TRUE(MakesNoClaim(Unknown({0}, Txn({R("x"), R("y")}))));
  EXPECT_TRUE(MakesNoClaim(Unknown({0}, If({Is("x", "1")}, {R("x")}, {R("y")}))));
  EXPECT_FALSE(MakesNoClaim(Unknown({0}, If({Is("x", "1")}, {R("x")}, {W("y", "1")}))));
  EXPECT_FALSE(MakesNoClaim(Unknown({0}, Write("a"))));
  Operation read = Ok({0, 1}, Read("a"));
  EXPECT_FALSE(MakesNoClaim(read));
  read.linearizable = false;
  EXPECT_TRUE(MakesNoClaim(read));
  EXPECT_FALSE(MakesNoClaim(Ok({0, 1}, Read())));
}

TEST(HistoryTest, OperationsAreDescribedInOneLine) {
  const std::string long_value(100, 'x');
  EXPECT_EQ(Describe(Ok({0, 1}, Get("k", "a\n\"\xff"))), "get k = \"a\\x0a\\\"\\xff\"");
  EXPECT_EQ(Describe(Ok({0, 1}, Put("k", long_value))),
            "put k \"" + std::string(48, 'x') + "...\" (100 bytes)");
  EXPECT_EQ(Describe(Unknown({0}, Cas("k", kAbsent, "b"))), "cas k absent -> \"b\" (unknown)");
  EXPECT_EQ(Describe(Ok({0, 1}, Delete("k", true))), "delete k = true");
  EXPECT_EQ(Describe(Failed({0, 1}, Acquire())), "acquire (fail)");
  EXPECT_EQ(Describe(Ok({0, 1}, Txn({R("x"), W("x", kAbsent), A("y", "1"), R("y"), R("z")},
                                    {Saw("1"), {}, {}, SawList({"1", "2"}), SawSomething()}))),
            "txn [read x = \"1\", write x absent, append y \"1\", read y = list \"1 2\", "
            "read z = ?]");
  const Operation conditional = If({Is("x", "1"), IsNot("y", kAbsent)}, {W("x", "2")}, {R("x")});
  EXPECT_EQ(Describe(Ok({0, 1}, Held(conditional, {{}}))),
            "cond_txn if x == \"1\", y != absent (held) [write x \"2\"]");
  EXPECT_EQ(Describe(Ok({0, 1}, DidNotHold(conditional, {Saw("3")}))),
            "cond_txn if x == \"1\", y != absent (did not hold) [read x = \"3\"]");
  EXPECT_EQ(Describe(Unknown({0}, conditional)),
            "cond_txn if x == \"1\", y != absent then [write x \"2\"] else [read x] (unknown)");
}

}  // namespace
}  // namespace lockstep::sim::history
