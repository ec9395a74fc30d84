// Leader Completeness (Raft §3.6): what is committed is in the log of every later leader. And the
// commit rule (§3.6.2): a leader decides only by counting copies of an entry of its own term, and
// only when a majority of disks holds it.

#ifndef LOCKSTEP_SIM_ORACLES_LEADER_COMPLETENESS_H_
#define LOCKSTEP_SIM_ORACLES_LEADER_COMPLETENESS_H_

#include <vector>

#include "core/raft/membership.h"
#include "core/types.h"
#include "sim/log_shadow.h"
#include "sim/oracles/canonical_log.h"

namespace lockstep::sim {

// `node` was just elected with `log`. Throws Violation unless that holds all that was committed in
// `term` and the terms before it.
void CheckLeaderIsComplete(NodeId node, Term term, const LogShadow& log,
                           const CanonicalLog& canonical);

// `node` has just been the first to commit everything in (before, canonical.last_index()].
// `membership` is the one that it counts by, `durable` the logs on all disks, by id, also of nodes
// that are down. Throws Violation if the node does not lead `term`, if the last entry is not of
// that term, or if any entry is not on a majority of the disks.
void CheckCommitIsOnAQuorum(NodeId node, bool leads, Term term, Index before,
                            const CanonicalLog& canonical, const raft::Membership& membership,
                            const std::vector<const LogShadow*>& durable);

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_ORACLES_LEADER_COMPLETENESS_H_
