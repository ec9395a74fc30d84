#include "core/random.h"

#include <gtest/gtest.h>

#include <vector>

namespace lockstep {
namespace {

// Reference numbers of SplitMix64 with seed 1234567, as published with its C source
// (prng.di.unimi.it/splitmix64.c) and used by the test suites of several languages.
TEST(RandomTest, DrawsTheReferenceNumbersOfSplitMix64) {
  Random random(1234567);
  EXPECT_EQ(random.Next(), 6457827717110365317u);
  EXPECT_EQ(random.Next(), 3203168211198807973u);
  EXPECT_EQ(random.Next(), 9817491932198370423u);
}

TEST(RandomTest, DrawsEveryNumberOfARangeAndNoOther) {
  Random random(1);
  std::vector<int> seen(5, 0);
  for (int i = 0; i < 1000; ++i) {
    const std::int64_t drawn = random.Between(-2, 2);
    ASSERT_GE(drawn, -2);
    ASSERT_LE(drawn, 2);
    ++seen[static_cast<std::size_t>(drawn + 2)];
  }
  for (const int count : seen) {
    EXPECT_GT(count, 100);
  }
}

TEST(RandomTest, ChildrenOfDifferentStreamsDiffer) {
  const Random parent(7);
  EXPECT_EQ(parent.Child(1).Next(), parent.Child(1).Next());
  EXPECT_NE(parent.Child(1).Next(), parent.Child(2).Next());
}

}  // namespace
}  // namespace lockstep
