// The locks that connections of one process take on a file and on its wal-index, row by row.

#include <gtest/gtest.h>

#include <cstring>
#include <memory>

#include "sim/disk/disk.h"
#include "sim/disk/sharing.h"

namespace lockstep::sim {
namespace {

constexpr LockLevel kNone = LockLevel::kNone;
constexpr LockLevel kShared = LockLevel::kShared;
constexpr LockLevel kReserved = LockLevel::kReserved;
constexpr LockLevel kPending = LockLevel::kPending;
constexpr LockLevel kExclusive = LockLevel::kExclusive;

// What another connection holds, what this one holds and asks for, and what it holds then.
struct Case {
  LockLevel other;
  LockLevel held;
  LockLevel wanted;
  LockLevel after;
  const char* why;
};

const Case kCases[] = {
    {kNone, kNone, kShared, kShared, "nobody is there"},
    {kShared, kNone, kShared, kShared, "readers do not disturb each other"},
    {kReserved, kNone, kShared, kShared, "the writer has not begun to write"},
    {kExclusive, kNone, kShared, kNone, "the writer writes"},
    {kShared, kShared, kReserved, kReserved, "one may intend to write while others read"},
    {kReserved, kShared, kReserved, kShared, "only one may intend to write"},
    {kNone, kReserved, kExclusive, kExclusive, "the writer is alone"},
    {kShared, kReserved, kExclusive, kPending, "the writer waits for the reader"},
    {kShared, kShared, kExclusive, kPending, "so does one that recovers a journal"},
    {kReserved, kShared, kExclusive, kShared, "somebody else is the writer"},
    {kNone, kExclusive, kShared, kExclusive, "asking for less than one holds changes nothing"},
};

void RaiseTo(FileLock& lock, LockLevel& held, LockLevel wanted) {
  for (const LockLevel level : {kShared, kReserved, kExclusive}) {
    if (level <= wanted) {
      ASSERT_TRUE(lock.Raise(held, level));
    }
  }
}

TEST(FileLockTest, GrantsWhatTheOthersAllow) {
  for (const Case& c : kCases) {
    FileLock lock;
    LockLevel other = kNone;
    LockLevel held = kNone;
    RaiseTo(lock, other, c.other);
    RaiseTo(lock, held, c.held);
    EXPECT_EQ(lock.Raise(held, c.wanted), c.after >= c.wanted) << c.why;
    EXPECT_EQ(held, c.after) << c.why;
  }
}

TEST(FileLockTest, AWaitingWriterKeepsNewReadersOut) {
  FileLock lock;
  LockLevel reader = kNone;
  LockLevel writer = kNone;
  LockLevel late = kNone;
  RaiseTo(lock, reader, kShared);
  RaiseTo(lock, writer, kReserved);
  EXPECT_FALSE(lock.Raise(writer, kExclusive));
  EXPECT_FALSE(lock.Raise(late, kShared));
  lock.Lower(reader, kNone);
  EXPECT_TRUE(lock.Raise(writer, kExclusive));
  EXPECT_TRUE(lock.reserved());
  lock.Lower(writer, kShared);
  EXPECT_FALSE(lock.reserved());
  EXPECT_TRUE(lock.Raise(late, kShared));
}

TEST(WalIndexTest, AnExclusiveSlotIsNobodyElses) {
  WalIndex index;
  WalIndex::Holder one;
  WalIndex::Holder other;
  EXPECT_TRUE(index.LockExclusive(one, 2, 3));
  EXPECT_FALSE(index.LockShared(other, 3));
  EXPECT_FALSE(index.LockExclusive(other, 4, 2));
  EXPECT_TRUE(index.LockExclusive(other, 5, 1));
  EXPECT_TRUE(index.LockShared(other, 1));
  index.UnlockExclusive(one, 2, 3);
  EXPECT_TRUE(index.LockShared(other, 3));
}

TEST(WalIndexTest, ASharedSlotIsExclusiveOnlyAfterItsLastHolder) {
  WalIndex index;
  WalIndex::Holder one;
  WalIndex::Holder other;
  WalIndex::Holder writer;
  EXPECT_TRUE(index.LockShared(one, 0));
  EXPECT_TRUE(index.LockShared(one, 0));  // again: still one
  EXPECT_TRUE(index.LockShared(other, 0));
  index.UnlockShared(one, 0);
  EXPECT_FALSE(index.LockExclusive(writer, 0, 1));
  index.UnlockShared(other, 0);
  EXPECT_TRUE(index.LockExclusive(writer, 0, 1));
}

// A refused lock of several slots takes none of them.
TEST(WalIndexTest, SeveralSlotsAreLockedTogetherOrNotAtAll) {
  WalIndex index;
  WalIndex::Holder reader;
  WalIndex::Holder writer;
  EXPECT_TRUE(index.LockShared(reader, 7));
  EXPECT_FALSE(index.LockExclusive(writer, 5, 3));
  EXPECT_TRUE(index.LockShared(reader, 5));
}

TEST(WalIndexTest, RegionsAreZeroedSharedAndStayWhereTheyAre) {
  WalIndex index;
  EXPECT_EQ(index.Region(0, 1024, /*extend=*/false), nullptr);
  char* const second = static_cast<char*>(index.Region(1, 1024, /*extend=*/true));
  EXPECT_EQ(second[0], 0);
  EXPECT_EQ(second[1023], 0);
  std::memcpy(second, "mark", 4);
  index.Region(40, 1024, /*extend=*/true);
  EXPECT_EQ(index.Region(1, 1024, /*extend=*/false), second);
}

TEST(FileHandleTest, GivesItsLocksBackWhenItIsClosed) {
  Disk disk;
  std::unique_ptr<FileHandle> one;
  std::unique_ptr<FileHandle> other;
  ASSERT_EQ(disk.Open("f", {.create = true}, one), IoResult::kOk);
  ASSERT_EQ(disk.Open("f", {}, other), IoResult::kOk);
  RaiseTo(one->sharing().lock, one->lock_held(), kExclusive);
  ASSERT_TRUE(one->sharing().wal_index.LockExclusive(one->wal_index_held(), 0, 8));
  EXPECT_FALSE(other->sharing().lock.Raise(other->lock_held(), kShared));
  one.reset();
  EXPECT_TRUE(other->sharing().lock.Raise(other->lock_held(), kShared));
  EXPECT_TRUE(other->sharing().wal_index.LockExclusive(other->wal_index_held(), 0, 8));
}

}  // namespace
}  // namespace lockstep::sim
