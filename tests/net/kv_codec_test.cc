#include "net/kv_codec.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "core/kv/requests.h"

namespace lockstep::net {
namespace {

std::string SomeString() { return *rc::gen::arbitrary<std::string>(); }

kv::Condition SomeCondition() {
  kv::Condition condition;
  condition.key = SomeString();
  condition.target = static_cast<kv::Target>(*rc::gen::inRange(1, 5));
  condition.comparison = static_cast<kv::Comparison>(*rc::gen::inRange(1, 5));
  condition.value = SomeString();
  condition.number = *rc::gen::arbitrary<std::uint64_t>();
  return condition;
}

kv::Operation SomeOperation() {
  const std::string key = SomeString();
  switch (*rc::gen::inRange(0, 3)) {
    case 0:
      return kv::Get{key};
    case 1:
      return kv::Put{key, SomeString()};
    default:
      return kv::Delete{key};
  }
}

std::optional<kv::KeyValue> SomeKeyValue() {
  if (*rc::gen::arbitrary<bool>()) {
    return std::nullopt;
  }
  kv::KeyValue key_value;
  key_value.key = SomeString();
  key_value.value = SomeString();
  key_value.create_revision = {*rc::gen::arbitrary<std::uint64_t>()};
  key_value.mod_revision = {*rc::gen::arbitrary<std::uint64_t>()};
  key_value.version = *rc::gen::arbitrary<std::uint64_t>();
  return key_value;
}

kv::OperationResult SomeResult() {
  std::optional<kv::KeyValue> key_value = SomeKeyValue();
  switch (*rc::gen::inRange(0, 3)) {
    case 0:
      return kv::GetResult{std::move(key_value)};
    case 1:
      return kv::PutResult{std::move(key_value)};
    default:
      return kv::DeleteResult{std::move(key_value)};
  }
}

template <class Make>
auto Several(Make make) {
  std::vector<decltype(make())> all;
  const int count = *rc::gen::inRange(0, 4);
  for (int i = 0; i < count; ++i) {
    all.push_back(make());
  }
  return all;
}

RC_GTEST_PROP(KvCodecTest, ATransactionArrivesAsItWasSent, ()) {
  kv::Transact sent;
  sent.session = {*rc::gen::inRange<std::uint64_t>(1, 100)};
  sent.acknowledged = *rc::gen::inRange<std::uint64_t>(0, 100);
  sent.sequence = sent.acknowledged + *rc::gen::inRange<std::uint64_t>(1, 100);
  sent.transaction.conditions = Several(SomeCondition);
  sent.transaction.then = Several(SomeOperation);
  sent.transaction.otherwise = Several(SomeOperation);

  v1::TxnRequest request = EncodeTransaction(sent.transaction);
  request.mutable_session()->set_id(sent.session.value);
  request.mutable_session()->set_sequence(sent.sequence);
  request.mutable_session()->set_acknowledged(sent.acknowledged);
  const absl::StatusOr<kv::Transact> decoded = DecodeRequest(std::move(request));
  RC_ASSERT(decoded.ok());
  RC_ASSERT(*decoded == sent);
}

RC_GTEST_PROP(KvCodecTest, ATransactionsResultArrivesAsItWasSent, ()) {
  kv::TransactionResult sent;
  sent.succeeded = *rc::gen::arbitrary<bool>();
  sent.revision = {*rc::gen::arbitrary<std::uint64_t>()};
  sent.results = Several(SomeResult);
  v1::TxnResponse response;
  EncodeResponse(sent, &response);
  const absl::StatusOr<kv::TransactionResult> decoded = DecodeResponse(std::move(response));
  RC_ASSERT(decoded.ok());
  RC_ASSERT(*decoded == sent);
}

TEST(KvCodecTest, ARequestWithoutASessionIsOutsideAny) {
  v1::PutRequest request;
  request.set_key("k");
  request.set_value("v");
  const absl::StatusOr<kv::Transact> command = DecodeRequest(request);
  ASSERT_TRUE(command.ok());
  EXPECT_EQ(command->session, SessionId());
  EXPECT_EQ(command->sequence, 0u);
  EXPECT_EQ(command->transaction, kv::PutTransaction("k", "v"));
}

// A session's id, sequence and acknowledged, and the field that the error must name.
struct BadSession {
  std::uint64_t id;
  std::uint64_t sequence;
  std::uint64_t acknowledged;
  const char* field;
};

TEST(KvCodecTest, AnIllFormedSessionIsRefusedByTheFieldsName) {
  const BadSession cases[] = {
      {0, 1, 0, "session.id"},
      {1, 0, 0, "session.sequence"},
      {1, 3, 3, "session.acknowledged"},
      {1, 3, 4, "session.acknowledged"},
  };
  for (const BadSession& c : cases) {
    v1::DeleteRequest request;
    request.set_key("k");
    request.mutable_session()->set_id(c.id);
    request.mutable_session()->set_sequence(c.sequence);
    request.mutable_session()->set_acknowledged(c.acknowledged);
    const absl::StatusOr<kv::Transact> command = DecodeRequest(request);
    ASSERT_FALSE(command.ok()) << c.field;
    EXPECT_EQ(command.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(std::string(command.status().message()).find(c.field), std::string::npos)
        << command.status();
  }
}

TEST(KvCodecTest, AnIllFormedTransactionIsRefusedByTheFieldsName) {
  v1::TxnRequest no_target;
  no_target.add_conditions()->set_comparison(v1::Condition::EQUAL);
  v1::TxnRequest no_comparison;
  no_comparison.add_conditions()->set_target(v1::Condition::VALUE);
  v1::TxnRequest no_operation;
  no_operation.add_then()->mutable_get()->set_key("k");
  no_operation.add_then();
  v1::TxnRequest unknown_target;
  unknown_target.add_conditions()->set_target(static_cast<v1::Condition::Target>(77));
  const std::pair<v1::TxnRequest, const char*> cases[] = {
      {no_target, "conditions[0]: target"},
      {no_comparison, "conditions[0]: comparison"},
      {no_operation, "then[1]: operation"},
      {unknown_target, "conditions[0]: target"},
  };
  for (const auto& [request, field] : cases) {
    const absl::StatusOr<kv::Transact> command = DecodeRequest(request);
    ASSERT_FALSE(command.ok()) << field;
    EXPECT_NE(std::string(command.status().message()).find(field), std::string::npos)
        << command.status();
  }
}

TEST(KvCodecTest, ASessionsTimeToLiveMustFitInNanoseconds) {
  v1::OpenSessionRequest request;
  request.set_time_to_live_ms(1500);
  EXPECT_EQ(DecodeRequest(request)->time_to_live, Milliseconds(1500));
  for (const std::int64_t bad : {std::int64_t{0}, std::int64_t{-1},
                                 std::numeric_limits<std::int64_t>::max() / 1'000'000 + 1}) {
    request.set_time_to_live_ms(bad);
    EXPECT_EQ(DecodeRequest(request).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

TEST(KvCodecTest, AReadKeepsItsConsistency) {
  for (const Consistency consistency :
       {Consistency::kLinearizable, Consistency::kLease, Consistency::kSerializable,
        Consistency::kBoundedStaleness}) {
    const Duration max_age =
        consistency == Consistency::kBoundedStaleness ? Milliseconds(1500) : Duration{};
    const absl::StatusOr<Read> read = DecodeRequest(
        EncodeRead({.keys = {"a", "b"}, .consistency = consistency, .max_age = max_age}));
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->keys, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(read->consistency, consistency);
    EXPECT_EQ(read->max_age, max_age);
  }
  v1::GetRequest plain;
  plain.add_keys("a");
  EXPECT_EQ(DecodeRequest(plain)->consistency, Consistency::kLinearizable);
  v1::GetRequest strange = plain;
  strange.set_consistency(static_cast<v1::GetRequest::Consistency>(17));
  EXPECT_EQ(DecodeRequest(strange).status().message(), "consistency, 17, is none");
  for (const std::int64_t bad :
       {std::int64_t{-1}, std::numeric_limits<std::int64_t>::max() / 1'000'000 + 1}) {
    plain.set_max_age_ms(bad);
    EXPECT_EQ(DecodeRequest(plain).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

TEST(KvCodecTest, AReadOfNothingIsRefused) {
  EXPECT_EQ(DecodeRequest(v1::GetRequest()).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(KvCodecTest, ACompareWithNothingMeansThatTheKeyMustBeAbsent) {
  v1::CompareAndSetRequest request;
  request.set_key("k");
  request.set_value("v");
  EXPECT_EQ(DecodeRequest(request)->transaction,
            kv::CompareAndSetTransaction("k", std::nullopt, "v"));
  request.set_expected("");
  EXPECT_EQ(DecodeRequest(request)->transaction, kv::CompareAndSetTransaction("k", "", "v"));
}

TEST(KvCodecTest, AConditionalWriteThatFailedShowsWhatIsThere) {
  const kv::KeyValue there{"k", "old", {3}, {4}, 2};
  const kv::TransactionResult failed{false, {9}, {kv::GetResult{there}}};
  v1::CompareAndSetResponse response;
  EncodeResponse(failed, &response);
  EXPECT_FALSE(response.succeeded());
  EXPECT_EQ(response.header().revision(), 9u);
  EXPECT_EQ(DecodeKeyValue(response.current()), there);

  const kv::TransactionResult absent{false, {9}, {kv::GetResult{}}};
  v1::CompareAndSetResponse of_absent;
  EncodeResponse(absent, &of_absent);
  EXPECT_FALSE(of_absent.has_current());

  const kv::TransactionResult done{true, {10}, {kv::PutResult{}}};
  v1::PutIfAbsentResponse succeeded;
  EncodeResponse(done, &succeeded);
  EXPECT_TRUE(succeeded.succeeded());
  EXPECT_FALSE(succeeded.has_current());
}

TEST(KvCodecTest, TheStatusHoldsAllThatTheReplicaSays) {
  Status status;
  status.cluster = {1};
  status.id = {2};
  status.role = Role::kLeader;
  status.term = {3};
  status.leader = {2};
  status.first_index = {4};
  status.last_index = {5};
  status.durable_index = {6};
  status.commit_index = {7};
  status.checkpoint_index = {8};
  status.summary = {{9}, {10}, {11}, {12}, 13};
  status.keys = 14;
  status.sessions = 15;
  status.pending_requests = 16;
  status.log_bytes = 17;
  status.commit_time = Duration{18};
  status.peers.push_back({{19}, {20}, {21}, "probe", 22, Duration{23}, Duration{24}});
  status.peers.push_back({{25}, {26}, {27}, "snapshot", 28, std::nullopt, std::nullopt});
  v1::StatusResponse response;
  EncodeStatus(status, &response);
  EXPECT_EQ(response.ShortDebugString(),
            "cluster_id: 1 node_id: 2 role: LEADER term: 3 leader_id: 2 first_index: 4 "
            "last_index: 5 durable_index: 6 commit_index: 7 checkpoint_index: 8 log_bytes: 17 "
            "applied_index: 9 applied_term: 10 cluster_time_ns: 11 revision: 12 digest: 13 "
            "keys: 14 sessions: 15 pending_requests: 16 commit_time_ns: 18 "
            "peers { node_id: 19 match_index: 20 next_index: 21 state: \"probe\" in_flight: 22 "
            "since_contact_ns: 23 replication_time_ns: 24 } "
            "peers { node_id: 25 match_index: 26 next_index: 27 state: \"snapshot\" "
            "in_flight: 28 }");
}

}  // namespace
}  // namespace lockstep::net
