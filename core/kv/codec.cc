#include "core/kv/codec.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <variant>

#include "core/assert.h"
#include "core/kv/canonical_reader.h"
#include "core/kv/command.pb.h"
#include "core/kv/digest.h"
#include "core/kv/snapshot.pb.h"
#include "core/message_scratch.h"

namespace lockstep::kv {
namespace {

constexpr std::uint32_t kSessionRowVersion = 1;

// Protobuf's own limit.
constexpr std::size_t kMessageBytesMax = std::numeric_limits<int>::max();

constexpr std::size_t kLengthBytes = 4;
constexpr std::size_t kChecksumBytes = 8;

// Types to and from their messages. Taking a message apart moves its strings out of it, and fails
// on what no message of this version says. Commands are read without a message (Read, below).

void Fill(format::Condition& out, const Condition& condition) {
  out.set_key(condition.key);
  // Both enums have the same numbers, as asserted below.
  out.set_target(static_cast<format::Target>(condition.target));
  out.set_comparison(static_cast<format::Comparison>(condition.comparison));
  out.set_value(condition.value);
  out.set_number(condition.number);
}

static_assert(static_cast<int>(Target::kValue) == format::TARGET_VALUE);
static_assert(static_cast<int>(Target::kVersion) == format::TARGET_VERSION);
static_assert(static_cast<int>(Target::kCreateRevision) == format::TARGET_CREATE_REVISION);
static_assert(static_cast<int>(Target::kModRevision) == format::TARGET_MOD_REVISION);
static_assert(static_cast<int>(Comparison::kEqual) == format::COMPARISON_EQUAL);
static_assert(static_cast<int>(Comparison::kNotEqual) == format::COMPARISON_NOT_EQUAL);
static_assert(static_cast<int>(Comparison::kLess) == format::COMPARISON_LESS);
static_assert(static_cast<int>(Comparison::kGreater) == format::COMPARISON_GREATER);

void Fill(format::Operation& out, const Operation& operation) {
  if (const auto* get = std::get_if<Get>(&operation)) {
    out.set_get_key(get->key);
  } else if (const auto* put = std::get_if<Put>(&operation)) {
    out.mutable_put()->set_key(put->key);
    out.mutable_put()->set_value(put->value);
  } else {
    out.set_delete_key(std::get<Delete>(operation).key);
  }
}

void Fill(format::KeyValue& out, const KeyValue& key_value) {
  out.set_key(key_value.key);
  out.set_value(key_value.value);
  out.set_create_revision(key_value.create_revision.value);
  out.set_mod_revision(key_value.mod_revision.value);
  out.set_version(key_value.version);
}

bool Take(format::KeyValue& in, KeyValue& key_value) {
  key_value.key = std::move(*in.mutable_key());
  key_value.value = std::move(*in.mutable_value());
  key_value.create_revision = Revision{in.create_revision()};
  key_value.mod_revision = Revision{in.mod_revision()};
  key_value.version = in.version();
  return true;
}

void Fill(format::OperationResult& out, const OperationResult& result) {
  const std::optional<KeyValue>* key_value = nullptr;
  if (const auto* get = std::get_if<GetResult>(&result)) {
    out.set_kind(format::OPERATION_GET);
    key_value = &get->found;
  } else if (const auto* put = std::get_if<PutResult>(&result)) {
    out.set_kind(format::OPERATION_PUT);
    key_value = &put->previous;
  } else {
    out.set_kind(format::OPERATION_DELETE);
    key_value = &std::get<DeleteResult>(result).previous;
  }
  if (key_value->has_value()) Fill(*out.mutable_key_value(), **key_value);
}

bool Take(format::OperationResult& in, OperationResult& result) {
  std::optional<KeyValue> key_value;
  if (in.has_key_value() && !Take(*in.mutable_key_value(), key_value.emplace())) return false;
  switch (in.kind()) {
    case format::OPERATION_GET:
      result = GetResult{std::move(key_value)};
      return true;
    case format::OPERATION_PUT:
      result = PutResult{std::move(key_value)};
      return true;
    case format::OPERATION_DELETE:
      result = DeleteResult{std::move(key_value)};
      return true;
    default:
      return false;
  }
}

void Fill(format::Transact& out, const Transact& transact) {
  out.set_session(transact.session.value);
  out.set_sequence(transact.sequence);
  out.set_acknowledged(transact.acknowledged);
  const Transaction& transaction = transact.transaction;
  for (const Condition& condition : transaction.conditions) Fill(*out.add_conditions(), condition);
  for (const Operation& operation : transaction.then) Fill(*out.add_then(), operation);
  for (const Operation& operation : transaction.otherwise) Fill(*out.add_otherwise(), operation);
}

void Fill(format::Command& out, const Command& command) {
  out.set_version(kCommandVersion);
  if (const auto* transact = std::get_if<Transact>(&command)) {
    Fill(*out.mutable_transact(), *transact);
  } else {
    out.mutable_open_session()->set_time_to_live_ns(std::get<OpenSession>(command).time_to_live.ns);
  }
}

void Fill(format::KeyRow& out, const KeyRow& row) {
  out.set_revision(row.id.revision.value);
  out.set_sub(row.id.sub);
  Fill(*out.mutable_key_value(), row.key_value);
}

bool Take(format::KeyRow& in, KeyRow& row) {
  if (!in.has_key_value()) return false;
  row.id = RowId{Revision{in.revision()}, in.sub()};
  return Take(*in.mutable_key_value(), row.key_value);
}

void Fill(format::SessionRow& out, const SessionRow& row) {
  out.set_version(kSessionRowVersion);
  out.set_id(row.id.value);
  out.set_time_to_live_ns(row.time_to_live.ns);
  out.set_last_used(row.last_used.value);
  out.set_acknowledged(row.acknowledged);
  for (const auto& [sequence, reply] : row.replies) {
    format::Reply& saved = *out.add_replies();
    saved.set_sequence(sequence);
    saved.set_succeeded(reply.succeeded);
    saved.set_revision(reply.revision.value);
    for (const OperationResult& result : reply.results) Fill(*saved.add_results(), result);
  }
}

bool Take(format::Reply& in, TransactionResult& reply) {
  reply.succeeded = in.succeeded();
  reply.revision = Revision{in.revision()};
  if (static_cast<std::size_t>(in.results_size()) > kCommandOperationsMax) return false;
  reply.results.reserve(static_cast<std::size_t>(in.results_size()));
  for (format::OperationResult& result : *in.mutable_results()) {
    if (!Take(result, reply.results.emplace_back())) return false;
  }
  return true;
}

bool Take(format::SessionRow& in, SessionRow& row) {
  if (in.version() != kSessionRowVersion) return false;
  row.id = SessionId{in.id()};
  row.time_to_live = Duration{in.time_to_live_ns()};
  row.last_used = ClusterTime{in.last_used()};
  row.acknowledged = in.acknowledged();
  // The map puts them in order: Parse() finds those that were in another one, or twice there.
  for (format::Reply& reply : *in.mutable_replies()) {
    const auto last =
        row.replies.emplace_hint(row.replies.end(), reply.sequence(), TransactionResult());
    if (!Take(reply, last->second)) return false;
  }
  return true;
}

struct Header {
  Summary summary;
  raft::MembershipAt membership;
  std::uint64_t keys = 0;
  std::uint64_t sessions = 0;
};

void Fill(format::SnapshotHeader& out, const Header& header) {
  const Summary& summary = header.summary;
  out.set_version(kSnapshotVersion);
  out.set_applied_index(summary.applied_index.value);
  out.set_applied_term(summary.applied_term.value);
  out.set_time(summary.time.value);
  out.set_revision(summary.revision.value);
  out.set_digest(summary.digest);
  out.set_keys(header.keys);
  out.set_sessions(header.sessions);
  out.set_membership_index(header.membership.index.value);
  out.set_membership(raft::EncodeMembership(header.membership.membership));
}

bool Take(const format::SnapshotHeader& in, Header& header) {
  if (in.version() != kSnapshotVersion) return false;
  header.summary.applied_index = Index{in.applied_index()};
  header.summary.applied_term = Term{in.applied_term()};
  header.summary.time = ClusterTime{in.time()};
  header.summary.revision = Revision{in.revision()};
  header.summary.digest = in.digest();
  header.keys = in.keys();
  header.sessions = in.sessions();
  std::optional<raft::Membership> membership = raft::DecodeMembership(in.membership());
  if (!membership.has_value()) return false;
  header.membership = {Index{in.membership_index()}, *std::move(membership)};
  return true;
}

template <class Message, class Value>
void Append(std::string& out, Message& scratch, const Value& value) {
  scratch.Clear();
  Fill(scratch, value);
  CORE_ASSERT(scratch.ByteSizeLong() <= kMessageBytesMax);
  CORE_ASSERT(scratch.AppendToString(&out));
}

// Whether `bytes` are what Append() makes of a value, which is then `value`. Comparing with the
// value's own bytes refuses what protobuf overlooks: unknown fields, fields that come twice or in
// another order, padded numbers.
template <class Message, class Value>
bool Parse(std::string_view bytes, Message& scratch, Value& value) {
  if (bytes.size() > kMessageBytesMax) return false;
  if (!scratch.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return false;
  if (!Take(scratch, value)) return false;
  std::string again;
  again.reserve(bytes.size());
  Append(again, scratch, value);
  return again == bytes;
}

// the time would go into allocating parts.
class CommandScratch {
 public:
  CommandScratch() : arena_(block_.data(), block_.size()) {}

  format::Command& operator*() { return *message_; }

 private:
  alignas(std::max_align_t) std::array<char, 2048> block_;
  google::protobuf::Arena arena_;
  format::Command* message_ = google::protobuf::Arena::CreateMessage<format::Command>(&arena_);
};

// Commands are read without protobuf, which would take several times as long: every replica reads
// each entry, and would have to write it again to see that its spelling is the only one.

bool IsTarget(std::uint64_t number) {
  return number >= format::TARGET_VALUE && number <= format::TARGET_MOD_REVISION;
}

bool IsComparison(std::uint64_t number) {
  return number >= format::COMPARISON_EQUAL && number <= format::COMPARISON_GREATER;
}

bool Read(CanonicalReader in, Condition& condition) {
  using Fields = format::Condition;
  condition.key = in.Bytes(Fields::kKeyFieldNumber);
  const std::uint64_t target = in.Number(Fields::kTargetFieldNumber);
  const std::uint64_t comparison = in.Number(Fields::kComparisonFieldNumber);
  condition.value = in.Bytes(Fields::kValueFieldNumber);
  condition.number = in.Number(Fields::kNumberFieldNumber);
  if (!IsTarget(target) || !IsComparison(comparison)) return false;
  condition.target = static_cast<Target>(target);
  condition.comparison = static_cast<Comparison>(comparison);
  return in.Done();
}

bool Read(CanonicalReader in, Put& put) {
  put.key = in.Bytes(format::Put::kKeyFieldNumber);
  put.value = in.Bytes(format::Put::kValueFieldNumber);
  return in.Done();
}

bool Read(CanonicalReader in, Operation& operation) {
  using Fields = format::Operation;
  if (const auto get = in.Present(Fields::kGetKeyFieldNumber)) {
    operation = Get{std::string(*get)};
  } else if (const auto put = in.Present(Fields::kPutFieldNumber)) {
    if (!Read(CanonicalReader(*put), operation.emplace<Put>())) return false;
  } else if (const auto deleted = in.Present(Fields::kDeleteKeyFieldNumber)) {
    operation = Delete{std::string(*deleted)};
  } else {
    return false;
  }
  return in.Done();
}

template <class Value>
bool ReadAll(CanonicalReader& in, unsigned field, std::vector<Value>& values) {
  while (const auto bytes = in.Present(field)) {
    if (values.size() == kCommandOperationsMax) return false;
    if (!Read(CanonicalReader(*bytes), values.emplace_back())) return false;
  }
  return true;
}

bool Read(CanonicalReader in, Transact& transact) {
  using Fields = format::Transact;
  transact.session = SessionId{in.Number(Fields::kSessionFieldNumber)};
  transact.sequence = in.Number(Fields::kSequenceFieldNumber);
  transact.acknowledged = in.Number(Fields::kAcknowledgedFieldNumber);
  Transaction& transaction = transact.transaction;
  return ReadAll(in, Fields::kConditionsFieldNumber, transaction.conditions) &&
         ReadAll(in, Fields::kThenFieldNumber, transaction.then) &&
         ReadAll(in, Fields::kOtherwiseFieldNumber, transaction.otherwise) && in.Done();
}

bool Read(CanonicalReader in, OpenSession& open_session) {
  const std::uint64_t time_to_live = in.Number(format::OpenSession::kTimeToLiveNsFieldNumber);
  open_session.time_to_live = Duration{static_cast<std::int64_t>(time_to_live)};
  return in.Done();
}

bool Read(CanonicalReader in, Command& command) {
  using Fields = format::Command;
  if (in.Number(Fields::kVersionFieldNumber) != kCommandVersion) return false;
  if (const auto open_session = in.Present(Fields::kOpenSessionFieldNumber)) {
    return Read(CanonicalReader(*open_session), command.emplace<OpenSession>()) && in.Done();
  }
  const auto transact = in.Present(Fields::kTransactFieldNumber);
  return transact.has_value() && in.Done() &&
         Read(CanonicalReader(*transact), command.emplace<Transact>());
}

// Little-endian, over the bytes [at, at + size).
void WriteNumber(std::string& out, std::size_t at, std::uint64_t number, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    out[at + i] = static_cast<char>(static_cast<unsigned char>(number >> (8 * i)));
  }
}

std::uint64_t NumberFrom(std::string_view bytes) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    number |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  }
  return number;
}

