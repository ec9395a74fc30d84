// The driver's disk on a node's two SQLite files.

#ifndef LOCKSTEP_SERVER_SQLITE_DISK_H_
#define LOCKSTEP_SERVER_SQLITE_DISK_H_

#include <vector>

#include "server/disk.h"
#include "storage/node_store.h"

namespace lockstep::server {

class SqliteDisk final : public Disk {
 public:
  // `store` must outlive this.
  explicit SqliteDisk(storage::NodeStore* store) : store_(*store) {}

  absl::Status Save(const std::vector<raft::Write>& writes) override;
  absl::Status TidyLog() override;
  absl::Status Store(const kv::Delta& delta) override;
  absl::Status Install(const kv::Image& image) override;
  absl::StatusOr<Snapshot> ReadSnapshot() override;

 private:
  storage::NodeStore& store_;
};

}  // namespace lockstep::server

#endif  // LOCKSTEP_SERVER_SQLITE_DISK_H_
