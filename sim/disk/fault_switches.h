// The switches that make a simulated disk fail: an error at the n-th operation from now, and a
// power cut at the n-th operation from now.

#ifndef LOCKSTEP_SIM_DISK_FAULT_SWITCHES_H_
#define LOCKSTEP_SIM_DISK_FAULT_SWITCHES_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "sim/disk/operation.h"

namespace lockstep::sim {

// One error to come.
struct DiskFault {
  OperationKinds kinds = OperationKinds::All();  // which operations it counts and strikes
  std::uint64_t nth = 1;                         // the n-th of them from now; 1 is the next
  IoResult error = IoResult::kIoError;           // kIoError or kFull
  bool for_ever = false;                         // strikes every later one of `kinds` too
  // If set, a read succeeds with one wrong bit instead: this one, counted around its bytes.
  std::optional<std::uint64_t> wrong_bit = std::nullopt;
  // If set, it counts and strikes only those that ask for so many bytes.
  std::optional<std::uint64_t> bytes = std::nullopt;
};

class FaultSwitches {
 public:
  // What becomes of an operation.
  enum class Verdict { kProceed, kFail, kPowerCut };
  struct Decision {
    Verdict verdict = Verdict::kProceed;
    IoResult error = IoResult::kOk;  // what the process is told if the verdict is not kProceed
    std::optional<std::uint64_t> wrong_bit;  // of a read that proceeds
  };

  // REQUIRES: fault.nth > 0, and fault.error is kIoError or kFull; only reads have a wrong bit.
  void Arm(DiskFault fault);

  // REQUIRES: nth > 0. Replaces an earlier power cut that has not come yet.
  void CutPowerAt(std::uint64_t nth, OperationKinds kinds);

  // Takes back everything that has not struck, and ends what strikes for ever.
  void Disarm();

  // False if every operation will proceed: nothing need be counted.
  bool armed() const { return armed_; }

  // Counts one operation, which asks for so many bytes. A power cut goes before an error.
  Decision Next(OperationKind kind, std::uint64_t bytes);

 private:
  std::vector<DiskFault> faults_;
  OperationKinds cut_kinds_ = {};
  std::uint64_t cut_in_ = 0;  // operations until the power cut, it included; 0 is "none"
  bool armed_ = false;
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_DISK_FAULT_SWITCHES_H_
