// Where this node reaches the other members, and where clients do: from the membership, from this
// node's own configuration where the membership does not say, and from what peers say of themselves
// when they connect. The transport follows it.
//
// The last matters for whoever is not in the membership that this node knows. A node that joins, or
// was away while all others were replaced, must answer a leader that it has never heard of; and a
// member that was removed must be told so when it knocks.

#ifndef LOCKSTEP_SERVER_PEER_DIRECTORY_H_
#define LOCKSTEP_SERVER_PEER_DIRECTORY_H_

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "core/raft/membership.h"
#include "core/types.h"
#include "net/introduction.h"
#include "net/peer_transport.h"
#include "server/config.h"

namespace lockstep::server {

// Thread-safe. Does not block.
class PeerDirectory {
 public:
  // `configured`: members as this node's flags name them, perhaps none.
  PeerDirectory(NodeId self, const std::map<NodeId, Member>& configured)
      : self_(self), configured_(configured) {}

  // Tells `transport` the peers, now and at each change, until told of another or of null.
  void Serve(net::PeerTransport* transport);

  void SetMembership(const raft::Membership& membership);

  // For net::PeerService: a peer has connected, or one of its streams has ended.
  void SetPresent(const net::PeerAddress& peer, bool here);

  // Whom to be connected to, in the order of ids.
  std::vector<net::PeerAddress> Peers() const;

  // Where clients reach `node`; empty if that is not known.
  std::string ClientAddressOf(NodeId node) const;
  // Where other members reach it; empty if that is not known.
  std::string PeerAddressOf(NodeId node) const;

 private:
  // More than any cluster has: nobody can make this node dial without end.
  static constexpr std::size_t kPresentMax = 2 * raft::kMembersMax;

  // With mutex_ held:
  std::vector<net::PeerAddress> PeersNow() const;
  std::string PeerAddressNow(NodeId node) const;
  void TellTransport();

  const NodeId self_;
  const std::map<NodeId, Member> configured_;
  mutable std::mutex mutex_;
  net::PeerTransport* transport_ = nullptr;
  raft::Membership membership_;
  std::vector<net::PeerAddress> present_;  // one for each stream, in the order of their opening
};

}  // namespace lockstep::server

#endif  // LOCKSTEP_SERVER_PEER_DIRECTORY_H_
