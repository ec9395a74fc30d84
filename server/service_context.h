// What the gRPC services of a node share.

#ifndef LOCKSTEP_SERVER_SERVICE_CONTEXT_H_
#define LOCKSTEP_SERVER_SERVICE_CONTEXT_H_

#include <functional>
#include <string>

#include "core/types.h"
#include "net/proto/cluster.pb.h"
#include "server/config.h"
#include "server/driver.h"
#include "server/metrics.h"
#include "server/peer_directory.h"

namespace lockstep::server {

// All of it outlives the services.
struct ServiceContext {
  const Settings* settings = nullptr;
  Driver* driver = nullptr;
  Metrics* metrics = nullptr;
  const PeerDirectory* directory = nullptr;
  // Sizes of a node's files with all that belongs to them, in bytes. Thread-safe.
  std::function<std::uint64_t()> log_db_bytes;
  std::function<std::uint64_t()> state_db_bytes;
  Instant started;
};

}  // namespace lockstep::server

#endif  // LOCKSTEP_SERVER_SERVICE_CONTEXT_H_
