#include "sim/disk/vfs_file.h"

#include <cstring>
#include <memory>
#include <string_view>

#include "core/assert.h"

// Every function here is called from SQLite's C frames, which no exception may cross: they are
// noexcept, so that a failed assertion stops the process.

namespace lockstep::sim {
namespace {

constexpr int kSectorSize = 4096;  // SQLITE_DEFAULT_SECTOR_SIZE, the Unix VFS's answer

VfsFile& Get(sqlite3_file* file) { return *reinterpret_cast<VfsFile*>(file); }

FileHandle& Handle(sqlite3_file* file) { return *Get(file).handle; }

bool IsDead(sqlite3_file* file) { return !Handle(file).disk().alive(); }

// SQLITE_OK, SQLITE_FULL, or the given kind of I/O error.
int Code(IoResult result, int io_error) {
  switch (result) {
    case IoResult::kOk:
      return SQLITE_OK;
    case IoResult::kFull:
      return SQLITE_FULL;
    default:
      return io_error;
  }
}

int Close(sqlite3_file* file) noexcept {
  VfsFile& vfs_file = Get(file);
  int code = SQLITE_OK;
  if (vfs_file.delete_on_close && !vfs_file.handle->name().empty()) {
    Disk& disk = vfs_file.handle->disk();
    code = Code(disk.Delete(vfs_file.handle->name()), SQLITE_IOERR_DELETE);
  }
  std::destroy_at(&vfs_file.handle);
  return code;
}

int Read(sqlite3_file* file, void* to, int size, sqlite3_int64 offset) noexcept {
  std::size_t read = 0;
  char* const bytes = static_cast<char*>(to);
  const std::size_t wanted = static_cast<std::size_t>(size);
  const IoResult result =
      Handle(file).Read(static_cast<std::uint64_t>(offset), wanted, bytes, read);
  if (result != IoResult::kOk) {
    return SQLITE_IOERR_READ;
  }
  if (read < wanted) {
    std::memset(bytes + read, 0, wanted - read);  // SQLite requires it
    return SQLITE_IOERR_SHORT_READ;
  }
  return SQLITE_OK;
}

int Write(sqlite3_file* file, const void* from, int size, sqlite3_int64 offset) noexcept {
  if (Get(file).read_only) {
    return SQLITE_IOERR_WRITE;
  }
  const std::string_view data(static_cast<const char*>(from), static_cast<std::size_t>(size));
  return Code(Handle(file).Write(static_cast<std::uint64_t>(offset), data), SQLITE_IOERR_WRITE);
}

int Truncate(sqlite3_file* file, sqlite3_int64 size) noexcept {
  if (Get(file).read_only) {
    return SQLITE_IOERR_TRUNCATE;
  }
  return Code(Handle(file).Truncate(static_cast<std::uint64_t>(size)), SQLITE_IOERR_TRUNCATE);
}

int Sync(sqlite3_file* file, int /*flags*/) noexcept {
  VfsFile& vfs_file = Get(file);
  IoResult result = vfs_file.handle->Sync();
  if (result != IoResult::kOk) {
    return SQLITE_IOERR_FSYNC;
  }
  if (vfs_file.sync_directory_next) {
    result = vfs_file.handle->disk().SyncDirectory();
    if (result != IoResult::kOk) {
      return SQLITE_IOERR_DIR_FSYNC;
    }
    vfs_file.sync_directory_next = false;
  }
  return SQLITE_OK;
}

int FileSize(sqlite3_file* file, sqlite3_int64* size) noexcept {
  std::uint64_t bytes = 0;
  const IoResult result = Handle(file).Size(bytes);
  *size = static_cast<sqlite3_int64>(bytes);
  return Code(result, SQLITE_IOERR_FSTAT);
}

static_assert(static_cast<int>(LockLevel::kNone) == SQLITE_LOCK_NONE);
static_assert(static_cast<int>(LockLevel::kShared) == SQLITE_LOCK_SHARED);
static_assert(static_cast<int>(LockLevel::kReserved) == SQLITE_LOCK_RESERVED);
static_assert(static_cast<int>(LockLevel::kPending) == SQLITE_LOCK_PENDING);
static_assert(static_cast<int>(LockLevel::kExclusive) == SQLITE_LOCK_EXCLUSIVE);

int Lock(sqlite3_file* file, int level) noexcept {
  if (IsDead(file)) {
    return SQLITE_IOERR_LOCK;
  }
  FileHandle& handle = Handle(file);
  const bool locked =
      handle.sharing().lock.Raise(handle.lock_held(), static_cast<LockLevel>(level));
  return locked ? SQLITE_OK : SQLITE_BUSY;
}

int Unlock(sqlite3_file* file, int level) noexcept {
  FileHandle& handle = Handle(file);
  handle.sharing().lock.Lower(handle.lock_held(), static_cast<LockLevel>(level));
  return SQLITE_OK;
}

int CheckReservedLock(sqlite3_file* file, int* reserved) noexcept {
  if (IsDead(file)) {
    return SQLITE_IOERR_CHECKRESERVEDLOCK;
  }
  *reserved = Handle(file).sharing().lock.reserved() ? 1 : 0;
  return SQLITE_OK;
}

int FileControl(sqlite3_file* file, int operation, void* argument) noexcept {
  VfsFile& vfs_file = Get(file);
  switch (operation) {
    case SQLITE_FCNTL_LOCKSTATE:
      *static_cast<int*>(argument) = static_cast<int>(vfs_file.handle->lock_held());
      return SQLITE_OK;
    case SQLITE_FCNTL_PERSIST_WAL: {
      int& value = *static_cast<int*>(argument);
      if (value >= 0) {
        vfs_file.keep_wal = value != 0;
      }
      value = vfs_file.keep_wal ? 1 : 0;
      return SQLITE_OK;
    }
    case SQLITE_FCNTL_VFSNAME:
      *static_cast<char**>(argument) = sqlite3_mprintf("%s", vfs_file.vfs_name);
      return SQLITE_OK;
    default:
      return SQLITE_NOTFOUND;
  }
}

int SectorSize(sqlite3_file* /*file*/) noexcept { return kSectorSize; }

int DeviceCharacteristics(sqlite3_file* /*file*/) noexcept {
  return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

// The wal-index is plain memory of the process. A dead process's connections keep theirs until
// they are closed, for SQLite holds pointers into it.

static_assert(WalIndex::kSlots == SQLITE_SHM_NLOCK);

int ShmMap(sqlite3_file* file, int region, int bytes, int extend, void volatile** to) noexcept {
  *to = nullptr;
  if (IsDead(file)) {
    return SQLITE_IOERR_SHMMAP;
  }
  *to = Handle(file).sharing().wal_index.Region(static_cast<std::size_t>(region),
                                                static_cast<std::size_t>(bytes), extend != 0);
  return SQLITE_OK;
}

int ShmLock(sqlite3_file* file, int first, int count, int flags) noexcept {
  FileHandle& handle = Handle(file);
  WalIndex& index = handle.sharing().wal_index;
  WalIndex::Holder& held = handle.wal_index_held();
  const bool shared = (flags & SQLITE_SHM_SHARED) != 0;
  if ((flags & SQLITE_SHM_UNLOCK) != 0) {
    if (shared) {
      index.UnlockShared(held, first);
    } else {
      index.UnlockExclusive(held, first, count);
    }
    return SQLITE_OK;
  }
  if (IsDead(file)) {
    return SQLITE_IOERR_SHMLOCK;
  }
  const bool locked =
      shared ? index.LockShared(held, first) : index.LockExclusive(held, first, count);
  return locked ? SQLITE_OK : SQLITE_BUSY;
}

void ShmBarrier(sqlite3_file* /*file*/) noexcept {}  // one thread: all memory is in order

int ShmUnmap(sqlite3_file* file, int /*delete_it*/) noexcept {
  FileHandle& handle = Handle(file);
  handle.sharing().wal_index.UnlockAll(handle.wal_index_held());
  return SQLITE_OK;
}

constexpr sqlite3_io_methods kMethods = {
    .iVersion = 2,
    .xClose = Close,
    .xRead = Read,
    .xWrite = Write,
    .xTruncate = Truncate,
    .xSync = Sync,
    .xFileSize = FileSize,
    .xLock = Lock,
    .xUnlock = Unlock,
    .xCheckReservedLock = CheckReservedLock,
    .xFileControl = FileControl,
    .xSectorSize = SectorSize,
    .xDeviceCharacteristics = DeviceCharacteristics,
    .xShmMap = ShmMap,
    .xShmLock = ShmLock,
    .xShmBarrier = ShmBarrier,
    .xShmUnmap = ShmUnmap,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

}  // namespace

const sqlite3_io_methods* VfsFileMethods() { return &kMethods; }

}  // namespace lockstep::sim
