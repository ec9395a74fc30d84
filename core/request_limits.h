// What clients may ask for, and how a request that asks for more is told so.

#ifndef LOCKSTEP_CORE_REQUEST_LIMITS_H_
#define LOCKSTEP_CORE_REQUEST_LIMITS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "core/kv/types.h"
#include "core/types.h"

namespace lockstep {

// Linearizable: all keys as of one moment between the request and its reply (ReadIndex, §6.4).
struct Read {
  std::vector<std::string> keys;  // at least one
};

// Checked before a command enters the log, so that nodes whose limits differ still apply the same
// entries alike.
struct Limits {
  std::uint64_t key_bytes_max = 4096;
  std::uint64_t value_bytes_max = 1 << 20;
  // Of conditions, of then-operations, of else-operations, and of keys in a read: each.
  std::uint64_t transaction_operations_max = 128;
  std::uint64_t request_bytes_max = 3 << 19;    // 1.5 MiB, as etcd's default
  std::uint64_t pending_requests_max = 10'000;  // accepted and not answered
};

// How long a session may be asked to live without a command.
inline constexpr Duration kSessionTimeToLiveMax = Seconds(7 * 24 * 3600);

// Empty if the request is within the limits and makes sense, else what is wrong with it, in words
// that name the limit.
std::string Check(const kv::OpenSession& request, const Limits& limits);
std::string Check(const kv::Transact& request, const Limits& limits);
std::string Check(const Read& request, const Limits& limits);

}  // namespace lockstep

#endif  // LOCKSTEP_CORE_REQUEST_LIMITS_H_
