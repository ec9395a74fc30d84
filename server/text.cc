#include "server/text.h"

#include <cstddef>
#include <cstdint>

namespace lockstep::server {
namespace {

constexpr char kHexDigits[] = "0123456789abcdef";

// The length of the well-formed UTF-8 sequence at the front of `bytes` (RFC 3629, section 4);
// 0 if there is none.
std::size_t Utf8Length(std::string_view bytes) {
  const auto at = [bytes](std::size_t i) -> unsigned {
    return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0;
  };
  const auto tail = [&at](std::size_t i) { return at(i) >= 0x80 && at(i) <= 0xBF; };
  const unsigned first = at(0);
  if (bytes.empty()) {
    return 0;
  }
  if (first < 0x80) {
    return 1;
  }
  if (first >= 0xC2 && first <= 0xDF) {
    return tail(1) ? 2 : 0;
  }
  if (first >= 0xE0 && first <= 0xEF) {
    const unsigned low = first == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = first == 0xED ? 0x9F : 0xBF;
    return at(1) >= low && at(1) <= high && tail(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned low = first == 0xF0 ? 0x90 : 0x80;
    const unsigned high = first == 0xF4 ? 0x8F : 0xBF;
    return at(1) >= low && at(1) <= high && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

// The escape of a character that both notations write alike; null if there is none.
const char* ShortEscape(char c) {
  switch (c) {
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      return nullptr;
  }
}

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

void AppendHex(char c, std::string* text) {
  const unsigned byte = static_cast<unsigned char>(c);
  text->push_back(kHexDigits[byte >> 4]);
  text->push_back(kHexDigits[byte & 15]);
}

}  // namespace

bool IsUtf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t length = Utf8Length(bytes);
    if (length == 0) {
      return false;
    }
    bytes.remove_prefix(length);
  }
  return true;
}

std::string JsonString(std::string_view bytes) {
  std::string text = "\"";
  while (!bytes.empty()) {
    const std::size_t length = Utf8Length(bytes);
    if (length == 0) {
      text += "\xEF\xBF\xBD";
    } else if (const char* escape = ShortEscape(bytes.front()); escape != nullptr) {
      text += escape;
    } else if (IsControl(bytes.front())) {
      text += "\\u00";
      AppendHex(bytes.front(), &text);
    } else {
      text += bytes.substr(0, length);
    }
    bytes.remove_prefix(length == 0 ? 1 : length);
  }
  return text + "\"";
}

std::string Quoted(std::string_view bytes) {
  std::string text;
  bool plain = !bytes.empty();
  while (!bytes.empty()) {
    const std::size_t length = Utf8Length(bytes);
    if (const char* escape = ShortEscape(bytes.front()); escape != nullptr) {
      text += escape;
      plain = false;
    } else if (length == 0 || IsControl(bytes.front())) {
      text += "\\x";
      AppendHex(bytes.front(), &text);
      plain = false;
    } else {
      plain = plain && bytes.front() != ' ' && bytes.front() != '=';
      text += bytes.substr(0, length);
    }
    bytes.remove_prefix(length == 0 ? 1 : length);
  }
  return plain ? text : "\"" + text + "\"";
}

std::string Base64(std::string_view bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      const bool padding = i + j > bytes.size();
      text.push_back(padding ? '=' : kDigits[group >> (18 - 6 * j) & 63]);
    }
  }
  return text;
}

}  // namespace lockstep::server
