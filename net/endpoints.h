// The nodes that a client knows, its connections to them, and its guess at which one leads.
//
// Thread-safe.

#ifndef LOCKSTEP_NET_ENDPOINTS_H_
#define LOCKSTEP_NET_ENDPOINTS_H_

#include <grpcpp/channel.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/types.h"
#include "net/proto/cluster.grpc.pb.h"
#include "net/proto/kv.grpc.pb.h"

namespace lockstep::net {

class Endpoints {
 public:
  struct Node {
    std::string address;
    std::shared_ptr<grpc::Channel> channel;
    std::unique_ptr<v1::Kv::StubInterface> kv;
    std::unique_ptr<v1::Cluster::StubInterface> cluster;
  };

  explicit Endpoints(const std::vector<std::string>& addresses);

  // The node to ask next; null if none is known. Does not connect.
  std::shared_ptr<Node> Current();
  // The node at `address`, which need not be one of the known ones and does not become one.
  std::shared_ptr<Node> At(const std::string& address);

  // `node` did not help: if it is still the current one, the next known node becomes it.
  void Leave(const Node& node);
  // How often the next one was the first again: each time, none of the known nodes had helped.
  std::uint64_t Rounds() const;
  // The leader is said to be at `address`, which becomes a known node.
  void Follow(const std::string& address);
  // Knows these from now on instead, and begins with the first. Connections to those that it knew
  // before are kept.
  void Replace(const std::vector<std::string>& addresses);

  // Waits until `node` is connected. False if that fails, after `timeout`, or once `give_up()`.
  static bool Connect(const Node& node, Duration timeout, const std::function<bool()>& give_up);

 private:
  // Answers can teach a client new addresses, but not without end.
  static constexpr std::size_t kKnownMax = 64;

  std::shared_ptr<Node> Open(const std::string& address);  // with mutex_ held

  mutable std::mutex mutex_;
  std::vector<std::string> known_;
  std::size_t current_ = 0;
  std::uint64_t rounds_ = 0;
  std::map<std::string, std::shared_ptr<Node>> open_;
};

}  // namespace lockstep::net

#endif  // LOCKSTEP_NET_ENDPOINTS_H_
