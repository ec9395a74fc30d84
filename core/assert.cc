#include "core/assert.h"

#include <string>

namespace lockstep {

void FailAssertion(const char* condition, const char* file, int line) {
  throw AssertionFailure(std::string(file) + ":" + std::to_string(line) +
                         ": assertion failed: " + condition);
}

}  // namespace lockstep
