// The record of a run: a fingerprint of everything that happened, and the same told event by event
// to who wants to hear it.

#ifndef LOCKSTEP_SIM_TRACE_H_
#define LOCKSTEP_SIM_TRACE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/sim_time.h"
#include "sim/story/event.h"

namespace lockstep::sim {

// 128 bits that depend on every word added and on their order. Not cryptographic: it compares runs
// of our own.
class Fingerprint {
 public:
  void Add(std::uint64_t word);
  void Add(std::string_view bytes);

  std::uint64_t low() const { return low_; }
  std::uint64_t high() const { return high_; }

  // 32 hexadecimal digits.
  std::string ToString() const;

  friend bool operator==(const Fingerprint&, const Fingerprint&) = default;

 private:
  std::uint64_t low_ = 0x6c6f636b73746570;
  std::uint64_t high_ = 0x9e3779b97f4a7c15;
};

// A 64-bit fingerprint of bytes, the same everywhere.
std::uint64_t FingerprintOf(std::string_view bytes);

// Collects what a run does. Every fact enters the fingerprint through Add(); events are for people
// and only made when somebody listens.
class Trace {
 public:
  // REQUIRES: the listeners outlive this.
  explicit Trace(std::vector<story::Listener*> listeners = {}) : listeners_(std::move(listeners)) {}

  void Add(std::uint64_t word) { fingerprint_.Add(word); }

  // Whether anybody listens. Ask before making an event: making text costs more than simulating.
  bool on() const { return !listeners_.empty(); }
  void Tell(const story::Event& event) {
    for (story::Listener* listener : listeners_) {
      listener->Hear(event);
    }
  }

  const Fingerprint& fingerprint() const { return fingerprint_; }

 private:
  std::vector<story::Listener*> listeners_;
  Fingerprint fingerprint_;
};

// As seconds with six decimals.
std::string FormatTime(SimTime time);

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_TRACE_H_
