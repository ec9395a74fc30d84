#include "server/config.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "absl/strings/str_cat.h"
#include "net/srv.h"

namespace lockstep::server {
namespace {

using Values = std::vector<std::string>;

absl::Status Invalid(const std::string& text) { return absl::InvalidArgumentError(text); }

absl::StatusOr<std::uint64_t> ParseNumber(const std::string& text, std::uint64_t low,
                                          std::uint64_t high) {
  std::uint64_t number = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number);
  if (error != std::errc() || end != last || number < low || number > high) {
    return Invalid(absl::StrCat("'", text, "' is not a whole number from ", low, " to ", high));
  }
  return number;
}

// Setters are plain functions so that the table stays a table: the member and its bounds are
// parameters of the template.
template <auto kMember, std::uint64_t kLow, std::uint64_t kHigh>
absl::Status SetNumber(const Values& values, Settings* settings) {
  const absl::StatusOr<std::uint64_t> number = ParseNumber(values.front(), kLow, kHigh);
  if (!number.ok()) {
    return number.status();
  }
  (settings->*kMember) = *number;
  return absl::OkStatus();
}

template <auto kMember>
std::string ShowNumber(const Settings& settings) {
  return std::to_string(settings.*kMember);
}

template <auto kMember, std::uint64_t kLow, std::uint64_t kHigh>
absl::Status SetLimit(const Values& values, Settings* settings) {
  const absl::StatusOr<std::uint64_t> number = ParseNumber(values.front(), kLow, kHigh);
  if (!number.ok()) {
    return number.status();
  }
  (settings->limits.*kMember) = *number;
  return absl::OkStatus();
}

template <auto kMember>
std::string ShowLimit(const Settings& settings) {
  return std::to_string(settings.limits.*kMember);
}

std::string ShowNothing(const Settings&) { return ""; }

absl::Status SetNodeId(const Values& values, Settings* settings) {
  // SQLite's integers are signed.
  const absl::StatusOr<std::uint64_t> number = ParseNumber(values.front(), 1, INT64_MAX);
  if (!number.ok()) {
    return number.status();
  }
  settings->node_id = {*number};
  return absl::OkStatus();
}

absl::Status SetClusterName(const Values& values, Settings* settings) {
  const std::string& name = values.front();
  if (name.empty() || name.size() > 128) {
    return Invalid("a cluster's name has 1 to 128 bytes");
  }
  settings->cluster_name = name;
  return absl::OkStatus();
}

std::string ShowClusterName(const Settings& settings) { return settings.cluster_name; }

absl::Status SetDataDir(const Values& values, Settings* settings) {
  if (values.front().empty()) {
    return Invalid("the path is empty");
  }
  settings->data_dir = values.front();
  return absl::OkStatus();
}

absl::Status SetClusterState(const Values& values, Settings* settings) {
  if (values.front() != "new" && values.front() != "existing") {
    return Invalid("'" + values.front() + "' is neither 'new' nor 'existing'");
  }
  settings->expects_data = values.front() == "existing";
  return absl::OkStatus();
}

std::string ShowClusterState(const Settings& settings) {
  return settings.expects_data ? "existing" : "new";
}

absl::Status SetLeaseReads(const Values& values, Settings* settings) {
  if (values.front() != "on" && values.front() != "off") {
    return Invalid("'" + values.front() + "' is neither 'on' nor 'off'");
  }
  settings->lease_reads = values.front() == "on";
  return absl::OkStatus();
}

std::string ShowLeaseReads(const Settings& settings) { return settings.lease_reads ? "on" : "off"; }

// A member's address as others dial it: there, port 0 means nothing.
absl::StatusOr<Address> ParseMemberAddress(const std::string& text) {
  absl::StatusOr<Address> address = ParseAddress(text);
  if (address.ok() && address->port == 0) {
    return Invalid(absl::StrCat("'", text, "' is not an address of a member: its port is 0"));
  }
  return address;
}

// ID=PEER_ADDRESS[,CLIENT_ADDRESS]
absl::Status AddMember(const std::string& text, std::map<NodeId, Member>* members) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) {
    return Invalid(
        absl::StrCat("'", text, "' is not a member: expected ID=PEER_ADDRESS[,CLIENT_ADDRESS]"));
  }
  const absl::StatusOr<std::uint64_t> id = ParseNumber(text.substr(0, equals), 1, INT64_MAX);
  if (!id.ok()) {
    return Invalid(absl::StrCat("in '", text, "': ", std::string(id.status().message())));
  }
  const std::string addresses = text.substr(equals + 1);
  const std::size_t comma = addresses.find(',');
  const absl::StatusOr<Address> peer = ParseMemberAddress(addresses.substr(0, comma));
  if (!peer.ok()) {
    return peer.status();
  }
  Member member{*peer, std::nullopt};
  if (comma != std::string::npos) {
    const absl::StatusOr<Address> client = ParseMemberAddress(addresses.substr(comma + 1));
    if (!client.ok()) {
      return client.status();
    }
    member.client = *client;
  }
  if (!members->emplace(NodeId{*id}, member).second) {
    return Invalid(absl::StrCat("node ", *id, " is listed twice"));
  }
  return absl::OkStatus();
}

