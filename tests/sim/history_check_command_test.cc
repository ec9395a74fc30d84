#include <gtest/gtest.h>

#include <cstdio>
#include <sstream>
#include <string>
#include <vector>

#include "sim/check_command.h"
#include "sim/history_file.h"
#include "tests/sim/linearizability_histories.h"

namespace lockstep::sim {
namespace {

using history::Get;
using history::History;
using history::HistoryOf;
using history::Model;
using history::Ok;
using history::Put;

class CheckCommandTest : public testing::Test {
 private:
  std::vector<std::string> written_;

 protected:
  ~CheckCommandTest() override {
    for (const std::string& path : written_) std::remove(path.c_str());
  }

  std::string Write(const std::string& name, const History& history) {
    written_.push_back(testing::TempDir() + "check_command_test_" + name);
    EXPECT_TRUE(history::WriteHistoryFile(history, written_.back()).ok());
    return written_.back();
  }

  const std::string good_ =
      Write("good", HistoryOf(Model::kKv, {Ok({0, 1}, Put("k", "a")), Ok({2, 3}, Get("k", "a"))}));
  const std::string bad_ =
      Write("bad", HistoryOf(Model::kKv, {Ok({0, 1}, Put("k", "a")), Ok({2, 3}, Get("k"))}));
  std::ostringstream out_;
  std::ostringstream err_;
};

TEST_F(CheckCommandTest, ALinearizableHistoryIsSuccess) {
  EXPECT_EQ(CheckFiles({good_}, std::nullopt, out_, err_), 0);
  EXPECT_EQ(out_.str(), good_ + ": linearizable (kv, 2 operations, 1 key groups, 1 steps)\n");
  EXPECT_EQ(err_.str(), "");
}

TEST_F(CheckCommandTest, AnIllegalHistoryIsExplained) {
  EXPECT_EQ(CheckFiles({bad_, good_}, std::nullopt, out_, err_), 1);
  EXPECT_NE(out_.str().find(bad_ + ": not linearizable"), std::string::npos);
  EXPECT_NE(out_.str().find("#2  client 1  get k = absent"), std::string::npos);
  EXPECT_NE(out_.str().find(good_ + ": linearizable"), std::string::npos);
}

TEST_F(CheckCommandTest, BadInputIsNamedAndTheOthersAreChecked) {
  EXPECT_EQ(CheckFiles({"no/such/file", bad_, good_}, std::nullopt, out_, err_), 2);
  EXPECT_EQ(err_.str(), "no/such/file: No such file or directory\n");
  EXPECT_NE(out_.str().find(good_ + ": linearizable"), std::string::npos);
}

TEST_F(CheckCommandTest, AModelThatDoesNotFitIsBadInput) {
  EXPECT_EQ(CheckFiles({good_}, Model::kStore, out_, err_), 0);
  EXPECT_EQ(CheckFiles({good_}, Model::kTxn, out_, err_), 2);
  EXPECT_EQ(err_.str(), good_ + ":2: model txn has no operation put\n");
}

}  // namespace
}  // namespace lockstep::sim
