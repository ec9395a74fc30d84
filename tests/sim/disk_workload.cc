#include "tests/sim/disk_workload.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "core/random.h"

namespace lockstep::sim {
namespace {

constexpr int kRowsEach = 3;
constexpr char kFile[] = "data.db";

// What row `part` of a transaction holds. Sizes go past a page now and then.
std::string Body(int transaction, int part) {
  Random random(static_cast<std::uint64_t>(transaction * kRowsEach + part));
  std::string body(100 + random.Below(1200), ' ');
  std::uint64_t letter = random.Below(26);
  for (char& c : body) {
    c = static_cast<char>('a' + letter);
    letter = (letter + 7) % 26;
  }
  return body;
}

std::string ExpectedRow(int transaction, int part) {
  return std::to_string(transaction) + "/" + std::to_string(part) + "/" + Body(transaction, part);
}

}  // namespace

Workload::Workload(Vfs& vfs, DbMode mode) : vfs_(vfs), mode_(std::move(mode)) {}

int Workload::Run() {
  int code = Open();
  if (code == SQLITE_OK) {
    code = writer_->Run(
        "BEGIN;"
        "CREATE TABLE rows (id INTEGER PRIMARY KEY, txn INT, part INT, body TEXT);"
        "CREATE TABLE scratch (id INTEGER PRIMARY KEY, filler BLOB);"
        "CREATE TABLE last (txn INT);"
        "INSERT INTO last VALUES (0);"
        "COMMIT");
  }
  for (int number = 1; code == SQLITE_OK && number <= kTransactions; ++number) {
    code = Step(number);
  }
  if (code == SQLITE_OK) {
    Close();
  } else {
    // After an error nothing more may be written, not even by closing.
    for (Db* const db : {writer_.get(), reader_.get()}) {
      if (db != nullptr) {
        sqlite3_db_config(db->raw(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
      }
    }
  }
  return code;
}

void Workload::Close() {
  reader_.reset();
  writer_.reset();
}

int Workload::Open() {
  writer_ = std::make_unique<Db>(kFile, vfs_.name());
  int code = writer_->open_code();
  if (code == SQLITE_OK) {
    code = writer_->Run("PRAGMA auto_vacuum=FULL; PRAGMA wal_autocheckpoint=0");
  }
  if (code == SQLITE_OK) {
    code = Configure(*writer_, mode_);
  }
  if (code == SQLITE_OK && !mode_.exclusive && mode_.journal == "wal") {
    reader_ = std::make_unique<Db>(kFile, vfs_.name());
    code = reader_->open_code();
  }
  return code;
}

int Workload::Step(int number) {
  int code = Transaction(number);
  if (code == SQLITE_OK && number % 2 == 1) {
    code = writer_->Run("PRAGMA wal_checkpoint(PASSIVE)");
  }
  if (code == SQLITE_OK && number % 10 == 6) {
    code = writer_->Run("PRAGMA wal_checkpoint(TRUNCATE)");
  }
  if (code == SQLITE_OK && number == 14) {
    Close();
    code = Open();
  }
  if (code == SQLITE_OK && reader_ != nullptr && number % 8 == 2) {
    code = reader_->Run("BEGIN; SELECT count(*) FROM rows");  // holds its view for two steps
  }
  if (code == SQLITE_OK && reader_ != nullptr && number % 8 == 4) {
    code = reader_->Run("COMMIT");
  }
  return code;
}

int Workload::Transaction(int number) {
  const std::string n = std::to_string(number);
  std::string sql = "BEGIN IMMEDIATE;";
  for (int part = 0; part < kRowsEach; ++part) {
    sql += "INSERT INTO rows (txn, part, body) VALUES (" + n + "," + std::to_string(part) + ",'" +
           Body(number, part) + "');";
  }
  sql += "UPDATE last SET txn = " + n + ";";
  sql += number % 6 == 0 ? "DELETE FROM scratch;"
                         : "INSERT INTO scratch (filler) VALUES (zeroblob(6000));";
  int code = writer_->Run(sql);
  if (code == SQLITE_OK) {
    code = writer_->Run("COMMIT");
  }
  if (code == SQLITE_OK) {
    acknowledged_ = number;
  }
  return code;
}

std::string Check(Vfs& vfs, const DbMode& mode, int acknowledged) {
  Db db(kFile, vfs.name());
  if (const int code = Configure(db, mode); code != SQLITE_OK) {
    return "cannot be opened: error " + std::to_string(code);
  }
  if (const std::string verdict = db.Value("PRAGMA integrity_check"); verdict != "ok") {
    return "integrity_check: " + verdict;
  }
  if (db.Value("SELECT count(*) FROM sqlite_schema WHERE name = 'last'") != "1") {
    return acknowledged == 0 ? "" : "lost: the tables";
  }
  const int last = std::stoi(db.Value("SELECT txn FROM last"));
  if (last < acknowledged) {
    return "lost: transaction " + std::to_string(last + 1) + " of " + std::to_string(acknowledged);
  }
  if (last > acknowledged + 1) {
    return "transaction " + std::to_string(last) + " was never asked for";
  }
  std::vector<std::string> rows;
  const int code =
      db.Query("SELECT txn || '/' || part || '/' || body FROM rows ORDER BY txn, part", rows);
  if (code != SQLITE_OK) {
    return "cannot be read: error " + std::to_string(code);
  }
  if (rows.size() != static_cast<std::size_t>(last * kRowsEach)) {
    return "torn: " + std::to_string(rows.size()) + " rows after transaction " +
           std::to_string(last);
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const int number = static_cast<int>(i);
    if (rows[i] != ExpectedRow(number / kRowsEach + 1, number % kRowsEach)) {
      return "altered: row " + std::to_string(i);
    }
  }
  return "";
}

std::string CheckAfterRestart(Disk& disk, const DbMode& mode, int acknowledged) {
  disk.StartProcess();
  Vfs vfs(disk, "check", Random(99));
  return Check(vfs, mode, acknowledged);
}

}  // namespace lockstep::sim
