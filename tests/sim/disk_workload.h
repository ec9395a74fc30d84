// A scripted day in the life of a database, and the check of what is left of it after the disk
// has failed.

#ifndef LOCKSTEP_TESTS_SIM_DISK_WORKLOAD_H_
#define LOCKSTEP_TESTS_SIM_DISK_WORKLOAD_H_

#include <memory>
#include <string>

#include "sim/disk/disk.h"
#include "sim/disk/vfs.h"
#include "tests/sim/disk_db.h"

namespace lockstep::sim {

// Some transactions of several rows, with checkpoints of every kind, pages that are freed and cut
// off, a reader that holds its view across commits (if the mode allows one), and a close and
// reopen in the middle.
class Workload {
 public:
  Workload(Vfs& vfs, DbMode mode);

  static constexpr int kTransactions = 24;

  // Runs until the end, or until a statement fails: then the connections are left open, but will
  // not checkpoint when they are closed. Checkpoints are explicit, since SQLite hides the errors
  // of automatic ones. Returns SQLite's code.
  int Run();

  // The last transaction whose COMMIT was answered with SQLITE_OK; 0 is "none".
  int acknowledged() const { return acknowledged_; }

  // Closes the connections.
  void Close();

 private:
  int Open();
  int Step(int number);
  int Transaction(int number);

  Vfs& vfs_;
  const DbMode mode_;
  std::unique_ptr<Db> writer_;
  std::unique_ptr<Db> reader_;
  int acknowledged_ = 0;
};

// Opens what a workload left and says in a sentence what is wrong with it, or nothing: the
// database passes integrity_check; it holds transactions 1 to n whole and unaltered, and of no
// other any trace; n is `acknowledged`, or one more, for the answer to that may have been lost.
std::string Check(Vfs& vfs, const DbMode& mode, int acknowledged);

// The same on a disk whose process is dead. Starts the next one.
std::string CheckAfterRestart(Disk& disk, const DbMode& mode, int acknowledged);

}  // namespace lockstep::sim

#endif  // LOCKSTEP_TESTS_SIM_DISK_WORKLOAD_H_
