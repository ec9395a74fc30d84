// The real stores on a disk that loses power at every single change they make to it, or fails every
// single operation. What was acknowledged is there afterwards, and nothing is there by halves.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>

#include "core/random.h"
#include "sim/disk/disk.h"
#include "sim/disk/vfs.h"
#include "tests/sim/storage_workload.h"

namespace lockstep::sim {
namespace {

constexpr std::uint64_t kOutcomes = 4;

// What one hunt has seen.
struct Tally {
  int points = 0;  // operations that were cut or failed
  int checks = 0;
  int wrong = 0;
  std::string first_wrong;

  void Count(const std::string& verdict, const std::string& where) {
    ++checks;
    if (!verdict.empty()) {
      ++wrong;
      if (first_wrong.empty()) {
        first_wrong = where + ": " + verdict;
      }
    }
  }
};

// Starts the next process on what the last one left, after `done` acknowledged steps: it must find
// these, and perhaps the step that was under way, and, if it is to `go_on`, be able to finish the
// script from there. Returns what is wrong.
std::string CheckRestart(Disk& disk, const Script& script, std::size_t done, bool go_on = true) {
  disk.StartProcess();
  Vfs vfs(disk, "restart", Random(99));
  Process process(vfs.name());
  if (!process.status().ok()) {
    return "cannot be opened: " + process.status().ToString();
  }
  std::size_t steps = done;
  if (process.contents() != script.after[done]) {
    steps = std::min(done + 1, script.steps.size());
    if (process.contents() != script.after[steps]) {
      return "found neither what was acknowledged nor the step after it";
    }
  }
  if (go_on) {
    process.Run(script, steps);
  }
  if (!process.status().ok()) {
    return "cannot go on: " + process.status().ToString();
  }
  return "";
}

// What a process finds when it starts it tells others: no power cut may take that back, not even
// if it was never synced with success. Returns what is wrong.
std::string CheckFoundIsKept(Disk& disk, Random& random) {
  disk.StartProcess();
  Contents found;
  {
    Vfs vfs(disk, "restart", Random(99));
    const Process process(vfs.name());
    if (!process.status().ok()) {
      return "cannot be opened: " + process.status().ToString();
    }
    found = process.contents();
    disk.KillProcess();
  }
  disk.Crash(random, CrashMode::kDropAll);
  disk.StartProcess();
  Vfs vfs(disk, "again", Random(99));
  const Process process(vfs.name());
  if (!process.status().ok()) {
    return "cannot be opened again: " + process.status().ToString();
  }
  return process.contents() == found ? "" : "a power cut took back what a start had found";
}

// Tries several of the states that a power cut may leave, on copies of the disk.
void CheckOutcomes(const Disk& cut, const Script& script, std::size_t done,
                   const std::string& where, Tally& tally) {
  for (std::uint64_t seed = 0; seed < kOutcomes; ++seed) {
    const CrashMode mode = seed == 0   ? CrashMode::kDropAll
                           : seed == 1 ? CrashMode::kKeepAll
                                       : CrashMode::kRandom;
    Random random(seed);
    const std::unique_ptr<Disk> disk = cut.Clone();
    disk->LieAboutSyncs(false);
    disk->Crash(random, mode);
    const bool go_on = seed == kOutcomes - 1;
    tally.Count(CheckRestart(*disk, script, done, go_on),
                where + ", outcome " + std::to_string(seed));
  }
}

// Cuts the power at every change of a run of the script, one run for each.
Tally CutPowerEverywhere(const Script& script, bool syncs_lie) {
  Tally tally;
  bool reached = true;
  for (std::uint64_t nth = 1; reached; ++nth) {
    SeedSqlite(1);
    Disk disk;
    disk.LieAboutSyncs(syncs_lie);
    disk.CutPowerAt(nth);
    Vfs vfs(disk, "crash", Random(1));
    Process process(vfs.name());
    process.Run(script);
    reached = disk.crashed();
    tally.points += reached ? 1 : 0;
    EXPECT_TRUE(reached || process.status().ok()) << process.status();
    CheckOutcomes(disk, script, process.steps_done(), "power cut at change " + std::to_string(nth),
                  tally);
  }
  return tally;
}

// Cuts the power once more at changes that the next start makes.
Tally CutPowerInRecovery(const Script& script, std::uint64_t stride) {
  Tally tally;
  bool reached = true;
  for (std::uint64_t nth = 1; reached; nth += stride) {
    SeedSqlite(1);
    Disk disk;
    disk.CutPowerAt(nth);
    Vfs vfs(disk, "crash", Random(1));
    Process process(vfs.name());
    process.Run(script);
    reached = disk.crashed();
    Random random(nth);
    const std::unique_ptr<Disk> cut = disk.Clone();
    cut->Crash(random, CrashMode::kRandom);

    bool reached_again = reached;
    for (std::uint64_t again = 1; reached_again; ++again) {
      const std::unique_ptr<Disk> copy = cut->Clone();
      copy->StartProcess();
      copy->CutPowerAt(again);
      Vfs copy_vfs(*copy, "recovery", Random(3));
      const Process recovery(copy_vfs.name());
      reached_again = copy->crashed();
      tally.points += reached_again ? 1 : 0;
      CheckOutcomes(*copy, script, process.steps_done(),
                    "power cut at change " + std::to_string(nth) + ", then at change " +
                        std::to_string(again) + " of the recovery",
                    tally);
    }
  }
  return tally;
}

// Fails every `stride`-th operation of a run of the script, one run for each. The process must stop
// for good, and the next one must find what was acknowledged: after the end of the process, and
// after a power cut.
Tally FailEverywhere(const Script& script, DiskFault fault, std::uint64_t stride) {
  Tally tally;
  bool reached = true;
  for (std::uint64_t nth = 1; reached; nth += stride) {
    SeedSqlite(1);
    Disk disk;
    fault.nth = nth;
    disk.Arm(fault);
    Vfs vfs(disk, "faulty", Random(1));
    std::size_t done = 0;
    const std::string where = "fault at operation " + std::to_string(nth);
    {
      Process process(vfs.name());
      process.Run(script);
      done = process.steps_done();
      reached = disk.counters().injected_errors > 0;
      tally.points += reached ? 1 : 0;
      EXPECT_TRUE(reached || process.status().ok()) << process.status();
      if (!process.status().ok()) {
        tally.Count(process.RefusesToGoOn() ? "" : "goes on after " + process.status().ToString(),
                    where);
      }
    }
    disk.DisarmFaults();
    const std::unique_ptr<Disk> unplugged = disk.Clone();
    const std::unique_ptr<Disk> killed = disk.Clone();
    disk.KillProcess();
    tally.Count(CheckRestart(disk, script, done), where + ", restarted");
    Random random(nth);
    unplugged->Crash(random, nth % 2 == 0 ? CrashMode::kDropAll : CrashMode::kRandom);
    tally.Count(CheckRestart(*unplugged, script, done), where + ", unplugged");
    killed->KillProcess();
    tally.Count(CheckFoundIsKept(*killed, random), where + ", restarted and unplugged");
  }
  return tally;
}

TEST(StorageCrashTest, APowerCutLosesNothingAcknowledgedAndLeavesNothingByHalves) {
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    const Tally tally = CutPowerEverywhere(DrawScript(seed, 20), false);
    EXPECT_EQ(tally.wrong, 0) << "script " << seed << ": " << tally.first_wrong;
    EXPECT_GT(tally.points, 100);
  }
}

TEST(StorageCrashTest, APowerCutDuringTheNextStartLosesNothingEither) {
  const Tally tally = CutPowerInRecovery(DrawScript(3, 20), 23);
  EXPECT_EQ(tally.wrong, 0) << tally.first_wrong;
  EXPECT_GT(tally.points, 50);
}

// The test above would find stores that do not sync: on a disk that only says it does, it finds
// losses.
TEST(StorageCrashTest, ADiskThatLiesAboutSyncsIsFoundOut) {
  const Tally tally = CutPowerEverywhere(DrawScript(1, 10), true);
  EXPECT_GT(tally.wrong, 0);
}

TEST(StorageCrashTest, AnIoErrorEndsTheProcessAndLosesNothingAcknowledged) {
  for (const bool for_ever : {false, true}) {
    const Tally tally = FailEverywhere(DrawScript(4, 25), {.for_ever = for_ever}, 3);
    EXPECT_EQ(tally.wrong, 0) << tally.first_wrong;
    EXPECT_GT(tally.points, 100);
  }
}

TEST(StorageCrashTest, AFailedSyncEndsTheProcessAndLosesNothingAcknowledged) {
  const Tally tally = FailEverywhere(
      DrawScript(5, 30), {.kinds = {OperationKind::kSync, OperationKind::kSyncDirectory}}, 1);
  EXPECT_EQ(tally.wrong, 0) << tally.first_wrong;
  EXPECT_GT(tally.points, 30);
}

// One wrong bit in one of the reads of a start, on files that a killed process left: the start
// finds what there is, or refuses; the next one, which reads rightly, finds all of it.
TEST(StorageCrashTest, AReadThatGoesWrongIsNoticedOrHarmless) {
  int refused = 0;
  int harmless = 0;
  int found_later = 0;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    SeedSqlite(1);
    const Script script = DrawScript(seed, 25);
    Disk disk;
    {
      Vfs vfs(disk, "first", Random(1));
      Process process(vfs.name());
      process.Run(script);
      ASSERT_TRUE(process.status().ok()) << process.status();
      disk.KillProcess();
    }
    bool reached = true;
    for (std::uint64_t nth = 1; reached; ++nth) {
      for (const std::uint64_t bit : {std::uint64_t{0}, Random(nth).Next(), Random(~nth).Next()}) {
        const std::unique_ptr<Disk> copy = disk.Clone();
        copy->Arm({.kinds = {OperationKind::kRead}, .nth = nth, .wrong_bit = bit});
        {
          Vfs vfs(*copy, "wrong", Random(2));
          const Process process(vfs.name());
          reached = copy->counters().Of(OperationKind::kRead) >= nth;
          process.status().ok() ? ++harmless : ++refused;
          EXPECT_TRUE(!process.status().ok() || process.contents() == script.after.back())
              << "script " << seed << ", read " << nth << ", bit " << bit
              << ": started on something else";
          copy->KillProcess();
        }
        copy->DisarmFaults();
        copy->StartProcess();
        Vfs vfs(*copy, "right", Random(3));
        const Process process(vfs.name());
        EXPECT_TRUE(!process.status().ok() || process.contents() == script.after.back())
            << "script " << seed << ", read " << nth << ", bit " << bit
            << ": started on something else afterwards";
        found_later += process.status().ok() ? 0 : 1;
      }
    }
  }
  EXPECT_GT(refused, 50);
  EXPECT_GT(harmless, 10);
  EXPECT_LT(found_later, refused / 10);
}

TEST(StorageCrashTest, AFullDiskEndsTheProcessAndLosesNothingAcknowledged) {
  const Tally tally = FailEverywhere(
      DrawScript(6, 20),
      {.kinds = OperationKinds::NeedSpace(), .error = IoResult::kFull, .for_ever = true}, 2);
  EXPECT_EQ(tally.wrong, 0) << tally.first_wrong;
  EXPECT_GT(tally.points, 50);
}

TEST(StorageCrashTest, AFullDiskIsNamedAsOne) {
  Disk disk;
  Vfs vfs(disk, "full", Random(1));
  Process process(vfs.name());
  disk.Arm({.kinds = OperationKinds::NeedSpace(), .error = IoResult::kFull, .for_ever = true});
  process.Run(DrawScript(1, 30));
  EXPECT_EQ(process.status().code(), absl::StatusCode::kResourceExhausted) << process.status();
  EXPECT_NE(std::string(process.status().message()).find("node/"), std::string::npos);
}

}  // namespace
}  // namespace lockstep::sim
