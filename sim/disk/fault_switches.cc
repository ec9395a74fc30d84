#include "sim/disk/fault_switches.h"

#include "core/assert.h"

namespace lockstep::sim {

void FaultSwitches::Arm(DiskFault fault) {
  CORE_ASSERT(fault.nth > 0);
  CORE_ASSERT(fault.error == IoResult::kIoError || fault.error == IoResult::kFull);
  faults_.push_back(fault);
  armed_ = true;
}

void FaultSwitches::CutPowerAt(std::uint64_t nth, OperationKinds kinds) {
  CORE_ASSERT(nth > 0);
  cut_in_ = nth;
  cut_kinds_ = kinds;
  armed_ = true;
}

void FaultSwitches::Disarm() {
  faults_.clear();
  cut_in_ = 0;
  armed_ = false;
}

FaultSwitches::Decision FaultSwitches::Next(OperationKind kind, std::uint64_t bytes) {
  Decision decision;
  for (DiskFault& fault : faults_) {
    if (!fault.kinds.Contains(kind) || fault.nth == 0 || fault.bytes.value_or(bytes) != bytes) {
      continue;  // not of its kind, or spent
    }
    if (fault.nth > 1) {
      --fault.nth;
      continue;
    }
    fault.nth = fault.for_ever ? 1 : 0;
    if (fault.wrong_bit.has_value()) {
      decision.wrong_bit = fault.wrong_bit;
    } else {
      decision.verdict = Verdict::kFail;
      decision.error = fault.error;
    }
  }
  if (cut_in_ > 0 && cut_kinds_.Contains(kind)) {
    --cut_in_;
    if (cut_in_ == 0) {
      decision = {Verdict::kPowerCut, IoResult::kIoError, std::nullopt};
    }
  }
  return decision;
}

}  // namespace lockstep::sim