template <class Message, class Value>
void AppendRecord(std::string& out, Message& scratch, const Value& value) {
  const std::size_t start = out.size();
  out.append(kLengthBytes, '\0');
  Append(out, scratch, value);
  WriteNumber(out, start, out.size() - start - kLengthBytes, kLengthBytes);
}

// The next record of `bytes`, which moves past it.
template <class Message, class Value>
bool TakeRecord(std::string_view& bytes, Message& scratch, Value& value) {
  if (bytes.size() < kLengthBytes) return false;
  const std::uint64_t size = NumberFrom(bytes.substr(0, kLengthBytes));
  bytes.remove_prefix(kLengthBytes);
  if (bytes.size() < size) return false;
  const std::string_view record = bytes.substr(0, size);
  bytes.remove_prefix(size);
  return Parse(record, scratch, value);
}

template <class Message, class Value>
bool TakeRecords(std::string_view& bytes, std::uint64_t count, std::vector<Value>& values) {
  // What is left bounds how many there can be, whatever a damaged header says.
  if (count > bytes.size() / kLengthBytes) return false;
  values.reserve(count);
  Message scratch;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (!TakeRecord(bytes, scratch, values.emplace_back())) return false;
  }
  return true;
}

}  // namespace

std::string EncodeCommand(const Command& command) {
  MessageScratch<format::Command> scratch;
  std::string bytes;
  Append(bytes, *scratch, command);
  return bytes;
}

