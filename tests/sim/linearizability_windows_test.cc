#include "sim/oracles/linearizability_windows.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace lockstep::sim::history {
namespace {

constexpr std::int64_t kNeverReturned = std::numeric_limits<std::int64_t>::max();

// One key, which starts with the value of fact 0. Fact n is that it has value n.
class NarrowWindowsTest : public testing::Test {
 protected:
  static constexpr std::size_t kFacts = 6;

  NarrowWindowsTest() {
    table_.keys.assign(kFacts, 0);
    table_.holds.assign(kFacts, false);
    table_.holds[0] = true;
    table_.key_count = 1;
    for (Fact fact = 0; fact < kFacts; ++fact) facts_.push_back(fact);
  }

  std::size_t Add(std::int64_t earliest, std::int64_t latest, std::span<const Fact> needed,
                  std::span<const Fact> brought) {
    Window window;
    window.earliest = earliest;
    window.latest = latest;
    window.required = latest != kNeverReturned;
    window.needed = needed;
    window.brought = brought;
    if (!brought.empty()) window.changed = {&key_, 1};
    windows_.push_back(window);
    return windows_.size() - 1;
  }
  std::span<const Fact> One(Fact fact) const { return {&facts_[fact], 1}; }

  std::size_t Write(Fact value, std::int64_t earliest, std::int64_t latest) {
    return Add(earliest, latest, {}, One(value));
  }
  std::size_t Read(Fact value, std::int64_t earliest, std::int64_t latest) {
    return Add(earliest, latest, One(value), {});
  }

  bool Narrow() { return NarrowWindows(table_, windows_); }
  void ExpectWindow(std::size_t op, std::int64_t earliest, std::int64_t latest) {
    EXPECT_EQ(windows_[op].earliest, earliest);
    EXPECT_EQ(windows_[op].latest, latest);
  }

  FactTable table_;
  std::vector<Fact> facts_;
  Key key_ = 0;
  std::vector<Window> windows_;
};

TEST_F(NarrowWindowsTest, AWriteComesBeforeWhoSawIt) {
  const std::size_t write = Write(1, 0, 100);
  const std::size_t read = Read(1, 10, 20);
  EXPECT_TRUE(Narrow());
  ExpectWindow(write, 0, 20);
  ExpectWindow(read, 10, 20);
}

TEST_F(NarrowWindowsTest, AReadComesAfterTheWriteThatItSaw) {
  Write(1, 30, 40);
  const std::size_t read = Read(1, 0, 100);
  EXPECT_TRUE(Narrow());
  ExpectWindow(read, 30, 100);
}

TEST_F(NarrowWindowsTest, AnUnknownWriteThatWasSeenDidTakeEffect) {
  const std::size_t seen = Write(1, 0, kNeverReturned);
  const std::size_t unseen = Write(2, 0, kNeverReturned);
  Read(1, 10, 20);
  EXPECT_TRUE(Narrow());
  EXPECT_TRUE(windows_[seen].required);
  ExpectWindow(seen, 0, 20);
  EXPECT_FALSE(windows_[unseen].required);
}

TEST_F(NarrowWindowsTest, WhatAnUnknownOperationNeededWasThere) {
  const std::size_t first = Write(1, 0, kNeverReturned);
  const std::size_t swap = Add(0, kNeverReturned, One(1), One(2));
  Read(2, 10, 20);
  EXPECT_TRUE(Narrow());
  EXPECT_TRUE(windows_[swap].required);
  EXPECT_TRUE(windows_[first].required);
  ExpectWindow(first, 0, 20);
}

TEST_F(NarrowWindowsTest, ALaterWriteComesAfterAllWhoSawTheFirst) {
  Write(1, 0, 5);
  const std::size_t read = Read(1, 20, 100);
  const std::size_t next = Write(2, 10, 50);
  EXPECT_TRUE(Narrow());
  ExpectWindow(next, 20, 50);
  ExpectWindow(read, 20, 50);
}

TEST_F(NarrowWindowsTest, AnEarlierWriteComesBeforeTheOneThatWasSeen) {
  const std::size_t overwritten = Write(1, 5, 30);
  const std::size_t seen = Write(2, 0, 20);
  Read(2, 40, 50);
  EXPECT_TRUE(Narrow());
  ExpectWindow(overwritten, 5, 20);
  ExpectWindow(seen, 5, 20);
}

TEST_F(NarrowWindowsTest, AStaleReadIsAContradiction) {
  Write(1, 0, 10);
  Write(2, 20, 30);
  Read(1, 40, 50);
  EXPECT_FALSE(Narrow());
}

TEST_F(NarrowWindowsTest, TheInitialValueIsNotReadAfterAWrite) {
  Write(1, 0, 10);
  Read(0, 20, 30);
  EXPECT_FALSE(Narrow());
}

TEST_F(NarrowWindowsTest, AValueFromTwoSourcesSaysNothing) {
  const std::size_t one = Write(1, 0, 100);
  const std::size_t other = Write(1, 0, 100);
  Read(1, 10, 20);
  EXPECT_TRUE(Narrow());
  ExpectWindow(one, 0, 100);
  ExpectWindow(other, 0, 100);
}

TEST_F(NarrowWindowsTest, EqualTimesAreInNoOrder) {
  const std::size_t write = Write(1, 0, 10);
  const std::size_t next = Write(2, 10, 20);
  Read(1, 20, 30);
  EXPECT_TRUE(Narrow());
  ExpectWindow(write, 0, 10);
  ExpectWindow(next, 10, 20);
}

}  // namespace
}  // namespace lockstep::sim::history
