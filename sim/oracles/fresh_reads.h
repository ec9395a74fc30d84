// A read shows everything that was committed, by whomever, before its node was asked (Raft §6.4).
// Clients can only tell if they happen to look at a key that has changed.

#ifndef LOCKSTEP_SIM_ORACLES_FRESH_READS_H_
#define LOCKSTEP_SIM_ORACLES_FRESH_READS_H_

#include <map>

#include "core/types.h"

namespace lockstep::sim {

// Of one node.
class FreshReads {
 public:
  // The process is gone, and what it was asked with it.
  void Stopped() { asked_.clear(); }

  // The node is asked to read when everything up to `committed` is.
  void Asked(RequestId read, Index committed) { asked_.insert_or_assign(read, committed); }

  // It does not serve the request, if that was a read.
  void Refused(RequestId request) { asked_.erase(request); }

  // It has answered from data of index `applied`. Throws Violation if that is too old.
  void Served(NodeId node, RequestId read, Index applied);

 private:
  std::map<RequestId, Index> asked_;
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_ORACLES_FRESH_READS_H_
