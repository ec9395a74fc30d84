#include "storage/sqlite.h"

#include <sqlite3.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/strings/str_format.h"
#include "core/assert.h"
#include "storage/status.h"

namespace lockstep::storage {
namespace {

absl::StatusCode CodeOf(int code, int system_error) {
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
      return absl::StatusCode::kDataLoss;
    case SQLITE_NOTADB:
      return absl::StatusCode::kFailedPrecondition;
    case SQLITE_CANTOPEN:
      // A file that cannot be made is no fault of the folder if the disk is the cause.
      if (system_error == ENOSPC || system_error == EDQUOT) {
        return absl::StatusCode::kResourceExhausted;
      }
      return system_error == EIO ? absl::StatusCode::kInternal
                                 : absl::StatusCode::kFailedPrecondition;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return absl::StatusCode::kPermissionDenied;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::StatusCode::kUnavailable;
    case SQLITE_FULL:
    case SQLITE_NOMEM:
    case SQLITE_TOOBIG:
      return absl::StatusCode::kResourceExhausted;
    default:
      return absl::StatusCode::kInternal;
  }
}

std::string Explain(int code) {
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return ": another process or connection uses it";
    case SQLITE_NOTADB:
      return ": another program's file, or damaged at its beginning";
    default:
      return "";
  }
}

absl::Status MakeError(sqlite3* database, int code, const std::string& path,
                       std::string_view doing) {
  const int system_error = database == nullptr ? 0 : sqlite3_system_errno(database);
  const char* text = database == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(database);
  return absl::Status(
      CodeOf(code, system_error),
      absl::StrFormat("%s: %s: %s (SQLite %d%s)%s", path, doing, text, code,
                      system_error == 0 ? "" : absl::StrFormat(", %s", std::strerror(system_error)),
                      Explain(code)));
}

}  // namespace

Statement::Statement(const Connection* connection, std::string_view sql, sqlite3_stmt* statement)
    : connection_(connection), sql_(sql), statement_(statement) {}

Statement::Statement(Statement&& other) noexcept
    : connection_(std::exchange(other.connection_, nullptr)),
      sql_(std::exchange(other.sql_, {})),
      statement_(std::exchange(other.statement_, nullptr)),
      failure_(std::exchange(other.failure_, {})) {}

Statement& Statement::operator=(Statement&& other) noexcept {
  std::swap(connection_, other.connection_);
  std::swap(sql_, other.sql_);
  std::swap(statement_, other.statement_);
  std::swap(failure_, other.failure_);
  return *this;
}

Statement::~Statement() { sqlite3_finalize(statement_); }

bool Statement::Ready() {
  if (statement_ == nullptr && failure_.ok()) {
    absl::StatusOr<Statement> prepared = connection_->Prepare(sql_);
    if (prepared.ok()) {
      statement_ = std::exchange(prepared->statement_, nullptr);
    } else {
      failure_ = prepared.status();
    }
  }
  return statement_ != nullptr;
}

// Binding fails only for a parameter that the statement does not have, or a blob beyond SQLite's
// limit of 1 GB, which limits on requests keep far away.
void Statement::Bind(int parameter, std::uint64_t value) {
  if (!Ready()) {
    return;
  }
  const int code = sqlite3_bind_int64(statement_, parameter, static_cast<sqlite3_int64>(value));
  CORE_ASSERT(code == SQLITE_OK);
}

void Statement::BindBlob(int parameter, std::string_view bytes) {
  if (!Ready()) {
    return;
  }
  // A null pointer would bind NULL rather than a blob of no bytes.
  const char* data = bytes.empty() ? "" : bytes.data();
  const int code = sqlite3_bind_blob64(statement_, parameter, data, bytes.size(), nullptr);
  CORE_ASSERT(code == SQLITE_OK);
}

absl::StatusOr<bool> Statement::Step() {
  if (!Ready()) {
    return failure_;
  }
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) {
    return true;
  }
  if (code == SQLITE_DONE) {
    return false;
  }
  return Error(code);
}

absl::Status Statement::Run() {
  if (!Ready()) {
    return failure_;
  }
  const int code = sqlite3_step(statement_);
  if (code != SQLITE_DONE) [[unlikely]] {
    // A row is our bug: somebody runs a query as a command.
    CORE_ASSERT(code != SQLITE_ROW);
    absl::Status error = Error(code);
    sqlite3_reset(statement_);
    return error;
  }
  sqlite3_reset(statement_);
  return absl::OkStatus();
}

