// Writes pages for the browser's test: story_pages FOLDER
//   healthy.html  a small run
//   failing.html  the same with a verdict that names two leaders, a message and an operation, and
//   whose
//                 text tries to leave its place
//   large.html    a run of more than 100,000 events in which a log is truncated

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "sim/plan_draw.h"
#include "sim/story/event.h"
#include "sim/story/page.h"
#include "sim/world.h"

namespace {

using lockstep::sim::Evidence;
using lockstep::sim::Plan;
namespace story = lockstep::sim::story;

std::vector<story::Event> Told(const Plan& plan) {
  story::Recorder recorder;
  lockstep::sim::Trace trace({&recorder});
  lockstep::sim::World world(plan, trace);
  world.Start();
  world.Run();
  world.story().Clean();
  return recorder.events();
}

void Write(const std::string& path, const Plan& plan, const std::vector<story::Event>& events) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) {
    std::perror(path.c_str());
    std::exit(1);
  }
  story::WritePage(plan, events, file);
  const long bytes = std::ftell(file);
  std::fclose(file);
  std::printf("%s: %zu events, %ld bytes\n", path.c_str(), events.size(), bytes);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: story_pages FOLDER\n");
    return 2;
  }
  const std::string folder = argv[1];
  const Plan plan = lockstep::sim::DrawBenchmarkPlan(1, /*operations_per_second=*/20);
  std::vector<story::Event> events = Told(plan);
  Write(folder + "/healthy.html", plan, events);

  story::Event& verdict = events.back();
  verdict.what = "election safety";
  verdict.text =
      "two nodes <b>led</b> </script><script>document.title = 'broken out'</script>\nmore of it";
  for (const story::Event& event : events) {
    if (event.what == "became-leader") {
      verdict.evidence.push_back(
          {.kind = Evidence::Kind::kLed, .node = event.node, .term = event.term});
    }
  }
  verdict.evidence.push_back({.kind = Evidence::Kind::kSent, .node = {1}});
  verdict.evidence.push_back({.kind = Evidence::Kind::kOperation, .operation = 3});
  Write(folder + "/failing.html", plan, events);

  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const Plan large = lockstep::sim::DrawBenchmarkPlan(seed, 200);
    const std::vector<story::Event> told = Told(large);
    const bool truncates = std::any_of(told.begin(), told.end(), [](const story::Event& event) {
      return event.what == "truncated-log";
    });
    if (truncates && told.size() > 100'000) {
      Write(folder + "/large.html", large, told);
      return 0;
    }
  }
  std::fprintf(stderr, "no run of more than 100,000 events truncates a log\n");
  return 1;
}
