// What peers say, as bytes: raft::Message <-> PeerMessage of net/proto/peer.proto. The only place
// that turns one into the other, and the place where foreign bytes are checked: what DecodeMessage
// returns is well-formed, so the core may rely on it. Whether it is true, current or meant for this
// node is for the transport and the core to say.
//
// Pure functions, for any thread. Equal messages have equal bytes.

#ifndef LOCKSTEP_NET_CODEC_H_
#define LOCKSTEP_NET_CODEC_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/raft/message.h"

namespace lockstep::net {

// The longest encoded message. It bounds a snapshot, which is sent whole (protobuf's own bound is
// 2 GiB).
inline constexpr std::uint64_t kPeerMessageBytesMax = 1 << 30;

// At least the size of `message` encoded, at most a small part more: cheap to ask, for bounds.
std::uint64_t EncodedBytesBound(const raft::Message& message);

// REQUIRES: EncodedBytesBound(message) <= kPeerMessageBytesMax.
std::string EncodeMessage(const raft::Message& message);

// The message, or InvalidArgument with the field's name and what is wrong with it. Checked:
//   - cluster_id, from and to are not 0, from is not to, and there is a body of a known kind;
//   - indexes, terms and times fit in 63 bits, as they must on disk (SQLite's integers);
//   - term is not 0, except in a vote's refusal by a node that never voted;
//   - a log position has index 0 if and only if it has term 0;
//   - no position or entry has a term above the message's; a candidate's log is below its term;
//   - entries follow `previous` without a gap, terms and times never decrease along them, each kind
//     is known, and a no-op has no payload;
//   - a conflict hint is not beyond the place that was refused;
//   - a snapshot includes at least one entry, and its part ends below 2^63.
absl::StatusOr<raft::Message> DecodeMessage(std::string_view bytes);

}  // namespace lockstep::net

#endif  // LOCKSTEP_NET_CODEC_H_
