// Passing an error on, in one line.

#ifndef LOCKSTEP_STORAGE_STATUS_H_
#define LOCKSTEP_STORAGE_STATUS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns from the calling function if `expression`, an absl::Status, is an error.
#define LOCKSTEP_RETURN_IF_ERROR(expression)                               \
  do {                                                                     \
    if (absl::Status status_ = (expression); !status_.ok()) [[unlikely]] { \
      return status_;                                                      \
    }                                                                      \
  } while (false)

#define LOCKSTEP_STATUS_JOIN_(a, b) a##b
#define LOCKSTEP_STATUS_NAME_(line) LOCKSTEP_STATUS_JOIN_(status_or_, line)

// Puts the value of `expression`, an absl::StatusOr, into `declaration`, or returns its error.
#define LOCKSTEP_ASSIGN_OR_RETURN(declaration, expression)      \
  auto LOCKSTEP_STATUS_NAME_(__LINE__) = (expression);          \
  if (!LOCKSTEP_STATUS_NAME_(__LINE__).ok()) [[unlikely]] {     \
    return std::move(LOCKSTEP_STATUS_NAME_(__LINE__)).status(); \
  }                                                             \
  declaration = *std::move(LOCKSTEP_STATUS_NAME_(__LINE__))

#endif  // LOCKSTEP_STORAGE_STATUS_H_
