// Nobody waits for what has happened: a write whose entry, or another at its index, the node has
// applied by now is answered, be it that its fate is unknown.

#ifndef LOCKSTEP_SIM_ORACLES_WAITING_H_
#define LOCKSTEP_SIM_ORACLES_WAITING_H_

#include <map>
#include <set>
#include <utility>

#include "core/types.h"

namespace lockstep::sim {

// Of one node.
class Waiting {
 public:
  // The process is gone, and who waited with it.
  void Stopped();

  // The node has appended an entry at `index` for the request.
  void Appended(RequestId request, Index index);

  // It has answered a request, of whatever kind.
  void Answered(RequestId request);

  // It is done with an input, and has applied everything up to `applied`. Throws Violation if
  // somebody still waits for that.
  void Rested(NodeId node, Index applied) const;

 private:
  std::set<std::pair<Index, RequestId>> by_index_;
  std::map<RequestId, Index> index_;
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_ORACLES_WAITING_H_