absl::Status SetMembers(const Values& values, Settings* settings) {
  std::map<NodeId, Member> members;
  for (const std::string& value : values) {
    if (const absl::Status status = AddMember(value, &members); !status.ok()) {
      return status;
    }
  }
  settings->members = std::move(members);
  return absl::OkStatus();
}

template <auto kMember>
absl::Status SetAddressList(const Values& values, Settings* settings) {
  std::vector<Address> addresses;
  for (const std::string& value : values) {
    const absl::StatusOr<Address> address = ParseMemberAddress(value);
    if (!address.ok()) {
      return address.status();
    }
    addresses.push_back(*address);
  }
  (settings->*kMember) = std::move(addresses);
  return absl::OkStatus();
}

template <auto kMember, auto kCheck>
absl::Status SetChecked(const Values& values, Settings* settings) {
  (settings->*kMember) = values.front();
  return kCheck(values.front());
}

absl::Status SetRepair(const Values& values, Settings* settings) {
  if (values.front() != "on" && values.front() != "off") {
    return Invalid("'" + values.front() + "' is neither 'on' nor 'off'");
  }
  settings->repair = values.front() == "on";
  return absl::OkStatus();
}

std::string ShowRepair(const Settings& settings) { return settings.repair ? "on" : "off"; }

absl::Status SetJoinAs(const Values& values, Settings* settings) {
  if (values.front() != "voter" && values.front() != "learner") {
    return Invalid("'" + values.front() + "' is neither 'voter' nor 'learner'");
  }
  settings->join_as_learner = values.front() == "learner";
  return absl::OkStatus();
}

std::string ShowJoinAs(const Settings& settings) {
  return settings.join_as_learner ? "learner" : "voter";
}

absl::Status SetJoinReplaces(const Values& values, Settings* settings) {
  const absl::StatusOr<std::uint64_t> number = ParseNumber(values.front(), 1, INT64_MAX);
  if (!number.ok()) {
    return number.status();
  }
  settings->join_replaces = {*number};
  return absl::OkStatus();
}

template <auto kMember>
absl::Status SetAdvertised(const Values& values, Settings* settings) {
  const absl::StatusOr<Address> address = ParseMemberAddress(values.front());
  if (!address.ok()) {
    return address.status();
  }
  (settings->*kMember) = *address;
  return absl::OkStatus();
}

template <auto kMember, bool kMayBeOff>
absl::Status SetListen(const Values& values, Settings* settings) {
  if (kMayBeOff && values.front() == "off") {
    (settings->*kMember) = std::nullopt;
    return absl::OkStatus();
  }
  const absl::StatusOr<Address> address = ParseAddress(values.front());
  if (!address.ok()) {
    return address.status();
  }
  (settings->*kMember) = *address;
  return absl::OkStatus();
}

std::string ShowListenPeer(const Settings&) { return "this node's in --peer"; }

std::string ShowMetrics(const Settings& settings) {
  return settings.listen_metrics ? settings.listen_metrics->ToString() : "off";
}

struct LevelName {
  const char* name;
  LogLevel level;
};
constexpr LevelName kLevels[] = {{"debug", LogLevel::kDebug},
                                 {"info", LogLevel::kInfo},
                                 {"warning", LogLevel::kWarning},
                                 {"error", LogLevel::kError}};

absl::Status SetLogLevel(const Values& values, Settings* settings) {
  for (const LevelName& level : kLevels) {
    if (values.front() == level.name) {
      settings->log_level = level.level;
      return absl::OkStatus();
    }
  }
  return Invalid(
      absl::StrCat("'", values.front(), "' is not one of debug, info, warning and error"));
}

