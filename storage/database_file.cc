#include "storage/database_file.h"

#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "core/assert.h"
#include "storage/checksum.h"
#include "storage/raw_file.h"
#include "storage/status.h"
#include "storage/wal_check.h"

namespace lockstep::storage {
namespace {

const char kIdentityTable[] =
    "CREATE TABLE identity(one INTEGER PRIMARY KEY, cluster INTEGER NOT NULL, node INTEGER NOT "
    "NULL, incarnation INTEGER NOT NULL, made INTEGER NOT NULL, checksum INTEGER NOT NULL)";

// Also of what the file's header says it is: it vouches for a header that is damaged.
std::uint64_t ChecksumOf(const Format& format, const Identity& identity, Incarnation incarnation,
                         bool made) {
  return Checksum(RowKind::kIdentity)
      .Add(format.application_id)
      .Add(format.version)
      .Add(identity.cluster.value)
      .Add(identity.node.value)
      .Add(incarnation.value)
      .Add(std::uint64_t{made})
      .value();
}

// The 32-bit number at `offset`, most significant byte first, as SQLite writes all of its own.
std::uint64_t BigEndian32(const std::string& bytes, std::size_t offset) {
  std::uint64_t number = 0;
  for (std::size_t i = offset; i < offset + 4; ++i) {
    number = number << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return number;
}

// SQLite rolls a journal back the moment it first reads the database. Ours can only be that of the
// very first page (INVARIANT 1), whose rollback leaves an empty file.
absl::Status CheckJournal(const std::string& path, const RawFile& journal,
                          std::uint64_t database_bytes) {
  constexpr std::size_t kPagesBeforeOffset = 16;  // sqlite.org/fileformat2.html#rollback_journal
  std::string head;
  LOCKSTEP_RETURN_IF_ERROR(journal.Read(0, kPagesBeforeOffset + 4, &head));
  if (head.empty() || head.front() == '\0') {
    return absl::OkStatus();  // SQLite takes it for no journal
  }
  if (head.size() < kPagesBeforeOffset + 4 || BigEndian32(head, kPagesBeforeOffset) != 0 ||
      database_bytes > kPageBytesMax) {
    return absl::FailedPreconditionError(
        absl::StrFormat("%s-journal: a rollback journal, which this program does not leave: "
                        "another program's database, or changed by one",
                        path));
  }
  return absl::OkStatus();
}

// SQLite's words for a header that it cannot use are those for another program's file. In ours some
// bytes are always the same: if nearly all are, and the numbers that say whose file it is are ours,
// then the others are damaged (sqlite.org/fileformat2.html#the_database_header).
absl::Status CheckHeader(const std::string& path, const std::string& vfs, const Format& format) {
  constexpr std::size_t kHeaderBytes = 100;
  constexpr std::size_t kVersionOffset = 60;
  constexpr std::size_t kApplicationIdOffset = 68;
  constexpr std::size_t kDamagedBytesMax = 4;
  struct Constant {
    std::size_t offset;
    std::string_view bytes;
  };
  using namespace std::string_view_literals;
  static constexpr Constant kConstants[] = {
      {0, "SQLite format 3\0"sv},
      {18, "\x02\x02"sv},          // WAL mode
      {20, "\x00\x40\x20\x20"sv},  // no reserved bytes, and fixed fractions
      {44, "\0\0\0\x04"sv},        // schema format
      {52, "\0\0\0\0"sv},          // no auto-vacuum
      {56, "\0\0\0\x01"sv},        // UTF-8
      {64, "\0\0\0\0"sv},          // no incremental vacuum
      {72, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"sv},
  };
  LOCKSTEP_ASSIGN_OR_RETURN(const auto database,
                            RawFile::Open(path, vfs, RawFile::Kind::kDatabase));
  std::string header;
  if (database.has_value()) {
    LOCKSTEP_RETURN_IF_ERROR(database->Read(0, kHeaderBytes, &header));
  }
  if (header.size() < kHeaderBytes ||
      BigEndian32(header, kApplicationIdOffset) != format.application_id ||
      BigEndian32(header, kVersionOffset) != format.version) {
    return absl::OkStatus();  // told by CheckFormat()
  }
  std::size_t damaged = 0;
  std::size_t first = 0;
  for (const Constant& constant : kConstants) {
    for (std::size_t i = 0; i < constant.bytes.size(); ++i) {
      if (header[constant.offset + i] != constant.bytes[i]) {
        first = damaged == 0 ? constant.offset + i : first;
        ++damaged;
      }
    }
  }
  if (!IsPageSize(BigEndian32(header, 14) & 0xffff)) {
    first = damaged == 0 ? 16 : first;
    ++damaged;
  }
  if (damaged == 0 || damaged > kDamagedBytesMax) {
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrFormat("%s: the header is damaged at byte %d", path, first));
}

// What lies beside the file, seen before SQLite does.
absl::Status CheckSurroundings(const std::string& path, const std::string& vfs, bool* wal_exists) {
  LOCKSTEP_ASSIGN_OR_RETURN(const auto database,
                            RawFile::Open(path, vfs, RawFile::Kind::kDatabase));
  LOCKSTEP_ASSIGN_OR_RETURN(const auto wal, RawFile::Open(path + "-wal", vfs, RawFile::Kind::kWal));
  LOCKSTEP_ASSIGN_OR_RETURN(const auto journal,
                            RawFile::Open(path + "-journal", vfs, RawFile::Kind::kJournal));
  const std::uint64_t database_bytes = database.has_value() ? database->size_bytes() : 0;
  const std::uint64_t wal_bytes = wal.has_value() ? wal->size_bytes() : 0;
  *wal_exists = wal.has_value();
  if (database_bytes == 0 && wal_bytes > 0) {
    return absl::DataLossError(
        absl::StrFormat("%s: missing or empty, while its write-ahead log %s-wal holds %d bytes",
                        path, path, wal_bytes));
  }
  if (journal.has_value()) {
    return CheckJournal(path, *journal, database_bytes);
  }
  return absl::OkStatus();
}

// Nobody else writes to it: the lock is held.
absl::StatusOr<std::uint64_t> CheckWalFile(const std::string& path, const std::string& vfs) {
  const std::string wal_path = path + "-wal";
  LOCKSTEP_ASSIGN_OR_RETURN(const auto wal, RawFile::Open(wal_path, vfs, RawFile::Kind::kWal));
  return wal.has_value() ? CheckWal(wal_path, *wal) : absl::StatusOr<std::uint64_t>(0);
}

// Whether there is a row of `identity` that only a file of this format has. Anything else, errors
// among it, is none.
bool HasIdentityOf(const Connection& connection, const Format& format) {
  absl::StatusOr<Statement> statement = connection.Prepare(
      "SELECT cluster, node, incarnation, made, checksum FROM identity WHERE one = 1");
  if (!statement.ok()) {
    return false;
  }
  const absl::StatusOr<bool> row = statement->Step();
  return row.ok() && *row &&
         statement->Integer(4) == ChecksumOf(format,
                                             {{statement->Integer(0)}, {statement->Integer(1)}},
                                             {statement->Integer(2)}, statement->Integer(3) == 1);
}

absl::Status CheckFormat(const Connection& connection, const Format& format) {
  const auto damaged = [&](const char* what, std::uint64_t found) {
    return absl::DataLossError(
        absl::StrFormat("%s: the header is damaged: %s %#x", connection.path(), what, found));
  };
  LOCKSTEP_ASSIGN_OR_RETURN(const std::uint64_t application_id,
                            connection.QueryInteger("PRAGMA application_id"));
  if (application_id != format.application_id) {
    if (HasIdentityOf(connection, format)) {
      return damaged("application id", application_id);
    }
    return absl::FailedPreconditionError(
        absl::StrFormat("%s: not a %s: its application id is %#x instead of %#x", connection.path(),
                        format.name, application_id, format.application_id));
  }
  LOCKSTEP_ASSIGN_OR_RETURN(const std::uint64_t version,
                            connection.QueryInteger("PRAGMA user_version"));
  if (version != format.version && HasIdentityOf(connection, format)) {
    return damaged("format", version);
  }
  if (version > format.version) {
    return absl::FailedPreconditionError(
        absl::StrFormat("%s: format %d is newer than %d, the newest this program knows",
                        connection.path(), version, format.version));
  }
  if (version == 0) {
    return absl::DataLossError(
        absl::StrFormat("%s: there is no format %d", connection.path(), version));
  }
  if (version < format.version) {
    return absl::FailedPreconditionError(
        absl::StrFormat("%s: format %d is older than %d, the only one this program reads",
                        connection.path(), version, format.version));
  }
  return CheckWalMode(connection);
}

absl::Status CheckSchema(const Connection& connection, const Format& format) {
  std::vector<Format::Table> expected = {{"identity", kIdentityTable}};
  expected.insert(expected.end(), format.tables.begin(), format.tables.end());

  LOCKSTEP_ASSIGN_OR_RETURN(
      Statement statement,
      connection.Prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY rowid"));
  std::size_t seen = 0;
  while (true) {
    LOCKSTEP_ASSIGN_OR_RETURN(const bool row, statement.Step());
    if (!row) {
      break;
    }
    if (seen == expected.size() || statement.Text(0) != "table" ||
        statement.Text(1) != expected[seen].name || statement.Text(2) != expected[seen].name ||
        statement.Text(3) != expected[seen].sql) {
      return absl::DataLossError(
          absl::StrFormat("%s: table sqlite_schema, row %d: not the schema "
                          "of format %d",
                          connection.path(), seen + 1, format.version));
    }
    ++seen;
  }
  if (seen != expected.size()) {
    return absl::DataLossError(absl::StrFormat("%s: table sqlite_schema: %d of %d tables",
                                               connection.path(), seen, expected.size()));
  }
  return absl::OkStatus();
}

// Finds what the rows' checksums cannot: rows that the tree no longer leads to, pages in use twice.
absl::Status CheckTree(const Connection& connection) {
  LOCKSTEP_ASSIGN_OR_RETURN(const std::string answer,
                            connection.QueryText("PRAGMA quick_check(1)"));
  if (answer != "ok") {
    return absl::DataLossError(absl::StrFormat("%s: damaged: %s", connection.path(), answer));
  }
  return absl::OkStatus();
}

absl::Status CheckIdentity(const Connection& connection, const Format& format,
                           const Identity& identity, DatabaseFile* file) {
  LOCKSTEP_ASSIGN_OR_RETURN(
      Statement statement,
      connection.Prepare("SELECT one, cluster, node, incarnation, made, checksum FROM identity"));
  LOCKSTEP_ASSIGN_OR_RETURN(const bool row, statement.Step());
  if (!row) {
    return absl::DataLossError(
        absl::StrFormat("%s: table identity: its row is missing", connection.path()));
  }
  const Identity stored = {{statement.Integer(1)}, {statement.Integer(2)}};
  file->incarnation = {statement.Integer(3)};
  file->made = statement.Integer(4) == 1;
  if (statement.Integer(0) != 1 || statement.Integer(4) > 1 ||
      statement.Integer(5) != ChecksumOf(format, stored, file->incarnation, file->made)) {
    return absl::DataLossError(
        absl::StrFormat("%s: table identity, row 1: wrong checksum", connection.path()));
  }
  LOCKSTEP_ASSIGN_OR_RETURN(const bool more, statement.Step());
  if (more) {
    return absl::DataLossError(
        absl::StrFormat("%s: table identity: more than one row", connection.path()));
  }
  if (stored != identity) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "%s: belongs to %s, not to %s", connection.path(), ToText(stored), ToText(identity)));
  }
  return absl::OkStatus();
}

// Whether it is a database without content (INVARIANT 2), be it by SQLite's first page or none.
absl::StatusOr<bool> IsEmpty(const Connection& connection) {
  for (const char* number :
       {"PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_schema"}) {
    LOCKSTEP_ASSIGN_OR_RETURN(const std::uint64_t value, connection.QueryInteger(number));
    if (value != 0) {
      return false;
    }
  }
  LOCKSTEP_ASSIGN_OR_RETURN(const std::uint64_t pages,
                            connection.QueryInteger("PRAGMA page_count"));
  return pages <= 1;
}

// Makes an empty file one in WAL mode; it stays one without content.
absl::Status SwitchToWal(const Connection& connection) {
  // The pragma answers with the mode that it has left the file in, whatever that is.
  LOCKSTEP_ASSIGN_OR_RETURN(const std::string mode,
                            connection.QueryText("PRAGMA journal_mode=WAL"));
  if (mode != "wal") {
    return absl::InternalError(
        absl::StrFormat("%s: SQLite stays in journal mode '%s'", connection.path(), mode));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<bool> HasContent(const std::string& path, const std::string& vfs) {
  LOCKSTEP_ASSIGN_OR_RETURN(const auto file, RawFile::Open(path, vfs, RawFile::Kind::kDatabase));
  return file.has_value() && file->size_bytes() > 0;
}

absl::Status SetDurable(const Connection& connection) {
  LOCKSTEP_RETURN_IF_ERROR(connection.SetPragma("synchronous", "FULL", "2"));
  // Overwriting what is deleted would write every page that compaction frees.
  return connection.SetPragma("secure_delete", "OFF", "0");
}

absl::Status CheckWalMode(const Connection& connection) {
  LOCKSTEP_ASSIGN_OR_RETURN(const std::string mode, connection.QueryText("PRAGMA journal_mode"));
  if (mode != "wal") {
    return absl::DataLossError(
        absl::StrFormat("%s: journal mode is '%s', but this program has set "
                        "'wal'",
                        connection.path(), mode));
  }
  return absl::OkStatus();
}

namespace {

absl::StatusOr<DatabaseFile> TryOpenLocked(const std::string& path, const std::string& vfs,
                                           const Format& format, const Identity& identity,
                                           std::uint64_t page_bytes) {
  CORE_ASSERT(IsPageSize(page_bytes));
  bool wal_exists = false;
  LOCKSTEP_RETURN_IF_ERROR(CheckSurroundings(path, vfs, &wal_exists));

  DatabaseFile file;
  LOCKSTEP_ASSIGN_OR_RETURN(file.connection,
                            Connection::Open(path, vfs, Connection::Mode::kCreate));
  const Connection& connection = *file.connection;
  // Closing moves a write-ahead log into the file. One that SQLite makes only to read is empty, and
  // closing takes it away again.
  LOCKSTEP_RETURN_IF_ERROR(connection.SetKeepWalOnClose(wal_exists));
  // Before the first statement that reads: SQLite then keeps the WAL's index in its own memory, and
  // the lock until it closes.
  LOCKSTEP_RETURN_IF_ERROR(connection.SetPragma("locking_mode", "EXCLUSIVE", "exclusive"));
  LOCKSTEP_RETURN_IF_ERROR(connection.SetPragma("cell_size_check", "ON", "1"));
  LOCKSTEP_RETURN_IF_ERROR(SetDurable(connection));

  LOCKSTEP_ASSIGN_OR_RETURN(bool empty, IsEmpty(connection));
  if (empty) {
    // Means nothing to a file that has its first page.
    LOCKSTEP_RETURN_IF_ERROR(
        connection.Execute(absl::StrFormat("PRAGMA page_size=%d", page_bytes)));
    // A file that is not in WAL mode is only locked by writing to it. Another process may have
    // filled it before the lock was ours.
    LOCKSTEP_RETURN_IF_ERROR(SwitchToWal(connection));
    LOCKSTEP_ASSIGN_OR_RETURN(empty, IsEmpty(connection));
  }
  if (!empty) {
    LOCKSTEP_RETURN_IF_ERROR(CheckFormat(connection, format));
  }
  LOCKSTEP_ASSIGN_OR_RETURN(file.wal_frames, CheckWalFile(path, vfs));
  if (empty) {
    file.is_new = true;
    return file;
  }
  LOCKSTEP_RETURN_IF_ERROR(CheckSchema(connection, format));
  LOCKSTEP_RETURN_IF_ERROR(CheckIdentity(connection, format, identity, &file));
  LOCKSTEP_RETURN_IF_ERROR(CheckTree(connection));
  return file;
}

}  // namespace

absl::StatusOr<DatabaseFile> OpenLocked(const std::string& path, const std::string& vfs,
                                        const Format& format, const Identity& identity,
                                        std::uint64_t page_bytes) {
  absl::StatusOr<DatabaseFile> file = TryOpenLocked(path, vfs, format, identity, page_bytes);
  if (absl::IsFailedPrecondition(file.status()) || absl::IsPermissionDenied(file.status()) ||
      absl::IsInternal(file.status())) {
    if (absl::Status status = CheckHeader(path, vfs, format); absl::IsDataLoss(status)) {
      return status;
    }
  }
  return file;
}

absl::Status CreateTables(const Connection& connection, const Format& format,
                          const Identity& identity, Incarnation incarnation, bool made) {
  LOCKSTEP_RETURN_IF_ERROR(
      connection.Execute(absl::StrFormat("PRAGMA application_id=%d", format.application_id)));
  LOCKSTEP_RETURN_IF_ERROR(
      connection.Execute(absl::StrFormat("PRAGMA user_version=%d", format.version)));
  LOCKSTEP_RETURN_IF_ERROR(connection.Execute(kIdentityTable));
  for (const Format::Table& table : format.tables) {
    LOCKSTEP_RETURN_IF_ERROR(connection.Execute(table.sql));
  }
  LOCKSTEP_ASSIGN_OR_RETURN(
      Statement insert,
      connection.Prepare("INSERT INTO identity(one, cluster, node, incarnation, made, checksum) "
                         "VALUES(1, ?, ?, ?, ?, ?)"));
  insert.Bind(1, identity.cluster.value);
  insert.Bind(2, identity.node.value);
  insert.Bind(3, incarnation.value);
  insert.Bind(4, made);
  insert.Bind(5, ChecksumOf(format, identity, incarnation, made));
  return insert.Run();
}

absl::Status SetMade(const Connection& connection, const Format& format, const Identity& identity,
                     Incarnation incarnation) {
  LOCKSTEP_ASSIGN_OR_RETURN(Statement update,
                            connection.Prepare("UPDATE identity SET made = 1, checksum = ?"));
  update.Bind(1, ChecksumOf(format, identity, incarnation, true));
  return update.Run();
}

}  // namespace lockstep::storage
