#include "core/kv/requests.h"

#include <utility>

namespace lockstep::kv {

Transaction PutTransaction(std::string key, std::string value) {
  Transaction transaction;
  transaction.then.push_back(Put{std::move(key), std::move(value)});
  return transaction;
}

Transaction DeleteTransaction(std::string key) {
  Transaction transaction;
  transaction.then.push_back(Delete{std::move(key)});
  return transaction;
}

Transaction PutIfAbsentTransaction(std::string key, std::string value) {
  return CompareAndSetTransaction(std::move(key), std::nullopt, std::move(value));
}

Transaction CompareAndSetTransaction(std::string key, std::optional<std::string> expected,
                                     std::string value) {
  Condition condition;
  condition.key = key;
  if (expected.has_value()) {
    condition.target = Target::kValue;
    condition.value = *std::move(expected);
  } else {
    condition.target = Target::kVersion;
    condition.number = 0;
  }
  Transaction transaction;
  transaction.conditions.push_back(std::move(condition));
  transaction.then.push_back(Put{key, std::move(value)});
  transaction.otherwise.push_back(Get{std::move(key)});
  return transaction;
}

}  // namespace lockstep::kv
