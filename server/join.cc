#include "server/join.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "net/client.h"
#include "server/folder.h"
#include "server/form.h"
#include "server/member_file.h"
#include "server/sealed_text.h"
#include "storage/node_store.h"

namespace lockstep::server {
namespace {

constexpr char kFirstLine[] = "lockstep-join 1\n";
constexpr char kFilesMade[] = "files made\n";

// How long the members are asked before somebody looks whether to go on.
constexpr Duration kAskFor = Seconds(2);
constexpr Duration kRepeatInterval = Seconds(5);

StartFailure DataFailure(const std::string& text) { return {ExitCode::kDataFolder, text}; }

class Joiner {
 public:
  Joiner(const Settings& settings, NodeLog* log, const std::function<bool()>& give_up)
      : settings_(settings),
        log_(*log),
        give_up_(give_up),
        folder_(settings.data_dir),
        path_(folder_ / kJoinRecordName) {}

  std::variant<std::monostate, NodeId, StartFailure> Run() {
    if (const std::string failure = MakeFolder(folder_); !failure.empty()) {
      return DataFailure(absl::StrCat("data-dir: ", failure));
    }
    const FolderLock lock(folder_);
    if (!lock.held()) {
      return DataFailure(
          absl::StrCat(folder_.string(), ": another process joins with this folder"));
    }
    if (std::optional<StartFailure> failure = ReadOrBegin()) {
      return *failure;
    }
    if (record_.files_made) {
      SayWhoItIs();
      return record_.node;
    }
    if (record_.node == NodeId()) {
      if (std::optional<StartFailure> failure = MoveAside()) {
        return *failure;
      }
      const bool forms = settings_.forms() && record_.repairs == NodeId();
      if (std::optional<StartFailure> failure = forms ? FormCluster() : AskCluster()) {
        return *failure;
      }
      if (record_.node == NodeId()) {
        return std::monostate();
      }
    }
    if (std::optional<StartFailure> failure = MakeFiles()) {
      return *failure;
    }
    return record_.node;
  }

