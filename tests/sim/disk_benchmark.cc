// Prints how many one-row transactions per second stock SQLite does on the simulated disk.
// It measures and judges nothing. Time is the processor's, so that a busy machine matters less.
//
// Usage: sim_disk_benchmark [transactions]

#include <sqlite3.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

#include "sim/disk/disk.h"
#include "sim/disk/vfs.h"
#include "tests/sim/disk_db.h"

namespace lockstep::sim {
namespace {

sqlite3_stmt* Prepare(Db& db, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(db.raw(), sql, -1, &statement, nullptr) != SQLITE_OK) {
    std::fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(db.raw()));
    std::exit(1);
  }
  return statement;
}

void StepOnce(Db& db, sqlite3_stmt* statement) {
  if (sqlite3_step(statement) != SQLITE_DONE || sqlite3_reset(statement) != SQLITE_OK) {
    std::fprintf(stderr, "%s\n", sqlite3_errmsg(db.raw()));
    std::exit(1);
  }
}

void Measure(const char* label, const DbMode& mode, int transactions, bool observed) {
  SeedSqlite(1);
  Disk disk;
  std::uint64_t hash = 0;
  if (observed) {
    disk.Observe([&hash](const Operation& operation) {
      hash = hash * 31 + HashBytes(operation.data) + operation.offset;
    });
  }
  Vfs vfs(disk, "benchmark", Random(1));
  Db db("log.db", vfs.name());
  if (Configure(db, mode) != SQLITE_OK ||
      db.Run("CREATE TABLE log (position INTEGER PRIMARY KEY, payload BLOB)") != SQLITE_OK) {
    std::fprintf(stderr, "cannot set up the database: %s\n", sqlite3_errmsg(db.raw()));
    std::exit(1);
  }
  sqlite3_stmt* const insert = Prepare(db, "INSERT INTO log VALUES (?1, ?2)");
  const std::string payload(256, 'x');
  const std::clock_t start = std::clock();
  for (int i = 1; i <= transactions; ++i) {
    sqlite3_bind_int64(insert, 1, i);
    sqlite3_bind_blob(insert, 2, payload.data(), static_cast<int>(payload.size()), SQLITE_STATIC);
    StepOnce(db, insert);
  }
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  sqlite3_finalize(insert);
  const Counters& counters = disk.counters();
  std::printf("%-34s %9.0f transactions/s  %.2f writes  %.2f syncs  %.0f bytes each  %016llx\n",
              label, transactions / seconds,
              1.0 * static_cast<double>(counters.Of(OperationKind::kWrite)) / transactions,
              1.0 * static_cast<double>(counters.Of(OperationKind::kSync)) / transactions,
              1.0 * static_cast<double>(counters.bytes_written) / transactions,
              static_cast<unsigned long long>(hash));
}

}  // namespace
}  // namespace lockstep::sim

int main(int argc, char** argv) {
  const int transactions = argc > 1 ? std::atoi(argv[1]) : 200'000;
  if (transactions < 1) {
    std::fprintf(stderr, "%s: the number of transactions must be positive, not \"%s\"\n", argv[0],
                 argv[1]);
    return 2;
  }
  using lockstep::sim::Measure;
  Measure("WAL, FULL, exclusive", {true, "FULL"}, transactions, false);
  Measure("WAL, FULL, exclusive, observed", {true, "FULL"}, transactions, true);
  Measure("WAL, FULL, shared wal-index", {false, "FULL"}, transactions, false);
  Measure("WAL, NORMAL, exclusive", {true, "NORMAL"}, transactions, false);
  return 0;
}
