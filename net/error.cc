#include "net/error.h"

#include "core/assert.h"

namespace lockstep::net {
namespace {

Error Certain(ErrorKind kind, std::string text) {
  return {.kind = kind, .certain = true, .text = std::move(text)};
}

}  // namespace

std::string_view Name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kNotLeader:
      return "not-leader";
    case ErrorKind::kOverloaded:
      return "overloaded";
    case ErrorKind::kInvalid:
      return "invalid";
    case ErrorKind::kDropped:
      return "dropped";
    case ErrorKind::kUnknown:
      return "unknown";
    case ErrorKind::kNotReady:
      return "not-ready";
    case ErrorKind::kUnknownSession:
      return "unknown-session";
    case ErrorKind::kAcknowledged:
      return "acknowledged";
    case ErrorKind::kTooManyUnacknowledged:
      return "too-many-unacknowledged";
    case ErrorKind::kTooManySessions:
      return "too-many-sessions";
    case ErrorKind::kUndecodable:
      return "undecodable";
    case ErrorKind::kShuttingDown:
      return "shutting-down";
    case ErrorKind::kUnreachable:
      return "unreachable";
    case ErrorKind::kDeadline:
      return "deadline";
    case ErrorKind::kClosed:
      return "closed";
  }
  CORE_ASSERT(false);
}

Error FromRefusal(const Refusal& refusal, std::string_view leader_address) {
  switch (refusal.kind) {
    case RefusalKind::kNotLeader: {
      Error error = Certain(ErrorKind::kNotLeader, refusal.text);
      error.leader = refusal.leader;
      error.leader_address = leader_address;
      return error;
    }
    case RefusalKind::kOverloaded:
      return Certain(ErrorKind::kOverloaded, refusal.text);
    case RefusalKind::kInvalid:
      return Certain(ErrorKind::kInvalid, refusal.text);
    case RefusalKind::kDropped:
      return Certain(ErrorKind::kDropped, refusal.text);
    case RefusalKind::kUnknown:
      return UnknownError(refusal.text);
    case RefusalKind::kNotReady:
      return Certain(ErrorKind::kNotReady, refusal.text);
  }
  CORE_ASSERT(false);
}

Error FromCommandError(kv::CommandError error) {
  switch (error) {
    case kv::CommandError::kUnknownSession:
      return Certain(ErrorKind::kUnknownSession, "the session has expired or was never opened");
    case kv::CommandError::kAcknowledged:
      return Certain(ErrorKind::kAcknowledged,
                     "the client has acknowledged the reply to this sequence");
    case kv::CommandError::kTooManyUnacknowledged:
      return Certain(ErrorKind::kTooManyUnacknowledged,
                     "the session holds as many unacknowledged replies as it may");
    case kv::CommandError::kTooManySessions:
      return Certain(ErrorKind::kTooManySessions, "the cluster has as many sessions as it may");
    case kv::CommandError::kUndecodable:
      return Certain(ErrorKind::kUndecodable, "this node's version cannot read the command");
  }
  CORE_ASSERT(false);
}

Error InvalidError(std::string_view text) {
  return Certain(ErrorKind::kInvalid, std::string(text));
}

Error OverloadedError(std::string_view text) {
  return Certain(ErrorKind::kOverloaded, std::string(text));
}

Error ShuttingDownError() { return Certain(ErrorKind::kShuttingDown, "the node is stopping"); }

Error UnknownError(std::string_view text) {
  return {.kind = ErrorKind::kUnknown, .certain = false, .text = std::string(text)};
}

}  // namespace lockstep::net
