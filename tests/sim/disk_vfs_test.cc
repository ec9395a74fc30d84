// SQLite on the simulated disk while nothing fails: locks, views, time, chance, determinism.

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/assert.h"
#include "core/random.h"
#include "sim/disk/disk.h"
#include "sim/disk/vfs.h"
#include "tests/sim/disk_db.h"
#include "tests/sim/disk_workload.h"

namespace lockstep::sim {
namespace {

constexpr char kFile[] = "data.db";

class DiskVfsTest : public testing::Test {
 protected:
  std::unique_ptr<Db> Open(bool exclusive) {
    auto db = std::make_unique<Db>(kFile, vfs_.name());
    EXPECT_EQ(Configure(*db, {.exclusive = exclusive}), SQLITE_OK);
    return db;
  }

  Disk disk_;
  Vfs vfs_{disk_, "vfs", Random(1)};
};

TEST_F(DiskVfsTest, IsRegisteredWhileItLivesAndNeverTheDefault) {
  EXPECT_NE(sqlite3_vfs_find(nullptr), sqlite3_vfs_find("vfs"));
  {
    const Vfs other(disk_, "other", Random(1));
    EXPECT_NE(sqlite3_vfs_find("other"), nullptr);
    EXPECT_THROW(Vfs(disk_, "other", Random(1)), AssertionFailure);
  }
  EXPECT_EQ(sqlite3_vfs_find("other"), nullptr);
  EXPECT_NE(sqlite3_vfs_find("vfs"), nullptr);
}

TEST_F(DiskVfsTest, DisksAreApart) {
  Disk other_disk;
  const Vfs other_vfs(other_disk, "other", Random(1));
  const auto db = Open(true);
  EXPECT_EQ(db->Run("CREATE TABLE t (n INT)"), SQLITE_OK);
  Db other(kFile, other_vfs.name());
  EXPECT_EQ(other.Value("SELECT count(*) FROM sqlite_schema"), "0");
}

TEST_F(DiskVfsTest, ASecondConnectionToAnExclusiveDatabaseIsRefused) {
  auto first = Open(true);
  EXPECT_EQ(first->Run("CREATE TABLE t (n INT)"), SQLITE_OK);
  {
    Db second(kFile, vfs_.name());
    EXPECT_EQ(Configure(second, {.exclusive = true}), SQLITE_BUSY);
    Db third(kFile, vfs_.name());
    EXPECT_EQ(Configure(third, {.exclusive = false}), SQLITE_BUSY);
  }
  first.reset();
  EXPECT_EQ(Open(true)->Run("INSERT INTO t VALUES (1)"), SQLITE_OK);
}

TEST_F(DiskVfsTest, AnExclusiveConnectionIsRefusedWhileOthersAreThere) {
  const auto shared = Open(false);
  EXPECT_EQ(shared->Run("CREATE TABLE t (n INT)"), SQLITE_OK);
  Db exclusive(kFile, vfs_.name());
  EXPECT_EQ(exclusive.Run("PRAGMA locking_mode=EXCLUSIVE"), SQLITE_OK);
  EXPECT_EQ(exclusive.Run("INSERT INTO t VALUES (1)"), SQLITE_BUSY);
}

TEST_F(DiskVfsTest, ThereIsOneWriterAtATime) {
  const auto one = Open(false);
  const auto other = Open(false);
  EXPECT_EQ(one->Run("CREATE TABLE t (n INT); BEGIN IMMEDIATE"), SQLITE_OK);
  EXPECT_EQ(other->Run("BEGIN IMMEDIATE"), SQLITE_BUSY);
  EXPECT_EQ(one->Run("COMMIT"), SQLITE_OK);
  EXPECT_EQ(other->Run("BEGIN IMMEDIATE; COMMIT"), SQLITE_OK);
}

TEST_F(DiskVfsTest, WaitingForALockTakesNoTime) {
  const auto one = Open(false);
  const auto other = Open(false);
  EXPECT_EQ(one->Run("BEGIN IMMEDIATE"), SQLITE_OK);
  sqlite3_busy_timeout(other->raw(), 1'000'000);  // seventeen minutes
  EXPECT_EQ(other->Run("BEGIN IMMEDIATE"), SQLITE_BUSY);
}

// Transfers keep the sum; a view that mixed two moments would not.
TEST_F(DiskVfsTest, AReaderSeesOneMomentWhileTheWriterCommitsAndCheckpoints) {
  const auto writer = Open(false);
  EXPECT_EQ(writer->Run("PRAGMA wal_autocheckpoint=20;"
                        "CREATE TABLE accounts (id INTEGER PRIMARY KEY, amount INT, pad BLOB)"),
            SQLITE_OK);
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(writer->Run("INSERT INTO accounts (amount, pad) VALUES (10, zeroblob(500))"),
              SQLITE_OK);
  }
  const auto reader = Open(false);
  Random random(1);
  for (int round = 0; round < 20; ++round) {
    EXPECT_EQ(reader->Run("BEGIN"), SQLITE_OK);
    const std::string first = reader->Value("SELECT group_concat(amount) FROM accounts");
    for (int i = 0; i < 15; ++i) {
      const std::string from = std::to_string(1 + random.Below(200));
      const std::string to = std::to_string(1 + random.Below(200));
      EXPECT_EQ(writer->Run("BEGIN;"
                            "UPDATE accounts SET amount = amount - 1 WHERE id = " +
                            from +
                            ";"
                            "UPDATE accounts SET amount = amount + 1 WHERE id = " +
                            to +
                            ";"
                            "COMMIT"),
                SQLITE_OK);
    }
    EXPECT_EQ(reader->Value("SELECT sum(amount) FROM accounts"), "2000");
    EXPECT_EQ(reader->Value("SELECT group_concat(amount) FROM accounts"), first);
    EXPECT_EQ(reader->Run("COMMIT"), SQLITE_OK);
    EXPECT_EQ(reader->Value("SELECT sum(amount) FROM accounts"), "2000");
    EXPECT_EQ(reader->Value("SELECT group_concat(amount) FROM accounts"),
              writer->Value("SELECT group_concat(amount) FROM accounts"));
  }
}

TEST_F(DiskVfsTest, AClosedDatabaseLeavesOneFile) {
  for (const bool exclusive : {true, false}) {
    const auto db = Open(exclusive);
    EXPECT_EQ(db->Run("CREATE TABLE IF NOT EXISTS t (n INT); INSERT INTO t VALUES (1)"), SQLITE_OK);
    EXPECT_TRUE(disk_.Exists("data.db-wal"));
  }
  EXPECT_EQ(disk_.List(), std::vector<std::string>{kFile});
}

// Powersafe overwrite: without it SQLite would pad the WAL to a sector with copies of the frame.
TEST_F(DiskVfsTest, ASmallCommitIsOneFrameAndOneSync) {
  const auto db = Open(true);
  EXPECT_EQ(db->Run("CREATE TABLE t (n INT); INSERT INTO t VALUES (1)"), SQLITE_OK);
  std::vector<std::string> operations;
  disk_.Observe([&operations](const Operation& operation) {
    operations.push_back(std::string(OperationKindName(operation.kind)) + " " +
                         std::to_string(operation.size));
  });
  EXPECT_EQ(db->Run("INSERT INTO t VALUES (2)"), SQLITE_OK);
  disk_.Observe(nullptr);
  EXPECT_EQ(operations, (std::vector<std::string>{"write 24", "write 4096", "sync 0"}));
}

TEST_F(DiskVfsTest, TheWalStaysIfAskedTo) {
  {
    const auto db = Open(false);
    int keep = 1;
    EXPECT_EQ(sqlite3_file_control(db->raw(), nullptr, SQLITE_FCNTL_PERSIST_WAL, &keep), SQLITE_OK);
    EXPECT_EQ(db->Run("CREATE TABLE t (n INT)"), SQLITE_OK);
  }
  EXPECT_TRUE(disk_.Exists("data.db-wal"));
}

TEST_F(DiskVfsTest, AReadOnlyConnectionReadsAndDoesNotWrite) {
  const auto writer = Open(false);
  EXPECT_EQ(writer->Run("CREATE TABLE t (n INT); INSERT INTO t VALUES (7)"), SQLITE_OK);
  sqlite3* raw = nullptr;
  ASSERT_EQ(sqlite3_open_v2(kFile, &raw, SQLITE_OPEN_READONLY, "vfs"), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(raw, "SELECT n FROM t", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(raw, "INSERT INTO t VALUES (8)", nullptr, nullptr, nullptr),
            SQLITE_READONLY);
  EXPECT_EQ(sqlite3_close(raw), SQLITE_OK);
}

TEST_F(DiskVfsTest, AMissingDatabaseIsNotMadeUnlessAskedFor) {
  sqlite3* raw = nullptr;
  EXPECT_EQ(sqlite3_open_v2("none.db", &raw, SQLITE_OPEN_READWRITE, "vfs"), SQLITE_CANTOPEN);
  sqlite3_close(raw);
  EXPECT_TRUE(disk_.List().empty());
}

// sqlite3.h: "If xRead() returns SQLITE_IOERR_SHORT_READ it must also fill in the unread portions
// of the buffer with zeros."
TEST_F(DiskVfsTest, AShortReadFillsTheRestWithZeros) {
  disk_.Replace("f", "abc");
  sqlite3_vfs* const registered = sqlite3_vfs_find("vfs");
  std::vector<std::uint64_t> memory(static_cast<std::size_t>(registered->szOsFile) / 8 + 1);
  sqlite3_file* const file = reinterpret_cast<sqlite3_file*>(memory.data());
  ASSERT_EQ(registered->xOpen(registered, "f", file, SQLITE_OPEN_READONLY, nullptr), SQLITE_OK);
  std::string to(8, '?');
  EXPECT_EQ(file->pMethods->xRead(file, to.data(), 8, 1), SQLITE_IOERR_SHORT_READ);
  EXPECT_EQ(to, std::string("bc\0\0\0\0\0\0", 8));
  EXPECT_EQ(file->pMethods->xWrite(file, "x", 1, 0), SQLITE_IOERR_WRITE);
  EXPECT_EQ(file->pMethods->xClose(file), SQLITE_OK);
}

// Sorting more than the cache holds spills into temporary files.
TEST_F(DiskVfsTest, TemporaryFilesServeLargeSortsAndStatements) {
  int temporary = 0;  // outlives the connection, which writes when it is closed
  const auto db = Open(true);
  EXPECT_EQ(db->Run("PRAGMA temp_store=FILE; PRAGMA cache_size=10; PRAGMA cache_spill=1;"
                    "CREATE TABLE t (n INT, pad BLOB)"),
            SQLITE_OK);
  disk_.Observe([&temporary](const Operation& operation) {
    temporary += operation.kind == OperationKind::kWrite && operation.file.empty() ? 1 : 0;
  });
  EXPECT_EQ(db->Run("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 3000)"
                    "INSERT INTO t SELECT (n * 7919) % 3001, zeroblob(400) FROM c"),
            SQLITE_OK);
  EXPECT_EQ(db->Value("SELECT count(*) FROM (SELECT n, lag(n) OVER (ORDER BY pad, n) AS before"
                      " FROM t ORDER BY pad, n) WHERE n <= before"),
            "0");
  EXPECT_GT(temporary, 0);
  EXPECT_EQ(disk_.List(), (std::vector<std::string>{kFile, "data.db-wal"}));
}

TEST_F(DiskVfsTest, TimeIsWhatTheCallerSays) {
  const auto db = Open(true);
  EXPECT_EQ(db->Value("SELECT datetime('now')"), "2000-01-01 00:00:00");
  vfs_.set_unix_time_ms(1'700'000'000'000);
  EXPECT_EQ(db->Value("SELECT datetime('now')"), "2023-11-14 22:13:20");
}

TEST_F(DiskVfsTest, RandomBytesComeFromTheSeed) {
  const auto draw = [](std::uint64_t seed) {
    Disk disk;
    const Vfs vfs(disk, "random", Random(seed));
    sqlite3_vfs* const registered = sqlite3_vfs_find("random");
    std::string bytes(21, '\0');
    registered->xRandomness(registered, 21, bytes.data());
    return bytes;
  };
  EXPECT_EQ(draw(1), draw(1));
  EXPECT_NE(draw(1), draw(2));
  EXPECT_EQ(draw(1).find(std::string(4, '\0')), std::string::npos);
}

// The hash of everything a workload asked of its disk.
std::uint64_t TraceOf(std::uint64_t seed, const DbMode& mode) {
  SeedSqlite(seed);
  Disk disk;
  std::uint64_t hash = 0;
  const auto mix = [&hash](std::uint64_t value) { hash = (hash ^ value) * 0x9e3779b97f4a7c15; };
  disk.Observe([&mix](const Operation& operation) {
    mix(static_cast<std::uint64_t>(operation.kind));
    mix(HashBytes(operation.file));
    mix(operation.offset);
    mix(operation.size);
    mix(HashBytes(operation.data));
    mix(static_cast<std::uint64_t>(operation.result));
  });
  Vfs vfs(disk, "trace", Random(seed));
  Workload workload(vfs, mode);
  EXPECT_EQ(workload.Run(), SQLITE_OK);
  return hash;
}

TEST(DiskDeterminismTest, EqualSeedsGiveEqualOperations) {
  for (const DbMode& mode : {DbMode{.exclusive = true}, DbMode{.exclusive = false},
                             DbMode{.exclusive = false, .journal = "delete"}}) {
    const std::uint64_t first = TraceOf(1, mode);
    EXPECT_EQ(TraceOf(1, mode), first);
    EXPECT_NE(TraceOf(2, mode), first);  // the salts of the WAL, the nonces of the journal
    EXPECT_EQ(TraceOf(1, mode), first);
    RecordProperty("trace_" + mode.journal + (mode.exclusive ? "_exclusive" : "_shared"),
                   std::to_string(first));
  }
}

}  // namespace
}  // namespace lockstep::sim
