#include "sim/oracles/patience.h"

#include <string>

#include "sim/violation.h"

namespace lockstep::sim {

void Patience::Campaigns(Instant now) const {
  if (heard_.has_value() && now < *heard_ + election_timeout_) {
    throw Violation("nobody campaigns too early",
                    "node " + std::to_string(node_.value) + " campaigns " +
                        std::to_string((now - *heard_).ns / 1000) +
                        " us of its clock after it heard from a leader or voted, and not " +
                        std::to_string(election_timeout_.ns / 1000));
  }
}

}  // namespace lockstep::sim
