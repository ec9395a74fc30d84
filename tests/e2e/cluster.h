// A cluster of real lockstepd processes on loopback, each with its data in a folder of the test's:
// started, killed, paused and started again in a test's words.

#ifndef LOCKSTEP_TESTS_E2E_CLUSTER_H_
#define LOCKSTEP_TESTS_E2E_CLUSTER_H_

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/client.h"
#include "net/proto/cluster.pb.h"
#include "tests/e2e/process.h"

namespace lockstep::e2e {

struct ClusterOptions {
  int nodes = 3;
  // Given to every node, after the harness's own: --election-timeout-ms, ...
  std::vector<std::string> flags;
};

// Nodes are numbered from 1. What cannot be done within its time throws std::runtime_error with the
// nodes' logs. One thread at a time, and the same that made it: its children die with it.
class Cluster {
 public:
  using Milliseconds = std::chrono::milliseconds;

  // Starts all nodes; their data lies in `folder`/nodeN, which is used again if it is there.
  explicit Cluster(std::string folder, ClusterOptions options = {});
  ~Cluster();

  // Starts a node that does not run, and waits until it says that it is ready.
  void Start(int node);
  // Starts one that may not become ready, which is the caller's alone; `more` flags override.
  std::unique_ptr<Process> StartWithoutWaiting(int node, const std::vector<std::string>& more = {});
  // SIGKILL, and waits for its end.
  void Kill(int node);
  // SIGTERM, and waits for its end.
  Ended Terminate(int node, Milliseconds limit = std::chrono::seconds(20));
  void Pause(int node);   // SIGSTOP
  void Resume(int node);  // SIGCONT

  bool running(int node) const { return processes_.contains(node); }
  int size() const { return options_.nodes; }
  pid_t pid(int node) const { return processes_.at(node)->pid(); }  // of one that runs
  std::string client_address(int node) const;
  std::string metrics_address(int node) const;
  std::vector<std::string> endpoints() const;
  // What the node wrote to standard error since it was last started.
  std::string log(int node) const;

  // What it says of itself; nullopt if it does not answer.
  std::optional<v1::StatusResponse> StatusOf(int node);

  // Waits until a running node leads and all running ones that are not paused agree; returns it.
  int WaitForLeader(Milliseconds limit = std::chrono::seconds(20));
  // Waits until all running nodes have applied the same entries, and checks that their digests are
  // equal; returns the digest.
  std::uint64_t WaitForAgreement(Milliseconds limit = std::chrono::seconds(20));

  // A client of all nodes.
  std::unique_ptr<net::Client> NewClient(net::ClientOptions options = {}) const;

 private:
  struct Ports {
    int peer = 0;
    int client = 0;
    int metrics = 0;
  };

  std::vector<std::string> CommandOf(int node) const;
  [[noreturn]] void Fail(const std::string& what) const;

  const std::string folder_;
  const ClusterOptions options_;
  std::map<int, Ports> ports_;
  std::map<int, std::unique_ptr<Process>> processes_;  // those that run
  std::map<int, bool> paused_;
  std::map<int, std::string> last_logs_;  // of processes that have ended
  std::unique_ptr<net::Client> observer_;
};

}  // namespace lockstep::e2e

#endif  // LOCKSTEP_TESTS_E2E_CLUSTER_H_
