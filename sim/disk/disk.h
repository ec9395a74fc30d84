// The simulated disk of one node: its files, what of them is durable, and how it fails.
//
// A node's process opens files through Vfs (vfs.h) or Open(). When the process is killed or the
// power is cut, the disk stops answering: every handle gets kIoError and changes nothing, so the
// dead process's SQLite connections can be destroyed without a trace. Once they are gone,
// StartProcess() brings up the next one.
//
// THE MODEL
//   (1) A write, truncate, creation or deletion is visible at once and durable after the sync
//       that covers it: FileHandle::Sync() for contents, SyncDirectory() for names.
//   (2) A power cut decides for each change of contents on its own, in the order in which they
//       were made; a write may be torn between sectors of 512 bytes (file_image.h).
//   (3) A power cut keeps a prefix of the creations and deletions since the last SyncDirectory(),
//       as file systems with a journal do. So a file that was synced but whose name was not may
//       vanish, and a deletion may be undone; the contents come back as (2) says.
//   (4) Syncing a file does not make its name durable. SQLite knows: it syncs the directory with
//       the first sync of a journal or WAL that it may have created, as its Unix VFS does.
//   (5) After a sync that failed, what it should have covered stays at risk, whatever later
//       syncs report.
// LIMITS
//   A write that fails by a switch has no effect, not a part of it. Sectors are old or new, never
//   garbage. A database and its WAL are torn independently of each other. SQLite itself loses an
//   acknowledged transaction under (3) in rollback mode with synchronous=FULL (its manual asks
//   for EXTRA there); in WAL mode it does not.
//
// One thread owns a Disk. It must outlive its handles and Vfs objects.

#ifndef LOCKSTEP_SIM_DISK_DISK_H_
#define LOCKSTEP_SIM_DISK_DISK_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/random.h"
#include "sim/disk/fault_switches.h"
#include "sim/disk/file_image.h"
#include "sim/disk/operation.h"
#include "sim/disk/sharing.h"

namespace lockstep::sim {

class FileHandle;

struct OpenMode {
  bool create = false;     // if there is no such file
  bool exclusive = false;  // with `create`: fail with kExists if there is one
};

class Disk {
 public:
  Disk();
  ~Disk();  // REQUIRES: no handle is open.
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  // ---- For the process ----

  // Opens `name`, or a temporary file that nobody else sees if it is empty. On success sets
  // `handle`; otherwise returns kNotFound, kExists, kIoError or kFull and leaves it alone.
  IoResult Open(std::string_view name, OpenMode mode, std::unique_ptr<FileHandle>& handle);

  // Deletes the name; handles that have the file open keep it.
  IoResult Delete(std::string_view name);

  // Makes all creations and deletions so far durable.
  IoResult SyncDirectory();

  // ---- Life and death of the process ----

  // True while a process runs and operations reach the disk. A new disk has a running process.
  bool alive() const { return process_runs_ && !power_cut_; }

  // The process dies (kill -9). Nothing that it wrote is lost, and nothing becomes durable.
  void KillProcess() { process_runs_ = false; }

  // The power is cut now, or was at the point set by CutPowerAt(): the process is dead, what
  // survives is decided as THE MODEL says, and that is durable. Armed faults are taken back.
  void Crash(Random& random, CrashMode mode);

  // True from the moment when a power cut set by CutPowerAt() strikes until Crash() settles it.
  bool crashed() const { return power_cut_; }

  // Starts the next process after KillProcess() or Crash().
  // REQUIRES: no handle is open; crashed() is false.
  void StartProcess();

  // Replaces the disk by an empty one. REQUIRES: no handle is open.
  void Wipe();

  // ---- Faults to come ----

  void Arm(DiskFault fault) { switches_.Arm(fault); }

  // Cuts the power during the n-th operation of `kinds` from now (1 is the next). That operation
  // fails with kIoError. Its change may reach the platter all the same, like any unsynced one:
  // Crash() decides. A sync or open that is cut does nothing. Then crashed() is true, and every
  // later operation fails until Crash() and StartProcess().
  void CutPowerAt(std::uint64_t nth, OperationKinds kinds = OperationKinds::Changes()) {
    switches_.CutPowerAt(nth, kinds);
  }

  void DisarmFaults() { switches_.Disarm(); }

  // From now on Sync() and SyncDirectory() report success and make nothing durable, or are honest
  // again.
  void LieAboutSyncs(bool lie) { syncs_lie_ = lie; }

  // From now on there is no room for new files and none for longer ones, or there is again.
  void SetFull(bool full) { is_full_ = full; }

  // ---- What was done to it, so that an error can be told from a bug: it has a cause or not ----

  // Whether an error that says `text` can come from what was done to this disk: an operation of
  // this process was made to fail, bits of a file that the text names were turned over, or a power
  // cut took what a lying sync had promised.
  bool Explains(std::string_view text) const;

  // Whether an operation of this process was made to fail.
  bool has_failed() const { return counters_.injected_errors > errors_at_start_; }

  // How the operation ended that failed last; kOk if none has.
  IoResult last_error() const { return last_error_; }

  // Whether a power cut may have taken what a sync had reported as safe.
  bool may_have_forgotten() const { return forgot_; }

