#include "core/request_limits.h"

#include <variant>

namespace lockstep {
namespace {

std::string TooLarge(const std::string& what, std::uint64_t size, const std::string& limit,
                     std::uint64_t max) {
  return what + " has " + std::to_string(size) + " bytes; " + limit + " is " + std::to_string(max);
}

// Adds up what a request holds while it looks at each part.
class Checker {
 public:
  explicit Checker(const Limits& limits) : limits_(limits) {}

  void Count(const char* what, std::uint64_t count) {
    if (count > limits_.transaction_operations_max) {
      Fail(std::string(what) + " number " + std::to_string(count) +
           "; transaction_operations_max is " + std::to_string(limits_.transaction_operations_max));
    }
  }

  void Key(const std::string& key) {
    bytes_ += key.size();
    if (key.empty()) {
      Fail("the key is empty");
    } else if (key.size() > limits_.key_bytes_max) {
      Fail(TooLarge("the key", key.size(), "key_bytes_max", limits_.key_bytes_max));
    }
  }

  void Value(const std::string& value) {
    bytes_ += value.size();
    if (value.size() > limits_.value_bytes_max) {
      Fail(TooLarge("the value", value.size(), "value_bytes_max", limits_.value_bytes_max));
    }
  }

  void operator()(const kv::Get& get) { Key(get.key); }
  void operator()(const kv::Put& put) {
    Key(put.key);
    Value(put.value);
  }
  void operator()(const kv::Delete& del) { Key(del.key); }

  std::string Result() {
    if (bytes_ > limits_.request_bytes_max) {
      Fail(TooLarge("the request", bytes_, "request_bytes_max", limits_.request_bytes_max));
    }
    return problem_;
  }

 private:
  void Fail(std::string problem) {
    if (problem_.empty()) {
      problem_ = std::move(problem);
    }
  }

  const Limits& limits_;
  std::uint64_t bytes_ = 0;
  std::string problem_;  // the first
};

}  // namespace

const char* Name(Consistency consistency) {
  switch (consistency) {
    case Consistency::kLinearizable:
      return "linearizable";
    case Consistency::kLease:
      return "lease";
    case Consistency::kSerializable:
      return "serializable";
    case Consistency::kBoundedStaleness:
      return "bounded";
  }
  return "?";
}

std::optional<Consistency> ConsistencyNamed(std::string_view name) {
  for (const Consistency consistency :
       {Consistency::kLinearizable, Consistency::kLease, Consistency::kSerializable,
        Consistency::kBoundedStaleness}) {
    if (name == Name(consistency)) {
      return consistency;
    }
  }
  return std::nullopt;
}

std::string Check(const kv::OpenSession& request, const Limits&) {
  if (request.time_to_live <= Duration()) {
    return "the session's time to live must be positive";
  }
  if (request.time_to_live > kSessionTimeToLiveMax) {
    return "the session's time to live must be at most 7 days";
  }
  return {};
}

std::string Check(const kv::Transact& request, const Limits& limits) {
  if ((request.session == SessionId()) != (request.sequence == 0)) {
    return "a sequence number goes with a session and starts at 1";
  }
  if (request.session == SessionId() && request.acknowledged != 0) {
    return "there is nothing to acknowledge outside a session";
  }
  Checker checker(limits);
  const kv::Transaction& transaction = request.transaction;
  checker.Count("conditions", transaction.conditions.size());
  checker.Count("then-operations", transaction.then.size());
  checker.Count("else-operations", transaction.otherwise.size());
  for (const kv::Condition& condition : transaction.conditions) {
    checker.Key(condition.key);
    checker.Value(condition.value);
  }
  for (const auto* branch : {&transaction.then, &transaction.otherwise}) {
    for (const kv::Operation& operation : *branch) {
      std::visit([&](const auto& part) { checker(part); }, operation);
    }
  }
  return checker.Result();
}

std::string Check(const Read& request, const Limits& limits) {
  if (request.keys.empty()) {
    return "a read names at least one key";
  }
  const bool bounded = request.consistency == Consistency::kBoundedStaleness;
  if (bounded != (request.max_age != Duration()) || request.max_age < Duration()) {
    return bounded ? "a read of bounded staleness needs a maximal age above 0"
                   : "a maximal age goes with bounded staleness only";
  }
  Checker checker(limits);
  checker.Count("keys", request.keys.size());
  for (const std::string& key : request.keys) {
    checker.Key(key);
  }
  return checker.Result();
}

}  // namespace lockstep
