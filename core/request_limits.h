// What clients may ask for, and how a request that asks for more is told so.

#ifndef LOCKSTEP_CORE_REQUEST_LIMITS_H_
#define LOCKSTEP_CORE_REQUEST_LIMITS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/kv/types.h"
#include "core/types.h"

namespace lockstep {

// How much of what was committed a read shows, at least. Whatever it is, what a read shows was
// committed, and all keys are as of one moment.
enum class Consistency : std::uint8_t {
  // All that was committed, by whomever, before the replica got the request (ReadIndex, §6.4).
  kLinearizable = 1,
  // The same without asking a quorum, from a leader that holds a lease; as a linearizable read if
  // there is none. It may show less if a clock drifts more than raft::Config::clock_drift_ppm.
  kLease,
  // What this replica has applied, whatever that is. It asks nobody and is never refused for want
  // of
  // a leader. A running replica never goes back to an earlier state.
  kSerializable,
  // All that was committed `max_age` before the replica got the request. At once from a replica
  // that
  // has asked the leader within that time (or, as the leader, has heard from a quorum), else as a
  // linearizable read. It may show less if the replica's own clock drifts more than
  // raft::Config::clock_drift_ppm.
  kBoundedStaleness,
};

// "linearizable", "lease", "serializable", "bounded": what people write.
const char* Name(Consistency consistency);
std::optional<Consistency> ConsistencyNamed(std::string_view name);

struct Read {
  std::vector<std::string> keys;  // at least one
  Consistency consistency = Consistency::kLinearizable;
  Duration max_age{};  // of kBoundedStaleness, and above 0 then; else 0
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
