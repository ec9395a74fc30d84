// What a node knows of its cluster beside its databases, in the file `members` of its data folder:
// who the node is and where the others are, for when the databases are damaged. Nothing is decided
// by it but whom to ask; a file that is damaged is as good as none.

#ifndef LOCKSTEP_SERVER_MEMBER_FILE_H_
#define LOCKSTEP_SERVER_MEMBER_FILE_H_

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "core/raft/membership.h"
#include "core/types.h"
#include "server/log.h"

namespace lockstep::server {

struct MemberFile {
  ClusterId cluster;
  NodeId node;
  raft::Membership membership;

  friend bool operator==(const MemberFile&, const MemberFile&) = default;
};

std::string ToText(const MemberFile& file);
std::optional<MemberFile> ParseMemberFile(std::string_view text);

// Nullopt if there is none, or none that can be read; the log says which if it is damaged.
std::optional<MemberFile> ReadMemberFile(const std::filesystem::path& folder, NodeLog* log);

// Keeps the file up to date, on a thread of its own, which waits for the disk. What cannot be
// written is logged and tried again with the next change: no promise stands on this file.
class MemberFileKeeper {
 public:
  // `log` must outlive this.
  MemberFileKeeper(std::filesystem::path folder, ClusterId cluster, NodeId node, NodeLog* log);
  // Writes what is still to be written.
  ~MemberFileKeeper();

  MemberFileKeeper(const MemberFileKeeper&) = delete;
  MemberFileKeeper& operator=(const MemberFileKeeper&) = delete;

  // Any thread; never blocks for the disk.
  void Keep(const raft::Membership& membership);

 private:
  void Run();

  const std::filesystem::path folder_;
  const ClusterId cluster_;
  const NodeId node_;
  NodeLog* const log_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<raft::Membership> to_write_;  // guarded by mutex_
  bool stop_ = false;                         // guarded by mutex_
  std::thread thread_;
};

}  // namespace lockstep::server

#endif  // LOCKSTEP_SERVER_MEMBER_FILE_H_
