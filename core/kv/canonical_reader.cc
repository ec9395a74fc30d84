#include "core/kv/canonical_reader.h"

#include <cstddef>

#include "core/assert.h"

namespace lockstep::kv {
namespace {

// protobuf.dev/programming-guides/encoding
constexpr unsigned kVarint = 0;
constexpr unsigned kLengthDelimited = 2;

}  // namespace

std::uint64_t CanonicalReader::Number(unsigned field) {
  if (!TakeTag(field, kVarint)) {
    return 0;
  }
  const std::uint64_t number = TakeVarint();
  if (number == 0) {
    Fail();
  }
  return number;
}

std::string_view CanonicalReader::Bytes(unsigned field) {
  const std::optional<std::string_view> bytes = Present(field);
  if (!bytes.has_value()) {
    return {};
  }
  if (bytes->empty()) {
    Fail();
  }
  return *bytes;
}

std::optional<std::string_view> CanonicalReader::Present(unsigned field) {
  if (!TakeTag(field, kLengthDelimited)) {
    return std::nullopt;
  }
  const std::uint64_t size = TakeVarint();
  if (failed_ || size > rest_.size()) {
    Fail();
    return std::nullopt;
  }
  const std::string_view bytes = rest_.substr(0, static_cast<std::size_t>(size));
  rest_.remove_prefix(bytes.size());
  return bytes;
}

bool CanonicalReader::TakeTag(unsigned field, unsigned wire_type) {
  CORE_ASSERT(field >= 1 && field <= 15);
  if (rest_.empty() || static_cast<unsigned char>(rest_.front()) != (field << 3 | wire_type)) {
    return false;
  }
  rest_.remove_prefix(1);
  return true;
}

// Seven bits a byte, lowest first; the highest bit says that more follow.
std::uint64_t CanonicalReader::TakeVarint() {
  std::uint64_t number = 0;
  for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    number |= std::uint64_t{byte & 0x7fU} << shift;
    if (byte < 0x80) {
      const bool padded = byte == 0 && shift > 0;
      const bool too_large = shift == 63 && byte > 1;
      if (padded || too_large) {
        break;
      }
      return number;
    }
  }
  Fail();
  return 0;
}

void CanonicalReader::Fail() {
  failed_ = true;
  rest_ = {};
}

}  // namespace lockstep::kv