 private:
  std::optional<StartFailure> ReadOrBegin() {
    std::error_code error;
    if (!std::filesystem::exists(path_, error)) {
      for (const char* name : {"log.db", "state.db"}) {
        if (std::filesystem::exists(folder_ / name, error)) {
          return DataFailure(absl::StrCat(
              (folder_ / name).string(),
              ": of a node that was not made by joining: start it with node-id and peer"));
        }
      }
      if (settings_.expects_data) {
        return DataFailure(
            absl::StrCat(folder_.string(),
                         ": empty, but initial-cluster-state says that this node has been "
                         "started before"));
      }
      if (settings_.forms()) {
        if (const std::string failure = BeginForming(folder_); !failure.empty()) {
          return DataFailure(failure);
        }
      }
      record_.cluster = settings_.cluster_id();
      record_.incarnation = DrawIncarnation();
      return Store();
    }
    std::ifstream file(path_, std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
    const std::optional<JoinRecord> record = ParseJoinRecord(text);
    if (!record) {
      return Restore();
    }
    if (record->cluster != settings_.cluster_id()) {
      return DataFailure(absl::StrCat(path_.string(), ": of cluster ", record->cluster.value,
                                      ", and not of ", settings_.cluster_id().value, ", named '",
                                      settings_.cluster_name, "'"));
    }
    record_ = *record;
    return CheckBegun();
  }

  // The record is damaged. Files that are whole know all that it said once they were made, but for
  // the node's number, which the list of members has as well.
  std::optional<StartFailure> Restore() {
    const std::string damaged = absl::StrCat(path_.string(), ": damaged, or of a newer version");
    const std::optional<MemberFile> members = ReadMemberFile(folder_, &log_);
    if (!members || members->cluster != settings_.cluster_id()) {
      return DataFailure(damaged);
    }
    absl::StatusOr<storage::NodeStore> store = storage::NodeStore::Open(
        folder_.string(), "", {members->cluster, members->node}, {}, storage::Expect::kFiles);
    if (!store.ok()) {
      return DataFailure(absl::StrCat(damaged, ", and ", std::string(store.status().message())));
    }
    record_ = {.cluster = members->cluster,
               .incarnation = store->incarnation(),
               .repairs = settings_.node_id,
               .aside = {},
               .damage = "of the record only",
               .node = members->node,
               .files_made = true};
    log_.Write(LogLevel::kError, "join-record-restored",
               {Field("damage", damaged), Field("as", record_.node)});
    return Store();
  }

  void SayWhoItIs() {
    if (record_.repairs == NodeId()) {
      log_.Write(LogLevel::kInfo, "join-ignored",
                 {Field("reason", "this node has joined already"), Field("as", record_.node)});
    } else if (record_.node != settings_.node_id) {
      log_.Write(LogLevel::kInfo, "number-of-record",
                 {Field("as", record_.node), Field("configured", settings_.node_id),
                  Field("reason", absl::StrCat("it was made anew in the place of node ",
                                               record_.repairs.value, ": ", record_.damage))});
    }
  }

  // A repair's damaged files, as far as they are still where they were. They are never deleted.
  std::optional<StartFailure> MoveAside() {
    if (record_.repairs == NodeId()) {
      return std::nullopt;
    }
    const std::filesystem::path aside = folder_ / record_.aside;
    if (const std::string failure = MakeFolder(aside); !failure.empty()) {
      return DataFailure(failure);
    }
    const std::string failure = ReplaceFile(
        aside / "damage",
        absl::StrCat("Files of node ", record_.repairs.value, " of cluster ", record_.cluster.value,
                     ", moved here because of\n", record_.damage, "\n"));
    if (!failure.empty()) {
      return DataFailure(failure);
    }
    std::vector<std::string> names;
    for (const char* database : {"log.db", "state.db"}) {
      for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
        names.push_back(absl::StrCat(database, suffix));
      }
    }
    names.push_back(kDivergedName);  // last: until then the files are what it says
    for (const std::string& name : names) {
      std::error_code error;
      if (!std::filesystem::exists(folder_ / name, error)) {
        continue;
      }
      if (const std::string moved = MoveFile(folder_ / name, aside / name); !moved.empty()) {
        return DataFailure(moved);
      }
    }
    return std::nullopt;
  }

  // Members' client addresses, without its own: as configured, and as last known.
  std::vector<std::string> Endpoints() {
    std::vector<std::string> endpoints;
    const auto add = [&endpoints](const std::string& address) {
      if (!address.empty() &&
          std::find(endpoints.begin(), endpoints.end(), address) == endpoints.end()) {
        endpoints.push_back(address);
      }
    };
    for (const Address& address : settings_.join) {
      add(address.ToString());
    }
    for (const auto& [id, member] : settings_.members) {
      if (id != settings_.node_id && member.client) {
        add(member.client->ToString());
      }
    }
    if (record_.repairs != NodeId() && known_) {
      for (const auto& [id, member] : known_->membership.members) {
        if (id != record_.repairs) {
          add(member.client_address);
        }
      }
    }
    return endpoints;
  }

  v1::JoinClusterRequest MakeRequest() {
    v1::JoinClusterRequest request;
    request.set_cluster_id(record_.cluster.value);
    request.set_incarnation(record_.incarnation.value);
    request.set_peer_address(settings_.advertised_peer_address().ToString());
    request.set_client_address(settings_.advertised_client_address().ToString());
    request.set_priority(static_cast<std::uint32_t>(settings_.join_priority));
    request.set_stay_learner(settings_.join_as_learner);
    request.set_replaces(settings_.join_replaces.value);
    if (record_.repairs != NodeId()) {
      const raft::Member* old =
          known_ ? known_->membership.Find(record_.repairs) : static_cast<raft::Member*>(nullptr);
      request.set_priority(old != nullptr ? old->priority : 0);
      request.set_stay_learner(false);
      request.set_replaces(record_.repairs.value);
    }
    return request;
  }

