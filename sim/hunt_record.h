// All that a hunt has found out, as a value: reports are made from it, and written to a file it
// lets an interrupted hunt go on.

#ifndef LOCKSTEP_SIM_HUNT_RECORD_H_
#define LOCKSTEP_SIM_HUNT_RECORD_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/types.h"
#include "sim/run.h"

namespace lockstep::sim {

struct HuntFailure {
  std::uint64_t seed = 0;
  Failure failure;
  std::uint64_t events = 0;  // until then
  Duration work;             // of the processor
};

struct HuntRecord {
  // Another program or kind of run makes something else of the same seeds.
  std::string program;
  bool double_check = false;
  bool beyond = false;  // the fault model

  // Seeds from `first_seed` on, below `next_seed`, are done, except those under way.
  std::uint64_t first_seed = 1;
  std::uint64_t next_seed = 1;
  std::set<std::uint64_t> under_way;
  Duration took;  // real time, over all sessions

  std::uint64_t seeds = 0;  // done
  std::uint64_t events = 0;
  std::uint64_t messages = 0;
  std::uint64_t committed = 0;
  std::uint64_t terms_led = 0;
  Duration simulated;
  Duration work;
  ClientCounts operations;
  ProbeCounts probes;
  FaultCounts faults{};
  ActionCounts actions{};
  std::uint64_t excused = 0;          // runs that what a lying disk had lost has ended
  std::vector<HuntFailure> failures;  // in the order found

  // `seed`, which was under way, is done.
  void Count(std::uint64_t seed, const RunResult& result);

  // Probes that no seed has reached but a large hunt must.
  std::vector<Probe> NeverReached() const;
};

// Failures that look alike (CauseOf() in run_report.h), the one that is quickest to repeat first:
// with the fewest events, then the least work, then the lowest seed.
struct Cause {
  std::string text;
  std::vector<HuntFailure> failures;
};
// In the order of their first failures' events.
std::vector<Cause> GroupByCause(const std::vector<HuntFailure>& failures);

// The record as JSON, and back. Nullopt with `error` if `text` is no record.
std::string WriteRecord(const HuntRecord& record);
std::optional<HuntRecord> ReadRecord(std::string_view text, std::string* error);

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_HUNT_RECORD_H_
