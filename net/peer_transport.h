// The sending half of a node's connections to its peers. Each peer has one channel with two
// long-lived streams: one for all messages in order, one for snapshots, so that heartbeats do not
// wait behind a snapshot. The receiving half is net/peer_service.h.
//
// A stream that ends is opened again after a back-off, forever. Nothing is sent twice by the
// transport, and what was on its way when a stream broke is lost: Raft repeats what matters.

#ifndef LOCKSTEP_NET_PEER_TRANSPORT_H_
#define LOCKSTEP_NET_PEER_TRANSPORT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/raft/message.h"
#include "core/types.h"
#include "net/introduction.h"
#include "net/outbox.h"

namespace lockstep::net {

struct PeerTransportOptions {
  // What each stream says of this node (net/introduction.h); an empty address: nothing.
  ClusterId cluster;
  PeerAddress self;
  Outbox::Limits outbox;
  // Of messages that waited while a peer could not be reached, so many are kept for its return.
  std::uint64_t kept_while_down = 64;
  // The wait before a broken stream is opened again: doubles from min to max, less a random part of
  // up to a half (never less than half of min); starts over once the peer has answered.
  Duration backoff_min = Milliseconds(100);
  Duration backoff_max = Milliseconds(500);
  // A peer that answers no ping for so long is cut off (HTTP/2 keepalive, sent when idle too).
  Duration keepalive_interval = Milliseconds(1000);
  Duration keepalive_timeout = Milliseconds(500);
};

struct PeerLinkStats {
  NodeId peer;
  std::string address;
  bool connected = false;  // the peer has accepted the message stream
  // Of both streams together.
  std::uint64_t queued_messages = 0;
  std::uint64_t queued_bytes = 0;
  std::uint64_t sent_messages = 0;  // handed to the stream, which may break before they arrive
  std::uint64_t sent_batches = 0;
  std::uint64_t dropped_messages = 0;
  std::uint64_t streams_opened = 0;  // that the peer accepted
};

class PeerTransport {
 public:
  // Starts to connect to each peer at once.
  // REQUIRES: no two peers have the same id.
  PeerTransport(PeerTransportOptions options, const std::vector<PeerAddress>& peers);

  // As Shutdown().
  ~PeerTransport();

  PeerTransport(const PeerTransport&) = delete;
  PeerTransport& operator=(const PeerTransport&) = delete;

  // From now on exactly these are the peers. Connects to those that are new or have another
  // address; ends the streams to the others, and drops what is queued for them. The rest is left as
  // it is. Thread-safe. After Shutdown() it does nothing. REQUIRES: no two peers have the same id.
  void SetPeers(const std::vector<PeerAddress>& peers);

  // Frees what former peers held, once gRPC has let go of it. Thread-safe; to be called now and
  // then. Not to be called by a gRPC callback.
  void Tidy();

  // Queues `message` for message.to. Never blocks. Drops (and counts) what is not within the
  // limits, longer than kPeerMessageBytesMax, or after Shutdown(); ignores unknown peers. Messages
  // to one peer arrive in order while its stream lasts, snapshots excepted.
  // Thread-safe.
  void Send(raft::Message message);

  // In the order of the last SetPeers(), or the constructor's. Thread-safe.
  std::vector<PeerLinkStats> Stats() const;

  // Ends all streams and waits until gRPC has let go of them, at most a few seconds. What is queued
  // is dropped. Thread-safe; later calls do nothing. Not to be called by a gRPC callback.
  void Shutdown();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockstep::net

#endif  // LOCKSTEP_NET_PEER_TRANSPORT_H_
