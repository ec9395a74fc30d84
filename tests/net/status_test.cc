#include "net/status.h"

#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "net/proto/kv.grpc.pb.h"
#include "tests/net/fake_kv.h"

namespace lockstep::net {
namespace {

// One row of the table in net/status.h.
struct Row {
  Error error;
  grpc::StatusCode code;
  bool certain;
};

Error NotLeader() {
  return FromRefusal({RefusalKind::kNotLeader, {3}, "follower"}, "127.0.0.1:1234");
}

std::vector<Row> Table() {
  using grpc::StatusCode;
  return {
      {NotLeader(), StatusCode::UNAVAILABLE, true},
      {FromRefusal({RefusalKind::kOverloaded, {}, "full"}, ""), StatusCode::RESOURCE_EXHAUSTED,
       true},
      {FromRefusal({RefusalKind::kInvalid, {}, "key is empty"}, ""), StatusCode::INVALID_ARGUMENT,
       true},
      {FromRefusal({RefusalKind::kDropped, {}, "overwritten"}, ""), StatusCode::ABORTED, true},
      {FromRefusal({RefusalKind::kUnknown, {}, "deposed"}, ""), StatusCode::UNKNOWN, false},
      {FromCommandError(kv::CommandError::kUnknownSession), StatusCode::FAILED_PRECONDITION, true},
      {FromCommandError(kv::CommandError::kAcknowledged), StatusCode::FAILED_PRECONDITION, true},
      {FromCommandError(kv::CommandError::kTooManyUnacknowledged), StatusCode::RESOURCE_EXHAUSTED,
       true},
      {FromCommandError(kv::CommandError::kTooManySessions), StatusCode::RESOURCE_EXHAUSTED, true},
      {FromCommandError(kv::CommandError::kUndecodable), StatusCode::UNIMPLEMENTED, true},
      {InvalidError("keys is empty"), StatusCode::INVALID_ARGUMENT, true},
      {OverloadedError("queue"), StatusCode::RESOURCE_EXHAUSTED, true},
      {ShuttingDownError(), StatusCode::UNAVAILABLE, true},
      {UnknownError("stopped"), StatusCode::UNKNOWN, false},
  };
}

class StatusTest : public testing::Test {
 protected:
  // What a client gets of a read that is answered so.
  grpc::Status Ask(const FakeNode::Answer& answer, grpc::ClientContext* context) {
    node_.Script({answer});
    v1::GetRequest request;
    request.add_keys("k");
    v1::GetResponse response;
    return stub_->Get(context, request, &response);
  }

  FakeNode node_{std::make_shared<FakeCluster>()};
  std::unique_ptr<v1::Kv::Stub> stub_ =
      v1::Kv::NewStub(grpc::CreateChannel(node_.address(), grpc::InsecureChannelCredentials()));
};

TEST_F(StatusTest, EveryErrorArrivesAsItWasSentWithTheCodeOfTheTable) {
  for (const Row& row : Table()) {
    grpc::ClientContext context;
    const grpc::Status status = Ask({.step = {}, .error = row.error}, &context);
    EXPECT_EQ(status.error_code(), row.code) << row.error.text;
    EXPECT_EQ(ErrorOf(status, context), row.error) << row.error.text;
    EXPECT_EQ(row.error.certain, row.certain) << row.error.text;
  }
}

TEST_F(StatusTest, ABrokenConnectionLeavesOpenWhatHappened) {
  grpc::ClientContext context;
  const grpc::Status status =
      Ask({.step = FakeNode::Step::kLoseReply, .error = std::nullopt}, &context);
  const Error error = ErrorOf(status, context);
  // The same code as "not the leader", which is certain.
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(error.kind, ErrorKind::kUnknown);
  EXPECT_FALSE(error.certain);
}

TEST_F(StatusTest, ADeadlineThatPassedLeavesOpenWhatHappened) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(30));
  const grpc::Status status = Ask({.step = FakeNode::Step::kHang, .error = std::nullopt}, &context);
  const Error error = ErrorOf(status, context);
  EXPECT_EQ(error.kind, ErrorKind::kDeadline);
  EXPECT_FALSE(error.certain);
}

TEST(ErrorTest, NamesAreDistinct) {
  std::set<std::string_view> names;
  for (int kind = 1; kind <= static_cast<int>(ErrorKind::kClosed); ++kind) {
    EXPECT_TRUE(names.insert(Name(static_cast<ErrorKind>(kind))).second) << kind;
  }
}

}  // namespace
}  // namespace lockstep::net
