#include "sim/oracles/canonical_log.h"

#include <algorithm>
#include <string>

#include "sim/violation.h"

namespace lockstep::sim {
namespace {

constexpr char kProperty[] = "state machine safety";

std::string NodeText(NodeId node) { return "node " + std::to_string(node.value); }

std::string EntryText(const raft::Entry& entry) {
  return "index " + std::to_string(entry.index.value) + " of term " +
         std::to_string(entry.term.value);
}

}  // namespace

Term CanonicalLog::TermAt(Index index) const {
  return index == Index{} ? Term{} : At(index).entry.term;
}

NodeId CanonicalLog::FirstToCommit(Index index) const {
  return index == Index{} ? NodeId{} : committed_by_[index.value - 1];
}

Index CanonicalLog::LastCommittedIn(Term term) const {
  const auto later = std::upper_bound(committed_in_.begin(), committed_in_.end(), term);
  return {static_cast<std::uint64_t>(later - committed_in_.begin())};
}

void CanonicalLog::Committed(NodeId node, const LogShadow& log, Index before, Index commit) {
  Index index = std::max(before, log.base().index);
  if (index > before) {
    Covered(node, log.base());
  }
  while (index < commit) {
    index = index.Next();
    const ShadowEntry* found = log.At(index);
    if (found == nullptr) {
      throw Violation(kProperty,
                      NodeText(node) + " has committed index " + std::to_string(index.value) +
                          ", which its log does not hold",
                      {{.kind = Evidence::Kind::kCommitted, .node = node, .index = index}});
    }
    if (index > last_index()) {
      entries_.push_back(*found);
      committed_in_.push_back(log.TermAt(commit).value_or(found->entry.term));
      committed_by_.push_back(node);
      continue;
    }
    const ShadowEntry& known = At(index);
    if (known.entry.term != found->entry.term || known.hash != found->hash) {
      throw Violation(
          kProperty,
          NodeText(node) + " has committed " + EntryText(found->entry) + ", but " +
              EntryText(known.entry) +
              (known.entry.term == found->entry.term ? " with other contents was committed before"
                                                     : " was committed before"),
          {{.kind = Evidence::Kind::kCommitted, .node = node, .index = index},
           {.kind = Evidence::Kind::kCommitted, .node = FirstToCommit(index), .index = index},
           {.kind = Evidence::Kind::kAppended,
            .node = node,
            .term = found->entry.term,
            .index = index}});
    }
  }
}

void CanonicalLog::Covered(NodeId node, raft::LogPosition position) const {
  if (position.index > last_index()) {
    throw Violation(kProperty,
                    NodeText(node) + " has applied index " + std::to_string(position.index.value) +
                        ", but only " + std::to_string(last_index().value) +
                        " entries are committed",
                    {{.kind = Evidence::Kind::kApplied, .node = node, .index = position.index}});
  }
  if (position.term != TermAt(position.index)) {
    throw Violation(kProperty,
                    NodeText(node) + " has applied index " + std::to_string(position.index.value) +
                        " of term " + std::to_string(position.term.value) + ", but term " +
                        std::to_string(TermAt(position.index).value) + " was committed there",
                    {{.kind = Evidence::Kind::kApplied, .node = node, .index = position.index},
                     {.kind = Evidence::Kind::kCommitted,
                      .node = FirstToCommit(position.index),
                      .index = position.index}});
  }
}

}  // namespace lockstep::sim
