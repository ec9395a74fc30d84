// A whole node in this process, asked over gRPC and HTTP as its clients do.

#include "server/node.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "net/proto/cluster.grpc.pb.h"
#include "net/proto/kv.grpc.pb.h"
#include "net/status.h"
#include "tests/e2e/http.h"
#include "tests/e2e/process.h"
#include "tests/storage/temporary_folder.h"

namespace lockstep::server {
namespace {

// A node of a cluster of `members`, of which no other runs.
Settings SettingsFor(const std::string& folder, int members) {
  Settings settings;
  settings.node_id = NodeId{1};
  settings.data_dir = folder;
  settings.election_timeout_ms = 60;
  settings.heartbeat_ms = 10;
  settings.limits.key_bytes_max = 16;
  settings.limits.value_bytes_max = 100;
  settings.limits.transaction_operations_max = 3;
  settings.limits.request_bytes_max = 300;
  const std::vector<int> ports = e2e::FreePorts(2 * members);
  for (int i = 0; i < members; ++i) {
    const auto port = [&ports](int n) {
      return static_cast<std::uint16_t>(ports[static_cast<std::size_t>(n)]);
    };
    settings.members[NodeId{static_cast<std::uint64_t>(i) + 1}] = {
        Address{"127.0.0.1", port(2 * i)}, Address{"127.0.0.1", port(2 * i + 1)}};
  }
  settings.listen_metrics = Address{"127.0.0.1", 0};
  return settings;
}

class NodeTest : public ::testing::Test {
 protected:
  void Start(int members = 1) {
    settings_ = SettingsFor(folder_.path(), members);
    auto started = Node::Start(settings_, &log_, {});
    ASSERT_TRUE(std::holds_alternative<std::unique_ptr<Node>>(started))
        << std::get<StartFailure>(started).text;
    node_ = std::get<std::unique_ptr<Node>>(std::move(started));
    channel_ = grpc::CreateChannel(node_->addresses().client.ToString(),
                                   grpc::InsecureChannelCredentials());
    kv_ = v1::Kv::NewStub(channel_);
    cluster_ = v1::Cluster::NewStub(channel_);
  }

  // As Start(), and waits until the node leads.
  void StartAndLead() {
    Start();
    for (int i = 0; i < 2000; ++i) {
      if (GetStatus().role() == v1::LEADER && GetStatus().applied_index() > 0) {
        return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    FAIL() << "the node does not lead";
  }

  v1::StatusResponse GetStatus() {
    grpc::ClientContext context;
    v1::StatusResponse response;
    EXPECT_TRUE(cluster_->Status(&context, v1::StatusRequest(), &response).ok());
    return response;
  }

  struct Answer {
    grpc::Status status;
    net::Error error;
  };

  Answer Put(const std::string& key, const std::string& value,
             std::chrono::milliseconds timeout = std::chrono::seconds(20)) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + timeout);
    v1::PutRequest request;
    request.set_key(key);
    request.set_value(value);
    v1::PutResponse response;
    Answer answer;
    answer.status = kv_->Put(&context, request, &response);
    if (!answer.status.ok()) {
      answer.error = net::ErrorOf(answer.status, context);
    }
    return answer;
  }

  // A unary call of a service whose .proto Debian does not install.
  std::string RawCall(const std::string& method, const std::string& request) {
    grpc::GenericStub stub(channel_);
    grpc::ClientContext context;
    const grpc::Slice slice(request);
    const grpc::ByteBuffer in(&slice, 1);
    grpc::ByteBuffer out;
    std::promise<grpc::Status> done;
    stub.UnaryCall(&context, method, grpc::StubOptions(), &in, &out,
                   [&done](const grpc::Status& status) { done.set_value(status); });
    const grpc::Status status = done.get_future().get();
    if (!status.ok()) {
      return status.error_message();
    }
    std::vector<grpc::Slice> slices;
    out.Dump(&slices);
    std::string text;
    for (const grpc::Slice& one : slices) {
      text.append(reinterpret_cast<const char*>(one.begin()), one.size());
    }
    return text;
  }

  // grpc.health.v1: HealthCheckRequest.service and HealthCheckResponse.status are field 1.
  std::string Health(const std::string& service) {
    const std::string request =
        service.empty() ? "" : std::string("\x0a") + static_cast<char>(service.size()) + service;
    return RawCall("/grpc.health.v1.Health/Check", request);
  }

