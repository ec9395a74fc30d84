#include "server/ctl/options.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/address.h"
#include "server/ctl/transaction_text.h"
#include "server/version.h"

namespace lockstep::server::ctl {
namespace {

constexpr char kDefaultEndpoints[] = "127.0.0.1:7201";

constexpr char kExitCodes[] =
    "Exit codes:\n"
    "  0  done\n"
    "  1  get, delete: there is no such key\n"
    "  2  wrong arguments; nothing was sent\n"
    "  3  put-if-absent, cas, txn: the condition did not hold (txn: 'else' was executed)\n"
    "  4  it certainly had no effect; status: a node did not answer\n"
    "  5  unknown: it may have had its effect, or may yet have it\n";

absl::Status Invalid(const std::string& text) { return absl::InvalidArgumentError(text); }

// "5s", "500ms" or "5", which are seconds.
absl::StatusOr<Duration> ParseTime(const std::string& flag, const std::string& text) {
  std::int64_t number = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number);
  const std::string unit(end, last);
  if (error != std::errc() || number <= 0 || number > 86'400'000 ||
      (!unit.empty() && unit != "s" && unit != "ms")) {
    return Invalid(absl::StrCat(flag, ": '", text, "' is not a time above 0 such as 500ms or 10s"));
  }
  return unit == "ms" ? Milliseconds(number) : Seconds(number);
}

absl::StatusOr<std::vector<std::string>> ParseEndpoints(const std::string& text) {
  std::vector<std::string> endpoints;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string endpoint = text.substr(begin, end - begin);
    const absl::StatusOr<Address> address = ParseAddress(endpoint);
    if (!address.ok()) {
      return Invalid(absl::StrCat("--endpoints: ", std::string(address.status().message())));
    }
    endpoints.push_back(endpoint);
    begin = end + 1;
  }
  return endpoints;
}

