// Log lines: one per event, as logfmt or JSON, to one sink. Every line names the node and what it
// last knew of its term and role, so that the lines of all nodes, sorted by time, tell the story of
// the cluster.

#ifndef LOCKSTEP_SERVER_LOG_H_
#define LOCKSTEP_SERVER_LOG_H_

#include <chrono>
#include <concepts>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core/replica.h"
#include "core/types.h"
#include "server/config.h"

namespace spdlog {
class logger;
namespace sinks {
class sink;
}
}  // namespace spdlog

namespace lockstep::server {

// In lower case: "follower", "pre-candidate", "candidate", "leader".
std::string_view Name(Role role);
std::string_view Name(LogLevel level);

// One name and value of a line.
class Field {
 public:
  Field(std::string name, std::string_view text) : name_(std::move(name)), value_(text) {}
  Field(std::string name, const char* text) : name_(std::move(name)), value_(text) {}
  template <std::integral Number>
  Field(std::string name, Number number)
      : name_(std::move(name)), value_(std::to_string(number)), is_number_(true) {}
  template <class Tag>
  Field(std::string name, Ordinal<Tag> ordinal) : Field(std::move(name), ordinal.value) {}
  // Milliseconds with three decimals.
  Field(std::string name, Duration duration);

  const std::string& name() const { return name_; }
  const std::string& value() const { return value_; }
  bool is_number() const { return is_number_; }

 private:
  std::string name_;
  std::string value_;
  bool is_number_ = false;
};

// A line without its end, for example
//   time=2025-01-31T12:00:00.123Z level=info node=1 term=3 role=leader event=became-leader index=7
std::string FormatLine(LogFormat format, std::chrono::system_clock::time_point time, LogLevel level,
                       const std::vector<Field>& context, std::string_view event,
                       const std::vector<Field>& fields);

// Thread-safe.
class NodeLog {
 public:
  // To standard error, flushed after each line.
  NodeLog(NodeId node, LogLevel level, LogFormat format);
  NodeLog(NodeId node, LogLevel level, LogFormat format, std::shared_ptr<spdlog::sinks::sink> sink);
  ~NodeLog();

  // The node's number, once it is known: that of one that joins is 0 before.
  void SetNode(NodeId node);

  // What later lines say of the node.
  void SetContext(Term term, Role role);

  void Write(LogLevel level, std::string_view event, const std::vector<Field>& fields = {});

  // As Write(), but at most once in `interval` for each `key`: what would come more often is
  // counted, and the next line that is written carries the count as `suppressed`.
  void WriteLimited(LogLevel level, const std::string& key, Duration interval,
                    std::string_view event, std::vector<Field> fields = {});

 private:
  struct Limited {
    std::chrono::steady_clock::time_point last;
    std::uint64_t suppressed = 0;
  };

  const LogLevel level_;
  const LogFormat format_;
  const std::shared_ptr<spdlog::logger> logger_;
  std::mutex mutex_;
  NodeId node_;                             // guarded by mutex_
  Term term_;                               // guarded by mutex_
  Role role_ = Role::kFollower;             // guarded by mutex_
  std::map<std::string, Limited> limited_;  // guarded by mutex_
};

}  // namespace lockstep::server

#endif  // LOCKSTEP_SERVER_LOG_H_
