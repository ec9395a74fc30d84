#include "server/version.h"

#include "absl/strings/str_cat.h"
#include "core/kv/codec.h"
#include "storage/log_store.h"
#include "storage/state_store.h"

namespace lockstep::server {

std::string DescribeVersion(const std::string& program) {
  return absl::StrCat(program, " ", kVersion, "\n", "formats: log.db ", storage::kLogFormatVersion,
                      ", state.db ", storage::kStateFormatVersion, ", commands ",
                      kv::kCommandVersion, ", snapshots ", kv::kSnapshotVersion, "\n");
}

}  // namespace lockstep::server
