#include "server/process_stats.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace lockstep::server {
namespace {

std::string ReadAll(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// When the system was started, in seconds since 1970: process start times count from there.
double BootTime() {
  std::istringstream stat(ReadAll("/proc/stat"));
  std::string line;
  while (std::getline(stat, line)) {
    if (line.rfind("btime ", 0) == 0) {
      return std::stod(line.substr(6));
    }
  }
  return 0;
}

}  // namespace

ProcessStats ReadProcessStats() {
  ProcessStats stats;
  const std::string stat = ReadAll("/proc/self/stat");
  // proc(5): the second field is the program's name in brackets and may hold anything.
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) {
    return stats;
  }
  std::istringstream fields(stat.substr(name_end + 1));
  std::string state;
  std::uint64_t field[25] = {};
  fields >> state;
  for (int i = 4; i <= 24; ++i) {  // the numbers proc(5) gives the fields
    std::string word;
    fields >> word;
    field[i] = word.empty() || word[0] == '-' ? 0 : std::stoull(word);
  }
  const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  stats.cpu_seconds = static_cast<double>(field[14] + field[15]) / ticks;
  stats.threads = field[20];
  static const double boot_time = BootTime();
  stats.start_time_seconds = boot_time + static_cast<double>(field[22]) / ticks;
  stats.virtual_bytes = field[23];
  stats.resident_bytes = field[24] * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  std::error_code error;
  for (std::filesystem::directory_iterator file("/proc/self/fd", error), end; !error && file != end;
       file.increment(error)) {
    ++stats.open_files;
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    stats.open_files_max = limit.rlim_cur;
  }
  return stats;
}

}  // namespace lockstep::server
