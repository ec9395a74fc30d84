#include "sim/worker_pool.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <utility>

namespace lockstep::sim {
namespace {

bool ReadAll(int socket, void* to, std::size_t size) {
  auto* at = static_cast<char*>(to);
  while (size > 0) {
    const ssize_t count = recv(socket, at, size, 0);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count <= 0) {
      return false;
    }
    at += count;
    size -= static_cast<std::size_t>(count);
  }
  return true;
}

// A peer that is gone is no signal, but false.
bool WriteAll(int socket, const void* from, std::size_t size) {
  const auto* at = static_cast<const char*>(from);
  while (size > 0) {
    const ssize_t count = send(socket, at, size, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count <= 0) {
      return false;
    }
    at += count;
    size -= static_cast<std::size_t>(count);
  }
  return true;
}

// A message is its length and its bytes.
bool WriteMessage(int socket, std::string_view message) {
  const std::uint64_t size = message.size();
  return WriteAll(socket, &size, sizeof(size)) && WriteAll(socket, message.data(), message.size());
}

std::optional<std::string> ReadMessage(int socket) {
  std::uint64_t size = 0;
  if (!ReadAll(socket, &size, sizeof(size))) {
    return std::nullopt;
  }
  std::string message(size, '\0');
  if (!ReadAll(socket, message.data(), message.size())) {
    return std::nullopt;
  }
  return message;
}

[[noreturn]] void Obey(int socket, const WorkerPool::Work& work) {
  // The parent decides when to stop.
  signal(SIGINT, SIG_IGN);
  signal(SIGTERM, SIG_DFL);
  while (const std::optional<std::string> order = ReadMessage(socket)) {
    if (!WriteMessage(socket, work(*order))) {
      break;
    }
  }
  _exit(0);
}

}  // namespace

WorkerPool::WorkerPool(unsigned jobs, Duration time_max, Work work)
    : time_max_(time_max), work_(std::move(work)) {
  for (unsigned i = 0; i < jobs; ++i) {
    workers_.push_back(Spawn());
  }
}

WorkerPool::~WorkerPool() {
  for (const Worker& worker : workers_) {
    close(worker.socket);
    if (worker.busy) {
      kill(worker.process, SIGKILL);
    }
    waitpid(worker.process, nullptr, 0);
  }
}

WorkerPool::Worker WorkerPool::Spawn() {
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) != 0) {
    throw std::runtime_error(std::string("socketpair: ") + std::strerror(errno));
  }
  // What is still in buffers would be printed by both.
  std::fflush(stdout);
  std::fflush(stderr);
  const pid_t process = fork();
  if (process < 0) {
    throw std::runtime_error(std::string("fork: ") + std::strerror(errno));
  }
  if (process == 0) {
    // The parent's ends of other workers' sockets, kept open here, would keep those alive.
    for (const Worker& other : workers_) {
      close(other.socket);
    }
    close(sockets[0]);
    Obey(sockets[1], work_);
  }
  close(sockets[1]);
  return {.process = process, .socket = sockets[0]};
}

bool WorkerPool::HasIdle() const {
  return std::any_of(workers_.begin(), workers_.end(), [](const Worker& w) { return !w.busy; });
}

bool WorkerPool::Busy() const {
  return std::any_of(workers_.begin(), workers_.end(), [](const Worker& w) { return w.busy; });
}

void WorkerPool::Order(std::uint64_t id, std::string_view order) {
  Worker& worker =
      *std::find_if(workers_.begin(), workers_.end(), [](const Worker& w) { return !w.busy; });
  worker.id = id;
  worker.busy = true;
  worker.since = Stopwatch();
  // If the worker is gone, Wait() finds its end of the socket closed.
  (void)WriteMessage(worker.socket, order);
}

std::vector<WorkerPool::Outcome> WorkerPool::Wait(Duration timeout) {
  std::vector<pollfd> files;
  Duration wait = timeout;
  for (const Worker& worker : workers_) {
    files.push_back({.fd = worker.busy ? worker.socket : -1, .events = POLLIN, .revents = 0});
    if (worker.busy) {
      wait = std::min(wait, time_max_ - worker.since.Elapsed());
    }
  }
  // Rounded up: a limit is over when this returns, not almost.
  const std::int64_t wait_ms = std::max<std::int64_t>(wait.ns, 0) / 1'000'000 + 1;
  if (poll(files.data(), files.size(), static_cast<int>(wait_ms)) < 0) {
    return {};
  }
  std::vector<Outcome> outcomes;
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    if (files[i].revents != 0) {
      outcomes.push_back(Collect(workers_[i]));
    } else if (workers_[i].busy && workers_[i].since.Elapsed() > time_max_) {
      outcomes.push_back(End(workers_[i], Fate::kHung));
    }
  }
  return outcomes;
}

WorkerPool::Outcome WorkerPool::Collect(Worker& worker) {
  if (std::optional<std::string> answer = ReadMessage(worker.socket)) {
    worker.busy = false;
    return {.id = worker.id, .fate = Fate::kAnswered, .answer = *std::move(answer)};
  }
  return End(worker, Fate::kCrashed);
}

// Buries the worker and puts a new one in its place.
WorkerPool::Outcome WorkerPool::End(Worker& worker, Fate fate) {
  Outcome outcome{.id = worker.id, .fate = fate};
  kill(worker.process, SIGKILL);  // one that crashed is a zombie, which does not mind
  int status = 0;
  waitpid(worker.process, &status, 0);
  if (fate == Fate::kHung) {
    outcome.death = "no end after " + std::to_string(time_max_.ns / 1'000'000'000) + " s";
  } else if (WIFSIGNALED(status)) {
    outcome.death = std::string("signal: ") + strsignal(WTERMSIG(status));
  } else {
    outcome.death = "exit code " + std::to_string(WEXITSTATUS(status));
  }
  close(worker.socket);
  worker = Worker{};
  worker = Spawn();
  return outcome;
}

}  // namespace lockstep::sim
