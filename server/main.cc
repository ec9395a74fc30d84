// lockstepd: one node of a cluster.

#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/config.h"
#include "server/driver.h"
#include "server/form.h"
#include "server/join.h"
#include "server/log.h"
#include "server/mailbox.h"
#include "server/node.h"
#include "server/repair.h"
#include "server/version.h"

namespace lockstep::server {
namespace {

// What ends the wait of the main thread.
struct Signal {
  int number = 0;
};
struct DiskFailed {};
struct Expelled {
  std::string why;
};
struct Diverged {
  std::string why;
};
using Ending = std::variant<Signal, DiskFailed, Expelled, Diverged>;

// What the disk or gRPC may take on top of the shutdown's own time before the process ends anyway.
constexpr Duration kShutdownGrace = Seconds(5);

int Code(ExitCode code) { return static_cast<int>(code); }

// All threads inherit the mask, so that only the thread that waits for these signals gets them.
sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);  // a closed standard error must not end a node
  return signals;
}

// The first signal asks for a clean shutdown, a second one ends the process at once.
void WaitForSignals(sigset_t signals, Mailbox<Ending>* endings, NodeLog* log) {
  int number = 0;
  sigwait(&signals, &number);
  endings->Put(Signal{number});
  sigwait(&signals, &number);
  log->Write(LogLevel::kWarning, "forced-exit", {Field("signal", strsignal(number))});
  std::_Exit(Code(ExitCode::kForced));
}

void PrintReady(const Settings& settings, const Node::Addresses& addresses) {
  std::cout << "lockstepd: node " << settings.node_id.value << " is ready: clients "
            << addresses.client.ToString() << ", peers " << addresses.peer.ToString()
            << ", metrics "
            << (addresses.metrics ? addresses.metrics->ToString() : std::string("off"))
            << std::endl;
}

// Ends the process if a stop takes longer than it should: a supervisor waits for it.
void StartWatchdog(Duration limit, NodeLog* log) {
  std::thread([limit, log] {
    std::this_thread::sleep_for(std::chrono::nanoseconds(limit.ns));
    log->Write(LogLevel::kError, "shutdown-hangs", {Field("after_ms", limit)});
    std::_Exit(Code(ExitCode::kFailure));
  }).detach();
}

int FailToStart(const StartFailure& failure, NodeLog* log) {
  log->Write(LogLevel::kError, "start-failed",
             {Field("error", failure.text), Field("exit_code", Code(failure.code))});
  return Code(failure.code);
}

// One that finds damage, one after a repair, and one each for a read that went wrong once.
constexpr int kStartsMax = 4;

// It listens where it would have listened under the number that it was configured with.
void Become(NodeId id, Settings* settings) {
  const Address peer = settings->advertised_peer_address();
  const Address client = settings->advertised_client_address();
  settings->listen_peer = settings->peer_address();
  settings->listen_client = settings->client_address();
  settings->advertise_peer = peer;
  settings->advertise_client = client;
  settings->members.erase(settings->node_id);
  settings->node_id = id;
  settings->expects_data = true;
}

// Nothing: it was asked to end before it had joined. `settings` become those of who it is.
std::variant<std::monostate, std::unique_ptr<Node>, StartFailure> StartOrRepair(
    Settings* settings, NodeLog* log, Mailbox<Ending>* endings) {
  if (settings->forms()) {
    SetAdvertised(NodeId(), settings, log);
  }
  for (int reads = 1;; ++reads) {
    if (settings->joins() || settings->forms() || RecordDecides(settings->data_dir)) {
      const auto joined = Join(*settings, log, [endings] { return endings->size() > 0; });
      if (const auto* failure = std::get_if<StartFailure>(&joined)) {
        return *failure;
      }
      if (std::holds_alternative<std::monostate>(joined)) {
        return std::monostate();
      }
      if (settings->forms()) {
        SetAdvertised(std::get<NodeId>(joined), settings, log);
      }
      Become(std::get<NodeId>(joined), settings);
      log->SetNode(settings->node_id);
    }
    auto started = Node::Start(
        *settings, log,
        {.on_disk_failure = [endings] { endings->Put(DiskFailed{}); },
         .on_expelled = [endings](std::string why) { endings->Put(Expelled{std::move(why)}); },
         .on_diverged = [endings](std::string why) { endings->Put(Diverged{std::move(why)}); }});
    const auto* failure = std::get_if<StartFailure>(&started);
    if (failure == nullptr) {
      return std::get<std::unique_ptr<Node>>(std::move(started));
    }
    // What is found whole when it is read again, and damaged after that, is for people.
    if (!failure->damaged || !settings->repair || reads > kStartsMax) {
      return *failure;
    }
    if (std::optional<StartFailure> refused = BeginRepair(*settings, failure->text, log)) {
      return *refused;
    }
  }
}

