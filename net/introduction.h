// How a node says on a stream who it is, so that a peer that does not know its address yet can
// answer: one that has just joined, or was away while members came and went.

#ifndef LOCKSTEP_NET_INTRODUCTION_H_
#define LOCKSTEP_NET_INTRODUCTION_H_

#include <grpcpp/client_context.h>
#include <grpcpp/server_context.h>

#include <optional>
#include <string>

#include "core/types.h"

namespace lockstep::net {

struct PeerAddress {
  NodeId id;
  std::string address;  // "host:port", or any other target that gRPC knows

  friend bool operator==(const PeerAddress&, const PeerAddress&) = default;
};

// REQUIRES: the call has not begun.
void Introduce(ClusterId cluster, const PeerAddress& self, grpc::ClientContext& context);

// What the sender said; nullopt if it said nothing, nothing readable, or is of another cluster.
std::optional<PeerAddress> IntroductionOf(const grpc::CallbackServerContext& context,
                                          ClusterId cluster);

}  // namespace lockstep::net

#endif  // LOCKSTEP_NET_INTRODUCTION_H_
