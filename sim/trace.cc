#include "sim/trace.h"

#include <cinttypes>
#include <cstdio>

namespace lockstep::sim {
namespace {

constexpr std::uint64_t kFirstPrime = 0x9fb21c651e98df25;
constexpr std::uint64_t kSecondPrime = 0xd6e8feb86659fd93;

std::uint64_t Rotate(std::uint64_t word, int bits) {
  return (word << bits) | (word >> (64 - bits));
}

// Up to eight bytes as a number that does not depend on the machine's byte order.
std::uint64_t ReadWord(std::string_view bytes) {
  const auto byte = [bytes](std::size_t i) {
    return std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  };
  if (bytes.size() == 8) {  // written out, compilers make one load of it
    return byte(0) | byte(1) | byte(2) | byte(3) | byte(4) | byte(5) | byte(6) | byte(7);
  }
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    word |= byte(i);
  }
  return word;
}

}  // namespace

void Fingerprint::Add(std::uint64_t word) {
  low_ = Rotate(low_ ^ (word * kFirstPrime), 29) * kSecondPrime;
  high_ = Rotate(high_ + (word ^ low_), 41) * kFirstPrime;
}

void Fingerprint::Add(std::string_view bytes) {
  Add(bytes.size());
  for (std::size_t at = 0; at < bytes.size(); at += 8) {
    Add(ReadWord(bytes.substr(at, 8)));
  }
}

std::string Fingerprint::ToString() const {
  char text[33];
  std::snprintf(text, sizeof(text), "%016" PRIx64 "%016" PRIx64, high_, low_);
  return text;
}

std::uint64_t FingerprintOf(std::string_view bytes) {
  Fingerprint fingerprint;
  fingerprint.Add(bytes);
  return fingerprint.low();
}

std::string FormatTime(SimTime time) {
  char text[40];
  std::snprintf(text, sizeof(text), "%" PRId64 ".%06" PRId64, time.ns / 1'000'000'000,
                time.ns % 1'000'000'000 / 1'000);
  return text;
}

}  // namespace lockstep::sim
