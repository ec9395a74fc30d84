#include "sim/disk/operation.h"

#include <cstring>

#include "core/assert.h"

namespace lockstep::sim {

const char* OperationKindName(OperationKind kind) {
  switch (kind) {
    case OperationKind::kOpen:
      return "open";
    case OperationKind::kCreate:
      return "create";
    case OperationKind::kRead:
      return "read";
    case OperationKind::kWrite:
      return "write";
    case OperationKind::kTruncate:
      return "truncate";
    case OperationKind::kSync:
      return "sync";
    case OperationKind::kSyncDirectory:
      return "sync-directory";
    case OperationKind::kDelete:
      return "delete";
  }
  CORE_ASSERT(false);
}

std::uint64_t HashBytes(std::string_view bytes) {
  constexpr std::uint64_t kPrime = 0x9fb21c651e98df25;  // odd, with its bits spread
  // The size takes part, so that trailing zero bytes count.
  std::uint64_t hash = (bytes.size() + 1) * kPrime;
  while (!bytes.empty()) {
    std::uint64_t word = 0;
    const std::size_t taken = bytes.size() < sizeof word ? bytes.size() : sizeof word;
    std::memcpy(&word, bytes.data(), taken);  // the machine's byte order, as in SQLite's WAL
    hash = (hash ^ word) * kPrime;
    hash ^= hash >> 32;
    bytes.remove_prefix(taken);
  }
  return hash;
}

}  // namespace lockstep::sim
