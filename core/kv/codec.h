// Commands and snapshots as bytes (command.proto, snapshot.proto). Both are formats on disk and
// carry a version. The only place in core that sees protobuf.

#ifndef LOCKSTEP_CORE_KV_CODEC_H_
#define LOCKSTEP_CORE_KV_CODEC_H_

#include <optional>
#include <string>
#include <string_view>

#include "core/kv/types.h"

namespace lockstep::kv {

// Equal commands give equal bytes.
std::string EncodeCommand(const Command& command);
// Nullopt for anything that EncodeCommand() of this version cannot have made.
std::optional<Command> DecodeCommand(std::string_view bytes);

// A whole state in one piece, with a checksum over everything.
std::string EncodeImage(const Image& image);
std::optional<Image> DecodeImage(std::string_view bytes);

// The rows of one session's replies, as state.db keeps them in one column.
std::string EncodeSessionRow(const SessionRow& row);
std::optional<SessionRow> DecodeSessionRow(std::string_view bytes);

}  // namespace lockstep::kv

#endif  // LOCKSTEP_CORE_KV_CODEC_H_
