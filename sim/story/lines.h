// The story of a run as lines, while it goes on: for people, and as JSON for programs.

#ifndef LOCKSTEP_SIM_STORY_LINES_H_
#define LOCKSTEP_SIM_STORY_LINES_H_

#include <cstdio>
#include <string>

#include "sim/story/event.h"

namespace lockstep::sim::story {

// The time in seconds, who, and what, a line each.
class TextLines : public Listener {
 public:
  // REQUIRES: `out` outlives this.
  explicit TextLines(std::FILE* out) : out_(out) {}
  void Hear(const Event& event) override;

 private:
  std::FILE* out_;
};

// One JSON object a line; docs/story.md names the fields.
class JsonLines : public Listener {
 public:
  // REQUIRES: `out` outlives this.
  explicit JsonLines(std::FILE* out) : out_(out) {}
  void Hear(const Event& event) override;

 private:
  std::FILE* out_;
};

// The object of one event, without the end of the line.
std::string JsonLine(const Event& event);

// As JSON and the page name it.
const char* Name(Evidence::Kind kind);

}  // namespace lockstep::sim::story

#endif  // LOCKSTEP_SIM_STORY_LINES_H_
