#include "server/repair.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "core/random.h"
#include "core/replica.h"
#include "server/driver.h"
#include "server/folder.h"
#include "server/join.h"
#include "server/member_file.h"
#include "storage/node_store.h"

namespace lockstep::server {
namespace {

constexpr char kAsidePrefix[] = "damaged-";

StartFailure DataFailure(const std::string& text) { return {ExitCode::kDataFolder, text}; }

std::size_t CountDamagedFolders(const std::filesystem::path& folder) {
  std::size_t count = 0;
  std::error_code error;
  for (const auto& each : std::filesystem::directory_iterator(folder, error)) {
    count += each.path().filename().string().rfind(kAsidePrefix, 0) == 0 ? 1 : 0;
  }
  return count;
}

std::uintmax_t BytesOfDatabases(const std::filesystem::path& folder) {
  std::uintmax_t bytes = 0;
  for (const char* name : {"log.db", "log.db-wal", "state.db", "state.db-wal"}) {
    std::error_code error;
    const std::uintmax_t size = std::filesystem::file_size(folder / name, error);
    bytes += error ? 0 : size;
  }
  return bytes;
}

// Whether somebody else has what this node has lost. What is not known is hoped for.
bool HasOthers(const Settings& settings, const std::optional<MemberFile>& known) {
  if (known) {
    return std::any_of(
        known->membership.members.begin(), known->membership.members.end(),
        [&](const auto& each) { return each.first != settings.node_id && each.second.voter; });
  }
  return settings.joins() || settings.bootstrap_expect > 1 || settings.members.size() > 1;
}

// What is wrong with the files, by all that a start looks at.
absl::Status ReadAgain(const Settings& settings) {
  // Where there is a state.db, opening makes nothing, whatever else is missing.
  std::error_code error;
  const bool has_state =
      std::filesystem::exists(std::filesystem::path(settings.data_dir) / "state.db", error);
  absl::StatusOr<storage::NodeStore> store =
      storage::NodeStore::Open(settings.data_dir, "", {settings.cluster_id(), settings.node_id}, {},
                               has_state ? storage::Expect::kFilesOrNone : storage::Expect::kFiles);
  if (!store.ok()) {
    return store.status();
  }
  std::string problem;
  const bool fit =
      Replica::Start(settings.replica(), store->TakeStored(), Random(1), Driver::Now(), &problem)
          .has_value();
  return fit ? absl::OkStatus() : absl::DataLossError(problem);
}

std::string OneLine(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

}  // namespace

std::optional<StartFailure> BeginRepair(const Settings& settings, const std::string& damage,
                                        NodeLog* log) {
  const std::filesystem::path folder = settings.data_dir;
  const FolderLock lock(folder);
  if (!lock.held()) {
    return DataFailure(absl::StrCat(folder.string(), ": another process repairs this folder"));
  }
  const bool diverged = ReadDivergence(settings.data_dir).has_value();
  // A read may have gone wrong once, or another process may have repaired the folder meanwhile.
  std::error_code error;
  const absl::Status again = ReadAgain(settings);
  if (again.ok() && !diverged) {
    log->Write(LogLevel::kWarning, "damage-not-found-again", {Field("damage", damage)});
    return std::nullopt;
  }
  if (!absl::IsDataLoss(again) && !diverged) {
    return DataFailure(absl::StrCat(damage, "; and read again: ", std::string(again.message())));
  }
  std::optional<MemberFile> known = ReadMemberFile(folder, log);
  if (known && (known->cluster != settings.cluster_id() || known->node != settings.node_id)) {
    known.reset();
  }
  if (!HasOthers(settings, known)) {
    return DataFailure(
        absl::StrCat(damage, "; no other member has this data: put a backup in its place"));
  }
  if (CountDamagedFolders(folder) >= kDamagedFoldersMax) {
    return DataFailure(absl::StrCat(
        damage, "; ", kDamagedFoldersMax, " folders ", kAsidePrefix,
        "... with damaged files are here already: look after the disk, and remove what you do not "
        "need, before this node repairs itself again"));
  }
  const std::uintmax_t needed = BytesOfDatabases(folder);
  const std::filesystem::space_info space = std::filesystem::space(folder, error);
  if (!error && space.available < needed) {
    return DataFailure(absl::StrCat(damage, "; a repair needs ", needed, " bytes beside them, and ",
                                    space.available, " are free"));
  }
  JoinRecord record;
  record.cluster = settings.cluster_id();
  record.incarnation = DrawIncarnation();
  record.repairs = settings.node_id;
  record.aside = absl::StrCat(
      kAsidePrefix, absl::FormatTime("%Y%m%dT%H%M%E3SZ", absl::Now(), absl::UTCTimeZone()));
  record.damage = OneLine(damage);
  log->Write(LogLevel::kError, "data-damaged",
             {Field("damage", damage), Field("moved_to", (folder / record.aside).string()),
              Field("repair", "this node joins its cluster anew, in its own place")});
  const std::string failure = ReplaceFile(folder / kJoinRecordName, ToText(record));
  return failure.empty() ? std::nullopt : std::optional(DataFailure(failure));
}

std::string MarkDiverged(const std::string& data_dir, const std::string& why) {
  return ReplaceFile(std::filesystem::path(data_dir) / kDivergedName, why);
}

std::optional<std::string> ReadDivergence(const std::string& data_dir) {
  std::ifstream file(std::filesystem::path(data_dir) / kDivergedName, std::ios::binary);
  if (!file) {
    return std::nullopt;
  }
  return OneLine(
      std::string((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>()));
}

}  // namespace lockstep::server
