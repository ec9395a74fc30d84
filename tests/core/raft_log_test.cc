#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/assert.h"
#include "core/raft/durability.h"
#include "core/raft/log.h"
#include "core/raft/quorum.h"
#include "tests/core/raft_cluster.h"

namespace lockstep::raft {
namespace {

Log LogOf(const std::vector<std::uint64_t>& terms, LogPosition base = {}) {
  Log log(base);
  for (Entry& entry : Entries(base.index.value + 1, terms)) {
    log.Append(std::move(entry));
  }
  return log;
}

TEST(LogTest, AnEmptyLogEndsAtItsBase) {
  const Log log(LogPosition{{7}, {3}});
  EXPECT_EQ(log.first_index(), Index{8});
  EXPECT_EQ(log.last(), (LogPosition{{7}, {3}}));
  EXPECT_EQ(log.TermAt({7}), Term{3});
  EXPECT_EQ(log.TermAt({6}), std::nullopt);
  EXPECT_EQ(log.TermAt({8}), std::nullopt);
}

TEST(LogTest, RejectsAnAppendThatLeavesAGap) {
  Log log = LogOf({1, 1});
  EXPECT_THROW(log.Append(Entries(4, {1}).front()), AssertionFailure);
}

TEST(LogTest, RejectsAnAppendOfAnEarlierTerm) {
  Log log = LogOf({1, 2});
  EXPECT_THROW(log.Append(Entries(3, {1}).front()), AssertionFailure);
}

TEST(LogTest, TruncationKeepsWhatIsBefore) {
  Log log = LogOf({1, 1, 2, 2});
  log.TruncateFrom({3});
  EXPECT_EQ(Terms(log), (std::vector<std::uint64_t>{1, 1}));
  EXPECT_EQ(log.bytes(), 2 * std::string("of term 1").size());
}

TEST(LogTest, CompactionKeepsTheTermOfTheLastEntryThatItRemoves) {
  Log log = LogOf({1, 1, 2, 3});
  log.CompactTo({3});
  EXPECT_EQ(log.base(), (LogPosition{{3}, {2}}));
  EXPECT_TRUE(log.Holds({{3}, {2}}));
  EXPECT_EQ(Terms(log), (std::vector<std::uint64_t>{3}));
  EXPECT_THROW(log.At({3}), AssertionFailure);
}

TEST(LogTest, ASliceEndsAtTheFirstOfItsBounds) {
  const Log log = LogOf({1, 1, 1, 1});
  const std::size_t size = log.At({1}).payload.size();
  EXPECT_EQ(log.Slice({2}, 2, 1000).size(), 2u);
  EXPECT_EQ(log.Slice({2}, 100, 2 * size).size(), 2u);
  EXPECT_EQ(log.Slice({2}, 100, 1).size(), 1u) << "one entry is always allowed";
  EXPECT_EQ(log.Slice({5}, 100, 1000).size(), 0u);
}

// What is refused, where a log of these terms could still agree, and why. Raft §3.5.
TEST(LogTest, LastNotAboveSkipsWholeTerms) {
  struct Case {
    std::vector<std::uint64_t> terms;
    LogPosition limit;
    LogPosition expected;
    const char* why;
  };
  const Case kCases[] = {
      {{1, 3, 3, 3}, {{4}, {2}}, {{1}, {1}}, "no entry of a term above the limit can be shared"},
      {{1, 1, 2}, {{9}, {5}}, {{3}, {2}}, "a limit beyond the end starts at the end"},
      {{1, 2, 3}, {{2}, {2}}, {{2}, {2}}, "what has the limit's term may be shared"},
      {{4, 4}, {{2}, {3}}, {{0}, {0}}, "at worst the base"},
  };
  for (const Case& c : kCases) {
    EXPECT_EQ(LogOf(c.terms).LastNotAbove(c.limit), c.expected) << c.why;
  }
}

// The log against a plain list of (term) that remembers everything, under random operations.
RC_GTEST_PROP(LogProperty, BehavesLikeAListWithAMovingStart, ()) {
  Log log;
  std::vector<std::uint64_t> model;  // model[i] is the term at index i + 1
  std::size_t base = 0;
  std::uint64_t term = 1;
  const auto steps = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 100));
  for (const int step : steps) {
    if (step < 60) {
      term += step % 3 == 0 ? 1 : 0;
      log.Append(Entries(model.size() + 1, {term}).front());
      model.push_back(term);
    } else if (step < 80) {
      const std::size_t keep = base + static_cast<std::size_t>(step) % (model.size() - base + 1);
      log.TruncateFrom({keep + 1});
      model.resize(keep);
    } else {
      base += static_cast<std::size_t>(step) % (model.size() - base + 1);
      log.CompactTo({base});
    }
    RC_ASSERT(log.base().index.value == base);
    RC_ASSERT(log.last_index().value == model.size());
    for (std::size_t index = 0; index <= model.size() + 1; ++index) {
      const auto held = log.TermAt({index});
      const bool inside = index >= base && index <= model.size();
      RC_ASSERT(held.has_value() == inside);
      if (inside && index > 0) {
        RC_ASSERT(held->value == model[index - 1]);
      }
    }
  }
}

