// How large the pages of a database file are that is made: all B-trees and each frame of the
// write-ahead log consist of them. A file that is there keeps its own.

#ifndef LOCKSTEP_STORAGE_PAGE_SIZE_H_
#define LOCKSTEP_STORAGE_PAGE_SIZE_H_

#include <cstdint>

namespace lockstep::storage {

// In bytes; a power of two.
inline constexpr std::uint64_t kPageBytesMin = 512;
inline constexpr std::uint64_t kPageBytesMax = 4096;

// What disks and operating systems move at a time, and SQLite's own default.
inline constexpr std::uint64_t kPageBytesDefault = kPageBytesMax;

constexpr bool IsPageSize(std::uint64_t bytes) {
  return bytes >= kPageBytesMin && bytes <= kPageBytesMax && (bytes & (bytes - 1)) == 0;
}

}  // namespace lockstep::storage

#endif  // LOCKSTEP_STORAGE_PAGE_SIZE_H_