std::string ReadAll(std::istream& stream) {
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

// "-" means standard input.
std::string ValueOf(const std::string& argument) {
  return argument == "-" ? ReadAll(std::cin) : argument;
}

// What CLI11 writes into; all of it as text.
struct Arguments {
  std::string endpoints;
  std::string discovery_srv;
  std::string dns_server;
  std::string timeout = "10s";
  bool json = false;
  bool help = false;
  bool version = false;
  bool raw = false;
  std::string consistency = "linearizable";
  std::optional<std::string> max_age;
  bool absent = false;
  std::vector<std::string> keys;
  std::string key;
  std::string value;
  std::vector<std::string> expected_and_value;
  std::string text;
  std::string file;
  std::string node;
  std::string leaving;
  std::optional<std::string> peer_address;
  std::optional<std::string> client_address;
  std::optional<std::string> priority;
  std::string data_dir;
  std::string cluster_name = "lockstep";
  std::string new_cluster_name;
  bool confirmed = false;
};

struct Subcommands {
  CLI::App* put = nullptr;
  CLI::App* get = nullptr;
  CLI::App* remove = nullptr;
  CLI::App* put_if_absent = nullptr;
  CLI::App* cas = nullptr;
  CLI::App* txn = nullptr;
  CLI::App* status = nullptr;
  CLI::App* member = nullptr;
  CLI::App* member_list = nullptr;
  CLI::App* member_remove = nullptr;
  CLI::App* member_promote = nullptr;
  CLI::App* member_demote = nullptr;
  CLI::App* member_replace = nullptr;
  CLI::App* member_update = nullptr;
  CLI::App* leader = nullptr;
  CLI::App* leader_transfer = nullptr;
  CLI::App* recover = nullptr;
};

void AddCommonFlags(CLI::App& app, Arguments* arguments) {
  app.add_option("--endpoints", arguments->endpoints,
                 "Client addresses of members, separated by commas. Environment: "
                 "LOCKSTEP_ENDPOINTS.")
      ->type_name("HOST:PORT,...")
      ->default_str(kDefaultEndpoints)
      ->envname("LOCKSTEP_ENDPOINTS");
  app.add_option("--discovery-srv", arguments->discovery_srv,
                 "Takes the place of --endpoints: the domain whose SRV records "
                 "_lockstep-client._tcp.DOMAIN name them. Environment: LOCKSTEP_DISCOVERY_SRV.")
      ->type_name("DOMAIN")
      ->envname("LOCKSTEP_DISCOVERY_SRV");
  app.add_option("--dns-server", arguments->dns_server,
                 "The name server to ask for them, instead of the system's. Environment: "
                 "LOCKSTEP_DNS_SERVER.")
      ->type_name("IP:PORT")
      ->envname("LOCKSTEP_DNS_SERVER");
  app.add_option("--timeout", arguments->timeout, "How long to try, such as 500ms or 10s.")
      ->type_name("TIME")
      ->default_str("10s");
  app.add_flag("--json", arguments->json, "Print JSON, one object on one line.");
  app.add_flag("--version", arguments->version, "Print the program's version.");
}

void AddMemberSubcommands(CLI::App& app, Arguments* a, Subcommands* sub) {
  constexpr char kNode[] = "The member's number.";
  sub->member = app.add_subcommand("member", "Show or change who belongs to the cluster.");
  sub->member->footer("A new member joins by itself: lockstepd --join.");
  CLI::App& member = *sub->member;
  sub->member_list = member.add_subcommand("list", "Show the members, as one node knows them.");
  sub->member_remove = member.add_subcommand(
      "remove", "Remove a member for good. One that leads hands leadership over first.");
  sub->member_remove->add_option("NODE", a->node, kNode)->required();
  sub->member_promote = member.add_subcommand(
      "promote", "Make a learner a voter. Waits until it has caught up, within --timeout.");
  sub->member_promote->add_option("NODE", a->node, kNode)->required();
  sub->member_demote =
      member.add_subcommand("demote", "Make a voter a learner, which stays one until promoted.");
  sub->member_demote->add_option("NODE", a->node, kNode)->required();
  sub->member_replace =
      member.add_subcommand("replace", "Remove a member and make a learner a voter, in one step.");
  sub->member_replace->add_option("LEAVING", a->leaving, "The number of the member that leaves.")
      ->required();
  sub->member_replace->add_option("LEARNER", a->node, "The number of the learner.")->required();
  sub->member_update = member.add_subcommand(
      "update", "Change what the cluster knows of a member; the rest stays as it is.");
  sub->member_update->add_option("NODE", a->node, kNode)->required();
  sub->member_update->add_option("--peer-address", a->peer_address, "Where other members reach it.")
      ->type_name("HOST:PORT");
  sub->member_update->add_option("--client-address", a->client_address, "Where clients reach it.")
      ->type_name("HOST:PORT");
  sub->member_update
      ->add_option("--priority", a->priority,
                   "A leader hands leadership to a voter with a higher one.")
      ->type_name("NUMBER");
  sub->leader = app.add_subcommand("leader", "Move leadership.");
  sub->leader_transfer = sub->leader->add_subcommand(
      "transfer", "Hand leadership to a voter: the most caught-up one, or NODE.");
  sub->leader_transfer->add_option("NODE", a->node, "The number of the voter that is to lead.");
}

void AddRecover(CLI::App& app, Arguments* a, Subcommands* sub) {
  sub->recover =
      app.add_subcommand("recover",
                         "When a majority of the members is lost for good: make a new cluster of "
                         "one from the files of "
                         "one node that does not run. What only the others had is lost.");
  CLI::App& recover = *sub->recover;
  recover.add_option("--data-dir", a->data_dir, "The node's data folder. A copy is made first.")
      ->type_name("PATH")
      ->required();
  recover
      .add_option("--new-cluster-name", a->new_cluster_name,
                  "Name of the new cluster: another one, so that members of the old cluster that "
                  "come back are strangers to it.")
      ->type_name("NAME")
      ->required();
  recover.add_option("--cluster-name", a->cluster_name, "Name of the old cluster.")
      ->type_name("NAME")
      ->default_str("lockstep");
  recover
      .add_option("--node-id", a->node,
                  "The node's number, if the file 'members' in its folder does not tell.")
      ->type_name("ID");
  recover.add_option("--peer-address", a->peer_address, "Where other members will reach it.")
      ->type_name("HOST:PORT")
      ->required();
  recover.add_option("--client-address", a->client_address, "Where clients will reach it.")
      ->type_name("HOST:PORT")
      ->required();
  recover.add_flag("--yes-lose-what-only-others-had", a->confirmed,
                   "Do not ask. Without a terminal to ask at, nothing is done without this.");
}

Subcommands AddSubcommands(CLI::App& app, Arguments* a) {
  constexpr char kKey[] = "The key.";
  constexpr char kValue[] = "The value; - reads it from standard input.";
  Subcommands sub;
  sub.put = app.add_subcommand("put", "Set a key's value.");
  sub.put->add_option("KEY", a->key, kKey)->required();
  sub.put->add_option("VALUE", a->value, kValue)->required();
  sub.get = app.add_subcommand("get", "Read keys, all as of one moment.");
  sub.get->add_option("KEY", a->keys, "The keys.")->required();
  sub.get->add_flag("--raw", a->raw, "Print the bytes of one key's value and nothing else.");
  sub.get
      ->add_option(
          "--consistency", a->consistency,
          "How much the answer shows, at least. linearizable: all that was written before. "
          "lease: the same by the leader's lease, as long as clocks keep the members' bound. "
          "serializable: what the member that is asked has, also without a leader. bounded: "
          "all that was written --max-age ago.")
      ->type_name("linearizable|lease|serializable|bounded")
      ->default_str("linearizable");
  sub.get->add_option("--max-age", a->max_age, "With --consistency bounded, such as 500ms or 5s.")
      ->type_name("TIME");
  sub.remove = app.add_subcommand("delete", "Remove a key.");
  sub.remove->add_option("KEY", a->key, kKey)->required();
  sub.put_if_absent =
      app.add_subcommand("put-if-absent", "Set a key's value unless the key is there.");
  sub.put_if_absent->add_option("KEY", a->key, kKey)->required();
  sub.put_if_absent->add_option("VALUE", a->value, kValue)->required();
  sub.cas = app.add_subcommand("cas", "Set a key's value if it is the expected one.");
  sub.cas->add_option("KEY", a->key, kKey)->required();
  sub.cas
      ->add_option("EXPECTED VALUE", a->expected_and_value,
                   "The value that must be there, and the new one. One of them may be -.")
      ->required()
      ->expected(1, 2);
  sub.cas->add_flag("--absent", a->absent, "The key must be absent: give only KEY and VALUE.");
  sub.txn = app.add_subcommand("txn", "Execute a transaction over several keys.");
  sub.txn->add_option("TEXT", a->text, "The transaction; - reads it from standard input.");
  sub.txn->add_option("--file", a->file, "Read the transaction from a file.")->type_name("PATH");
  sub.txn->footer(DescribeTransactionText());
  sub.status = app.add_subcommand("status", "Show what each endpoint says of itself.");
  AddMemberSubcommands(app, a, &sub);
  AddRecover(app, a, &sub);
  return sub;
}

absl::StatusOr<std::uint64_t> ParseNumber(const std::string& what, const std::string& text,
                                          std::uint64_t low, std::uint64_t high) {
  std::uint64_t number = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number);
  if (error != std::errc() || end != last || number < low || number > high) {
    return Invalid(
        absl::StrCat(what, ": '", text, "' is not a whole number from ", low, " to ", high));
  }
  return number;
}

