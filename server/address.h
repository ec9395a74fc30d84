// Network addresses as people write them: HOST:PORT, or [IPV6]:PORT.

#ifndef LOCKSTEP_SERVER_ADDRESS_H_
#define LOCKSTEP_SERVER_ADDRESS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace lockstep::server {

struct Address {
  std::string host;  // without brackets
  std::uint16_t port = 0;

  // As ParseAddress() takes it.
  std::string ToString() const;
  friend bool operator==(const Address&, const Address&) = default;
};

// InvalidArgument, with a text that quotes `text` and says what is wrong with it, for anything else
// than a host, a colon and a port in [0, 65535].
absl::StatusOr<Address> ParseAddress(std::string_view text);

// FailedPrecondition, with a text that names the address and the system's reason, if a socket
// cannot be bound to it now. Binds and closes one; a port of 0 is always free.
absl::Status CheckBindable(const Address& address);

// The address with its host as a number: the first that the system has for it. FailedPrecondition,
// with a text that names the address, if it has none.
absl::StatusOr<Address> Resolve(const Address& address);

}  // namespace lockstep::server

#endif  // LOCKSTEP_SERVER_ADDRESS_H_
