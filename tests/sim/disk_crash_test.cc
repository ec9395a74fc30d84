// Cuts the power at every single change that a scripted workload makes to its disk, and looks at
// what SQLite recovers. The same loops with a setting or a disk that is known to lose data must
// find the loss: otherwise the looking proves nothing.

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "core/random.h"
#include "sim/disk/disk.h"
#include "sim/disk/vfs.h"
#include "tests/sim/disk_workload.h"

namespace lockstep::sim {
namespace {

constexpr std::uint64_t kRandomSeeds = 2;

using Files = std::map<std::string, std::string>;

Files ContentsOf(const Disk& disk) {
  Files files;
  for (const std::string& name : disk.List()) {
    files[name] = disk.Content(name);
  }
  return files;
}

// What a hunt over all crash points of one mode has seen.
struct Tally {
  int crash_points = 0;
  int checks = 0;
  int lost = 0;    // acknowledged transactions were missing
  int broken = 0;  // anything else
  std::string first_broken;

  void Count(const std::string& verdict, const std::string& where) {
    ++checks;
    if (verdict.empty()) {
      return;
    }
    if (verdict.starts_with("lost")) {
      ++lost;
    } else {
      ++broken;
    }
    if (first_broken.empty()) {
      first_broken = where + ": " + verdict;
    }
  }
};

struct HuntOptions {
  DbMode mode;
  bool syncs_lie = false;
  bool crash_in_recovery = false;  // then cut the power at each change of the recovery as well
  std::uint64_t stride = 1;        // cut at every change, or at every stride-th
};

// Cuts the power again at every change that recovery makes, and checks what the second recovery
// makes of it.
void CrashInRecovery(const Disk& crashed, const HuntOptions& options, int acknowledged,
                     const std::string& where, Tally& tally) {
  bool reached = true;
  for (std::uint64_t nth = 1; reached; ++nth) {
    const std::unique_ptr<Disk> disk = crashed.Clone();
    disk->CutPowerAt(nth);
    {
      Vfs vfs(*disk, "recovery", Random(3));
      Check(vfs, options.mode, acknowledged);
    }
    reached = disk->crashed();
    Random random(nth);
    disk->Crash(random, CrashMode::kRandom);
    tally.Count(CheckAfterRestart(*disk, options.mode, acknowledged),
                where + ", then at change " + std::to_string(nth) + " of the recovery");
  }
}

// The states that a power cut may leave are tried on clones.
void CheckOutcomes(const Disk& cut, const HuntOptions& options, int acknowledged,
                   const std::string& where, Tally& tally) {
  for (std::uint64_t seed = 0; seed < kRandomSeeds + 2; ++seed) {
    const CrashMode mode = seed == 0   ? CrashMode::kDropAll
                           : seed == 1 ? CrashMode::kKeepAll
                                       : CrashMode::kRandom;
    Random random(seed);
    const std::unique_ptr<Disk> disk = cut.Clone();
    disk->LieAboutSyncs(false);
    disk->Crash(random, mode);
    const std::string detail = where + ", outcome " + std::to_string(seed);
    if (options.crash_in_recovery) {
      CrashInRecovery(*disk, options, acknowledged, detail, tally);
    }
    tally.Count(CheckAfterRestart(*disk, options.mode, acknowledged), detail);
  }
}

Tally Hunt(const HuntOptions& options) {
  Tally tally;
  bool reached = true;
  for (std::uint64_t nth = 1; reached; nth += options.stride) {
    SeedSqlite(1);
    Disk disk;
    disk.LieAboutSyncs(options.syncs_lie);
    disk.CutPowerAt(nth);
    Vfs vfs(disk, "crash", Random(1));
    Workload workload(vfs, options.mode);
    const int code = workload.Run();
    reached = disk.crashed();
    if (reached) {
      ++tally.crash_points;
      // An answer of SQLITE_OK to all that was asked must not hide a disk that is gone, except
      // for what closing a connection leaves undone.
      EXPECT_TRUE(code != SQLITE_OK || workload.acknowledged() == Workload::kTransactions)
          << "change " << nth;
    } else {
      EXPECT_EQ(code, SQLITE_OK);
    }
    CheckOutcomes(disk, options, workload.acknowledged(), "change " + std::to_string(nth), tally);
  }
  return tally;
}

void ExpectNothingLost(const Tally& tally, int crash_points_min) {
  EXPECT_EQ(tally.first_broken, "");
  EXPECT_EQ(tally.lost, 0);
  EXPECT_EQ(tally.broken, 0);
  EXPECT_GE(tally.crash_points, crash_points_min);
}

TEST(DiskCrashTest, NoPowerCutLosesAnAcknowledgedTransactionOfAnExclusiveConnection) {
  ExpectNothingLost(Hunt({.mode = {.exclusive = true}}), 300);
}

TEST(DiskCrashTest, NoPowerCutLosesAnAcknowledgedTransactionOfSharedConnections) {
  ExpectNothingLost(Hunt({.mode = {.exclusive = false}}), 300);
}

TEST(DiskCrashTest, NoPowerCutLosesAnAcknowledgedTransactionOfARollbackJournal) {
  ExpectNothingLost(
      Hunt({.mode = {.exclusive = false, .synchronous = "EXTRA", .journal = "delete"}}), 300);
}

TEST(DiskCrashTest, APowerCutDuringRecoveryLosesNothing) {
  ExpectNothingLost(Hunt({.mode = {.exclusive = false}, .crash_in_recovery = true, .stride = 7}),
                    40);
}

// The manual of PRAGMA synchronous: with FULL, the deletion of the journal that commits a
// transaction may be undone. It shows that names are at risk, not only contents.
TEST(DiskCrashTest, ARollbackJournalWithoutExtraMayUndoTheLastTransaction) {
  const Tally tally =
      Hunt({.mode = {.exclusive = false, .synchronous = "FULL", .journal = "delete"}, .stride = 3});
  EXPECT_GT(tally.lost, 0);
}

TEST(DiskCrashTest, SynchronousNormalLosesTransactionsAndTearsNone) {
  const Tally tally = Hunt({.mode = {.exclusive = true, .synchronous = "NORMAL"}, .stride = 3});
  EXPECT_GT(tally.lost, 0);
  EXPECT_EQ(tally.broken, 0) << tally.first_broken;
}

TEST(DiskCrashTest, SynchronousOffLosesTransactionsAndBreaksDatabases) {
  const Tally tally = Hunt({.mode = {.exclusive = true, .synchronous = "OFF"}, .stride = 3});
  EXPECT_GT(tally.lost, 0);
  EXPECT_GT(tally.broken, 0);
}

TEST(DiskCrashTest, ADiskThatLiesAboutSyncsIsFoundOut) {
  const Tally tally = Hunt({.mode = {.exclusive = true}, .syncs_lie = true, .stride = 3});
  EXPECT_GT(tally.lost, 0);
  EXPECT_GT(tally.broken, 0);
}

// However the process died, closing its connections afterwards changes no byte, no name, and
// nothing of what is at risk.
TEST(DiskCrashTest, ClosingADeadProcessesConnectionsLeavesNoTrace) {
  for (const DbMode& mode : {DbMode{.exclusive = true}, DbMode{.exclusive = false},
                             DbMode{.exclusive = false, .journal = "delete"}}) {
    bool reached = true;
    int compared = 0;
    for (std::uint64_t nth = 1; reached; nth += 2) {
      Disk disk;
      disk.CutPowerAt(nth);
      Vfs vfs(disk, "crash", Random(1));
      Workload workload(vfs, mode);
      workload.Run();
      reached = disk.crashed();

      Random random(nth);
      disk.Crash(random, CrashMode::kRandom);
      const Files before = ContentsOf(disk);
      const std::uint64_t operations = disk.counters().operations;
      workload.Close();
      EXPECT_EQ(ContentsOf(disk), before);
      EXPECT_EQ(disk.counters().operations, operations);
      ++compared;
    }
    EXPECT_GT(compared, 150);
  }
}

TEST(DiskCrashTest, AKilledProcessLosesNothingItWrote) {
  for (const bool exclusive : {true, false}) {
    const DbMode mode{.exclusive = exclusive, .synchronous = "OFF"};
    Disk disk;
    {
      Vfs vfs(disk, "killed", Random(1));
      Workload workload(vfs, mode);
      int writes_left = 150;
      disk.Observe([&](const Operation& operation) {
        if (operation.kind == OperationKind::kWrite && --writes_left == 0) {
          disk.KillProcess();
        }
      });
      EXPECT_NE(workload.Run(), SQLITE_OK);
      EXPECT_GT(workload.acknowledged(), 5);
      workload.Close();
      disk.Observe(nullptr);
      EXPECT_EQ(CheckAfterRestart(disk, mode, workload.acknowledged()), "");
    }
  }
}

}  // namespace
}  // namespace lockstep::sim
