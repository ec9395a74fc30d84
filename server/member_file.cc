#include "server/member_file.h"

#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/folder.h"
#include "server/sealed_text.h"

namespace lockstep::server {
namespace {

constexpr char kFirstLine[] = "lockstep-members 1\n";
constexpr char kFileName[] = "members";

// For people, who look into a folder to learn whose it is. The membership itself is the last line.
std::string Comment(const raft::Membership& membership) {
  std::string text;
  for (const auto& [id, member] : membership.members) {
    absl::StrAppend(&text, "# node ", id.value, ": ", member.peer_address, " ",
                    member.client_address, "\n");
  }
  return text;
}

}  // namespace

std::string ToText(const MemberFile& file) {
  return Seal(absl::StrCat(kFirstLine, "cluster ", file.cluster.value, "\nnode ", file.node.value,
                           "\n", Comment(file.membership), "membership ",
                           absl::BytesToHexString(raft::EncodeMembership(file.membership)), "\n"));
}

std::optional<MemberFile> ParseMemberFile(std::string_view text) {
  std::optional<std::string_view> body = Unseal(text);
  if (!body || !Take(&*body, kFirstLine)) {
    return std::nullopt;
  }
  const std::optional<std::uint64_t> cluster = TakeNumber(&*body, "cluster");
  const std::optional<std::uint64_t> node = TakeNumber(&*body, "node");
  if (!cluster || !node) {
    return std::nullopt;
  }
  while (TakeText(&*body, "#")) {
  }
  const std::optional<std::string_view> hex = TakeText(&*body, "membership");
  if (!hex || !body->empty()) {
    return std::nullopt;
  }
  std::optional<raft::Membership> membership =
      raft::DecodeMembership(absl::HexStringToBytes(std::string(*hex)));
  if (!membership) {
    return std::nullopt;
  }
  return MemberFile{{*cluster}, {*node}, *std::move(membership)};
}

std::optional<MemberFile> ReadMemberFile(const std::filesystem::path& folder, NodeLog* log) {
  const std::filesystem::path path = folder / kFileName;
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return std::nullopt;
  }
  std::ifstream file(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::optional<MemberFile> parsed = ParseMemberFile(text);
  if (!parsed) {
    log->Write(LogLevel::kWarning, "members-file-ignored",
               {Field("file", path.string()), Field("reason", "damaged, or of a newer version")});
  }
  return parsed;
}

MemberFileKeeper::MemberFileKeeper(std::filesystem::path folder, ClusterId cluster, NodeId node,
                                   NodeLog* log)
    : folder_(std::move(folder)), cluster_(cluster), node_(node), log_(log), thread_([this] {
        Run();
      }) {}

MemberFileKeeper::~MemberFileKeeper() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void MemberFileKeeper::Keep(const raft::Membership& membership) {
  if (membership.members.empty()) {
    return;  // of a node that was not told yet
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    to_write_ = membership;
  }
  changed_.notify_one();
}

void MemberFileKeeper::Run() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stop_ || to_write_.has_value(); });
    if (!to_write_) {
      return;
    }
    const MemberFile file{cluster_, node_, *std::exchange(to_write_, std::nullopt)};
    lock.unlock();
    const std::string failure = ReplaceFile(folder_ / kFileName, ToText(file));
    if (!failure.empty()) {
      log_->Write(LogLevel::kWarning, "members-file-not-written", {Field("error", failure)});
    }
    lock.lock();
  }
}

}  // namespace lockstep::server
