// Linearizability of a history: is there an order of its operations, each at one instant between
// its call and its return, in which a plain sequential store gives the results that were seen?
//
// Wing and Gong's search ("Testing and Verifying Concurrent Objects", 1993) with Lowe's memory of
// configurations ("Testing for Linearizability", 2017): an operation is put into the order no
// earlier than some return demands it, and no configuration (which operations are done, and the
// state) is entered twice. Keys that no transaction connects are checked apart, which loses nothing
// (linearizability is local: Herlihy and Wing, 1990).
//
// Equal histories give equal reports, steps included. Nothing here keeps state between calls.

#ifndef LOCKSTEP_SIM_ORACLES_LINEARIZABILITY_H_
#define LOCKSTEP_SIM_ORACLES_LINEARIZABILITY_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "sim/history.h"

namespace lockstep::sim::history {

enum class Verdict : std::uint8_t {
  kLinearizable,
  kIllegal,
  kGaveUp,  // the search took more steps than it may; nothing illegal was found
};
const char* Name(Verdict verdict);

struct CheckOptions {
  // Bounds time and memory of one history. A step takes some tenths of a microsecond (a few
  // microseconds with a hundred operations under way at once) and leaves at most some hundred bytes
  // behind until the check ends. Explaining a violation comes on top: a search of at most a million
  // steps for each doubling of the number of operations.
  std::uint64_t steps_max = 10'000'000;
  bool explain = true;   // fill in CheckReport::violations, not only the verdict
  bool witness = false;  // fill in CheckReport::orders
};

// Why a history is not linearizable, for one group of connected keys. Operations are positions in
// History::operations.
struct Violation {
  std::vector<std::string> keys;  // in order; empty for the models without keys
  // The history had an order until this operation returned, and has none since: what is known at
  // its return (what had returned with its results, what was under way as unknown) fits none.
  std::size_t misplaced = 0;
  // An order of what was known just before that.
  std::vector<std::size_t> prefix;
  // Operations on the same keys that were under way together with `misplaced`.
  std::vector<std::size_t> concurrent;
  std::string text;  // all this for people, several lines
};

struct CheckReport {
  Verdict verdict = Verdict::kLinearizable;
  std::uint64_t steps = 0;
  std::size_t groups = 0;             // of connected keys
  std::vector<Violation> violations;  // in the order of the first operation on each group
  // If linearizable: one order for each group. Operations that make no claim, and unknown ones that
  // need not have taken effect, are left out.
  std::vector<std::vector<std::size_t>> orders;
};

// InvalidArgument if ValidateHistory() finds the history malformed.
absl::StatusOr<CheckReport> CheckLinearizability(const History& history,
                                                 const CheckOptions& options = {});

}  // namespace lockstep::sim::history

#endif  // LOCKSTEP_SIM_ORACLES_LINEARIZABILITY_H_
