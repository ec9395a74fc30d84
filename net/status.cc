#include "net/status.h"

#include <optional>
#include <string>

#include "core/assert.h"
#include "net/proto/kv.pb.h"

namespace lockstep::net {
namespace {

v1::ErrorDetail::Kind Encode(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kNotLeader:
      return v1::ErrorDetail::NOT_LEADER;
    case ErrorKind::kOverloaded:
      return v1::ErrorDetail::OVERLOADED;
    case ErrorKind::kInvalid:
      return v1::ErrorDetail::INVALID;
    case ErrorKind::kDropped:
      return v1::ErrorDetail::DROPPED;
    case ErrorKind::kUnknown:
      return v1::ErrorDetail::UNKNOWN;
    case ErrorKind::kNotReady:
      return v1::ErrorDetail::NOT_READY;
    case ErrorKind::kUnknownSession:
      return v1::ErrorDetail::UNKNOWN_SESSION;
    case ErrorKind::kAcknowledged:
      return v1::ErrorDetail::ACKNOWLEDGED;
    case ErrorKind::kTooManyUnacknowledged:
      return v1::ErrorDetail::TOO_MANY_UNACKNOWLEDGED;
    case ErrorKind::kTooManySessions:
      return v1::ErrorDetail::TOO_MANY_SESSIONS;
    case ErrorKind::kUndecodable:
      return v1::ErrorDetail::UNDECODABLE;
    case ErrorKind::kShuttingDown:
      return v1::ErrorDetail::SHUTTING_DOWN;
    case ErrorKind::kUnreachable:
    case ErrorKind::kDeadline:
    case ErrorKind::kClosed:
      break;
  }
  CORE_ASSERT(false);  // client-only
}

// Nullopt for a kind that a later version has added.
std::optional<ErrorKind> Decode(v1::ErrorDetail::Kind kind) {
  switch (kind) {
    case v1::ErrorDetail::NOT_LEADER:
      return ErrorKind::kNotLeader;
    case v1::ErrorDetail::OVERLOADED:
      return ErrorKind::kOverloaded;
    case v1::ErrorDetail::INVALID:
      return ErrorKind::kInvalid;
    case v1::ErrorDetail::DROPPED:
      return ErrorKind::kDropped;
    case v1::ErrorDetail::UNKNOWN:
      return ErrorKind::kUnknown;
    case v1::ErrorDetail::NOT_READY:
      return ErrorKind::kNotReady;
    case v1::ErrorDetail::UNKNOWN_SESSION:
      return ErrorKind::kUnknownSession;
    case v1::ErrorDetail::ACKNOWLEDGED:
      return ErrorKind::kAcknowledged;
    case v1::ErrorDetail::TOO_MANY_UNACKNOWLEDGED:
      return ErrorKind::kTooManyUnacknowledged;
    case v1::ErrorDetail::TOO_MANY_SESSIONS:
      return ErrorKind::kTooManySessions;
    case v1::ErrorDetail::UNDECODABLE:
      return ErrorKind::kUndecodable;
    case v1::ErrorDetail::SHUTTING_DOWN:
      return ErrorKind::kShuttingDown;
    default:
      return std::nullopt;
  }
}

}  // namespace

grpc::StatusCode CodeOf(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kNotLeader:
    case ErrorKind::kShuttingDown:
    case ErrorKind::kUnreachable:
      return grpc::StatusCode::UNAVAILABLE;
    case ErrorKind::kOverloaded:
    case ErrorKind::kTooManyUnacknowledged:
    case ErrorKind::kTooManySessions:
      return grpc::StatusCode::RESOURCE_EXHAUSTED;
    case ErrorKind::kInvalid:
      return grpc::StatusCode::INVALID_ARGUMENT;
    case ErrorKind::kDropped:
      return grpc::StatusCode::ABORTED;
    case ErrorKind::kUnknown:
      return grpc::StatusCode::UNKNOWN;
    case ErrorKind::kNotReady:
    case ErrorKind::kUnknownSession:
    case ErrorKind::kAcknowledged:
      return grpc::StatusCode::FAILED_PRECONDITION;
    case ErrorKind::kUndecodable:
      return grpc::StatusCode::UNIMPLEMENTED;
    case ErrorKind::kDeadline:
      return grpc::StatusCode::DEADLINE_EXCEEDED;
    case ErrorKind::kClosed:
      return grpc::StatusCode::CANCELLED;
  }
  CORE_ASSERT(false);
}

grpc::Status FinishWith(const Error& error, grpc::ServerContextBase& context) {
  v1::ErrorDetail detail;
  detail.set_kind(Encode(error.kind));
  detail.set_certain(error.certain);
  detail.set_leader_id(error.leader.value);
  detail.set_leader_address(error.leader_address);
  context.AddTrailingMetadata(kErrorMetadataKey, detail.SerializeAsString());
  return {CodeOf(error.kind), error.text};
}

Error ErrorOf(const grpc::Status& status, const grpc::ClientContext& context) {
  Error error{.kind = status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED
                          ? ErrorKind::kDeadline
                          : ErrorKind::kUnknown,
              .certain = false,
              .text = status.error_message()};
  const auto& metadata = context.GetServerTrailingMetadata();
  const auto found = metadata.find(kErrorMetadataKey);
  v1::ErrorDetail detail;
  if (found == metadata.end() ||
      !detail.ParseFromArray(found->second.data(), static_cast<int>(found->second.size()))) {
    return error;
  }
  const std::optional<ErrorKind> kind = Decode(detail.kind());
  if (!kind) {
    // What a later version means by it is not known, but what it says of certainty holds.
    error.certain = detail.certain();
    return error;
  }
  error.kind = *kind;
  error.certain = detail.certain();
  error.leader = {detail.leader_id()};
  error.leader_address = detail.leader_address();
  return error;
}

}  // namespace lockstep::net
