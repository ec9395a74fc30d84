#include "sim/oracles/log_matching.h"

#include <algorithm>
#include <optional>
#include <string>

#include "sim/violation.h"

namespace lockstep::sim {

void LogMatching::Appended(NodeId node, const LogShadow& log, Index first) {
  const auto fail = [&](Index index, const char* what, NodeId other = {}) {
    std::vector<Evidence> evidence = {
        {.kind = Evidence::Kind::kAppended, .node = node, .index = index}};
    if (other != NodeId()) {
      evidence.push_back({.kind = Evidence::Kind::kAppended,
                          .node = other,
                          .term = log.At(index)->entry.term,
                          .index = index});
    }
    throw Violation("log matching",
                    "node " + std::to_string(node.value) + " has appended index " +
                        std::to_string(index.value) + " with " + what,
                    evidence);
  };
  if (seen_.size() <= log.last_index().value) {
    seen_.resize(log.last_index().value + 1);
  }
  for (Index index = first; index <= log.last_index(); index = index.Next()) {
    const ShadowEntry& appended = *log.At(index);
    const Term term = appended.entry.term;
    const std::optional<Term> previous = log.TermAt(index.Previous());
    if (!previous.has_value()) {
      fail(index, "nothing before it");
    }
    std::vector<Seen>& seen = seen_[index.value];
    const auto same = std::find_if(seen.begin(), seen.end(),
                                   [&](const Seen& other) { return other.term == term; });
    if (same == seen.end()) {
      seen.push_back({term, *previous, appended.hash, node});
      continue;
    }
    if (same->hash != appended.hash) {
      fail(index, "contents that differ from those of the same index and term before", same->node);
    }
    if (same->previous_term != *previous) {
      fail(index, "another entry before it than the same index and term had before", same->node);
    }
  }
}

}  // namespace lockstep::sim
