#include "server/recover.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "core/kv/digest.h"
#include "core/kv/machine.h"
#include "server/config.h"
#include "server/folder.h"
#include "server/join.h"
#include "server/member_file.h"
#include "server/sealed_text.h"
#include "storage/node_store.h"
#include "storage/status.h"

namespace lockstep::server {
namespace {

namespace fs = std::filesystem;

constexpr char kNewFolder[] = "recovered.new";
constexpr const char* kDatabases[] = {"log.db", "state.db"};
constexpr const char* kCompanions[] = {"-wal", "-shm", "-journal"};
// Of the old cluster, and of no use to the new one.
constexpr const char* kNotes[] = {kJoinRecordName, "members", "forming", kDivergedName};

absl::Status FolderError(const std::string& failure) {
  return failure.empty() ? absl::OkStatus() : absl::FailedPreconditionError(failure);
}

// The old files, read and made one state.
struct Old {
  NodeId node;
  raft::Membership members;
  raft::HardState hard_state;
  raft::LogPosition last;
  Index applied;
  kv::Image image;  // with all entries of the log applied
};

absl::StatusOr<NodeId> FindNode(const RecoverOptions& options) {
  if (options.node != NodeId()) {
    return options.node;
  }
  std::ifstream file(options.data_dir / "members", std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const std::optional<MemberFile> known = ParseMemberFile(text);
  if (!known) {
    return absl::FailedPreconditionError(absl::StrCat(
        options.data_dir.string(),
        ": no file 'members' that can be read says which node this is: give --node-id"));
  }
  return known->node;
}

// `store` is open: nobody else has the folder.
absl::StatusOr<Old> ReadOld(NodeId node, storage::NodeStore* store, const fs::path& folder) {
  StoredState stored = store->TakeStored();
  Old old{.node = node,
          .members = stored.image.membership.membership,
          .hard_state = stored.log.hard_state,
          .last = stored.log.base,
          .applied = stored.image.summary.applied_index,
          .image = {}};
  if (stored.log.base.index > old.applied) {
    return absl::DataLossError(
        absl::StrCat(folder.string(), ": the log begins after index ", stored.log.base.index.value,
                     ", but the data only goes up to index ", old.applied.value));
  }
  std::string problem;
  std::optional<kv::Machine> machine = kv::Machine::FromImage(std::move(stored.image), &problem);
  if (!machine) {
    return absl::DataLossError(absl::StrCat(folder.string(), "/state.db: ", problem));
  }
  for (const raft::Entry& entry : stored.log.entries) {
    old.last = {entry.index, entry.term};
    if (entry.index > old.applied) {
      machine->Apply(entry);
    }
  }
  old.members = machine->membership().membership;
  old.image = machine->ToImage();
  // The log may end before the data: it was about to be reset to it.
  if (old.last.index < old.applied) {
    old.last = {old.image.summary.applied_index, old.image.summary.applied_term};
  }
  return old;
}

absl::Status CopyOld(const fs::path& folder, const fs::path& to) {
  LOCKSTEP_RETURN_IF_ERROR(FolderError(MakeFolder(to)));
  std::vector<std::string> names(std::begin(kNotes), std::end(kNotes));
  for (const char* database : kDatabases) {
    names.push_back(database);
    for (const char* companion : kCompanions) {
      names.push_back(absl::StrCat(database, companion));
    }
  }
  for (const std::string& name : names) {
    std::error_code error;
    if (!fs::exists(folder / name, error)) {
      continue;
    }
    std::ifstream file(folder / name, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)),
                            std::istreambuf_iterator<char>());
    if (!file || bytes.size() != fs::file_size(folder / name, error)) {
      return absl::InternalError(absl::StrCat((folder / name).string(), ": cannot be read"));
    }
    LOCKSTEP_RETURN_IF_ERROR(FolderError(ReplaceFile(to / name, bytes)));
  }
  return absl::OkStatus();
}

// The only voter of a cluster that goes on where `old` has ended.
kv::Image NewImage(const Old& old, const RecoverOptions& options, Incarnation incarnation) {
  kv::Image image = old.image;
  raft::Membership& members = image.membership.membership;
  members.members.clear();
  members.next_id = std::max(members.next_id, old.node.Next());
  members.members[old.node] = {.voter = true,
                               .incarnation = incarnation,
                               .peer_address = options.peer_address,
                               .client_address = options.client_address};
  image.membership.index = image.summary.applied_index;
  image.summary.digest = 0;
  image.summary.digest = kv::DigestOf(image);
  return image;
}

absl::Status MakeNew(const Old& old, const RecoverOptions& options, const fs::path& folder) {
  LOCKSTEP_RETURN_IF_ERROR(FolderError(MakeFolder(folder)));
  const Incarnation incarnation = DrawIncarnation();
  LOCKSTEP_ASSIGN_OR_RETURN(
      storage::NodeStore store,
      storage::NodeStore::Open(folder.string(), "",
                               {ClusterIdFromName(options.new_cluster_name), old.node},
                               {.incarnation = incarnation, .membership = {}}));
  LOCKSTEP_RETURN_IF_ERROR(store.state().Install(NewImage(old, options, incarnation)));
  // An empty log after it: there is nothing left that is not committed.
  const raft::Write write{.id = {1},
                          .hard_state = raft::HardState{old.hard_state.current_term, {}},
                          .reset_to = old.last,
                          .entries = {},
                          .compact_to = std::nullopt};
  return store.log().Save({&write, 1});
}

absl::Status PutInPlace(const fs::path& folder) {
  std::error_code error;
  for (const char* database : kDatabases) {
    if (!fs::exists(folder / kNewFolder / database, error)) {
      continue;  // it has been put in place
    }
    for (const char* companion : kCompanions) {
      fs::remove(folder / absl::StrCat(database, companion), error);
    }
    LOCKSTEP_RETURN_IF_ERROR(
        FolderError(MoveFile(folder / kNewFolder / database, folder / database)));
  }
  for (const char* note : kNotes) {
    fs::remove(folder / note, error);
  }
  fs::remove_all(folder / kNewFolder, error);
  fs::remove(folder / kRecoveryName, error);
  return error ? absl::InternalError(absl::StrCat(folder.string(), ": ", error.message()))
               : absl::OkStatus();
}

// The note of a run that was cut off: what it says; empty if there is none.
std::string ReadNote(const fs::path& folder) {
  std::ifstream file(folder / kRecoveryName, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

absl::StatusOr<storage::NodeStore> OpenOld(const RecoverOptions& options, NodeId node) {
  return storage::NodeStore::Open(options.data_dir.string(), "",
                                  {ClusterIdFromName(options.cluster_name), node}, {},
                                  storage::Expect::kFiles);
}

}  // namespace

absl::StatusOr<RecoverPlan> PlanRecovery(const RecoverOptions& options) {
  RecoverPlan plan;
  plan.unfinished = ReadNote(options.data_dir);
  if (!plan.unfinished.empty()) {
    return plan;
  }
  LOCKSTEP_ASSIGN_OR_RETURN(plan.node, FindNode(options));
  LOCKSTEP_ASSIGN_OR_RETURN(storage::NodeStore store, OpenOld(options, plan.node));
  LOCKSTEP_ASSIGN_OR_RETURN(const Old old, ReadOld(plan.node, &store, options.data_dir));
  plan.members = old.members;
  plan.last = old.last;
  plan.applied = old.applied;
  plan.summary = NewImage(old, options, {1}).summary;
  plan.keys = old.image.keys.size();
  return plan;
}

absl::StatusOr<fs::path> Recover(const RecoverOptions& options) {
  const fs::path& folder = options.data_dir;
  const FolderLock lock(folder);
  if (!lock.held()) {
    return absl::UnavailableError(absl::StrCat(folder.string(), ": another process changes it"));
  }
  if (const std::string note = ReadNote(folder); !note.empty()) {
    LOCKSTEP_RETURN_IF_ERROR(PutInPlace(folder));
    return fs::path(note);
  }
  LOCKSTEP_ASSIGN_OR_RETURN(const NodeId node, FindNode(options));
  const fs::path copy =
      folder / absl::StrCat("before-recovery-",
                            absl::FormatTime("%Y%m%dT%H%M%E3SZ", absl::Now(), absl::UTCTimeZone()));
  std::error_code error;
  fs::remove_all(folder / kNewFolder, error);
  {
    // Opening a whole node moves its write-ahead logs: the copy is of the files as they were.
    LOCKSTEP_ASSIGN_OR_RETURN(
        const storage::LogStore held,
        storage::LogStore::Open((folder / "log.db").string(), "",
                                {ClusterIdFromName(options.cluster_name), node}));
    LOCKSTEP_RETURN_IF_ERROR(CopyOld(folder, copy));
  }
  LOCKSTEP_ASSIGN_OR_RETURN(storage::NodeStore store, OpenOld(options, node));
  LOCKSTEP_ASSIGN_OR_RETURN(const Old old, ReadOld(node, &store, folder));
  LOCKSTEP_RETURN_IF_ERROR(MakeNew(old, options, folder / kNewFolder));
  LOCKSTEP_RETURN_IF_ERROR(FolderError(ReplaceFile(folder / kRecoveryName, copy.string())));
  { const storage::NodeStore closed = std::move(store); }
  LOCKSTEP_RETURN_IF_ERROR(PutInPlace(folder));
  return copy;
}

}  // namespace lockstep::server