  std::optional<StartFailure> Store() {
    const std::string failure = ReplaceFile(path_, ToText(record_));
    return failure.empty() ? std::nullopt : std::optional(DataFailure(failure));
  }

  // What was begun in one way must not be ended in another: somebody may count on it.
  std::optional<StartFailure> CheckBegun() {
    const auto forming = ReadForming(folder_);
    if (const auto* failure = std::get_if<StartFailure>(&forming)) {
      return *failure;
    }
    const bool formed = std::holds_alternative<FormingState>(forming);
    const bool asks = record_.node == NodeId() && record_.repairs == NodeId();
    if (asks && formed != settings_.forms()) {
      return DataFailure(absl::StrCat(
          folder_.string(), formed ? ": of a node that was to form a cluster: start it with "
                                     "bootstrap-expect, or with an empty data-dir"
                                   : ": of a node that has asked a cluster to take it in: start it "
                                     "with join, or with an empty data-dir"));
    }
    if (const auto* state = std::get_if<FormingState>(&forming);
        state != nullptr && state->phase == FormingPhase::kDecided &&
        NodeOf(state->proposal, record_.incarnation) == record_.node) {
      beginning_ = MembershipOf(state->proposal);
    }
    return std::nullopt;
  }

  // Leaves record_.node 0 if it has given up.
  std::optional<StartFailure> FormCluster() {
    const auto formed = Form(settings_, record_.incarnation, &log_, give_up_);
    if (const auto* failure = std::get_if<StartFailure>(&formed)) {
      return *failure;
    }
    if (const auto* proposal = std::get_if<Proposal>(&formed)) {
      record_.node = NodeOf(*proposal, record_.incarnation);
      beginning_ = MembershipOf(*proposal);
      log_.Write(LogLevel::kInfo, "formed",
                 {Field("as", record_.node), Field("members", raft::ToText(beginning_))});
      return Store();
    }
    return std::nullopt;
  }

  // Leaves record_.node 0 if it has given up.
  std::optional<StartFailure> AskCluster() {
    if (record_.repairs != NodeId()) {
      known_ = ReadMemberFile(folder_, &log_);
    }
    net::ClientOptions options;
    options.endpoints = Endpoints();
    if (options.endpoints.empty()) {
      options.discovery_srv = settings_.discovery_srv;
    }
    if (options.endpoints.empty() && options.discovery_srv.empty()) {
      return StartFailure{ExitCode::kNotJoined, "no address of another member is known"};
    }
    options.dns.server = settings_.dns_server;
    options.dns.timeout = kAskFor;
    options.call_timeout = kAskFor;
    const absl::StatusOr<std::unique_ptr<net::Client>> client = net::Client::Connect(options);
    if (!client.ok()) {
      return StartFailure{ExitCode::kUsage, std::string(client.status().message())};
    }
    const v1::JoinClusterRequest request = MakeRequest();
    log_.Write(
        LogLevel::kInfo, "joining",
        {Field("cluster", settings_.cluster_name), Field("replaces", NodeId{request.replaces()})});
    while (!give_up_()) {
      const net::Outcome<v1::JoinClusterResponse> outcome = (*client)->JoinCluster(request);
      if (outcome.done()) {
        return Accept(outcome.value());
      }
      const net::NotDone* not_done = outcome.not_done();
      const std::string reason = not_done != nullptr ? not_done->reason : outcome.unknown()->reason;
      if (not_done != nullptr && not_done->kind == net::ErrorKind::kInvalid) {
        return StartFailure{ExitCode::kNotJoined, absl::StrCat("the cluster refuses: ", reason)};
      }
      log_.WriteLimited(LogLevel::kWarning, "join-waits", kRepeatInterval, "join-waits",
                        {Field("reason", reason)});
    }
    return std::nullopt;
  }

  std::optional<StartFailure> Accept(const v1::JoinClusterResponse& response) {
    if (ClusterId{response.cluster_id()} != record_.cluster || response.node_id() == 0 ||
        response.node_id() > INT64_MAX) {
      return StartFailure{
          ExitCode::kNotJoined,
          absl::StrCat("the answer of cluster ", response.cluster_id(), ", which makes this node ",
                       response.node_id(), ", makes no sense")};
    }
    record_.node = {response.node_id()};
    log_.Write(LogLevel::kInfo, "joined", {Field("as", record_.node)});
    return Store();
  }

