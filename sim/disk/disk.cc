#include "sim/disk/disk.h"

#include <algorithm>
#include <utility>

#include "core/assert.h"

namespace lockstep::sim {

using Verdict = FaultSwitches::Verdict;

Disk::Disk() = default;

Disk::~Disk() { CORE_ASSERT(open_handles_ == 0); }

IoResult Disk::Open(std::string_view name, OpenMode mode, std::unique_ptr<FileHandle>& handle) {
  if (!alive()) {
    last_error_ = IoResult::kIoError;
    return IoResult::kIoError;
  }
  std::shared_ptr<File> file = name.empty() ? nullptr : Find(name);
  const bool creates = file == nullptr && (mode.create || name.empty());
  const OperationKind kind = creates ? OperationKind::kCreate : OperationKind::kOpen;
  const FaultSwitches::Decision decision = Admit(kind);
  IoResult result = IoResult::kOk;
  if (decision.verdict == Verdict::kFail) {
    result = decision.error;
  } else if (file != nullptr && mode.create && mode.exclusive) {
    result = IoResult::kExists;
  } else if (file == nullptr && !creates) {
    result = IoResult::kNotFound;
  } else if (creates && is_full_) {
    ++counters_.injected_errors;
    result = IoResult::kFull;
  } else if (creates) {
    file = MakeFile();
    file->is_temporary = name.empty();
    if (!file->is_temporary) {
      files_.emplace(name, file);
      directory_changes_.push_back({std::string(name), file, true});
    }
  }
  result = Report(kind, decision, result, name, 0, 0, {});
  if (result == IoResult::kOk) {
    handle.reset(new FileHandle(*this, std::string(name), std::move(file)));
  }
  return result;
}

IoResult Disk::Delete(std::string_view name) {
  if (!alive()) {
    return IoResult::kIoError;
  }
  const FaultSwitches::Decision decision = Admit(OperationKind::kDelete);
  IoResult result = IoResult::kOk;
  if (decision.verdict == Verdict::kFail) {
    result = decision.error;
  } else if (const auto found = files_.find(name); found == files_.end()) {
    result = IoResult::kNotFound;
  } else {
    directory_changes_.push_back({found->first, found->second, false});
    files_.erase(found);
  }
  return Report(OperationKind::kDelete, decision, result, name, 0, 0, {});
}

IoResult Disk::SyncDirectory() {
  if (!alive()) {
    return IoResult::kIoError;
  }
  const FaultSwitches::Decision decision = Admit(OperationKind::kSyncDirectory);
  if (decision.verdict == Verdict::kProceed && syncs_lie_) {
    has_lied_ = true;
  } else if (decision.verdict == Verdict::kProceed) {
    directory_changes_.clear();
  }
  return Report(OperationKind::kSyncDirectory, decision, decision.error, {}, 0, 0, {});
}

void Disk::Crash(Random& random, CrashMode mode) {
  process_runs_ = false;
  power_cut_ = false;
  switches_.Disarm();
  forgot_ = forgot_ || has_lied_;
  has_lied_ = false;
  SettleDirectory(random, mode);
  // In order of creation, so that the draws do not depend on names.
  std::map<std::uint64_t, File*> by_number;
  for (const auto& [name, file] : files_) {
    by_number.emplace(file->number, file.get());
  }
  for (const auto& [number, file] : by_number) {
    file->image.Settle(random, mode);
  }
}

void Disk::SettleDirectory(Random& random, CrashMode mode) {
  std::size_t kept = directory_changes_.size();
  if (mode == CrashMode::kDropAll) {
    kept = 0;
  } else if (mode == CrashMode::kRandom) {
    kept = random.Below(kept + 1);
  }
  for (; directory_changes_.size() > kept; directory_changes_.pop_back()) {
    const DirectoryChange& change = directory_changes_.back();
    if (change.is_creation) {
      files_.erase(change.name);
    } else {
      files_.emplace(change.name, change.file);
    }
  }
  directory_changes_.clear();
}

void Disk::StartProcess() {
  CORE_ASSERT(!power_cut_);
  CORE_ASSERT(open_handles_ == 0);
  process_runs_ = true;
  errors_at_start_ = counters_.injected_errors;
}

void Disk::Wipe() {
  CORE_ASSERT(open_handles_ == 0);
  files_.clear();
  directory_changes_.clear();
  rotten_.clear();
  has_lied_ = false;
  forgot_ = false;
}

bool Disk::Explains(std::string_view text) const {
  return has_failed() || forgot_ ||
         std::any_of(rotten_.begin(), rotten_.end(), [text](const std::string& file) {
           return text.find(file) != std::string_view::npos;
         });
}

bool Disk::FlipBitAt(std::uint64_t millionth) {
  std::uint64_t total = 0;
  for (const auto& [name, file] : files_) {
    total += BitsThatMayRot(name, *file);
  }
  const std::uint64_t bit =
      total / 1'000'000 * millionth + total % 1'000'000 * millionth / 1'000'000;
  std::uint64_t before = 0;
  for (const auto& [name, file] : files_) {
    const std::uint64_t bits = BitsThatMayRot(name, *file);
    if (bit < before + bits) {
      FlipBit(name, bit - before);
      return true;
    }
    before += bits;
  }
  return false;
}

std::uint64_t Disk::BitsThatMayRot(std::string_view name, const File& file) {
  std::uint64_t bytes = file.image.bytes().size();
  if (name.ends_with("-wal")) {
    bytes =
        std::min({bytes, file.unsynced_begin, file.last_synced_begin, file.earlier_synced_begin});
  }
  return 8 * bytes;
}

// What rots in a write-ahead log may be in the database when it is noticed.
void Disk::MarkRotten(std::string_view file) { rotten_.emplace(file.substr(0, file.find('-'))); }

std::vector<std::string> Disk::List() const {
  std::vector<std::string> names;
  for (const auto& [name, file] : files_) {
    names.push_back(name);
  }
  return names;
}

bool Disk::Exists(std::string_view name) const { return Find(name) != nullptr; }

const std::string& Disk::Content(std::string_view name) const {
  const auto found = files_.find(name);
  CORE_ASSERT(found != files_.end());
  return found->second->image.bytes();
}

std::string Disk::DurableContent(std::string_view name) const {
  const std::shared_ptr<File> file = Find(name);
  CORE_ASSERT(file != nullptr);
  return file->image.Durable();
}

void Disk::Replace(std::string_view name, std::string content) {
  std::shared_ptr<File> file = Find(name);
  if (file == nullptr) {
    file = MakeFile();
    files_.emplace(name, file);
  }
  file->image.Replace(std::move(content));
  // The name is as durable as the contents.
  std::erase_if(directory_changes_,
                [name](const DirectoryChange& change) { return change.name == name; });
}

void Disk::FlipBit(std::string_view name, std::uint64_t bit) {
  const std::shared_ptr<File> file = Find(name);
  CORE_ASSERT(file != nullptr);
  file->image.FlipBit(bit);
  MarkRotten(name);
}

std::unique_ptr<Disk> Disk::Clone() const {
  auto clone = std::make_unique<Disk>();
  clone->next_file_number_ = next_file_number_;
  clone->syncs_lie_ = syncs_lie_;
  clone->has_lied_ = has_lied_;
  clone->forgot_ = forgot_;
  clone->is_full_ = is_full_;
  clone->rotten_ = rotten_;
  // A file may be both listed and named by changes at risk: it stays one file.
  std::map<std::uint64_t, std::shared_ptr<File>> copies;
  const auto copy_of = [&copies](const File& file) {
    std::shared_ptr<File>& copy = copies[file.number];
    if (copy == nullptr) {
      copy = std::make_shared<File>();
      copy->number = file.number;
      copy->image = file.image;
      copy->unsynced_begin = file.unsynced_begin;
      copy->last_synced_begin = file.last_synced_begin;
      copy->earlier_synced_begin = file.earlier_synced_begin;
    }
    return copy;
  };
  for (const auto& [name, file] : files_) {
    clone->files_.emplace(name, copy_of(*file));
  }
  for (const DirectoryChange& change : directory_changes_) {
    clone->directory_changes_.push_back({change.name, copy_of(*change.file), change.is_creation});
  }
  return clone;
}

FaultSwitches::Decision Disk::Admit(OperationKind kind, std::uint64_t bytes) {
  CORE_ASSERT(std::this_thread::get_id() == owner_);
  ++counters_.operations;
  ++counters_.by_kind[static_cast<std::size_t>(kind)];
  if (!switches_.armed()) [[likely]] {
    return {};
  }
  const FaultSwitches::Decision decision = switches_.Next(kind, bytes);
  if (decision.verdict == Verdict::kFail) {
    ++counters_.injected_errors;
    counters_.failed_syncs += kind == OperationKind::kSync ? 1 : 0;
  }
  return decision;
}

IoResult Disk::Report(OperationKind kind, const FaultSwitches::Decision& decision, IoResult result,
                      std::string_view file, std::uint64_t offset, std::uint64_t size,
                      std::string_view data) {
  const bool cut = decision.verdict == Verdict::kPowerCut;
  if (cut) [[unlikely]] {
    power_cut_ = true;
    result = decision.error;
  }
  if (result != IoResult::kOk) [[unlikely]] {
    last_error_ = result;
  }
  if (observer_) [[unlikely]] {
    observer_({kind, file, offset, size, data, result, cut});
  }
  return result;
}

std::shared_ptr<Disk::File> Disk::Find(std::string_view name) const {
  const auto found = files_.find(name);
  return found == files_.end() ? nullptr : found->second;
}

std::shared_ptr<Disk::File> Disk::MakeFile() {
  auto file = std::make_shared<File>();
  file->number = next_file_number_++;
  return file;
}

FileHandle::FileHandle(Disk& disk, std::string name, std::shared_ptr<Disk::File> file)
    : disk_(disk),
      name_(std::move(name)),
      file_(std::move(file)),
      sharing_(file_->sharing.expired() ? std::make_shared<Sharing>() : file_->sharing.lock()) {
  file_->sharing = sharing_;
  ++disk_.open_handles_;
}

FileHandle::~FileHandle() {
  sharing_->wal_index.UnlockAll(wal_index_held_);
  sharing_->lock.Lower(lock_held_, LockLevel::kNone);
  --disk_.open_handles_;
}

IoResult FileHandle::Read(std::uint64_t offset, std::size_t size, char* to, std::size_t& read) {
  read = 0;
  if (!disk_.alive()) {
    return IoResult::kIoError;
  }
  const FaultSwitches::Decision decision = disk_.Admit(OperationKind::kRead, size);
  if (decision.verdict == Verdict::kProceed) {
    const std::string_view bytes = file_->image.bytes();
    if (offset < bytes.size()) {
      read = bytes.copy(to, size, offset);
    }
    if (decision.wrong_bit.has_value() && read > 0) [[unlikely]] {
      const std::uint64_t bit = *decision.wrong_bit % (8 * read);
      to[bit / 8] = static_cast<char>(to[bit / 8] ^ 1 << bit % 8);
      disk_.MarkRotten(name_);
    }
    disk_.counters_.bytes_read += read;
  }
  return disk_.Report(OperationKind::kRead, decision, decision.error, name_, offset, size,
                      {to, read});
}

IoResult FileHandle::Write(std::uint64_t offset, std::string_view data) {
  if (!disk_.alive()) {
    return IoResult::kIoError;
  }
  FaultSwitches::Decision decision = disk_.Admit(OperationKind::kWrite, data.size());
  if (disk_.is_full_ && offset + data.size() > file_->image.bytes().size() &&
      decision.verdict == Verdict::kProceed) [[unlikely]] {
    decision = {Verdict::kFail, IoResult::kFull, std::nullopt};
    ++disk_.counters_.injected_errors;
  }
  if (decision.verdict != Verdict::kFail) {
    file_->image.Write(offset, data);
    file_->unsynced_begin = std::min(file_->unsynced_begin, offset);
    if (file_->is_temporary) {
      file_->image.Sync();  // there is nothing to lose: a crash takes the whole file
    }
    disk_.counters_.bytes_written += data.size();
  }
  return disk_.Report(OperationKind::kWrite, decision, decision.error, name_, offset, data.size(),
                      data);
}

IoResult FileHandle::Truncate(std::uint64_t size) {
  if (!disk_.alive()) {
    return IoResult::kIoError;
  }
  const FaultSwitches::Decision decision = disk_.Admit(OperationKind::kTruncate);
  if (decision.verdict != Verdict::kFail) {
    file_->image.Truncate(size);
  }
  return disk_.Report(OperationKind::kTruncate, decision, decision.error, name_, size, 0, {});
}

IoResult FileHandle::Sync() {
  if (!disk_.alive()) {
    return IoResult::kIoError;
  }
  const FaultSwitches::Decision decision = disk_.Admit(OperationKind::kSync);
  if (decision.verdict == Verdict::kProceed && disk_.syncs_lie_) {
    disk_.has_lied_ = true;
  } else if (decision.verdict == Verdict::kProceed) {
    file_->image.Sync();
    if (file_->unsynced_begin != Disk::kNowhere) {
      file_->earlier_synced_begin = std::exchange(file_->last_synced_begin, file_->unsynced_begin);
      file_->unsynced_begin = Disk::kNowhere;
    }
  } else if (decision.verdict == Verdict::kFail) {
    file_->image.FailSync();
  }
  return disk_.Report(OperationKind::kSync, decision, decision.error, name_, 0, 0, {});
}

IoResult FileHandle::Size(std::uint64_t& size) const {
  if (!disk_.alive()) {
    return IoResult::kIoError;
  }
  size = file_->image.bytes().size();
  return IoResult::kOk;
}

}  // namespace lockstep::sim
