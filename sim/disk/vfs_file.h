// The sqlite3_io_methods of a simulated file: what vfs.cc hands to SQLite for each open file.

#ifndef LOCKSTEP_SIM_DISK_VFS_FILE_H_
#define LOCKSTEP_SIM_DISK_VFS_FILE_H_

#include <sqlite3.h>

#include <memory>

#include "sim/disk/disk.h"

namespace lockstep::sim {

// SQLite allocates it, knows its first member only, and never moves it.
struct VfsFile {
  sqlite3_file base;
  std::unique_ptr<FileHandle> handle;
  const char* vfs_name;  // of the Vfs that opened it
  bool read_only;
  bool sync_directory_next;  // the file may be new: its next sync makes its name durable
  bool delete_on_close;
  bool keep_wal;  // SQLITE_FCNTL_PERSIST_WAL
};

// For VfsFile::base.pMethods.
const sqlite3_io_methods* VfsFileMethods();

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_DISK_VFS_FILE_H_