// A member's number, put into a command by `make`.
template <class Make>
absl::StatusOr<Command> WithNode(const std::string& what, const std::string& text, Make make) {
  const absl::StatusOr<std::uint64_t> number = ParseNumber(what, text, 1, INT64_MAX);
  if (!number.ok()) {
    return number.status();
  }
  return make(NodeId{*number});
}

absl::StatusOr<Command> MakeReplace(const Arguments& a) {
  const absl::StatusOr<std::uint64_t> leaving =
      ParseNumber("member replace: LEAVING", a.leaving, 1, INT64_MAX);
  if (!leaving.ok()) {
    return leaving.status();
  }
  return WithNode("member replace: LEARNER", a.node, [&leaving](NodeId node) {
    return MemberReplaceCommand{.leaving = {*leaving}, .learner = node};
  });
}

absl::StatusOr<Command> MakeUpdate(const Arguments& a) {
  if (!a.peer_address && !a.client_address && !a.priority) {
    return Invalid("member update: expected --peer-address, --client-address or --priority");
  }
  for (const std::optional<std::string>& text : {a.peer_address, a.client_address}) {
    if (!text) {
      continue;
    }
    const absl::StatusOr<Address> address = ParseAddress(*text);
    if (!address.ok()) {
      return Invalid(absl::StrCat("member update: ", std::string(address.status().message())));
    }
    if (address->port == 0) {
      return Invalid(absl::StrCat("member update: '", *text,
                                  "' is not an address of a member: its port is 0"));
    }
  }
  MemberUpdateCommand command{.node = {},
                              .peer_address = a.peer_address,
                              .client_address = a.client_address,
                              .priority = std::nullopt};
  if (a.priority) {
    const absl::StatusOr<std::uint64_t> priority =
        ParseNumber("member update: --priority", *a.priority, 0, UINT32_MAX);
    if (!priority.ok()) {
      return priority.status();
    }
    command.priority = static_cast<std::uint32_t>(*priority);
  }
  return WithNode("member update: NODE", a.node, [&command](NodeId node) {
    command.node = node;
    return command;
  });
}

