// lockstepctl: reads and writes a cluster, and changes its members, from the command line.

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <future>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "net/client.h"
#include "server/ctl/options.h"
#include "server/ctl/output.h"
#include "server/recover.h"

namespace lockstep::server::ctl {
namespace {

// Prints an outcome; `print_value` if it is done.
template <class T, class PrintValue>
Printed PrintOutcome(const net::Outcome<T>& outcome, bool json, PrintValue print_value) {
  if (outcome.not_done() != nullptr) {
    return Print(*outcome.not_done(), json);
  }
  if (outcome.unknown() != nullptr) {
    return Print(*outcome.unknown(), json);
  }
  return print_value(outcome.value());
}

class Runner {
 public:
  Runner(const Invocation& invocation, net::Client* client)
      : invocation_(invocation), json_(invocation.json), client_(*client) {}

  Printed operator()(const PutCommand& command) {
    return PrintOutcome(client_.Put(command.key, command.value), json_,
                        [this](const net::PutReply& reply) { return Print(reply, json_); });
  }
  Printed operator()(const GetCommand& command) {
    return PrintOutcome(
        client_.Get(command.keys, {},
                    {.consistency = command.consistency, .max_age = command.max_age}),
        json_,
        [this, &command](const net::GetReply& reply) { return Print(command, reply, json_); });
  }
  Printed operator()(const DeleteCommand& command) {
    return PrintOutcome(
        client_.Delete(command.key), json_,
        [this, &command](const net::DeleteReply& reply) { return Print(command, reply, json_); });
  }
  Printed operator()(const PutIfAbsentCommand& command) {
    return PrintOutcome(client_.PutIfAbsent(command.key, command.value), json_,
                        [this](const net::ConditionalReply& reply) { return Print(reply, json_); });
  }
  Printed operator()(const CompareAndSetCommand& command) {
    return PrintOutcome(client_.CompareAndSet(command.key, command.expected, command.value), json_,
                        [this](const net::ConditionalReply& reply) { return Print(reply, json_); });
  }
  Printed operator()(const TransactCommand& command) {
    return PrintOutcome(
        client_.Transact(command.transaction), json_,
        [this](const kv::TransactionResult& result) { return Print(result, json_); });
  }
  // All at the same time: one that hangs must not keep the others' answers back.
  Printed operator()(const StatusCommand&) {
    std::vector<std::future<NodeAnswer>> asked;
    for (const std::string& endpoint : invocation_.endpoints) {
      asked.push_back(std::async(std::launch::async, [this, endpoint] { return Ask(endpoint); }));
    }
    std::vector<NodeAnswer> answers;
    for (std::future<NodeAnswer>& one : asked) {
      answers.push_back(one.get());
    }
    return Print(answers, json_);
  }

  // Done before there is a client.
  Printed operator()(const RecoverCommand&) { return {}; }

  Printed operator()(const MemberListCommand&) { return PrintMembers(client_.Members()); }
  Printed operator()(const MemberRemoveCommand& command) {
    return PrintMembers(client_.LeaveCluster(command.node));
  }
  Printed operator()(const MemberPromoteCommand& command) {
    return PrintMembers(client_.Promote(command.node));
  }
  Printed operator()(const MemberDemoteCommand& command) {
    return PrintMembers(client_.Demote(command.node));
  }
  Printed operator()(const MemberReplaceCommand& command) {
    return PrintMembers(client_.Replace(command.leaving, command.learner));
  }
  Printed operator()(const MemberUpdateCommand& command) {
    v1::UpdateMemberRequest request;
    request.set_node_id(command.node.value);
    if (command.peer_address) {
      request.set_peer_address(*command.peer_address);
    }
    if (command.client_address) {
      request.set_client_address(*command.client_address);
    }
    if (command.priority) {
      request.set_priority(*command.priority);
    }
    return PrintMembers(client_.UpdateMember(request));
  }
  Printed operator()(const LeaderTransferCommand& command) {
    return PrintOutcome(client_.TransferLeadership(command.target), json_,
                        [&](NodeId leader) { return Print(command, leader, json_); });
  }

 private:
  Printed PrintMembers(const net::Outcome<v1::MembersResponse>& outcome) {
    return PrintOutcome(outcome, json_, [this](const v1::MembersResponse& members) {
      return Print(members, json_);
    });
  }

  NodeAnswer Ask(const std::string& endpoint) {
    const net::Outcome<v1::StatusResponse> outcome = client_.Status(endpoint);
    if (outcome.done()) {
      return {endpoint, outcome.value(), ""};
    }
    return {endpoint, std::nullopt,
            outcome.not_done() != nullptr ? outcome.not_done()->reason : outcome.unknown()->reason};
  }

