#include "net/kv_codec.h"

#include <limits>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/assert.h"
#include "core/kv/requests.h"

namespace lockstep::net {
namespace {

constexpr std::int64_t kMillisecondsMax =
    std::numeric_limits<std::int64_t>::max() / Milliseconds(1).ns;

absl::Status CheckSession(const v1::Session& session) {
  if (session.id() == 0) {
    return absl::InvalidArgumentError("session.id is 0");
  }
  if (session.sequence() == 0) {
    return absl::InvalidArgumentError("session.sequence is 0; the first is 1");
  }
  if (session.acknowledged() >= session.sequence()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("session.acknowledged, %u, is not below session.sequence, %u",
                        session.acknowledged(), session.sequence()));
  }
  return absl::OkStatus();
}

template <class Request>
absl::StatusOr<kv::Transact> Command(const Request& request, kv::Transaction transaction) {
  kv::Transact command;
  if (request.has_session()) {
    if (absl::Status status = CheckSession(request.session()); !status.ok()) {
      return status;
    }
    command.session = {request.session().id()};
    command.sequence = request.session().sequence();
    command.acknowledged = request.session().acknowledged();
  }
  command.transaction = std::move(transaction);
  return command;
}

absl::StatusOr<kv::Condition> Decode(v1::Condition* condition) {
  kv::Condition decoded{.key = std::move(*condition->mutable_key()),
                        .value = std::move(*condition->mutable_value()),
                        .number = condition->number()};
  switch (condition->target()) {
    case v1::Condition::VALUE:
      decoded.target = kv::Target::kValue;
      break;
    case v1::Condition::VERSION:
      decoded.target = kv::Target::kVersion;
      break;
    case v1::Condition::CREATE_REVISION:
      decoded.target = kv::Target::kCreateRevision;
      break;
    case v1::Condition::MOD_REVISION:
      decoded.target = kv::Target::kModRevision;
      break;
    default:
      return absl::InvalidArgumentError("target is missing or unknown");
  }
  switch (condition->comparison()) {
    case v1::Condition::EQUAL:
      decoded.comparison = kv::Comparison::kEqual;
      break;
    case v1::Condition::NOT_EQUAL:
      decoded.comparison = kv::Comparison::kNotEqual;
      break;
    case v1::Condition::LESS:
      decoded.comparison = kv::Comparison::kLess;
      break;
    case v1::Condition::GREATER:
      decoded.comparison = kv::Comparison::kGreater;
      break;
    default:
      return absl::InvalidArgumentError("comparison is missing or unknown");
  }
  return decoded;
}

void Encode(const kv::Condition& condition, v1::Condition* out) {
  out->set_key(condition.key);
  switch (condition.target) {
    case kv::Target::kValue:
      out->set_target(v1::Condition::VALUE);
      break;
    case kv::Target::kVersion:
      out->set_target(v1::Condition::VERSION);
      break;
    case kv::Target::kCreateRevision:
      out->set_target(v1::Condition::CREATE_REVISION);
      break;
    case kv::Target::kModRevision:
      out->set_target(v1::Condition::MOD_REVISION);
      break;
  }
  switch (condition.comparison) {
    case kv::Comparison::kEqual:
      out->set_comparison(v1::Condition::EQUAL);
      break;
    case kv::Comparison::kNotEqual:
      out->set_comparison(v1::Condition::NOT_EQUAL);
      break;
    case kv::Comparison::kLess:
      out->set_comparison(v1::Condition::LESS);
      break;
    case kv::Comparison::kGreater:
      out->set_comparison(v1::Condition::GREATER);
      break;
  }
  out->set_value(condition.value);
  out->set_number(condition.number);
}

absl::StatusOr<kv::Operation> Decode(v1::Operation* operation) {
  switch (operation->operation_case()) {
    case v1::Operation::kGet:
      return kv::Get{std::move(*operation->mutable_get()->mutable_key())};
    case v1::Operation::kPut:
      return kv::Put{std::move(*operation->mutable_put()->mutable_key()),
                     std::move(*operation->mutable_put()->mutable_value())};
    case v1::Operation::kDelete:
      return kv::Delete{std::move(*operation->mutable_delete_()->mutable_key())};
    case v1::Operation::OPERATION_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("operation is missing or of an unknown kind");
}

struct OperationEncoder {
  v1::Operation* out;

  void operator()(const kv::Get& get) const { out->mutable_get()->set_key(get.key); }
  void operator()(const kv::Put& put) const {
    out->mutable_put()->set_key(put.key);
    out->mutable_put()->set_value(put.value);
  }
  void operator()(const kv::Delete& erase) const { out->mutable_delete_()->set_key(erase.key); }
};

void Encode(const kv::KeyValue& key_value, v1::KeyValue* out) {
  out->set_key(key_value.key);
  out->set_value(key_value.value);
  out->set_create_revision(key_value.create_revision.value);
  out->set_mod_revision(key_value.mod_revision.value);
  out->set_version(key_value.version);
}

struct ResultEncoder {
  v1::OperationResult* out;

  void operator()(const kv::GetResult& result) const {
    v1::GetResult* get = out->mutable_get();
    if (result.found) {
      Encode(*result.found, get->mutable_found());
    }
  }
  void operator()(const kv::PutResult& result) const {
    v1::OperationResult::Put* put = out->mutable_put();
    if (result.previous) {
      Encode(*result.previous, put->mutable_previous());
    }
  }
  void operator()(const kv::DeleteResult& result) const {
    v1::OperationResult::Delete* erase = out->mutable_delete_();
    if (result.previous) {
      Encode(*result.previous, erase->mutable_previous());
    }
  }
};

absl::StatusOr<kv::OperationResult> Decode(v1::OperationResult* result) {
  switch (result->result_case()) {
    case v1::OperationResult::kGet: {
      kv::GetResult get;
      if (result->get().has_found()) {
        get.found = DecodeKeyValue(std::move(*result->mutable_get()->mutable_found()));
      }
      return get;
    }
    case v1::OperationResult::kPut: {
      kv::PutResult put;
      if (result->put().has_previous()) {
        put.previous = DecodeKeyValue(std::move(*result->mutable_put()->mutable_previous()));
      }
      return put;
    }
    case v1::OperationResult::kDelete: {
      kv::DeleteResult erase;
      if (result->delete_().has_previous()) {
        erase.previous = DecodeKeyValue(std::move(*result->mutable_delete_()->mutable_previous()));
      }
      return erase;
    }
    case v1::OperationResult::RESULT_NOT_SET:
      break;
  }
  return absl::InternalError("result is missing or of an unknown kind");
}

// Decodes each of `from` in order; an error says where it is.
template <class To, class From>
absl::Status DecodeAll(google::protobuf::RepeatedPtrField<From>* from, std::string_view field,
                       std::vector<To>* to) {
  to->reserve(static_cast<std::size_t>(from->size()));
  for (int i = 0; i < from->size(); ++i) {
    absl::StatusOr<To> decoded = Decode(from->Mutable(i));
    if (!decoded.ok()) {
      return absl::Status(
          decoded.status().code(),
          absl::StrFormat("%s[%d]: %s", field, i, std::string(decoded.status().message())));
    }
    to->push_back(*std::move(decoded));
  }
  return absl::OkStatus();
}

// The only result of a transaction that executed one operation of a known kind.
template <class Result>
const Result& OnlyResult(const kv::TransactionResult& result) {
  CORE_ASSERT(result.results.size() == 1);
  const Result* only = std::get_if<Result>(&result.results.front());
  CORE_ASSERT(only != nullptr);
  return *only;
}

template <class Response>
void EncodeConditional(const kv::TransactionResult& result, Response* response) {
  response->mutable_header()->set_revision(result.revision.value);
  response->set_succeeded(result.succeeded);
  if (result.succeeded) {
    return;
  }
  const kv::GetResult& get = OnlyResult<kv::GetResult>(result);
  if (get.found) {
    Encode(*get.found, response->mutable_current());
  }
}

v1::Role Encode(Role role) {
  switch (role) {
    case Role::kFollower:
      return v1::FOLLOWER;
    case Role::kPreCandidate:
      return v1::PRE_CANDIDATE;
    case Role::kCandidate:
      return v1::CANDIDATE;
    case Role::kLeader:
      return v1::LEADER;
  }
  CORE_ASSERT(false);
}

void Encode(const PeerStatus& peer, v1::PeerStatus* out) {
  out->set_node_id(peer.id.value);
  out->set_match_index(peer.match_index.value);
  out->set_next_index(peer.next_index.value);
  out->set_state(peer.state);
  out->set_in_flight(peer.in_flight);
  if (peer.since_contact) {
    out->set_since_contact_ns(peer.since_contact->ns);
  }
  if (peer.replication_time) {
    out->set_replication_time_ns(peer.replication_time->ns);
  }
}

}  // namespace

absl::StatusOr<kv::Transact> DecodeRequest(v1::PutRequest request) {
  return Command(request, kv::PutTransaction(std::move(*request.mutable_key()),
                                             std::move(*request.mutable_value())));
}

absl::StatusOr<kv::Transact> DecodeRequest(v1::DeleteRequest request) {
  return Command(request, kv::DeleteTransaction(std::move(*request.mutable_key())));
}

absl::StatusOr<kv::Transact> DecodeRequest(v1::PutIfAbsentRequest request) {
  return Command(request, kv::PutIfAbsentTransaction(std::move(*request.mutable_key()),
                                                     std::move(*request.mutable_value())));
}

absl::StatusOr<kv::Transact> DecodeRequest(v1::CompareAndSetRequest request) {
  std::optional<std::string> expected;
  if (request.has_expected()) {
    expected = std::move(*request.mutable_expected());
  }
  return Command(
      request, kv::CompareAndSetTransaction(std::move(*request.mutable_key()), std::move(expected),
                                            std::move(*request.mutable_value())));
}

absl::StatusOr<kv::Transact> DecodeRequest(v1::TxnRequest request) {
  kv::Transaction transaction;
  if (absl::Status status =
          DecodeAll(request.mutable_conditions(), "conditions", &transaction.conditions);
      !status.ok()) {
    return status;
  }
  if (absl::Status status = DecodeAll(request.mutable_then(), "then", &transaction.then);
      !status.ok()) {
    return status;
  }
  if (absl::Status status =
          DecodeAll(request.mutable_otherwise(), "otherwise", &transaction.otherwise);
      !status.ok()) {
    return status;
  }
  return Command(request, std::move(transaction));
}

absl::StatusOr<kv::OpenSession> DecodeRequest(const v1::OpenSessionRequest& request) {
  if (request.time_to_live_ms() <= 0 || request.time_to_live_ms() > kMillisecondsMax) {
    return absl::InvalidArgumentError(absl::StrFormat("time_to_live_ms, %d, is not from 1 to %d",
                                                      request.time_to_live_ms(), kMillisecondsMax));
  }
  return kv::OpenSession{Milliseconds(request.time_to_live_ms())};
}

v1::GetRequest EncodeRead(const Read& read) {
  v1::GetRequest request;
  for (const std::string& key : read.keys) {
    request.add_keys(key);
  }
  switch (read.consistency) {
    case Consistency::kLinearizable:
      break;
    case Consistency::kLease:
      request.set_consistency(v1::GetRequest::LEASE);
      break;
    case Consistency::kSerializable:
      request.set_consistency(v1::GetRequest::SERIALIZABLE);
      break;
    case Consistency::kBoundedStaleness:
      request.set_consistency(v1::GetRequest::BOUNDED_STALENESS);
      break;
  }
  request.set_max_age_ms(read.max_age.ns / 1'000'000);
  return request;
}

absl::StatusOr<Read> DecodeRequest(v1::GetRequest request) {
  if (request.keys_size() == 0) {
    return absl::InvalidArgumentError("keys is empty");
  }
  Read read;
  switch (request.consistency()) {
    case v1::GetRequest::LINEARIZABLE:
      break;
    case v1::GetRequest::LEASE:
      read.consistency = Consistency::kLease;
      break;
    case v1::GetRequest::SERIALIZABLE:
      read.consistency = Consistency::kSerializable;
      break;
    case v1::GetRequest::BOUNDED_STALENESS:
      read.consistency = Consistency::kBoundedStaleness;
      break;
    default:
      return absl::InvalidArgumentError(
          absl::StrFormat("consistency, %d, is none", static_cast<int>(request.consistency())));
  }
  // Whether it goes with the consistency is for the replica to say.
  if (request.max_age_ms() < 0 || request.max_age_ms() > kMillisecondsMax) {
    return absl::InvalidArgumentError(absl::StrFormat("max_age_ms, %d, is not from 0 to %d",
                                                      request.max_age_ms(), kMillisecondsMax));
  }
  read.max_age = Milliseconds(request.max_age_ms());
  read.keys.reserve(static_cast<std::size_t>(request.keys_size()));
  for (std::string& key : *request.mutable_keys()) {
    read.keys.push_back(std::move(key));
  }
  return read;
}

void EncodeResponse(const kv::TransactionResult& result, v1::PutResponse* response) {
  response->mutable_header()->set_revision(result.revision.value);
  const kv::PutResult& put = OnlyResult<kv::PutResult>(result);
  if (put.previous) {
    Encode(*put.previous, response->mutable_previous());
  }
}

void EncodeResponse(const kv::TransactionResult& result, v1::DeleteResponse* response) {
  response->mutable_header()->set_revision(result.revision.value);
  const kv::DeleteResult& erase = OnlyResult<kv::DeleteResult>(result);
  if (erase.previous) {
    Encode(*erase.previous, response->mutable_previous());
  }
}

void EncodeResponse(const kv::TransactionResult& result, v1::PutIfAbsentResponse* response) {
  EncodeConditional(result, response);
}

void EncodeResponse(const kv::TransactionResult& result, v1::CompareAndSetResponse* response) {
  EncodeConditional(result, response);
}

void EncodeResponse(const kv::TransactionResult& result, v1::TxnResponse* response) {
  response->mutable_header()->set_revision(result.revision.value);
  response->set_succeeded(result.succeeded);
  for (const kv::OperationResult& one : result.results) {
    std::visit(ResultEncoder{response->add_results()}, one);
  }
}

void EncodeResponse(const kv::SessionOpened& result, v1::OpenSessionResponse* response) {
  response->set_session_id(result.session.value);
}

void EncodeResponse(const ReadResult& result, v1::GetResponse* response) {
  response->mutable_header()->set_revision(result.revision.value);
  for (const std::optional<kv::KeyValue>& key : result.keys) {
    v1::GetResult* out = response->add_results();
    if (key) {
      Encode(*key, out->mutable_found());
    }
  }
}

void EncodeStatus(const Status& status, v1::StatusResponse* response) {
  response->set_cluster_id(status.cluster.value);
  response->set_node_id(status.id.value);
  response->set_role(Encode(status.role));
  response->set_term(status.term.value);
  response->set_leader_id(status.leader.value);
  response->set_first_index(status.first_index.value);
  response->set_last_index(status.last_index.value);
  response->set_durable_index(status.durable_index.value);
  response->set_commit_index(status.commit_index.value);
  response->set_checkpoint_index(status.checkpoint_index.value);
  response->set_log_bytes(status.log_bytes);
  response->set_applied_index(status.summary.applied_index.value);
  response->set_applied_term(status.summary.applied_term.value);
  response->set_cluster_time_ns(status.summary.time.value);
  response->set_revision(status.summary.revision.value);
  response->set_digest(status.summary.digest);
  response->set_keys(status.keys);
  response->set_sessions(status.sessions);
  response->set_pending_requests(status.pending_requests);
  if (status.commit_time) {
    response->set_commit_time_ns(status.commit_time->ns);
  }
  for (const PeerStatus& peer : status.peers) {
    Encode(peer, response->add_peers());
  }
}

v1::TxnRequest EncodeTransaction(const kv::Transaction& transaction) {
  v1::TxnRequest request;
  for (const kv::Condition& condition : transaction.conditions) {
    Encode(condition, request.add_conditions());
  }
  for (const kv::Operation& operation : transaction.then) {
    std::visit(OperationEncoder{request.add_then()}, operation);
  }
  for (const kv::Operation& operation : transaction.otherwise) {
    std::visit(OperationEncoder{request.add_otherwise()}, operation);
  }
  return request;
}

absl::StatusOr<kv::TransactionResult> DecodeResponse(v1::TxnResponse response) {
  kv::TransactionResult result;
  result.succeeded = response.succeeded();
  result.revision = {response.header().revision()};
  if (absl::Status status = DecodeAll(response.mutable_results(), "results", &result.results);
      !status.ok()) {
    return status;
  }
  return result;
}

kv::KeyValue DecodeKeyValue(v1::KeyValue key_value) {
  return {.key = std::move(*key_value.mutable_key()),
          .value = std::move(*key_value.mutable_value()),
          .create_revision = {key_value.create_revision()},
          .mod_revision = {key_value.mod_revision()},
          .version = key_value.version()};
}

}  // namespace lockstep::net
