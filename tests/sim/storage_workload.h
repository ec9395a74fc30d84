// A script for a node's two files, and what they hold after each of its steps.

#ifndef LOCKSTEP_TESTS_SIM_STORAGE_WORKLOAD_H_
#define LOCKSTEP_TESTS_SIM_STORAGE_WORKLOAD_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "core/kv/types.h"
#include "core/raft/message.h"
#include "storage/node_store.h"

namespace lockstep::sim {

// What a node does to its files.
struct TidyUp {};
struct ReadState {};
struct Reopen {};  // a clean end of the process, and the next one
using Step =
    std::variant<std::vector<raft::Write>, kv::Delta, kv::Image, TidyUp, ReadState, Reopen>;

// What both files hold.
struct Contents {
  raft::DurableState log;
  kv::Image image;

  friend bool operator==(const Contents&, const Contents&) = default;
};

struct Script {
  std::vector<Step> steps;
  std::vector<Contents> after;  // after[k]: once k steps are done
};

// `length` steps drawn from `seed`.
Script DrawScript(std::uint64_t seed, std::size_t length);

// A process that owns a node's files.
class Process {
 public:
  // Opens or makes the files; status() says how it went, contents() what was found.
  explicit Process(std::string vfs);

  const absl::Status& status() const { return status_; }
  const Contents& contents() const { return contents_; }

  // Goes on with the script after its first `steps_done` steps, up to its end or to the first
  // error.
  void Run(const Script& script, std::size_t steps_done = 0);

  // Steps of which the store has said that they are done.
  std::size_t steps_done() const { return steps_done_; }

  // Whether the store that met an error refuses to be used again, as it must.
  bool RefusesToGoOn();

 private:
  void Open();
  absl::Status Do(const Step& step, const Script& script);

  std::string vfs_;
  std::size_t steps_done_ = 0;
  absl::Status status_;
  Contents contents_;
  std::uint64_t writes_ = 0;  // of this process
  std::optional<storage::NodeStore> store_;
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_TESTS_SIM_STORAGE_WORKLOAD_H_
