// What this program is, and which formats it reads and writes.

#ifndef LOCKSTEP_SERVER_VERSION_H_
#define LOCKSTEP_SERVER_VERSION_H_

#include <string>

namespace lockstep::server {

inline constexpr char kVersion[] = LOCKSTEP_VERSION;  // the project's, from meson.build

// For --version: the program's name and version, and the version of each format on disk.
std::string DescribeVersion(const std::string& program);

}  // namespace lockstep::server

#endif  // LOCKSTEP_SERVER_VERSION_H_