std::string ShowLogLevel(const Settings& settings) {
  return kLevels[static_cast<std::size_t>(settings.log_level)].name;
}

absl::Status SetLogFormat(const Values& values, Settings* settings) {
  if (values.front() == "logfmt") {
    settings->log_format = LogFormat::kLogfmt;
  } else if (values.front() == "json") {
    settings->log_format = LogFormat::kJson;
  } else {
    return Invalid(absl::StrCat("'", values.front(), "' is not one of logfmt and json"));
  }
  return absl::OkStatus();
}

std::string ShowLogFormat(const Settings& settings) {
  return settings.log_format == LogFormat::kJson ? "json" : "logfmt";
}

constexpr std::uint64_t kHourMs = 3'600'000;
constexpr std::uint64_t kGiB = 1 << 30;

template <auto kMember, std::uint64_t kLow, std::uint64_t kHigh>
Setting Number(const char* name, const char* group, const char* unit, const char* help) {
  return {name,
          group,
          unit,
          help,
          SettingKind::kNumber,
          &SetNumber<kMember, kLow, kHigh>,
          &ShowNumber<kMember>};
}

template <auto kMember, std::uint64_t kLow, std::uint64_t kHigh>
Setting Limit(const char* name, const char* unit, const char* help) {
  return {name,
          "Limits",
          unit,
          help,
          SettingKind::kNumber,
          &SetLimit<kMember, kLow, kHigh>,
          &ShowLimit<kMember>};
}

