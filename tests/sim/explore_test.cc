#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/random.h"
#include "sim/explore/identity.h"
#include "sim/explore/numbering.h"
#include "sim/explore/scope.h"
#include "sim/explore/search.h"
#include "sim/explore/world.h"
#include "sim/violation.h"

namespace lockstep::sim::explore {
namespace {

SearchResult SearchFromStart(const Bounds& bounds) {
  World world(bounds);
  const State first = world.First();
  return Search(world, first,
                {.depth = bounds.depth.value_or(UINT64_MAX), .states = 5'000'000, .stop = {}});
}

// ---- The search

TEST(ExploreTest, OneElectionIsExploredToItsEnd) {
  const SearchResult result = SearchFromStart({.terms = 1, .timeouts = 1});
  EXPECT_FALSE(result.broken.has_value());
  EXPECT_TRUE(result.exhausted);
  EXPECT_EQ(result.progress.to_expand, 0u);
  EXPECT_GT(result.progress.states, 1000u);
}

TEST(ExploreTest, TheSameBoundsGiveTheSameStates) {
  const Bounds bounds{.terms = 2, .timeouts = 2, .crashes = 1, .depth = 9};
  const SearchResult once = SearchFromStart(bounds);
  const SearchResult again = SearchFromStart(bounds);
  EXPECT_EQ(once.progress.states, again.progress.states);
  EXPECT_EQ(once.progress.transitions, again.progress.transitions);
  EXPECT_EQ(once.progress.depth, 9u);
  EXPECT_FALSE(once.exhausted);
}

TEST(ExploreTest, ADepthOfOneHasOneStateForEachKindOfStep) {
  // Whose timeout fires first makes no difference but for the name.
  EXPECT_EQ(SearchFromStart({.timeouts = 1, .depth = 1}).progress.states, 2u);
  // The same with a crash, which changes nothing for a node that never ran.
  EXPECT_EQ(SearchFromStart({.timeouts = 1, .crashes = 1, .depth = 1}).progress.states, 3u);
}

TEST(ExploreTest, ABoundOnStatesEndsTheSearch) {
  World world({.timeouts = 2, .crashes = 1});
  const SearchResult result = Search(world, world.First(), {.states = 500, .stop = {}});
  EXPECT_EQ(result.progress.states, 500u);
  EXPECT_FALSE(result.exhausted);
}

TEST(ExploreTest, ASearchEndsWhenItIsTold) {
  World world({.timeouts = 2, .crashes = 1});
  const SearchResult result =
      Search(world, world.First(),
             {.stop = [](const SearchProgress& progress) { return progress.states > 10'000; }});
  EXPECT_FALSE(result.exhausted);
  EXPECT_GT(result.progress.states, 10'000u);
  EXPECT_GT(result.progress.to_expand, 0u);
}

// Raft on a disk that forgets a write after it said that it had it loses votes. The search must
// find it, and nothing shorter must show it.
TEST(ExploreTest, ALyingDiskIsFoundByTheFewestSteps) {
  Bounds bounds{.terms = 1, .timeouts = 1, .crashes = 1, .depth = 12, .disk_lies = true};
  World world(bounds);
  const State first = world.First();
  const SearchResult found = Search(world, first, {.depth = *bounds.depth, .stop = {}});
  ASSERT_TRUE(found.broken.has_value());
  EXPECT_EQ(found.broken->property, "votes are durable") << found.broken->text;
  // A timeout; a pre-vote and its answer; the candidate's vote on its disk; a request for a vote,
  // the voter's vote on its disk; the crash of either; the answer.
  EXPECT_EQ(found.steps.size(), 8u);

  State state = first;
  for (std::size_t i = 0; i < found.steps.size(); ++i) {
    State next;
    const World::Result result = world.Apply(state, found.steps[i], &next);
    EXPECT_EQ(result,
              i + 1 < found.steps.size() ? World::Result::kChanged : World::Result::kBroken);
    EXPECT_FALSE(world.Describe(state, found.steps[i]).empty());
    state = next;
  }

  EXPECT_FALSE(
      Search(world, first, {.depth = found.steps.size() - 1, .stop = {}}).broken.has_value());
  bounds.disk_lies = false;
  EXPECT_FALSE(SearchFromStart(bounds).broken.has_value());
}

TEST(ExploreTest, AMessageMayArriveAgainOnlyWithinItsBudget) {
  Bounds bounds{.terms = 1, .timeouts = 1};
  const std::uint64_t any = SearchFromStart(bounds).progress.states;
  bounds.duplicates = 0;
  const SearchResult none = SearchFromStart(bounds);
  bounds.duplicates = 1;
  const SearchResult one = SearchFromStart(bounds);
  EXPECT_TRUE(none.exhausted);
  EXPECT_TRUE(one.exhausted);
  EXPECT_GT(one.progress.states, none.progress.states);
  EXPECT_NE(any, none.progress.states);
}

// ---- Scopes

TEST(ExploreTest, EveryScopeBeginsWhereItSays) {
  std::set<std::string> names;
  for (const Scope& scope : Scopes()) {
    SCOPED_TRACE(scope.name);
    EXPECT_TRUE(names.insert(scope.name).second);
    World world(scope.bounds);
    const State first = Begin(world, scope.beginning);
    for (const std::uint8_t spent : first.spent) {
      EXPECT_EQ(spent, 0);
    }
    const SearchResult result = Search(world, first, {.depth = 4, .stop = {}});
    EXPECT_FALSE(result.broken.has_value());
    EXPECT_GT(result.progress.states, 5u);
  }
}

// One history of a scope, step by step.
class Course {
 public:
  explicit Course(const Scope& scope)
      : world_(scope.bounds), state_(Begin(world_, scope.beginning)) {}

  const Member& member(std::uint64_t id) const {
    return world_.space().member(state_.members[id - 1]);
  }
  const raft::Node& node(std::uint64_t id) const { return member(id).node(); }
  const History& history() const { return world_.space().history(state_.history); }

  void Do(StepKind kind, std::uint64_t id, std::uint32_t argument = 0) {
    State next;
    ASSERT_EQ(world_.Apply(state_, {kind, static_cast<std::uint8_t>(id - 1), argument}, &next),
              World::Result::kChanged);
    state_ = next;
  }

  // The message of type Body to `to` that `is_it` accepts; UINT32_MAX if none is under way.
  template <typename Body, typename Predicate>
  MessageNumber Find(std::uint64_t to, Predicate is_it) const {
    for (const MessageNumber number : state_.network) {
      const raft::Message& message = world_.space().message(number);
      const auto* body = std::get_if<Body>(&message.body);
      if (message.to == NodeId{to} && body != nullptr && is_it(*body)) {
        return number;
      }
    }
    return UINT32_MAX;
  }

  template <typename Body, typename Predicate>
  void Deliver(std::uint64_t to, Predicate is_it) {
    const MessageNumber number = Find<Body>(to, is_it);
    ASSERT_NE(number, UINT32_MAX) << "no such message";
    Do(StepKind::kDeliver, to, number);
  }

 private:
  World world_;
  State state_;
};

const Scope& ScopeOf(const std::string& name) {
  for (const Scope& scope : Scopes()) {
    if (scope.name == name) {
      return scope;
    }
  }
  ADD_FAILURE() << "there is no scope " << name;
  return Scopes().front();
}

auto BeginsWith(std::uint64_t index) {
  return [=](const raft::AppendEntries& append) {
    return !append.entries.empty() && append.entries.front().index == Index{index};
  };
}

TEST(ExploreTest, ABeginningThatGoesOtherwiseIsAFault) {
  World world({.timeouts = 1, .writes = 1});
  EXPECT_THROW(
      Begin(world, {{.kind = Cue::Kind::kStep, .step = StepKind::kTimeout, .node = 1, .among = {}},
                    {.kind = Cue::Kind::kSettle, .among = {1, 2}},
                    {.kind = Cue::Kind::kStep, .step = StepKind::kWrite, .node = 3, .among = {}}}),
      Violation);
}

TEST(ExploreTest, TheDivergenceBeginsWithTwoLeaders) {
  const Course course(ScopeOf("divergence"));
  EXPECT_EQ(course.node(1).role(), raft::Role::kLeader);
  EXPECT_EQ(course.node(1).current_term(), Term{1});
  EXPECT_EQ(course.node(3).role(), raft::Role::kLeader);
  EXPECT_EQ(course.node(3).current_term(), Term{2});
  EXPECT_EQ(course.node(1).log().last(), (raft::LogPosition{{2}, {1}}));
  EXPECT_EQ(course.node(3).log().last(), (raft::LogPosition{{2}, {2}}));
  EXPECT_EQ(course.node(3).commit_index(), Index{2});
}

TEST(ExploreTest, TheSuccessionBeginsWithAnAnswerThatOnlyTheLeaderKnows) {
  const Course course(ScopeOf("succession"));
  EXPECT_EQ(course.history().served, Index{2});
  EXPECT_EQ(course.node(1).commit_index(), Index{2});
  for (const std::uint64_t other : {2, 3}) {
    EXPECT_EQ(course.node(other).commit_index(), Index{1});
    EXPECT_EQ(course.member(other).disk().last_index(), Index{2});
  }
}

// A leader that took the hint for an acknowledgement would count an entry that a crash can take.
TEST(ExploreTest, ThreeWritesLetARefusalNameWhatIsNotDurable) {
  Course course(ScopeOf("replication"));
  for (const std::uint32_t write : {1, 2, 3}) {
    course.Do(StepKind::kWrite, 1, write);
  }
  course.Deliver<raft::AppendEntries>(2, BeginsWith(2));
  course.Deliver<raft::AppendEntries>(2, BeginsWith(4));
  EXPECT_EQ(course.member(2).disk().last_index(), Index{1});
  course.Do(StepKind::kPersist, 1);
  course.Deliver<raft::AppendEntriesReply>(1, [](const raft::AppendEntriesReply& reply) {
    return !reply.success && reply.hint.index == Index{2};
  });
  EXPECT_EQ(course.node(1).commit_index(), Index{1});
  course.Do(StepKind::kPersist, 2);
  course.Deliver<raft::AppendEntriesReply>(1, [](const raft::AppendEntriesReply& reply) {
    return reply.success && reply.match == Index{2};
  });
  EXPECT_EQ(course.node(1).commit_index(), Index{2});
}

TEST(ExploreTest, ASnapshotMayArriveAgainAfterNewerEntries) {
  Course course(ScopeOf("catching-up"));
  const auto any = [](const auto&) { return true; };
  course.Do(StepKind::kCheckpoint, 1);
  course.Do(StepKind::kTick, 1);
  course.Do(StepKind::kReadSnapshot, 1, 3);
  course.Deliver<raft::InstallSnapshot>(3, any);
  course.Do(StepKind::kInstall, 3);
  course.Deliver<raft::InstallSnapshotReply>(1, any);
  course.Do(StepKind::kWrite, 1, 1);
  course.Deliver<raft::AppendEntries>(3, BeginsWith(3));
  EXPECT_EQ(course.node(3).log().base().index, Index{2});
  course.Deliver<raft::InstallSnapshot>(3, any);
  EXPECT_FALSE(course.member(3).installing());
  EXPECT_EQ(course.node(3).log().last_index(), Index{3});
}

// ---- Identity

TEST(ExploreIdentityTest, SectionsHaveNoOrderAndNodesHaveOtherNames) {
  const auto tell = [](std::uint64_t a, std::uint64_t b, std::uint64_t leader) {
    Recording recording;
    recording.Node({leader});
    recording.Section({a});
    recording.Number(10 + a);
    recording.Section({b});
    recording.Number(10 + b);
    recording.Section({});
    recording.Number(7);
    return recording;
  };
  const std::vector<Renaming> renamings = AllRenamings(3);
  ASSERT_EQ(renamings.size(), 6u);
  EXPECT_EQ(tell(1, 2, 3).HashUnder(renamings), tell(2, 1, 3).HashUnder(renamings));
  EXPECT_NE(tell(1, 2, 3).HashUnder(renamings[0]), tell(1, 2, 2).HashUnder(renamings[0]));

  Recording one;
  one.Node({1});
  one.Number(2);
  Recording two;
  two.Node({2});
  two.Number(2);
  EXPECT_NE(one.HashUnder(renamings[0]), two.HashUnder(renamings[0]));
  std::set<Hash128> of_one;
  std::set<Hash128> of_two;
  for (const Renaming& renaming : renamings) {
    of_one.insert(one.HashUnder(renaming));
    of_two.insert(two.HashUnder(renaming));
  }
  EXPECT_EQ(of_one, of_two) << "renamed, they are the same";
  EXPECT_EQ(of_one.size(), 3u);
}

TEST(ExploreIdentityTest, NumbersAreGivenInOrderAndKept) {
  Random random(1);
  Numbering numbering;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint32_t> model;
  for (int i = 0; i < 20'000; ++i) {
    const std::uint64_t low = random.Below(200);
    const std::uint64_t high = random.Below(50);
    const auto [known, is_new] =
        model.emplace(std::pair(low, high), static_cast<std::uint32_t>(model.size()));
    const Numbering::Place place = numbering.Of({low, high});
    ASSERT_EQ(place.number, known->second);
    ASSERT_EQ(place.is_new, is_new);
  }
  EXPECT_EQ(numbering.size(), model.size());
}

// ---- The command

struct Ran {
  int code = -1;
  std::string output;  // of both streams
};

Ran RunProgram(const std::string& arguments) {
  const char* program = std::getenv("LOCKSTEP_SIM");
  if (program == nullptr) {
    ADD_FAILURE() << "LOCKSTEP_SIM must name the program";
    return {};
  }
  std::FILE* pipe = popen((std::string(program) + " explore " + arguments + " 2>&1").c_str(), "r");
  Ran ran;
  char buffer[4096];
  while (const std::size_t count = std::fread(buffer, 1, sizeof(buffer), pipe)) {
    ran.output.append(buffer, count);
  }
  const int status = pclose(pipe);
  ran.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return ran;
}

TEST(ExploreCommandTest, TellsWhatItExplored) {
  const Ran ran = RunProgram("--scope elections --timeouts 1 --terms 1 --crashes 0 --depth 99");
  EXPECT_EQ(ran.code, 0) << ran.output;
  EXPECT_NE(ran.output.find("complete: every history within the bounds"), std::string::npos)
      << ran.output;
  EXPECT_NE(ran.output.find("verdict     clean"), std::string::npos) << ran.output;
}

TEST(ExploreCommandTest, SaysHowFarItWentWithinItsBounds) {
  const Ran depth = RunProgram("--scope elections --depth 6");
  EXPECT_EQ(depth.code, 0);
  EXPECT_NE(depth.output.find("complete up to 6 steps,"), std::string::npos) << depth.output;
  const Ran states = RunProgram("--scope elections --states 1000");
  EXPECT_EQ(states.code, 0);
  EXPECT_NE(states.output.find("then ended by --states"), std::string::npos) << states.output;
}

TEST(ExploreCommandTest, RefusesWhatItDoesNotUnderstand) {
  for (const char* arguments : {"--scope nowhere", "--nodes 6", "--nodes 0", "--depth 0",
                                "--crashes many", "--time soon", "--drops 1"}) {
    const Ran ran = RunProgram(arguments);
    EXPECT_EQ(ran.code, 2) << arguments << "\n" << ran.output;
  }
  EXPECT_NE(RunProgram("--scope nowhere").output.find("elections"), std::string::npos)
      << "names the scopes that there are";
}

}  // namespace
}  // namespace lockstep::sim::explore
