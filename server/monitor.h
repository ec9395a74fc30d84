// Looks at a node a few times a second for what nobody reports by himself: connections to other
// members that came or went, messages that were not listened to, and whether there is a leader,
// which is what the health service tells of the Kv service.

#ifndef LOCKSTEP_SERVER_MONITOR_H_
#define LOCKSTEP_SERVER_MONITOR_H_

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "net/peer_service.h"
#include "net/peer_transport.h"
#include "server/driver.h"
#include "server/log.h"

namespace lockstep::server {

class Monitor {
 public:
  // All must outlive the monitor. `set_serving` is called by the monitor's thread when it changes.
  Monitor(Driver* driver, net::PeerTransport* transport, net::PeerService* peer_service,
          NodeLog* log, std::function<void(bool)> set_serving);
  ~Monitor();

  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

 private:
  void Run();
  void LookAtLinks();
  void LookAtRejections();
  void LookAtLeader();

  Driver* const driver_;
  net::PeerTransport* const transport_;
  net::PeerService* const peer_service_;
  NodeLog* const log_;
  const std::function<void(bool)> set_serving_;

  // Of the thread.
  std::map<NodeId, bool> connected_;
  std::map<NodeId, std::uint64_t> dropped_;
  std::uint64_t rejected_ = 0;
  bool serving_ = false;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace lockstep::server

#endif  // LOCKSTEP_SERVER_MONITOR_H_
