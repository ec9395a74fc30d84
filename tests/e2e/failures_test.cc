// Real nodes under load while they are killed and paused: nothing acknowledged is lost, nothing
// stale is read, nothing is done twice. The history that the clients saw is held against the same
// checker that judges the simulator.
//
// LOCKSTEP_FAILURE_ROUNDS sets how many failures there are (default 12), LOCKSTEP_HISTORY a file
// for the history.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>

#include "sim/history_file.h"
#include "sim/oracles/linearizability.h"
#include "tests/e2e/cluster.h"
#include "tests/e2e/workload.h"
#include "tests/storage/temporary_folder.h"

namespace lockstep::e2e {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kElectionTimeout{1000};

int Rounds() {
  const char* rounds = std::getenv("LOCKSTEP_FAILURE_ROUNDS");
  return rounds == nullptr ? 12 : std::max(1, std::atoi(rounds));
}

// Until a write that was called after a failure at `since` is answered.
milliseconds WaitForWrite(const Workload& workload, std::int64_t since) {
  for (int i = 0; i < 3000; ++i) {
    if (const auto first = workload.FirstWriteAfter(since)) {
      return std::chrono::duration_cast<milliseconds>(*first);
    }
    std::this_thread::sleep_for(milliseconds(10));
  }
  ADD_FAILURE() << "no write succeeded within 30 s of a failure";
  return milliseconds(30'000);
}

void PrintTimes(const std::string& what, std::vector<milliseconds> times) {
  if (times.empty()) {
    return;
  }
  std::sort(times.begin(), times.end());
  std::cout << what << ": " << times.size() << " times, next write after a median of "
            << times[times.size() / 2].count() << " ms (least " << times.front().count()
            << ", most " << times.back().count() << ")" << std::endl;
}

TEST(FailuresTest, NothingIsLostStaleOrDoneTwiceWhileNodesAreKilledAndPaused) {
  const storage::TemporaryFolder folder;
  Cluster cluster(folder.path(),
                  {.nodes = 3,
                   .flags = {"--election-timeout-ms=" + std::to_string(kElectionTimeout.count()),
                             // Small, so that checkpoints and compaction fall between failures.
                             "--checkpoint-entries=500", "--entries-retained=100"}});
  cluster.WaitForLeader();
  Workload workload({}, [&] { return cluster.NewClient(); });

  std::vector<milliseconds> leader_killed;
  std::vector<milliseconds> leader_paused;
  std::vector<milliseconds> all_killed;
  for (int round = 0; round < Rounds(); ++round) {
    const int leader = cluster.WaitForLeader();
    std::this_thread::sleep_for(milliseconds(200 + 37 * (round % 7)));
    std::int64_t failure = 0;
    switch (round % 6) {
      case 3: {  // a follower
        const int follower = leader % 3 + 1;
        cluster.Kill(follower);
        failure = Workload::Now();
        WaitForWrite(workload, failure);
        cluster.Start(follower);
        break;
      }
      case 4:
        cluster.Pause(leader);
        failure = Workload::Now();
        leader_paused.push_back(WaitForWrite(workload, failure));
        std::this_thread::sleep_for(milliseconds(300));
        cluster.Resume(leader);
        break;
      case 5:
        for (int node = 1; node <= 3; ++node) {
          cluster.Kill(node);
        }
        failure = Workload::Now();
        for (int node = 1; node <= 3; ++node) {
          cluster.Start(node);
        }
        all_killed.push_back(WaitForWrite(workload, failure));
        break;
      default:
        cluster.Kill(leader);
        failure = Workload::Now();
        leader_killed.push_back(WaitForWrite(workload, failure));
        cluster.Start(leader);
        break;
    }
  }
  std::this_thread::sleep_for(milliseconds(500));
  workload.Stop();
  cluster.WaitForAgreement();
  PrintTimes("leader killed", leader_killed);
  PrintTimes("leader paused", leader_paused);
  PrintTimes("all nodes killed and started", all_killed);

  const sim::history::History history = workload.TakeHistory();
  if (const char* file = std::getenv("LOCKSTEP_HISTORY")) {
    const absl::Status written = sim::history::WriteHistoryFile(history, file);
    EXPECT_TRUE(written.ok()) << written;
  }
  const auto of = [&](sim::history::Outcome outcome) {
    return std::count_if(history.operations.begin(), history.operations.end(),
                         [&](const auto& operation) { return operation.outcome == outcome; });
  };
  std::cout << history.operations.size() << " operations: " << of(sim::history::Outcome::kOk)
            << " done, " << of(sim::history::Outcome::kFail) << " certainly not done, "
            << of(sim::history::Outcome::kUnknown) << " unknown" << std::endl;
  EXPECT_GT(of(sim::history::Outcome::kOk), 20 * Rounds()) << "too little load to prove anything";
  const auto report = sim::history::CheckLinearizability(history, {.steps_max = 200'000'000});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->verdict, sim::history::Verdict::kLinearizable)
      << (report->violations.empty() ? "" : report->violations.front().text);
}

}  // namespace
}  // namespace lockstep::e2e
