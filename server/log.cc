#include "server/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <ctime>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/text.h"

namespace lockstep::server {
namespace {

std::string FormatTime(std::chrono::system_clock::time_point time) {
  const auto since_epoch =
      std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  const std::time_t seconds = static_cast<std::time_t>(since_epoch / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return absl::StrFormat("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900, utc.tm_mon + 1,
                         utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, since_epoch % 1000);
}

void Append(LogFormat format, const Field& field, std::string* line) {
  if (format == LogFormat::kJson) {
    absl::StrAppend(line, line->size() > 1 ? "," : "", JsonString(field.name()), ":",
                    field.is_number() ? field.value() : JsonString(field.value()));
  } else {
    absl::StrAppend(line, line->empty() ? "" : " ", field.name(), "=",
                    field.is_number() ? field.value() : Quoted(field.value()));
  }
}

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

std::shared_ptr<spdlog::logger> MakeLogger(std::shared_ptr<spdlog::sinks::sink> sink,
                                           LogLevel level) {
  auto logger = std::make_shared<spdlog::logger>("node", std::move(sink));
  logger->set_formatter(std::make_unique<spdlog::pattern_formatter>("%v"));
  logger->set_level(ToSpdlog(level));
  logger->flush_on(spdlog::level::trace);
  return logger;
}

}  // namespace

std::string_view Name(Role role) {
  switch (role) {
    case Role::kFollower:
      return "follower";
    case Role::kPreCandidate:
      return "pre-candidate";
    case Role::kCandidate:
      return "candidate";
    case Role::kLeader:
      return "leader";
  }
  return "unknown";
}

std::string_view Name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "unknown";
}

Field::Field(std::string name, Duration duration)
    : name_(std::move(name)),
      value_(absl::StrFormat("%.3f", static_cast<double>(duration.ns) / 1e6)),
      is_number_(true) {}

std::string FormatLine(LogFormat format, std::chrono::system_clock::time_point time, LogLevel level,
                       const std::vector<Field>& context, std::string_view event,
                       const std::vector<Field>& fields) {
  std::string line = format == LogFormat::kJson ? "{" : "";
  Append(format, Field("time", FormatTime(time)), &line);
  Append(format, Field("level", Name(level)), &line);
  for (const Field& field : context) {
    Append(format, field, &line);
  }
  Append(format, Field("event", event), &line);
  for (const Field& field : fields) {
    Append(format, field, &line);
  }
  return format == LogFormat::kJson ? line + "}" : line;
}

NodeLog::NodeLog(NodeId node, LogLevel level, LogFormat format)
    : NodeLog(node, level, format, std::make_shared<spdlog::sinks::stderr_sink_mt>()) {}

NodeLog::NodeLog(NodeId node, LogLevel level, LogFormat format,
                 std::shared_ptr<spdlog::sinks::sink> sink)
    : level_(level), format_(format), logger_(MakeLogger(std::move(sink), level)), node_(node) {}

NodeLog::~NodeLog() = default;

void NodeLog::SetNode(NodeId node) {
  const std::lock_guard<std::mutex> lock(mutex_);
  node_ = node;
}

void NodeLog::SetContext(Term term, Role role) {
  const std::lock_guard<std::mutex> lock(mutex_);
  term_ = term;
  role_ = role;
}

void NodeLog::Write(LogLevel level, std::string_view event, const std::vector<Field>& fields) {
  if (level < level_) {
    return;
  }
  std::vector<Field> context;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    context = {Field("node", node_), Field("term", term_), Field("role", Name(role_))};
  }
  const std::string line =
      FormatLine(format_, std::chrono::system_clock::now(), level, context, event, fields);
  logger_->log(ToSpdlog(level), "{}", line);
}

void NodeLog::WriteLimited(LogLevel level, const std::string& key, Duration interval,
                           std::string_view event, std::vector<Field> fields) {
  if (level < level_) {
    return;
  }
  const auto now = std::chrono::steady_clock::now();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto [found, first] = limited_.try_emplace(key, Limited{now, 0});
    Limited& limited = found->second;
    if (!first && now - limited.last < std::chrono::nanoseconds(interval.ns)) {
      ++limited.suppressed;
      return;
    }
    limited.last = now;
    if (limited.suppressed > 0) {
      fields.emplace_back("suppressed", limited.suppressed);
      limited.suppressed = 0;
    }
  }
  Write(level, event, fields);
}

}  // namespace lockstep::server
