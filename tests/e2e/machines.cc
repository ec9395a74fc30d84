#include "tests/e2e/machines.h"

#include <algorithm>
#include <csignal>
#include <optional>
#include <stdexcept>
#include <utility>

namespace lockstep::e2e {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

}  // namespace

Machines::Machines(std::string folder, int count)
    : folder_(std::move(folder)), ports_(FreePorts(2 * count)) {
  for (int machine = 0; machine < count; ++machine) {
    endpoints_.push_back(Local(2 * machine + 1));
  }
  client_ = NewClient();
}

std::unique_ptr<net::Client> Machines::NewClient() const {
  net::ClientOptions options;
  options.endpoints = endpoints_;
  return *net::Client::Connect(options);
}

void Machines::Begin(int machine, const Arguments& more) {
  Arguments arguments = {"--node-id", "1", "--peer",
                         "1=" + peer_address(machine) + "," + endpoint(machine)};
  arguments.insert(arguments.end(), more.begin(), more.end());
  Run(machine, arguments);
}

void Machines::Join(int machine, int through, const Arguments& more) {
  Arguments arguments = {"--join",          endpoint(through),
                         "--listen-peer",   peer_address(machine),
                         "--listen-client", endpoint(machine)};
  arguments.insert(arguments.end(), more.begin(), more.end());
  Run(machine, arguments);
}

void Machines::JoinByDns(int machine, const std::string& dns_server) {
  Run(machine, {"--discovery-srv", "example.test", "--dns-server", dns_server, "--listen-peer",
                peer_address(machine), "--listen-client", endpoint(machine)});
}

std::string Machines::ClientRecord(int machine) const {
  return "_lockstep-client._tcp.example.test,localhost," +
         std::to_string(ports_[static_cast<std::size_t>(2 * machine + 1)]);
}

void Machines::Restart(int machine) {
  processes_[machine] = std::make_unique<Process>(commands_.at(machine));
}

void Machines::RestartAt(int machine, int place) {
  for (std::string& argument : commands_.at(machine)) {
    argument = argument == peer_address(machine) ? peer_address(place)
               : argument == endpoint(machine)   ? endpoint(place)
                                                 : argument;
  }
  Restart(machine);
}

void Machines::Kill(int machine) {
  processes_[machine]->Signal(SIGKILL);
  processes_[machine]->Wait(std::chrono::seconds(20));
}

bool Machines::running(int machine) {
  const auto process = processes_.find(machine);
  return process != processes_.end() && process->second->running();
}

int Machines::WaitForEnd(int machine) {
  const std::optional<Ended> ended = processes_[machine]->Wait(std::chrono::seconds(20));
  if (!ended) {
    Fail("machine " + std::to_string(machine) + " does not stop");
  }
  return ended->exit_code;
}

void Machines::WaitForLog(int machine, const std::string& text) {
  WaitUntil("the log of machine " + std::to_string(machine) + " says " + text,
            [&] { return log(machine).find(text) != std::string::npos; });
}

std::map<int, std::uint64_t> Machines::VotersIf(const std::vector<int>& machines) {
  const auto outcome = client_->Members();
  if (!outcome.done() || outcome.value().members_size() != static_cast<int>(machines.size())) {
    return {};
  }
  std::map<int, std::uint64_t> ids;
  for (const v1::Member& member : outcome.value().members()) {
    const auto found = std::find(endpoints_.begin(), endpoints_.end(), member.client_address());
    const int machine = static_cast<int>(found - endpoints_.begin());
    if (member.standing() != v1::Member::VOTER ||
        std::find(machines.begin(), machines.end(), machine) == machines.end()) {
      return {};
    }
    ids[machine] = member.node_id();
  }
  return ids.size() == machines.size() ? ids : std::map<int, std::uint64_t>();
}

std::map<int, std::uint64_t> Machines::WaitForVoters(const std::vector<int>& machines) {
  std::map<int, std::uint64_t> ids;
  WaitUntil("there are " + std::to_string(machines.size()) + " voters", [&] {
    ids = VotersIf(machines);
    return !ids.empty();
  });
  return ids;
}

Result Machines::Ctl(Arguments arguments) const {
  std::string endpoints;
  for (const std::string& endpoint : endpoints_) {
    endpoints += (endpoints.empty() ? "" : ",") + endpoint;
  }
  arguments.insert(arguments.begin(), {Program("lockstepctl"), "--endpoints", endpoints});
  return RunToEnd(arguments);
}

void Machines::WaitUntil(const std::string& what, const std::function<bool()>& holds,
                         std::chrono::seconds limit) {
  const auto until = Clock::now() + limit;
  while (!holds()) {
    if (Clock::now() > until) {
      Fail("never: " + what);
    }
    std::this_thread::sleep_for(milliseconds(5));
  }
}

void Machines::Run(int machine, const Arguments& arguments) {
  Arguments command = {
      Program("lockstepd"), "--data-dir",
      folder_ + "/" + std::to_string(machine) + "." + std::to_string(generations_[machine]),
      "--listen-metrics", "off",
      // Small, so that who joins is sent a snapshot.
      "--checkpoint-entries=50", "--entries-retained=10"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  commands_[machine] = std::move(command);
  Restart(machine);
}

void Machines::Fail(const std::string& what) {
  std::string text = what;
  for (const auto& [machine, process] : processes_) {
    text += "\n--- machine " + std::to_string(machine) + "\n" + process->err();
  }
  throw std::runtime_error(text);
}

void Writer::Stop() {
  stop_ = true;
  if (thread_.joinable()) {
    thread_.join();
  }
}

int Writer::CountLost(net::Client* client) const {
  int lost = 0;
  for (const std::string& key : acknowledged_) {
    const auto outcome = client->Get(key);
    const bool found = outcome.done() && outcome.value().keys.front().has_value() &&
                       outcome.value().keys.front()->value == "of " + key;
    lost += found ? 0 : 1;
  }
  return lost;
}

void Writer::Run() {
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

}  // namespace lockstep::e2e
