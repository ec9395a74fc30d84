// The common requests, as the one transaction type that the machine executes.

#ifndef LOCKSTEP_CORE_KV_REQUESTS_H_
#define LOCKSTEP_CORE_KV_REQUESTS_H_

#include <optional>
#include <string>

#include "core/kv/types.h"

namespace lockstep::kv {

Transaction PutTransaction(std::string key, std::string value);
Transaction DeleteTransaction(std::string key);

// Puts if the key is absent; else changes nothing and reads it.
Transaction PutIfAbsentTransaction(std::string key, std::string value);

// Puts `value` if the key's value is `expected` (nullopt: if the key is absent); else changes
// nothing and reads it.
Transaction CompareAndSetTransaction(std::string key, std::optional<std::string> expected,
                                     std::string value);

}  // namespace lockstep::kv

#endif  // LOCKSTEP_CORE_KV_REQUESTS_H_
