// The checker against histories with known verdicts (those of Porcupine, Knossos and Elle, and
// recordings of etcd), where they lie beside the repository.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sim/history_file.h"
#include "sim/oracles/linearizability.h"
#include "sim/oracles/linearizability_model.h"
#include "tests/sim/given_histories.h"

namespace lockstep::sim::history {
namespace {

class GivenHistoriesTest : public testing::Test {
 protected:
  void SetUp() override {
    if (given_.empty()) GTEST_SKIP() << "no histories in \"" << GivenHistoriesFolder() << "\"";
  }

  std::vector<GivenHistory> given_ = GivenHistories();
};

// The orders that the checker claims, executed on the plain model, return what the history says.
void ExpectWitness(const History& history, const CheckReport& report, const std::string& file) {
  for (const std::vector<std::size_t>& order : report.orders) {
    PlainModel model(history);
    for (const std::size_t position : order) {
      ASSERT_TRUE(model.Execute(history.operations[position])) << file << " #" << position + 1;
    }
  }
}

TEST_F(GivenHistoriesTest, GetTheVerdictsThatAreKnown) {
  for (const GivenHistory& one : given_) {
    const auto history = ReadHistoryFile(one.path);
    ASSERT_TRUE(history.ok()) << history.status();
    EXPECT_EQ(Name(history->model), one.model) << one.file;
    const CheckReport report = CheckLinearizability(*history, {.witness = true}).value();
    EXPECT_EQ(Name(report.verdict),
              Name(one.linearizable ? Verdict::kLinearizable : Verdict::kIllegal))
        << one.file;
    EXPECT_EQ(report.violations.empty(), one.linearizable) << one.file;
    ExpectWitness(*history, report, one.file);
  }
}

TEST_F(GivenHistoriesTest, KeepTheirVerdictsAsHistoriesOfOurOwnModel) {
  for (const GivenHistory& one : given_) {
    if (one.model != "kv") continue;
    const auto history = ReadHistoryFile(one.path, Model::kStore);
    if (!history.ok()) continue;  // it appends, which our store does not
    const CheckReport report = CheckLinearizability(*history, {.explain = false}).value();
    EXPECT_EQ(report.verdict == Verdict::kLinearizable, one.linearizable) << one.file;
  }
}

TEST_F(GivenHistoriesTest, AreTheSameAfterBeingWrittenAndRead) {
  for (const GivenHistory& one : given_) {
    const auto history = ReadHistoryFile(one.path);
    ASSERT_TRUE(history.ok()) << history.status();
    std::stringstream file;
    WriteHistory(*history, file);
    const auto again = ReadHistory(file, one.file);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(*again, *history) << one.file;
  }
}

}  // namespace
}  // namespace lockstep::sim::history
