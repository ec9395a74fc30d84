#include "server/exit_codes.h"

namespace lockstep::server {

std::string DescribeExitCodes() {
  return "Exit codes:\n"
         "  0  clean shutdown (SIGTERM or SIGINT), or --help, --version, --check-config succeeded\n"
         "  1  the node failed while it ran, for another reason than those below\n"
         "  2  wrong flags or configuration file\n"
         "  3  the data folder cannot be used: locked, damaged, of a newer format, of another "
         "node\n"
         "     or cluster, or not accessible\n"
         "  4  a listen address is in use or cannot be bound\n"
         "  5  reading or writing the data failed while the node ran\n"
         "  6  a second signal ended the process before its clean shutdown was done\n"
         "  7  this node was removed from its cluster, or lost the files that it was a member "
         "with\n"
         "  8  the cluster that was asked to take this node in (--join) has refused, or it has "
         "formed\n"
         "     without this node (--bootstrap-expect)\n";
}

}  // namespace lockstep::server
