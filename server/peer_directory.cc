#include "server/peer_directory.h"

#include <algorithm>
#include <set>

namespace lockstep::server {

void PeerDirectory::Serve(net::PeerTransport* transport) {
  const std::lock_guard<std::mutex> lock(mutex_);
  transport_ = transport;
  TellTransport();
}

void PeerDirectory::SetMembership(const raft::Membership& membership) {
  const std::lock_guard<std::mutex> lock(mutex_);
  membership_ = membership;
  TellTransport();
}

void PeerDirectory::SetPresent(const net::PeerAddress& peer, bool here) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (here && present_.size() < kPresentMax) {
    present_.push_back(peer);
  } else if (!here) {
    const auto found = std::find(present_.begin(), present_.end(), peer);
    if (found != present_.end()) {
      present_.erase(found);
    }
  }
  TellTransport();
}

std::vector<net::PeerAddress> PeerDirectory::Peers() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return PeersNow();
}

std::string PeerDirectory::ClientAddressOf(NodeId node) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const raft::Member* member = membership_.Find(node);
  if (member != nullptr && !member->client_address.empty()) {
    return member->client_address;
  }
  const auto configured = configured_.find(node);
  if (configured == configured_.end() || !configured->second.client) {
    return "";
  }
  return configured->second.client->ToString();
}

std::string PeerDirectory::PeerAddressOf(NodeId node) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return PeerAddressNow(node);
}

std::string PeerDirectory::PeerAddressNow(NodeId node) const {
  const raft::Member* member = membership_.Find(node);
  if (member != nullptr && !member->peer_address.empty()) {
    return member->peer_address;
  }
  if (const auto configured = configured_.find(node);
      member != nullptr && configured != configured_.end()) {
    return configured->second.peer.ToString();
  }
  const auto said = std::find_if(present_.rbegin(), present_.rend(),
                                 [node](const auto& peer) { return peer.id == node; });
  return said == present_.rend() ? "" : said->address;
}

std::vector<net::PeerAddress> PeerDirectory::PeersNow() const {
  std::set<NodeId> ids;
  for (const auto& [id, member] : membership_.members) {
    ids.insert(id);
  }
  for (const net::PeerAddress& peer : present_) {
    ids.insert(peer.id);
  }
  ids.erase(self_);
  std::vector<net::PeerAddress> peers;
  for (const NodeId id : ids) {
    if (std::string address = PeerAddressNow(id); !address.empty()) {
      peers.push_back({id, std::move(address)});
    }
  }
  return peers;
}

void PeerDirectory::TellTransport() {
  if (transport_ != nullptr) {
    transport_->SetPeers(PeersNow());
  }
}

}  // namespace lockstep::server
