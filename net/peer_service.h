// The receiving half of a node's connections to its peers: decodes and checks what arrives and
// hands it on. The sending half is net/peer_transport.h.
//
// A message that is mangled, of another cluster or for another node is counted and dropped; the
// messages around it and the stream live on. A stream whose frames gRPC itself cannot read ends
// with INVALID_ARGUMENT. Nothing that arrives can do more than that.

#ifndef LOCKSTEP_NET_PEER_SERVICE_H_
#define LOCKSTEP_NET_PEER_SERVICE_H_

#include <grpcpp/server_builder.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/raft/message.h"
#include "core/types.h"
#include "net/introduction.h"
#include "net/proto/peer.grpc.pb.h"

namespace lockstep::net {

struct PeerServiceStats {
  std::uint64_t streams = 0;  // open now
  // Since the start.
  std::uint64_t delivered = 0;
  std::uint64_t mangled = 0;
  std::uint64_t foreign = 0;  // of another cluster, or for another node
};

class PeerService final : public v1::Peer::CallbackService {
 public:
  // Called by gRPC's threads, several at once: it must be thread-safe and only enqueue. Messages of
  // one stream come in order.
  using Sink = std::function<void(raft::Message message)>;

  // Told of each stream whose sender has said who it is (net/introduction.h): when it opens, and
  // once more when it has ended. Called as the sink is, and must not block.
  using Acquaintance = std::function<void(const PeerAddress& peer, bool here)>;

  PeerService(
      ClusterId cluster, NodeId self, Sink sink,
      Acquaintance acquaintance = [](const PeerAddress&, bool) {});
  ~PeerService() override;

  grpc::ServerBidiReactor<v1::PeerBatch, v1::PeerNotice>* Exchange(
      grpc::CallbackServerContext* context) override;

  // Ends the open streams and refuses new ones, so that grpc::Server::Shutdown() has nothing to
  // wait for: to be called before it. The sink may still be called until the server has shut down.
  // Thread-safe.
  void Shutdown();

  // Thread-safe.
  PeerServiceStats stats() const;
  // What was wrong with the last message that was dropped, with its sender's address; empty if none
  // was. Thread-safe.
  std::string last_rejection() const;

 private:
  class Stream;
  struct State;
  const std::shared_ptr<State> state_;
};

// What a server that holds a PeerService must be built with: whole snapshots fit in a message,
// keepalive pings of idle peers are welcome, and a second process on the port is an error.
void ConfigurePeerServer(grpc::ServerBuilder& builder);

}  // namespace lockstep::net

#endif  // LOCKSTEP_NET_PEER_SERVICE_H_
