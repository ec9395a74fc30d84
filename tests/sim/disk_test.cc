// The simulated disk without SQLite: what survives what, and what the switches do.

#include "sim/disk/disk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/assert.h"
#include "core/random.h"

namespace lockstep::sim {
namespace {

std::unique_ptr<FileHandle> OpenOrMake(Disk& disk, const std::string& name) {
  std::unique_ptr<FileHandle> handle;
  EXPECT_EQ(disk.Open(name, {.create = true}, handle), IoResult::kOk);
  return handle;
}

void Crash(Disk& disk, CrashMode mode, std::uint64_t seed = 1) {
  Random random(seed);
  disk.Crash(random, mode);
}

std::string ReadAll(FileHandle& handle) {
  std::uint64_t size = 0;
  EXPECT_EQ(handle.Size(size), IoResult::kOk);
  std::string bytes(size, '\0');
  std::size_t read = 0;
  EXPECT_EQ(handle.Read(0, bytes.size(), bytes.data(), read), IoResult::kOk);
  EXPECT_EQ(read, size);
  return bytes;
}

// A disk with the file "a" that durably holds "durable".
class DiskTest : public testing::Test {
 protected:
  DiskTest() { disk_.Replace("a", "durable"); }

  Disk disk_;
};

TEST_F(DiskTest, AWriteIsSeenAtOnceByEveryHandle) {
  const auto writer = OpenOrMake(disk_, "a");
  const auto reader = OpenOrMake(disk_, "a");
  EXPECT_EQ(writer->Write(3, "XYZ and more"), IoResult::kOk);
  EXPECT_EQ(ReadAll(*reader), "durXYZ and more");
}

TEST_F(DiskTest, AWriteBeyondTheEndLeavesZerosBetween) {
  const auto file = OpenOrMake(disk_, "a");
  EXPECT_EQ(file->Write(9, "x"), IoResult::kOk);
  EXPECT_EQ(ReadAll(*file), std::string("durable\0\0x", 10));
}

TEST_F(DiskTest, AReadBeyondTheEndIsShort) {
  const auto file = OpenOrMake(disk_, "a");
  char to[8] = {};
  std::size_t read = 0;
  EXPECT_EQ(file->Read(4, sizeof to, to, read), IoResult::kOk);
  EXPECT_EQ(std::string(to, read), "ble");
  EXPECT_EQ(file->Read(100, sizeof to, to, read), IoResult::kOk);
  EXPECT_EQ(read, 0U);
}

TEST_F(DiskTest, WhatWasNotSyncedIsLostInTheWorstPowerCut) {
  {
    const auto file = OpenOrMake(disk_, "a");
    EXPECT_EQ(file->Write(0, "synced!"), IoResult::kOk);
    EXPECT_EQ(file->Sync(), IoResult::kOk);
    EXPECT_EQ(file->Write(2, "lost and longer"), IoResult::kOk);
    EXPECT_EQ(file->Truncate(1), IoResult::kOk);
    EXPECT_EQ(file->Truncate(40), IoResult::kOk);
    EXPECT_EQ(file->Write(60, "lost"), IoResult::kOk);
    EXPECT_EQ(disk_.DurableContent("a"), "synced!");
  }
  Crash(disk_, CrashMode::kDropAll);
  EXPECT_EQ(disk_.Content("a"), "synced!");
}

TEST_F(DiskTest, TheBestPowerCutLosesNothing) {
  OpenOrMake(disk_, "a")->Write(0, "kept");
  OpenOrMake(disk_, "b")->Write(0, "kept too");
  Crash(disk_, CrashMode::kKeepAll);
  EXPECT_EQ(disk_.Content("a"), "keptble");
  EXPECT_EQ(disk_.DurableContent("b"), "kept too");
}

TEST_F(DiskTest, AKilledProcessLeavesItsUnsyncedWritesVisibleAndAtRisk) {
  OpenOrMake(disk_, "a")->Write(0, "killed.");
  disk_.KillProcess();
  EXPECT_EQ(disk_.Content("a"), "killed.");
  disk_.StartProcess();
  EXPECT_EQ(ReadAll(*OpenOrMake(disk_, "a")), "killed.");
  Crash(disk_, CrashMode::kDropAll);
  EXPECT_EQ(disk_.Content("a"), "durable");
}

TEST_F(DiskTest, ARandomPowerCutReachesEveryCombinationOfSectors) {
  // One write over three sectors, the first and last in part.
  const std::vector<std::pair<std::size_t, std::size_t>> parts = {
      {500, 512}, {512, 1024}, {1024, 1100}};
  std::vector<std::string> seen;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Disk disk;
    disk.Replace("a", std::string(2000, '.'));
    OpenOrMake(disk, "a")->Write(500, std::string(600, 'w'));
    Crash(disk, CrashMode::kRandom, seed);
    const std::string content = disk.Content("a");
    std::string sectors;
    for (const auto& [begin, end] : parts) {
      const std::string part = content.substr(begin, end - begin);
      EXPECT_EQ(part, std::string(part.size(), part[0])) << "a sector is torn";
      sectors += part[0];
    }
    EXPECT_EQ(content.substr(0, 500), std::string(500, '.'));
    EXPECT_EQ(content.substr(1100), std::string(900, '.'));
    seen.push_back(sectors);
  }
  std::sort(seen.begin(), seen.end());
  seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
  EXPECT_EQ(seen.size(), 8U);
}

TEST_F(DiskTest, ANewNameIsAtRiskUntilTheDirectoryIsSynced) {
  {
    const auto file = OpenOrMake(disk_, "new");
    EXPECT_EQ(file->Write(0, "x"), IoResult::kOk);
    EXPECT_EQ(file->Sync(), IoResult::kOk);
  }
  const std::unique_ptr<Disk> before = disk_.Clone();
  Crash(*before, CrashMode::kDropAll);
  EXPECT_EQ(before->List(), std::vector<std::string>{"a"});

  EXPECT_EQ(disk_.SyncDirectory(), IoResult::kOk);
  Crash(disk_, CrashMode::kDropAll);
  EXPECT_EQ(disk_.Content("new"), "x");
}

TEST_F(DiskTest, ADeletionMayBeUndoneUntilTheDirectoryIsSynced) {
  EXPECT_EQ(disk_.Delete("a"), IoResult::kOk);
  EXPECT_FALSE(disk_.Exists("a"));
  const std::unique_ptr<Disk> before = disk_.Clone();
  Crash(*before, CrashMode::kDropAll);
  EXPECT_EQ(before->Content("a"), "durable");

  EXPECT_EQ(disk_.SyncDirectory(), IoResult::kOk);
  Crash(disk_, CrashMode::kDropAll);
  EXPECT_FALSE(disk_.Exists("a"));
}

// A journaling file system never keeps the later of two changes of names alone.
TEST_F(DiskTest, ARandomPowerCutKeepsAPrefixOfTheChangesOfNames) {
  std::vector<std::string> seen;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const std::unique_ptr<Disk> disk = disk_.Clone();
    EXPECT_EQ(disk->Delete("a"), IoResult::kOk);
    OpenOrMake(*disk, "a");
    OpenOrMake(*disk, "b");
    Crash(*disk, CrashMode::kRandom, seed);
    std::string state;
    for (const std::string& name : disk->List()) {
      state += name + "=" + disk->Content(name) + ";";
    }
    seen.push_back(state);
  }
  std::sort(seen.begin(), seen.end());
  seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
  EXPECT_EQ(seen, (std::vector<std::string>{"", "a=;", "a=;b=;", "a=durable;"}));
}

