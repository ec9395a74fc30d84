#include "sim/story/proof.h"

#include <algorithm>
#include <functional>
#include <initializer_list>

#include "sim/describe.h"

namespace lockstep::sim::story {
namespace {

using Positions = std::vector<std::size_t>;
using Matches = std::function<bool(const Event&)>;

Positions All(const std::vector<Event>& events, const Matches& matches) {
  Positions found;
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (matches(events[i])) {
      found.push_back(i);
    }
  }
  return found;
}

Positions Last(const std::vector<Event>& events, const Matches& matches) {
  for (std::size_t i = events.size(); i > 0; --i) {
    if (matches(events[i - 1])) {
      return {i - 1};
    }
  }
  return {};
}

bool HoldsEntry(const Event& event, const Evidence& evidence) {
  return std::any_of(event.entries.begin(), event.entries.end(), [&](const LogEntry& entry) {
    return entry.index == evidence.index &&
           (evidence.term == Term{} || entry.term == evidence.term);
  });
}

// The first and the last time that an index of the node's state came up to the evidence's. It does
// so again after each restart.
Positions Crossings(const std::vector<Event>& events, const Evidence& evidence,
                    Index State::*reached) {
  Positions found;
  Index before;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const Event& event = events[i];
    if (event.node != evidence.node || event.kind != Kind::kState) {
      continue;
    }
    const Index now = (*event.state).*reached;
    if (before < evidence.index && now >= evidence.index) {
      found.push_back(i);
    }
    before = now;
  }
  if (found.size() > 2) {
    found.erase(found.begin() + 1, found.end() - 1);
  }
  return found;
}

// What the disk did last, and what the node handed out last.
Positions LastStored(const std::vector<Event>& events, NodeId node) {
  const auto one_of = [&](std::initializer_list<Kind> kinds) {
    return Last(events, [&, kinds](const Event& event) {
      return event.node == node && std::find(kinds.begin(), kinds.end(), event.kind) != kinds.end();
    });
  };
  Positions found = one_of({Kind::kLogBegin, Kind::kLogEnd, Kind::kStateBegin, Kind::kStateEnd});
  for (const std::size_t handed_out :
       one_of({Kind::kVote, Kind::kReset, Kind::kAppend, Kind::kCompact})) {
    found.push_back(handed_out);
  }
  std::sort(found.begin(), found.end());
  return found;
}

Positions EventsOf(const std::vector<Event>& events, const Evidence& evidence) {
  const auto is = [&](Kind kind) {
    return [&evidence, kind](const Event& event) {
      return event.kind == kind && event.node == evidence.node;
    };
  };
  switch (evidence.kind) {
    case Evidence::Kind::kLed:
      return All(events, [&](const Event& event) {
        return is(Kind::kNotice)(event) && event.term == evidence.term &&
               event.what == sim::Name(raft::Event::Kind::kBecameLeader);
      });
    case Evidence::Kind::kVoted:
      return evidence.term == Term{}
                 ? Last(events, is(Kind::kVote))
                 : All(events, [&](const Event& event) {
                     return is(Kind::kVote)(event) && event.term == evidence.term;
                   });
    case Evidence::Kind::kAppended: {
      Positions found = All(events, [&](const Event& event) {
        return event.kind == Kind::kAppend &&
               (evidence.node == NodeId() || event.node == evidence.node) &&
               HoldsEntry(event, evidence);
      });
      // Of any node: the first had it from a client.
      return found.empty() ? found
                           : Positions{evidence.node == NodeId() ? found.front() : found.back()};
    }
    case Evidence::Kind::kCommitted:
      return Crossings(events, evidence, &State::commit);
    case Evidence::Kind::kApplied:
      return Crossings(events, evidence, &State::applied);
    case Evidence::Kind::kStored:
      return LastStored(events, evidence.node);
    case Evidence::Kind::kStarted:
      return Last(events, is(Kind::kStart));
    case Evidence::Kind::kSent:
      return Last(events, is(Kind::kSend));
    case Evidence::Kind::kAnswered:
      return Last(events, is(Kind::kAnswer));
    case Evidence::Kind::kOperation:
      return Last(events, [&](const Event& event) {
        return (event.kind == Kind::kInvoke || event.kind == Kind::kReturn) &&
               event.number == evidence.operation;
      });
  }
  return {};
}

}  // namespace

std::vector<std::size_t> ProofOf(const std::vector<Event>& events) {
  Positions proof;
  if (events.empty() || events.back().kind != Kind::kVerdict || events.back().what == "clean") {
    return proof;
  }
  for (const Evidence& evidence : events.back().evidence) {
    const Positions found = EventsOf(events, evidence);
    proof.insert(proof.end(), found.begin(), found.end());
  }
  std::sort(proof.begin(), proof.end());
  proof.erase(std::unique(proof.begin(), proof.end()), proof.end());
  if (proof.empty() && events.size() > 1) {
    proof.push_back(events.size() - 2);
  }
  return proof;
}

}  // namespace lockstep::sim::story
