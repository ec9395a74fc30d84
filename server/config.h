// What a node is told by its flags and its configuration file.
//
// Every setting is one row of one table (config.cc): its flag is --NAME, its key in the TOML file
// is NAME, both take the same values and both are checked by the same code. Flags override the
// file; a list given by flags replaces the file's whole list.

#ifndef LOCKSTEP_SERVER_CONFIG_H_
#define LOCKSTEP_SERVER_CONFIG_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/replica.h"
#include "core/types.h"
#include "server/address.h"

namespace lockstep::server {

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarning, kError };
enum class LogFormat : std::uint8_t { kLogfmt, kJson };

// One member of the cluster.
struct Member {
  Address peer;                   // where the other members reach it
  std::optional<Address> client;  // where clients reach it, for answers that name the leader
};

struct Settings {
  NodeId node_id;
  std::string cluster_name = "lockstep";
  std::string data_dir;
  bool expects_data = false;         // this node was started before: its files must be there
  bool repair = true;                // it makes itself anew when its files are damaged
  std::map<NodeId, Member> members;  // this node among them

  // Of a node that asks a running cluster to take it in: it has no node_id and no members of its
  // own. Client addresses of members; empty for all others.
  std::vector<Address> join;
  // Or a domain whose SRV records name them, and the name server to ask ("IP:PORT"; empty: the
  // system's).
  std::string discovery_srv;
  std::string dns_server;
  // Of one of so many machines that form a cluster (0: it does not): the peer addresses of all, or
  // `discovery_srv` to find them.
  std::uint64_t bootstrap_expect = 0;
  std::vector<Address> discover;
  bool join_as_learner = false;
  NodeId join_replaces;  // 0: nobody
  std::uint64_t join_priority = 0;
  std::optional<Address> advertise_peer;    // unset: where it listens
  std::optional<Address> advertise_client;  // unset: where it listens

  std::optional<Address> listen_peer;    // unset: the node's own peer address
  std::optional<Address> listen_client;  // unset: the node's own client address
  std::optional<Address> listen_metrics = Address{"127.0.0.1", 7300};  // unset: not served

  std::uint64_t election_timeout_ms = 1000;
  std::uint64_t heartbeat_ms = 100;
  std::uint64_t retransmit_ms = 500;
  std::uint64_t snapshot_timeout_ms = 30'000;
  std::uint64_t disk_stall_timeout_ms = 5000;
  std::uint64_t shutdown_timeout_ms = 10'000;

  bool lease_reads = false;
  std::uint64_t clock_drift_ppm = 10'000;

  std::uint64_t append_entries_max = 256;
  std::uint64_t append_bytes_max = 1 << 20;
  std::uint64_t appends_in_flight_max = 64;
  std::uint64_t uncommitted_bytes_max = 64 << 20;
  std::uint64_t entries_retained = 10'000;

  Limits limits;
  std::uint64_t queued_requests_max = 10'000;
  std::uint64_t queued_peer_bytes_max = 256 << 20;

  std::uint64_t checkpoint_entries = 10'000;
  std::uint64_t checkpoint_bytes = 16 << 20;

  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kLogfmt;

  // Whether it asks a running cluster to take it in.
  bool joins() const { return !forms() && (!join.empty() || !discovery_srv.empty()); }
  // Whether it forms a cluster with others.
  bool forms() const { return bootstrap_expect > 0; }
  ClusterId cluster_id() const;
  Address peer_address() const;    // to listen on. REQUIRES: Check(*this) is OK.
  Address client_address() const;  // to listen on. REQUIRES: Check(*this) is OK.
  // Where others, and clients, reach this node. REQUIRES: Check(*this) is OK.
  Address advertised_peer_address() const;
  Address advertised_client_address() const;
  ReplicaConfig replica() const;       // but for the incarnation, which its files know
  raft::Membership beginning() const;  // the cluster's, as it begins
};

// Whether others can reach it: it has a port, and its host is not that of all interfaces.
bool IsDialable(const Address& address);

// The number that stands for a cluster's name in every message and file; never 0. Part of the
// on-disk identity: the same name gives the same id in every version.
ClusterId ClusterIdFromName(std::string_view name);

enum class SettingKind : std::uint8_t { kText, kNumber, kList };

// One row of the table.
struct Setting {
  const char* name;
  const char* group;       // heading in --help
  const char* value_name;  // in --help; carries the unit
  const char* help;
  SettingKind kind;
  // Takes the values as text (exactly one but for kList, which takes at least one). InvalidArgument
  // says what is wrong with them, without the setting's name.
  absl::Status (*set)(const std::vector<std::string>& values, Settings* settings);
  // The value as --help shows it as default; empty for none.
  std::string (*show)(const Settings& settings);
};

// All settings, in the order of --help.
const std::vector<Setting>& AllSettings();
const Setting* FindSetting(std::string_view name);

// What only holds or fails for the settings together. InvalidArgument names the settings at fault.
absl::Status Check(const Settings& settings);

// Reads `path` into `settings`. InvalidArgument has the form "FILE:LINE: what is wrong".
absl::Status ReadConfigFile(const std::string& path, Settings* settings);

// What a command line asks for.
struct Invocation {
  // Set: print it to standard output and end with success (--help, --version, --check-config).
  std::optional<std::string> print;
  Settings settings;  // checked; meaningful unless `print` is set
};

// `arguments` without the program's name. InvalidArgument is one line for standard error.
absl::StatusOr<Invocation> ParseCommandLine(const std::vector<std::string>& arguments);

}  // namespace lockstep::server

#endif  // LOCKSTEP_SERVER_CONFIG_H_
