// How a node becomes a member of a cluster: of a running one (--join), of one that it forms with
// others (--bootstrap-expect; server/form.h), or again, if its files were damaged: it then takes
// its own place, empty and under a new number (server/repair.h).
//
// What it knows of that is in its data folder, in the file `join`: first the incarnation that it
// has drawn and, for a repair, which files are to be moved out of the way; then the number that the
// cluster gave it or that was agreed on; then that its files were made. Each is durable before what
// depends on it. After a crash at any moment the next start goes on from there: the cluster gives
// the same number to the same incarnation, and a folder that lost the files that it once had is not
// used again.

#ifndef LOCKSTEP_SERVER_JOIN_H_
#define LOCKSTEP_SERVER_JOIN_H_

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/statusor.h"
#include "core/types.h"
#include "server/config.h"
#include "server/log.h"
#include "server/node.h"

namespace lockstep::server {

struct JoinRecord {
  ClusterId cluster;
  Incarnation incarnation;
  // Of a repair: the member whose place it takes, 0 otherwise; where in the folder its damaged
  // files go; and what was found, in one line.
  NodeId repairs;
  std::string aside;
  std::string damage;
  NodeId node;              // 0: not known yet
  bool files_made = false;  // with `node` only

  friend bool operator==(const JoinRecord&, const JoinRecord&) = default;
};

// The record as the file holds it.
std::string ToText(const JoinRecord& record);
// Nullopt for any text that ToText() of this version does not make.
std::optional<JoinRecord> ParseJoinRecord(std::string_view text);

// At random, for the files of a node that is to be made.
Incarnation DrawIncarnation();

// Where a data folder keeps it.
inline constexpr char kJoinRecordName[] = "join";

// The note of MarkDiverged() (server/repair.h), which is moved aside with the files that it is
// about.
inline constexpr char kDivergedName[] = "diverged";

// Whether the folder belongs to a node that is being, or was, made anew by a repair, so that its
// record says who it is and not the configuration; or has a record that cannot be read.
bool RecordDecides(const std::filesystem::path& folder);

// Of a folder, while it lives: two processes must not join or repair with one folder.
class FolderLock {
 public:
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

  bool held() const { return held_; }

 private:
  const int fd_;
  const bool held_;
};

// Sees to it that `settings.data_dir` holds the files of a member, asking the cluster for as long
// as it takes, or until `give_up()`: a few seconds after that is true, nothing (monostate) is
// returned. Returns the node's number, with which it is to be started, with its files there.
// REQUIRES: Check(settings) is OK; settings.joins(), settings.forms(), or RecordDecides().
std::variant<std::monostate, NodeId, StartFailure> Join(const Settings& settings, NodeLog* log,
                                                        const std::function<bool()>& give_up);

}  // namespace lockstep::server

#endif  // LOCKSTEP_SERVER_JOIN_H_