  std::optional<StartFailure> MakeFiles() {
    // Who joins is told the members by the log that it will receive.
    const absl::StatusOr<storage::NodeStore> store = storage::NodeStore::Open(
        folder_.string(), "", storage::Identity{record_.cluster, record_.node},
        storage::FirstStart{.incarnation = record_.incarnation, .membership = beginning_});
    if (!store.ok()) {
      return DataFailure(std::string(store.status().message()));
    }
    record_.files_made = true;
    return Store();
  }

  const Settings& settings_;
  NodeLog& log_;
  const std::function<bool()>& give_up_;
  const std::filesystem::path folder_;
  const std::filesystem::path path_;
  JoinRecord record_;
  std::optional<MemberFile> known_;  // read for a repair
  raft::Membership beginning_;       // of a cluster that was formed
};

}  // namespace

Incarnation DrawIncarnation() {
  std::random_device device;
  const std::uint64_t high = device();
  const std::uint64_t low = device();
  return {(high << 32 | low) >> 1 | 1};
}

FolderLock::FolderLock(const std::filesystem::path& folder)
    : fd_(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
      held_(fd_ >= 0 && flock(fd_, LOCK_EX | LOCK_NB) == 0) {}

FolderLock::~FolderLock() {
  if (fd_ >= 0) {
    close(fd_);
  }
}

bool RecordDecides(const std::filesystem::path& folder) {
  std::ifstream file(folder / kJoinRecordName, std::ios::binary);
  if (!file) {
    return false;
  }
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const std::optional<JoinRecord> record = ParseJoinRecord(text);
  return !record || record->repairs != NodeId();
}

std::string ToText(const JoinRecord& record) {
  std::string text = absl::StrCat(kFirstLine, "cluster ", record.cluster.value, "\nincarnation ",
                                  record.incarnation.value, "\n");
  if (record.repairs != NodeId()) {
    absl::StrAppend(&text, "repairs ", record.repairs.value, "\naside ", record.aside, "\ndamage ",
                    record.damage, "\n");
  }
  if (record.node != NodeId()) {
    absl::StrAppend(&text, "node ", record.node.value, "\n", record.files_made ? kFilesMade : "");
  }
  return Seal(std::move(text));
}

std::optional<JoinRecord> ParseJoinRecord(std::string_view sealed) {
  std::optional<std::string_view> body = Unseal(sealed);
  if (!body || !Take(&*body, kFirstLine)) {
    return std::nullopt;
  }
  std::string_view text = *body;
  const std::optional<std::uint64_t> cluster = TakeNumber(&text, "cluster");
  const std::optional<std::uint64_t> incarnation = TakeNumber(&text, "incarnation");
  if (!cluster || !incarnation) {
    return std::nullopt;
  }
  JoinRecord record;
  record.cluster = {*cluster};
  record.incarnation = {*incarnation};
  if (const std::optional<std::uint64_t> repairs = TakeNumber(&text, "repairs")) {
    const std::optional<std::string_view> aside = TakeText(&text, "aside");
    const std::optional<std::string_view> damage = TakeText(&text, "damage");
    if (!aside || !damage) {
      return std::nullopt;
    }
    record.repairs = {*repairs};
    record.aside = std::string(*aside);
    record.damage = std::string(*damage);
  }
  if (const std::optional<std::uint64_t> node = TakeNumber(&text, "node")) {
    record.node = {*node};
    record.files_made = Take(&text, kFilesMade);
  }
  return text.empty() ? std::optional(record) : std::nullopt;
}

std::variant<std::monostate, NodeId, StartFailure> Join(const Settings& settings, NodeLog* log,
                                                        const std::function<bool()>& give_up) {
  return Joiner(settings, log, give_up).Run();
}

}  // namespace lockstep::server
