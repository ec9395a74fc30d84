// What shrinking came to, in words, as a plan's text and as JSON.

#ifndef LOCKSTEP_SIM_SHRINK_REPORT_H_
#define LOCKSTEP_SIM_SHRINK_REPORT_H_

#include <string>

#include "sim/shrink.h"

namespace lockstep::sim {

// The plan's text with what it is about as remarks, and settings that have their default last.
// `origin` says what it was made from.
std::string DescribeShrunkPlan(const ShrinkResult& result, const std::string& origin);

// One line: sizes before and after, and what it took.
std::string Describe(const ShrinkResult& result);

// One JSON object: the failure, sizes before and after, seconds, runs and the plan.
std::string ToJson(const ShrinkResult& result);

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_SHRINK_REPORT_H_