absl::StatusOr<Command> MakeRecover(const Arguments& a) {
  RecoverCommand command;
  command.confirmed = a.confirmed;
  command.options = {.data_dir = a.data_dir,
                     .cluster_name = a.cluster_name,
                     .new_cluster_name = a.new_cluster_name,
                     .node = {},
                     .peer_address = a.peer_address.value_or(""),
                     .client_address = a.client_address.value_or("")};
  if (a.new_cluster_name.empty() || a.new_cluster_name == a.cluster_name) {
    return Invalid("recover: --new-cluster-name must be another name than --cluster-name");
  }
  for (const std::optional<std::string>& text : {a.peer_address, a.client_address}) {
    const absl::StatusOr<Address> address = ParseAddress(text.value_or(""));
    if (!address.ok()) {
      return Invalid(absl::StrCat("recover: ", std::string(address.status().message())));
    }
    if (address->port == 0) {
      return Invalid(absl::StrCat("recover: '", *text, "' is not an address of a member"));
    }
  }
  if (a.node.empty()) {
    return command;
  }
  return WithNode("recover: --node-id", a.node, [&command](NodeId node) {
    command.options.node = node;
    return command;
  });
}

absl::StatusOr<Command> MakeMemberCommand(const Subcommands& sub, const Arguments& a) {
  if (sub.member_list->parsed()) {
    return MemberListCommand{};
  }
  if (sub.member_remove->parsed()) {
    return WithNode("member remove: NODE", a.node,
                    [](NodeId node) { return MemberRemoveCommand{node}; });
  }
  if (sub.member_promote->parsed()) {
    return WithNode("member promote: NODE", a.node,
                    [](NodeId node) { return MemberPromoteCommand{node}; });
  }
  if (sub.member_demote->parsed()) {
    return WithNode("member demote: NODE", a.node,
                    [](NodeId node) { return MemberDemoteCommand{node}; });
  }
  if (sub.member_replace->parsed()) {
    return MakeReplace(a);
  }
  if (sub.member_update->parsed()) {
    return MakeUpdate(a);
  }
  return Invalid(
      "member: expected one of list, remove, promote, demote, replace and update; --help tells "
      "more");
}