std::optional<Command> DecodeCommand(std::string_view bytes) {
  if (bytes.size() > kCommandBytesMax) return std::nullopt;
  std::optional<Command> command(std::in_place);
  if (!Read(CanonicalReader(bytes), *command)) return std::nullopt;
  return command;
}

std::string EncodeImage(const Image& image) {
  std::string bytes;
  format::SnapshotHeader header;
  AppendRecord(bytes, header,
               Header{image.summary, image.membership, image.keys.size(), image.sessions.size()});
  format::KeyRow key_row;
  for (const KeyRow& row : image.keys) AppendRecord(bytes, key_row, row);
  format::SessionRow session_row;
  for (const SessionRow& row : image.sessions) AppendRecord(bytes, session_row, row);
  const std::uint64_t checksum = ChecksumOf(bytes);
  bytes.append(kChecksumBytes, '\0');
  WriteNumber(bytes, bytes.size() - kChecksumBytes, checksum, kChecksumBytes);
  return bytes;
}

std::optional<Image> DecodeImage(std::string_view bytes) {
  if (bytes.size() < kChecksumBytes) return std::nullopt;
  const std::string_view checksum = bytes.substr(bytes.size() - kChecksumBytes);
  bytes.remove_suffix(kChecksumBytes);
  if (NumberFrom(checksum) != ChecksumOf(bytes)) return std::nullopt;

  format::SnapshotHeader scratch;
  Header header;
  if (!TakeRecord(bytes, scratch, header)) return std::nullopt;
  Image image;
  image.summary = header.summary;
  image.membership = std::move(header.membership);
  if (!TakeRecords<format::KeyRow>(bytes, header.keys, image.keys)) return std::nullopt;
  if (!TakeRecords<format::SessionRow>(bytes, header.sessions, image.sessions)) {
    return std::nullopt;
  }
  if (!bytes.empty()) return std::nullopt;
  return image;
}

std::string EncodeSessionRow(const SessionRow& row) {
  format::SessionRow scratch;
  std::string bytes;
  Append(bytes, scratch, row);
  return bytes;
}

std::optional<SessionRow> DecodeSessionRow(std::string_view bytes) {
  format::SessionRow scratch;
  SessionRow row;
  if (!Parse(bytes, scratch, row)) return std::nullopt;
  return row;
}

}  // namespace lockstep::kv
