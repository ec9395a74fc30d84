// A running node: its files, its driver, its connections and its servers, in one piece.

#ifndef LOCKSTEP_SERVER_NODE_H_
#define LOCKSTEP_SERVER_NODE_H_

#include <functional>
#include <memory>
#include <string>
#include <variant>

#include "server/address.h"
#include "server/config.h"
#include "server/exit_codes.h"
#include "server/log.h"

namespace lockstep::server {

// Why a node did not start: one line, and how the program is to end.
struct StartFailure {
  ExitCode code = ExitCode::kFailure;
  std::string text;
  bool damaged = false;  // the node's files are: as they are, they will never be of use again
};

// Why a running node is to be stopped by its owner. Each is called at most once, by a thread of the
// node's, and must not block.
struct NodeEndings {
  std::function<void()> on_disk_failure = [] {};
  std::function<void(std::string why)> on_expelled = [](const std::string&) {};
  // Its data is wrong: to be kept with MarkDiverged() (server/repair.h) before it is started again.
  std::function<void(std::string why)> on_diverged = [](const std::string&) {};
};

class Node {
 public:
  // Checks that the addresses are free, then opens the files (and makes them on a node's first
  // start), then starts to serve. A failure has changed nothing on disk, except that a first start
  // may have made the folder and the node's empty files. `log` must outlive the node.
  // REQUIRES: Check(settings) is OK, but that settings.node_id is that of a node that has joined.
  static std::variant<std::unique_ptr<Node>, StartFailure> Start(const Settings& settings,
                                                                 NodeLog* log, NodeEndings endings);

  // As Stop(0).
  ~Node();

  // Where it listens, with the ports that were chosen.
  struct Addresses {
    Address peer;
    Address client;
    std::optional<Address> metrics;
  };
  const Addresses& addresses() const;

  // A clean stop: takes no new requests, answers those under way, writes a checkpoint, closes. True
  // if all was done in `timeout`. A few seconds more may go by until gRPC has let go of its
  // connections, and as long as the disk takes for what it is doing. Once.
  bool Stop(Duration timeout);

 private:
  class Impl;
  explicit Node(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockstep::server

#endif  // LOCKSTEP_SERVER_NODE_H_
