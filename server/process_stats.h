// What the system says of this process.

#ifndef LOCKSTEP_SERVER_PROCESS_STATS_H_
#define LOCKSTEP_SERVER_PROCESS_STATS_H_

#include <cstdint>

namespace lockstep::server {

struct ProcessStats {
  std::uint64_t resident_bytes = 0;
  std::uint64_t virtual_bytes = 0;
  double cpu_seconds = 0;         // user and system, since the start
  double start_time_seconds = 0;  // since 1970
  std::uint64_t threads = 0;
  std::uint64_t open_files = 0;
  std::uint64_t open_files_max = 0;
};

// Reads /proc. What cannot be read stays 0.
ProcessStats ReadProcessStats();

}  // namespace lockstep::server

#endif  // LOCKSTEP_SERVER_PROCESS_STATS_H_