std::vector<Setting> MakeSettings() {
  using S = Settings;
  using L = Limits;
  return {
      {"node-id", "Node", "ID", "Number of this node in the cluster. Required without join.",
       SettingKind::kNumber, &SetNodeId, &ShowNothing},
      {"cluster-name", "Node", "NAME",
       "Name of the cluster. Nodes of other clusters are not listened to, and a data folder "
       "belongs to one cluster for ever.",
       SettingKind::kText, &SetClusterName, &ShowClusterName},
      {"data-dir", "Node", "PATH", "Folder of this node's data. Made if absent. Required.",
       SettingKind::kText, &SetDataDir, &ShowNothing},
      {"initial-cluster-state", "Node", "new|existing",
       "With 'existing' the node does not start on an empty data-dir. Set it once a node has been "
       "started: one that lost its files must not take part under its old node-id.",
       SettingKind::kText, &SetClusterState, &ShowClusterState},
      {"repair", "Node", "on|off",
       "With 'on' a member whose files are damaged moves them aside and takes its place again "
       "under "
       "a new number, with what the other members send it. With 'off' it does not start.",
       SettingKind::kText, &SetRepair, &ShowRepair},
      {"peer", "Node", "ID=PEER_ADDRESS[,CLIENT_ADDRESS]",
       "A member of the cluster, this node included: where other members reach it, and where "
       "clients do. Once for each member, the same on all of them. Required "
       "without join.",
       SettingKind::kList, &SetMembers, &ShowNothing},

      {"join", "Joining", "HOST:PORT",
       "Client address of a member of a running cluster, which is asked to take this node in; once "
       "for each member to ask. Takes the place of node-id and peer. Once the node has joined, its "
       "data-dir knows who it is, and nobody is asked any more.",
       SettingKind::kList, &SetAddressList<&S::join>, &ShowNothing},
      {"bootstrap-expect", "Joining", "MACHINES",
       "This node and others that are started with the same flags form a cluster of so many, "
       "once all of them are there: exactly one, exactly once. Takes the place of node-id, peer "
       "and join. Once the cluster is there, it means nothing any more.",
       SettingKind::kNumber, &SetNumber<&S::bootstrap_expect, 1, raft::kMembersMax>, &ShowNothing},
      {"discover", "Joining", "HOST:PORT",
       "Peer address of a machine that is to form the cluster, once for each, this one included. "
       "Goes with bootstrap-expect.",
       SettingKind::kList, &SetAddressList<&S::discover>, &ShowNothing},
      {"discovery-srv", "Joining", "DOMAIN",
       "Takes the place of join: the members to ask are those that DNS names in the SRV records "
       "_lockstep-client._tcp.DOMAIN. With bootstrap-expect it takes the place of discover, with "
       "_lockstep-peer._tcp.DOMAIN.",
       SettingKind::kText, &SetChecked<&S::discovery_srv, &net::CheckDomain>, &ShowNothing},
      {"dns-server", "Joining", "IP:PORT",
       "The name server to ask for discovery-srv, instead of the system's.", SettingKind::kText,
       &SetChecked<&S::dns_server, &net::CheckDnsServer>, &ShowNothing},
      {"join-as", "Joining", "voter|learner",
       "A voter-to-be is a learner until it has caught up. One that joins as 'learner' stays one "
       "until it is promoted by hand.",
       SettingKind::kText, &SetJoinAs, &ShowJoinAs},
      {"join-replaces", "Joining", "ID",
       "The member that leaves in the same step in which this node becomes a voter.",
       SettingKind::kNumber, &SetJoinReplaces, &ShowNothing},
      Number<&S::join_priority, 0, UINT32_MAX>(
          "join-priority", "Joining", "NUMBER",
          "A leader hands leadership to a voter with a higher priority."),
      {"advertise-peer", "Joining", "HOST:PORT",
       "Where other members reach this node, if that is not listen-peer.", SettingKind::kText,
       &SetAdvertised<&S::advertise_peer>, &ShowNothing},
      {"advertise-client", "Joining", "HOST:PORT",
       "Where clients reach this node, if that is not listen-client.", SettingKind::kText,
       &SetAdvertised<&S::advertise_client>, &ShowNothing},

      {"listen-peer", "Addresses", "HOST:PORT", "Where to listen for other members.",
       SettingKind::kText, &SetListen<&S::listen_peer, false>, &ShowListenPeer},
      {"listen-client", "Addresses", "HOST:PORT", "Where to listen for clients (gRPC).",
       SettingKind::kText, &SetListen<&S::listen_client, false>, &ShowListenPeer},
      {"listen-metrics", "Addresses", "HOST:PORT|off",
       "Where to serve Prometheus metrics over HTTP, at /metrics.", SettingKind::kText,
       &SetListen<&S::listen_metrics, true>, &ShowMetrics},

      Number<&S::election_timeout_ms, 10, kHourMs>(
          "election-timeout-ms", "Timing", "MILLISECONDS",
          "A follower that hears nothing from a leader for one to two times this starts an "
          "election."),
      Number<&S::heartbeat_ms, 1, kHourMs>(
          "heartbeat-ms", "Timing", "MILLISECONDS",
          "A leader lets each member hear from it this often. At most a third of "
          "election-timeout-ms."),
      Number<&S::retransmit_ms, 1, kHourMs>(
          "retransmit-ms", "Timing", "MILLISECONDS",
          "An append that is unanswered for so long counts as lost."),
      Number<&S::snapshot_timeout_ms, 1, kHourMs>(
          "snapshot-timeout-ms", "Timing", "MILLISECONDS",
          "A snapshot that is unanswered for so long counts as lost."),
      Number<&S::disk_stall_timeout_ms, 10, kHourMs>("disk-stall-timeout-ms", "Timing",
                                                     "MILLISECONDS",
                                                     "A node whose disk has stored nothing for so "
                                                     "long, while something waits for it, does not "
                                                     "lead. At least election-timeout-ms."),
      Number<&S::shutdown_timeout_ms, 0, kHourMs>(
          "shutdown-timeout-ms", "Timing", "MILLISECONDS",
          "A clean shutdown gives up waiting for requests and the last checkpoint after this."),

      {"lease-reads", "Reads", "on|off",
       "Whether this node may answer reads by lease when it leads, and lets other leaders do so. "
       "Then it votes for nobody within election-timeout-ms of its start. Without it reads by "
       "lease "
       "are served as linearizable ones. Before it is turned off or election-timeout-ms is "
       "shortened, the node must have been down for the old election-timeout-ms.",
       SettingKind::kText, &SetLeaseReads, &ShowLeaseReads},
      Number<&S::clock_drift_ppm, 0, 500'000>(
          "clock-drift-ppm", "Reads", "MILLIONTHS",
          "No node's clock gains or loses more than this. Reads by lease and reads of bounded "
          "staleness rest on it."),

      Number<&S::append_entries_max, 1, 1'000'000>("append-entries-max", "Replication", "ENTRIES",
                                                   "Entries in one append to a member, at most."),
      Number<&S::append_bytes_max, 1, kGiB>(
          "append-bytes-max", "Replication", "BYTES",
          "Bytes in one append to a member, at most; one entry is always allowed."),
      Number<&S::appends_in_flight_max, 1, 100'000>(
          "appends-in-flight-max", "Replication", "APPENDS",
          "Appends that may be unanswered by one member."),
      Number<&S::uncommitted_bytes_max, 1, 64 * kGiB>(
          "uncommitted-bytes-max", "Replication", "BYTES",
          "A leader refuses writes while so much is appended and not committed."),
      Number<&S::entries_retained, 0, 1'000'000'000>(
          "entries-retained", "Replication", "ENTRIES",
          "Applied entries that stay in the log after a checkpoint, so that members that lag a "
          "little need no snapshot."),

      Limit<&L::key_bytes_max, 1, kGiB>("key-bytes-max", "BYTES", "Size of a key, at most."),
      Limit<&L::value_bytes_max, 0, kGiB>("value-bytes-max", "BYTES", "Size of a value, at most."),
      Limit<&L::transaction_operations_max, 1, 1'000'000>(
          "transaction-operations-max", "OPERATIONS",
          "Conditions, operations and alternative operations of a transaction, each at most."),
      Limit<&L::request_bytes_max, 1, kGiB>("request-bytes-max", "BYTES",
                                            "Size of a request, at most."),
      Limit<&L::pending_requests_max, 1, 10'000'000>("pending-requests-max", "REQUESTS",
                                                     "Requests accepted and not yet answered; "
                                                     "beyond it new ones are refused."),
      Number<&S::queued_requests_max, 1, 10'000'000>(
          "queued-requests-max", "Limits", "REQUESTS",
          "Requests waiting to be looked at; beyond it new ones are refused."),
      Number<&S::queued_peer_bytes_max, 1 << 20, 64 * kGiB>(
          "queued-peer-bytes-max", "Limits", "BYTES",
          "Messages of other members waiting to be looked at; beyond it they are dropped, to be "
          "sent again."),

      Number<&S::checkpoint_entries, 1, 1'000'000'000>(
          "checkpoint-entries", "Checkpoints", "ENTRIES",
          "A checkpoint is written after so many entries, or"),
      Number<&S::checkpoint_bytes, 1, 64 * kGiB>("checkpoint-bytes", "Checkpoints", "BYTES",
                                                 "after so many bytes of them."),

      {"log-level", "Log", "LEVEL", "debug, info, warning or error: the least that is logged.",
       SettingKind::kText, &SetLogLevel, &ShowLogLevel},
      {"log-format", "Log", "FORMAT", "logfmt or json. One line per event, to standard error.",
       SettingKind::kText, &SetLogFormat, &ShowLogFormat},
  };
}

