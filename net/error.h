// Why a request was not served, for both ends of a connection. What is certain is never left to the
// reader: `certain` says whether the request can have had an effect.

#ifndef LOCKSTEP_NET_ERROR_H_
#define LOCKSTEP_NET_ERROR_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "core/kv/types.h"
#include "core/replica.h"
#include "core/types.h"

namespace lockstep::net {

enum class ErrorKind : std::uint8_t {
  // Refusals of a replica (core/replica.h).
  kNotLeader = 1,
  kOverloaded,
  kInvalid,
  kDropped,
  kUnknown,
  kNotReady,
  // Errors of an executed command (core/kv/types.h).
  kUnknownSession,
  kAcknowledged,
  kTooManyUnacknowledged,
  kTooManySessions,
  kUndecodable,
  // The node is about to stop and takes nothing new.
  kShuttingDown,
  // Only in a client, never on the wire.
  kUnreachable,  // no node could be reached, so nothing was sent
  kDeadline,     // the time was over
  kClosed,       // the client was closed
};

// In lower case with dashes, such as "not-leader"; stable, for people and for scripts.
std::string_view Name(ErrorKind kind);

struct Error {
  ErrorKind kind = ErrorKind::kUnknown;
  // This request certainly had, and will have, no effect. An earlier one with the same session and
  // sequence may have had.
  bool certain = false;
  NodeId leader = {};               // of kNotLeader, 0 if not known
  std::string leader_address = {};  // where clients reach it, empty if not known
  std::string text = {};            // for people

  friend bool operator==(const Error&, const Error&) = default;
};

// `leader_address` is where clients reach refusal.leader, empty if not known.
Error FromRefusal(const Refusal& refusal, std::string_view leader_address);
Error FromCommandError(kv::CommandError error);

// What is wrong with a request's form, found before it reached the replica.
Error InvalidError(std::string_view text);
// The server's own queue is full.
Error OverloadedError(std::string_view text);
Error ShuttingDownError();
// An accepted request of a node that stopped before it knew what became of it.
Error UnknownError(std::string_view text);

}  // namespace lockstep::net

#endif  // LOCKSTEP_NET_ERROR_H_
