// Workers answer, crash and hang, and the pool tells which.

#include "sim/worker_pool.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <string>

#include "sim/run_report.h"

namespace lockstep::sim {
namespace {

using Fate = WorkerPool::Fate;

// Crashes, ends or hangs if told so; else says what it was told, and how often it was told
// something.
std::string Obey(std::string_view order) {
  if (order == "crash") {
    // Not by abort(), of which sanitizers and GoogleTest make something else.
    kill(getpid(), SIGKILL);
  } else if (order == "exit") {
    _exit(7);
  } else if (order == "hang") {
    while (true) {
      pause();
    }
  }
  return "did " + std::string(order);
}

std::map<std::uint64_t, WorkerPool::Outcome> WaitForAll(WorkerPool& pool) {
  std::map<std::uint64_t, WorkerPool::Outcome> outcomes;
  while (pool.Busy()) {
    for (WorkerPool::Outcome& outcome : pool.Wait(Milliseconds(100))) {
      const std::uint64_t id = outcome.id;
      EXPECT_TRUE(outcomes.emplace(id, std::move(outcome)).second) << "told twice: " << id;
    }
  }
  return outcomes;
}

TEST(WorkerPoolTest, AnswersWhatItWasOrdered) {
  WorkerPool pool(3, Seconds(60), Obey);
  std::map<std::uint64_t, WorkerPool::Outcome> outcomes;
  const std::string large(1'000'000, 'x');  // more than a socket holds
  for (std::uint64_t id = 0; id < 20; ++id) {
    if (!pool.HasIdle()) {
      outcomes.merge(WaitForAll(pool));
    }
    pool.Order(id, id == 5 ? large : std::to_string(id));
  }
  outcomes.merge(WaitForAll(pool));
  ASSERT_EQ(outcomes.size(), 20u);
  for (const auto& [id, outcome] : outcomes) {
    EXPECT_EQ(outcome.fate, Fate::kAnswered);
    EXPECT_EQ(outcome.answer, "did " + (id == 5 ? large : std::to_string(id)));
  }
}

TEST(WorkerPoolTest, ACrashIsToldAndTheNextOrderIsDone) {
  WorkerPool pool(1, Seconds(60), Obey);
  pool.Order(1, "crash");
  const auto crashed = WaitForAll(pool);
  EXPECT_EQ(crashed.at(1).fate, Fate::kCrashed);
  EXPECT_EQ(crashed.at(1).death, "signal: Killed");
  pool.Order(2, "exit");
  const auto ended = WaitForAll(pool);
  EXPECT_EQ(ended.at(2).fate, Fate::kCrashed);
  EXPECT_EQ(ended.at(2).death, "exit code 7");
  pool.Order(3, "more");
  EXPECT_EQ(WaitForAll(pool).at(3).answer, "did more");
}

TEST(WorkerPoolTest, WhatTakesTooLongIsKilledAndOthersGoOn) {
  WorkerPool pool(2, Seconds(1), Obey);
  pool.Order(1, "hang");
  pool.Order(2, "work");
  const auto outcomes = WaitForAll(pool);
  EXPECT_EQ(outcomes.at(1).fate, Fate::kHung);
  EXPECT_EQ(outcomes.at(1).death, "no end after 1 s");
  EXPECT_EQ(outcomes.at(2).answer, "did work");
}

TEST(RunReportTest, SaysAllThatARunSaid) {
  RunResult result;
  result.simulated = Seconds(3);
  result.work = Milliseconds(4);
  result.events = 5;
  result.messages = 6;
  result.committed = 7;
  result.terms_led = 8;
  result.operations = {.ok = 9, .failed = 10, .unknown = 11};
  result.probes.Count(Probe::kSplitVote);
  result.faults[1] = 13;
  result.actions[2] = 14;
  result.fingerprint.Add(12);
  result.cut_off = true;
  result.failure = Failure{"a property", std::string("why\nand \0where", 14)};
  const RunResult read = ReadReport(WriteReport(result));
  EXPECT_EQ(read.simulated, result.simulated);
  EXPECT_EQ(read.work, result.work);
  EXPECT_EQ(read.events, 5u);
  EXPECT_EQ(read.messages, 6u);
  EXPECT_EQ(read.committed, 7u);
  EXPECT_EQ(read.terms_led, 8u);
  EXPECT_EQ(read.operations.ok, 9u);
  EXPECT_EQ(read.operations.failed, 10u);
  EXPECT_EQ(read.operations.unknown, 11u);
  EXPECT_EQ(read.probes.counts, result.probes.counts);
  EXPECT_EQ(read.faults, result.faults);
  EXPECT_EQ(read.actions, result.actions);
  EXPECT_EQ(read.fingerprint, result.fingerprint);
  EXPECT_TRUE(read.cut_off);
  ASSERT_TRUE(read.failure.has_value());
  EXPECT_EQ(read.failure->property, result.failure->property);
  EXPECT_EQ(read.failure->text, result.failure->text);
  EXPECT_FALSE(ReadReport(WriteReport(RunResult())).failure.has_value());
}

TEST(RunReportTest, FailuresThatDifferInNumbersHaveOneCause) {
  const Failure failure{"election safety", "nodes 1 and 2 lead term 17\nmore"};
  EXPECT_EQ(CauseOf(failure), "election safety: nodes N and N lead term N");
  EXPECT_EQ(CauseOf({"election safety", "nodes 3 and 11 lead term 4"}), CauseOf(failure));
  EXPECT_NE(CauseOf({"election safety", "node 3 leads term 4 twice"}), CauseOf(failure));
  EXPECT_EQ(CauseOf({"linearizability", "key \"k7\" held \"a b\" at 1.5"}),
            "linearizability: key \"*\" held \"*\" at N.N");
}

TEST(RunReportTest, AssertionsFailTheSameWayOnlyInOnePlace) {
  EXPECT_TRUE(SameWay({"digests", "nodes 1 and 2"}, {"digests", "quite another text"}));
  EXPECT_FALSE(SameWay({"digests", "nodes 1 and 2"}, {"log matching", "nodes 1 and 2"}));
  EXPECT_TRUE(SameWay({kAssertion, "log.cc:7: assertion failed: a < b"},
                      {kAssertion, "log.cc:7: assertion failed: a < b"}));
  EXPECT_FALSE(SameWay({kAssertion, "log.cc:7: assertion failed: a < b"},
                       {kAssertion, "log.cc:9: assertion failed: a > b"}));
}

}  // namespace
}  // namespace lockstep::sim
