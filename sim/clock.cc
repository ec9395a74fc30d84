#include "sim/clock.h"

#include <algorithm>

#include "core/assert.h"

namespace lockstep::sim {
namespace {

constexpr std::int64_t kMillion = 1'000'000;
constexpr std::int64_t kJump = 1'000 * kMillion;  // more than any rate

// floor(value * numerator / denominator) without an overflow in between.
// REQUIRES: value is not negative, and the two others fit in 31 bits.
std::int64_t ScaleDown(std::int64_t value, std::int64_t numerator, std::int64_t denominator) {
  return value / denominator * numerator + value % denominator * numerator / denominator;
}

// The same, rounded up.
std::int64_t ScaleUp(std::int64_t value, std::int64_t numerator, std::int64_t denominator) {
  return value / denominator * numerator +
         (value % denominator * numerator + denominator - 1) / denominator;
}

}  // namespace

Clock::Clock(Duration offset, std::int64_t drift_ppm)
    : drift_ppm_(drift_ppm), anchor_reading_(Instant{} + offset) {
  CORE_ASSERT(drift_ppm > -kMillion);
  NoteRate();
}

void Clock::NoteRate() {
  gained_ppm_ = std::max(gained_ppm_, drift_ppm_);
  lost_ppm_ = std::max(lost_ppm_, -drift_ppm_);
}

void Clock::StepBackUnnoticed() { lost_ppm_ = kMillion; }

std::int64_t Clock::Rate() const { return stalls_ > 0 ? 0 : kMillion + drift_ppm_; }

Instant Clock::Read(SimTime now) const {
  CORE_ASSERT(now >= anchor_time_);
  return anchor_reading_ + Duration{ScaleDown((now - anchor_time_).ns, Rate(), kMillion)};
}

SimTime Clock::WhenReads(Instant reading, SimTime now) const {
  if (Read(now) >= reading) {
    return now;
  }
  if (reading == Instant::Never() || stalls_ > 0) {
    return SimTime::Never();
  }
  return anchor_time_ + Duration{ScaleUp((reading - anchor_reading_).ns, kMillion, Rate())};
}

void Clock::Anchor(SimTime now) {
  anchor_reading_ = Read(now);
  anchor_time_ = now;
}

void Clock::Jump(Duration step, SimTime now) {
  CORE_ASSERT(step >= Duration{});
  Anchor(now);
  anchor_reading_ = anchor_reading_ + step;
  gained_ppm_ = kJump;
}

void Clock::StepBack(Duration step, SimTime now) {
  CORE_ASSERT(step >= Duration{});
  Anchor(now);
  highest_ = std::max(highest_, anchor_reading_);
  anchor_reading_ = Instant{} + std::max(Duration{}, anchor_reading_ - Instant{} - step);
}

void Clock::CatchUp(SimTime now) {
  Anchor(now);
  if (anchor_reading_ < highest_) {
    anchor_reading_ = highest_;
    gained_ppm_ = kJump;
  }
}

void Clock::SetDrift(std::int64_t drift_ppm, SimTime now) {
  CORE_ASSERT(drift_ppm > -kMillion);
  Anchor(now);
  drift_ppm_ = drift_ppm;
  NoteRate();
}

void Clock::Stall(SimTime now) {
  Anchor(now);
  lost_ppm_ = kMillion;
  ++stalls_;
}

void Clock::Resume(SimTime now) {
  CORE_ASSERT(stalls_ > 0);
  Anchor(now);
  --stalls_;
}

}  // namespace lockstep::sim