TEST_F(DiskTest, ALaterSyncDoesNotSaveWhatAFailedOneShouldHave) {
  {
    const auto file = OpenOrMake(disk_, "a");
    EXPECT_EQ(file->Write(0, "A"), IoResult::kOk);
    disk_.Arm({.kinds = {OperationKind::kSync}});
    EXPECT_EQ(file->Sync(), IoResult::kIoError);
    EXPECT_EQ(file->Write(1, "B"), IoResult::kOk);
    EXPECT_EQ(file->Sync(), IoResult::kOk);
    EXPECT_EQ(ReadAll(*file), "ABrable");
  }
  Crash(disk_, CrashMode::kDropAll);
  EXPECT_EQ(disk_.Content("a"), "dBrable");
}

TEST_F(DiskTest, ALyingSyncMakesNothingDurable) {
  disk_.LieAboutSyncs(true);
  {
    const auto file = OpenOrMake(disk_, "a");
    EXPECT_EQ(file->Write(0, "A"), IoResult::kOk);
    EXPECT_EQ(file->Sync(), IoResult::kOk);
  }
  Crash(disk_, CrashMode::kDropAll);
  EXPECT_EQ(disk_.Content("a"), "durable");
}

TEST_F(DiskTest, AnErrorStrikesTheNthOperationOfItsKindsOnce) {
  const auto file = OpenOrMake(disk_, "a");
  disk_.Arm({.kinds = {OperationKind::kWrite}, .nth = 2, .error = IoResult::kFull});
  EXPECT_EQ(file->Write(0, "1"), IoResult::kOk);
  EXPECT_EQ(file->Sync(), IoResult::kOk);
  EXPECT_EQ(file->Write(1, "2"), IoResult::kFull);
  EXPECT_EQ(file->Write(2, "3"), IoResult::kOk);
  EXPECT_EQ(ReadAll(*file), "1u3able");
  EXPECT_EQ(disk_.counters().injected_errors, 1U);
}