// What each voter stores, the index this commits, and why.
TEST(QuorumTest, ReachedByMajorityIsTheHighestOnAMajority) {
  struct Case {
    std::vector<int> match;
    int reached;
    const char* why;
  };
  const Case kCases[] = {
      {{12}, 12, "a lone voter is a majority"},
      {{12, 5}, 5, "both of two must store it"},
      {{12, 5, 0}, 5, "the silent voter can only raise it"},
      {{4, 3, 2, 1}, 2, "four voters need three"},
      {{100, 101, 103, 103, 104}, 103, "the third of five"},
  };
  for (const Case& c : kCases) {
    EXPECT_EQ(ReachedByMajority(c.match), c.reached) << c.why;
  }
}

RC_GTEST_PROP(QuorumProperty, ReachedByMajorityAgreesWithCounting, ()) {
  const auto match =
      *rc::gen::nonEmpty(rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 20)));
  int counted = -1;
  for (int candidate = 0; candidate < 20; ++candidate) {
    std::size_t stored = 0;
    for (const int index : match) {
      stored += index >= candidate ? 1 : 0;
    }
    if (2 * stored > match.size()) {
      counted = candidate;
    }
  }
  RC_ASSERT(ReachedByMajority(match) == counted);
}

TEST(DurabilityTest, AWriteThatCompletesAfterATruncationProvesOnlyWhatIsLeft) {
  Durability durability({0});
  durability.Started({1}, {5});
  durability.Truncated({4});
  durability.Started({2}, {6});  // entries 4 to 6 of another leader
  durability.Persisted({1});
  EXPECT_EQ(durability.index(), Index{3}) << "the entries 4 and 5 that it stored are gone";
  durability.Persisted({2});
  EXPECT_EQ(durability.index(), Index{6});
}

TEST(DurabilityTest, TruncationOfDurableEntriesTakesThemBack) {
  Durability durability({9});
  durability.Truncated({5});
  EXPECT_EQ(durability.index(), Index{4});
}

TEST(DurabilityTest, AReportCoversEveryEarlierWrite) {
  Durability durability({0});
  durability.Started({1}, {1});
  durability.Started({2}, {3});
  durability.Started({3}, {});
  durability.Persisted({3});
  EXPECT_EQ(durability.index(), Index{3});
  EXPECT_EQ(durability.persisted(), WriteId{3});
  durability.Persisted({1});  // late
  EXPECT_EQ(durability.index(), Index{3});
}

TEST(DurabilityTest, AWriteOfBeforeAResetProvesNothingBeyondIt) {
  Durability durability({2});
  durability.Started({1}, {9});
  durability.Reset({5});
  durability.Persisted({1});
  EXPECT_EQ(durability.index(), Index{5});
}

}  // namespace
}  // namespace lockstep::raft
