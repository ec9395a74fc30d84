// A bare SQLite connection for the tests of the simulated disk: every result is a code that the
// test looks at, so that a failing disk can be told from a failing test.

#ifndef LOCKSTEP_TESTS_SIM_DISK_DB_H_
#define LOCKSTEP_TESTS_SIM_DISK_DB_H_

#include <sqlite3.h>

#include <cstdint>
#include <string>
#include <vector>

namespace lockstep::sim {

class Db {
 public:
  // Opens or makes `name` on the VFS; open_code() says how it went.
  Db(const std::string& name, const std::string& vfs_name);
  ~Db();
  Db(const Db&) = delete;
  Db& operator=(const Db&) = delete;

  int open_code() const { return open_code_; }

  // Runs statements without parameters to their end, and returns SQLite's extended code.
  int Run(const std::string& sql);

  // Runs one statement. Returns the code; `rows` gets the first column of each row as text.
  int Query(const std::string& sql, std::vector<std::string>& rows);

  // The first column of the only row, or "error N" if there is not exactly one.
  std::string Value(const std::string& sql);

  sqlite3* raw() { return db_; }

 private:
  sqlite3* db_ = nullptr;
  int open_code_ = SQLITE_OK;
};

// How the databases under test are run.
struct DbMode {
  bool exclusive = true;             // locking_mode=EXCLUSIVE, else a wal-index is shared
  std::string synchronous = "FULL";  // or OFF, NORMAL, EXTRA
  std::string journal = "wal";       // or "delete"
};

// Puts an open connection into this mode. Returns SQLITE_OK only if it is in it then.
int Configure(Db& db, const DbMode& mode);

}  // namespace lockstep::sim

#endif  // LOCKSTEP_TESTS_SIM_DISK_DB_H_
