// What the connections of one process share about one open file: its lock and, for a database in
// WAL mode, the wal-index. Plain memory: it ends with the last connection that has the file open,
// as it would with the process.

#ifndef LOCKSTEP_SIM_DISK_SHARING_H_
#define LOCKSTEP_SIM_DISK_SHARING_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace lockstep::sim {

// SQLite's lock levels (sqlite3.h, SQLITE_LOCK_NONE and following), with its meaning: any number
// of readers, one of which may intend to write (kReserved), wait for the others to leave
// (kPending: no new readers) and write (kExclusive: alone).
enum class LockLevel : std::uint8_t { kNone, kShared, kReserved, kPending, kExclusive };

class FileLock {
 public:
  // Raises what one connection holds to `wanted` if the others allow it. A refused kExclusive may
  // leave `held` at kPending. kPending is never asked for. REQUIRES: from kNone only kShared.
  [[nodiscard]] bool Raise(LockLevel& held, LockLevel wanted);

  // Lowers what one connection holds to kShared or kNone.
  void Lower(LockLevel& held, LockLevel wanted);

  // True if some connection intends to write.
  bool reserved() const { return writer_ != LockLevel::kNone; }

 private:
  int holders_ = 0;                      // connections at kShared or above
  LockLevel writer_ = LockLevel::kNone;  // of the one connection above kShared
};

// The wal-index: memory in regions of equal size, and eight slots that can be locked.
class WalIndex {
 public:
  static constexpr int kSlots = 8;  // SQLITE_SHM_NLOCK

  // What one connection holds: a bit per slot.
  struct Holder {
    std::uint8_t shared = 0;
    std::uint8_t exclusive = 0;
  };

  // The region, made of zeros if it does not exist and `extend` is set; null if it does not exist.
  // Every call must name the same size. The memory stays where it is.
  void* Region(std::size_t number, std::size_t bytes, bool extend);

  // Locks slots [first, first + count) if no other connection holds one of them in a way that
  // forbids it; all or none. REQUIRES: count is 1 for a shared lock.
  [[nodiscard]] bool LockShared(Holder& holder, int first);
  [[nodiscard]] bool LockExclusive(Holder& holder, int first, int count);
  void UnlockShared(Holder& holder, int first);
  void UnlockExclusive(Holder& holder, int first, int count);
  void UnlockAll(Holder& holder);

 private:
  static constexpr int kHeldExclusively = -1;

  std::vector<std::unique_ptr<char[]>> regions_;
  std::size_t region_bytes_ = 0;
  std::array<int, kSlots> slots_{};  // shared holders, or kHeldExclusively
};

struct Sharing {
  FileLock lock;
  WalIndex wal_index;
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_DISK_SHARING_H_
