// The words of the field as types that refuse to be mixed up.

#ifndef LOCKSTEP_CORE_TYPES_H_
#define LOCKSTEP_CORE_TYPES_H_

#include <compare>
#include <cstdint>
#include <limits>

namespace lockstep {

// A number that only its own kind can be compared with.
template <class Tag>
struct Ordinal {
  std::uint64_t value = 0;

  constexpr Ordinal Next() const { return {value + 1}; }
  // REQUIRES: value > 0.
  constexpr Ordinal Previous() const { return {value - 1}; }
  friend constexpr auto operator<=>(Ordinal, Ordinal) = default;
};

using ClusterId = Ordinal<struct ClusterIdTag>;  // 0 is "no cluster"
using NodeId = Ordinal<struct NodeIdTag>;        // 0 is "no node"
// Drawn when a node's files are made: a node that lost its files and got new ones is another
// incarnation, and cannot keep what the first one promised. 0 is "not known".
using Incarnation = Ordinal<struct IncarnationTag>;
using Term = Ordinal<struct TermTag>;          // 0 before the first election
using Index = Ordinal<struct IndexTag>;        // log position; the first entry is 1
using Revision = Ordinal<struct RevisionTag>;  // of the data; 1 before the first write, as in etcd
using SessionId = Ordinal<struct SessionIdTag>;  // 0 is "no session"
using WriteId = Ordinal<struct WriteIdTag>;      // of one node's writes to log.db; the first is 1
using CheckpointId =
    Ordinal<struct CheckpointIdTag>;             // of one node's writes to state.db; the first is 1
using RequestId = Ordinal<struct RequestIdTag>;  // given by the driver, unique while a node runs

// A span of time in nanoseconds.
struct Duration {
  std::int64_t ns = 0;

  friend constexpr auto operator<=>(Duration, Duration) = default;
  friend constexpr Duration operator+(Duration a, Duration b) { return {a.ns + b.ns}; }
  friend constexpr Duration operator-(Duration a, Duration b) { return {a.ns - b.ns}; }
  friend constexpr Duration operator*(Duration a, std::int64_t n) { return {a.ns * n}; }
  friend constexpr Duration operator/(Duration a, std::int64_t n) { return {a.ns / n}; }
};

constexpr Duration Microseconds(std::int64_t n) { return {n * 1'000}; }
constexpr Duration Milliseconds(std::int64_t n) { return {n * 1'000'000}; }
constexpr Duration Seconds(std::int64_t n) { return {n * 1'000'000'000}; }

// A reading of one node's monotonic clock, in nanoseconds since an origin of that node's own.
// Readings of different nodes mean nothing to each other.
struct Instant {
  std::int64_t ns = 0;

  static constexpr Instant Never() { return {std::numeric_limits<std::int64_t>::max()}; }

  friend constexpr auto operator<=>(Instant, Instant) = default;
  friend constexpr Instant operator+(Instant t, Duration d) { return {t.ns + d.ns}; }
  friend constexpr Duration operator-(Instant a, Instant b) { return {a.ns - b.ns}; }
};

// Time as the log tells it: nanoseconds that leaders have stamped into entries. It never runs
// backwards and is the only clock that what is replicated may depend on.
using ClusterTime = Ordinal<struct ClusterTimeTag>;

}  // namespace lockstep

#endif  // LOCKSTEP_CORE_TYPES_H_
