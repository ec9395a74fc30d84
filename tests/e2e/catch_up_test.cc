// A follower is stopped, the others are written to, and it is started again: how long it takes to
// have everything, and how much memory the leader needs meanwhile. scripts/measure-catch-up runs it
// with 100,000 writes.
//
// LOCKSTEP_CATCH_UP_WRITES: how many (default 3000). LOCKSTEP_CATCH_UP_BYTES: of each value
// (default 100).

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/cluster.h"
#include "tests/storage/temporary_folder.h"

namespace lockstep::e2e {
namespace {

using Clock = std::chrono::steady_clock;

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::stoull(text);
}

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Resident memory of a process in MiB, sampled while this lives.
class Memory {
 public:
  explicit Memory(pid_t pid)
      : pid_(pid), begin_(Now(pid)), most_(begin_), thread_([this] {
          while (!stop_) {
            most_ = std::max(most_.load(), Now(pid_));
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
          }
        }) {}
  ~Memory() { Stop(); }

  void Stop() {
    stop_ = true;
    if (thread_.joinable()) {
      thread_.join();
    }
  }

  std::string Describe() const {
    return std::to_string(begin_) + " MiB at its beginning, " + std::to_string(most_) +
           " at most, " + std::to_string(Now(pid_)) + " at its end";
  }

  static std::uint64_t Now(pid_t pid) {
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    for (std::string word; status >> word;) {
      std::uint64_t kib = 0;
      if (word == "VmRSS:" && status >> kib) {
        return kib >> 10;
      }
    }
    return 0;
  }

 private:
  const pid_t pid_;
  const std::uint64_t begin_;
  std::atomic<std::uint64_t> most_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

TEST(CatchUpTest, AFollowerThatWasAwayHasEverythingAgain) {
  const std::uint64_t writes = FromEnvironment("LOCKSTEP_CATCH_UP_WRITES", 3000);
  const std::string value(FromEnvironment("LOCKSTEP_CATCH_UP_BYTES", 100), 'v');
  const storage::TemporaryFolder folder;
  Cluster cluster(folder.path());
  const int leader = cluster.WaitForLeader();
  const int follower = leader % 3 + 1;
  const auto client = cluster.NewClient();
  ASSERT_TRUE(client->Put("first", value).done());
  cluster.Kill(follower);

  Memory meanwhile(cluster.pid(leader));
  std::atomic<std::uint64_t> next = 0;
  std::atomic<std::uint64_t> failed = 0;
  Clock::time_point begin = Clock::now();
  std::vector<std::thread> writers;
  for (int i = 0; i < 64; ++i) {
    writers.emplace_back([&] {
      for (std::uint64_t n = 0; (n = next++) < writes;) {
        failed += client->Put("key" + std::to_string(n), value).done() ? 0 : 1;
      }
    });
  }
  for (std::thread& writer : writers) {
    writer.join();
  }
  meanwhile.Stop();
  EXPECT_EQ(failed, 0u);
  std::cout << writes << " writes of " << value.size() << " bytes without node " << follower << ": "
            << SecondsSince(begin) << " s; memory of the leader: " << meanwhile.Describe()
            << std::endl;

  const auto status = cluster.StatusOf(leader);
  ASSERT_TRUE(status.has_value());
  Memory after(cluster.pid(leader));
  begin = Clock::now();
  cluster.Start(follower);
  const double ready = SecondsSince(begin);
  bool caught_up = false;
  while (!caught_up && SecondsSince(begin) < 120) {
    const auto of_follower = cluster.StatusOf(follower);
    caught_up = of_follower && of_follower->applied_index() >= status->commit_index();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  const double whole = SecondsSince(begin);
  ASSERT_TRUE(caught_up) << cluster.log(follower);
  after.Stop();
  const bool by_snapshot = cluster.log(follower).find("snapshot-installed") != std::string::npos;
  std::cout << "started again: ready after " << ready << " s, has everything "
            << (by_snapshot ? "(by a snapshot) " : "(by the log) ") << "after " << whole
            << " s; memory of the leader: " << after.Describe() << std::endl;
  EXPECT_EQ(status->leader_id(), static_cast<std::uint64_t>(cluster.WaitForLeader()))
      << "the leader has stayed";
  cluster.WaitForAgreement();
}

}  // namespace
}  // namespace lockstep::e2e
