// Digests of rows. The digest of a state is the sum, mod 2^64, of a hash of every row in it and of
// its summary: sums do not depend on order, and a write costs one subtraction and one addition.
// The same numbers on every machine: replicas compare them, snapshots carry them.

#ifndef LOCKSTEP_CORE_KV_DIGEST_H_
#define LOCKSTEP_CORE_KV_DIGEST_H_

#include <cstdint>
#include <string_view>

#include "core/kv/types.h"

namespace lockstep::kv {

// Hashes a sequence of numbers and strings. Every step is a bijection of the state for a given
// input and of the input for a given state, so that two sequences of one shape that differ in a
// single number (or in eight bytes of a string) never collide; all others collide by chance.
// Against accidents, not against people who choose the rows.
class Hasher {
 public:
  // `domain` keeps hashes of different kinds of rows apart.
  explicit Hasher(std::uint64_t domain) { Number(domain); }

  Hasher& Number(std::uint64_t number) {
    const std::uint64_t mixed = state_ ^ (number * 0x9E3779B185EBCA87);
    state_ = ((mixed << 27) | (mixed >> 37)) * 0xC2B2AE3D27D4EB4F + 0x165667B19E3779F9;
    return *this;
  }
  Hasher& Text(std::string_view text);

  std::uint64_t Finish() const;

 private:
  std::uint64_t state_ = 0;
};

std::uint64_t DigestOf(const KeyRow& row);
// The same, for a row in pieces.
std::uint64_t DigestOf(const KeyValue& key_value, std::uint32_t sub);

// A session's digest is that of its own numbers (all but SessionRow::replies) plus one for each of
// its replies, so that saving a reply does not cost a walk over the others.
std::uint64_t DigestOfSession(SessionId id, Duration time_to_live, ClusterTime last_used,
                              std::uint64_t acknowledged);
std::uint64_t DigestOfReply(SessionId id, std::uint64_t sequence, const TransactionResult& reply);
std::uint64_t DigestOf(const SessionRow& row);

// The share of everything in `summary` but the digest itself. 0 before the first entry, so that
// the digest of the empty state is 0.
std::uint64_t DigestOf(const Summary& summary);

// 0 for the configuration that a cluster begins with: it is none of the log's doing.
std::uint64_t DigestOf(const raft::MembershipAt& membership);

// Of a whole state, from its rows; what Summary::digest has to be.
std::uint64_t DigestOf(const Image& image);

// Guards bytes in files and messages.
std::uint64_t ChecksumOf(std::string_view bytes);

}  // namespace lockstep::kv

#endif  // LOCKSTEP_CORE_KV_DIGEST_H_