// No two members, and no two servers of this node, may have one address.
absl::Status CheckAddresses(const Settings& settings) {
  std::map<std::string, std::string> users;
  for (const auto& [id, member] : settings.members) {
    std::vector<std::pair<Address, std::string>> uses = {
        {member.peer, absl::StrCat("the peer address of node ", id.value)}};
    if (member.client) {
      uses.emplace_back(*member.client, absl::StrCat("the client address of node ", id.value));
    }
    for (const auto& [address, use] : uses) {
      const auto [found, added] = users.emplace(address.ToString(), use);
      if (!added) {
        return Invalid(
            absl::StrCat("peer: ", address.ToString(), " is both ", found->second, " and ", use));
      }
    }
  }
  const Address peer = settings.peer_address();
  const Address client = settings.client_address();
  if (peer == client && peer.port != 0) {
    return Invalid(absl::StrCat("listen-peer and listen-client are both ", peer.ToString()));
  }
  if (settings.listen_metrics && settings.listen_metrics->port != 0 &&
      (*settings.listen_metrics == peer || *settings.listen_metrics == client)) {
    return Invalid(absl::StrCat("listen-metrics is ", settings.listen_metrics->ToString(),
                                ", which is also this node's ",
                                *settings.listen_metrics == peer ? "peer" : "client", " address"));
  }
  return absl::OkStatus();
}

