// What lockstepctl is asked to do.

#ifndef LOCKSTEP_SERVER_CTL_OPTIONS_H_
#define LOCKSTEP_SERVER_CTL_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "core/kv/types.h"
#include "core/request_limits.h"
#include "core/types.h"
#include "net/srv.h"
#include "server/recover.h"

namespace lockstep::server::ctl {

// How lockstepctl ends.
enum class ExitCode : int {
  kOk = 0,
  kNotFound = 1,         // get, delete: there is no such key
  kUsage = 2,            // wrong arguments; nothing was sent
  kConditionFailed = 3,  // put-if-absent, cas, txn: certainly executed, the condition did not hold
  kNotDone = 4,          // it certainly had no effect
  kUnknown = 5,          // it may have had its effect, or may yet have it
};

struct PutCommand {
  std::string key;
  std::string value;
};
struct GetCommand {
  std::vector<std::string> keys;
  bool raw = false;  // the value's bytes and nothing else
  Consistency consistency = Consistency::kLinearizable;
  Duration max_age{};
};
struct DeleteCommand {
  std::string key;
};
struct PutIfAbsentCommand {
  std::string key;
  std::string value;
};
struct CompareAndSetCommand {
  std::string key;
  std::optional<std::string> expected;  // unset: the key must be absent
  std::string value;
};
struct TransactCommand {
  kv::Transaction transaction;
};
struct StatusCommand {};
struct MemberListCommand {};
struct MemberRemoveCommand {
  NodeId node;
};
struct MemberPromoteCommand {
  NodeId node;
};
struct MemberDemoteCommand {
  NodeId node;
};
struct MemberReplaceCommand {
  NodeId leaving;
  NodeId learner;
};
struct MemberUpdateCommand {
  NodeId node;
  std::optional<std::string> peer_address;
  std::optional<std::string> client_address;
  std::optional<std::uint32_t> priority;
};
struct LeaderTransferCommand {
  NodeId target;  // 0: the best voter for it
};

// Offline, on the files of a node: asks nobody.
struct RecoverCommand {
  server::RecoverOptions options;
  bool confirmed = false;
};

using Command =
    std::variant<PutCommand, GetCommand, DeleteCommand, PutIfAbsentCommand, CompareAndSetCommand,
                 TransactCommand, StatusCommand, MemberListCommand, MemberRemoveCommand,
                 MemberPromoteCommand, MemberDemoteCommand, MemberReplaceCommand,
                 MemberUpdateCommand, LeaderTransferCommand, RecoverCommand>;

struct Invocation {
  std::optional<std::string> print;    // set: print it and end with success (--help, --version)
  std::vector<std::string> endpoints;  // empty: those that DNS names
  std::string discovery_srv;           // set if endpoints is empty: the domain to look up
  net::DnsOptions dns;
  Duration timeout = Seconds(10);
  bool json = false;
  Command command;
};

// `arguments` without the program's name; reads standard input or a file where they say so.
// InvalidArgument is one line for standard error.
absl::StatusOr<Invocation> ParseCommandLine(const std::vector<std::string>& arguments);

}  // namespace lockstep::server::ctl

#endif  // LOCKSTEP_SERVER_CTL_OPTIONS_H_
