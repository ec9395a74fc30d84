#include "core/kv/digest.h"

#include <cstddef>
#include <variant>

namespace lockstep::kv {
namespace {

enum Domain : std::uint64_t { kKeyRow = 1, kSession, kReply, kSummary, kChecksum, kMembership };

// Little-endian on every machine; compilers make one load of it.
std::uint64_t WordAt(const char* bytes, std::size_t size) {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < size; ++i) {
    word |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  }
  return word;
}

void Add(Hasher& hasher, const KeyValue& key_value) {
  hasher.Text(key_value.key)
      .Text(key_value.value)
      .Number(key_value.create_revision.value)
      .Number(key_value.mod_revision.value)
      .Number(key_value.version);
}

void Add(Hasher& hasher, const std::optional<KeyValue>& key_value) {
  hasher.Number(key_value.has_value() ? 1 : 0);
  if (key_value.has_value()) Add(hasher, *key_value);
}

void Add(Hasher& hasher, const OperationResult& result) {
  hasher.Number(result.index());
  if (const auto* get = std::get_if<GetResult>(&result)) Add(hasher, get->found);
  if (const auto* put = std::get_if<PutResult>(&result)) Add(hasher, put->previous);
  if (const auto* removal = std::get_if<DeleteResult>(&result)) Add(hasher, removal->previous);
}

}  // namespace

Hasher& Hasher::Text(std::string_view text) {
  Number(text.size());
  const char* next = text.data();
  std::size_t left = text.size();
  for (; left >= 8; next += 8, left -= 8) Number(WordAt(next, 8));
  if (left > 0) Number(WordAt(next, left));
  return *this;
}

// SplitMix64's finisher: every bit of the state reaches every bit of the hash.
std::uint64_t Hasher::Finish() const {
  std::uint64_t hash = state_;
  hash = (hash ^ (hash >> 30)) * 0xBF58476D1CE4E5B9;
  hash = (hash ^ (hash >> 27)) * 0x94D049BB133111EB;
  return hash ^ (hash >> 31);
}

std::uint64_t DigestOf(const KeyRow& row) { return DigestOf(row.key_value, row.id.sub); }

std::uint64_t DigestOf(const KeyValue& key_value, std::uint32_t sub) {
  Hasher hasher(kKeyRow);
  Add(hasher, key_value);
  return hasher.Number(sub).Finish();
}

std::uint64_t DigestOfSession(SessionId id, Duration time_to_live, ClusterTime last_used,
                              std::uint64_t acknowledged) {
  return Hasher(kSession)
      .Number(id.value)
      .Number(static_cast<std::uint64_t>(time_to_live.ns))
      .Number(last_used.value)
      .Number(acknowledged)
      .Finish();
}

std::uint64_t DigestOfReply(SessionId id, std::uint64_t sequence, const TransactionResult& reply) {
  Hasher hasher(kReply);
  hasher.Number(id.value)
      .Number(sequence)
      .Number(reply.succeeded ? 1 : 0)
      .Number(reply.revision.value)
      .Number(reply.results.size());
  for (const OperationResult& result : reply.results) Add(hasher, result);
  return hasher.Finish();
}

std::uint64_t DigestOf(const SessionRow& row) {
  std::uint64_t digest = DigestOfSession(row.id, row.time_to_live, row.last_used, row.acknowledged);
  for (const auto& [sequence, reply] : row.replies) {
    digest += DigestOfReply(row.id, sequence, reply);
  }
  return digest;
}

std::uint64_t DigestOf(const Summary& summary) {
  if (summary.applied_index == Index()) return 0;
  return Hasher(kSummary)
      .Number(summary.applied_index.value)
      .Number(summary.applied_term.value)
      .Number(summary.time.value)
      .Number(summary.revision.value)
      .Finish();
}

std::uint64_t DigestOf(const raft::MembershipAt& membership) {
  if (membership.index == Index()) return 0;
  return Hasher(kMembership)
      .Number(membership.index.value)
      .Text(raft::EncodeMembership(membership.membership))
      .Finish();
}

std::uint64_t DigestOf(const Image& image) {
  std::uint64_t digest = DigestOf(image.summary) + DigestOf(image.membership);
  for (const KeyRow& row : image.keys) digest += DigestOf(row);
  for (const SessionRow& row : image.sessions) digest += DigestOf(row);
  return digest;
}

std::uint64_t ChecksumOf(std::string_view bytes) { return Hasher(kChecksum).Text(bytes).Finish(); }

}  // namespace lockstep::kv
