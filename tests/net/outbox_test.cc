#include "net/outbox.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace lockstep::net {
namespace {

constexpr Outbox::Limits kRoomy = {.messages_max = 1'000'000,
                                   .bytes_max = 1'000'000'000,
                                   .batch_messages_max = 1'000,
                                   .batch_bytes_max = 1'000'000};

// A message that is known by its number.
raft::Message Numbered(std::uint64_t number, std::uint64_t sender = 1) {
  raft::AppendEntries append;
  append.round = number;
  return {{1}, {sender}, {100}, {}, {1}, append};
}

std::uint64_t NumberOf(const raft::Message& message) {
  return std::get<raft::AppendEntries>(message.body).round;
}

std::vector<std::uint64_t> Numbers(const std::vector<raft::Message>& messages) {
  std::vector<std::uint64_t> numbers;
  for (const raft::Message& message : messages) {
    numbers.push_back(NumberOf(message));
  }
  return numbers;
}

using Batch = std::vector<std::uint64_t>;

TEST(OutboxTest, GivesMessagesInTheOrderTheyCame) {
  Outbox outbox(kRoomy);
  for (std::uint64_t i = 1; i <= 3; ++i) {
    outbox.Push(Numbered(i), 10);
  }
  EXPECT_EQ(Numbers(outbox.TakeBatch()), (Batch{1, 2, 3}));
  EXPECT_EQ(Numbers(outbox.TakeBatch()), Batch());
  EXPECT_EQ(outbox.stats().taken, 3u);
  EXPECT_EQ(outbox.stats().queued_bytes, 0u);
}

TEST(OutboxTest, ABatchIsBoundedByMessages) {
  Outbox::Limits limits = kRoomy;
  limits.batch_messages_max = 2;
  Outbox outbox(limits);
  for (std::uint64_t i = 1; i <= 3; ++i) {
    outbox.Push(Numbered(i), 10);
  }
  EXPECT_EQ(Numbers(outbox.TakeBatch()), (Batch{1, 2}));
  EXPECT_EQ(Numbers(outbox.TakeBatch()), (Batch{3}));
}

TEST(OutboxTest, ABatchIsBoundedByBytesButHoldsOneMessage) {
  Outbox::Limits limits = kRoomy;
  limits.batch_bytes_max = 25;
  Outbox outbox(limits);
  outbox.Push(Numbered(1), 10);
  outbox.Push(Numbered(2), 15);
  outbox.Push(Numbered(3), 1);
  outbox.Push(Numbered(4), 1000);
  outbox.Push(Numbered(5), 1);
  EXPECT_EQ(Numbers(outbox.TakeBatch()), (Batch{1, 2}));
  EXPECT_EQ(Numbers(outbox.TakeBatch()), (Batch{3}));
  EXPECT_EQ(Numbers(outbox.TakeBatch()), (Batch{4}));
  EXPECT_EQ(Numbers(outbox.TakeBatch()), (Batch{5}));
}

TEST(OutboxTest, TooManyMessagesPushTheOldestOut) {
  Outbox::Limits limits = kRoomy;
  limits.messages_max = 2;
  Outbox outbox(limits);
  for (std::uint64_t i = 1; i <= 5; ++i) {
    outbox.Push(Numbered(i), 10);
  }
  EXPECT_EQ(outbox.stats().dropped, 3u);
  EXPECT_EQ(outbox.stats().queued_messages, 2u);
  EXPECT_EQ(outbox.stats().queued_bytes, 20u);
  EXPECT_EQ(Numbers(outbox.TakeBatch()), (Batch{4, 5}));
}

TEST(OutboxTest, TooManyBytesPushTheOldestOutButNeverTheNewest) {
  Outbox::Limits limits = kRoomy;
  limits.bytes_max = 100;
  Outbox outbox(limits);
  outbox.Push(Numbered(1), 60);
  outbox.Push(Numbered(2), 40);
  EXPECT_EQ(outbox.stats().dropped, 0u);
  outbox.Push(Numbered(3), 1);
  EXPECT_EQ(outbox.stats().dropped, 1u);
  EXPECT_EQ(outbox.stats().queued_bytes, 41u);
  outbox.Push(Numbered(4), 5000);
  EXPECT_EQ(outbox.stats().dropped, 3u);
  EXPECT_EQ(Numbers(outbox.TakeBatch()), (Batch{4}));
}

TEST(OutboxTest, KeepsTheNewestForAPeerThatWasAway) {
  Outbox outbox(kRoomy);
  for (std::uint64_t i = 1; i <= 5; ++i) {
    outbox.Push(Numbered(i), 10);
  }
  outbox.KeepNewest(2);
  EXPECT_EQ(outbox.stats().dropped, 3u);
  EXPECT_EQ(outbox.stats().queued_bytes, 20u);
  outbox.KeepNewest(9);
  EXPECT_EQ(Numbers(outbox.TakeBatch()), (Batch{4, 5}));
}

TEST(OutboxTest, MessagesOfEachThreadStayInOrderAndNoneIsLostOrRepeated) {
  constexpr std::uint64_t kThreads = 3;
  constexpr std::uint64_t kEach = 5'000;
  Outbox::Limits limits = kRoomy;
  limits.batch_messages_max = 7;
  Outbox outbox(limits);
  std::atomic<std::uint64_t> running = kThreads;
  std::vector<std::thread> threads;
  for (std::uint64_t sender = 1; sender <= kThreads; ++sender) {
    threads.emplace_back([&outbox, &running, sender] {
      for (std::uint64_t i = 1; i <= kEach; ++i) {
        outbox.Push(Numbered(i, sender), 1);
      }
      --running;
    });
  }
  std::vector<std::uint64_t> next(kThreads + 1, 1);
  bool more = true;
  while (more) {
    const bool last_round = running == 0;
    const std::vector<raft::Message> batch = outbox.TakeBatch();
    more = !last_round || !batch.empty();
    for (const raft::Message& message : batch) {
      ASSERT_EQ(NumberOf(message), next[message.from.value]++);
    }
    (void)outbox.stats();
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (std::uint64_t sender = 1; sender <= kThreads; ++sender) {
    EXPECT_EQ(next[sender], kEach + 1);
  }
  EXPECT_EQ(outbox.stats().dropped, 0u);
}

TEST(OutboxTest, UnderOverflowEveryMessageIsEitherTakenOrCounted) {
  constexpr std::uint64_t kEach = 20'000;
  Outbox::Limits limits = kRoomy;
  limits.messages_max = 16;
  Outbox outbox(limits);
  std::atomic<bool> done = false;
  std::thread producer([&outbox, &done] {
    for (std::uint64_t i = 1; i <= kEach; ++i) {
      outbox.Push(Numbered(i), 1);
    }
    done = true;
  });
  std::uint64_t taken = 0;
  std::uint64_t last = 0;
  bool more = true;
  while (more) {
    const bool last_round = done;
    const std::vector<raft::Message> batch = outbox.TakeBatch();
    more = !last_round || !batch.empty();
    for (const raft::Message& message : batch) {
      ASSERT_GT(NumberOf(message), last);
      last = NumberOf(message);
    }
    taken += batch.size();
  }
  producer.join();
  EXPECT_EQ(last, kEach) << "the newest is never dropped";
  EXPECT_EQ(taken + outbox.stats().dropped, kEach);
  EXPECT_EQ(outbox.stats().taken, taken);
}

}  // namespace
}  // namespace lockstep::net
