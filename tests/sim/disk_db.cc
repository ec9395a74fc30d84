#include "tests/sim/disk_db.h"

namespace lockstep::sim {

Db::Db(const std::string& name, const std::string& vfs_name) {
  const int flags =
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  open_code_ = sqlite3_open_v2(name.c_str(), &db_, flags, vfs_name.c_str());
}

Db::~Db() { sqlite3_close(db_); }

int Db::Run(const std::string& sql) {
  return sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
}

int Db::Query(const std::string& sql, std::vector<std::string>& rows) {
  rows.clear();
  sqlite3_stmt* statement = nullptr;
  int code = sqlite3_prepare_v2(db_, sql.c_str(), -1, &statement, nullptr);
  while (code == SQLITE_OK || code == SQLITE_ROW) {
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
      const void* const text = sqlite3_column_blob(statement, 0);
      const int bytes = sqlite3_column_bytes(statement, 0);
      rows.emplace_back(static_cast<const char*>(text), static_cast<std::size_t>(bytes));
    }
  }
  sqlite3_finalize(statement);
  return code == SQLITE_DONE ? SQLITE_OK : code;
}

std::string Db::Value(const std::string& sql) {
  std::vector<std::string> rows;
  const int code = Query(sql, rows);
  return code == SQLITE_OK && rows.size() == 1 ? rows[0] : "error " + std::to_string(code);
}

int Configure(Db& db, const DbMode& mode) {
  if (db.open_code() != SQLITE_OK) {
    return db.open_code();
  }
  if (mode.exclusive) {
    const int code = db.Run("PRAGMA locking_mode=EXCLUSIVE");
    if (code != SQLITE_OK) {
      return code;
    }
  }
  std::vector<std::string> rows;
  const int code = db.Query("PRAGMA journal_mode=" + mode.journal, rows);
  if (code != SQLITE_OK) {
    return code;
  }
  if (rows.size() != 1 || rows[0] != mode.journal) {
    return SQLITE_ERROR;
  }
  return db.Run("PRAGMA synchronous=" + mode.synchronous);
}

}  // namespace lockstep::sim
