// Plans made smaller or simpler, one step each. A step keeps what it does not mean to change, and
// does not look whether the plan can still be run: Validate() does.

#ifndef LOCKSTEP_SIM_PLAN_EDIT_H_
#define LOCKSTEP_SIM_PLAN_EDIT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "sim/plan.h"

namespace lockstep::sim {

// How much there is to understand in a plan.
struct PlanSize {
  std::size_t faults = 0;
  std::size_t operations = 0;
  std::int64_t nodes = 0;
  std::int64_t clients = 0;
  std::int64_t keys = 0;
  std::size_t settings = 0;  // that differ from the default, and clocks that are wrong

  friend bool operator==(const PlanSize&, const PlanSize&) = default;
};
PlanSize SizeOf(const Plan& plan);
std::string Describe(const PlanSize& size);

// The settings of which a plan can have its own and still be as simple: what it consists of.
bool IsShape(const SettingField& field);

// Without the faults or operations [first, first + count), cut short at the end of the list.
Plan WithoutFaults(const Plan& plan, std::size_t first, std::size_t count);
Plan WithoutOperations(const Plan& plan, std::size_t first, std::size_t count);

// Without what begins after `end`, which is when the faults end too.
Plan EndedAt(const Plan& plan, SimTime end);

// Without the stretch [from, to): what begins in it is dropped if `drop`, else begins at `from`;
// what begins after it does so earlier by its length.
Plan WithoutTime(const Plan& plan, SimTime from, SimTime to, bool drop);

// Without the nodes whose bits (id - 1) are set in `nodes`. Others are renumbered; faults that name
// a node which is gone, and cuts between a group and nobody, go too.
Plan WithoutNodes(const Plan& plan, std::uint64_t nodes);

// With operations of client `from` done by client `to`, which meets its faults too.
Plan WithClientMerged(const Plan& plan, std::uint64_t from, std::uint64_t to);
// With key `from` named `to` wherever it is used.
Plan WithKeyMerged(const Plan& plan, std::uint64_t from, std::uint64_t to);
// With clients or keys renumbered so that all of them are used, at least one each.
Plan WithClientsPacked(const Plan& plan);
Plan WithKeysPacked(const Plan& plan);

// What of settings and clocks differs from the default can be taken back, one by one: there are
// SizeOf(plan).settings of them. Takes back [first, first + count).
Plan WithDefaults(const Plan& plan, std::size_t first, std::size_t count);

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_PLAN_EDIT_H_
