// Finds the members of a cluster by DNS: the SRV records (RFC 2782) _lockstep-peer._tcp.DOMAIN and
// _lockstep-client._tcp.DOMAIN.
//
// Only the records are asked for; what the names in them stand for is gRPC's to find out when it
// connects. What a server sends is checked: targets that can be host names, with ports, and not too
// many. Nothing here trusts DNS to say who somebody is; it says where to ask.

#ifndef LOCKSTEP_NET_SRV_H_
#define LOCKSTEP_NET_SRV_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/types.h"

namespace lockstep::net {

inline constexpr char kPeerService[] = "_lockstep-peer._tcp";
inline constexpr char kClientService[] = "_lockstep-client._tcp";

// As many members as a cluster can have.
inline constexpr std::size_t kSrvTargetsMax = 64;

// Where and for how long to ask.
struct DnsOptions {
  // "IP:PORT" or "[IPV6]:PORT" of a name server; empty: those that the system is configured with.
  std::string server;
  // Of a question as a whole, with all its attempts.
  Duration timeout = Seconds(5);
};

// InvalidArgument, in words, unless `domain` can have services below it, or `server` is as
// DnsOptions says.
absl::Status CheckDomain(const std::string& domain);
absl::Status CheckDnsServer(const std::string& server);

// The targets of SERVICE.DOMAIN as "host:port", without doubles: those of the lowest priority
// number first, among equals those of the greatest weight first, among equals by host and port. The
// same answer gives the same order everywhere; RFC 2782's draw by weight would not. Blocks until
// there is an answer or the time is over. Thread-safe. An error names the question and, of foreign
// bytes, what is wrong with them:
//   InvalidArgument    `domain` or `options` is wrong; nothing was asked
//   NotFound           there is no such name, or no such record of it
//   DeadlineExceeded   no answer within the time
//   Unavailable        no server could be reached, or it refused or failed
//   DataLoss           the answer is mangled, has a target that no host can have, or too many
absl::StatusOr<std::vector<std::string>> LookUpService(const std::string& service,
                                                       const std::string& domain,
                                                       const DnsOptions& options);

}  // namespace lockstep::net

#endif  // LOCKSTEP_NET_SRV_H_
