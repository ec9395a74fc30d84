// A cluster that grows and shrinks while it works, as operators do it: nodes that join with --join,
// also when they are killed in the middle, one that takes another's place, leadership that moves,
// members that are removed until one is left. Nothing acknowledged is lost, and nobody is added
// twice.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "net/client.h"
#include "tests/e2e/process.h"
#include "tests/net/name_server.h"
#include "tests/storage/temporary_folder.h"

namespace lockstep::e2e {
namespace {

using Arguments = std::vector<std::string>;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr int kMachines = 5;
constexpr char kJoining[] = "event=joining";
constexpr char kJoined[] = "event=joined";
constexpr char kReady[] = "event=ready";

// Machines on which nodes run, each with a folder and ports of its own. Their nodes' numbers are
// the cluster's to give.
class Machines {
 public:
  explicit Machines(std::string folder)
      : folder_(std::move(folder)), ports_(FreePorts(2 * kMachines)) {
    for (int machine = 0; machine < kMachines; ++machine) {
      endpoints_.push_back(Local(2 * machine + 1));
    }
    client_ = NewClient();
  }

  std::unique_ptr<net::Client> NewClient() const {
    net::ClientOptions options;
    options.endpoints = endpoints_;
    return *net::Client::Connect(options);
  }
  net::Client& client() { return *client_; }

