// Whom a decision needs, by the rules of joint consensus (Raft §4.3), counted without the core's
// own arithmetic: the oracles would believe its mistakes.

#ifndef LOCKSTEP_SIM_ORACLES_MAJORITIES_H_
#define LOCKSTEP_SIM_ORACLES_MAJORITIES_H_

#include <functional>
#include <string>

#include "core/raft/membership.h"

namespace lockstep::sim {

// Empty if `has` is true of more than half of the voters of each configuration in force: one, or
// two while one is left for another. Else what lacks: "1 of 3 voters".
std::string LacksMajority(const raft::Membership& membership,
                          const std::function<bool(NodeId)>& has);

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_ORACLES_MAJORITIES_H_
