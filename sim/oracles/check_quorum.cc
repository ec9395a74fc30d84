#include "sim/oracles/check_quorum.h"

#include <string>

#include "sim/oracles/majorities.h"
#include "sim/violation.h"

namespace lockstep::sim {

void CheckQuorum::Started() {
  term_ = {};
  now_ = {};
  heard_.clear();
}

void CheckQuorum::Leads(Term term, const raft::Membership& membership) {
  if (term != term_) {
    term_ = term;
    heard_.clear();
  }
  const auto hears = [&](NodeId voter) {
    return voter == node_ ||
           now_ < heard_.try_emplace(voter, now_).first->second + election_timeout_;
  };
  if (const std::string lacks = LacksMajority(membership, hears); !lacks.empty()) {
    throw Violation("leaders are heard",
                    "node " + std::to_string(node_.value) + " leads term " +
                        std::to_string(term.value) + " and has heard for " +
                        std::to_string(election_timeout_.ns / 1000) + " us of its clock from " +
                        lacks,
                    {{.kind = Evidence::Kind::kLed, .node = node_, .term = term}});
  }
}

}  // namespace lockstep::sim
