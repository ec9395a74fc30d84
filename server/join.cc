#include "server/join.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <charconv>
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
#include "storage/node_store.h"

namespace lockstep::server {
namespace {

constexpr char kFirstLine[] = "lockstep-join 1\n";
constexpr char kFilesMade[] = "files made\n";

// How long the members are asked before somebody looks whether to go on.
constexpr Duration kAskFor = Seconds(2);
constexpr Duration kRepeatInterval = Seconds(5);

StartFailure DataFailure(const std::string& text) { return {ExitCode::kDataFolder, text}; }

bool Take(std::string_view* text, std::string_view front) {
  if (text->substr(0, front.size()) != front) {
    return false;
  }
  text->remove_prefix(front.size());
  return true;
}

// Takes "NAME NUMBER\n" from the front of `text`; the number is above 0 and below 2^63.
std::optional<std::uint64_t> TakeLine(std::string_view* text, std::string_view name) {
  if (!Take(text, name) || !Take(text, " ")) {
    return std::nullopt;
  }
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc() || number == 0 || number > INT64_MAX) {
    return std::nullopt;
  }
  text->remove_prefix(static_cast<std::size_t>(end - text->data()));
  return Take(text, "\n") ? std::optional(number) : std::nullopt;
}

Incarnation DrawIncarnation() {
  std::random_device device;
  const std::uint64_t high = device();
  const std::uint64_t low = device();
  return {(high << 32 | low) >> 1 | 1};
}

// Of a folder, while it lives: two processes must not join with one folder.
class FolderLock {
 public:
  explicit FolderLock(const std::filesystem::path& folder)
      : fd_(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
        held_(fd_ >= 0 && flock(fd_, LOCK_EX | LOCK_NB) == 0) {}
  ~FolderLock() {
    if (fd_ >= 0) {
      close(fd_);
    }
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

  bool held() const { return held_; }

 private:
  const int fd_;
  const bool held_;
};

class Joiner {
 public:
  Joiner(const Settings& settings, NodeLog* log, const std::function<bool()>& give_up)
      : settings_(settings),
        log_(*log),
        give_up_(give_up),
        folder_(settings.data_dir),
        path_(folder_ / "join") {}

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
      log_.Write(LogLevel::kInfo, "join-ignored",
                 {Field("reason", "this node has joined already"), Field("as", record_.node)});
      return record_.node;
    }
    if (record_.node == NodeId()) {
      if (std::optional<StartFailure> failure = AskCluster()) {
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
      record_ = {.cluster = settings_.cluster_id(), .incarnation = DrawIncarnation(), .node = {}};
      return Store();
    }
    std::ifstream file(path_, std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
    const std::optional<JoinRecord> record = ParseJoinRecord(text);
    if (!record) {
      return DataFailure(absl::StrCat(path_.string(), ": damaged, or of a newer version"));
    }
    if (record->cluster != settings_.cluster_id()) {
      return DataFailure(absl::StrCat(path_.string(), ": of cluster ", record->cluster.value,
                                      ", and not of ", settings_.cluster_id().value, ", named '",
                                      settings_.cluster_name, "'"));
    }
    record_ = *record;
    return std::nullopt;
  }

  std::optional<StartFailure> Store() {
    const std::string failure = ReplaceFile(path_, ToText(record_));
    return failure.empty() ? std::nullopt : std::optional(DataFailure(failure));
  }

  // Leaves record_.node 0 if it has given up.
  std::optional<StartFailure> AskCluster() {
    net::ClientOptions options;
    for (const Address& address : settings_.join) {
      options.endpoints.push_back(address.ToString());
    }
    options.discovery_srv = settings_.discovery_srv;
    options.dns.server = settings_.dns_server;
    options.dns.timeout = kAskFor;
    options.call_timeout = kAskFor;
    const absl::StatusOr<std::unique_ptr<net::Client>> client = net::Client::Connect(options);
    if (!client.ok()) {
      return StartFailure{ExitCode::kUsage, std::string(client.status().message())};
    }
    v1::JoinClusterRequest request;
    request.set_cluster_id(record_.cluster.value);
    request.set_incarnation(record_.incarnation.value);
    request.set_peer_address(settings_.advertised_peer_address().ToString());
    request.set_client_address(
        settings_.advertise_client.value_or(settings_.client_address()).ToString());
    request.set_priority(static_cast<std::uint32_t>(settings_.join_priority));
    request.set_stay_learner(settings_.join_as_learner);
    request.set_replaces(settings_.join_replaces.value);
    log_.Write(LogLevel::kInfo, "joining", {Field("cluster", settings_.cluster_name)});
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
    // The members are told by the log that it will receive.
    const absl::StatusOr<storage::NodeStore> store = storage::NodeStore::Open(
        folder_.string(), "", storage::Identity{record_.cluster, record_.node},
        storage::FirstStart{.incarnation = record_.incarnation, .membership = {}});
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
};

}  // namespace

std::string ToText(const JoinRecord& record) {
  std::string text = absl::StrCat(kFirstLine, "cluster ", record.cluster.value, "\nincarnation ",
                                  record.incarnation.value, "\n");
  if (record.node != NodeId()) {
    absl::StrAppend(&text, "node ", record.node.value, "\n", record.files_made ? kFilesMade : "");
  }
  return text;
}

std::optional<JoinRecord> ParseJoinRecord(std::string_view text) {
  if (!Take(&text, kFirstLine)) {
    return std::nullopt;
  }
  const std::optional<std::uint64_t> cluster = TakeLine(&text, "cluster");
  const std::optional<std::uint64_t> incarnation = TakeLine(&text, "incarnation");
  if (!cluster || !incarnation) {
    return std::nullopt;
  }
  JoinRecord record{.cluster = {*cluster}, .incarnation = {*incarnation}, .node = {}};
  if (!text.empty()) {
    const std::optional<std::uint64_t> node = TakeLine(&text, "node");
    if (!node) {
      return std::nullopt;
    }
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