TEST_F(DiskTest, AReadCanGiveOneWrongBit) {
  const auto file = OpenOrMake(disk_, "a");
  disk_.Arm({.kinds = {OperationKind::kRead}, .nth = 2, .wrong_bit = 8 * 7 + 9});
  EXPECT_EQ(ReadAll(*file), "durable");
  EXPECT_EQ(ReadAll(*file), "dwrable");  // 'u' is 0x75, 'w' 0x77
  EXPECT_EQ(ReadAll(*file), "durable");
  EXPECT_EQ(disk_.counters().injected_errors, 0U);
  EXPECT_TRUE(disk_.Explains("a: wrong checksum"));
  EXPECT_FALSE(disk_.Explains("b: wrong checksum"));
}

TEST_F(DiskTest, AFullDiskRefusesWhatNeedsRoomAndNothingElse) {
  const auto file = OpenOrMake(disk_, "a");
  disk_.SetFull(true);
  std::unique_ptr<FileHandle> other;
  EXPECT_EQ(disk_.Open("b", {.create = true}, other), IoResult::kFull);
  EXPECT_EQ(disk_.last_error(), IoResult::kFull);
  EXPECT_EQ(file->Write(0, "DURABLE"), IoResult::kOk);
  EXPECT_EQ(file->Write(6, "E!"), IoResult::kFull);
  EXPECT_EQ(file->Truncate(3), IoResult::kOk);
  EXPECT_EQ(file->Sync(), IoResult::kOk);
  EXPECT_TRUE(disk_.has_failed());
  disk_.SetFull(false);
  EXPECT_EQ(file->Write(3, "ABLE AGAIN"), IoResult::kOk);
  EXPECT_EQ(ReadAll(*file), "DURABLE AGAIN");
}