absl::StatusOr<Command> MakeGet(const Arguments& a) {
  const std::optional<Consistency> consistency = ConsistencyNamed(a.consistency);
  if (!consistency) {
    return Invalid(absl::StrCat("get --consistency: '", a.consistency,
                                "' is none of linearizable, lease, serializable and bounded"));
  }
  if ((*consistency == Consistency::kBoundedStaleness) != a.max_age.has_value()) {
    return Invalid(a.max_age ? "get: --max-age goes with --consistency bounded"
                             : "get --consistency bounded: expected --max-age");
  }
  GetCommand command{.keys = a.keys, .raw = a.raw, .consistency = *consistency, .max_age = {}};
  if (a.max_age) {
    const absl::StatusOr<Duration> max_age = ParseTime("get --max-age", *a.max_age);
    if (!max_age.ok()) {
      return max_age.status();
    }
    command.max_age = *max_age;
  }
  return command;
}

absl::StatusOr<Command> MakeCas(const Arguments& a) {
  const std::size_t wanted = a.absent ? 1 : 2;
  if (a.expected_and_value.size() != wanted) {
    return Invalid(a.absent ? "cas --absent: expected KEY VALUE"
                            : "cas: expected KEY EXPECTED VALUE, or --absent KEY VALUE");
  }
  if (!a.absent && a.expected_and_value[0] == "-" && a.expected_and_value[1] == "-") {
    return Invalid("cas: EXPECTED and VALUE cannot both be read from standard input");
  }
  CompareAndSetCommand command;
  command.key = a.key;
  if (!a.absent) {
    command.expected = ValueOf(a.expected_and_value[0]);
  }
  command.value = ValueOf(a.expected_and_value.back());
  return command;
}

absl::StatusOr<Command> MakeTransact(const Arguments& a) {
  if (a.text.empty() == a.file.empty()) {
    return Invalid("txn: expected TEXT or --file, and not both");
  }
  std::string text = ValueOf(a.text);
  if (!a.file.empty()) {
    std::ifstream file(a.file, std::ios::binary);
    if (!file) {
      return Invalid(absl::StrCat("txn: ", a.file, ": cannot be read"));
    }
    text = ReadAll(file);
  }
  absl::StatusOr<kv::Transaction> transaction = ParseTransaction(text);
  if (!transaction.ok()) {
    return Invalid(absl::StrCat("txn: ", std::string(transaction.status().message())));
  }
  return TransactCommand{*std::move(transaction)};
}

absl::StatusOr<Command> MakeCommand(const Subcommands& sub, const Arguments& a) {
  if (sub.put->parsed()) {
    return PutCommand{a.key, ValueOf(a.value)};
  }
  if (sub.get->parsed()) {
    if (a.raw && a.keys.size() != 1) {
      return Invalid("get --raw: expected one key");
    }
    if (a.raw && a.json) {
      return Invalid("get: --raw and --json contradict each other");
    }
    return MakeGet(a);
  }
  if (sub.remove->parsed()) {
    return DeleteCommand{a.key};
  }
  if (sub.put_if_absent->parsed()) {
    return PutIfAbsentCommand{a.key, ValueOf(a.value)};
  }
  if (sub.cas->parsed()) {
    return MakeCas(a);
  }
  if (sub.txn->parsed()) {
    return MakeTransact(a);
  }
  if (sub.status->parsed()) {
    return StatusCommand{};
  }
  if (sub.member->parsed()) {
    return MakeMemberCommand(sub, a);
  }
  if (sub.leader_transfer->parsed()) {
    return a.node.empty() ? LeaderTransferCommand{}
                          : WithNode("leader transfer: NODE", a.node,
                                     [](NodeId node) { return LeaderTransferCommand{node}; });
  }
  if (sub.leader->parsed()) {
    return Invalid("leader: expected transfer; --help tells more");
  }
  if (sub.recover->parsed()) {
    return MakeRecover(a);
  }
  return Invalid(
      "expected one of put, get, delete, put-if-absent, cas, txn, status, member, leader and "
      "recover; --help tells more");
}

