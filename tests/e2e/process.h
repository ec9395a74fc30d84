// A child process of a test: its input, its output, its end.
//
// A child never outlives the test: the kernel kills it when the thread that started it ends, and
// the destructor before that. Only children are ever signalled.

#ifndef LOCKSTEP_TESTS_E2E_PROCESS_H_
#define LOCKSTEP_TESTS_E2E_PROCESS_H_

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace lockstep::e2e {

// How a process ended.
struct Ended {
  int exit_code = -1;  // -1 if a signal ended it
  int signal = 0;
};

class Process {
 public:
  // Starts `command` (a path, then arguments) with `input` as its standard input.
  explicit Process(const std::vector<std::string>& command, const std::string& input = "");
  // Kills it if it still runs.
  ~Process();

  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  bool running();

  // REQUIRES: it was not seen to end.
  void Signal(int number);

  // Nullopt if it still runs when `limit` is over.
  std::optional<Ended> Wait(std::chrono::milliseconds limit);

  // What it has written so far.
  std::string out() const;
  std::string err() const;

 private:
  pid_t pid_ = 0;
  int out_ = -1;
  int err_ = -1;
  std::optional<Ended> ended_;
};

// A process from start to end.
struct Result {
  int exit_code = -1;  // -1 if a signal ended it, or the time did
  std::string out;
  std::string err;
};

// Runs `command` to its end, or kills it after `limit`.
Result RunToEnd(const std::vector<std::string>& command, const std::string& input = "",
                std::chrono::milliseconds limit = std::chrono::seconds(30));

// The path of one of our programs: $LOCKSTEP_BIN/NAME, or else where the build tree has it.
std::string Program(const std::string& name);

// TCP ports of 127.0.0.1 that are free now, outside the range from which the system draws ports for
// outgoing connections: a node that is down for a while finds its port still free.
std::vector<int> FreePorts(int count);

}  // namespace lockstep::e2e

#endif  // LOCKSTEP_TESTS_E2E_PROCESS_H_
