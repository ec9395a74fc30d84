// Which events of a story prove that its property is broken.

#ifndef LOCKSTEP_SIM_STORY_PROOF_H_
#define LOCKSTEP_SIM_STORY_PROOF_H_

#include <cstddef>
#include <vector>

#include "sim/story/event.h"

namespace lockstep::sim::story {

// Positions in `events`, each once, rising: read in order they tell what went wrong, and the last
// one is mostly where it broke. An operation stands for itself by its return, or by its call if it
// never returned. A violation whose evidence names no event, as that of an assertion, is proven by
// the last event before the verdict: it was noticed there. Empty for a clean run, and for a story
// without an end.
std::vector<std::size_t> ProofOf(const std::vector<Event>& events);

}  // namespace lockstep::sim::story

#endif  // LOCKSTEP_SIM_STORY_PROOF_H_
