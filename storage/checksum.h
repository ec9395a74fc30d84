// The checksum of a row: CRC-32 (that of IEEE 802.3, zlib's crc32) over the fields in a fixed
// order, each integer as eight bytes, least significant first, each string after its length. It
// finds every damage to at most four bytes in a row, and misses any other with a chance of 2^-32.

#ifndef LOCKSTEP_STORAGE_CHECKSUM_H_
#define LOCKSTEP_STORAGE_CHECKSUM_H_

#include <cstdint>
#include <string_view>

namespace lockstep::storage {

// The first thing that goes into a row's checksum: a row is not taken for one of another table.
// Part of the format on disk.
enum class RowKind : std::uint64_t {
  kIdentity = 1,
  kHardState = 2,
  kBase = 3,
  kEntry = 4,
  kSummary = 5,
  kKey = 6,
  kSession = 7,
  kTextFile = 8,  // of a small file beside the databases
};

class Checksum {
 public:
  explicit Checksum(RowKind kind) { Add(static_cast<std::uint64_t>(kind)); }

  Checksum& Add(std::uint64_t number);
  Checksum& Add(std::string_view bytes);

  std::uint64_t value() const { return ~crc_; }  // below 2^32

 private:
  std::uint32_t crc_ = ~std::uint32_t{0};  // the complement of value()
};

}  // namespace lockstep::storage

#endif  // LOCKSTEP_STORAGE_CHECKSUM_H_
