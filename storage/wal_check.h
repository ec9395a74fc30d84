// Damage in a write-ahead log, which SQLite takes for the end of it.
//
// A WAL is a header and frames; a frame holds a page and a checksum over everything before it, and
// the last frame of a transaction says so (sqlite.org/fileformat2.html#walformat). SQLite reads up
// to the first frame whose checksum is wrong: it must take that for a transaction that was being
// written when the power went. If it is bit rot instead, all transactions from there on, long
// acknowledged, are silently gone; a node would have forgotten votes and entries.
//
// The two can be told apart when every transaction is synced before the next one begins, and all
// frames were written by one process (storage/database_file.h, INVARIANT 3): a broken frame that
// belongs to the transaction under way when the power went has nothing after that transaction's
// end. If there is more, the broken frame was durable once.
//
// LIMIT  Damage in the last transaction of a WAL cannot be told from one that was never finished;
// nor can damage in the one before it that turns its commit mark to 0, or (in one frame of 64,
// whose header lies across two sectors) hits its mark or salts.

#ifndef LOCKSTEP_STORAGE_WAL_CHECK_H_
#define LOCKSTEP_STORAGE_WAL_CHECK_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "storage/raw_file.h"

namespace lockstep::storage {

// The number of frames up to the end of the last transaction. DataLoss if `wal` must have been
// damaged after it was synced. `path` names it in errors.
absl::StatusOr<std::uint64_t> CheckWal(const std::string& path, const RawFile& wal);

}  // namespace lockstep::storage

#endif  // LOCKSTEP_STORAGE_WAL_CHECK_H_