// Whom to ask, or how to find out.
absl::Status SetEndpoints(const Arguments& a, Invocation* invocation) {
  if (!a.dns_server.empty()) {
    if (const absl::Status status = net::CheckDnsServer(a.dns_server); !status.ok()) {
      return Invalid(absl::StrCat("--dns-server: ", std::string(status.message())));
    }
    invocation->dns.server = a.dns_server;
  }
  if (a.discovery_srv.empty()) {
    absl::StatusOr<std::vector<std::string>> endpoints =
        ParseEndpoints(a.endpoints.empty() ? kDefaultEndpoints : a.endpoints);
    if (!endpoints.ok()) {
      return endpoints.status();
    }
    invocation->endpoints = *std::move(endpoints);
    return absl::OkStatus();
  }
  if (!a.endpoints.empty()) {
    return Invalid(
        "--endpoints and --discovery-srv contradict each other (either may also come from "
        "the environment)");
  }
  if (const absl::Status status = net::CheckDomain(a.discovery_srv); !status.ok()) {
    return Invalid(absl::StrCat("--discovery-srv: ", std::string(status.message())));
  }
  invocation->discovery_srv = a.discovery_srv;
  return absl::OkStatus();
}

std::string OneLine(std::string text) {
  for (char& c : text) {
    c = c == '\n' ? ' ' : c;
  }
  return text;
}

}  // namespace

absl::StatusOr<Invocation> ParseCommandLine(const std::vector<std::string>& arguments) {
  CLI::App app("Reads and writes a Lockstep cluster, and changes its members.", "lockstepctl");
  app.fallthrough();  // common flags may follow the subcommand
  app.get_formatter()->column_width(34);
  Arguments parsed;
  AddCommonFlags(app, &parsed);
  const Subcommands sub = AddSubcommands(app, &parsed);
  app.require_subcommand(0, 1);
  app.footer(kExitCodes);

  Invocation invocation;
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app.parse(std::move(reversed));
  } catch (const CLI::CallForHelp&) {
    const CLI::App* chosen = &app;
    std::string path;
    while (!chosen->get_subcommands().empty()) {
      path += chosen->get_name() + " ";
      chosen = chosen->get_subcommands().front();
    }
    invocation.print = path.empty() ? app.help() : chosen->help(path.substr(0, path.size() - 1));
    return invocation;
  } catch (const CLI::ExtrasError&) {
    const std::vector<std::string> extras = app.remaining(true);
    return Invalid(
        absl::StrCat("unknown argument '", extras.empty() ? std::string() : extras.front(), "'"));
  } catch (const CLI::ParseError& error) {
    return Invalid(OneLine(error.what()));
  }
  if (parsed.version) {
    invocation.print = DescribeVersion("lockstepctl");
    return invocation;
  }
  const absl::StatusOr<Duration> timeout = ParseTime("--timeout", parsed.timeout);
  if (!timeout.ok()) {
    return timeout.status();
  }
  if (absl::Status status = SetEndpoints(parsed, &invocation); !status.ok()) {
    return status;
  }
  absl::StatusOr<Command> command = MakeCommand(sub, parsed);
  if (!command.ok()) {
    return command.status();
  }
  invocation.timeout = *timeout;
  invocation.json = parsed.json;
  invocation.command = *std::move(command);
  return invocation;
}

}  // namespace lockstep::server::ctl
