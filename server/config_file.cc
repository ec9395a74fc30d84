// The configuration file: the only place that sees toml++, whose header takes seconds to compile.

#include <toml++/toml.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "server/config.h"

namespace lockstep::server {
namespace {

absl::Status At(const std::string& path, const toml::source_region& where,
                const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat(path, ":", where.begin.line, ": ", what));
}

// A list may be written as one string or as an array of strings.
bool TextsOf(const toml::node& node, std::vector<std::string>* texts) {
  if (const auto* one = node.as_string()) {
    texts->push_back(one->get());
    return true;
  }
  const toml::array* const array = node.as_array();
  if (array == nullptr || array->empty()) {
    return false;
  }
  for (const toml::node& element : *array) {
    if (!element.is_string()) {
      return false;
    }
    texts->push_back(element.as_string()->get());
  }
  return true;
}

absl::Status Apply(const std::string& path, const std::string& key, const toml::node& node,
                   Settings* settings) {
  const Setting* const setting = FindSetting(key);
  if (setting == nullptr) {
    return At(path, node.source(), absl::StrCat("unknown setting '", key, "'"));
  }
  std::vector<std::string> values;
  switch (setting->kind) {
    case SettingKind::kNumber:
      if (!node.is_integer()) {
        return At(path, node.source(), absl::StrCat(key, ": expected a whole number"));
      }
      values.push_back(std::to_string(node.as_integer()->get()));
      break;
    case SettingKind::kText:
      if (!node.is_string()) {
        return At(path, node.source(), absl::StrCat(key, ": expected text in quotes"));
      }
      values.push_back(node.as_string()->get());
      break;
    case SettingKind::kList:
      if (!TextsOf(node, &values)) {
        return At(path, node.source(), absl::StrCat(key, ": expected a list of texts in quotes"));
      }
      break;
  }
  if (const absl::Status status = setting->set(values, settings); !status.ok()) {
    return At(path, node.source(), absl::StrCat(key, ": ", std::string(status.message())));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadConfigFile(const std::string& path, Settings* settings) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": ", error ? error.message() : "not a regular file"));
  }
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": cannot be read"));
  }
  toml::table table;
  try {
    table = toml::parse(text.str(), path);
  } catch (const toml::parse_error& failure) {
    return At(path, failure.source(), std::string(failure.description()));
  }
  for (const auto& [key, node] : table) {
    const absl::Status status = Apply(path, std::string(key.str()), node, settings);
    if (!status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace lockstep::server