int Run(Settings settings, NodeLog* log, Mailbox<Ending>* endings) {
  log->Write(LogLevel::kInfo, "starting",
             {Field("version", kVersion), Field("cluster", settings.cluster_name),
              Field("data_dir", settings.data_dir), Field("members", settings.members.size()),
              Field("pid", getpid())});
  auto started = StartOrRepair(&settings, log, endings);
  if (std::holds_alternative<std::monostate>(started)) {
    log->Write(LogLevel::kInfo, "stopped", {Field("reason", "before the node had joined")});
    return Code(ExitCode::kOk);
  }
  if (const auto* failure = std::get_if<StartFailure>(&started)) {
    return FailToStart(*failure, log);
  }
  const std::unique_ptr<Node> node = std::get<std::unique_ptr<Node>>(std::move(started));
  const Node::Addresses& addresses = node->addresses();
  log->Write(
      LogLevel::kInfo, "ready",
      {Field("client", addresses.client.ToString()), Field("peer", addresses.peer.ToString()),
       Field("metrics", addresses.metrics ? addresses.metrics->ToString() : "off")});
  PrintReady(settings, addresses);

  std::vector<Ending> received;
  endings->TakeAll(std::nullopt, &received);
  const Duration limit = Milliseconds(static_cast<std::int64_t>(settings.shutdown_timeout_ms));
  StartWatchdog(limit + kShutdownGrace, log);
  if (std::holds_alternative<DiskFailed>(received.front())) {
    node->Stop(Duration{0});
    return Code(ExitCode::kDiskFailed);
  }
  if (const auto* diverged = std::get_if<Diverged>(&received.front())) {
    if (const std::string failure = MarkDiverged(settings.data_dir, diverged->why);
        !failure.empty()) {
      log->Write(LogLevel::kError, "divergence-not-noted", {Field("error", failure)});
    }
    node->Stop(Duration{0});
    return Code(ExitCode::kDiskFailed);
  }
  const auto* expelled = std::get_if<Expelled>(&received.front());
  if (expelled != nullptr) {
    // The event was logged; this is for who started the node by hand.
    std::cerr << "lockstepd: " << expelled->why << ": its data folder is of no more use"
              << std::endl;
  }
  const Instant begin = Driver::Now();
  log->Write(
      LogLevel::kInfo, "shutting-down",
      {expelled != nullptr ? Field("reason", expelled->why)
                           : Field("signal", strsignal(std::get<Signal>(received.front()).number)),
       Field("at_most_ms", limit)});
  const bool clean = node->Stop(limit);
  log->Write(clean ? LogLevel::kInfo : LogLevel::kWarning, "stopped",
             {Field("clean", clean ? "yes" : "no"), Field("took_ms", Driver::Now() - begin)});
  return Code(expelled != nullptr ? ExitCode::kExpelled : ExitCode::kOk);
}

int Main(const std::vector<std::string>& arguments) {
  const absl::StatusOr<Invocation> invocation = ParseCommandLine(arguments);
  if (!invocation.ok()) {
    std::cerr << "lockstepd: " << std::string(invocation.status().message()) << "\n";
    return Code(ExitCode::kUsage);
  }
  if (invocation->print) {
    std::cout << *invocation->print;
    return Code(ExitCode::kOk);
  }
  const Settings& settings = invocation->settings;
  const sigset_t signals = BlockSignals();
  // Never destroyed: the thread that waits for signals uses both until the process ends.
  auto* const log = new NodeLog(settings.node_id, settings.log_level, settings.log_format);
  auto* const endings = new Mailbox<Ending>();
  std::thread(WaitForSignals, signals, endings, log).detach();
  return Run(settings, log, endings);
}

}  // namespace
}  // namespace lockstep::server

int main(int argc, char** argv) {
  // Past static destructors: gRPC's and our detached threads may still run.
  const int code = lockstep::server::Main(std::vector<std::string>(argv + 1, argv + argc));
  std::cout.flush();
  std::_Exit(code);
}
