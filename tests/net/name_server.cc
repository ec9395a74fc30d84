#include "tests/net/name_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <stdexcept>

namespace lockstep::e2e {
namespace {

constexpr char kDnsmasq[] = "/usr/sbin/dnsmasq";

sockaddr Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr generic{};
  std::memcpy(&generic, &address, sizeof(generic));
  return generic;
}

int BoundSocket(int type, int port) {
  const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  const int yes = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  const sockaddr address = Loopback(port);
  if (bind(fd, &address, sizeof(address)) != 0) {
    throw std::runtime_error("bind");
  }
  return fd;
}

bool Answers(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr address = Loopback(port);
  const bool connected = connect(fd, &address, sizeof(address)) == 0;
  close(fd);
  return connected;
}

}  // namespace

bool NameServer::IsInstalled() { return access(kDnsmasq, X_OK) == 0; }

NameServer::NameServer() : port_(FreePorts(1).front()) {}

void NameServer::Serve(const std::vector<std::string>& srv_records) {
  process_.reset();
  std::vector<std::string> command = {kDnsmasq,
                                      "--keep-in-foreground",
                                      "--port=" + std::to_string(port_),
                                      "--listen-address=127.0.0.1",
                                      "--bind-interfaces",
                                      "--conf-file=/dev/null",
                                      "--no-resolv",
                                      "--no-hosts",
                                      "--pid-file=",
                                      "--user=",
                                      "--log-facility=-",
                                      "--local=/test/"};
  for (const std::string& record : srv_records) {
    command.push_back("--srv-host=" + record);
  }
  process_ = std::make_unique<Process>(command);
  for (int i = 0; !Answers(port_); ++i) {
    if (i == 1000 || !process_->running()) {
      throw std::runtime_error("dnsmasq does not start: " + process_->err());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

FakeNameServer::FakeNameServer(Answer answer)
    : port_(FreePorts(1).front()),
      answer_(std::move(answer)),
      udp_(BoundSocket(SOCK_DGRAM, port_)),
      tcp_(BoundSocket(SOCK_STREAM, port_)) {
  listen(tcp_, 5);
  thread_ = std::thread([this] { Run(); });
}

FakeNameServer::~FakeNameServer() {
  stop_ = true;
  thread_.join();
  close(udp_);
  close(tcp_);
}

void FakeNameServer::Run() {
  while (!stop_) {
    pollfd polled[] = {{.fd = udp_, .events = POLLIN, .revents = 0},
                       {.fd = tcp_, .events = POLLIN, .revents = 0}};
    poll(polled, 2, 10);
    char buffer[65536];
    if ((polled[0].revents & POLLIN) != 0) {
      sockaddr from{};
      socklen_t from_size = sizeof(from);
      const ssize_t size = recvfrom(udp_, buffer, sizeof(buffer), 0, &from, &from_size);
      const auto answer = answer_(std::string(buffer, static_cast<std::size_t>(size)), false);
      if (answer) {
        sendto(udp_, answer->data(), answer->size(), 0, &from, from_size);
      }
    }
    if ((polled[1].revents & POLLIN) != 0) {
      const int fd = accept4(tcp_, nullptr, nullptr, SOCK_CLOEXEC);
      const ssize_t size = recv(fd, buffer, sizeof(buffer), 0);
      const auto answer =
          size > 2 ? answer_(std::string(buffer + 2, static_cast<std::size_t>(size) - 2), true)
                   : std::nullopt;
      if (answer) {
        std::string framed = {static_cast<char>(answer->size() >> 8),
                              static_cast<char>(answer->size() & 0xff)};
        framed += *answer;
        send(fd, framed.data(), framed.size(), MSG_NOSIGNAL);
      }
      close(fd);
    }
  }
}

}  // namespace lockstep::e2e
