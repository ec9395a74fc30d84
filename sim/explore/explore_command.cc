#include "sim/explore/explore_command.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "core/assert.h"
#include "sim/explore/search.h"
#include "sim/explore/world.h"
#include "sim/hunt.h"
#include "sim/interrupt.h"
#include "sim/violation.h"

namespace lockstep::sim::explore {
namespace {

struct Usage {
  Duration processor;
  std::uint64_t megabytes = 0;  // at the most, so far
};

Usage UsageNow() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  const auto time = [](const timeval& value) {
    return Seconds(value.tv_sec) + Microseconds(value.tv_usec);
  };
  return {time(usage.ru_utime) + time(usage.ru_stime),
          static_cast<std::uint64_t>(usage.ru_maxrss) / 1024};
}

double InSeconds(Duration duration) { return static_cast<double>(duration.ns) / 1e9; }

std::string Words(const Bounds& bounds) {
  std::string text =
      std::to_string(bounds.nodes) + " nodes, terms up to " + std::to_string(bounds.terms);
  const auto add = [&](std::uint64_t number, const char* one, const char* many) {
    if (number > 0) {
      text += ", " + std::to_string(number) + " " + (number == 1 ? one : many);
    }
  };
  add(bounds.timeouts, "election timeout", "election timeouts");
  add(bounds.silences, "silence", "silences");
  add(bounds.ticks, "tick", "ticks");
  add(bounds.crashes, "crash", "crashes");
  add(bounds.writes, "write", "writes");
  add(bounds.reads, "read", "reads");
  add(bounds.checkpoints, "checkpoint", "checkpoints");
  if (bounds.duplicates.has_value()) {
    text += ", duplicates " + std::to_string(*bounds.duplicates);
  } else {
    text += ", any duplicates";
  }
  return text + (bounds.depth.has_value() ? ", " + std::to_string(*bounds.depth) + " steps"
                                          : ", any number of steps");
}

class Explorer {
 public:
  Explorer(const ExploreCommand& command, const std::string& program)
      : command_(command), program_(program), show_progress_(isatty(STDERR_FILENO) != 0) {}

  int Run();

 private:
  struct Totals {
    std::uint64_t states = 0;
    std::uint64_t transitions = 0;
  };

  std::vector<Scope> Chosen() const;
  // False if a guarantee was found broken.
  bool RunScope(const Scope& scope);
  bool Stop(const Scope& scope, const SearchProgress& progress);
  void PrintResult(const World& world, const SearchResult& result, const Usage& begin) const;
  void PrintBroken(const Scope& scope, World& world, const State& first,
                   const SearchResult& result) const;

