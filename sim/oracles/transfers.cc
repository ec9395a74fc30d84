#include "sim/oracles/transfers.h"

#include <string>

#include "sim/violation.h"

namespace lockstep::sim {
namespace {

constexpr char kProperty[] = "leadership is handed over in order";

}  // namespace

void Transfers::Started() {
  latest_ = {};
  began_.reset();
  asked_ = {};
}

void Transfers::Took() const {
  if (began_.has_value()) {
    throw Violation(kProperty, "node " + std::to_string(node_.value) +
                                   " takes a command while it hands leadership over");
  }
}

void Transfers::DoneWhatWasDue() const {
  if (began_.has_value() && latest_ >= *began_ + election_timeout_) {
    throw Violation(kProperty, "node " + std::to_string(node_.value) +
                                   " has been handing leadership over for " +
                                   std::to_string((latest_ - *began_).ns / 1000) +
                                   " us of its clock, and not at most " +
                                   std::to_string(election_timeout_.ns / 1000));
  }
}

void Transfers::Campaigns(Term term) const {
  if (asked_.Next() != term) {
    throw Violation(kProperty,
                    "node " + std::to_string(node_.value) + " campaigns in term " +
                        std::to_string(term.value) + " as one that was asked to, and was not",
                    {{.kind = Evidence::Kind::kSent, .node = node_}});
  }
}

}  // namespace lockstep::sim