TEST_F(DiskTest, AnErrorIsExplainedByWhatWasDoneToTheDiskOfThisProcess) {
  EXPECT_FALSE(disk_.Explains("a: disk I/O error"));
  {
    const auto file = OpenOrMake(disk_, "a");
    disk_.Arm({.kinds = {OperationKind::kSync}});
    EXPECT_EQ(file->Sync(), IoResult::kIoError);
    EXPECT_TRUE(disk_.Explains("a: disk I/O error"));
    EXPECT_EQ(disk_.counters().failed_syncs, 1U);
  }
  disk_.KillProcess();
  disk_.StartProcess();
  EXPECT_FALSE(disk_.Explains("a: disk I/O error"));
}

TEST_F(DiskTest, APowerCutAfterALyingSyncMayHaveTakenWhatItPromised) {
  {
    const auto file = OpenOrMake(disk_, "a");
    disk_.LieAboutSyncs(true);
    EXPECT_EQ(file->Write(0, "D"), IoResult::kOk);
    EXPECT_EQ(file->Sync(), IoResult::kOk);
    disk_.LieAboutSyncs(false);
    EXPECT_FALSE(disk_.may_have_forgotten());
  }
  Crash(disk_, CrashMode::kDropAll);
  EXPECT_TRUE(disk_.may_have_forgotten());
  EXPECT_TRUE(disk_.Explains("anything"));
  EXPECT_EQ(disk_.Content("a"), "durable");
}

// Of a write-ahead log it spares what looks like a power cut if it is damaged.
TEST_F(DiskTest, ABitRotsAnywhereButAtTheEndOfAWriteAheadLog) {
  const auto wal = OpenOrMake(disk_, "x-wal");
  for (std::uint64_t frame = 0; frame < 5; ++frame) {
    EXPECT_EQ(wal->Write(10 * frame, "0123456789"), IoResult::kOk);
    if (frame < 4) {
      EXPECT_EQ(wal->Sync(), IoResult::kOk);
    }
  }
  // "a" has 7 bytes; of the log 20 may rot: not the last two synced frames, nor the one after them.
  for (std::uint64_t millionth = 0; millionth < 1'000'000; millionth += 9'999) {
    const std::unique_ptr<Disk> copy = disk_.Clone();
    ASSERT_TRUE(copy->FlipBitAt(millionth));
    EXPECT_EQ(copy->Content("a") != "durable", millionth < 7 * 1'000'000 / 27) << millionth;
    EXPECT_EQ(copy->Content("x-wal").substr(20), disk_.Content("x-wal").substr(20)) << millionth;
  }
  Disk empty;
  EXPECT_FALSE(empty.FlipBitAt(5));
}

TEST_F(DiskTest, AnErrorForEverStrikesUntilItIsTakenBack) {
  const auto file = OpenOrMake(disk_, "a");
  disk_.Arm({.kinds = OperationKinds::All(), .for_ever = true});
  std::unique_ptr<FileHandle> other;
  char to = 0;
  std::size_t read = 0;
  EXPECT_EQ(file->Write(0, "1"), IoResult::kIoError);
  EXPECT_EQ(file->Read(0, 1, &to, read), IoResult::kIoError);
  EXPECT_EQ(file->Truncate(0), IoResult::kIoError);
  EXPECT_EQ(file->Sync(), IoResult::kIoError);
  EXPECT_EQ(disk_.Open("a", {}, other), IoResult::kIoError);
  EXPECT_EQ(disk_.Open("b", {.create = true}, other), IoResult::kIoError);
  EXPECT_EQ(disk_.Delete("a"), IoResult::kIoError);
  EXPECT_EQ(disk_.SyncDirectory(), IoResult::kIoError);
  disk_.DisarmFaults();
  EXPECT_EQ(ReadAll(*file), "durable");
  EXPECT_EQ(disk_.List(), std::vector<std::string>{"a"});
}

