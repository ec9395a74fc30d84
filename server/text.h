// Bytes as text that a line of a log or of JSON can hold.

#ifndef LOCKSTEP_SERVER_TEXT_H_
#define LOCKSTEP_SERVER_TEXT_H_

#include <string>
#include <string_view>

namespace lockstep::server {

// Whether `bytes` are well-formed UTF-8: shortest forms, no surrogates, at most U+10FFFF.
bool IsUtf8(std::string_view bytes);

// A JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD each.
std::string JsonString(std::string_view bytes);

// `bytes` as one printable word: itself, if that is plain, else in double quotes with \" \\ \n \r
// \t and \xHH for what is not printable ASCII or UTF-8.
std::string Quoted(std::string_view bytes);

std::string Base64(std::string_view bytes);

}  // namespace lockstep::server

#endif  // LOCKSTEP_SERVER_TEXT_H_