  const storage::TemporaryFolder folder_;
  std::ostringstream log_text_;
  NodeLog log_{NodeId{1}, LogLevel::kInfo, LogFormat::kLogfmt,
               std::make_shared<spdlog::sinks::ostream_sink_mt>(log_text_)};
  Settings settings_;
  std::unique_ptr<Node> node_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Kv::Stub> kv_;
  std::unique_ptr<v1::Cluster::Stub> cluster_;
};

constexpr char kServing[] = "\x08\x01";
constexpr char kNotServing[] = "\x08\x02";

TEST_F(NodeTest, AnswersRequestsWithItsHeader) {
  StartAndLead();
  ASSERT_TRUE(Put("a", "1").status.ok());
  grpc::ClientContext context;
  v1::GetRequest request;
  request.add_keys("a");
  request.add_keys("b");
  v1::GetResponse response;
  ASSERT_TRUE(kv_->Get(&context, request, &response).ok());
  ASSERT_EQ(response.results_size(), 2);
  EXPECT_EQ(response.results(0).found().value(), "1");
  EXPECT_FALSE(response.results(1).has_found());
  EXPECT_EQ(response.header().cluster_id(), settings_.cluster_id().value);
  EXPECT_EQ(response.header().node_id(), 1u);
  EXPECT_GE(response.header().term(), 1u);
  EXPECT_EQ(response.header().revision(), 2u);
}

// Each request that cannot be right is refused with its cause, certainly changes nothing, and the
// next one is served.
TEST_F(NodeTest, RequestsBeyondALimitNameIt) {
  StartAndLead();
  struct Wrong {
    std::string key;
    std::string value;
    const char* named;
  };
  const Wrong kCases[] = {
      {"", "v", "key"}, {std::string(17, 'k'), "v", "16"}, {"k", std::string(101, 'v'), "100"}};
  const std::uint64_t before = GetStatus().revision();
  for (const Wrong& wrong : kCases) {
    const Answer answer = Put(wrong.key, wrong.value);
    EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_TRUE(answer.error.certain);
    EXPECT_NE(answer.error.text.find(wrong.named), std::string::npos) << answer.error.text;
  }
  EXPECT_EQ(GetStatus().revision(), before);
  EXPECT_TRUE(Put(std::string("\xff\x00\xfe", 3), "keys are bytes").status.ok());
}

TEST_F(NodeTest, ATransactionWithTooManyOperationsIsRefused) {
  StartAndLead();
  grpc::ClientContext context;
  v1::TxnRequest request;
  for (int i = 0; i < 4; ++i) {
    request.add_then()->mutable_get()->set_key("a");
  }
  v1::TxnResponse response;
  const grpc::Status status = kv_->Txn(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_NE(status.error_message().find("3"), std::string::npos) << status.error_message();
}

TEST_F(NodeTest, WithoutAQuorumARequestIsRefusedAndTheNodeSaysSo) {
  Start(3);
  const Answer answer = Put("a", "1", std::chrono::milliseconds(500));
  EXPECT_EQ(answer.error.kind, net::ErrorKind::kNotLeader);
  EXPECT_TRUE(answer.error.certain);
  EXPECT_EQ(Health(""), kServing);
  EXPECT_EQ(Health("lockstep.v1.Kv"), kNotServing);
}

TEST_F(NodeTest, HealthFollowsWhetherThereIsALeader) {
  StartAndLead();
  for (int i = 0; i < 1000 && Health("lockstep.v1.Kv") != kServing; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(Health("lockstep.v1.Kv"), kServing);
}

TEST_F(NodeTest, StatusTellsWhatTheNodeKnows) {
  StartAndLead();
  const v1::StatusResponse status = GetStatus();
  EXPECT_EQ(status.cluster_id(), settings_.cluster_id().value);
  EXPECT_EQ(status.leader_address(), node_->addresses().client.ToString());
  EXPECT_EQ(status.members_size(), 1);
  EXPECT_GT(status.log_db_bytes(), 0u);
  EXPECT_GT(status.state_db_bytes(), 0u);
  EXPECT_GT(status.uptime_ns(), 0);
  EXPECT_FALSE(status.version().empty());
}

TEST_F(NodeTest, TheMembershipIsShownAndChangedOverGrpc) {
  StartAndLead();
  v1::MembersResponse members;
  const auto call = [this](auto method, const auto& request, auto* response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    Answer answer;
    answer.status = (cluster_.get()->*method)(&context, request, response);
    if (!answer.status.ok()) {
      answer.error = net::ErrorOf(answer.status, context);
    }
    return answer;
  };
  using Stub = v1::Cluster::Stub;
  ASSERT_TRUE(call(&Stub::Members, v1::MembersRequest(), &members).status.ok());
  ASSERT_EQ(members.members_size(), 1);
  EXPECT_EQ(members.leader_id(), 1u);
  EXPECT_EQ(members.members(0).standing(), v1::Member::VOTER);
  EXPECT_EQ(members.members(0).client_address(), node_->addresses().client.ToString());

  v1::JoinClusterRequest join;
  join.set_cluster_id(settings_.cluster_id().value);
  join.set_incarnation(42);
  join.set_peer_address("127.0.0.1:1");
  join.set_client_address("127.0.0.1:2");
  v1::JoinClusterResponse joined;
  for (int i = 0; i < 2; ++i) {  // the second time it is the same member
    ASSERT_TRUE(call(&Stub::JoinCluster, join, &joined).status.ok());
    EXPECT_EQ(joined.node_id(), 2u);
  }
  EXPECT_EQ(joined.cluster_id(), settings_.cluster_id().value);
  ASSERT_EQ(GetStatus().members_size(), 2);
  EXPECT_EQ(GetStatus().members(1).peer_address(), "127.0.0.1:1");
  EXPECT_EQ(GetStatus().members(1).standing(), v1::Member::LEARNER);

  join.set_cluster_id(8);
  Answer answer = call(&Stub::JoinCluster, join, &joined);
  EXPECT_EQ(answer.error.kind, net::ErrorKind::kInvalid);
  EXPECT_TRUE(answer.error.certain);
  EXPECT_NE(answer.error.text.find("named 'lockstep'"), std::string::npos) << answer.error.text;

  v1::UpdateMemberRequest update;
  update.set_node_id(2);
  update.set_peer_address("127.0.0.1:3");
  ASSERT_TRUE(call(&Stub::UpdateMember, update, &members).status.ok());
  ASSERT_EQ(members.members_size(), 2);
  EXPECT_EQ(members.members(1).peer_address(), "127.0.0.1:3");
  EXPECT_EQ(members.members(1).client_address(), "127.0.0.1:2");

  // Nobody listens there: it cannot have caught up.
  v1::PromoteRequest promote;
  promote.set_node_id(2);
  answer = call(&Stub::Promote, promote, &members);
  EXPECT_EQ(answer.error.kind, net::ErrorKind::kNotReady);
  EXPECT_NE(answer.error.text.find("has not caught up"), std::string::npos) << answer.error.text;
  v1::TransferLeadershipResponse transferred;
  answer = call(&Stub::TransferLeadership, v1::TransferLeadershipRequest(), &transferred);
  EXPECT_EQ(answer.error.kind, net::ErrorKind::kNotReady);

  v1::LeaveClusterRequest leave;
  leave.set_node_id(2);
  ASSERT_TRUE(call(&Stub::LeaveCluster, leave, &members).status.ok());
  EXPECT_EQ(members.members_size(), 1);
  leave.set_node_id(1);
  answer = call(&Stub::LeaveCluster, leave, &members);
  EXPECT_EQ(answer.error.kind, net::ErrorKind::kInvalid) << "no voter would be left";
  leave.set_node_id(0);
  EXPECT_EQ(call(&Stub::LeaveCluster, leave, &members).error.text, "node_id: 0 is not a node's id");
  EXPECT_TRUE(Put("a", "1").status.ok());
}

TEST_F(NodeTest, MetricsAreServedFromTheStart) {
  StartAndLead();
  ASSERT_TRUE(Put("a", "1").status.ok());
  ASSERT_FALSE(Put("", "1").status.ok());
  const std::string text = e2e::HttpGet(node_->addresses().metrics->port, "/metrics");
  for (const char* line :
       {"\nlockstep_requests_total{code=\"OK\",method=\"Put\"} 1",
        "\nlockstep_requests_total{code=\"INVALID_ARGUMENT\",method=\"Put\"} 1",
        "\nlockstep_is_leader 1", "\nlockstep_elections_won_total 1", "\nlockstep_keys 1",
        "\nlockstep_request_duration_seconds_count{method=\"Put\"} 2",
        "\nlockstep_database_size_bytes{database=\"log\"} ", "\nprocess_resident_memory_bytes "}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
  }
}

// Every name that is served is in the table, so that the table can be trusted.
TEST_F(NodeTest, EveryMetricIsDocumented) {
  StartAndLead();
  std::ifstream file(LOCKSTEP_SOURCE_ROOT "/docs/metrics.md");
  const std::string documented((std::istreambuf_iterator<char>(file)),
                               std::istreambuf_iterator<char>());
  ASSERT_FALSE(documented.empty());
  std::istringstream text(e2e::HttpGet(node_->addresses().metrics->port, "/metrics"));
  int names = 0;
  for (std::string line; std::getline(text, line);) {
    std::istringstream words(line);
    std::string hash, type, name;
    words >> hash >> type >> name;
    if (hash == "#" && type == "TYPE" && name.rfind("exposer_", 0) != 0) {
      ++names;
      EXPECT_NE(documented.find("`" + name + "`"), std::string::npos) << name;
    }
  }
  EXPECT_GT(names, 40);
}

TEST_F(NodeTest, AnAddressInUseIsNamedBeforeDataIsTouched) {
  Start();
  Settings second = SettingsFor(folder_.path() + "/second", 1);
  second.members.at(NodeId{1}).client = node_->addresses().client;
  const auto started = Node::Start(second, &log_, {});
  ASSERT_TRUE(std::holds_alternative<StartFailure>(started));
  const StartFailure& failure = std::get<StartFailure>(started);
  EXPECT_EQ(failure.code, ExitCode::kAddressInUse);
  EXPECT_EQ(failure.text, "listen-client: cannot listen on " +
                              node_->addresses().client.ToString() + ": Address already in use");
  EXPECT_FALSE(std::filesystem::exists(second.data_dir));
}

TEST_F(NodeTest, ADataFolderInUseIsNamed) {
  Start();
  const Settings second = SettingsFor(folder_.path(), 1);
  const auto started = Node::Start(second, &log_, {});
  ASSERT_TRUE(std::holds_alternative<StartFailure>(started));
  EXPECT_EQ(std::get<StartFailure>(started).code, ExitCode::kDataFolder);
  EXPECT_NE(std::get<StartFailure>(started).text.find("log.db"), std::string::npos);
}

TEST_F(NodeTest, ANodeThatLostItsFilesDoesNotStartAgain) {
  Settings settings = SettingsFor(folder_.path(), 1);
  settings.expects_data = true;
  auto started = Node::Start(settings, &log_, {});
  ASSERT_TRUE(std::holds_alternative<StartFailure>(started));
  EXPECT_EQ(std::get<StartFailure>(started).code, ExitCode::kDataFolder);
  EXPECT_NE(std::get<StartFailure>(started).text.find("has been started before"), std::string::npos)
      << std::get<StartFailure>(started).text;
  // With its files it does.
  StartAndLead();
  EXPECT_TRUE(node_->Stop(Seconds(20)));
  node_.reset();
  settings_.expects_data = true;
  started = Node::Start(settings_, &log_, {});
  EXPECT_TRUE(std::holds_alternative<std::unique_ptr<Node>>(started))
      << std::get<StartFailure>(started).text;
}

TEST_F(NodeTest, AStoppedNodeComesBackWithItsData) {
  StartAndLead();
  ASSERT_TRUE(Put("a", "1").status.ok());
  const std::uint64_t digest = GetStatus().digest();
  EXPECT_TRUE(node_->Stop(Seconds(20)));
  node_.reset();
  StartAndLead();
  EXPECT_EQ(GetStatus().keys(), 1u);
  EXPECT_NE(digest, 0u);
  EXPECT_NE(log_text_.str().find("event=recovered log_entries="), std::string::npos);
}

}  // namespace
}  // namespace lockstep::server