TEST_F(DiskTest, APowerCutAtTheNthChangeLeavesThatChangeInFlight) {
  auto file = OpenOrMake(disk_, "a");
  disk_.CutPowerAt(2);
  EXPECT_EQ(file->Write(0, "1"), IoResult::kOk);
  EXPECT_FALSE(disk_.crashed());
  EXPECT_EQ(file->Write(1, "2"), IoResult::kIoError);
  EXPECT_TRUE(disk_.crashed());

  EXPECT_EQ(file->Write(2, "3"), IoResult::kIoError);
  EXPECT_EQ(file->Sync(), IoResult::kIoError);
  std::unique_ptr<FileHandle> other;
  EXPECT_EQ(disk_.Open("a", {}, other), IoResult::kIoError);
  EXPECT_EQ(disk_.Delete("a"), IoResult::kIoError);
  file.reset();

  const std::unique_ptr<Disk> worst = disk_.Clone();
  Crash(*worst, CrashMode::kDropAll);
  EXPECT_EQ(worst->Content("a"), "durable");
  Crash(disk_, CrashMode::kKeepAll);
  EXPECT_EQ(disk_.Content("a"), "12rable");
  EXPECT_FALSE(disk_.crashed());
  EXPECT_FALSE(disk_.alive());
  disk_.StartProcess();
  EXPECT_EQ(ReadAll(*OpenOrMake(disk_, "a")), "12rable");
}

TEST_F(DiskTest, ASyncThatThePowerCutInterruptsMakesNothingDurable) {
  auto file = OpenOrMake(disk_, "a");
  EXPECT_EQ(file->Write(0, "1"), IoResult::kOk);
  disk_.CutPowerAt(1, {OperationKind::kSync});
  EXPECT_EQ(file->Sync(), IoResult::kIoError);
  file.reset();
  Crash(disk_, CrashMode::kDropAll);
  EXPECT_EQ(disk_.Content("a"), "durable");
}

TEST_F(DiskTest, NoProcessStartsWhileTheDeadOneHasFilesOpen) {
  auto file = OpenOrMake(disk_, "a");
  disk_.KillProcess();
  EXPECT_THROW(disk_.StartProcess(), AssertionFailure);
  file.reset();
  disk_.StartProcess();
  EXPECT_TRUE(disk_.alive());
}

TEST_F(DiskTest, ATemporaryFileIsSeenByNobodyElseAndEndsWithItsHandle) {
  const auto one = OpenOrMake(disk_, "");
  const auto other = OpenOrMake(disk_, "");
  EXPECT_EQ(one->Write(0, "mine"), IoResult::kOk);
  EXPECT_EQ(ReadAll(*one), "mine");
  EXPECT_EQ(ReadAll(*other), "");
  EXPECT_EQ(disk_.List(), std::vector<std::string>{"a"});
}

TEST_F(DiskTest, ADeletedFileLivesOnInItsHandle) {
  const auto old = OpenOrMake(disk_, "a");
  EXPECT_EQ(disk_.Delete("a"), IoResult::kOk);
  EXPECT_EQ(disk_.Delete("a"), IoResult::kNotFound);
  const auto fresh = OpenOrMake(disk_, "a");
  EXPECT_EQ(fresh->Write(0, "fresh"), IoResult::kOk);
  EXPECT_EQ(ReadAll(*old), "durable");
  EXPECT_EQ(disk_.Content("a"), "fresh");
}

TEST_F(DiskTest, OpeningTellsWhatExists) {
  std::unique_ptr<FileHandle> handle;
  EXPECT_EQ(disk_.Open("none", {}, handle), IoResult::kNotFound);
  EXPECT_EQ(disk_.Open("a", {.create = true, .exclusive = true}, handle), IoResult::kExists);
  EXPECT_EQ(handle, nullptr);
}

TEST_F(DiskTest, ABitFlipIsReadAndSurvives) {
  disk_.FlipBit("a", 8 * 2 + 1);
  EXPECT_EQ(ReadAll(*OpenOrMake(disk_, "a")), "dupable");  // 'r' is 0x72
  Crash(disk_, CrashMode::kDropAll);
  EXPECT_EQ(disk_.Content("a"), "dupable");
  EXPECT_THROW(disk_.FlipBit("a", 8 * 7), AssertionFailure);
}

