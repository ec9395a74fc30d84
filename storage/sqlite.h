// SQLite behind types that cannot leak: a connection, a prepared statement, a transaction.
//
// ERRORS  Every failure names the file, what was being done, SQLite's text and its extended code:
//   DataLoss            SQLITE_CORRUPT: the file contradicts itself
//   FailedPrecondition  SQLITE_NOTADB: not a SQLite file; SQLITE_CANTOPEN: no such folder, ...
//   PermissionDenied    SQLITE_READONLY, _PERM, _AUTH
//   Unavailable         SQLITE_BUSY, _LOCKED: another connection or process has it
//   ResourceExhausted   SQLITE_FULL, _NOMEM, _TOOBIG
//   Internal            all else, I/O errors among them
//
// An object is used by one thread at a time. Nothing here reads a clock or sleeps: a lock that is
// taken is an error at once.

#ifndef LOCKSTEP_STORAGE_SQLITE_H_
#define LOCKSTEP_STORAGE_SQLITE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct sqlite3;
struct sqlite3_stmt;

namespace lockstep::storage {

class Connection;

// A statement, to be executed many times. Must not outlive its Connection.
class Statement {
 public:
  Statement() = default;  // to be assigned to before use
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) noexcept;
  ~Statement();

  // Parameters count from 1 and keep their values until they are bound anew. SQLite's integers are
  // signed: values above 2^63 - 1 come back whole, but compare as negative numbers inside SQL.
  // If a declared statement cannot be prepared, every execution of it reports that.
  void Bind(int parameter, std::uint64_t value);
  // `bytes` must stay where they are until the next Reset() or Run().
  void BindBlob(int parameter, std::string_view bytes);

  // Goes to the next row; false after the last one.
  absl::StatusOr<bool> Step();
  // Of the current row, counted from 0. A blob is valid until the next Step() or Reset().
  std::uint64_t Integer(int column) const;
  std::string_view Blob(int column) const;
  std::string Text(int column) const;
  // Ends the execution, so that the statement holds no lock and can be executed again.
  void Reset();

  // Executes a statement that returns no rows, and resets it.
  absl::Status Run();

 private:
  friend class Connection;
  Statement(const Connection* connection, std::string_view sql, sqlite3_stmt* statement);
  // Prepares it if that has not been done. False if it cannot be, now or when it was tried before:
  // what was bound then is not bound.
  bool Ready();
  absl::Status Error(int code) const;

  const Connection* connection_ = nullptr;
  std::string_view sql_;               // of a declared statement
  sqlite3_stmt* statement_ = nullptr;  // null before it is prepared
  absl::Status failure_;               // of preparing it
};

// One connection to one database file. Its address stays, so that statements can point to it.
class Connection {
 public:
  enum class Mode { kExisting, kCreate };

  // `vfs` names a registered SQLite VFS; empty for the default one. SQLite touches the file only
  // with the first statement.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const std::string& path,
                                                          const std::string& vfs, Mode mode);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  const std::string& path() const { return path_; }

  absl::StatusOr<Statement> Prepare(std::string_view sql) const;
  // A statement that is prepared when it is first used: preparing costs more than most executions,
  // and a process that ends soon needs few of those that it may need. `sql` is a literal.
  Statement Declare(std::string_view sql) const;
  // Executes one statement, whatever rows it returns.
  absl::Status Execute(std::string_view sql) const;
  // The first column of the only row that `sql` returns.
  absl::StatusOr<std::string> QueryText(std::string_view sql) const;
  absl::StatusOr<std::uint64_t> QueryInteger(std::string_view sql) const;
  // PRAGMA name=value, which SQLite may ignore without an error: looks at the setting afterwards.
  absl::Status SetPragma(const std::string& name, const std::string& value,
                         const std::string& expected) const;

  // Whether closing leaves the write-ahead log as it is, instead of moving it into the file.
  absl::Status SetKeepWalOnClose(bool keep) const;

  // Moves what it can of the write-ahead log into the file without waiting for anyone: what a
  // reader's view still needs stays for the next time.
  absl::Status CheckpointWal();
  // Moves all of it and empties the write-ahead log, durably, or fails. `frames` is how many the
  // log is known to hold, if it is known: DataLoss if SQLite has found another number, which a read
  // that went wrong at the wrong moment makes it take for the end of the log.
  absl::Status EmptyWal(std::optional<std::uint64_t> frames) const;
  // Takes the place of SQLite's own wal_autocheckpoint: from now on wal_pages() tells how many
  // pages the write-ahead log holds, repeated ones included, that were not moved into the file.
  void CountWalPages();
  int wal_pages() const { return wal_pages_; }

  // Of the file and its write-ahead log together.
  std::uint64_t size_bytes() const;

  bool in_transaction() const;
  // Rows that the last INSERT, UPDATE or DELETE changed.
  std::uint64_t rows_changed() const;

  // The error that the last call on this connection returned as `code`, in our terms.
  absl::Status Error(int code, std::string_view doing) const;

 private:
  Connection(std::string path, sqlite3* database);
  absl::StatusOr<std::pair<int, int>> Checkpoint(int mode) const;
  absl::Status SyncWal() const;

  std::string path_;
  sqlite3* database_ = nullptr;
  int wal_pages_ = 0;
};

// BEGIN IMMEDIATE and COMMIT, prepared once: parsing them would cost more than a small commit.
struct TransactionStatements {
  explicit TransactionStatements(const Connection& database);

  const Connection* connection = nullptr;
  Statement begin;
  Statement commit;
};

// A write transaction; rolled back if it is destroyed without a successful Commit().
class Transaction {
 public:
  // `statements` must outlive the transaction.
  static absl::StatusOr<Transaction> Begin(TransactionStatements* statements);
  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  // With synchronous=FULL: durable when it returns OK; of unknown fate when it does not.
  absl::Status Commit();

 private:
  explicit Transaction(TransactionStatements* statements) : statements_(statements) {}
  TransactionStatements* statements_;  // null once committed
};

}  // namespace lockstep::storage

#endif  // LOCKSTEP_STORAGE_SQLITE_H_
