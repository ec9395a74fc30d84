#include "sim/oracles/patience.h"

#include <string>

#include "sim/violation.h"

namespace lockstep::sim {

void Patience::Started() {
  now_ = {};
  latest_ = {};
  heard_.reset();
}

void Patience::Campaigns() const {
  if (heard_.has_value() && latest_ < heard_->now + election_timeout_) {
    throw Violation("nobody campaigns too early",
                    "node " + std::to_string(node_.value) + " campaigns " +
                        std::to_string((latest_ - heard_->now).ns / 1000) +
                        " us of its clock after it heard from a leader or voted, and not " +
                        std::to_string(election_timeout_.ns / 1000));
  }
}

void Patience::Asked(Term asked, Term current, bool transfer) const {
  const bool hears = heard_.has_value() && now_ < heard_->latest + election_timeout_;
  if ((!hears || transfer) && current < asked) {
    throw Violation("candidates are heard",
                    "node " + std::to_string(node_.value) +
                        (transfer ? " ignores whom a leader wants to lead, and is in term "
                                  : " hears from no leader and is in term ") +
                        std::to_string(current.value) + " after it was asked for a vote in term " +
                        std::to_string(asked.value));
  }
}

}  // namespace lockstep::sim
