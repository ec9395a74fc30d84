// What a failed sync does to a checkpoint: the reason for storage's rule that an I/O error is
// final and that nothing, not even closing a connection, writes after it.
//
// A reader that holds an old view stops a checkpoint half way. SQLite has then copied the first
// pages into the database and marked them as done, without a sync: the sync is left to the
// checkpoint that completes. If that sync fails, the pages are at risk on a real kernel (see
// FileImage::FailSync) and never written again: the next checkpoint copies the rest, syncs with
// success, and lets go of the WAL, the only durable copy.

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <memory>
#include <string>

#include "core/random.h"
#include "sim/disk/disk.h"
#include "sim/disk/vfs.h"
#include "tests/sim/disk_db.h"

namespace lockstep::sim {
namespace {

constexpr char kFile[] = "data.db";
const DbMode kShared{.exclusive = false};

class DiskCheckpointTest : public testing::Test {
 protected:
  // Forty rows are committed, and a checkpoint has copied them without a sync.
  DiskCheckpointTest() {
    disk_.Observe([this](const Operation& operation) {
      database_syncs_ += operation.kind == OperationKind::kSync && operation.file == kFile ? 1 : 0;
    });
    writer_ = std::make_unique<Db>(kFile, vfs_.name());
    EXPECT_EQ(Configure(*writer_, kShared), SQLITE_OK);
    EXPECT_EQ(writer_->Run("PRAGMA wal_autocheckpoint=0;"
                           "CREATE TABLE kept (body BLOB); CREATE TABLE other (n INT);"
                           "PRAGMA wal_checkpoint(TRUNCATE)"),
              SQLITE_OK);
    for (int i = 0; i < 40; ++i) {
      EXPECT_EQ(writer_->Run("INSERT INTO kept VALUES (randomblob(900))"), SQLITE_OK);
    }
    Db reader(kFile, vfs_.name());
    EXPECT_EQ(reader.Run("BEGIN; SELECT count(*) FROM kept"), SQLITE_OK);
    EXPECT_EQ(writer_->Run("INSERT INTO other VALUES (1)"), SQLITE_OK);
    const std::uint64_t syncs = database_syncs_;
    EXPECT_EQ(writer_->Run("PRAGMA wal_checkpoint(PASSIVE)"), SQLITE_OK);
    EXPECT_EQ(database_syncs_, syncs);
  }

  void FailTheNextSyncOfTheDatabase() {
    // A passive checkpoint syncs the WAL, then the database.
    disk_.Arm({.kinds = {OperationKind::kSync}, .nth = 2});
  }

  // Closes the writer, cuts the power at its worst and counts what is left. Names are durable by
  // then: otherwise the deletion of the WAL may be undone, which helps.
  std::string RowsAfterAPowerCut() {
    writer_.reset();
    EXPECT_EQ(disk_.SyncDirectory(), IoResult::kOk);
    Random random(1);
    disk_.Crash(random, CrashMode::kDropAll);
    disk_.StartProcess();
    Db db(kFile, vfs_.name());
    if (db.Value("PRAGMA integrity_check") != "ok") {
      return "broken";
    }
    return db.Value("SELECT count(*) FROM kept WHERE length(body) = 900");
  }

  Disk disk_;
  Vfs vfs_{disk_, "checkpoint", Random(1)};
  std::unique_ptr<Db> writer_;

 private:
  std::uint64_t database_syncs_ = 0;
};

TEST_F(DiskCheckpointTest, ACheckpointThatCompletesMakesEarlierPagesDurable) {
  EXPECT_EQ(writer_->Run("PRAGMA wal_checkpoint(PASSIVE)"), SQLITE_OK);
  EXPECT_EQ(RowsAfterAPowerCut(), "40");
}

TEST_F(DiskCheckpointTest, AFailedSyncFollowedByNothingLosesNothing) {
  FailTheNextSyncOfTheDatabase();
  EXPECT_EQ(writer_->Run("PRAGMA wal_checkpoint(PASSIVE)"), SQLITE_IOERR_FSYNC);
  sqlite3_db_config(writer_->raw(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  EXPECT_EQ(RowsAfterAPowerCut(), "40");
}

TEST_F(DiskCheckpointTest, AFailedSyncFollowedByAnOrdinaryCloseLosesData) {
  FailTheNextSyncOfTheDatabase();
  EXPECT_EQ(writer_->Run("PRAGMA wal_checkpoint(PASSIVE)"), SQLITE_IOERR_FSYNC);
  EXPECT_NE(RowsAfterAPowerCut(), "40");
}

TEST_F(DiskCheckpointTest, AnAutomaticCheckpointHidesTheFailedSyncThatLosesData) {
  EXPECT_EQ(writer_->Run("PRAGMA wal_autocheckpoint=1"), SQLITE_OK);
  disk_.Arm({.kinds = {OperationKind::kSync}, .nth = 3});  // after the commit's own sync
  EXPECT_EQ(writer_->Run("INSERT INTO other VALUES (2)"), SQLITE_OK);
  EXPECT_EQ(disk_.counters().injected_errors, 1U);
  EXPECT_EQ(writer_->Run("INSERT INTO other VALUES (3)"), SQLITE_OK);
  sqlite3_db_config(writer_->raw(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  EXPECT_EQ(writer_->Run("INSERT INTO other VALUES (4)"), SQLITE_OK);
  EXPECT_NE(RowsAfterAPowerCut(), "40");
}

}  // namespace
}  // namespace lockstep::sim
