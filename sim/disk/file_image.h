// The contents of one simulated file, and what of it would survive a power cut.
//
// A FileImage holds the bytes as processes see them and, for each change since the last sync,
// what the change replaced. A sync forgets that list, so appending and syncing copy nothing but
// the new bytes; the durable image exists only when a power cut asks for it: undo every change,
// last first, then redo those that reached the platter.

#ifndef LOCKSTEP_SIM_DISK_FILE_IMAGE_H_
#define LOCKSTEP_SIM_DISK_FILE_IMAGE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/random.h"

namespace lockstep::sim {

// What a power cut does to changes that no sync has covered.
enum class CrashMode {
  kDropAll,  // the cache of the disk is lost
  kKeepAll,  // everything had just reached the platter
  kRandom,   // each change is kept, dropped or, if a write, torn
};

// A disk writes sectors of this many bytes whole or not at all. They are aligned in the file.
inline constexpr std::uint64_t kSectorBytes = 512;

class FileImage {
 public:
  const std::string& bytes() const { return bytes_; }

  // Writes `data` at `offset`. What lies between the old end and `offset` reads as zeros.
  void Write(std::uint64_t offset, std::string_view data);

  // Makes the file `size` bytes long, with zeros where it grows.
  void Truncate(std::uint64_t size);

  // Makes every change so far durable.
  void Sync();

  // A sync that failed: the changes since the last one may be lost in a power cut however many
  // later syncs succeed, for the operating system has marked their pages clean (Rebello et al.,
  // "Can Applications Recover from fsync Failures?", ATC 2020). They stay visible until then.
  void FailSync();

  // A power cut: decides in order for each change that is not durable, and makes the outcome
  // durable. A torn write keeps each of its sectors with even odds; a dropped truncate leaves
  // the file's length to the changes that follow. Draws from `random` only in kRandom.
  void Settle(Random& random, CrashMode mode);

  // What would be left if every change that is not durable were lost.
  std::string Durable() const;

  // True if a power cut could take something.
  bool HasUnsynced() const { return !changes_.empty(); }

  // Damage from outside. Replaces everything, durably.
  void Replace(std::string bytes);
  // Inverts one bit of what is read from now on; bit 0 is the lowest of byte 0. If an unsynced
  // write covers the byte and is lost later, the flip is lost with it.
  // REQUIRES: bit < 8 * bytes().size().
  void FlipBit(std::uint64_t bit);

 private:
  enum class Fate : std::uint8_t {
    kUnsynced,
    kAbandoned,  // a sync of it failed: no later one saves it
    kSynced,     // durable, but listed because an abandoned change precedes it
  };

  struct Change {
    std::uint64_t offset;         // where a write begins; the new size for a truncate
    std::uint64_t size;           // bytes written; 0 for a truncate
    std::uint64_t size_before;    // of the file
    std::size_t replaced_begin;   // of the bytes it replaced or cut off, in replaced_
    std::size_t replaced_length;  // they lay at `offset`
    bool is_truncate;
    Fate fate;
  };

  // Lists a change that will replace bytes [offset, offset + length).
  void Remember(Change change);
  void Undo(const Change& change);
  void Redo(const Change& change, std::string_view written, Random& random, CrashMode mode);
  // Writes the sectors of a write that luck keeps.
  void Tear(std::uint64_t offset, std::string_view written, Random& random);
  void PutBytes(std::uint64_t offset, std::string_view data);
  void Forget();

  std::string bytes_;
  std::vector<Change> changes_;  // since the last sync, in order
  std::string replaced_;         // what they replaced, one after the other
  bool has_abandoned_ = false;
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_DISK_FILE_IMAGE_H_