  // The first node of a cluster.
  void Begin(int machine) {
    Run(machine, {"--node-id", "1", "--peer", "1=" + Local(2 * machine) + "," + endpoint(machine)});
  }
  // Asks the cluster through `through`.
  void Join(int machine, int through, Arguments more = {}) {
    Arguments arguments = {"--join",           endpoint(through), "--listen-peer",
                           Local(2 * machine), "--listen-client", endpoint(machine)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    Run(machine, arguments);
  }
  void Kill(int machine) {
    processes_[machine]->Signal(SIGKILL);
    processes_[machine]->Wait(std::chrono::seconds(20));
  }
  int WaitForEnd(int machine) {
    const std::optional<Ended> ended = processes_[machine]->Wait(std::chrono::seconds(20));
    if (!ended) {
      Fail("machine " + std::to_string(machine) + " does not stop");
    }
    return ended->exit_code;
  }
  void WaitForLog(int machine, const std::string& text) {
    WaitUntil("the log of machine " + std::to_string(machine) + " says " + text,
              [&] { return log(machine).find(text) != std::string::npos; });
  }
  std::string log(int machine) { return processes_[machine]->err(); }
  const std::string& endpoint(int machine) const {
    return endpoints_[static_cast<std::size_t>(machine)];
  }

  // The members, by the machines that they run on. Waits until they are all voters.
  std::map<int, std::uint64_t> WaitForVoters(const std::vector<int>& machines) {
    std::map<int, std::uint64_t> ids;
    WaitUntil("there are " + std::to_string(machines.size()) + " voters", [&] {
      const auto outcome = client_->Members();
      if (!outcome.done()) {
        return false;
      }
      ids.clear();
      bool all_voters = true;
      for (const v1::Member& member : outcome.value().members()) {
        all_voters = all_voters && member.standing() == v1::Member::VOTER;
        const auto found = std::find(endpoints_.begin(), endpoints_.end(), member.client_address());
        ids[static_cast<int>(found - endpoints_.begin())] = member.node_id();
      }
      return all_voters && ids.size() == machines.size() &&
             outcome.value().members_size() == static_cast<int>(machines.size()) &&
             std::all_of(machines.begin(), machines.end(),
                         [&](int machine) { return ids.contains(machine); });
    });
    return ids;
  }

  // Asks members that DNS names.
  void JoinByDns(int machine, const NameServer& dns, Arguments more = {}) {
    Arguments arguments = {"--discovery-srv", "example.test",   "--dns-server",
                           dns.address(),     "--listen-peer",  Local(2 * machine),
                           "--listen-client", endpoint(machine)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    Run(machine, arguments);
  }
  // As an SRV record has it.
  std::string ClientRecord(int machine) const {
    return "_lockstep-client._tcp.example.test,localhost," +
           std::to_string(ports_[static_cast<std::size_t>(2 * machine + 1)]);
  }

  Result Ctl(Arguments arguments) {
    std::string endpoints;
    for (const std::string& endpoint : endpoints_) {
      endpoints += (endpoints.empty() ? "" : ",") + endpoint;
    }
    arguments.insert(arguments.begin(), {Program("lockstepctl"), "--endpoints", endpoints});
    return RunToEnd(arguments);
  }

  void WaitUntil(const std::string& what, const std::function<bool()>& holds) {
    const auto until = Clock::now() + std::chrono::seconds(20);
    while (!holds()) {
      if (Clock::now() > until) {
        Fail("never: " + what);
      }
      std::this_thread::sleep_for(milliseconds(5));
    }
  }

 private:
  std::string Local(int port) const {
    return "127.0.0.1:" + std::to_string(ports_[static_cast<std::size_t>(port)]);
  }

  void Run(int machine, const Arguments& more) {
    Arguments command = {Program("lockstepd"), "--data-dir",
                         folder_ + "/" + std::to_string(machine), "--listen-metrics", "off",
                         // Small, so that who joins is sent a snapshot.
                         "--checkpoint-entries=50", "--entries-retained=10"};
    command.insert(command.end(), more.begin(), more.end());
    processes_[machine] = std::make_unique<Process>(command);
  }

  [[noreturn]] void Fail(const std::string& what) {
    std::string text = what;
    for (const auto& [machine, process] : processes_) {
      text += "\n--- machine " + std::to_string(machine) + "\n" + process->err();
    }
    throw std::runtime_error(text);
  }

  const std::string folder_;
  const std::vector<int> ports_;
  std::vector<std::string> endpoints_;
  std::map<int, std::unique_ptr<Process>> processes_;
  std::unique_ptr<net::Client> client_;
};

// Writes a new key again and again.
class Writer {
 public:
  explicit Writer(std::unique_ptr<net::Client> client)
      : client_(std::move(client)), thread_([this] { Run(); }) {}
  ~Writer() { Stop(); }

  void Stop() {
    stop_ = true;
    if (thread_.joinable()) {
      thread_.join();
    }
  }

  // Once Stop() has returned.
  const std::vector<std::string>& acknowledged() const { return acknowledged_; }
  milliseconds longest_wait() const { return longest_wait_; }
  int written() const { return written_; }

 private:
  void Run() {
    std::optional<Clock::time_point> last;
    for (int i = 0; !stop_; ++i) {
      const std::string key = "key" + std::to_string(i);
      if (client_->Put(key, "of " + key).done()) {
        acknowledged_.push_back(key);
        ++written_;
        const auto now = Clock::now();
        if (last) {  // the first one also waits for the first election
          longest_wait_ =
              std::max(longest_wait_, std::chrono::duration_cast<milliseconds>(now - *last));
        }
        last = now;
      }
      std::this_thread::sleep_for(milliseconds(1));
    }
  }

  const std::unique_ptr<net::Client> client_;
  std::atomic<bool> stop_ = false;
  std::atomic<int> written_ = 0;
  std::vector<std::string> acknowledged_;
  milliseconds longest_wait_{0};
  std::thread thread_;
};

TEST(MembersTest, AClusterGrowsIsRenewedAndShrinksWhileItIsWrittenTo) {
  const storage::TemporaryFolder folder;
  Machines machines(folder.path());
  machines.Begin(0);
  machines.WaitForVoters({0});
  Writer writer(machines.NewClient());
  machines.WaitUntil("there are a hundred writes", [&] { return writer.written() > 100; });

  // Killed after it has drawn its incarnation, and again once it knows its number, which may be
  // known from the first time: it is killed while it asks.
  machines.Join(1, 0);
  machines.WaitForLog(1, kJoining);
  machines.Kill(1);
  machines.Join(1, 0);
  machines.WaitUntil("machine 1 knows its number", [&] {
    const std::string log = machines.log(1);
    return log.find(kJoined) != std::string::npos || log.find(kReady) != std::string::npos;
  });
  machines.Kill(1);
  machines.Join(1, 0);
  const std::uint64_t second = machines.WaitForVoters({0, 1}).at(1);
  EXPECT_EQ(second, 2u) << "it was added once";

  machines.Join(2, 1);
  machines.WaitForVoters({0, 1, 2});
  machines.Kill(1);
  machines.Join(1, 2);
  machines.WaitForLog(1, kReady);
  EXPECT_NE(machines.log(1).find("event=join-ignored"), std::string::npos) << machines.log(1);

  // One takes another's place, which learns it.
  machines.Join(3, 2, {"--join-replaces", std::to_string(second)});
  std::map<int, std::uint64_t> ids = machines.WaitForVoters({0, 2, 3});
  EXPECT_EQ(machines.WaitForEnd(1), 7) << machines.log(1);
  EXPECT_NE(machines.log(1).find("event=expelled"), std::string::npos) << machines.log(1);

  const std::string newest = std::to_string(ids.at(3));
  const Result transferred = machines.Ctl({"leader", "transfer", newest});
  EXPECT_EQ(transferred.exit_code, 0) << transferred.err;
  EXPECT_EQ(transferred.out, "leadership went to node " + newest + "\n");
  machines.WaitUntil("node " + newest + " leads", [&] {
    const auto outcome = machines.client().Members();
    return outcome.done() && outcome.value().leader_id() == ids.at(3);
  });

  // The leader goes first, then another one.
  Result removed = machines.Ctl({"member", "remove", newest});
  EXPECT_EQ(removed.exit_code, 0) << removed.err;
  EXPECT_EQ(machines.WaitForEnd(3), 7) << machines.log(3);
  removed = machines.Ctl({"member", "remove", std::to_string(ids.at(0)), "--json"});
  EXPECT_EQ(removed.exit_code, 0) << removed.out << removed.err;
  EXPECT_EQ(machines.WaitForEnd(0), 7) << machines.log(0);
  machines.WaitForVoters({2});
  removed = machines.Ctl({"member", "remove", std::to_string(ids.at(2))});
  EXPECT_EQ(removed.exit_code, 4) << "the last one stays: " << removed.err;

  const int before = writer.written();
  machines.WaitUntil("it is still written to", [&] { return writer.written() > before + 10; });
  writer.Stop();
  for (const std::string& key : writer.acknowledged()) {
    const auto outcome = machines.client().Get(key);
    ASSERT_TRUE(outcome.done()) << key;
    ASSERT_TRUE(outcome.value().keys.front().has_value()) << key << " is lost";
    EXPECT_EQ(outcome.value().keys.front()->value, "of " + key);
  }
  std::cout << writer.written() << " writes, the longest wait between two "
            << writer.longest_wait().count() << " ms" << std::endl;
}

// It knows the addresses of nobody who is left, and must answer a leader that it has never heard
// of.
TEST(MembersTest, WhoWasAwayWhileAllOthersWereReplacedIsFound) {
  const storage::TemporaryFolder folder;
  Machines machines(folder.path());
  machines.Begin(0);
  machines.WaitForVoters({0});
  machines.Join(1, 0);
  machines.WaitForVoters({0, 1});
  machines.Join(2, 0);
  const std::map<int, std::uint64_t> ids = machines.WaitForVoters({0, 1, 2});
  machines.Kill(2);
  machines.Join(3, 0, {"--join-replaces", std::to_string(ids.at(0))});
  machines.WaitForVoters({1, 2, 3});
  EXPECT_EQ(machines.WaitForEnd(0), 7) << machines.log(0);
  machines.Join(4, 3, {"--join-replaces", std::to_string(ids.at(1))});
  machines.WaitForVoters({2, 3, 4});
  EXPECT_EQ(machines.WaitForEnd(1), 7) << machines.log(1);
  ASSERT_TRUE(machines.client().Put("a", "1").done());

  machines.Join(2, 0);
  machines.WaitUntil("machine 2 has caught up", [&] {
    const auto away = machines.client().Status(machines.endpoint(2));
    const auto other = machines.client().Status(machines.endpoint(3));
    return away.done() && other.done() && away.value().keys() == 1 &&
           away.value().leader_id() != 0 &&
           away.value().applied_index() == other.value().applied_index() &&
           away.value().digest() == other.value().digest();
  });
}

TEST(MembersTest, MembersAreFoundByDns) {
  if (!NameServer::IsInstalled()) {
    GTEST_SKIP() << "no dnsmasq: scripts/setup --test installs it";
  }
  const storage::TemporaryFolder folder;
  Machines machines(folder.path());
  NameServer dns;
  machines.JoinByDns(1, dns);
  machines.WaitForLog(1, "event=join-waits");
  machines.Begin(0);
  machines.WaitForVoters({0});
  dns.Serve({machines.ClientRecord(0)});
  machines.WaitForVoters({0, 1});

  const Arguments ctl = {Program("lockstepctl"), "--discovery-srv", "example.test", "--dns-server",
                         dns.address()};
  const auto with = [&ctl](Arguments arguments) {
    arguments.insert(arguments.begin(), ctl.begin(), ctl.end());
    return RunToEnd(arguments);
  };
  dns.Serve({machines.ClientRecord(1)});  // a follower: it names the leader
  Result result = with({"put", "a", "1"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  dns.Serve({machines.ClientRecord(0), machines.ClientRecord(1)});
  result = with({"status"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 3) << result.out;
  dns.Serve({});
  result = with({"get", "a"});
  EXPECT_EQ(result.exit_code, 4);
  EXPECT_NE(result.err.find("_lockstep-client._tcp.example.test"), std::string::npos) << result.err;
  result = with({"get", "a", "--endpoints", machines.endpoint(0)});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_NE(result.err.find("contradict"), std::string::npos) << result.err;
}

TEST(MembersTest, AClusterOfAnotherNameTakesNobodyIn) {
  const storage::TemporaryFolder folder;
  Machines machines(folder.path());
  machines.Begin(0);
  machines.WaitForVoters({0});
  machines.Join(1, 0, {"--cluster-name", "other"});
  EXPECT_EQ(machines.WaitForEnd(1), 8) << machines.log(1);
  EXPECT_NE(machines.log(1).find("named 'lockstep'"), std::string::npos) << machines.log(1);
  machines.WaitForVoters({0});
}

}  // namespace
}  // namespace lockstep::e2e
