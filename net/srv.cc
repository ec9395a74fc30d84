#include "net/srv.h"

#include <ares.h>
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <poll.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace lockstep::net {
namespace {

using Clock = std::chrono::steady_clock;

// The longest name that DNS has, as text.
constexpr std::size_t kNameBytesMax = 253;
// For a server's first answer; the next attempts wait longer. Others are asked in between.
constexpr int kFirstAttemptMs = 1000;
constexpr int kAttempts = 3;

struct Target {
  std::uint16_t priority = 0;
  std::uint16_t weight = 0;
  std::string host;
  std::uint16_t port = 0;
};

// Letters, digits, '-' and '_' in labels of 1 to 63 bytes.
bool IsName(std::string_view name) {
  if (name.empty() || name.size() > kNameBytesMax) {
    return false;
  }
  std::size_t label = 0;
  for (const char c : name) {
    if (c == '.') {
      if (label == 0) {
        return false;
      }
      label = 0;
    } else if (absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_') {
      if (++label > 63) {
        return false;
      }
    } else {
      return false;
    }
  }
  return label > 0;
}

std::string_view WithoutLastDot(std::string_view name) {
  return !name.empty() && name.back() == '.' ? name.substr(0, name.size() - 1) : name;
}

// How a question ended.
struct Answer {
  int status = ARES_ETIMEOUT;
  std::string bytes;
  bool ended = false;
};

void TakeAnswer(void* argument, int status, int /*timeouts*/, unsigned char* bytes, int size) {
  Answer& answer = *static_cast<Answer*>(argument);
  answer.status = status;
  answer.ended = true;
  if (bytes != nullptr && size > 0) {
    answer.bytes.assign(bytes, bytes + size);
  }
}

class Channel {
 public:
  ~Channel() {
    if (channel_ != nullptr) {
      ares_destroy(channel_);
    }
  }
  Channel() = default;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  absl::Status Open(const DnsOptions& options) {
    static const int library = ares_library_init(ARES_LIB_INIT_ALL);
    if (library != ARES_SUCCESS) {
      return absl::UnavailableError(ares_strerror(library));
    }
    ares_options choices{};
    choices.timeout = kFirstAttemptMs;
    choices.tries = kAttempts;
    const int status = ares_init_options(&channel_, &choices, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);
    if (status != ARES_SUCCESS) {
      channel_ = nullptr;
      return absl::UnavailableError(ares_strerror(status));
    }
    if (!options.server.empty() &&
        ares_set_servers_ports_csv(channel_, options.server.c_str()) != ARES_SUCCESS) {
      return absl::InvalidArgumentError(absl::StrCat("'", options.server, "' is no name server"));
    }
    return absl::OkStatus();
  }

  // Blocks.
  Answer Ask(const std::string& name, Duration timeout) {
    const auto end = Clock::now() + std::chrono::nanoseconds(timeout.ns);
    Answer answer;
    ares_query(channel_, name.c_str(), ns_c_in, ns_t_srv, &TakeAnswer, &answer);
    while (!answer.ended) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
      if (left.count() <= 0) {
        ares_cancel(channel_);  // calls TakeAnswer()
        answer.status = ARES_ETIMEOUT;
        break;
      }
      Wait(left.count());
    }
    return answer;
  }

 private:
  // Waits for a socket, or for when an attempt is over, and does what is due.
  void Wait(std::int64_t at_most_ms) {
    ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
    const int wanted = ares_getsock(channel_, sockets, ARES_GETSOCK_MAXNUM);
    pollfd polled[ARES_GETSOCK_MAXNUM];
    nfds_t count = 0;
    for (int i = 0; i < ARES_GETSOCK_MAXNUM; ++i) {
      const bool read = ARES_GETSOCK_READABLE(wanted, i) != 0;
      const bool write = ARES_GETSOCK_WRITABLE(wanted, i) != 0;
      if (read || write) {
        polled[count++] = {
            .fd = sockets[i],
            .events = static_cast<short>((read ? POLLIN : 0) | (write ? POLLOUT : 0)),
            .revents = 0};
      }
    }
    timeval most{.tv_sec = at_most_ms / 1000, .tv_usec = at_most_ms % 1000 * 1000};
    timeval found{};
    const timeval* const wait = ares_timeout(channel_, &most, &found);
    poll(polled, count, static_cast<int>(wait->tv_sec * 1000 + wait->tv_usec / 1000 + 1));
    for (nfds_t i = 0; i < count; ++i) {
      const bool read = (polled[i].revents & (POLLIN | POLLERR | POLLHUP)) != 0;
      const bool write = (polled[i].revents & (POLLOUT | POLLERR | POLLHUP)) != 0;
      if (read || write) {
        ares_process_fd(channel_, read ? polled[i].fd : ARES_SOCKET_BAD,
                        write ? polled[i].fd : ARES_SOCKET_BAD);
      }
    }
    ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);  // attempts that are over
  }

  ares_channel channel_ = nullptr;
};

