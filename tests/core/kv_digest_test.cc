#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <bit>
#include <functional>
#include <set>

#include "core/kv/digest.h"
#include "tests/core/kv_generators.h"

namespace lockstep::kv {
namespace {

std::uint64_t HashOf(std::string_view text) { return Hasher(1).Text(text).Finish(); }

// The numbers are part of snapshots and compared between machines. These were computed by another
// program, from the description.
TEST(HasherTest, GivesTheSameNumbersForever) {
  EXPECT_EQ(Hasher(1).Finish(), 0xd7ad8695184ce6bdu);
  EXPECT_EQ(Hasher(1).Number(0).Finish(), 0xd76278efea48a7f1u);
  EXPECT_EQ(HashOf(""), 0xd76278efea48a7f1u);
  EXPECT_EQ(HashOf("lockstep"), 0x54b0dd395950bf33u);
  EXPECT_EQ(HashOf("\xff\xfe\xfd"), 0x74a8a8cb30830459u);
  EXPECT_EQ(ChecksumOf("lockstep"), 0x20d61a1d675de87cu);
}

TEST(HasherTest, TellsStringsWithTrailingZerosApart) {
  std::set<std::uint64_t> hashes;
  for (std::size_t size = 0; size < 40; ++size) hashes.insert(HashOf(std::string(size, '\0')));
  EXPECT_EQ(hashes.size(), 40u);
}

TEST(HasherTest, TellsWhereOneStringEndsAndTheNextBegins) {
  EXPECT_NE(Hasher(1).Text("ab").Text("c").Finish(), Hasher(1).Text("a").Text("bc").Finish());
  EXPECT_NE(Hasher(1).Text("a").Text("").Finish(), Hasher(1).Text("").Text("a").Finish());
}

TEST(HasherTest, FlipsHalfOfTheBitsForEachBitOfInput) {
  constexpr int kRounds = 200;
  for (int bit = 0; bit < 64; ++bit) {
    int flipped = 0;
    for (std::uint64_t i = 0; i < kRounds; ++i) {
      const std::uint64_t number = i * 0x10001;
      flipped += std::popcount(Hasher(1).Number(number).Finish() ^
                               Hasher(1).Number(number ^ (std::uint64_t{1} << bit)).Finish());
    }
    // 32 on average; the mean of 200 rounds has a standard deviation of 0.3.
    EXPECT_GT(flipped, 30 * kRounds) << "bit " << bit;
    EXPECT_LT(flipped, 34 * kRounds) << "bit " << bit;
  }
}

TEST(HasherTest, DoesNotCollideOnSmallNumbersInManyPlaces) {
  std::set<std::uint64_t> hashes;
  for (std::uint64_t a = 0; a < 60; ++a) {
    for (std::uint64_t b = 0; b < 60; ++b) {
      for (std::uint64_t c = 0; c < 60; ++c) {
        hashes.insert(Hasher(1).Number(a).Number(b).Number(c).Finish());
      }
    }
  }
  EXPECT_EQ(hashes.size(), 60u * 60 * 60);
}

TEST(DigestTest, OfTheEmptyStateIsZero) { EXPECT_EQ(DigestOf(Image{}), 0u); }

RC_GTEST_PROP(DigestProperty, DoesNotDependOnTheOrderOfRows, ()) {
  Image image = *AnyImage();
  const std::uint64_t digest = DigestOf(image);
  std::reverse(image.keys.begin(), image.keys.end());
  std::reverse(image.sessions.begin(), image.sessions.end());
  RC_ASSERT(DigestOf(image) == digest);
}

RC_GTEST_PROP(DigestProperty, ChangesWithEveryFieldOfAKeyRow, ()) {
  const KeyRow row = *AnyKeyRow();
  const std::function<void(KeyRow&)> kChanges[] = {
      [](KeyRow& r) { r.id.sub += 1; },
      [](KeyRow& r) { r.key_value.key += '\0'; },
      [](KeyRow& r) { r.key_value.value += 'x'; },
      [](KeyRow& r) { r.key_value.create_revision.value += 1; },
      [](KeyRow& r) { r.key_value.mod_revision.value += 1; },
      [](KeyRow& r) { r.key_value.version += 1; },
  };
  for (const auto& change : kChanges) {
    KeyRow changed = row;
    change(changed);
    RC_ASSERT(DigestOf(changed) != DigestOf(row));
  }
}

RC_GTEST_PROP(DigestProperty, ChangesWithEveryFieldOfASessionRow, ()) {
  SessionRow row = *AnySessionRow();
  row.replies[7].results.push_back(PutResult{*AnyKeyValue()});
  const std::function<void(SessionRow&)> kChanges[] = {
      [](SessionRow& r) { r.id.value += 1; },
      [](SessionRow& r) { r.time_to_live.ns ^= 1; },
      [](SessionRow& r) { r.last_used.value += 1; },
      [](SessionRow& r) { r.acknowledged += 1; },
      [](SessionRow& r) { r.replies.erase(7); },
      [](SessionRow& r) { r.replies[100].revision.value += 1; },
      [](SessionRow& r) { r.replies[101] = r.replies[7], r.replies.erase(7); },
      [](SessionRow& r) { r.replies[7].succeeded = !r.replies[7].succeeded; },
      [](SessionRow& r) { r.replies[7].revision.value += 1; },
      [](SessionRow& r) { r.replies[7].results.push_back(GetResult{}); },
      [](SessionRow& r) { r.replies[7].results.back() = PutResult{}; },
      [](SessionRow& r) {
        OperationResult& last = r.replies[7].results.back();
        last = GetResult{std::get<PutResult>(last).previous};
      },
      [](SessionRow& r) {
        OperationResult& last = r.replies[7].results.back();
        std::get<PutResult>(last).previous->value += 'x';
      },
  };
  for (const auto& change : kChanges) {
    SessionRow changed = row;
    change(changed);
    RC_ASSERT(DigestOf(changed) != DigestOf(row));
  }
}

RC_GTEST_PROP(DigestProperty, ChangesWithEveryNumberOfTheSummary, ()) {
  Summary summary;
  summary.applied_index = Index{*rc::gen::inRange<std::uint64_t>(1, 100)};
  summary.applied_term = Term{*AnyNumber()};
  summary.time = ClusterTime{*AnyNumber()};
  const std::function<void(Summary&)> kChanges[] = {
      [](Summary& s) { s.applied_index.value += 1; },
      [](Summary& s) { s.applied_term.value += 1; },
      [](Summary& s) { s.time.value += 1; },
      [](Summary& s) { s.revision.value += 1; },
  };
  for (const auto& change : kChanges) {
    Summary changed = summary;
    change(changed);
    RC_ASSERT(DigestOf(changed) != DigestOf(summary));
  }
  Summary other = summary;
  other.digest += 1;
  RC_ASSERT(DigestOf(other) == DigestOf(summary));
}

}  // namespace
}  // namespace lockstep::kv
