// The story of a run as one HTML page that needs nothing else: no network, no server, no build
// step. docs/story.md tells how to read it.

#ifndef LOCKSTEP_SIM_STORY_PAGE_H_
#define LOCKSTEP_SIM_STORY_PAGE_H_

#include <cstdio>
#include <string>
#include <vector>

#include "sim/plan.h"
#include "sim/story/event.h"

namespace lockstep::sim::story {

// Writes the page of a run of `plan` that went as `events` tell. What cannot be written is for the
// caller to find out (std::ferror, std::fclose). To get a page of any plan:
//   RunPlan(plan, {.page = file});
void WritePage(const Plan& plan, const std::vector<Event>& events, std::FILE* out);

// The data inside the page: one JSON object, in which no "<" occurs, so that no text of a plan can
// end the element that holds it. PageData's fields are listed in page.cc, where page.js reads them.
std::string PageData(const Plan& plan, const std::vector<Event>& events);

}  // namespace lockstep::sim::story

#endif  // LOCKSTEP_SIM_STORY_PAGE_H_
