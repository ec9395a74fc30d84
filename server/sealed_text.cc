#include "server/sealed_text.h"

#include <charconv>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "storage/checksum.h"

namespace lockstep::server {
namespace {

std::string LastLine(std::string_view body) {
  return absl::StrCat("checksum ", storage::Checksum(storage::RowKind::kTextFile).Add(body).value(),
                      "\n");
}

}  // namespace

std::string Seal(std::string body) {
  body += LastLine(body);
  return body;
}

std::optional<std::string_view> Unseal(std::string_view text) {
  const std::size_t last = text.rfind("checksum ");
  if (last == std::string_view::npos || text.substr(last) != LastLine(text.substr(0, last))) {
    return std::nullopt;
  }
  return text.substr(0, last);
}

bool Take(std::string_view* text, std::string_view front) {
  if (text->substr(0, front.size()) != front) {
    return false;
  }
  text->remove_prefix(front.size());
  return true;
}

std::optional<std::string_view> TakeText(std::string_view* text, std::string_view name) {
  std::string_view rest = *text;
  if (!Take(&rest, name) || !Take(&rest, " ")) {
    return std::nullopt;
  }
  const std::size_t end = rest.find('\n');
  if (end == std::string_view::npos) {
    return std::nullopt;
  }
  text->remove_prefix(text->size() - rest.size() + end + 1);
  return rest.substr(0, end);
}

std::optional<std::uint64_t> TakeNumber(std::string_view* text, std::string_view name) {
  std::string_view after = *text;
  const std::optional<std::string_view> digits = TakeText(&after, name);
  if (!digits) {
    return std::nullopt;
  }
  std::uint64_t number = 0;
  const auto [end, error] =
      std::from_chars(digits->data(), digits->data() + digits->size(), number);
  if (error != std::errc() || end != digits->data() + digits->size() || number == 0 ||
      number > INT64_MAX) {
    return std::nullopt;
  }
  *text = after;
  return number;
}

}  // namespace lockstep::server
