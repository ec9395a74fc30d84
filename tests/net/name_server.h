// Name servers on loopback for tests: a real one, and one that sends whatever bytes a test says.

#ifndef LOCKSTEP_TESTS_NET_NAME_SERVER_H_
#define LOCKSTEP_TESTS_NET_NAME_SERVER_H_

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/process.h"

namespace lockstep::e2e {

// dnsmasq, as a child process.
class NameServer {
 public:
  // Whether it is installed (Debian's dnsmasq-base).
  static bool IsInstalled();

  NameServer();

  // Serves these records from now on: "NAME,TARGET,PORT,PRIORITY,WEIGHT". It restarts: it is away
  // for a moment. Names below .test that are not there do not exist; others are refused.
  void Serve(const std::vector<std::string>& srv_records);
  void Stop() { process_.reset(); }

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  const int port_;
  std::unique_ptr<Process> process_;
};

// Answers by UDP and by TCP with what `answer` makes of the question (both without the length that
// TCP puts in front); nullopt: no answer.
class FakeNameServer {
 public:
  using Answer =
      std::function<std::optional<std::string>(const std::string& question, bool over_tcp)>;

  explicit FakeNameServer(Answer answer);
  ~FakeNameServer();

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  void Run();

  const int port_;
  const Answer answer_;
  int udp_ = -1;
  int tcp_ = -1;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace lockstep::e2e

#endif  // LOCKSTEP_TESTS_NET_NAME_SERVER_H_
