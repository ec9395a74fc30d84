#include "sim/disk/sharing.h"

#include "core/assert.h"

namespace lockstep::sim {
namespace {

std::uint8_t SlotMask(int first, int count) {
  CORE_ASSERT(first >= 0 && count > 0 && first + count <= WalIndex::kSlots);
  return static_cast<std::uint8_t>(((1U << count) - 1U) << first);
}

}  // namespace

bool FileLock::Raise(LockLevel& held, LockLevel wanted) {
  CORE_ASSERT(wanted != LockLevel::kNone && wanted != LockLevel::kPending);
  if (held >= wanted) {
    return true;
  }
  if (held == LockLevel::kNone) {
    CORE_ASSERT(wanted == LockLevel::kShared);
    if (writer_ >= LockLevel::kPending) {
      return false;
    }
    ++holders_;
    held = LockLevel::kShared;
    return true;
  }
  if (held == LockLevel::kShared && writer_ != LockLevel::kNone) {
    return false;  // somebody else is the writer
  }
  held = wanted;
  if (wanted == LockLevel::kExclusive && holders_ > 1) {
    held = LockLevel::kPending;  // keeps new readers out until the others have left
  }
  writer_ = held;
  return held == wanted;
}

void FileLock::Lower(LockLevel& held, LockLevel wanted) {
  CORE_ASSERT(wanted <= LockLevel::kShared);
  if (held > LockLevel::kShared) {
    writer_ = LockLevel::kNone;
    held = LockLevel::kShared;
  }
  if (held == LockLevel::kShared && wanted == LockLevel::kNone) {
    --holders_;
    CORE_ASSERT(holders_ >= 0);
    held = LockLevel::kNone;
  }
}

void* WalIndex::Region(std::size_t number, std::size_t bytes, bool extend) {
  CORE_ASSERT(region_bytes_ == 0 || region_bytes_ == bytes);
  if (number >= regions_.size() && !extend) {
    return nullptr;
  }
  region_bytes_ = bytes;
  while (number >= regions_.size()) {
    regions_.push_back(std::make_unique<char[]>(bytes));
  }
  return regions_[number].get();
}

bool WalIndex::LockShared(Holder& holder, int first) {
  const std::uint8_t mask = SlotMask(first, 1);
  if ((holder.shared & mask) != 0) {
    return true;
  }
  int& slot = slots_[static_cast<std::size_t>(first)];
  if (slot == kHeldExclusively) {
    return false;
  }
  ++slot;
  holder.shared |= mask;
  return true;
}

bool WalIndex::LockExclusive(Holder& holder, int first, int count) {
  const std::uint8_t mask = SlotMask(first, count);
  CORE_ASSERT((holder.shared & mask) == 0);
  for (int i = first; i < first + count; ++i) {
    if ((holder.exclusive >> i & 1) == 0 && slots_[static_cast<std::size_t>(i)] != 0) {
      return false;
    }
  }
  for (int i = first; i < first + count; ++i) {
    slots_[static_cast<std::size_t>(i)] = kHeldExclusively;
  }
  holder.exclusive |= mask;
  return true;
}

void WalIndex::UnlockShared(Holder& holder, int first) {
  const std::uint8_t mask = SlotMask(first, 1);
  if ((holder.shared & mask) != 0) {
    --slots_[static_cast<std::size_t>(first)];
    holder.shared = static_cast<std::uint8_t>(holder.shared & ~mask);
  }
}

void WalIndex::UnlockExclusive(Holder& holder, int first, int count) {
  for (int i = first; i < first + count; ++i) {
    const std::uint8_t mask = SlotMask(i, 1);
    if ((holder.exclusive & mask) != 0) {
      slots_[static_cast<std::size_t>(i)] = 0;
      holder.exclusive = static_cast<std::uint8_t>(holder.exclusive & ~mask);
    }
  }
}

void WalIndex::UnlockAll(Holder& holder) {
  for (int i = 0; i < kSlots; ++i) {
    UnlockShared(holder, i);
  }
  UnlockExclusive(holder, 0, kSlots);
}

}  // namespace lockstep::sim
