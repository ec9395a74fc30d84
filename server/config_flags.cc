// The flags: the only place in lockstepd that sees CLI11, whose header takes seconds to compile.

#include <CLI/CLI.hpp>
#include <list>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "server/config.h"
#include "server/exit_codes.h"
#include "server/version.h"

namespace lockstep::server {
namespace {

// CLI11's own texts differ in form with every kind of error and may span lines.
std::string OneLine(std::string text) {
  for (char& c : text) {
    c = c == '\n' ? ' ' : c;
  }
  while (!text.empty() && text.back() == ' ') {
    text.pop_back();
  }
  return text;
}

struct Given {
  const Setting* setting;
  CLI::Option* option;
  std::vector<std::string> values;
};

// CLI11 does not break long lines.
std::string Wrapped(const std::string& text) {
  constexpr std::size_t kWidth = 64;
  std::string wrapped;
  std::size_t line_begin = 0;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (wrapped.size() > line_begin) {
      const bool fits = wrapped.size() - line_begin + 1 + word.size() <= kWidth;
      wrapped += fits ? " " : "\n";
      line_begin = fits ? line_begin : wrapped.size();
    }
    wrapped += word;
  }
  return wrapped;
}

void AddSetting(CLI::App& app, const Setting& setting, Given* given) {
  given->setting = &setting;
  given->option =
      app.add_option(absl::StrCat("--", setting.name), given->values, Wrapped(setting.help));
  given->option->group(setting.group)
      ->type_name(setting.value_name)
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  if (const std::string shown = setting.show(Settings()); !shown.empty()) {
    given->option->default_str(shown);
  }
}

absl::Status Apply(const Given& given, Settings* settings) {
  if (given.values.empty()) {
    return absl::OkStatus();
  }
  const std::string flag = absl::StrCat("--", given.setting->name);
  if (given.setting->kind != SettingKind::kList && given.values.size() > 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(flag, ": given ", given.values.size(), " times"));
  }
  if (const absl::Status status = given.setting->set(given.values, settings); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(flag, ": ", std::string(status.message())));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Invocation> ParseCommandLine(const std::vector<std::string>& arguments) {
  CLI::App app("One node of a Lockstep cluster: a replicated, linearizable key-value store.",
               "lockstepd");
  app.get_formatter()->column_width(34);
  app.set_help_flag("");  // handled here, so that a wrong flag beside it is still an error
  std::vector<std::string> config_files;
  bool help = false;
  bool version = false;
  bool check_config = false;
  app.add_option("--config", config_files,
                 "TOML file with any of the settings below; flags override it.")
      ->type_name("FILE")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->group("Program");
  app.add_flag("--check-config", check_config, "Check flags and file, touch nothing, and end.")
      ->group("Program");
  app.add_flag("--version", version, "Print the versions of program and formats, and end.")
      ->group("Program");
  app.add_flag("--help,-h", help, "Print this, and end.")->group("Program");
  std::list<Given> given;  // options keep pointers to their values
  for (const Setting& setting : AllSettings()) {
    AddSetting(app, setting, &given.emplace_back());
  }
  app.footer(
      "A setting's key in the file is its flag without the dashes: election-timeout-ms = 500;\n"
      "peer, join and discover take a list of texts.\n\n" +
      DescribeExitCodes());

  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app.parse(std::move(reversed));
  } catch (const CLI::ExtrasError&) {
    const std::vector<std::string> extras = app.remaining();
    return absl::InvalidArgumentError(
        absl::StrCat("unknown argument '", extras.empty() ? std::string() : extras.front(), "'"));
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(OneLine(error.what()));
  }
  Invocation invocation;
  if (help) {
    invocation.print = app.help();
    return invocation;
  }
  if (version) {
    invocation.print = DescribeVersion("lockstepd");
    return invocation;
  }
  if (config_files.size() > 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("--config: given ", config_files.size(), " times"));
  }
  if (!config_files.empty()) {
    const absl::Status status = ReadConfigFile(config_files.front(), &invocation.settings);
    if (!status.ok()) {
      return status;
    }
  }
  for (const Given& one : given) {
    if (const absl::Status status = Apply(one, &invocation.settings); !status.ok()) {
      return status;
    }
  }
  if (const absl::Status status = Check(invocation.settings); !status.ok()) {
    return status;
  }
  if (check_config) {
    invocation.print = "The configuration is valid.\n";
  }
  return invocation;
}

}  // namespace lockstep::server
