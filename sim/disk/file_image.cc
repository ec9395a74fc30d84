#include "sim/disk/file_image.h"

#include <algorithm>
#include <utility>

#include "core/assert.h"

namespace lockstep::sim {
namespace {

constexpr std::size_t kFirstRoomBytes = std::size_t{1} << 16;

}  // namespace

void FileImage::Write(std::uint64_t offset, std::string_view data) {
  if (data.empty()) {
    return;
  }
  const std::uint64_t size = bytes_.size();
  const std::uint64_t overwritten =
      offset < size ? std::min<std::uint64_t>(data.size(), size - offset) : 0;
  Remember({.offset = offset,
            .size = data.size(),
            .size_before = size,
            .replaced_begin = replaced_.size(),
            .replaced_length = overwritten,
            .is_truncate = false,
            .fate = Fate::kUnsynced});
  PutBytes(offset, data);
}

void FileImage::Truncate(std::uint64_t size) {
  if (size == bytes_.size()) {
    return;
  }
  const Change change = {.offset = size,
                         .size = 0,
                         .size_before = bytes_.size(),
                         .replaced_begin = replaced_.size(),
                         .replaced_length = size < bytes_.size() ? bytes_.size() - size : 0,
                         .is_truncate = true,
                         .fate = Fate::kUnsynced};
  if (size == 0 && replaced_.empty()) {
    replaced_.swap(bytes_);  // a whole write-ahead log: not copied
    changes_.push_back(change);
    return;
  }
  Remember(change);
  bytes_.resize(size);
}

void FileImage::Sync() {
  if (!has_abandoned_) {
    Forget();
    return;
  }
  for (Change& change : changes_) {
    if (change.fate == Fate::kUnsynced) {
      change.fate = Fate::kSynced;
    }
  }
}

void FileImage::FailSync() {
  for (Change& change : changes_) {
    if (change.fate == Fate::kUnsynced) {
      change.fate = Fate::kAbandoned;
      has_abandoned_ = true;
    }
  }
}

void FileImage::Settle(Random& random, CrashMode mode) {
  if (mode == CrashMode::kKeepAll) {
    Forget();
    return;
  }
  // Undone in reverse, each change's own bytes come to light just before it is undone.
  std::vector<std::string> written(changes_.size());
  for (std::size_t i = changes_.size(); i > 0; --i) {
    const Change& change = changes_[i - 1];
    written[i - 1] = bytes_.substr(change.is_truncate ? bytes_.size() : change.offset, change.size);
    Undo(change);
  }
  for (std::size_t i = 0; i < changes_.size(); ++i) {
    Redo(changes_[i], written[i], random, mode);
  }
  Forget();
}

std::string FileImage::Durable() const {
  FileImage copy = *this;
  Random unused(0);
  copy.Settle(unused, CrashMode::kDropAll);
  return std::move(copy.bytes_);
}

void FileImage::Replace(std::string bytes) {
  bytes_ = std::move(bytes);
  Forget();
}

void FileImage::FlipBit(std::uint64_t bit) {
  CORE_ASSERT(bit / 8 < bytes_.size());
  char& byte = bytes_[bit / 8];
  byte = static_cast<char>(static_cast<unsigned char>(byte) ^ (1U << bit % 8));
}

void FileImage::Remember(Change change) {
  if (change.replaced_length > 0) {
    replaced_.append(bytes_, change.offset, change.replaced_length);
  }
  changes_.push_back(change);
}

void FileImage::Undo(const Change& change) {
  bytes_.resize(change.size_before);
  bytes_.replace(std::min<std::uint64_t>(change.offset, bytes_.size()), change.replaced_length,
                 replaced_, change.replaced_begin, change.replaced_length);
}

void FileImage::Redo(const Change& change, std::string_view written, Random& random,
                     CrashMode mode) {
  enum { kKeep, kDrop, kTear } outcome = kKeep;
  if (change.fate != Fate::kSynced) {
    if (mode == CrashMode::kDropAll) {
      outcome = kDrop;
    } else {
      const std::uint64_t drawn = random.Below(3);
      outcome = drawn == 0 ? kKeep : (drawn == 1 ? kDrop : kTear);
    }
  }
  if (outcome == kDrop) {
    return;
  }
  if (change.is_truncate) {
    bytes_.resize(change.offset);  // a length is one value: it cannot tear
  } else if (outcome == kKeep) {
    PutBytes(change.offset, written);
  } else {
    Tear(change.offset, written, random);
  }
}

void FileImage::Tear(std::uint64_t offset, std::string_view written, Random& random) {
  while (!written.empty()) {
    const std::uint64_t to_sector_end = kSectorBytes - offset % kSectorBytes;
    const std::uint64_t length = std::min<std::uint64_t>(written.size(), to_sector_end);
    if (random.Chance(1, 2)) {
      PutBytes(offset, written.substr(0, length));
    }
    written.remove_prefix(length);
    offset += length;
  }
}

void FileImage::PutBytes(std::uint64_t offset, std::string_view data) {
  const std::uint64_t end = offset + data.size();
  if (end > bytes_.capacity()) {
    // A write-ahead log grows by a page at a time, from nothing after each start of its node. Room
    // that is not used costs nothing but addresses; making room copies all that is there.
    bytes_.reserve(std::max<std::uint64_t>({end, kFirstRoomBytes, 4 * bytes_.size()}));
  }
  if (offset > bytes_.size()) {
    bytes_.resize(offset);
  }
  const std::uint64_t overwritten = std::min<std::uint64_t>(data.size(), bytes_.size() - offset);
  bytes_.replace(offset, overwritten, data);
}

void FileImage::Forget() {
  changes_.clear();
  replaced_.clear();
  has_abandoned_ = false;
}

}  // namespace lockstep::sim
