// Majority arithmetic, without state (Raft §3.3).

#ifndef LOCKSTEP_CORE_RAFT_QUORUM_H_
#define LOCKSTEP_CORE_RAFT_QUORUM_H_

#include <algorithm>
#include <cstddef>
#include <functional>

#include "absl/container/inlined_vector.h"
#include "core/assert.h"

namespace lockstep::raft {

// How many of `voters` servers make a majority.
constexpr std::size_t Majority(std::size_t voters) { return voters / 2 + 1; }

// A value of each voter. Clusters are small, and a leader asks after every input.
template <class T>
using VoterValues = absl::InlinedVector<T, 8>;

// The largest value that a majority of the voters has reached, given each voter's own: with match
// indexes the index that is stored on a majority, with times of contact the moment since which a
// majority has been heard. REQUIRES: values is not empty.
template <class Values>
typename Values::value_type ReachedByMajority(Values values) {
  CORE_ASSERT(!values.empty());
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>(Majority(values.size()) - 1);
  std::nth_element(values.begin(), nth, values.end(), std::greater<>());
  return *nth;
}

}  // namespace lockstep::raft

#endif  // LOCKSTEP_CORE_RAFT_QUORUM_H_
