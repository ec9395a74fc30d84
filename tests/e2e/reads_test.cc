// Reads of real processes: every member answers, and one that hears no leader says what it has or
// refuses.

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/e2e/cluster.h"
#include "tests/e2e/http.h"
#include "tests/storage/temporary_folder.h"

namespace lockstep::e2e {
namespace {

class ReadsTest : public testing::Test {
 protected:
  ReadsTest()
      : cluster_(folder_.path(),
                 {.nodes = 3, .flags = {"--election-timeout-ms=1000", "--lease-reads=on"}}) {}

  // A client that knows one node and learns of no other as long as that one answers.
  static std::unique_ptr<net::Client> ClientOf(const std::string& endpoint) {
    return net::Client::Connect({.endpoints = {endpoint}}).value();
  }

  static std::string Value(const net::Outcome<net::GetReply>& outcome) {
    if (!outcome.done()) {
      return "(" + (outcome.not_done() != nullptr ? outcome.not_done()->reason : "unknown") + ")";
    }
    return outcome.value().keys.front() ? outcome.value().keys.front()->value : "(absent)";
  }

  double ReadsBy(int node, const std::string& path) {
    const std::string address = cluster_.metrics_address(node);
    const int port = std::stoi(address.substr(address.rfind(':') + 1));
    const std::string text = HttpGet(port, "/metrics");
    const std::string series = "lockstep_reads_total{path=\"" + path + "\"} ";
    const std::size_t at = text.find(series);
    return at == std::string::npos ? -1 : std::stod(text.substr(at + series.size()));
  }

  const storage::TemporaryFolder folder_;
  Cluster cluster_;
};

TEST_F(ReadsTest, EveryMemberAnswersEveryRead) {
  const int leader = cluster_.WaitForLeader();
  const int follower = leader % 3 + 1;
  const auto writer = cluster_.NewClient();
  const auto by_leader = ClientOf(cluster_.client_address(leader));
  const auto by_follower = ClientOf(cluster_.client_address(follower));
  for (int i = 0; i < 20; ++i) {
    const std::string value = std::to_string(i);
    ASSERT_TRUE(writer->Put("k", value).done());
    EXPECT_EQ(Value(by_follower->Get("k")), value) << "all that was written before";
    EXPECT_EQ(Value(by_leader->Get("k", {}, {.consistency = Consistency::kLease})), value);
    EXPECT_EQ(Value(by_follower->Get("k", {}, {.consistency = Consistency::kLease})), value);
  }
  const net::ReadOptions bounded{.consistency = Consistency::kBoundedStaleness,
                                 .max_age = Seconds(60)};
  EXPECT_EQ(Value(by_follower->Get("k", {}, bounded)), "19") << "it has just asked";
  EXPECT_EQ(Value(by_follower->Get("k", {}, {.consistency = Consistency::kSerializable})), "19");
  EXPECT_GE(ReadsBy(follower, "forwarded"), 1);
  EXPECT_GE(ReadsBy(follower, "local"), 1);
  EXPECT_GE(ReadsBy(leader, "lease"), 1);
}

TEST_F(ReadsTest, AMemberThatHearsNoLeaderServesSerializableReads) {
  const int leader = cluster_.WaitForLeader();
  const int follower = leader % 3 + 1;
  const int other = follower % 3 + 1;
  ASSERT_TRUE(cluster_.NewClient()->Put("k", "v").done());
  cluster_.WaitForAgreement();
  cluster_.Pause(other);
  cluster_.Kill(leader);
  const auto client = ClientOf(cluster_.client_address(follower));
  const net::CallOptions soon{.timeout = Seconds(3)};
  const net::Outcome<net::GetReply> linearizable = client->Get("k", soon);
  ASSERT_NE(linearizable.not_done(), nullptr) << "a read is never unknown";
  const net::ReadOptions serializable{.consistency = Consistency::kSerializable};
  EXPECT_EQ(Value(client->Get("k", soon, serializable)), "v");
  cluster_.Resume(other);
  cluster_.WaitForLeader();
  EXPECT_EQ(Value(client->Get("k")), "v");
}

}  // namespace
}  // namespace lockstep::e2e
