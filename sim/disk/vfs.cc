#include "sim/disk/vfs.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>
#include <utility>

#include "core/assert.h"
#include "sim/disk/vfs_file.h"

// Every function here that SQLite calls is noexcept: no exception may cross its C frames, so a
// failed assertion stops the process.

namespace lockstep::sim {
namespace {

constexpr int kNameBytesMax = 512;
constexpr sqlite3_int64 kUnixEpochInJulianMs = 210'866'760'000'000;
constexpr double kMsPerDay = 86'400'000.0;

Vfs& Get(sqlite3_vfs* vfs) { return *static_cast<Vfs*>(vfs->pAppData); }

int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags,
         int* out_flags) noexcept {
  file->pMethods = nullptr;  // SQLite calls xClose only if it is set
  OpenMode mode;
  mode.create = (flags & SQLITE_OPEN_CREATE) != 0;
  mode.exclusive = (flags & SQLITE_OPEN_EXCLUSIVE) != 0;
  std::unique_ptr<FileHandle> handle;
  Disk& disk = Get(vfs).disk();
  if (disk.Open(name == nullptr ? "" : name, mode, handle) != IoResult::kOk) {
    return SQLITE_CANTOPEN;
  }
  constexpr int kJournals = SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL;
  VfsFile* const vfs_file = new (file) VfsFile();
  vfs_file->base.pMethods = VfsFileMethods();
  vfs_file->handle = std::move(handle);
  vfs_file->vfs_name = vfs->zName;
  vfs_file->read_only = (flags & SQLITE_OPEN_READONLY) != 0;
  vfs_file->sync_directory_next = mode.create && (flags & kJournals) != 0;
  vfs_file->delete_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
  if (out_flags != nullptr) {
    *out_flags = flags;
  }
  return SQLITE_OK;
}

int Delete(sqlite3_vfs* vfs, const char* name, int sync_directory) noexcept {
  Disk& disk = Get(vfs).disk();
  const IoResult result = disk.Delete(name);
  if (result == IoResult::kNotFound) {
    return SQLITE_IOERR_DELETE_NOENT;
  }
  if (result != IoResult::kOk) {
    return SQLITE_IOERR_DELETE;
  }
  if (sync_directory != 0 && disk.SyncDirectory() != IoResult::kOk) {
    return SQLITE_IOERR_DIR_FSYNC;
  }
  return SQLITE_OK;
}

int Access(sqlite3_vfs* vfs, const char* name, int flags, int* result) noexcept {
  const Disk& disk = Get(vfs).disk();
  *result = 0;
  if (!disk.alive()) {
    return SQLITE_IOERR_ACCESS;
  }
  if (disk.Exists(name)) {
    // As in the Unix VFS, an empty file is one that does not exist yet.
    *result = flags != SQLITE_ACCESS_EXISTS || !disk.Content(name).empty() ? 1 : 0;
  }
  return SQLITE_OK;
}

int FullPathname(sqlite3_vfs* /*vfs*/, const char* name, int size, char* to) noexcept {
  const std::size_t length = std::strlen(name);
  if (length >= static_cast<std::size_t>(size)) {
    return SQLITE_CANTOPEN;
  }
  std::memcpy(to, name, length + 1);
  return SQLITE_OK;
}

// Extensions are not loaded from a simulated disk.
void* DlOpen(sqlite3_vfs* /*vfs*/, const char* /*name*/) noexcept { return nullptr; }

void DlError(sqlite3_vfs* /*vfs*/, int size, char* message) noexcept {
  sqlite3_snprintf(size, message, "a simulated disk holds no extensions");
}

void (*DlSym(sqlite3_vfs* /*vfs*/, void* /*library*/, const char* /*symbol*/) noexcept)() {
  return nullptr;
}

void DlClose(sqlite3_vfs* /*vfs*/, void* /*library*/) noexcept {}

int Randomness(sqlite3_vfs* vfs, int size, char* to) noexcept {
  Random& random = Get(vfs).random();
  for (int done = 0; done < size;) {
    const std::uint64_t drawn = random.Next();
    const int taken = std::min(size - done, static_cast<int>(sizeof drawn));
    for (int i = 0; i < taken; ++i) {
      to[done + i] = static_cast<char>(drawn >> (8 * i) & 0xff);
    }
    done += taken;
  }
  return size;
}

// Says that the time has passed, at once: SQLite counts its calls when it waits for a lock.
int Sleep(sqlite3_vfs* /*vfs*/, int microseconds) noexcept { return microseconds; }

int CurrentTimeInt64(sqlite3_vfs* vfs, sqlite3_int64* julian_ms) noexcept {
  *julian_ms = kUnixEpochInJulianMs + Get(vfs).unix_time_ms();
  return SQLITE_OK;
}

int CurrentTime(sqlite3_vfs* vfs, double* julian_days) noexcept {
  sqlite3_int64 julian_ms = 0;
  const int code = CurrentTimeInt64(vfs, &julian_ms);
  *julian_days = static_cast<double>(julian_ms) / kMsPerDay;
  return code;
}

// What the Unix VFS answers with: the errno of the operation that failed last.
int GetLastError(sqlite3_vfs* vfs, int /*size*/, char* /*message*/) noexcept {
  switch (Get(vfs).disk().last_error()) {
    case IoResult::kOk:
      return 0;
    case IoResult::kIoError:
      return EIO;
    case IoResult::kFull:
      return ENOSPC;
    case IoResult::kNotFound:
      return ENOENT;
    case IoResult::kExists:
      return EEXIST;
  }
  return 0;
}

}  // namespace

Vfs::Vfs(Disk& disk, std::string name, Random random)
    : disk_(disk), name_(std::move(name)), random_(random) {
  CORE_ASSERT(sqlite3_vfs_find(name_.c_str()) == nullptr);
  registration_.iVersion = 2;
  registration_.szOsFile = static_cast<int>(sizeof(VfsFile));
  registration_.mxPathname = kNameBytesMax;
  registration_.zName = name_.c_str();
  registration_.pAppData = this;
  registration_.xOpen = Open;
  registration_.xDelete = Delete;
  registration_.xAccess = Access;
  registration_.xFullPathname = FullPathname;
  registration_.xDlOpen = DlOpen;
  registration_.xDlError = DlError;
  registration_.xDlSym = DlSym;
  registration_.xDlClose = DlClose;
  registration_.xRandomness = Randomness;
  registration_.xSleep = Sleep;
  registration_.xCurrentTime = CurrentTime;
  registration_.xGetLastError = GetLastError;
  registration_.xCurrentTimeInt64 = CurrentTimeInt64;
  const int code = sqlite3_vfs_register(&registration_, /*makeDflt=*/0);
  CORE_ASSERT(code == SQLITE_OK);
}

Vfs::~Vfs() { sqlite3_vfs_unregister(&registration_); }

void UseSqliteInOneThread() {
  for (const int code :
       {sqlite3_config(SQLITE_CONFIG_SINGLETHREAD), sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0)}) {
    CORE_ASSERT(code == SQLITE_OK);
  }
}

void SeedSqlite(std::uint64_t seed) {
  // Zero would mean "not pinned".
  const int pinned = static_cast<int>(1 + Random(seed).Below(INT32_MAX));
  const int code = sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, pinned, nullptr);
  CORE_ASSERT(code == SQLITE_OK);
}

}  // namespace lockstep::sim