  const ExploreCommand& command_;
  const std::string& program_;
  const bool show_progress_;
  Usage scope_begin_;
  Duration last_progress_;
  const char* stopped_by_ = nullptr;
  Totals totals_;
};

std::vector<Scope> Explorer::Chosen() const {
  std::vector<Scope> chosen;
  for (const Scope& scope : Scopes()) {
    const bool named = std::find(command_.scopes.begin(), command_.scopes.end(), scope.name) !=
                       command_.scopes.end();
    if (!command_.scopes.empty() && !named) {
      continue;
    }
    Scope changed = scope;
    Bounds& bounds = changed.bounds;
    bounds.nodes = command_.nodes.value_or(bounds.nodes);
    bounds.terms = command_.terms.value_or(bounds.terms);
    bounds.timeouts = command_.timeouts.value_or(bounds.timeouts);
    bounds.silences = command_.silences.value_or(bounds.silences);
    bounds.ticks = command_.ticks.value_or(bounds.ticks);
    bounds.crashes = command_.crashes.value_or(bounds.crashes);
    bounds.writes = command_.writes.value_or(bounds.writes);
    bounds.reads = command_.reads.value_or(bounds.reads);
    bounds.checkpoints = command_.checkpoints.value_or(bounds.checkpoints);
    if (command_.depth.has_value()) {
      bounds.depth = command_.depth;
    }
    if (command_.duplicates.has_value()) {
      bounds.duplicates = command_.duplicates;
    }
    chosen.push_back(std::move(changed));
  }
  return chosen;
}

bool Explorer::Stop(const Scope& scope, const SearchProgress& progress) {
  const Usage now = UsageNow();
  if (show_progress_ && now.processor - last_progress_ > Seconds(1)) {
    last_progress_ = now.processor;
    std::fprintf(stderr,
                 "\r%s: complete up to %" PRIu64 " steps, %" PRIu64 " states, %" PRIu64
                 " to expand, %.0f s, %" PRIu64 " MB   ",
                 scope.name, progress.depth, progress.states, progress.to_expand,
                 InSeconds(now.processor - scope_begin_.processor), now.megabytes);
  }
  if (Interrupted()) {
    stopped_by_ = "interrupted";
  } else if (now.megabytes >= command_.memory_megabytes) {
    stopped_by_ = "--memory";
  } else if (command_.time.has_value() &&
             now.processor - scope_begin_.processor >= *command_.time) {
    stopped_by_ = "--time";
  }
  return stopped_by_ != nullptr;
}

bool Explorer::RunScope(const Scope& scope) {
  std::printf("%-11s %s\n", scope.name, scope.what);
  std::printf("  bounds    %s\n", Words(scope.bounds).c_str());
  std::fflush(stdout);
  scope_begin_ = UsageNow();
  last_progress_ = scope_begin_.processor;
  stopped_by_ = nullptr;
  World world(scope.bounds);
  State first;
  try {
    first = Begin(world, scope.beginning);
  } catch (const Violation& violation) {
    std::printf("FAILED      %s: %s\n", violation.property().c_str(), violation.what());
    return false;
  }
  SearchLimits limits{
      .depth = scope.bounds.depth.value_or(UINT64_MAX),
      .states = command_.states,
      .stop = [&](const SearchProgress& progress) { return Stop(scope, progress); }};
  const SearchResult result = Search(world, first, limits);
  if (show_progress_) {
    std::fprintf(stderr, "\r\033[K");
  }
  PrintResult(world, result, scope_begin_);
  totals_.states += result.progress.states;
  totals_.transitions += result.progress.transitions;
  if (result.broken.has_value()) {
    PrintBroken(scope, world, first, result);
    return false;
  }
  return true;
}

void Explorer::PrintResult(const World& world, const SearchResult& result,
                           const Usage& begin) const {
  const SearchProgress& progress = result.progress;
  const Usage now = UsageNow();
  const double seconds = std::max(1e-3, InSeconds(now.processor - begin.processor));
  std::printf("  states    %" PRIu64 " distinct, %" PRIu64
              " transitions; %zu of one node, %zu messages, "
              "%zu steps of the core\n",
              progress.states, progress.transitions, world.space().member_count(),
              world.space().message_count(), world.space().outcome_count());
  std::printf("  time      %.2f s of one processor, %.0f states a second, %" PRIu64
              " MB at the most\n",
              seconds, static_cast<double>(progress.states) / seconds, now.megabytes);
  std::string ending;
  const std::string complete = "complete up to " + std::to_string(progress.depth) + " steps";
  if (result.exhausted) {
    ending = "complete: every history within the bounds, the longest new one of " +
             std::to_string(progress.depth - 1) + " steps";
  } else if (result.broken.has_value()) {
    ending = complete + " without a fault";
  } else if (stopped_by_ != nullptr) {
    ending = complete + ", then ended by " + stopped_by_;
  } else if (progress.states >= command_.states) {
    ending = complete + ", then ended by --states";
  } else {
    ending = complete + ", " + std::to_string(progress.to_expand) + " states not expanded";
  }
  std::printf("  depth     %s\n", ending.c_str());
}

void Explorer::PrintBroken(const Scope& scope, World& world, const State& first,
                           const SearchResult& result) const {
  std::printf("FAILED      %s: %s\n", result.broken->property.c_str(), result.broken->text.c_str());
  std::printf("at first\n");
  for (const std::string& line : world.Describe(first)) {
    std::printf("            %s\n", line.c_str());
  }
  std::printf("steps       %zu, and no fewer break it\n", result.steps.size());
  State state = first;
  for (std::size_t i = 0; i < result.steps.size(); ++i) {
    std::printf("%7zu     %s\n", i + 1, world.Describe(state, result.steps[i]).c_str());
    State next;
    if (world.Apply(state, result.steps[i], &next) == World::Result::kChanged) {
      state = next;
    }
  }
  std::printf("in the end\n");
  for (const std::string& line : world.Describe(state)) {
    std::printf("            %s\n", line.c_str());
  }
  std::printf("to repeat   %s explore --scope %s\n", program_.c_str(), scope.name);
}

int Explorer::Run() {
  CatchInterrupts();
  const Usage begin = UsageNow();
  for (const Scope& scope : Chosen()) {
    if (command_.list) {
      std::printf("%-11s %s\n            %s\n", scope.name, scope.what,
                  Words(scope.bounds).c_str());
      continue;
    }
    if (!RunScope(scope)) {
      return kExitFailure;
    }
    if (Interrupted()) {
      break;
    }
  }
  if (command_.list) {
    return kExitClean;
  }
  std::printf("all         %" PRIu64 " distinct states, %" PRIu64
              " transitions in %.2f s of one processor\n",
              totals_.states, totals_.transitions,
              InSeconds(UsageNow().processor - begin.processor));
  if (Interrupted()) {
    std::printf("verdict     clean as far as it went; interrupted\n");
    return kExitInterrupted;
  }
  std::printf("verdict     clean\n");
  return kExitClean;
}

}  // namespace

int Explore(const ExploreCommand& command, const std::string& program) {
  for (const std::string& name : command.scopes) {
    const bool known = std::any_of(Scopes().begin(), Scopes().end(),
                                   [&](const Scope& scope) { return name == scope.name; });
    if (!known) {
      std::string names;
      for (const Scope& scope : Scopes()) {
        names += std::string(names.empty() ? "" : ", ") + scope.name;
      }
      std::fprintf(stderr, "lockstep-sim: there is no scope '%s'; the scopes are %s\n",
                   name.c_str(), names.c_str());
      return kExitUsage;
    }
  }
  return Explorer(command, program).Run();
}

}  // namespace lockstep::sim::explore
