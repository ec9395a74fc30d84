#include "sim/describe.h"

#include <optional>
#include <type_traits>
#include <variant>
#include <vector>

#include "core/kv/codec.h"
#include "sim/history.h"

namespace lockstep::sim {
namespace {

std::string Number(std::uint64_t number) { return std::to_string(number); }

std::string Words(const raft::RequestVote& body) {
  return std::string(body.pre_vote ? "PreVote" : "RequestVote") +
         " last=" + Describe(body.last_log) + (body.transfer ? " transfer" : "");
}

std::string Words(const raft::RequestVoteReply& body) {
  return std::string(body.pre_vote ? "PreVoteReply " : "RequestVoteReply ") +
         (body.granted ? "granted" : "refused");
}

std::string Words(const raft::AppendEntries& body) {
  return "AppendEntries previous=" + Describe(body.previous) +
         " entries=" + Number(body.entries.size()) + " commit=" + Number(body.leader_commit.value) +
         " round=" + Number(body.round);
}

std::string Words(const raft::AppendEntriesReply& body) {
  return std::string("AppendEntriesReply ") + (body.success ? "success" : "refused") +
         " match=" + Number(body.match.value) +
         (body.success ? "" : " hint=" + Describe(body.hint)) + " round=" + Number(body.round);
}

std::string Words(const raft::InstallSnapshot& body) {
  return "InstallSnapshot last=" + Describe(body.last_included) +
         " bytes=" + Number(body.data.size()) + " round=" + Number(body.round);
}

std::string Words(const raft::InstallSnapshotReply& body) {
  return "InstallSnapshotReply match=" + Number(body.match.value);
}

std::string Words(const raft::TimeoutNow&) { return "TimeoutNow"; }
std::string Words(const raft::Knock&) { return "Knock"; }

std::string Words(const raft::ReadIndex& body) { return "ReadIndex number=" + Number(body.number); }

std::string Words(const raft::ReadIndexReply& body) {
  return "ReadIndexReply number=" + Number(body.number) + " index=" + Number(body.read_index.value);
}

std::string Words(const raft::Refused& body) {
  return std::string("Refused ") +
         (body.reason == raft::Refused::Reason::kRemoved ? "removed" : "other incarnation");
}

std::string Words(const kv::Condition& condition) {
  const char* sign = condition.comparison == kv::Comparison::kEqual      ? " = "
                     : condition.comparison == kv::Comparison::kNotEqual ? " != "
                     : condition.comparison == kv::Comparison::kLess     ? " < "
                                                                         : " > ";
  switch (condition.target) {
    case kv::Target::kValue:
      return condition.key + sign + history::Quote(condition.value);
    case kv::Target::kVersion:
      return "version of " + condition.key + sign + Number(condition.number);
    case kv::Target::kCreateRevision:
      return "create revision of " + condition.key + sign + Number(condition.number);
    case kv::Target::kModRevision:
      return "mod revision of " + condition.key + sign + Number(condition.number);
  }
  return "?";
}

std::string Words(const kv::Operation& operation) {
  if (const auto* put = std::get_if<kv::Put>(&operation)) {
    return "put " + put->key + " " + history::Quote(put->value);
  }
  if (const auto* remove = std::get_if<kv::Delete>(&operation)) {
    return "delete " + remove->key;
  }
  return "get " + std::get<kv::Get>(operation).key;
}

std::string Words(const std::vector<kv::Operation>& operations) {
  std::string text;
  for (const kv::Operation& operation : operations) {
    text += (text.empty() ? "" : ", ") + Words(operation);
  }
  return text.empty() ? "nothing" : text;
}

const char* NameOf(const raft::RequestVote& body) {
  return body.pre_vote ? "PreVote" : "RequestVote";
}

const char* NameOf(const raft::RequestVoteReply& body) {
  return body.pre_vote ? "PreVoteReply" : "RequestVoteReply";
}

const char* NameOf(const raft::AppendEntries& body) {
  return body.entries.empty() ? "Heartbeat" : "AppendEntries";
}

const char* NameOf(const raft::AppendEntriesReply&) { return "AppendEntriesReply"; }
const char* NameOf(const raft::InstallSnapshot&) { return "InstallSnapshot"; }
const char* NameOf(const raft::InstallSnapshotReply&) { return "InstallSnapshotReply"; }
const char* NameOf(const raft::TimeoutNow&) { return "TimeoutNow"; }
const char* NameOf(const raft::Knock&) { return "Knock"; }
const char* NameOf(const raft::ReadIndex&) { return "ReadIndex"; }
const char* NameOf(const raft::ReadIndexReply&) { return "ReadIndexReply"; }
const char* NameOf(const raft::Refused&) { return "Refused"; }

void Add(Trace& trace, raft::LogPosition position) {
  trace.Add(position.index.value);
  trace.Add(position.term.value);
}

void Add(Trace& trace, const raft::RequestVote& body) {
  trace.Add(body.pre_vote ? 1 : 0);
  Add(trace, body.last_log);
}

void Add(Trace& trace, const raft::RequestVoteReply& body) {
  trace.Add((body.pre_vote ? 2U : 0U) | (body.granted ? 1U : 0U));
}

void Add(Trace& trace, const raft::AppendEntries& body) {
  Add(trace, body.previous);
  trace.Add(body.entries.size());
  if (!body.entries.empty()) {
    Add(trace, raft::LogPosition{body.entries.back().index, body.entries.back().term});
    trace.Add(body.entries.back().time.value);
  }
  trace.Add(body.leader_commit.value);
  trace.Add(body.round);
}

void Add(Trace& trace, const raft::AppendEntriesReply& body) {
  trace.Add(body.success ? 1 : 0);
  trace.Add(body.match.value);
  Add(trace, body.hint);
  trace.Add(body.round);
  trace.Add(static_cast<std::uint64_t>(body.promise.ns));
}

void Add(Trace& trace, const raft::InstallSnapshot& body) {
  Add(trace, body.last_included);
  trace.Add(body.offset);
  trace.Add(body.last ? 1 : 0);
  trace.Add(body.data.size());
  trace.Add(body.round);
}

void Add(Trace& trace, const raft::InstallSnapshotReply& body) { trace.Add(body.match.value); }
void Add(Trace&, const raft::TimeoutNow&) {}
void Add(Trace&, const raft::Knock&) {}
void Add(Trace& trace, const raft::ReadIndex& body) { trace.Add(body.number); }
void Add(Trace& trace, const raft::ReadIndexReply& body) {
  trace.Add(body.number);
  trace.Add(body.read_index.value);
}
void Add(Trace& trace, const raft::Refused& body) {
  trace.Add(static_cast<std::uint64_t>(body.reason));
  trace.Add(body.incarnation.value);
}

}  // namespace

std::string NodeName(NodeId node) { return "n" + Number(node.value); }

std::string Describe(raft::LogPosition position) {
  return Number(position.index.value) + "@" + Number(position.term.value);
}

std::string Describe(const raft::Entry& entry) {
  switch (entry.kind) {
    case raft::EntryKind::kNoOp:
      return "no-op";
    case raft::EntryKind::kMembership: {
      const std::optional<raft::Membership> membership =
          raft::DecodeMembership(entry.payload.view());
      return membership.has_value() ? "members: " + raft::ToText(*membership) : "unreadable";
    }
    case raft::EntryKind::kCommand:
      break;
  }
  const std::optional<kv::Command> command = kv::DecodeCommand(entry.payload.view());
  return command.has_value() ? Describe(*command) : "unreadable";
}

std::string Describe(const kv::Command& command) {
  const auto* transact = std::get_if<kv::Transact>(&command);
  if (transact == nullptr) {
    return "open a session";
  }
  const kv::Transaction& transaction = transact->transaction;
  std::string text;
  for (const kv::Condition& condition : transaction.conditions) {
    text += (text.empty() ? "if " : " and ") + Words(condition);
  }
  text += (text.empty() ? "" : " then ") + Words(transaction.then);
  if (!transaction.otherwise.empty()) {
    text += " else " + Words(transaction.otherwise);
  }
  return transact->session == SessionId() ? text
                                          : text + " (session " + Number(transact->session.value) +
                                                ", sequence " + Number(transact->sequence) + ")";
}

const char* NameOf(const raft::Message& message) {
  return std::visit([](const auto& body) { return NameOf(body); }, message.body);
}

std::string Describe(const raft::Message& message) {
  return std::visit([](const auto& body) { return Words(body); }, message.body) +
         " term=" + Number(message.term.value);
}

const char* Name(raft::Role role) {
  switch (role) {
    case raft::Role::kFollower:
      return "follower";
    case raft::Role::kPreCandidate:
      return "pre-candidate";
    case raft::Role::kCandidate:
      return "candidate";
    case raft::Role::kLeader:
      return "leader";
  }
  return "?";
}

const char* Name(raft::Event::Kind kind) {
  switch (kind) {
    case raft::Event::Kind::kBecameFollower:
      return "became-follower";
    case raft::Event::Kind::kBecamePreCandidate:
      return "became-pre-candidate";
    case raft::Event::Kind::kBecameCandidate:
      return "became-candidate";
    case raft::Event::Kind::kBecameLeader:
      return "became-leader";
    case raft::Event::Kind::kSteppedDown:
      return "stepped-down";
    case raft::Event::Kind::kLeaderChanged:
      return "leader-known";
    case raft::Event::Kind::kTruncatedLog:
      return "truncated-log";
    case raft::Event::Kind::kCompactedLog:
      return "compacted-log";
    case raft::Event::Kind::kSnapshotSent:
      return "snapshot-sent";
    case raft::Event::Kind::kSnapshotInstalled:
      return "snapshot-installed";
    case raft::Event::Kind::kSnapshotRejected:
      return "snapshot-rejected";
    case raft::Event::Kind::kCheckpointStored:
      return "checkpoint-stored";
    case raft::Event::Kind::kMembershipChanged:
      return "membership-changed";
    case raft::Event::Kind::kTransferBegan:
      return "transfer-began";
    case raft::Event::Kind::kTransferEnded:
      return "transfer-ended";
    case raft::Event::Kind::kExpelled:
      return "expelled";
  }
  return "?";
}

std::string Describe(const raft::Event& event) {
  const auto kind = [&] {
    switch (event.kind) {
      case raft::Event::Kind::kBecameFollower:
        return "became follower";
      case raft::Event::Kind::kBecamePreCandidate:
        return "became pre-candidate";
      case raft::Event::Kind::kBecameCandidate:
        return "became candidate";
      case raft::Event::Kind::kBecameLeader:
        return "became LEADER";
      case raft::Event::Kind::kSteppedDown:
        return "stepped down";
      case raft::Event::Kind::kLeaderChanged:
        return "knows the leader";
      case raft::Event::Kind::kTruncatedLog:
        return "truncated its log";
      case raft::Event::Kind::kCompactedLog:
        return "compacted its log";
      case raft::Event::Kind::kSnapshotSent:
        return "sent a snapshot";
      case raft::Event::Kind::kSnapshotInstalled:
        return "installed a snapshot";
      case raft::Event::Kind::kSnapshotRejected:
        return "rejected a snapshot";
      case raft::Event::Kind::kCheckpointStored:
        return "stored a checkpoint";
      case raft::Event::Kind::kMembershipChanged:
        return "has other members";
      case raft::Event::Kind::kTransferBegan:
        return "hands leadership over";
      case raft::Event::Kind::kTransferEnded:
        return "has ended to hand leadership over";
      case raft::Event::Kind::kExpelled:
        return "is no member any more";
    }
    return "?";
  };
  std::string text = std::string(kind()) + ", term " + Number(event.term.value);
  if (event.peer != NodeId()) {
    text += ", " + NodeName(event.peer);
  }
  if (event.index != Index()) {
    text += ", index " + Number(event.index.value);
  }
  return event.text.empty() ? text : text + ": " + event.text;
}

std::string Describe(const Reply& reply) {
  if (const auto* refusal = std::get_if<Refusal>(&reply.result)) {
    const auto kind = [&] {
      switch (refusal->kind) {
        case RefusalKind::kNotLeader:
          return "not leader";
        case RefusalKind::kOverloaded:
          return "overloaded";
        case RefusalKind::kInvalid:
          return "invalid";
        case RefusalKind::kDropped:
          return "dropped";
        case RefusalKind::kUnknown:
          return "unknown";
        case RefusalKind::kNotReady:
          return "not ready";
      }
      return "?";
    };
    return std::string(kind()) + ": " + refusal->text;
  }
  if (const auto* read = std::get_if<ReadResult>(&reply.result)) {
    return "read at revision " + Number(read->revision.value);
  }
  if (const auto* changed = std::get_if<MembershipChanged>(&reply.result)) {
    return "members: " + raft::ToText(changed->membership.membership);
  }
  if (const auto* transferred = std::get_if<LeadershipTransferred>(&reply.result)) {
    return "leadership handed to " + NodeName(transferred->target);
  }
  const auto& result = std::get<kv::CommandResult>(reply.result);
  if (const auto* done = std::get_if<kv::TransactionResult>(&result)) {
    return std::string(done->succeeded ? "succeeded" : "conditions failed") + " at revision " +
           Number(done->revision.value);
  }
  if (const auto* opened = std::get_if<kv::SessionOpened>(&result)) {
    return "session " + Number(opened->session.value);
  }
  return "error " + Number(static_cast<std::uint64_t>(std::get<kv::CommandError>(result)));
}

void AddTo(Trace& trace, const raft::Message& message) {
  trace.Add(message.from.value << 32 | message.to.value << 8 | message.body.index());
  trace.Add(message.term.value);
  std::visit([&](const auto& body) { Add(trace, body); }, message.body);
}

}  // namespace lockstep::sim