absl::Status ErrorOf(int status, const std::string& question) {
  const std::string text = absl::StrCat(question, ": ", ares_strerror(status));
  switch (status) {
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
      return absl::NotFoundError(text);
    case ARES_ETIMEOUT:
      return absl::DeadlineExceededError(text);
    case ARES_EBADRESP:
      return absl::DataLossError(text);
    default:
      return absl::UnavailableError(text);
  }
}

absl::StatusOr<std::vector<Target>> ParseAnswer(const std::string& bytes,
                                                const std::string& question) {
  ares_srv_reply* parsed = nullptr;
  const int status = ares_parse_srv_reply(reinterpret_cast<const unsigned char*>(bytes.data()),
                                          static_cast<int>(bytes.size()), &parsed);
  if (status != ARES_SUCCESS) {
    return ErrorOf(status, question);
  }
  const std::unique_ptr<ares_srv_reply, void (*)(void*)> owned(parsed, &ares_free_data);
  std::vector<Target> targets;
  for (const ares_srv_reply* one = parsed; one != nullptr; one = one->next) {
    const std::string_view host = WithoutLastDot(one->host);
    if (host.empty()) {
      continue;  // "decidedly not available", as RFC 2782 has it
    }
    if (!IsName(host) || one->port == 0) {
      return absl::DataLossError(
          absl::StrCat(question, ": the answer holds a target that no host can have"));
    }
    if (targets.size() == kSrvTargetsMax) {
      return absl::DataLossError(
          absl::StrCat(question, ": the answer has more than ", kSrvTargetsMax, " targets"));
    }
    targets.push_back(
        {one->priority, one->weight, absl::AsciiStrToLower(std::string(host)), one->port});
  }
  return targets;
}

}  // namespace

absl::Status CheckDomain(const std::string& domain) {
  // The longer of the two services must fit in front of it.
  const std::string_view name = WithoutLastDot(domain);
  if (!IsName(name) || name.size() + sizeof(kClientService) > kNameBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("'", domain, "' is not a domain"));
  }
  return absl::OkStatus();
}

absl::Status CheckDnsServer(const std::string& server) {
  const auto wrong = [&server] {
    return absl::InvalidArgumentError(
        absl::StrCat("'", server, "' is not a name server's IP:PORT or [IPV6]:PORT"));
  };
  const std::size_t colon = server.rfind(':');
  if (colon == std::string::npos) {
    return wrong();
  }
  std::string host = server.substr(0, colon);
  int family = AF_INET;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    family = AF_INET6;
  }
  unsigned char bytes[16];
  std::uint16_t port = 0;
  const char* const last = server.data() + server.size();
  const auto [end, error] = std::from_chars(server.data() + colon + 1, last, port);
  if (error != std::errc() || end != last || port == 0 ||
      inet_pton(family, host.c_str(), bytes) != 1) {
    return wrong();
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> LookUpService(const std::string& service,
                                                       const std::string& domain,
                                                       const DnsOptions& options) {
  if (const absl::Status status = CheckDomain(domain); !status.ok()) {
    return status;
  }
  if (const absl::Status status =
          options.server.empty() ? absl::OkStatus() : CheckDnsServer(options.server);
      !status.ok()) {
    return status;
  }
  const std::string name = absl::StrCat(service, ".", std::string(WithoutLastDot(domain)));
  const std::string question = absl::StrCat("SRV ", name);
  Channel channel;
  if (const absl::Status status = channel.Open(options); !status.ok()) {
    return status;
  }
  const Answer answer = channel.Ask(name, options.timeout);
  if (answer.status != ARES_SUCCESS) {
    return ErrorOf(answer.status, question);
  }
  absl::StatusOr<std::vector<Target>> targets = ParseAnswer(answer.bytes, question);
  if (!targets.ok()) {
    return targets.status();
  }
  std::sort(targets->begin(), targets->end(), [](const Target& a, const Target& b) {
    return std::tie(a.priority, b.weight, a.host, a.port) <
           std::tie(b.priority, a.weight, b.host, b.port);
  });
  std::vector<std::string> addresses;
  for (const Target& target : *targets) {
    std::string address = absl::StrCat(target.host, ":", target.port);
    if (std::find(addresses.begin(), addresses.end(), address) == addresses.end()) {
      addresses.push_back(std::move(address));
    }
  }
  if (addresses.empty()) {
    return absl::NotFoundError(absl::StrCat(question, ": the service is not offered"));
  }
  return addresses;
}

}  // namespace lockstep::net
