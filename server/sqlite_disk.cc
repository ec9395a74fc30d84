#include "server/sqlite_disk.h"

#include "core/kv/codec.h"

namespace lockstep::server {

absl::Status SqliteDisk::Save(const std::vector<raft::Write>& writes) {
  return store_.log().Save(writes);
}

absl::Status SqliteDisk::TidyLog() { return store_.log().Tidy(); }

absl::Status SqliteDisk::Store(const kv::Delta& delta) { return store_.state().Apply(delta); }

absl::Status SqliteDisk::Install(const kv::Image& image) { return store_.state().Install(image); }

absl::StatusOr<Snapshot> SqliteDisk::ReadSnapshot() {
  const absl::StatusOr<kv::Image> image = store_.state().ReadImage();
  if (!image.ok()) {
    return image.status();
  }
  return Snapshot{{image->summary.applied_index, image->summary.applied_term},
                  Bytes(kv::EncodeImage(*image))};
}

}  // namespace lockstep::server
