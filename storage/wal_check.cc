#include "storage/wal_check.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/strings/str_format.h"
#include "storage/status.h"

namespace lockstep::storage {
namespace {

// sqlite.org/fileformat2.html#walformat
constexpr std::size_t kHeaderBytes = 32;
constexpr std::size_t kFrameHeaderBytes = 24;
constexpr std::uint32_t kMagic = 0x377f0682;  // the lowest bit: checksums over big-endian words

// What a disk writes whole or not at all; a larger unit is a multiple of it.
constexpr std::uint64_t kSectorBytes = 512;

// The four bytes at `at` as a number. Compilers make one load of it.
template <bool big_endian>
std::uint32_t Word(const char* at) {
  const auto byte = [at](int i) { return std::uint32_t{static_cast<unsigned char>(at[i])}; };
  if constexpr (big_endian) {
    return byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3);
  }
  return byte(3) << 24 | byte(2) << 16 | byte(1) << 8 | byte(0);
}

std::uint32_t BigEndian(std::string_view bytes, std::size_t offset) {
  return Word<true>(bytes.data() + offset);
}

// A running checksum of the WAL: two words, each frame's going on from the one before it.
struct Sums {
  std::uint32_t first = 0;
  std::uint32_t second = 0;

  void Add(std::string_view bytes, bool big_endian) {
    big_endian ? AddWords<true>(bytes) : AddWords<false>(bytes);
  }
  template <bool big_endian>
  void AddWords(std::string_view bytes) {
    for (; bytes.size() >= 8; bytes.remove_prefix(8)) {
      first += Word<big_endian>(bytes.data()) + second;
      second += Word<big_endian>(bytes.data() + 4) + first;
    }
  }
  friend bool operator==(const Sums&, const Sums&) = default;
};

struct Header {
  bool valid = false;
  bool big_endian = false;
  std::size_t page_bytes = 0;
  std::string salts;  // of this generation of frames; those of earlier ones may follow
  Sums sums;
};

Header ParseHeader(std::string_view bytes) {
  Header header;
  if (bytes.size() < kHeaderBytes || (BigEndian(bytes, 0) & ~1U) != kMagic) {
    return header;
  }
  header.big_endian = (BigEndian(bytes, 0) & 1U) != 0;
  header.page_bytes = BigEndian(bytes, 8);
  header.salts = bytes.substr(16, 8);
  header.sums.Add(bytes.substr(0, 24), header.big_endian);
  header.valid = header.sums == Sums{BigEndian(bytes, 24), BigEndian(bytes, 28)} &&
                 header.page_bytes >= kSectorBytes && header.page_bytes <= 65'536;
  return header;
}

// A frame's header: page number (0), commit mark (4), salts (8),
// checksum (16). Whether those in [begin, end) were written together: no tearing can mix them.
bool InOneSector(std::uint64_t frame_offset, std::uint64_t begin, std::uint64_t end) {
  return (frame_offset + begin) / kSectorBytes == (frame_offset + end - 1) / kSectorBytes;
}

}  // namespace

absl::StatusOr<std::uint64_t> CheckWal(const std::string& path, const RawFile& wal) {
  if (wal.size_bytes() <= kHeaderBytes) {
    return 0;
  }
  std::string bytes;
  LOCKSTEP_RETURN_IF_ERROR(wal.Read(0, kHeaderBytes, &bytes));
  const Header header = ParseHeader(bytes);
  if (!header.valid) {
    // SQLite syncs the header before it writes the first frame.
    return absl::DataLossError(absl::StrFormat("%s: the header is damaged", path));
  }
  const std::uint64_t frame_bytes = kFrameHeaderBytes + header.page_bytes;
  const std::uint64_t frames = (wal.size_bytes() - kHeaderBytes) / frame_bytes;
  const auto damage = [&](std::uint64_t number, const char* why) {
    return absl::DataLossError(
        absl::StrFormat("%s: frame %d of %d is damaged: %s", path, number, frames, why));
  };
  Sums sums = header.sums;
  std::uint64_t committed = 0;
  std::uint64_t broken = 0;  // the first broken frame, counted from 1
  bool ended_since = false;  // whether a transaction ended at or after it
  for (std::uint64_t number = 1; number <= frames; ++number) {
    const std::uint64_t offset = kHeaderBytes + (number - 1) * frame_bytes;
    LOCKSTEP_RETURN_IF_ERROR(wal.Read(offset, frame_bytes, &bytes));
    const std::string_view frame = bytes;
    const bool of_this_generation = frame.substr(8, 8) == header.salts;
    if (broken == 0) {
      sums.Add(frame.substr(0, 8), header.big_endian);
      sums.Add(frame.substr(kFrameHeaderBytes), header.big_endian);
      const bool whole = sums == Sums{BigEndian(frame, 16), BigEndian(frame, 20)};
      broken = whole && of_this_generation ? 0 : number;
      if (whole && !of_this_generation && InOneSector(offset, 8, 24)) {
        return damage(broken, "its salts are wrong");
      }
      if (broken == 0 && BigEndian(frame, 4) != 0) {
        committed = number;
      }
    } else if (of_this_generation && ended_since) {
      return damage(broken, "there are later transactions");
    }
    if (broken != 0 && of_this_generation && InOneSector(offset, 4, 16) &&
        BigEndian(frame, 4) != 0) {
      ended_since = true;
    }
  }
  return committed;
}

}  // namespace lockstep::storage
