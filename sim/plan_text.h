// Plans as text that people can read, edit and commit.
//
// LAYOUT  (version 1)
//   lockstep-plan 1
//   seed 17
//   set election_timeout_us 300000                  every setting, one a line; missing: its default
//   clock node=1 offset=12.500000 drift_ppm=-30     missing: a perfect clock
//   at 1.250000 crash node=leader for=0.400000      faults
//   at 2.000000 partition group=1,3 for=5.000000
//   op 0.013000 client=0 put keys=4                 operations
// Times are seconds with up to six decimals. A line that begins with # is a remark; empty lines
// mean nothing. Fault and operation lines may come in any order.

#ifndef LOCKSTEP_SIM_PLAN_TEXT_H_
#define LOCKSTEP_SIM_PLAN_TEXT_H_

#include <optional>
#include <string>
#include <string_view>

#include "sim/plan.h"

namespace lockstep::sim {

// The text from which ReadPlan() makes an equal plan. REQUIRES: Validate(plan) is empty, and its
// faults and operations are in order of time.
std::string WritePlan(const Plan& plan);

// The plan that `text` describes, valid and in order of time. Nullopt if it describes none, with
// `error` naming the line and what is wrong with it.
std::optional<Plan> ReadPlan(std::string_view text, std::string* error);

// One line each, as in a plan.
std::string Describe(const Fault& fault);
std::string Describe(const PlannedOperation& operation);

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_PLAN_TEXT_H_
