#include "tests/e2e/cluster.h"

#include <csignal>
#include <stdexcept>
#include <thread>
#include <utility>

namespace lockstep::e2e {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kPoll(5);

std::string Local(int port) { return "127.0.0.1:" + std::to_string(port); }

}  // namespace

Cluster::Cluster(std::string folder, ClusterOptions options)
    : folder_(std::move(folder)), options_(std::move(options)) {
  const std::vector<int> ports = FreePorts(3 * options_.nodes);
  for (int node = 1; node <= options_.nodes; ++node) {
    const std::size_t first = static_cast<std::size_t>(node - 1) * 3;
    ports_[node] = {ports[first], ports[first + 1], ports[first + 2]};
  }
  observer_ = NewClient();
  for (int node = 1; node <= options_.nodes; ++node) {
    Start(node);
  }
}

Cluster::~Cluster() = default;

std::vector<std::string> Cluster::CommandOf(int node) const {
  std::vector<std::string> command = {Program("lockstepd"),
                                      "--node-id",
                                      std::to_string(node),
                                      "--data-dir",
                                      folder_ + "/node" + std::to_string(node),
                                      "--listen-metrics",
                                      metrics_address(node)};
  for (const auto& [id, ports] : ports_) {
    command.push_back("--peer");
    command.push_back(std::to_string(id) + "=" + Local(ports.peer) + "," + Local(ports.client));
  }
  command.insert(command.end(), options_.flags.begin(), options_.flags.end());
  return command;
}

std::unique_ptr<Process> Cluster::StartWithoutWaiting(int node,
                                                      const std::vector<std::string>& more) {
  std::vector<std::string> command = CommandOf(node);
  for (const std::string& flag : more) {
    const std::string name = flag.substr(0, flag.find('=') + 1);
    std::erase_if(command, [&](const std::string& each) { return each.rfind(name, 0) == 0; });
    command.push_back(flag);
  }
  return std::make_unique<Process>(command);
}

void Cluster::Start(int node) {
  auto process = std::make_unique<Process>(CommandOf(node));
  const Clock::time_point until = Clock::now() + std::chrono::seconds(20);
  while (process->out().find("is ready") == std::string::npos) {
    if (!process->running() || Clock::now() > until) {
      last_logs_[node] = process->err();
      Fail("node " + std::to_string(node) + " did not become ready");
    }
    std::this_thread::sleep_for(kPoll);
  }
  processes_[node] = std::move(process);
  paused_[node] = false;
}

void Cluster::Kill(int node) {
  Process& process = *processes_.at(node);
  process.Signal(SIGKILL);
  process.Wait(std::chrono::seconds(20));
  last_logs_[node] = process.err();
  processes_.erase(node);
}

Ended Cluster::Terminate(int node, Milliseconds limit) {
  Process& process = *processes_.at(node);
  process.Signal(SIGTERM);
  const std::optional<Ended> ended = process.Wait(limit);
  if (!ended) {
    Fail("node " + std::to_string(node) + " did not stop");
  }
  last_logs_[node] = process.err();
  processes_.erase(node);
  return *ended;
}

void Cluster::Pause(int node) {
  processes_.at(node)->Signal(SIGSTOP);
  paused_[node] = true;
}

void Cluster::Resume(int node) {
  processes_.at(node)->Signal(SIGCONT);
  paused_[node] = false;
}

std::string Cluster::client_address(int node) const { return Local(ports_.at(node).client); }
std::string Cluster::metrics_address(int node) const { return Local(ports_.at(node).metrics); }

std::vector<std::string> Cluster::endpoints() const {
  std::vector<std::string> endpoints;
  for (const auto& [id, ports] : ports_) {
    endpoints.push_back(Local(ports.client));
  }
  return endpoints;
}

std::string Cluster::log(int node) const {
  const auto process = processes_.find(node);
  if (process != processes_.end()) {
    return process->second->err();
  }
  const auto last = last_logs_.find(node);
  return last == last_logs_.end() ? "" : last->second;
}

std::optional<v1::StatusResponse> Cluster::StatusOf(int node) {
  const auto outcome = observer_->Status(client_address(node), {lockstep::Milliseconds(1000)});
  return outcome.done() ? std::optional(outcome.value()) : std::nullopt;
}

int Cluster::WaitForLeader(Milliseconds limit) {
  const Clock::time_point until = Clock::now() + limit;
  while (Clock::now() < until) {
    std::uint64_t leader = 0;
    bool agree = true;
    for (const auto& [node, process] : processes_) {
      if (paused_[node]) {
        continue;
      }
      const std::optional<v1::StatusResponse> status = StatusOf(node);
      agree = agree && status && status->leader_id() != 0 &&
              (leader == 0 || leader == status->leader_id());
      leader = agree ? status->leader_id() : leader;
    }
    const int node = static_cast<int>(leader);
    if (agree && leader != 0 && running(node) && !paused_[node]) {
      return node;
    }
    std::this_thread::sleep_for(kPoll);
  }
  Fail("no leader was agreed on");
}

std::uint64_t Cluster::WaitForAgreement(Milliseconds limit) {
  const Clock::time_point until = Clock::now() + limit;
  while (Clock::now() < until) {
    std::optional<v1::StatusResponse> first;
    bool agree = true;
    for (const auto& [node, process] : processes_) {
      const std::optional<v1::StatusResponse> status = StatusOf(node);
      if (!status) {
        agree = false;
        break;
      }
      first = first ? first : status;
      agree = agree && status->applied_index() == first->applied_index() &&
              status->applied_index() == status->commit_index();
      if (status->applied_index() == first->applied_index() &&
          status->digest() != first->digest()) {
        Fail("digests differ at applied index " + std::to_string(status->applied_index()));
      }
    }
    if (agree && first) {
      return first->digest();
    }
    std::this_thread::sleep_for(kPoll);
  }
  Fail("the nodes did not come to hold the same data");
}

std::unique_ptr<net::Client> Cluster::NewClient(net::ClientOptions options) const {
  options.endpoints = endpoints();
  absl::StatusOr<std::unique_ptr<net::Client>> client = net::Client::Connect(std::move(options));
  if (!client.ok()) {
    throw std::runtime_error(std::string(client.status().message()));
  }
  return *std::move(client);
}

void Cluster::Fail(const std::string& what) const {
  std::string text = what;
  for (const auto& [node, ports] : ports_) {
    text += "\n--- node " + std::to_string(node) + "\n" + log(node);
  }
  throw std::runtime_error(text);
}

}  // namespace lockstep::e2e
