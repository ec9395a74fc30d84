// Commands and snapshots as bytes (command.proto, snapshot.proto). Both are formats on disk and
// carry a version. The only place in core that sees protobuf.

#ifndef LOCKSTEP_CORE_KV_CODEC_H_
#define LOCKSTEP_CORE_KV_CODEC_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/kv/types.h"

namespace lockstep::kv {

// Of the formats that this code writes, and the only ones that it reads.
inline constexpr std::uint32_t kCommandVersion = 1;
inline constexpr std::uint32_t kSnapshotVersion = 2;

// What a command may be at most, whatever a node is configured to accept (lockstep::Limits must
// stay below): guards decoding against bytes that ask for far more memory than they take. Larger
// ones are undecodable, on every replica alike.
inline constexpr std::size_t kCommandBytesMax = 16 << 20;
inline constexpr std::size_t kCommandOperationsMax = 65'536;  // conditions, then, otherwise: each

// Equal commands give equal bytes.
std::string EncodeCommand(const Command& command);
// Nullopt for anything that EncodeCommand() of this version cannot have made, and for what is
// beyond the bounds above.
std::optional<Command> DecodeCommand(std::string_view bytes);

// A whole state in one piece, with a checksum over everything. Equal states give equal bytes.
std::string EncodeImage(const Image& image);
// Nullopt for anything that EncodeImage() of this version cannot have made. Whether the rows fit
// together is Machine::FromImage()'s to check.
std::optional<Image> DecodeImage(std::string_view bytes);

// One session with its replies, as state.db keeps it in one column. It carries its own version, but
// no checksum: the row that it is stored in has one.
std::string EncodeSessionRow(const SessionRow& row);
std::optional<SessionRow> DecodeSessionRow(std::string_view bytes);

}  // namespace lockstep::kv

#endif  // LOCKSTEP_CORE_KV_CODEC_H_
