#include "sim/oracles/leader_completeness.h"

#include <cstddef>
#include <string>

#include "sim/oracles/majorities.h"
#include "sim/violation.h"

namespace lockstep::sim {
namespace {

// What a log has compacted away it holds in a checkpoint.
bool Holds(const LogShadow& log, Index index, Term term) {
  return index <= log.base().index || log.TermAt(index) == term;
}

}  // namespace

void CheckLeaderIsComplete(NodeId node, Term term, const LogShadow& log,
                           const CanonicalLog& canonical) {
  // Late votes may elect a leader after another has committed in a later term. It need not know.
  const Index last = canonical.LastCommittedIn(term);
  // Given Log Matching, the last entry stands for all before it.
  if (!Holds(log, last, canonical.TermAt(last))) {
    throw Violation("leader completeness",
                    "node " + std::to_string(node.value) + " leads term " +
                        std::to_string(term.value) + " without the entry at index " +
                        std::to_string(last.value) + " of term " +
                        std::to_string(canonical.TermAt(last).value) + ", which is committed",
                    {{.kind = Evidence::Kind::kLed, .node = node, .term = term},
                     {.kind = Evidence::Kind::kCommitted,
                      .node = canonical.FirstToCommit(last),
                      .index = last}});
  }
}

void CheckCommitIsOnAQuorum(NodeId node, bool leads, Term term, Index before,
                            const CanonicalLog& canonical, const raft::Membership& membership,
                            const std::vector<const LogShadow*>& durable) {
  const std::string who = "node " + std::to_string(node.value);
  if (!leads) {
    throw Violation(
        "only leaders commit",
        who + " has committed index " + std::to_string(canonical.last_index().value) +
            " first, and does not lead",
        {{.kind = Evidence::Kind::kCommitted, .node = node, .index = canonical.last_index()}});
  }
  if (canonical.TermAt(canonical.last_index()) != term) {
    throw Violation(
        "commit rule",
        who + " leads term " + std::to_string(term.value) + " and has committed index " +
            std::to_string(canonical.last_index().value) + " of term " +
            std::to_string(canonical.TermAt(canonical.last_index()).value) + " by counting",
        {{.kind = Evidence::Kind::kCommitted, .node = node, .index = canonical.last_index()},
         {.kind = Evidence::Kind::kLed, .node = node, .term = term},
         {.kind = Evidence::Kind::kAppended,
          .node = node,
          .term = canonical.TermAt(canonical.last_index()),
          .index = canonical.last_index()}});
  }
  for (Index index = before.Next(); index <= canonical.last_index(); index = index.Next()) {
    const auto holds = [&](NodeId voter) {
      return Holds(*durable.at(voter.value - 1), index, canonical.TermAt(index));
    };
    if (const std::string lacks = LacksMajority(membership, holds); !lacks.empty()) {
      std::vector<Evidence> evidence = {
          {.kind = Evidence::Kind::kCommitted, .node = node, .index = index}};
      for (std::size_t i = 0; i < durable.size(); ++i) {
        if (membership.IsVoter({i + 1}) && !holds({i + 1})) {
          evidence.push_back({.kind = Evidence::Kind::kStored, .node = {i + 1}});
        }
      }
      throw Violation("committed entries are durable",
                      who + " has committed index " + std::to_string(index.value) +
                          ", which is on the disks of " + lacks,
                      evidence);
    }
  }
}

}  // namespace lockstep::sim
