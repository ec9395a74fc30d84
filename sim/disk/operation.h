// What a process asks of its simulated disk: the kinds of operation, how one ends, and what an
// observer learns of it.

#ifndef LOCKSTEP_SIM_DISK_OPERATION_H_
#define LOCKSTEP_SIM_DISK_OPERATION_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace lockstep::sim {

enum class OperationKind : std::uint8_t {
  kOpen,    // of a file that exists, or of one that does not and is not to be created
  kCreate,  // the open that makes the file, named or temporary
  kRead,
  kWrite,
  kTruncate,  // shortens or lengthens
  kSync,
  kSyncDirectory,  // makes creations and deletions durable
  kDelete,
};
inline constexpr std::size_t kOperationKindCount = 8;

// The kind's name in lower case, for traces.
const char* OperationKindName(OperationKind kind);

// A set of kinds.
class OperationKinds {
 public:
  constexpr OperationKinds(std::initializer_list<OperationKind> kinds) {
    for (const OperationKind kind : kinds) {
      bits_ |= 1U << static_cast<unsigned>(kind);
    }
  }

  static constexpr OperationKinds All() {
    return {OperationKind::kOpen,     OperationKind::kCreate, OperationKind::kRead,
            OperationKind::kWrite,    OperationKind::kSync,   OperationKind::kSyncDirectory,
            OperationKind::kTruncate, OperationKind::kDelete};
  }
  // Those that move the disk from one state to another: the points where a power cut matters.
  static constexpr OperationKinds Changes() {
    return {OperationKind::kCreate, OperationKind::kWrite,         OperationKind::kTruncate,
            OperationKind::kSync,   OperationKind::kSyncDirectory, OperationKind::kDelete};
  }
  // Those that a full disk refuses.
  static constexpr OperationKinds NeedSpace() {
    return {OperationKind::kCreate, OperationKind::kWrite};
  }

  constexpr bool Contains(OperationKind kind) const {
    return (bits_ >> static_cast<unsigned>(kind) & 1U) != 0;
  }

 private:
  std::uint32_t bits_ = 0;
};

enum class IoResult : std::uint8_t {
  kOk,
  kIoError,
  kFull,      // no space left
  kNotFound,  // no file of that name
  kExists,    // asked to create what exists
};

// One operation that has just ended. The views live only while the observer runs.
struct Operation {
  OperationKind kind;
  std::string_view file;  // empty for a temporary file and for kSyncDirectory
  std::uint64_t offset;   // of kRead and kWrite; the new size for kTruncate; else 0
  std::uint64_t size;     // bytes asked for by kRead and kWrite; else 0
  std::string_view data;  // the bytes read or given to be written
  IoResult result;        // not kOk: it had no effect, or the power was cut while it was in flight
  bool power_cut;         // the power went during this operation
};

// Everything a disk was asked since it was made. Operations of a process that is dead are not
// counted: they never reach the disk.
struct Counters {
  std::array<std::uint64_t, kOperationKindCount> by_kind{};
  std::uint64_t operations = 0;
  std::uint64_t bytes_read = 0;
  std::uint64_t bytes_written = 0;
  std::uint64_t injected_errors = 0;  // operations that failed because a switch said so
  std::uint64_t failed_syncs = 0;     // of these, syncs

  std::uint64_t Of(OperationKind kind) const { return by_kind[static_cast<std::size_t>(kind)]; }
};

// A 64-bit hash of `bytes`, equal in every build, for traces. Not for adversaries.
std::uint64_t HashBytes(std::string_view bytes);

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_DISK_OPERATION_H_
