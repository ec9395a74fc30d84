// A violation of linearizability names the few operations that show it.

#include "sim/oracles/linearizability_proof.h"

#include <gtest/gtest.h>

namespace lockstep::sim::history {
namespace {

Operation Put(std::int64_t client, const char* key, const char* value, std::int64_t at) {
  return {.client = client,
          .action = Action::kPut,
          .outcome = Outcome::kOk,
          .called_at = at,
          .returned_at = at + 1,
          .key = key,
          .value = value};
}

TEST(LinearizabilityProofTest, AStaleReadIsShownByWhatItSawAndByWhatItShouldHaveSeen) {
  History history;
  history.model = Model::kStore;
  history.operations = {Put(0, "x", "old", 0),
                        Put(0, "y", "other", 2),
                        Put(1, "x", "new", 4),
                        {.client = 2,
                         .action = Action::kGet,
                         .outcome = Outcome::kOk,
                         .called_at = 8,
                         .returned_at = 9,
                         .key = "x",
                         .seen = "old"}};
  const absl::StatusOr<CheckReport> report = CheckLinearizability(history);
  ASSERT_TRUE(report.ok());
  ASSERT_EQ(report->violations.size(), 1u);
  EXPECT_EQ(ProofOf(history, report->violations.front()), (std::vector<std::size_t>{3, 0, 2}));
}

}  // namespace
}  // namespace lockstep::sim::history
