// page.html with page.css and page.js inside, as embed.py put them together.

#ifndef LOCKSTEP_SIM_STORY_PAGE_TEMPLATE_H_
#define LOCKSTEP_SIM_STORY_PAGE_TEMPLATE_H_

#include <string_view>

namespace lockstep::sim::story {

// The page is head, data, tail.
extern const std::string_view kPageHead;
extern const std::string_view kPageTail;

}  // namespace lockstep::sim::story

#endif  // LOCKSTEP_SIM_STORY_PAGE_TEMPLATE_H_
