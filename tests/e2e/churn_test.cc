// A cluster of real processes that grows from one node to five, has every node replaced, and
// shrinks to one, under load, while its nodes are killed at random moments: linearizable, nothing
// acknowledged is lost, and how long no write succeeds.
//
// LOCKSTEP_CHURN_ROUNDS: how often all of that (default 1). LOCKSTEP_CHURN_KILLS: in each step so
// many nodes are killed at most, and one at least (default 2; 0: none, to see what the changes
// alone cost). LOCKSTEP_CHURN_SEED: of the moments (default 1). LOCKSTEP_HISTORY: a file for the
// history.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/random.h"
#include "sim/history_file.h"
#include "sim/oracles/linearizability.h"
#include "tests/e2e/machines.h"
#include "tests/e2e/workload.h"
#include "tests/storage/temporary_folder.h"

namespace lockstep::e2e {
namespace {

using std::chrono::milliseconds;
namespace history = sim::history;

constexpr std::chrono::seconds kStepLimit(60);

int FromEnvironment(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoi(text);
}

class Churn {
 public:
  explicit Churn(const std::string& folder)
      : machines_(folder, 10),
        random_(static_cast<std::uint64_t>(FromEnvironment("LOCKSTEP_CHURN_SEED", 1))),
        kills_per_step_(static_cast<std::uint64_t>(FromEnvironment("LOCKSTEP_CHURN_KILLS", 2))) {
    members_ = {0};
    machines_.Begin(0, kFlags);
    machines_.WaitForVoters(members_);
    workload_.emplace(Workload::Options(), [this] { return machines_.NewClient(); });
    writer_.emplace(machines_.NewClient());
    machines_.WaitUntil("there are ten writes", [&] { return writer_->written() > 10; });
  }

  void Round() {
    for (const int size : {2, 3, 4, 5}) {
      const int machine = Unused();
      Step("grow to " + std::to_string(size), [&] { Join(machine, {}); }, {machine}, {});
    }
    for (const int leaving : std::vector<int>(members_)) {
      const int machine = Unused();
      const std::string id = std::to_string(ids_.at(leaving));
      Step("replace node " + id,
           [&] {
             Join(machine, {"--join-replaces", id});
           },
           {machine}, {leaving});
    }
    while (members_.size() > 1) {
      const int leaving = members_[random_.Below(members_.size())];
      const NodeId id = {ids_.at(leaving)};
      Step("shrink to " + std::to_string(members_.size() - 1),
           [&] { machines_.client().LeaveCluster(id, {Milliseconds(500)}); }, {}, {leaving});
    }
  }

  // What the clients saw, to the last.
  history::History Finish() {
    workload_->Stop();
    writer_->Stop();
    EXPECT_EQ(writer_->CountLost(&machines_.client()), 0) << "of " << writer_->written();
    std::cout << writer_->written() << " keys written once and all of them read again, " << kills_
              << " nodes killed" << std::endl;
    for (auto& [step, stretches] : stretches_) {
      std::sort(stretches.begin(), stretches.end());
      std::cout << step << ": " << stretches.size() << " steps, longest stretch without a "
                << "successful write: median " << stretches[stretches.size() / 2].count()
                << " ms, most " << stretches.back().count() << " ms" << std::endl;
    }
    return workload_->TakeHistory();
  }

 private:
  static inline const Arguments kFlags = {"--election-timeout-ms=500", "--heartbeat-ms=50"};

  int Unused() {
    int machine = 0;
    while (machines_.running(machine)) {
      ++machine;
    }
    machines_.Wipe(machine);
    return machine;
  }

  void Join(int machine, Arguments more) {
    for (const int member : members_) {
      more.insert(more.end(), {"--join", machines_.endpoint(member)});
    }
    more.insert(more.end(), kFlags.begin(), kFlags.end());
    machines_.Join(machine, members_.front(), more);
  }

