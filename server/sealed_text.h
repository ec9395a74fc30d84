// Small text files whose damage is noticed: the last line is a checksum of all before it.

#ifndef LOCKSTEP_SERVER_SEALED_TEXT_H_
#define LOCKSTEP_SERVER_SEALED_TEXT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lockstep::server {

// `body`, which ends its last line, with the checksum's line.
std::string Seal(std::string body);
// The body; nullopt if that is not what Seal() has made.
std::optional<std::string_view> Unseal(std::string_view text);

// Of what such a body holds. Each takes what it is named after from the front of `text`, or leaves
// it as it is.

bool Take(std::string_view* text, std::string_view front);
// "NAME REST\n": the rest of the line.
std::optional<std::string_view> TakeText(std::string_view* text, std::string_view name);
// "NAME NUMBER\n", the number from 1 to 2^63 - 1.
std::optional<std::uint64_t> TakeNumber(std::string_view* text, std::string_view name);

}  // namespace lockstep::server

#endif  // LOCKSTEP_SERVER_SEALED_TEXT_H_
