// What a run throws when a guarantee does not hold.

#ifndef LOCKSTEP_SIM_VIOLATION_H_
#define LOCKSTEP_SIM_VIOLATION_H_

#include <stdexcept>
#include <string>

namespace lockstep::sim {

// A property that was found broken. The world stops at once: what happens after it proves nothing.
class Violation : public std::runtime_error {
 public:
  // `property` names what is broken, the same for every failure of one kind.
  Violation(const char* property, const std::string& text)
      : std::runtime_error(text), property_(property) {}

  const std::string& property() const { return property_; }

 private:
  std::string property_;
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_VIOLATION_H_
