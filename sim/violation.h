// What a run throws when a guarantee does not hold, and what proves it.

#ifndef LOCKSTEP_SIM_VIOLATION_H_
#define LOCKSTEP_SIM_VIOLATION_H_

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/types.h"

namespace lockstep::sim {

// One thing that happened and that a violation rests on, so that the story of the run can point at
// it (sim/story/proof.h finds the event). Fields that the kind does not name are zero.
struct Evidence {
  enum class Kind : std::uint8_t {
    kLed = 1,    // `node` became leader of `term`
    kVoted,      // `node` took this `term` and a vote in it; term 0: when it last did
    kAppended,   // `node` put the entry at `index` into its log; of `term`, if that is not 0
    kCommitted,  // the commit index of `node` reached `index`
    kApplied,    // `node` had applied `index`
    kStored,     // the last thing that the disk of `node` stored, or was asked to
    kStarted,    // the last start of `node`
    kSent,       // the last message that `node` sent
    kAnswered,   // the last answer that `node` gave a client
    kOperation,  // the operation at position `operation` of the history
  };
  Kind kind = Kind::kLed;
  NodeId node{};
  Term term{};
  Index index{};
  std::uint64_t operation = 0;

  friend bool operator==(const Evidence&, const Evidence&) = default;
};

// A property that was found broken. The world stops at once: what happens after it proves nothing.
class Violation : public std::runtime_error {
 public:
  // `property` names what is broken, the same for every failure of one kind. The most telling
  // evidence comes first.
  Violation(const char* property, const std::string& text, std::vector<Evidence> evidence = {})
      : std::runtime_error(text), property_(property), evidence_(std::move(evidence)) {}

  const std::string& property() const { return property_; }
  const std::vector<Evidence>& evidence() const { return evidence_; }

 private:
  std::string property_;
  std::vector<Evidence> evidence_;
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_VIOLATION_H_
