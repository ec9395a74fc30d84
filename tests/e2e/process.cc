#include "tests/e2e/process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <thread>

namespace lockstep::e2e {
namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void Fail(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

// Files in memory take a child's output without a reader, and cannot block it.
int MemoryFile(const char* name) {
  const int fd = memfd_create(name, MFD_CLOEXEC);
  if (fd < 0) {
    Fail("memfd_create");
  }
  return fd;
}

std::string Contents(int fd) {
  std::string text;
  char buffer[65536];
  for (ssize_t n = 0;
       (n = pread(fd, buffer, sizeof(buffer), static_cast<off_t>(text.size()))) > 0;) {
    text.append(buffer, static_cast<std::size_t>(n));
  }
  return text;
}

// Nothing here may allocate: another thread may have held a lock at the fork.
[[noreturn]] void BecomeChild(char* const* arguments, pid_t parent, int in, int out, int err) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) {
    _exit(126);  // it ended before the line above
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  dup2(in, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  execv(arguments[0], arguments);
  _exit(127);
}

bool IsFree(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr generic{};
  std::memcpy(&generic, &address, sizeof(generic));
  const bool bound = bind(fd, &generic, sizeof(generic)) == 0 && listen(fd, 1) == 0;
  close(fd);
  return bound;
}

}  // namespace

Process::Process(const std::vector<std::string>& command, const std::string& input)
    : out_(MemoryFile("out")), err_(MemoryFile("err")) {
  const int in = MemoryFile("in");
  if (write(in, input.data(), input.size()) != static_cast<ssize_t>(input.size())) {
    Fail("write");
  }
  lseek(in, 0, SEEK_SET);
  std::vector<std::string> copies = command;
  std::vector<char*> arguments;
  for (std::string& argument : copies) {
    arguments.push_back(argument.data());
  }
  arguments.push_back(nullptr);
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) {
    BecomeChild(arguments.data(), parent, in, out_, err_);
  }
  close(in);
  if (pid_ < 0) {
    Fail("fork");
  }
}

Process::~Process() {
  if (running()) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  close(out_);
  close(err_);
}

bool Process::running() { return !Wait(std::chrono::milliseconds(0)); }

void Process::Signal(int number) {
  if (ended_) {
    throw std::logic_error("the process has ended");
  }
  kill(pid_, number);
}

std::optional<Ended> Process::Wait(std::chrono::milliseconds limit) {
  const Clock::time_point until = Clock::now() + limit;
  while (!ended_) {
    int status = 0;
    const pid_t found = waitpid(pid_, &status, WNOHANG);
    if (found == pid_) {
      ended_ = WIFEXITED(status) ? Ended{WEXITSTATUS(status), 0} : Ended{-1, WTERMSIG(status)};
    } else if (Clock::now() >= until) {
      return std::nullopt;
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  return ended_;
}

std::string Process::out() const { return Contents(out_); }
std::string Process::err() const { return Contents(err_); }

Result RunToEnd(const std::vector<std::string>& command, const std::string& input,
                std::chrono::milliseconds limit) {
  Process process(command, input);
  const std::optional<Ended> ended = process.Wait(limit);
  return {ended ? ended->exit_code : -1, process.out(), process.err()};
}

std::string Program(const std::string& name) {
  if (const char* folder = std::getenv("LOCKSTEP_BIN"); folder != nullptr) {
    return std::string(folder) + "/" + name;
  }
  // BUILD/tests/ROOM/PROGRAM_TEST and BUILD/server/NAME.
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe");
  return (self.parent_path().parent_path().parent_path() / "server" / name).string();
}

std::vector<int> FreePorts(int count) {
  constexpr int kFirst = 10'000;
  constexpr int kLast = 32'000;  // Linux draws outgoing ports from 32768 on
  // Tests that run at the same time start at different places.
  static int next = kFirst + static_cast<int>(getpid()) * 37 % (kLast - kFirst);
  std::vector<int> ports;
  for (int tried = 0; static_cast<int>(ports.size()) < count; ++tried) {
    if (tried > kLast - kFirst) {
      throw std::runtime_error("no free ports");
    }
    next = next + 1 < kLast ? next + 1 : kFirst;
    if (IsFree(next)) {
      ports.push_back(next);
    }
  }
  return ports;
}

}  // namespace lockstep::e2e
