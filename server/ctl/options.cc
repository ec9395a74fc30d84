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
absl::StatusOr<Duration> ParseTimeout(const std::string& text) {
  std::int64_t number = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number);
  const std::string unit(end, last);
  if (error != std::errc() || number <= 0 || number > 86'400'000 ||
      (!unit.empty() && unit != "s" && unit != "ms")) {
    return Invalid(
        absl::StrCat("--timeout: '", text, "' is not a time above 0 such as 500ms or 10s"));
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
  std::string endpoints = kDefaultEndpoints;
  std::string timeout = "10s";
  bool json = false;
  bool help = false;
  bool version = false;
  bool raw = false;
  bool absent = false;
  std::vector<std::string> keys;
  std::string key;
  std::string value;
  std::vector<std::string> expected_and_value;
  std::string text;
  std::string file;
};

struct Subcommands {
  CLI::App* put = nullptr;
  CLI::App* get = nullptr;
  CLI::App* remove = nullptr;
  CLI::App* put_if_absent = nullptr;
  CLI::App* cas = nullptr;
  CLI::App* txn = nullptr;
  CLI::App* status = nullptr;
};

void AddCommonFlags(CLI::App& app, Arguments* arguments) {
  app.add_option("--endpoints", arguments->endpoints,
                 "Client addresses of members, separated by commas. Environment: "
                 "LOCKSTEP_ENDPOINTS.")
      ->type_name("HOST:PORT,...")
      ->default_str(kDefaultEndpoints)
      ->envname("LOCKSTEP_ENDPOINTS");
  app.add_option("--timeout", arguments->timeout, "How long to try, such as 500ms or 10s.")
      ->type_name("TIME")
      ->default_str("10s");
  app.add_flag("--json", arguments->json, "Print JSON, one object on one line.");
  app.add_flag("--version", arguments->version, "Print the program's version.");
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
  return sub;
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
    return GetCommand{a.keys, a.raw};
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
  return Invalid(
      "expected one of put, get, delete, put-if-absent, cas, txn and status; --help tells more");
}

std::string OneLine(std::string text) {
  for (char& c : text) {
    c = c == '\n' ? ' ' : c;
  }
  return text;
}

}  // namespace

absl::StatusOr<Invocation> ParseCommandLine(const std::vector<std::string>& arguments) {
  CLI::App app("Reads and writes a Lockstep cluster.", "lockstepctl");
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
    const std::vector<CLI::App*> chosen = app.get_subcommands();
    invocation.print = chosen.empty() ? app.help() : chosen.front()->help("lockstepctl");
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
  const absl::StatusOr<Duration> timeout = ParseTimeout(parsed.timeout);
  if (!timeout.ok()) {
    return timeout.status();
  }
  absl::StatusOr<std::vector<std::string>> endpoints = ParseEndpoints(parsed.endpoints);
  if (!endpoints.ok()) {
    return endpoints.status();
  }
  absl::StatusOr<Command> command = MakeCommand(sub, parsed);
  if (!command.ok()) {
    return command.status();
  }
  invocation.endpoints = *std::move(endpoints);
  invocation.timeout = *timeout;
  invocation.json = parsed.json;
  invocation.command = *std::move(command);
  return invocation;
}

}  // namespace lockstep::server::ctl