  // Asks for a change and waits until it is there, while nodes are killed. `act` is repeated if
  // nobody new is to come: who joins asks by itself.
  template <class Act>
  void Step(const std::string& name, const Act& act, const std::vector<int>& coming,
            const std::vector<int>& leaving) {
    const std::int64_t begin = Workload::Now();
    std::vector<int> alive = members_;
    alive.insert(alive.end(), coming.begin(), coming.end());
    std::vector<int> after;
    for (const int machine : alive) {
      if (std::find(leaving.begin(), leaving.end(), machine) == leaving.end()) {
        after.push_back(machine);
      }
    }
    act();
    std::uint64_t kills_left = kills_per_step_ == 0 ? 0 : random_.Below(kills_per_step_) + 1;
    std::int64_t next_kill = begin + Milliseconds(random_.Between(0, 300)).ns;
    std::int64_t next_act = Workload::Now() + Milliseconds(1000).ns;
    machines_.WaitUntil(
        name,
        [&] {
          if (kills_left > 0 && Workload::Now() >= next_kill) {
            --kills_left;
            KillOne(alive);
            next_kill = Workload::Now() + Milliseconds(random_.Between(100, 1000)).ns;
          }
          if (coming.empty() && Workload::Now() >= next_act) {
            act();
            next_act = Workload::Now() + Milliseconds(1000).ns;
          }
          ids_ = machines_.VotersIf(after);
          return !ids_.empty() && kills_left == 0;
        },
        kStepLimit);
    for (const int machine : leaving) {
      EXPECT_EQ(machines_.WaitForEnd(machine), 7) << machines_.log(machine);
    }
    const std::int64_t done = Workload::Now();
    machines_.WaitUntil("a write succeeds",
                        [&] { return workload_->FirstWriteAfter(done).has_value(); });
    const std::int64_t end = Workload::Now();
    const auto stretch =
        std::chrono::duration_cast<milliseconds>(workload_->LongestWithoutWrite(begin, end));
    stretches_[name.substr(0, name.find(' '))].push_back(stretch);
    std::printf("%-18s took %5lld ms, longest stretch without a successful write %5lld ms%s\n",
                name.c_str(), static_cast<long long>((end - begin) / 1'000'000),
                static_cast<long long>(stretch.count()), killed_.c_str());
    std::fflush(stdout);
    killed_.clear();
    members_ = after;
  }

  void KillOne(const std::vector<int>& alive) {
    const int machine = alive[random_.Below(alive.size())];
    if (!machines_.running(machine)) {
      return;  // it has left
    }
    machines_.Kill(machine);
    ++kills_;
    killed_ += killed_.empty() ? "  killed machine " : ", ";
    killed_ += std::to_string(machine);
    std::this_thread::sleep_for(milliseconds(random_.Between(0, 400)));
    machines_.Restart(machine);
  }

  Machines machines_;
  Random random_;
  const std::uint64_t kills_per_step_;
  std::vector<int> members_;  // machines
  std::map<int, std::uint64_t> ids_;
  std::optional<Workload> workload_;
  std::optional<Writer> writer_;
  std::map<std::string, std::vector<milliseconds>> stretches_;  // by kind of step
  int kills_ = 0;
  std::string killed_;
};

history::Verdict VerdictOf(const history::History& history) {
  const auto report = history::CheckLinearizability(history, {.steps_max = 200'000'000});
  if (!report.ok()) {
    ADD_FAILURE() << report.status();
    return history::Verdict::kIllegal;
  }
  if (!report->violations.empty()) {
    std::cout << report->violations.front().text << std::endl;
  }
  return report->verdict;
}

// Alters one read so that it saw a value that had been overwritten before it was called. False if
// there is none to alter.
bool MakeStale(history::History& history) {
  const auto is = [](const history::Operation& operation, history::Action action) {
    return operation.outcome == history::Outcome::kOk && operation.action == action;
  };
  auto& operations = history.operations;
  for (auto get = operations.rbegin(); get != operations.rend(); ++get) {
    if (!is(*get, history::Action::kGet)) {
      continue;
    }
    std::optional<history::Operation> old;  // a put, and another one after it
    for (const history::Operation& put : operations) {
      if (!is(put, history::Action::kPut) || put.key != get->key) {
        continue;
      }
      if (!old) {
        old = put;
      } else if (old->returned_at < put.called_at && put.returned_at < get->called_at) {
        get->seen = old->value;
        return true;
      }
    }
  }
  return false;
}

TEST(ChurnTest, NothingIsLostOrStaleWhileEveryNodeIsReplacedAndNodesAreKilled) {
  const storage::TemporaryFolder folder;
  Churn churn(folder.path());
  for (int round = 0; round < FromEnvironment("LOCKSTEP_CHURN_ROUNDS", 1); ++round) {
    churn.Round();
  }
  history::History history = churn.Finish();
  if (const char* file = std::getenv("LOCKSTEP_HISTORY")) {
    const absl::Status written = history::WriteHistoryFile(history, file);
    EXPECT_TRUE(written.ok()) << written;
  }
  const auto done = std::count_if(
      history.operations.begin(), history.operations.end(),
      [](const auto& operation) { return operation.outcome == history::Outcome::kOk; });
  std::cout << history.operations.size() << " operations, " << done << " done" << std::endl;
  EXPECT_GT(done, 1000) << "too little load to prove anything";
  EXPECT_EQ(VerdictOf(history), history::Verdict::kLinearizable);
  ASSERT_TRUE(MakeStale(history));
  std::cout << "one read made stale:" << std::endl;
  EXPECT_EQ(VerdictOf(history), history::Verdict::kIllegal);
}

}  // namespace
}  // namespace lockstep::e2e