absl::Status CheckJoining(const Settings& settings) {
  if (settings.node_id != NodeId()) {
    return Invalid("node-id: a node that joins gets its number from the cluster");
  }
  if (!settings.join.empty() && !settings.discovery_srv.empty()) {
    return Invalid("join and discovery-srv contradict each other: both say whom to ask");
  }
  if (!settings.members.empty()) {
    return Invalid("join and peer contradict each other: a node that joins is told the members");
  }
  if (!settings.listen_peer || !settings.listen_client) {
    return Invalid("join: listen-peer and listen-client are required");
  }
  if (!IsDialable(settings.advertise_peer.value_or(*settings.listen_peer))) {
    return Invalid(absl::StrCat("advertise-peer is required: nobody can reach this node at ",
                                settings.listen_peer->ToString()));
  }
  if (!IsDialable(settings.advertise_client.value_or(*settings.listen_client))) {
    return Invalid(absl::StrCat("advertise-client is required: nobody can reach this node at ",
                                settings.listen_client->ToString()));
  }
  if (settings.join_as_learner && settings.join_replaces != NodeId()) {
    return Invalid("join-replaces: who joins as a learner replaces nobody");
  }
  return absl::OkStatus();
}

absl::Status CheckForming(const Settings& settings) {
  const std::pair<bool, const char*> contradicts[] = {
      {settings.node_id != NodeId(), "node-id"},
      {!settings.members.empty(), "peer"},
      {!settings.join.empty(), "join"},
      {settings.join_as_learner, "join-as"},
      {settings.join_replaces != NodeId(), "join-replaces"},
      {settings.join_priority != 0, "join-priority"}};
  for (const auto& [given, name] : contradicts) {
    if (given) {
      return Invalid(absl::StrCat("bootstrap-expect and ", name, " contradict each other"));
    }
  }
  if (settings.discover.empty() == settings.discovery_srv.empty()) {
    return Invalid(
        "bootstrap-expect: one of discover and discovery-srv must say where to find the others");
  }
  std::set<std::string> addresses;
  for (const Address& address : settings.discover) {
    if (!addresses.insert(address.ToString()).second) {
      return Invalid(absl::StrCat("discover: ", address.ToString(), " is listed twice"));
    }
  }
  if (!addresses.empty() && addresses.size() != settings.bootstrap_expect) {
    return Invalid(absl::StrCat("discover lists ", addresses.size(),
                                " machines, bootstrap-expect says ", settings.bootstrap_expect));
  }
  if (!settings.listen_peer || !settings.listen_client) {
    return Invalid("bootstrap-expect: listen-peer and listen-client are required");
  }
  if (settings.listen_peer->port == 0 || settings.listen_client->port == 0) {
    return Invalid("bootstrap-expect: listen-peer and listen-client need ports that stay");
  }
  return absl::OkStatus();
}

// A node whose number and members are given.
absl::Status CheckMembers(const Settings& settings) {
  if (settings.members.empty()) {
    return Invalid("peer is required, once for each member of the cluster");
  }
  const auto self = settings.members.find(settings.node_id);
  if (self == settings.members.end()) {
    return Invalid(
        absl::StrCat("peer: the list does not hold this node, ", settings.node_id.value));
  }
  if (!settings.listen_client && !self->second.client) {
    return Invalid(absl::StrCat("no address for clients: give listen-client, or add one to peer ",
                                settings.node_id.value));
  }
  const std::pair<bool, const char*> only_joining[] = {
      {!settings.dns_server.empty(), "dns-server"},
      {!settings.discover.empty(), "discover"},
      {settings.join_as_learner, "join-as"},
      {settings.join_replaces != NodeId(), "join-replaces"},
      {settings.join_priority != 0, "join-priority"},
      {settings.advertise_peer.has_value(), "advertise-peer"},
      {settings.advertise_client.has_value(), "advertise-client"}};
  for (const auto& [given, name] : only_joining) {
    if (given) {
      return Invalid(absl::StrCat(name, " means nothing without join or discovery-srv"));
    }
  }
  if (const std::string error = raft::Validate(settings.beginning()); !error.empty()) {
    return Invalid(absl::StrCat("peer: ", error));
  }
  return absl::OkStatus();
}

}  // namespace

bool IsDialable(const Address& address) {
  return address.port != 0 && address.host != "0.0.0.0" && address.host != "::";
}

ClusterId ClusterIdFromName(std::string_view name) {
  // FNV-1a, 64 bits; the top bit is cleared because SQLite's integers are signed.
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : name) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  hash &= INT64_MAX;
  return {hash == 0 ? 1 : hash};
}