TEST_F(DiskTest, AReplacedFileIsDurableWithItsName) {
  OpenOrMake(disk_, "b")->Write(0, "x");
  disk_.Replace("b", "replaced");
  Crash(disk_, CrashMode::kDropAll);
  EXPECT_EQ(disk_.Content("b"), "replaced");
}

TEST_F(DiskTest, ACloneGoesItsOwnWay) {
  const auto file = OpenOrMake(disk_, "a");
  EXPECT_EQ(file->Write(0, "at risk"), IoResult::kOk);
  const std::unique_ptr<Disk> clone = disk_.Clone();
  EXPECT_EQ(file->Sync(), IoResult::kOk);
  OpenOrMake(*clone, "b");
  EXPECT_FALSE(disk_.Exists("b"));
  EXPECT_EQ(clone->DurableContent("a"), "durable");
  EXPECT_EQ(disk_.DurableContent("a"), "at risk");
}

TEST_F(DiskTest, AWipedDiskIsEmpty) {
  disk_.Wipe();
  EXPECT_TRUE(disk_.List().empty());
  Crash(disk_, CrashMode::kDropAll);
  EXPECT_TRUE(disk_.List().empty());
}

TEST_F(DiskTest, EveryOperationIsCountedAndObserved) {
  std::vector<std::string> seen;
  disk_.Observe([&seen](const Operation& o) {
    seen.push_back(std::string(OperationKindName(o.kind)) + " " + std::string(o.file) + " " +
                   std::to_string(o.offset) + "+" + std::to_string(o.size) + " \"" +
                   std::string(o.data) + "\" " + (o.result == IoResult::kOk ? "ok" : "failed"));
  });
  {
    const auto file = OpenOrMake(disk_, "b");
    EXPECT_EQ(file->Write(2, "xy"), IoResult::kOk);
    char to[9];
    std::size_t read = 0;
    EXPECT_EQ(file->Read(1, sizeof to, to, read), IoResult::kOk);
    EXPECT_EQ(file->Truncate(1), IoResult::kOk);
    disk_.Arm({});
    EXPECT_EQ(file->Sync(), IoResult::kIoError);
  }
  EXPECT_EQ(disk_.SyncDirectory(), IoResult::kOk);
  EXPECT_EQ(disk_.Delete("b"), IoResult::kOk);
  disk_.KillProcess();
  EXPECT_EQ(disk_.Delete("a"), IoResult::kIoError);
  EXPECT_EQ(seen,
            (std::vector<std::string>{"create b 0+0 \"\" ok", "write b 2+2 \"xy\" ok",
                                      std::string("read b 1+9 \"\0xy\" ok", 19),
                                      "truncate b 1+0 \"\" ok", "sync b 0+0 \"\" failed",
                                      "sync-directory  0+0 \"\" ok", "delete b 0+0 \"\" ok"}));
  EXPECT_EQ(disk_.counters().operations, 7U);
  EXPECT_EQ(disk_.counters().Of(OperationKind::kWrite), 1U);
  EXPECT_EQ(disk_.counters().bytes_written, 2U);
  EXPECT_EQ(disk_.counters().bytes_read, 3U);
}

TEST(HashBytesTest, DependsOnEveryByteAndOnTheSize) {
  const std::string bytes(100, 'x');
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string changed = bytes;
    changed[i] = 'y';
    EXPECT_NE(HashBytes(changed), HashBytes(bytes)) << i;
    EXPECT_NE(HashBytes(bytes.substr(0, i)), HashBytes(bytes)) << i;
  }
  EXPECT_NE(HashBytes(std::string(8, '\0')), HashBytes(std::string(9, '\0')));
  EXPECT_EQ(HashBytes("lockstep"), HashBytes(std::string("lockstep")));
}

}  // namespace
}  // namespace lockstep::sim
