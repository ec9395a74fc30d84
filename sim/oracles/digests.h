// Replicas that have applied the same entries hold the same state: equal digests at equal applied
// index, over everything that any replica ever was.

#ifndef LOCKSTEP_SIM_ORACLES_DIGESTS_H_
#define LOCKSTEP_SIM_ORACLES_DIGESTS_H_

#include <optional>
#include <vector>

#include "core/kv/types.h"
#include "core/types.h"

namespace lockstep::sim {

class Digests {
 public:
  // `node` has this state now. Throws Violation if some node had another one at the same index.
  void Applied(NodeId node, const kv::Summary& summary);

 private:
  struct Seen {
    NodeId node;  // the first
    kv::Summary summary;
  };
  std::vector<std::optional<Seen>> seen_;  // by applied index
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_ORACLES_DIGESTS_H_
