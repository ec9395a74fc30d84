// Assertions that are always on: Raft survives a node that stops, not one that lies.

#ifndef LOCKSTEP_CORE_ASSERT_H_
#define LOCKSTEP_CORE_ASSERT_H_

#include <stdexcept>

namespace lockstep {

// A bug of ours. Nothing in production catches it, so that the process stops with its text; the
// simulator catches it at its event loop and reports the seed.
class AssertionFailure : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

[[noreturn]] void FailAssertion(const char* condition, const char* file, int line);

}  // namespace lockstep

// Stops the node if `condition`, which must hold whatever the input, does not.
#define CORE_ASSERT(condition)                                   \
  do {                                                           \
    if (!(condition)) [[unlikely]] {                             \
      ::lockstep::FailAssertion(#condition, __FILE__, __LINE__); \
    }                                                            \
  } while (false)

#endif  // LOCKSTEP_CORE_ASSERT_H_
