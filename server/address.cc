#include "server/address.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"

namespace lockstep::server {
namespace {

absl::Status Invalid(std::string_view text, const char* what) {
  return absl::InvalidArgumentError(
      absl::StrCat("'", std::string(text), "' is not an address: ", what));
}

using AddressList = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;

absl::StatusOr<AddressList> LookUp(const Address& address) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(address.port);
  const int error = getaddrinfo(address.host.c_str(), port.c_str(), &hints, &found);
  if (error != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot listen on ", address.ToString(), ": ", gai_strerror(error)));
  }
  return AddressList(found, &freeaddrinfo);
}

}  // namespace

std::string Address::ToString() const {
  const bool brackets = host.find(':') != std::string::npos;
  return absl::StrCat(brackets ? "[" : "", host, brackets ? "]:" : ":", port);
}

absl::StatusOr<Address> ParseAddress(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return Invalid(text, "expected HOST:PORT");
  }
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return Invalid(text, "an IPv6 host needs brackets, as in [::1]:7101");
  }
  if (host.empty()) {
    return Invalid(text, "the host is empty");
  }
  if (host.find_first_of(" \t/@,[]") != std::string_view::npos) {
    return Invalid(text, "the host holds a character that no host name has");
  }
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc() || end != port.data() + port.size() || number > 65535) {
    return Invalid(text, "the port is not a number from 0 to 65535");
  }
  return Address{std::string(host), static_cast<std::uint16_t>(number)};
}

absl::Status CheckBindable(const Address& address) {
  if (address.port == 0) {
    return absl::OkStatus();
  }
  const absl::StatusOr<AddressList> found = LookUp(address);
  if (!found.ok()) {
    return found.status();
  }
  for (const addrinfo* one = found->get(); one != nullptr; one = one->ai_next) {
    const int fd = socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC, one->ai_protocol);
    if (fd < 0) {
      continue;
    }
    // As the servers do: connections of a process that just ended do not keep the port.
    const int yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    const bool bound = bind(fd, one->ai_addr, one->ai_addrlen) == 0 && listen(fd, 1) == 0;
    const int error = errno;
    close(fd);
    if (!bound) {
      return absl::FailedPreconditionError(
          absl::StrCat("cannot listen on ", address.ToString(), ": ", std::strerror(error)));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Address> Resolve(const Address& address) {
  const absl::StatusOr<AddressList> found = LookUp(address);
  if (!found.ok()) {
    return found.status();
  }
  char host[NI_MAXHOST];
  const int error = getnameinfo((*found)->ai_addr, (*found)->ai_addrlen, host, sizeof(host),
                                nullptr, 0, NI_NUMERICHOST);
  if (error != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot listen on ", address.ToString(), ": ", gai_strerror(error)));
  }
  return Address{host, address.port};
}

}  // namespace lockstep::server
