// How lockstepd ends, so that a supervisor can tell what is worth a restart.

#ifndef LOCKSTEP_SERVER_EXIT_CODES_H_
#define LOCKSTEP_SERVER_EXIT_CODES_H_

#include <string>

namespace lockstep::server {

enum class ExitCode : int {
  kOk = 0,            // a clean shutdown, or what was asked for (--help) was printed
  kFailure = 1,       // something else went wrong while the node ran
  kUsage = 2,         // flags or configuration file
  kDataFolder = 3,    // cannot be opened, or holds something else than this node's data
  kAddressInUse = 4,  // a listen address cannot be bound
  kDiskFailed = 5,    // reading or writing the data failed while the node ran
  kForced = 6,        // a second signal cut the clean shutdown short
  kExpelled = 7,      // this node is no member of its cluster any more, and never will be
  kNotJoined = 8,     // the cluster that it asked to take it in has refused, or formed without it
};

// The table above for --help: one line per code.
std::string DescribeExitCodes();

}  // namespace lockstep::server

#endif  // LOCKSTEP_SERVER_EXIT_CODES_H_
