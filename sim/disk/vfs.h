// SQLite on a simulated disk: a sqlite3_vfs whose files are a Disk's.
//
// The stock SQLite library runs on it unchanged, with everything that storage/ uses: WAL mode with
// one exclusive connection or with several that share a wal-index, file locks between
// connections, rollback journals, temporary files. A database is opened by its name on the disk
// and the Vfs's name. It answers as SQLite's Unix VFS does, with the same codes and the same
// device characteristics (powersafe overwrite, sectors of 4096 bytes), except that
//   - nothing is memory-mapped;
//   - a failed directory sync fails the sync that needed it, which the Unix VFS does not report;
//   - time, sleep and randomness are simulated.
//
// SQLite's own pseudo-random numbers (WAL salts, journal nonces) do not come from here: they are
// one generator per operating-system process, seeded from the default VFS. See SeedSqlite().

#ifndef LOCKSTEP_SIM_DISK_VFS_H_
#define LOCKSTEP_SIM_DISK_VFS_H_

#include <sqlite3.h>

#include <cstdint>
#include <string>

#include "core/random.h"
#include "sim/disk/disk.h"

namespace lockstep::sim {

// Registers itself with SQLite for as long as it lives, and never as the default. It must outlive
// the connections that use it. One Vfs serves all processes that run on its disk, one after the
// other.
class Vfs {
 public:
  // `random` answers SQLite's requests for random bytes.
  // REQUIRES: no VFS named `name` is registered.
  Vfs(Disk& disk, std::string name, Random random);
  ~Vfs();
  Vfs(const Vfs&) = delete;
  Vfs& operator=(const Vfs&) = delete;

  // What to give sqlite3_open_v2().
  const std::string& name() const { return name_; }
  Disk& disk() const { return disk_; }

  // The wall clock for date functions, in milliseconds since 1970. It stands still at
  // 2000-01-01 00:00 until set.
  void set_unix_time_ms(std::int64_t ms) { unix_time_ms_ = ms; }
  std::int64_t unix_time_ms() const { return unix_time_ms_; }

  Random& random() { return random_; }

 private:
  Disk& disk_;
  const std::string name_;
  Random random_;
  std::int64_t unix_time_ms_ = 946'684'800'000;
  sqlite3_vfs registration_{};
};

// Makes SQLite quicker in a process that has one thread: it takes no lock and counts no memory.
// What it does to files stays the same. To be called before anything else uses SQLite; without it
// all works too.
void UseSqliteInOneThread();

// Pins SQLite's process-wide generator, so that equal work gives equal bytes. Call it at the start
// of each simulation. Since all connections of the operating-system process draw from it, only one
// simulation at a time may run in a process.
void SeedSqlite(std::uint64_t seed);

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_DISK_VFS_H_
