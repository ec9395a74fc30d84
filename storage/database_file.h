// What log.db and state.db have in common: how a file of ours is told from others, is made, and is
// looked through before anything in it is changed.
//
// LAYOUT  (of both, beside their own tables)
//   application_id  says which of the two files it is; user_version: the version of its format
//   identity        one row
//     one             INTEGER  always 1
//     cluster, node   INTEGER  whose file it is
//     incarnation     INTEGER  of the node: equal in both of its files
//     made            INTEGER  0 while the node's first start is under way (NodeStore), then 1
//     checksum        INTEGER  of application_id, user_version and the others
//                              (storage/checksum.h), so that a damaged header is told from the file
//                              of another program or a newer format
// INVARIANTS
//   (1) The file is in WAL mode before anything is written to it: a rollback journal with pages in
//       it is never ours.
//   (2) The tables, the identity and the first rows are made in one transaction: a file without
//       tables holds nothing, and nothing is lost by making them again.
//   (3) The write-ahead log is emptied before the first write of a process, so that all of its
//       frames were written in order by one process.

#ifndef LOCKSTEP_STORAGE_DATABASE_FILE_H_
#define LOCKSTEP_STORAGE_DATABASE_FILE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/identity.h"
#include "storage/page_size.h"
#include "storage/sqlite.h"

namespace lockstep::storage {

// One of the two kinds of file.
struct Format {
  struct Table {
    std::string name;
    std::string sql;  // exactly as it is stored: CREATE TABLE name(...)
  };

  std::string name;  // for people: "Raft log"
  std::uint64_t application_id;
  std::uint64_t version;
  std::vector<Table> tables;  // all but `identity`, in the order of their making
};

// Whether the file is there and not empty.
absl::StatusOr<bool> HasContent(const std::string& path, const std::string& vfs);

// A file that is locked and looked through.
struct DatabaseFile {
  std::unique_ptr<Connection> connection;  // in exclusive locking mode, holding the lock
  bool is_new = false;                     // holds nothing yet: to be filled by CreateTables()
  bool made = false;                       // of the identity row
  Incarnation incarnation;                 // of it
  std::uint64_t wal_frames = 0;            // of whole transactions in the write-ahead log
};

// Opens the file, creating one without content if there is none, which will have pages of
// `page_bytes`, and locks it against every other
// connection until the connection is closed. Checks that it is of this format, undamaged as a
// SQLite database, and the file of `identity`. Its rows are the caller's to check.
// Errors: those of storage/sqlite.h; FailedPrecondition for a file of another program, of a newer
// format, or of another identity; DataLoss for a damaged one, whatever bit of it that is;
// Unavailable for one in use.
// Neither an error nor closing the connection again has changed any byte of the database.
absl::StatusOr<DatabaseFile> OpenLocked(const std::string& path, const std::string& vfs,
                                        const Format& format, const Identity& identity,
                                        std::uint64_t page_bytes);

// Gives the file its tables and its identity in the open transaction.
absl::Status CreateTables(const Connection& connection, const Format& format,
                          const Identity& identity, Incarnation incarnation, bool made);

// Sets `made` in the open transaction.
absl::Status SetMade(const Connection& connection, const Format& format, const Identity& identity,
                     Incarnation incarnation);

// Settings of every connection that writes: all that is committed is synced. Checked.
absl::Status SetDurable(const Connection& connection);

// DataLoss unless the file is in WAL mode.
absl::Status CheckWalMode(const Connection& connection);

}  // namespace lockstep::storage

#endif  // LOCKSTEP_STORAGE_DATABASE_FILE_H_
