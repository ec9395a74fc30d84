#include "storage/checksum.h"

#include <array>
#include <cstddef>

namespace lockstep::storage {
namespace {

// Of IEEE 802.3, the lowest bit first.
constexpr std::uint32_t kPolynomial = 0xedb88320;

constexpr std::size_t kWordBytes = 8;
using Table = std::array<std::array<std::uint32_t, 256>, kWordBytes>;

// Entry [n][b] is what a byte b, followed by n zeros, makes of a checksum of 0.
constexpr Table MakeTable() {
  Table table = {};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc & 1U) != 0 ? crc >> 1 ^ kPolynomial : crc >> 1;
    }
    table[0][byte] = crc;
  }
  for (std::size_t zeros = 1; zeros < kWordBytes; ++zeros) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t before = table[zeros - 1][byte];
      table[zeros][byte] = before >> 8 ^ table[0][before & 0xffU];
    }
  }
  return table;
}

constexpr Table kTable = MakeTable();

std::uint32_t AddByte(std::uint32_t crc, std::uint64_t byte) {
  return crc >> 8 ^ kTable[0][(crc ^ byte) & 0xffU];
}

// Eight bytes, the lowest first. CRCs are linear: the bytes' shares are looked up beside each other
// instead of one after the other ("slicing by 8").
std::uint32_t AddWord(std::uint32_t crc, std::uint64_t word) {
  word ^= crc;
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < kWordBytes; ++i) {
    sum ^= kTable[kWordBytes - 1 - i][word >> (8 * i) & 0xffU];
  }
  return sum;
}

std::uint64_t WordAt(const char* at) {
  const auto byte = [at](int i) {
    return std::uint64_t{static_cast<unsigned char>(at[i])} << (8 * i);
  };
  return byte(0) | byte(1) | byte(2) | byte(3) | byte(4) | byte(5) | byte(6) | byte(7);
}

}  // namespace

Checksum& Checksum::Add(std::uint64_t number) {
  crc_ = AddWord(crc_, number);
  return *this;
}

Checksum& Checksum::Add(std::string_view bytes) {
  Add(static_cast<std::uint64_t>(bytes.size()));
  for (; bytes.size() >= kWordBytes; bytes.remove_prefix(kWordBytes)) {
    crc_ = AddWord(crc_, WordAt(bytes.data()));
  }
  for (const char byte : bytes) {
    crc_ = AddByte(crc_, static_cast<unsigned char>(byte));
  }
  return *this;
}

}  // namespace lockstep::storage
