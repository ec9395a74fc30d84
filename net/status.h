// net::Error <-> grpc::Status. Codes are for tools that know gRPC only; our own client reads the
// detail, a v1::ErrorDetail in the binary trailing metadata kErrorMetadataKey.
//
//   kind                     code                 certain  what to do
//   kNotLeader               UNAVAILABLE          yes      ask leader_address, or another node
//   kOverloaded              RESOURCE_EXHAUSTED   yes      try later
//   kInvalid                 INVALID_ARGUMENT     yes      never repeat; the text names the limit
//   kDropped                 ABORTED              yes      repeat if still wanted
//   kUnknown                 UNKNOWN              no       repeat within the session, or find out
//   kNotReady                FAILED_PRECONDITION  yes      repeat once what the text names is done
//   kUnknownSession          FAILED_PRECONDITION  yes      open another session
//   kAcknowledged            FAILED_PRECONDITION  yes      a client's bug, or a late duplicate
//   kTooManyUnacknowledged   RESOURCE_EXHAUSTED   yes      acknowledge replies, then repeat
//   kTooManySessions         RESOURCE_EXHAUSTED   yes      try later
//   kUndecodable             UNIMPLEMENTED        yes      a node is older than the leader
//   kShuttingDown            UNAVAILABLE          yes      ask another node
//   (none: gRPC's own)       any                  no       as kUnknown; after the client's deadline
//                                                          the code is DEADLINE_EXCEEDED
//
// The last row is why the detail exists: gRPC's own UNAVAILABLE (a broken connection) leaves open
// what happened, ours does not.

#ifndef LOCKSTEP_NET_STATUS_H_
#define LOCKSTEP_NET_STATUS_H_

#include <grpcpp/client_context.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include "net/error.h"

namespace lockstep::net {

inline constexpr char kErrorMetadataKey[] = "lockstep-error-bin";

grpc::StatusCode CodeOf(ErrorKind kind);

// Adds the detail to the call's trailing metadata and returns the status to finish it with.
// REQUIRES: the call was not finished; `error.kind` is one that travels (not client-only).
grpc::Status FinishWith(const Error& error, grpc::ServerContextBase& context);

// Of a call that ended with a status that is not OK. Without a detail that this version can read,
// the error is of kind kUnknown (kDeadline for DEADLINE_EXCEEDED) and not certain.
// REQUIRES: the call has ended.
Error ErrorOf(const grpc::Status& status, const grpc::ClientContext& context);

}  // namespace lockstep::net

#endif  // LOCKSTEP_NET_STATUS_H_
