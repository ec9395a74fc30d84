#include "net/client_session.h"

#include <gtest/gtest.h>

#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace lockstep::net {
namespace {

TEST(ClientSessionTest, SequencesStartAtOneAndAreUnique) {
  ClientSession session({9});
  EXPECT_EQ(session.id(), SessionId{9});
  EXPECT_EQ(session.Begin(), 1u);
  EXPECT_EQ(session.Begin(), 2u);
  EXPECT_EQ(session.Begin(), 3u);
}

TEST(ClientSessionTest, AcknowledgesUpToTheOldestThatIsInUse) {
  ClientSession session({1});
  EXPECT_EQ(session.Acknowledged(), 0u);
  for (int i = 0; i < 3; ++i) {
    session.Begin();
  }
  session.Finish(2);
  EXPECT_EQ(session.Acknowledged(), 0u) << "1 may still be sent again";
  session.Finish(1);
  EXPECT_EQ(session.Acknowledged(), 2u);
  session.Finish(3);
  EXPECT_EQ(session.Acknowledged(), 3u);
}

TEST(ClientSessionTest, NoSequenceRunsAWindowAheadOfTheOldest) {
  ClientSession session({1});
  ASSERT_EQ(session.Begin(), 1u);
  for (std::uint64_t i = 2; i <= ClientSession::kWindow; ++i) {
    const std::optional<std::uint64_t> sequence = session.Begin();
    ASSERT_EQ(sequence, i);
    session.Finish(*sequence);
  }
  EXPECT_EQ(session.Begin(), std::nullopt);
  session.Finish(1);
  EXPECT_EQ(session.Begin(), ClientSession::kWindow + 1);
}

TEST(ClientSessionTest, ThreadsNeverShareASequenceOrAcknowledgeOneInUse) {
  ClientSession session({1});
  std::mutex mutex;
  std::set<std::uint64_t> seen;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        const std::optional<std::uint64_t> sequence = session.Begin();
        if (!sequence) {
          continue;
        }
        EXPECT_LT(session.Acknowledged(), *sequence);
        session.Finish(*sequence);
        const std::lock_guard<std::mutex> lock(mutex);
        EXPECT_TRUE(seen.insert(*sequence).second);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(session.Acknowledged(), seen.size());
}

}  // namespace
}  // namespace lockstep::net
