// A hunt counts, groups, remembers and goes on. Runs are made up: what a seed does is up to the
// test.

#include "sim/hunt.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>

#include "sim/hunt_record.h"
#include "sim/plan_draw.h"
#include "sim/plan_text.h"

namespace lockstep::sim {
namespace {

using Json = nlohmann::json;

std::string Read(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class HuntTest : public testing::Test {
 protected:
  HuntTest() { std::filesystem::remove_all(folder_); }
  ~HuntTest() override { std::filesystem::remove_all(folder_); }

  // Runs that fail as `fails` says, by the plan's seed.
  static RunFunction Runs(const std::function<std::optional<Failure>(std::uint64_t)>& fails) {
    return [=](const Plan& plan, const RunOptions& options) {
      RunResult result;
      result.events = 1000 - plan.seed;  // later seeds are quicker
      result.simulated = Seconds(1);
      result.faults[static_cast<std::size_t>(FaultKind::kPause)] = 2;
      result.probes.Count(Probe::kSplitVote);
      result.failure = fails(plan.seed);
      if (options.trace != nullptr) {
        std::fputs("the trace\n", options.trace);
      }
      return result;
    };
  }
  static std::optional<Failure> Never(std::uint64_t) { return std::nullopt; }

  // The exit code; the summary is in json_ then.
  int Hunt(HuntOptions options) {
    options.json = true;
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const int code = sim::Hunt(options, "lockstep-sim");
    said_ = testing::internal::GetCapturedStderr();
    const std::string out = testing::internal::GetCapturedStdout();
    json_ = out.empty() ? Json() : Json::parse(out);
    return code;
  }

  const std::string folder_ = testing::TempDir() + "hunt_test_" + std::to_string(getpid());
  std::string said_;
  Json json_;
};

TEST_F(HuntTest, CountsWhatEverySeedDid) {
  EXPECT_EQ(Hunt({.first_seed = 7, .seeds = 300, .jobs = 3, .run = Runs(Never)}), kExitClean);
  EXPECT_EQ(json_["seeds"], 300);
  EXPECT_EQ(json_["simulated_seconds"], 300);
  EXPECT_EQ(json_["faults"]["pause"], 600);
  EXPECT_EQ(json_["faults"]["crash"], 0);
  EXPECT_EQ(json_["probes"]["split vote"], 300);
  EXPECT_EQ(json_["verdict"], "clean");
  // ln 20 is 2.996.
  EXPECT_NE(said_.find("one seed in 100 would have been missed with a probability of 5 %"),
            std::string::npos)
      << said_;
  EXPECT_NE(said_.find("300 passed, 0 failed\n"), std::string::npos) << said_;
}

TEST_F(HuntTest, AProbeThatIsNeverReachedFailsIfTheyAreRequired) {
  EXPECT_EQ(Hunt({.seeds = 10, .require_probes = true, .run = Runs(Never)}), kExitFailure);
  EXPECT_EQ(json_["verdict"], "never reached");
  EXPECT_NE(said_.find("never reached: leader elected\n"), std::string::npos);
  EXPECT_EQ(said_.find("never reached: split vote"), std::string::npos);
  EXPECT_EQ(said_.find("never reached: history too hard"), std::string::npos);
  const RunFunction all = [](const Plan&, const RunOptions&) {
    RunResult result;
    result.probes.counts.fill(1);
    result.probes.counts[static_cast<std::size_t>(Probe::kHistoryTooHardToCheck)] = 0;
    return result;
  };
  EXPECT_EQ(Hunt({.seeds = 10, .require_probes = true, .run = all}), kExitClean);
}

TEST_F(HuntTest, EndsAtTheFirstFailureUnlessToldToGoOn) {
  const RunFunction run = Runs([](std::uint64_t seed) {
    return seed >= 5 ? std::optional<Failure>(Failure{"digests", "at index 5"}) : std::nullopt;
  });
  EXPECT_EQ(Hunt({.seeds = 100, .shrink = false, .run = run}), kExitFailure);
  EXPECT_EQ(json_["seeds"], 5);
  EXPECT_EQ(json_["seed"], 5);
  EXPECT_EQ(json_["property"], "digests");
  EXPECT_EQ(Hunt({.seeds = 100, .keep_going = true, .shrink = false, .run = run}), kExitFailure);
  EXPECT_EQ(json_["seeds"], 100);
  EXPECT_EQ(json_["failed"], 96);
}

TEST_F(HuntTest, GroupsFailuresByCauseTheQuickestFirst) {
  const RunFunction run = Runs([](std::uint64_t seed) -> std::optional<Failure> {
    if (seed % 10 == 3) {
      return Failure{"digests", "nodes 1 and 2 differ at index " + std::to_string(seed)};
    }
    if (seed % 10 == 4) {
      return Failure{"digests", "node " + std::to_string(seed) + " has no digest"};
    }
    return std::nullopt;
  });
  EXPECT_EQ(Hunt({.seeds = 100, .jobs = 2, .keep_going = true, .shrink = false, .run = run}),
            kExitFailure);
  ASSERT_EQ(json_["causes"].size(), 2u);
  EXPECT_EQ(json_["causes"][0]["cause"], "digests: node N has no digest");
  EXPECT_EQ(json_["causes"][0]["seed"], 94);
  EXPECT_EQ(json_["causes"][0]["seeds"].size(), 10u);
  EXPECT_EQ(json_["causes"][1]["cause"], "digests: nodes N and N differ at index N");
  EXPECT_EQ(json_["causes"][1]["seed"], 93);
}

TEST_F(HuntTest, AWorkerThatCrashesIsAFailureOfItsSeed) {
  const RunFunction run = Runs([](std::uint64_t seed) -> std::optional<Failure> {
    if (seed == 4) {
      kill(getpid(), SIGKILL);
    }
    return std::nullopt;
  });
  EXPECT_EQ(Hunt({.seeds = 20, .jobs = 2, .keep_going = true, .shrink = false, .run = run}),
            kExitFailure);
  EXPECT_EQ(json_["seeds"], 20);
  EXPECT_EQ(json_["failed"], 1);
  EXPECT_EQ(json_["seed"], 4);
  EXPECT_EQ(json_["property"], kCrash);
}

TEST_F(HuntTest, ASeedThatHangsIsAFailureOfItsSeed) {
  const RunFunction run = Runs([](std::uint64_t seed) -> std::optional<Failure> {
    while (seed == 4) {
      pause();
    }
    return std::nullopt;
  });
  EXPECT_EQ(Hunt({.seeds = 20,
                  .jobs = 2,
                  .keep_going = true,
                  .shrink = false,
                  .seed_time_max = Seconds(1),
                  .run = run}),
            kExitFailure);
  EXPECT_EQ(json_["seeds"], 20);
  EXPECT_EQ(json_["failed"], 1);
  EXPECT_EQ(json_["seed"], 4);
  EXPECT_EQ(json_["property"], kHang);
}

TEST_F(HuntTest, AnExceptionIsAFailureOfItsSeed) {
  const RunFunction run = Runs([](std::uint64_t seed) -> std::optional<Failure> {
    if (seed == 2) {
      throw std::runtime_error("planted");
    }
    return std::nullopt;
  });
  EXPECT_EQ(Hunt({.seeds = 5, .shrink = false, .run = run}), kExitFailure);
  EXPECT_EQ(json_["causes"][0]["text"], "planted");
}

TEST_F(HuntTest, ShrinksAndLeavesArtifacts) {
  const RunFunction run = [](const Plan& plan, const RunOptions& options) {
    RunResult result;
    result.events = plan.operations.size();
    for (const Fault& fault : plan.faults) {
      if (fault.kind == FaultKind::kPause && !plan.operations.empty()) {
        result.failure = Failure{"the planted one", "paused"};
      }
    }
    if (options.trace != nullptr) {
      std::fputs("the trace\n", options.trace);
      std::fputs("the page\n", options.page);
    }
    return result;
  };
  EXPECT_EQ(Hunt({.seeds = 50, .folder = folder_, .run = run}), kExitFailure);
  ASSERT_EQ(json_["causes"].size(), 1u);
  const Json& shrunk = json_["causes"][0]["shrunk"];
  EXPECT_EQ(shrunk["after"]["faults"], 1);
  EXPECT_EQ(shrunk["after"]["operations"], 1);
  EXPECT_GT(shrunk["before"]["operations"], 1);

  const std::string artifacts = folder_ + "/01-the-planted-one";
  std::string error;
  EXPECT_EQ(ReadPlan(Read(artifacts + "/plan.txt"), &error),
            DrawPlan(json_["causes"][0]["seed"].get<std::uint64_t>()));
  const std::optional<Plan> small = ReadPlan(Read(artifacts + "/shrunk.txt"), &error);
  ASSERT_TRUE(small.has_value()) << error;
  EXPECT_EQ(small->faults.size(), 1u);
  EXPECT_EQ(Read(artifacts + "/output.txt"), "breaks: the planted one\npaused\n\nthe trace\n");
  EXPECT_EQ(Read(artifacts + "/story.html"), "the page\n");
  EXPECT_NE(Read(artifacts + "/repeat.txt").find("lockstep-sim run --seed"), std::string::npos);
  EXPECT_EQ(Json::parse(Read(folder_ + "/summary.json")), json_);
  EXPECT_NE(Read(folder_ + "/summary.txt").find("broken: the planted one"), std::string::npos);
}

TEST_F(HuntTest, AResumedHuntDoesEverySeedOnceAndReportsAll) {
  const RunFunction run = Runs(Never);
  // The first session is over after 30 seeds; two more were under way.
  EXPECT_EQ(Hunt({.seeds = 30, .jobs = 2, .folder = folder_, .run = run}), kExitClean);
  std::string error;
  std::optional<HuntRecord> record = ReadRecord(Read(folder_ + "/hunt.json"), &error);
  ASSERT_TRUE(record.has_value()) << error;
  EXPECT_TRUE(record->under_way.empty());
  record->under_way = {11, 29};
  record->seeds -= 2;
  std::ofstream(folder_ + "/hunt.json") << WriteRecord(*record);

  const std::string done = folder_ + "/done";
  const RunFunction told = [&](const Plan& plan, const RunOptions& options) {
    std::ofstream(done, std::ios::app) << plan.seed << "\n";
    return run(plan, options);
  };
  EXPECT_EQ(Hunt({.seeds = 40, .folder = folder_, .resume = true, .run = told}), kExitClean);
  EXPECT_EQ(json_["seeds"], 40);
  std::istringstream lines(Read(done));
  std::multiset<std::uint64_t> seeds;
  for (std::uint64_t seed = 0; lines >> seed;) {
    seeds.insert(seed);
  }
  EXPECT_EQ(seeds, (std::multiset<std::uint64_t>{11, 29, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40}));
}

TEST_F(HuntTest, AnInterruptedHuntGoesOnWhereItWas) {
  // In a process of its own, since being interrupted is remembered.
  const pid_t child = fork();
  if (child == 0) {
    const RunFunction slow = [](const Plan& plan, const RunOptions&) {
      usleep(plan.seed == 8 ? 60'000'000 : 1000);
      return RunResult();
    };
    testing::internal::CaptureStdout();
    _exit(sim::Hunt({.seeds = 1000, .jobs = 2, .folder = folder_, .run = slow}, "lockstep-sim"));
  }
  // Until it has saved something.
  while (Read(folder_ + "/hunt.json").find("\"next_seed\"") == std::string::npos) {
    usleep(10'000);
  }
  kill(child, SIGINT);
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), kExitInterrupted);
  std::string error;
  const std::optional<HuntRecord> record = ReadRecord(Read(folder_ + "/hunt.json"), &error);
  ASSERT_TRUE(record.has_value()) << error;
  EXPECT_TRUE(record->under_way.count(8) == 1);
  EXPECT_EQ(record->seeds + record->under_way.size(), record->next_seed - 1);
  EXPECT_EQ(Hunt({.seeds = 1000, .folder = folder_, .resume = true, .run = Runs(Never)}),
            kExitClean);
  EXPECT_EQ(json_["seeds"], 1000);
}

TEST_F(HuntTest, AFolderOfAnotherHuntIsRefused) {
  EXPECT_EQ(Hunt({.seeds = 3, .folder = folder_, .run = Runs(Never)}), kExitClean);
  EXPECT_EQ(Hunt({.seeds = 3, .folder = folder_, .run = Runs(Never)}), kExitUsage);
  EXPECT_NE(said_.find("--resume"), std::string::npos);
  EXPECT_EQ(
      Hunt({.first_seed = 2, .seeds = 3, .folder = folder_, .resume = true, .run = Runs(Never)}),
      kExitUsage);
  std::string error;
  HuntRecord record = *ReadRecord(Read(folder_ + "/hunt.json"), &error);
  record.program += "x";
  std::ofstream(folder_ + "/hunt.json") << WriteRecord(record);
  EXPECT_EQ(Hunt({.seeds = 3, .folder = folder_, .resume = true, .run = Runs(Never)}), kExitUsage);
  std::ofstream(folder_ + "/hunt.json") << "{\"lockstep_hunt\": 1, \"half";
  EXPECT_EQ(Hunt({.seeds = 3, .folder = folder_, .resume = true, .run = Runs(Never)}), kExitUsage);
}

TEST(HuntRecordTest, SurvivesItsText) {
  HuntRecord record;
  record.program = "this one";
  record.double_check = true;
  record.first_seed = 3;
  record.next_seed = 9;
  record.under_way = {4, 8};
  record.took = Milliseconds(17);
  RunResult result;
  result.events = 5;
  result.probes.Count(Probe::kSplitVote);
  result.faults[1] = 6;
  result.actions[2] = 7;
  result.operations = {.ok = 1, .failed = 2, .unknown = 3};
  result.failure = Failure{"digests", "a \"text\"\nof lines"};
  record.Count(4, result);
  std::string error;
  const std::optional<HuntRecord> read = ReadRecord(WriteRecord(record), &error);
  ASSERT_TRUE(read.has_value()) << error;
  EXPECT_EQ(WriteRecord(*read), WriteRecord(record));
  EXPECT_EQ(read->events, 10u) << "each seed is run twice";
  EXPECT_EQ(read->under_way, std::set<std::uint64_t>{8});
}

}  // namespace
}  // namespace lockstep::sim
