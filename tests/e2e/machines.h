// Machines on which nodes of one cluster run that grows and shrinks, and what is written to it.

#ifndef LOCKSTEP_TESTS_E2E_MACHINES_H_
#define LOCKSTEP_TESTS_E2E_MACHINES_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "net/client.h"
#include "tests/e2e/process.h"

namespace lockstep::e2e {

using Arguments = std::vector<std::string>;

// Machines, numbered from 0, each with a folder and ports of its own. Their nodes' numbers are the
// cluster's to give. What does not come about in its time throws std::runtime_error with the nodes'
// logs. One thread at a time, and the same that made it: its children die with it.
class Machines {
 public:
  Machines(std::string folder, int count);

  // A client that knows all of them.
  std::unique_ptr<net::Client> NewClient() const;
  net::Client& client() { return *client_; }

  // The first node of a cluster.
  void Begin(int machine, const Arguments& more = {});
  // Asks the cluster through `through`.
  void Join(int machine, int through, const Arguments& more = {});
  // Asks members that DNS names, below example.test.
  void JoinByDns(int machine, const std::string& dns_server);
  // Of this machine, for JoinByDns().
  std::string ClientRecord(int machine) const;

  // Its last command once more.
  void Restart(int machine);
  // The same, with the addresses of machine `place`, which nobody else has.
  void RestartAt(int machine, int place);
  // The machine is as new: what is started on it next has another folder.
  void Wipe(int machine) { ++generations_[machine]; }
  void Kill(int machine);  // SIGKILL
  bool running(int machine);
  int WaitForEnd(int machine);  // returns the exit code

  void WaitForLog(int machine, const std::string& text);
  std::string log(int machine) const { return processes_.at(machine)->err(); }
  pid_t pid(int machine) const { return processes_.at(machine)->pid(); }
  int count() const { return static_cast<int>(endpoints_.size()); }
  const std::string& endpoint(int machine) const {
    return endpoints_[static_cast<std::size_t>(machine)];
  }
  std::string peer_address(int machine) const { return Local(2 * machine); }

  // The members by the machines that they run on, if they are on these and all voters; else empty.
  std::map<int, std::uint64_t> VotersIf(const std::vector<int>& machines);
  // Waits for that.
  std::map<int, std::uint64_t> WaitForVoters(const std::vector<int>& machines);

  // lockstepctl, with the addresses of all machines.
  Result Ctl(Arguments arguments) const;

  void WaitUntil(const std::string& what, const std::function<bool()>& holds,
                 std::chrono::seconds limit = std::chrono::seconds(20));

 private:
  std::string Local(int port) const {
    return "127.0.0.1:" + std::to_string(ports_[static_cast<std::size_t>(port)]);
  }
  void Run(int machine, const Arguments& arguments);
  [[noreturn]] void Fail(const std::string& what);

  const std::string folder_;
  const std::vector<int> ports_;
  std::vector<std::string> endpoints_;
  std::map<int, int> generations_;
  std::map<int, Arguments> commands_;
  std::map<int, std::unique_ptr<Process>> processes_;
  std::unique_ptr<net::Client> client_;
};

// Writes a new key again and again, on a thread of its own.
class Writer {
 public:
  explicit Writer(std::unique_ptr<net::Client> client)
      : client_(std::move(client)), thread_([this] { Run(); }) {}
  ~Writer() { Stop(); }

  void Stop();

  // Once Stop() has returned: how many of the acknowledged keys `client` does not find as they were
  // written.
  int CountLost(net::Client* client) const;
  std::chrono::milliseconds longest_wait() const { return longest_wait_; }
  int written() const { return written_; }

 private:
  void Run();

  const std::unique_ptr<net::Client> client_;
  std::atomic<bool> stop_ = false;
  std::atomic<int> written_ = 0;
  std::vector<std::string> acknowledged_;
  std::chrono::milliseconds longest_wait_{0};
  std::thread thread_;
};

}  // namespace lockstep::e2e

#endif  // LOCKSTEP_TESTS_E2E_MACHINES_H_