  const Invocation& invocation_;
  const bool json_;
  net::Client& client_;
};

int Show(const Printed& printed) {
  std::cout << printed.out << std::flush;
  std::cerr << printed.err;
  if (!std::cout) {
    std::cerr << "lockstepctl: cannot write to standard output\n";
  }
  return static_cast<int>(printed.code);
}

int Usage(const absl::Status& status) {
  std::cerr << "lockstepctl: " << std::string(status.message()) << "\n";
  return static_cast<int>(ExitCode::kUsage);
}

void Explain(const RecoverCommand& command, const RecoverPlan& plan) {
  std::cerr << "This makes a NEW cluster, '" << command.options.new_cluster_name << "', of node "
            << plan.node.value << " alone, from " << command.options.data_dir.string() << ".\n"
            << "It will begin at index " << plan.last.index.value << " of term "
            << plan.last.term.value << ", revision " << plan.summary.revision.value << ", with "
            << plan.keys << " keys and digest " << plan.summary.digest << ".\n"
            << "Certainly committed was index " << plan.applied.value
            << "; all after that in this node's log will count as committed.\n"
            << "LOST is every write that was acknowledged and has not reached this node.\n"
            << "The old cluster was: " << raft::ToText(plan.members)
            << ". None of its other members may come back: they are strangers to the new cluster,\n"
            << "and a majority of them, started, would go on as the old one. Take their folders "
               "away.\n";
}

// Whether the person at the terminal means it.
bool Confirmed(const RecoverCommand& command) {
  if (command.confirmed) {
    return true;
  }
  if (isatty(STDIN_FILENO) == 0) {
    std::cerr << "lockstepctl: nothing was done: confirm with --yes-lose-what-only-others-had\n";
    return false;
  }
  std::cerr << "Type the new cluster's name to go on: " << std::flush;
  std::string typed;
  std::getline(std::cin, typed);
  if (typed != command.options.new_cluster_name) {
    std::cerr << "lockstepctl: nothing was done\n";
    return false;
  }
  return true;
}

int RunRecover(const RecoverCommand& command, bool json) {
  const auto fail = [json](const absl::Status& status) {
    return Show(Print(net::NotDone{net::ErrorKind::kInvalid, std::string(status.message())}, json));
  };
  const absl::StatusOr<RecoverPlan> plan = PlanRecovery(command.options);
  if (!plan.ok()) {
    return fail(plan.status());
  }
  if (plan->unfinished.empty()) {
    Explain(command, *plan);
    if (!Confirmed(command)) {
      return static_cast<int>(ExitCode::kNotDone);
    }
  }
  const absl::StatusOr<std::filesystem::path> copy = Recover(command.options);
  if (!copy.ok()) {
    return fail(copy.status());
  }
  Printed printed;
  const std::string node =
      plan->unfinished.empty() ? std::to_string(plan->node.value) : std::string("N");
  printed.out =
      json ? "{\"ok\": true}\n"
           : "done; the old files are in " + copy->string() +
                 "\nstart it with: lockstepd --cluster-name " + command.options.new_cluster_name +
                 " --node-id " + node + " --data-dir " + command.options.data_dir.string() +
                 " --initial-cluster-state existing --peer " + node + "=" +
                 command.options.peer_address + "," + command.options.client_address + "\n";
  return Show(printed);
}

int Main(const std::vector<std::string>& arguments) {
  absl::StatusOr<Invocation> invocation = ParseCommandLine(arguments);
  if (!invocation.ok()) {
    return Usage(invocation.status());
  }
  if (invocation->print) {
    std::cout << *invocation->print;
    return static_cast<int>(ExitCode::kOk);
  }
  if (const auto* recover = std::get_if<RecoverCommand>(&invocation->command)) {
    return RunRecover(*recover, invocation->json);
  }
  if (!invocation->discovery_srv.empty()) {
    net::DnsOptions dns = invocation->dns;
    dns.timeout = std::min(dns.timeout, invocation->timeout);
    absl::StatusOr<std::vector<std::string>> found =
        net::LookUpService(net::kClientService, invocation->discovery_srv, dns);
    if (!found.ok()) {
      return Show(
          Print(net::NotDone{net::ErrorKind::kUnreachable, std::string(found.status().message())},
                invocation->json));
    }
    invocation->endpoints = *std::move(found);
  }
  net::ClientOptions options;
  options.endpoints = invocation->endpoints;
  options.call_timeout = invocation->timeout;
  options.attempt_timeout = std::min(options.attempt_timeout, invocation->timeout);
  // A command's session is used once: long enough for all its retries, not to pile up for longer.
  options.session_time_to_live = invocation->timeout * 2 + Seconds(10);
  const absl::StatusOr<std::unique_ptr<net::Client>> client = net::Client::Connect(options);
  if (!client.ok()) {
    return Usage(client.status());
  }
  return Show(std::visit(Runner(*invocation, client->get()), invocation->command));
}

}  // namespace
}  // namespace lockstep::server::ctl

int main(int argc, char** argv) {
  return lockstep::server::ctl::Main(std::vector<std::string>(argv + 1, argv + argc));
}
