#include "sim/story/teller.h"

#include <string_view>
#include <utility>

#include "core/kv/machine.h"
#include "core/raft/node.h"
#include "sim/describe.h"
#include "sim/plan_text.h"

namespace lockstep::sim::story {
namespace {

std::string Number(std::uint64_t number) { return std::to_string(number); }

std::vector<LogEntry> InWords(const std::vector<raft::Entry>& entries) {
  std::vector<LogEntry> words;
  for (const raft::Entry& entry : entries) {
    words.push_back({entry.index, entry.term, Describe(entry)});
  }
  return words;
}

State StateOf(const Replica& replica) {
  const raft::Node& node = replica.node();
  return {.role = node.role(),
          .term = node.current_term(),
          .voted_for = node.voted_for(),
          .leader = node.leader(),
          .last = node.log().last_index(),
          .durable = node.durable_index(),
          .commit = node.commit_index(),
          .applied = replica.machine().applied_index()};
}

// What has changed, in words.
std::string Difference(const State& before, const State& now) {
  std::string text;
  const auto add = [&](bool changed, const std::string& what) {
    if (changed) {
      text += (text.empty() ? "" : ", ") + what;
    }
  };
  add(before.role != now.role, sim::Name(now.role));
  add(before.term != now.term, "term " + Number(now.term.value));
  add(before.voted_for != now.voted_for,
      now.voted_for == NodeId() ? "no vote" : "vote for " + NodeName(now.voted_for));
  add(before.leader != now.leader,
      now.leader == NodeId() ? "no known leader" : "leader " + NodeName(now.leader));
  add(before.last != now.last, "last index " + Number(now.last.value));
  add(before.durable != now.durable, "durable " + Number(now.durable.value));
  add(before.commit != now.commit, "commit " + Number(now.commit.value));
  add(before.applied != now.applied, "applied " + Number(now.applied.value));
  return text;
}

// Without its outcome, which is told apart: an operation under way is not of unknown outcome yet.
std::string InWords(const history::Operation& record) {
  constexpr std::string_view kSuffix = " (unknown)";
  std::string text = history::Describe(record);
  if (record.outcome == history::Outcome::kUnknown && text.ends_with(kSuffix)) {
    text.resize(text.size() - kSuffix.size());
  }
  return text;
}

const char* StateWriteName(bool installation) {
  return installation ? "installation" : "checkpoint";
}

// Says of a message that reaches `target` why it should not have; of any other nothing.
std::string StrayNote(const raft::Message& message, NodeId target) {
  if (message.cluster != kCluster) {
    return ", which is another cluster's";
  }
  return message.to != target ? ", which is for " + NodeName(message.to) : "";
}

}  // namespace

void Teller::Tell(Event event) {
  event.at = scheduler_.now();
  trace_.Tell(event);
}

// ---- Nodes

void Teller::Started(NodeId node, const StoredState& stored) {
  if (!on()) {
    return;
  }
  At(node).runs = true;
  At(node).told.reset();
  const raft::DurableState& log = stored.log;
  Tell({.kind = Kind::kStart,
        .node = node,
        .peer = log.hard_state.voted_for,
        .term = log.hard_state.current_term,
        .index = log.base.index,
        .base_term = log.base.term,
        .entries = InWords(log.entries),
        .text = "starts at index " + Number(stored.image.summary.applied_index.value) + " with " +
                Number(log.entries.size()) + " entries, term " +
                Number(log.hard_state.current_term.value)});
}

void Teller::Crashed(NodeId node, bool power_cut) {
  if (!on()) {
    return;
  }
  At(node).runs = false;
  Tell({.kind = Kind::kCrash,
        .what = power_cut ? "power" : "process",
        .node = node,
        .text = power_cut ? "loses power" : "is killed"});
}

void Teller::Stopped(NodeId node, const std::string& why) {
  if (on()) {
    At(node).runs = false;
    Tell({.kind = Kind::kCrash, .what = "stop", .node = node, .text = "stops: " + why});
  }
}

void Teller::GivenUp(NodeId node, const std::string& why) {
  if (on()) {
    Tell({.kind = Kind::kCrash, .what = "given-up", .node = node, .text = "is given up: " + why});
  }
}

void Teller::Paused(NodeId node) {
  if (on()) {
    At(node).paused = true;
    Tell({.kind = Kind::kPause, .node = node, .text = "pauses"});
  }
}

void Teller::Resumed(NodeId node) {
  if (on()) {
    At(node).paused = false;
    Tell({.kind = Kind::kResume, .node = node, .text = "goes on"});
  }
}

void Teller::Handled(NodeId node, const Replica& replica, const Effects& effects) {
  if (!on()) {
    return;
  }
  if (effects.write.has_value()) {
    TellWrite(node, *effects.write);
  }
  TellState(node, StateOf(replica));
  // Last, so that who looks at the moment of a notice sees what the node has become.
  for (const raft::Event& event : effects.events) {
    Tell({.kind = Kind::kNotice,
          .what = sim::Name(event.kind),
          .node = node,
          .peer = event.peer,
          .term = event.term,
          .index = event.index,
          .text = Describe(event)});
  }
}

void Teller::TellWrite(NodeId node, const raft::Write& write) {
  const std::string prefix = "write " + Number(write.id.value) + ": ";
  if (write.hard_state.has_value()) {
    Tell({.kind = Kind::kVote,
          .node = node,
          .peer = write.hard_state->voted_for,
          .number = write.id.value,
          .term = write.hard_state->current_term,
          .text = prefix + "term " + Number(write.hard_state->current_term.value) +
                  (write.hard_state->voted_for == NodeId()
                       ? ", no vote"
                       : ", vote for " + NodeName(write.hard_state->voted_for))});
  }
  if (write.reset_to.has_value()) {
    Tell({.kind = Kind::kReset,
          .node = node,
          .number = write.id.value,
          .index = write.reset_to->index,
          .base_term = write.reset_to->term,
          .text = prefix + "the log begins after " + Describe(*write.reset_to)});
  }
  if (!write.entries.empty()) {
    const raft::Entry& first = write.entries.front();
    Tell({.kind = Kind::kAppend,
          .node = node,
          .number = write.id.value,
          .index = first.index,
          .entries = InWords(write.entries),
          .text = prefix + "entries from " + Describe(raft::LogPosition{first.index, first.term}) +
                  ", " + Number(write.entries.size()) + " of them: " + Describe(first) +
                  (write.entries.size() > 1 ? " …" : "")});
  }
  if (write.compact_to.has_value()) {
    Tell({.kind = Kind::kCompact,
          .node = node,
          .number = write.id.value,
          .index = write.compact_to->index,
          .base_term = write.compact_to->term,
          .text = prefix + "the log is not needed up to " + Describe(*write.compact_to)});
  }
}

void Teller::TellState(NodeId node, const State& state) {
  // What a node that starts is, is told in full.
  constexpr State kNothing{.role = raft::Role{0}};
  std::optional<State>& told = At(node).told;
  if (told == state) {
    return;
  }
  Tell({.kind = Kind::kState,
        .node = node,
        .term = state.term,
        .state = state,
        .text = "now " + Difference(told.value_or(kNothing), state)});
  told = state;
}

void Teller::StoringLog(NodeId node, std::span<const raft::Write> writes) {
  if (on()) {
    Tell({.kind = Kind::kLogBegin,
          .node = node,
          .number = writes.back().id.value,
          .text = "begins to store writes up to " + Number(writes.back().id.value)});
  }
}

void Teller::LogStored(NodeId node, WriteId last) {
  if (on()) {
    Tell({.kind = Kind::kLogEnd,
          .node = node,
          .number = last.value,
          .text = "has stored writes up to " + Number(last.value)});
  }
}

void Teller::StoringState(NodeId node, CheckpointId id, Index applied, bool installation) {
  if (on()) {
    Tell({.kind = Kind::kStateBegin,
          .what = StateWriteName(installation),
          .node = node,
          .number = id.value,
          .index = applied,
          .text = "begins to store the " + std::string(StateWriteName(installation)) +
                  " of index " + Number(applied.value)});
  }
}

void Teller::StateStored(NodeId node, CheckpointId id, Index applied, bool installation) {
  if (on()) {
    Tell({.kind = Kind::kStateEnd,
          .what = StateWriteName(installation),
          .node = node,
          .number = id.value,
          .index = applied,
          .text = "has stored the " + std::string(StateWriteName(installation)) + " of index " +
                  Number(applied.value)});
  }
}

// ---- Messages

void Teller::TellMessage(Kind kind, const raft::Message& message, std::uint64_t number,
                         std::string text) {
  const bool at_receiver = kind == Kind::kReceive;
  Tell({.kind = kind,
        .what = NameOf(message),
        .node = at_receiver ? message.to : message.from,
        .peer = at_receiver ? message.from : message.to,
        .number = number,
        .term = message.term,
        .text = std::move(text)});
}

void Teller::Sending(const raft::Message& message, std::uint64_t number) {
  if (on()) {
    TellMessage(Kind::kSend, message, number,
                "-> " + NodeName(message.to) + " " + Describe(message));
  }
}

void Teller::Straying(const raft::Message& message, std::uint64_t number, NodeId target) {
  if (on()) {
    raft::Message stray = message;
    stray.to = target;
    TellMessage(Kind::kSend, stray, number,
                "-> " + NodeName(target) + " " + Describe(message) + StrayNote(message, target));
  }
}

void Teller::Duplicated(const raft::Message& message, std::uint64_t number) {
  if (on()) {
    TellMessage(Kind::kDuplicate, message, number,
                "message to " + NodeName(message.to) + " is duplicated: " + Describe(message));
  }
}

void Teller::Lost(const raft::Message& message, std::uint64_t number, const char* why) {
  if (on()) {
    TellMessage(Kind::kLost, message, number,
                "message to " + NodeName(message.to) + " " + why + ": " + Describe(message));
  }
}

void Teller::Delivered(const raft::Message& message, std::uint64_t number, NodeId target) {
  if (!on()) {
    return;
  }
  raft::Message arrived = message;
  arrived.to = target;
  if (!At(target).runs) {
    return Lost(arrived, number, "reaches nobody, it is down");
  }
  TellMessage(Kind::kReceive, arrived, number,
              "<- " + NodeName(message.from) + " " + Describe(message) +
                  StrayNote(message, target) +
                  (At(target).paused ? ", which waits for the end of the pause" : ""));
}

// ---- Clients

void Teller::Invoked(std::size_t client, std::uint64_t operation,
                     const history::Operation& record) {
  if (on()) {
    Tell({.kind = Kind::kInvoke,
          .what = history::Name(record.action),
          .client = client,
          .number = operation,
          .text = "begins " + InWords(record)});
  }
}

void Teller::Returned(std::size_t client, std::uint64_t operation,
                      const history::Operation& record) {
  if (on()) {
    Tell({.kind = Kind::kReturn,
          .what = history::Name(record.outcome),
          .client = client,
          .number = operation,
          .text = "ends " + InWords(record) + ": " + history::Name(record.outcome)});
  }
}

void Teller::Requested(std::size_t client, NodeId node, RequestId request,
                       std::optional<std::uint64_t> operation) {
  if (on()) {
    Tell({.kind = Kind::kRequest,
          .node = node,
          .client = client,
          .number = request.value,
          .operation = operation,
          .text = "-> " + NodeName(node) + " request " + Number(request.value) +
                  (operation.has_value() ? "" : " for a session")});
  }
}

void Teller::Arrived(std::size_t client, NodeId node, RequestId request) {
  if (on()) {
    Tell({.kind = Kind::kArrive,
          .node = node,
          .client = client,
          .number = request.value,
          .text = "<- c" + Number(client) + " request " + Number(request.value) +
                  (!At(node).runs    ? ", and is down"
                   : At(node).paused ? ", and is paused"
                                     : "")});
  }
}

void Teller::Answered(std::size_t client, NodeId node, const Reply& reply) {
  if (on()) {
    Tell({.kind = Kind::kAnswer,
          .node = node,
          .client = client,
          .number = reply.id.value,
          .text = "-> c" + Number(client) + " to request " + Number(reply.id.value) + ": " +
                  Describe(reply)});
  }
}

void Teller::Replied(std::size_t client, NodeId node, RequestId request) {
  if (on()) {
    Tell({.kind = Kind::kReply,
          .node = node,
          .client = client,
          .number = request.value,
          .text = "<- " + NodeName(node) + " to request " + Number(request.value)});
  }
}

void Teller::RequestLost(std::size_t client, NodeId node, RequestId request, bool is_reply) {
  if (on()) {
    Tell({.kind = Kind::kLost,
          .node = node,
          .client = client,
          .number = request.value,
          .text = (is_reply ? "the answer to request " : "request ") + Number(request.value) +
                  " of c" + Number(client) + " is lost"});
  }
}

// ---- Faults

void Teller::TellFault(Kind kind, std::size_t number, const Fault& fault, NodeId node,
                       std::string text) {
  const FaultShape& shape = ShapeOf(fault.kind);
  Tell({.kind = kind,
        .what = shape.name,
        .node = shape.node ? node : NodeId(),
        .peer = shape.peer ? NodeId{fault.peer} : NodeId(),
        .client = shape.client ? std::optional<std::uint64_t>(fault.client) : std::nullopt,
        .number = number,
        .group = shape.group ? fault.group : 0,
        .text = std::move(text)});
}

void Teller::FaultBegan(std::size_t number, const Fault& fault, NodeId node) {
  if (on()) {
    const bool drawn = ShapeOf(fault.kind).node && fault.node == kWhoeverLeads;
    TellFault(Kind::kFault, number, fault, node,
              sim::Describe(fault) + (drawn ? ", which is " + NodeName(node) : ""));
  }
}

void Teller::FaultEnded(std::size_t number, const Fault& fault, NodeId node) {
  if (on()) {
    TellFault(Kind::kFaultEnd, number, fault, node, "ends: " + sim::Describe(fault));
  }
}

void Teller::Healed() {
  if (on()) {
    Tell({.kind = Kind::kHeal, .text = "all faults end"});
  }
}

// ---- The end

void Teller::Clean() {
  if (on()) {
    Tell({.kind = Kind::kVerdict, .what = "clean", .text = "nothing that is checked was broken"});
  }
}

void Teller::Violated(const std::string& property, const std::string& text,
                      const std::vector<Evidence>& evidence) {
  if (on()) {
    Tell({.kind = Kind::kVerdict, .what = property, .evidence = evidence, .text = text});
  }
}

}  // namespace lockstep::sim::story