  // Turns over the bit at so many millionths of the length of all named files together, in the
  // order of their names. Of a write-ahead log it spares what the last two syncs covered and what
  // none has: damage there can look like a power cut (storage/wal_check.h, LIMIT). False if there
  // is nothing to turn over.
  bool FlipBitAt(std::uint64_t millionth);

  // ---- Watching ----

  const Counters& counters() const { return counters_; }

  // Calls `observer` after each operation; null ends it. It must not use this disk's handles or
  // open files, nor throw, since SQLite's frames lie beneath; it may Clone().
  void Observe(std::function<void(const Operation&)> observer) { observer_ = std::move(observer); }

  // ---- For tests and for damage: no operation, no count ----

  // The names of all files, in order.
  std::vector<std::string> List() const;
  bool Exists(std::string_view name) const;

  // What a process would read. REQUIRES: Exists(name).
  const std::string& Content(std::string_view name) const;

  // What CrashMode::kDropAll would leave, if the name itself is left. REQUIRES: Exists(name).
  std::string DurableContent(std::string_view name) const;

  // Gives `name` these contents durably, making the file if need be.
  void Replace(std::string_view name, std::string content);

  // Bit rot (FileImage::FlipBit). REQUIRES: Exists(name); bit < 8 * size.
  void FlipBit(std::string_view name, std::uint64_t bit);

  // A copy with the same files and the same things at risk. It has no handles, no faults armed, no
  // observer, counters of zero, and its process runs.
  std::unique_ptr<Disk> Clone() const;

 private:
  friend class FileHandle;

  static constexpr std::uint64_t kNowhere = ~std::uint64_t{0};

  struct File {
    std::uint64_t number = 0;  // in order of creation
    bool is_temporary = false;
    FileImage image;
    std::weak_ptr<Sharing> sharing;  // alive while the file is open

    // Where the bytes begin that were written since the last sync, and those that the last sync and
    // the one before it covered.
    std::uint64_t unsynced_begin = kNowhere;
    std::uint64_t last_synced_begin = 0;
    std::uint64_t earlier_synced_begin = 0;
  };

  // A creation or deletion that no SyncDirectory() has covered.
  struct DirectoryChange {
    std::string name;
    std::shared_ptr<File> file;
    bool is_creation;
  };

  // Counts the operation and says what becomes of it.
  FaultSwitches::Decision Admit(OperationKind kind, std::uint64_t bytes = 0);
  // Tells the observer of an operation that Admit() has counted.
  IoResult Report(OperationKind kind, const FaultSwitches::Decision& decision, IoResult result,
                  std::string_view file, std::uint64_t offset, std::uint64_t size,
                  std::string_view data);

  std::shared_ptr<File> Find(std::string_view name) const;
  std::shared_ptr<File> MakeFile();
  void SettleDirectory(Random& random, CrashMode mode);
  void MarkRotten(std::string_view file);
  static std::uint64_t BitsThatMayRot(std::string_view name, const File& file);

  std::map<std::string, std::shared_ptr<File>, std::less<>> files_;
  std::vector<DirectoryChange> directory_changes_;  // since the last SyncDirectory(), in order
  std::uint64_t next_file_number_ = 1;

  bool process_runs_ = true;
  bool power_cut_ = false;
  bool syncs_lie_ = false;
  bool has_lied_ = false;  // since the last power cut
  bool forgot_ = false;
  bool is_full_ = false;
  IoResult last_error_ = IoResult::kOk;
  std::uint64_t errors_at_start_ = 0;  // Counters::injected_errors when this process started
  std::set<std::string, std::less<>> rotten_;  // databases with wrong bits, perhaps repaired since
  std::size_t open_handles_ = 0;

  FaultSwitches switches_;
  Counters counters_;
  std::function<void(const Operation&)> observer_;
  const std::thread::id owner_ = std::this_thread::get_id();
};

// An open file. Every function but those on locks is answered with kIoError once the process that
// opened it is dead.
class FileHandle {
 public:
  ~FileHandle();  // Gives its locks back. A temporary file ends with its handle.
  FileHandle(const FileHandle&) = delete;
  FileHandle& operator=(const FileHandle&) = delete;

  // Reads up to `size` bytes at `offset` into `to`; `read` says how many there were.
  IoResult Read(std::uint64_t offset, std::size_t size, char* to, std::size_t& read);
  IoResult Write(std::uint64_t offset, std::string_view data);
  IoResult Truncate(std::uint64_t size);
  IoResult Sync();
  IoResult Size(std::uint64_t& size) const;

  const std::string& name() const { return name_; }
  Disk& disk() const { return disk_; }

  // What the connections of this process share about the file, and what this one holds of it.
  Sharing& sharing() const { return *sharing_; }
  LockLevel& lock_held() { return lock_held_; }
  WalIndex::Holder& wal_index_held() { return wal_index_held_; }

 private:
  friend class Disk;

  FileHandle(Disk& disk, std::string name, std::shared_ptr<Disk::File> file);

  Disk& disk_;
  const std::string name_;
  const std::shared_ptr<Disk::File> file_;
  const std::shared_ptr<Sharing> sharing_;
  LockLevel lock_held_ = LockLevel::kNone;
  WalIndex::Holder wal_index_held_;
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_DISK_DISK_H_
