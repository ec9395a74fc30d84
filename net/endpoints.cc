#include "net/endpoints.h"

#include <grpcpp/create_channel.h>

#include <algorithm>
#include <chrono>

namespace lockstep::net {
namespace {

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address) {
  grpc::ChannelArguments arguments;
  // While calls run, a silent partition shows within these times and not when TCP gives up.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 1000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 500);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  // Also how long one attempt to connect may take.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 500);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 500);
  arguments.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, 1000);
  // A read of many keys may be longer than gRPC's 4 MiB. What a node sends is within its limits.
  arguments.SetMaxReceiveMessageSize(-1);
  // Clients of one process do not share a connection.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace

Endpoints::Endpoints(const std::vector<std::string>& addresses) : known_(addresses) {}

std::shared_ptr<Endpoints::Node> Endpoints::Current() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return known_.empty() ? nullptr : Open(known_[current_]);
}

std::shared_ptr<Endpoints::Node> Endpoints::At(const std::string& address) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return Open(address);
}

void Endpoints::Leave(const Node& node) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!known_.empty() && known_[current_] == node.address) {
    current_ = (current_ + 1) % known_.size();
    rounds_ += current_ == 0 ? 1 : 0;
  }
}

std::uint64_t Endpoints::Rounds() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return rounds_;
}

void Endpoints::Follow(const std::string& address) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = std::find(known_.begin(), known_.end(), address);
  if (found != known_.end()) {
    current_ = static_cast<std::size_t>(found - known_.begin());
  } else if (known_.size() < kKnownMax) {
    known_.push_back(address);
    current_ = known_.size() - 1;
  }
}

void Endpoints::Replace(const std::vector<std::string>& addresses) {
  const std::lock_guard<std::mutex> lock(mutex_);
  known_ = addresses;
  current_ = 0;
}

bool Endpoints::Connect(const Node& node, Duration timeout, const std::function<bool()>& give_up) {
  constexpr auto kLookEvery = std::chrono::milliseconds(50);
  constexpr auto kLookAgain = std::chrono::milliseconds(10);
  const auto end = std::chrono::steady_clock::now() + std::chrono::nanoseconds(timeout.ns);
  while (true) {
    const grpc_connectivity_state state = node.channel->GetState(/*try_to_connect=*/true);
    if (state == GRPC_CHANNEL_READY) {
      return true;
    }
    if (state == GRPC_CHANNEL_SHUTDOWN) {
      return false;
    }
    // Most likely it waits before it tries again, and other nodes may answer sooner. But gRPC says
    // the same while it does try again, and notices that it has succeeded only while somebody
    // waits: without that, a node that came back is found as late as five seconds after (gRPC's own
    // background poll).
    if (state == GRPC_CHANNEL_TRANSIENT_FAILURE &&
        !node.channel->WaitForStateChange(state, std::chrono::system_clock::now() + kLookAgain)) {
      return false;
    }
    if (std::chrono::steady_clock::now() >= end || give_up()) {
      return false;
    }
    node.channel->WaitForStateChange(state, std::chrono::system_clock::now() + kLookEvery);
  }
}

std::shared_ptr<Endpoints::Node> Endpoints::Open(const std::string& address) {
  std::shared_ptr<Node>& node = open_[address];
  if (node == nullptr) {
    node = std::make_shared<Node>();
    node->address = address;
    node->channel = MakeChannel(address);
    node->kv = v1::Kv::NewStub(node->channel);
    node->cluster = v1::Cluster::NewStub(node->channel);
  }
  return node;
}

}  // namespace lockstep::net
