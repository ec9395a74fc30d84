// Fails every single storage operation of a scripted workload in turn, and looks at what SQLite
// said and what it left.

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "core/random.h"
#include "sim/disk/disk.h"
#include "sim/disk/vfs.h"
#include "tests/sim/disk_workload.h"

namespace lockstep::sim {
namespace {

// What failing each operation in turn has shown.
struct Tally {
  int struck = 0;
  int reported = 0;  // SQLite told the caller
  int wrong = 0;     // checks that failed
  std::string last_wrong;
};

// The caller stops at the first error, as a node does; then the process ends or, worse, the power
// goes.
Tally FailEachOperation(const DbMode& mode, DiskFault fault) {
  Tally tally;
  bool reached = true;
  for (std::uint64_t nth = 1; reached; ++nth) {
    SeedSqlite(1);
    Disk disk;
    fault.nth = nth;
    disk.Arm(fault);
    Vfs vfs(disk, "faulty", Random(1));
    Workload workload(vfs, mode);
    const int code = workload.Run();
    reached = disk.counters().injected_errors > 0;
    tally.struck += reached ? 1 : 0;
    tally.reported += code != SQLITE_OK ? 1 : 0;
    if (!reached) {
      EXPECT_EQ(code, SQLITE_OK) << "an error that no switch asked for";
    }

    workload.Close();
    disk.DisarmFaults();
    if (nth % 4 == 0) {
      disk.KillProcess();
    } else {
      Random random(nth);
      disk.Crash(random, nth % 4 == 1 ? CrashMode::kDropAll : CrashMode::kRandom);
    }
    const std::string verdict = CheckAfterRestart(disk, mode, workload.acknowledged());
    if (!verdict.empty()) {
      ++tally.wrong;
      tally.last_wrong = "operation " + std::to_string(nth) + ": " + verdict;
    }
  }
  return tally;
}

struct Case {
  const char* name;
  DbMode mode;
  DiskFault fault;  // the loop sets its nth
};

const DbMode kExclusive{.exclusive = true};
const DbMode kShared{.exclusive = false};
const DbMode kRollback{.exclusive = false, .synchronous = "EXTRA", .journal = "delete"};
const DiskFault kDiskFull{.kinds = OperationKinds::NeedSpace(), .error = IoResult::kFull};
const DiskFault kDiskStaysFull{
    .kinds = OperationKinds::NeedSpace(), .error = IoResult::kFull, .for_ever = true};

const Case kCases[] = {
    {"an error once, exclusive", kExclusive, {}},
    {"errors for ever, exclusive", kExclusive, {.for_ever = true}},
    {"an error once, shared", kShared, {}},
    {"errors for ever, shared", kShared, {.for_ever = true}},
    {"an error once, rollback journal", kRollback, {}},
    {"full for a moment, exclusive", kExclusive, kDiskFull},
    {"full for ever, shared", kShared, kDiskStaysFull},
};

TEST(DiskFaultTest, AnErrorAtAnyOperationLosesNoAcknowledgedTransaction) {
  for (const Case& c : kCases) {
    const Tally tally = FailEachOperation(c.mode, c.fault);
    EXPECT_EQ(tally.wrong, 0) << c.name << ": " << tally.last_wrong;
    EXPECT_GT(tally.struck, 250) << c.name;
    // What SQLite keeps to itself is what goes wrong while it closes a connection.
    EXPECT_GT(tally.reported * 10, tally.struck * 9) << c.name;
  }
}

}  // namespace
}  // namespace lockstep::sim
