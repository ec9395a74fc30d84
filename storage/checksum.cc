#include "storage/checksum.h"

#include <zlib.h>

#include <array>

namespace lockstep::storage {

Checksum& Checksum::Add(std::uint64_t number) {
  std::array<unsigned char, 8> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<unsigned char>(number >> (8 * i));
  }
  crc_ = crc32_z(crc_, bytes.data(), bytes.size());
  return *this;
}

Checksum& Checksum::Add(std::string_view bytes) {
  Add(static_cast<std::uint64_t>(bytes.size()));
  // zlib takes a null pointer for a wish to start anew.
  if (!bytes.empty()) {
    crc_ = crc32_z(crc_, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  }
  return *this;
}

}  // namespace lockstep::storage
