// The record of a run: a fingerprint of everything that happened, and the same as text on request.

#ifndef LOCKSTEP_SIM_TRACE_H_
#define LOCKSTEP_SIM_TRACE_H_

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "sim/sim_time.h"

namespace lockstep::sim {

// 128 bits that depend on every word added and on their order. Not cryptographic: it compares runs
// of our own.
class Fingerprint {
 public:
  void Add(std::uint64_t word);
  void Add(std::string_view bytes);

  std::uint64_t low() const { return low_; }

  // 32 hexadecimal digits.
  std::string ToString() const;

  friend bool operator==(const Fingerprint&, const Fingerprint&) = default;

 private:
  std::uint64_t low_ = 0x6c6f636b73746570;
  std::uint64_t high_ = 0x9e3779b97f4a7c15;
};

// A 64-bit fingerprint of bytes, the same everywhere.
std::uint64_t FingerprintOf(std::string_view bytes);

// Collects what a run does. Every fact enters the fingerprint through Add(); lines are for people
// and only made when somebody reads them.
class Trace {
 public:
  // Lines go to `out`; null for none.
  explicit Trace(std::FILE* out = nullptr) : out_(out) {}

  void Add(std::uint64_t word) { fingerprint_.Add(word); }

  // Whether lines are read. Ask before making one: making text costs more than simulating.
  bool on() const { return out_ != nullptr; }
  // Prints one line: the time, who, and what.
  void Line(SimTime now, std::string_view who, std::string_view what);

  const Fingerprint& fingerprint() const { return fingerprint_; }

 private:
  std::FILE* out_;
  Fingerprint fingerprint_;
};

// As seconds with six decimals.
std::string FormatTime(SimTime time);

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_TRACE_H_
