// Histories in files: JSON lines, format op-history/1.
//
// LAYOUT
//   The first line is a header, every further line one operation, in the order of the calls.
//   header     format ("op-history/1"), name, model, initial (null: absent), ops (number of
//              operation lines), source; escape ("percent") only where needed, see below
//   operation  client, op, status ("ok", "fail", "unknown"), call, return (null if unknown), and
//     read                                     result: the value or null
//     write      value
//     get        key                           result: the value or null
//     put        key, value
//     append     key, value
//     delete     key                           result: true if the key was there
//     cas        key (not the register's), from, to         result: true or false
//     txn        args: ["r",k], ["w",k,v], ["append",k,v]   result: a list, one for each step
//     cond_txn   if: ["=",k,v], ["!=",k,v]; then, else: as args
//                                              result: {"branch":"then" or "else","results":[...]}
//     acquire, release
//   Results are there with "ok" only. A step's result is null for a write or append; for a read
//   the value, null, a list of strings, or "?" for no claim.
//
// Values and keys are bytes here and text in JSON. Where one of them is not UTF-8 (or a read
// returned the value "?" in a transaction, which would read as no claim), the header says
// "escape":"percent", and in every string of the operations the bytes '%', '?', 0x7f and those
// outside of ASCII are written as '%' and two hexadecimal digits. Escaped values are different if
// and only if the values are, and one begins with another if and only if the values do: so readers
// that know nothing of this come to the same verdict.

#ifndef LOCKSTEP_SIM_HISTORY_FILE_H_
#define LOCKSTEP_SIM_HISTORY_FILE_H_

#include <cstddef>
#include <iosfwd>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sim/history.h"

namespace lockstep::sim::history {

// What a reader accepts.
struct FileLimits {
  std::size_t line_bytes_max = std::size_t{16} << 20;
  std::size_t file_bytes_max = std::size_t{1} << 30;
  std::size_t operations_max = 2'000'000;
};

// Reads a history and validates it (ValidateHistory()). `name` stands for the file in errors.
// With a `model` the operations must be of that one, whatever the header says.
// NotFound or Unavailable if the file cannot be read; InvalidArgument, naming file and line, if it
// holds no history, or one larger than the limits.
absl::StatusOr<History> ReadHistory(std::istream& in, const std::string& name,
                                    std::optional<Model> model = std::nullopt,
                                    const FileLimits& limits = {});
absl::StatusOr<History> ReadHistoryFile(const std::string& path,
                                        std::optional<Model> model = std::nullopt,
                                        const FileLimits& limits = {});

// Writes what ReadHistory() reads as the same history. Equal histories give equal bytes.
// REQUIRES: the history is valid; its name and source are UTF-8.
void WriteHistory(const History& history, std::ostream& out);
// Replaces the file. InvalidArgument if the history is not valid or has a name or source that is
// not UTF-8, and then the file is not touched; Unavailable if it cannot be written.
absl::Status WriteHistoryFile(const History& history, const std::string& path);

}  // namespace lockstep::sim::history

#endif  // LOCKSTEP_SIM_HISTORY_FILE_H_