ClusterId Settings::cluster_id() const { return ClusterIdFromName(cluster_name); }

Address Settings::peer_address() const {
  return listen_peer ? *listen_peer : members.at(node_id).peer;
}

Address Settings::client_address() const {
  return listen_client ? *listen_client : members.at(node_id).client.value();
}

Address Settings::advertised_peer_address() const {
  const auto self = members.find(node_id);
  return self != members.end() ? self->second.peer : advertise_peer.value_or(peer_address());
}

Address Settings::advertised_client_address() const {
  const auto self = members.find(node_id);
  return self != members.end() && self->second.client ? *self->second.client
                                                      : advertise_client.value_or(client_address());
}

ReplicaConfig Settings::replica() const {
  ReplicaConfig config;
  config.raft.cluster = cluster_id();
  config.raft.id = node_id;
  const auto milliseconds = [](std::uint64_t n) {
    return Milliseconds(static_cast<std::int64_t>(n));
  };
  config.raft.election_timeout = milliseconds(election_timeout_ms);
  config.raft.heartbeat_interval = milliseconds(heartbeat_ms);
  config.raft.retransmit_timeout = milliseconds(retransmit_ms);
  config.raft.snapshot_timeout = milliseconds(snapshot_timeout_ms);
  config.raft.disk_stall_timeout = milliseconds(disk_stall_timeout_ms);
  config.raft.lease_reads = lease_reads;
  config.raft.clock_drift_ppm = static_cast<std::int64_t>(clock_drift_ppm);
  config.raft.append_entries_max = append_entries_max;
  config.raft.append_bytes_max = append_bytes_max;
  config.raft.appends_in_flight_max = appends_in_flight_max;
  config.raft.uncommitted_bytes_max = uncommitted_bytes_max;
  config.raft.entries_retained = entries_retained;
  config.limits = limits;
  config.checkpoint_entries = checkpoint_entries;
  config.checkpoint_bytes = checkpoint_bytes;
  return config;
}

raft::Membership Settings::beginning() const {
  raft::Membership membership;
  for (const auto& [id, member] : members) {
    membership.members[id] = {
        .voter = true,
        .peer_address = member.peer.ToString(),
        .client_address = member.client ? member.client->ToString() : std::string()};
    membership.next_id = id.Next();
  }
  return membership;
}

const std::vector<Setting>& AllSettings() {
  static const std::vector<Setting> settings = MakeSettings();
  return settings;
}

const Setting* FindSetting(std::string_view name) {
  for (const Setting& setting : AllSettings()) {
    if (name == setting.name) {
      return &setting;
    }
  }
  return nullptr;
}

absl::Status Check(const Settings& settings) {
  const bool joining = settings.joins() || settings.forms();
  if (!joining && settings.node_id == NodeId()) {
    return Invalid("node-id is required");
  }
  if (settings.data_dir.empty()) {
    return Invalid("data-dir is required");
  }
  if (const absl::Status status = settings.forms()   ? CheckForming(settings)
                                  : settings.joins() ? CheckJoining(settings)
                                                     : CheckMembers(settings);
      !status.ok()) {
    return status;
  }
  if (const absl::Status status = CheckAddresses(settings); !status.ok()) {
    return status;
  }
  if (settings.heartbeat_ms * 3 > settings.election_timeout_ms) {
    return Invalid(absl::StrCat("heartbeat-ms (", settings.heartbeat_ms,
                                ") is more than a third of election-timeout-ms (",
                                settings.election_timeout_ms, ")"));
  }
  if (settings.limits.key_bytes_max > settings.limits.request_bytes_max) {
    return Invalid(absl::StrCat("key-bytes-max (", settings.limits.key_bytes_max,
                                ") is more than request-bytes-max (",
                                settings.limits.request_bytes_max, ")"));
  }
  if (settings.limits.value_bytes_max > settings.limits.request_bytes_max) {
    return Invalid(absl::StrCat("value-bytes-max (", settings.limits.value_bytes_max,
                                ") is more than request-bytes-max (",
                                settings.limits.request_bytes_max, ")"));
  }
  ReplicaConfig config = settings.replica();
  if (joining) {
    config.raft.id = {1};  // any: the cluster has yet to give it
  }
  if (const std::string error = raft::Validate(config.raft); !error.empty()) {
    return Invalid(error);
  }
  return absl::OkStatus();
}

}  // namespace lockstep::server