std::uint64_t Statement::Integer(int column) const {
  return static_cast<std::uint64_t>(sqlite3_column_int64(statement_, column));
}

std::string_view Statement::Blob(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  if (data == nullptr) {
    return {};
  }
  return {static_cast<const char*>(data),
          static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

std::string Statement::Text(int column) const { return std::string(Blob(column)); }

// Its return value repeats the error of the last step.
void Statement::Reset() { sqlite3_reset(statement_); }

absl::Status Statement::Error(int code) const {
  return connection_->Error(code, sqlite3_sql(statement_));
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const std::string& path,
                                                             const std::string& vfs, Mode mode) {
  sqlite3* database = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                    (mode == Mode::kCreate ? SQLITE_OPEN_CREATE : 0);
  const int code =
      sqlite3_open_v2(path.c_str(), &database, flags, vfs.empty() ? nullptr : vfs.c_str());
  if (code != SQLITE_OK) {
    absl::Status error = MakeError(database, code, path, "opening");
    sqlite3_close(database);
    return error;
  }
  return std::unique_ptr<Connection>(new Connection(path, database));
}

Connection::Connection(std::string path, sqlite3* database)
    : path_(std::move(path)), database_(database) {}

Connection::~Connection() {
  const int code = sqlite3_close(database_);
  // A statement that outlives its connection is our bug; an I/O error on closing is not reported.
  static_cast<void>(code);
}

absl::StatusOr<Statement> Connection::Prepare(std::string_view sql) const {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(database_, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) {
    return Error(code, sql);
  }
  return Statement(this, {}, statement);
}

Statement Connection::Declare(std::string_view sql) const { return Statement(this, sql, nullptr); }

absl::Status Connection::Execute(std::string_view sql) const {
  LOCKSTEP_ASSIGN_OR_RETURN(Statement statement, Prepare(sql));
  while (true) {
    LOCKSTEP_ASSIGN_OR_RETURN(const bool row, statement.Step());
    if (!row) {
      return absl::OkStatus();
    }
  }
}

absl::StatusOr<std::string> Connection::QueryText(std::string_view sql) const {
  LOCKSTEP_ASSIGN_OR_RETURN(Statement statement, Prepare(sql));
  LOCKSTEP_ASSIGN_OR_RETURN(const bool row, statement.Step());
  if (!row) {
    return absl::DataLossError(absl::StrFormat("%s: %s: no row", path_, sql));
  }
  std::string text = statement.Text(0);
  // The statement runs to its end: an error may come after the row.
  LOCKSTEP_ASSIGN_OR_RETURN(const bool more, statement.Step());
  if (more) {
    return absl::DataLossError(absl::StrFormat("%s: %s: more than one row", path_, sql));
  }
  return text;
}

absl::StatusOr<std::uint64_t> Connection::QueryInteger(std::string_view sql) const {
  LOCKSTEP_ASSIGN_OR_RETURN(Statement statement, Prepare(sql));
  LOCKSTEP_ASSIGN_OR_RETURN(const bool row, statement.Step());
  if (!row) {
    return absl::DataLossError(absl::StrFormat("%s: %s: no row", path_, sql));
  }
  const std::uint64_t value = statement.Integer(0);
  LOCKSTEP_ASSIGN_OR_RETURN(const bool more, statement.Step());
  if (more) {
    return absl::DataLossError(absl::StrFormat("%s: %s: more than one row", path_, sql));
  }
  return value;
}

absl::Status Connection::SetPragma(const std::string& name, const std::string& value,
                                   const std::string& expected) const {
  LOCKSTEP_ASSIGN_OR_RETURN(Statement set, Prepare("PRAGMA " + name + "=" + value));
  LOCKSTEP_ASSIGN_OR_RETURN(const bool answers, set.Step());
  std::string answer;
  if (answers) {
    answer = set.Text(0);  // some say what they have left it at
    set.Reset();
  } else {
    LOCKSTEP_ASSIGN_OR_RETURN(answer, QueryText("PRAGMA " + name));
  }
  if (answer != expected) {
    return absl::InternalError(absl::StrFormat("%s: PRAGMA %s=%s left it at '%s', not '%s'", path_,
                                               name, value, answer, expected));
  }
  return absl::OkStatus();
}

absl::Status Connection::SetKeepWalOnClose(bool keep) const {
  int now = -1;
  const int code =
      sqlite3_db_config(database_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep ? 1 : 0, &now);
  if (code != SQLITE_OK || now != (keep ? 1 : 0)) {
    return Error(code, "SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::pair<int, int>> Connection::Checkpoint(int mode) const {
  int in_wal = -1;
  int moved = -1;
  const int code = sqlite3_wal_checkpoint_v2(database_, "main", mode, &in_wal, &moved);
  if (code != SQLITE_OK) {
    return Error(code, "moving the write-ahead log into the file");
  }
  return std::pair(in_wal, moved);
}

absl::Status Connection::CheckpointWal() {
  LOCKSTEP_ASSIGN_OR_RETURN(const auto pages, Checkpoint(SQLITE_CHECKPOINT_PASSIVE));
  wal_pages_ = pages.first - pages.second;
  return absl::OkStatus();
}

absl::Status Connection::EmptyWal(std::optional<std::uint64_t> frames) const {
  LOCKSTEP_ASSIGN_OR_RETURN(const auto found, Checkpoint(SQLITE_CHECKPOINT_PASSIVE));
  const auto read = static_cast<std::uint64_t>(std::max(found.first, 0));
  if (frames.has_value() && read != *frames) {
    return absl::DataLossError(absl::StrFormat(
        "%s-wal: SQLite has read %d frames of %d: a read went wrong", path_, read, *frames));
  }
  LOCKSTEP_RETURN_IF_ERROR(Checkpoint(SQLITE_CHECKPOINT_TRUNCATE).status());
  return SyncWal();
}

// SQLite leaves it to chance when the truncation becomes durable: replaying the same log again does
// no harm. It does if a sync of its last frames had failed, which another process then took for
// good, since it could read them: without them the log, replayed, takes the database back in time.
absl::Status Connection::SyncWal() const {
  sqlite3_file* wal = nullptr;
  int code = sqlite3_file_control(database_, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal);
  if (code == SQLITE_OK && wal != nullptr && wal->pMethods != nullptr) {
    code = wal->pMethods->xSync(wal, SQLITE_SYNC_NORMAL);
  }
  return code == SQLITE_OK ? absl::OkStatus() : Error(code, "syncing the write-ahead log");
}

void Connection::CountWalPages() {
  sqlite3_wal_hook(
      database_,
      [](void* connection, sqlite3*, const char*, int pages) {
        static_cast<Connection*>(connection)->wal_pages_ = pages;
        return SQLITE_OK;
      },
      this);
}

std::uint64_t Connection::size_bytes() const {
  std::uint64_t total = 0;
  for (const int which : {SQLITE_FCNTL_FILE_POINTER, SQLITE_FCNTL_JOURNAL_POINTER}) {
    sqlite3_file* file = nullptr;
    sqlite3_int64 bytes = 0;
    if (sqlite3_file_control(database_, "main", which, &file) == SQLITE_OK && file != nullptr &&
        file->pMethods != nullptr && file->pMethods->xFileSize(file, &bytes) == SQLITE_OK) {
      total += static_cast<std::uint64_t>(bytes);
    }
  }
  return total;
}

bool Connection::in_transaction() const { return sqlite3_get_autocommit(database_) == 0; }

std::uint64_t Connection::rows_changed() const {
  return static_cast<std::uint64_t>(sqlite3_changes64(database_));
}

absl::Status Connection::Error(int code, std::string_view doing) const {
  return MakeError(database_, code, path_, doing);
}

TransactionStatements::TransactionStatements(const Connection& database)
    : connection(&database),
      begin(database.Declare("BEGIN IMMEDIATE")),
      commit(database.Declare("COMMIT")) {}

absl::StatusOr<Transaction> Transaction::Begin(TransactionStatements* statements) {
  LOCKSTEP_RETURN_IF_ERROR(statements->begin.Run());
  return Transaction(statements);
}

Transaction::Transaction(Transaction&& other) noexcept
    : statements_(std::exchange(other.statements_, nullptr)) {}

Transaction::~Transaction() {
  // SQLite has rolled back by itself after some errors.
  if (statements_ != nullptr && statements_->connection->in_transaction()) {
    static_cast<void>(statements_->connection->Execute("ROLLBACK"));
  }
}

absl::Status Transaction::Commit() {
  LOCKSTEP_RETURN_IF_ERROR(statements_->commit.Run());
  statements_ = nullptr;
  return absl::OkStatus();
}

}  // namespace lockstep::storage
