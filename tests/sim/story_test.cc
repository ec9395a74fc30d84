// The story of a run: what is told, that it is complete, and that lines and page say the same.

#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "core/raft/node.h"
#include "sim/plan_draw.h"
#include "sim/run.h"
#include "sim/story/event.h"
#include "sim/story/lines.h"
#include "sim/story/page.h"
#include "sim/story/proof.h"
#include "sim/violation.h"
#include "sim/world.h"

namespace lockstep::sim::story {
namespace {

// A run with its story.
class StoryTest : public testing::TestWithParam<std::uint64_t> {
 protected:
  StoryTest() : plan_(DrawPlan(GetParam())), trace_({&recorder_}), world_(plan_, trace_) {
    world_.Start();
    world_.Run();
  }

  const std::vector<Event>& events() const { return recorder_.events(); }
  std::size_t Count(Kind kind) const {
    std::size_t count = 0;
    for (const Event& event : events()) {
      count += event.kind == kind ? 1 : 0;
    }
    return count;
  }

  Plan plan_;
  Recorder recorder_;
  Trace trace_;
  World world_;
};

TEST_P(StoryTest, EveryMessageThatArrivesOrIsLostWasSent) {
  std::map<std::uint64_t, const Event*> sent;
  std::map<std::uint64_t, int> copies;  // that have not come to an end yet
  for (const Event& event : events()) {
    if (event.kind == Kind::kSend) {
      EXPECT_TRUE(sent.emplace(event.number, &event).second) << event.text;
      copies[event.number] = 1;
    } else if (event.kind == Kind::kDuplicate) {
      ++copies[event.number];
    } else if (event.kind == Kind::kReceive ||
               (event.kind == Kind::kLost && !event.client.has_value())) {
      ASSERT_TRUE(sent.contains(event.number)) << event.text;
      const Event& from = *sent[event.number];
      EXPECT_EQ(from.what, event.what);
      EXPECT_EQ(from.term, event.term);
      EXPECT_EQ(from.node, event.kind == Kind::kReceive ? event.peer : event.node);
      EXPECT_LE(from.at, event.at);
      EXPECT_GE(--copies[event.number], 0) << event.text;
    }
  }
  EXPECT_EQ(sent.size(), world_.network().sent());
}

TEST_P(StoryTest, EachNodesLogCanBeToldFromItsEvents) {
  struct Log {
    Index base;
    std::vector<LogEntry> entries;
  };
  std::map<NodeId, Log> logs;
  std::map<NodeId, State> states;
  for (const Event& event : events()) {
    Log& log = logs[event.node];
    switch (event.kind) {
      case Kind::kStart:
      case Kind::kReset:
        log = {event.index, event.entries};
        break;
      case Kind::kAppend:
        ASSERT_GT(event.index, log.base);
        ASSERT_LE(event.index.value, log.base.value + log.entries.size() + 1);
        log.entries.resize(event.index.value - log.base.value - 1);
        log.entries.insert(log.entries.end(), event.entries.begin(), event.entries.end());
        break;
      case Kind::kCompact:
        log.entries.erase(
            log.entries.begin(),
            log.entries.begin() + static_cast<std::ptrdiff_t>(event.index.value - log.base.value));
        log.base = event.index;
        break;
      case Kind::kState:
        states[event.node] = *event.state;
        break;
      default:
        break;
    }
  }
  ASSERT_NE(world_.Leader(), NodeId());
  const raft::Membership members =
      world_.node(world_.Leader()).replica().node().membership().membership;
  std::size_t voters = 0;
  std::size_t compared = 0;
  for (std::uint64_t id = 1; id <= world_.node_count(); ++id) {
    voters += members.IsVoter(NodeId{id}) ? 1 : 0;
    if (!world_.node(NodeId{id}).running()) {
      continue;  // given up, or in reserve
    }
    compared += members.IsVoter(NodeId{id}) ? 1 : 0;
    const raft::Node& node = world_.node(NodeId{id}).replica().node();
    const Log& told = logs[NodeId{id}];
    EXPECT_EQ(told.base, node.log().base().index);
    ASSERT_EQ(told.entries.size(), node.log().last_index().value - told.base.value)
        << "node " << id;
    for (const LogEntry& entry : told.entries) {
      EXPECT_EQ(node.log().TermAt(entry.index), entry.term);
    }
    EXPECT_EQ(states[NodeId{id}].commit, node.commit_index());
    EXPECT_EQ(states[NodeId{id}].term, node.current_term());
    EXPECT_EQ(states[NodeId{id}].role, node.role());
    EXPECT_EQ(states[NodeId{id}].durable, node.durable_index());
  }
  EXPECT_GT(2 * compared, voters);
}

TEST_P(StoryTest, EachOperationBeginsAndEndsWithItsOutcome) {
  const history::History& history = world_.clients().history();
  EXPECT_EQ(Count(Kind::kInvoke), history.operations.size());
  std::set<std::uint64_t> begun;
  for (const Event& event : events()) {
    if (event.kind == Kind::kInvoke) {
      EXPECT_TRUE(begun.insert(event.number).second);
      EXPECT_EQ(event.at.ns, history.operations[event.number].called_at);
    } else if (event.kind == Kind::kReturn) {
      EXPECT_EQ(begun.erase(event.number), 1u);
      EXPECT_EQ(event.what, Name(history.operations[event.number].outcome));
    }
  }
  EXPECT_TRUE(begun.empty());
}

TEST_P(StoryTest, FaultsAndRareStatesAreTold) {
  const ProbeCounts& probes = world_.probes();
  // A node that is given up has crashed before, which is told too.
  EXPECT_EQ(Count(Kind::kCrash), probes.Of(Probe::kNodeCrashed) + probes.Of(Probe::kNodeGivenUp));
  EXPECT_EQ(Count(Kind::kPause), probes.Of(Probe::kNodePaused));
  EXPECT_EQ(Count(Kind::kDuplicate),
            probes.Of(Probe::kMessageDuplicated) + probes.Of(Probe::kMessageCopiedLate));
  // A node whose power goes while it opens its files has not started.
  EXPECT_GE(Count(Kind::kStart), world_.node_count());
  EXPECT_LE(Count(Kind::kStart), world_.node_count() + probes.Of(Probe::kNodeCrashed));
  EXPECT_EQ(Count(Kind::kHeal), 1u);
  std::size_t leaders = 0;
  for (const Event& event : events()) {
    leaders += event.kind == Kind::kNotice && event.what == "became-leader" ? 1 : 0;
  }
  EXPECT_EQ(leaders, probes.Of(Probe::kLeaderElected));
}

TEST_P(StoryTest, JsonLinesHoldTheSameEvents) {
  for (const Event& event : events()) {
    const nlohmann::json line = nlohmann::json::parse(JsonLine(event));
    ASSERT_EQ(line["t"], event.at.ns);
    ASSERT_EQ(line["kind"], Name(event.kind));
    ASSERT_EQ(line.value("node", std::uint64_t{0}), event.node.value);
    ASSERT_EQ(line.contains("entries") ? line["entries"].size() : 0, event.entries.size());
    ASSERT_EQ(line.contains("state"), event.state.has_value());
    ASSERT_EQ(line["text"], event.text);
  }
}

TEST_P(StoryTest, ThePagesDataHoldsAllOfThemAndEveryText) {
  const nlohmann::json data = nlohmann::json::parse(PageData(plan_, events()));
  ASSERT_EQ(data["t"].size(), events().size());
  std::size_t number = 0;
  std::int64_t time = 0;
  for (std::size_t i = 0; i < events().size(); ++i) {
    time += data["t"][i].get<std::int64_t>();
    ASSERT_EQ(time, events()[i].at.ns / 1000);
    std::string text;
    for (const char c : data["templates"][data["text"][i].get<std::size_t>()].get<std::string>()) {
      text += c == '\x01' ? std::to_string(data["text_numbers"][number++].get<std::int64_t>())
                          : std::string(1, c);
    }
    ASSERT_EQ(text, events()[i].text);
  }
}

// Crashes, loss and duplicates; truncation and pauses; snapshots and crashes within storage.
INSTANTIATE_TEST_SUITE_P(Seeds, StoryTest, testing::Values(3, 14, 15));

// ---- The page

std::string PageOf(const Plan& plan, const std::vector<Event>& events) {
  std::FILE* file = std::tmpfile();
  WritePage(plan, events, file);
  std::string page(static_cast<std::size_t>(std::ftell(file)), '\0');
  std::rewind(file);
  EXPECT_EQ(std::fread(page.data(), 1, page.size(), file), page.size());
  std::fclose(file);
  return page;
}

TEST(PageTest, NeedsNothingFromAnywhere) {
  const std::string page = PageOf(DrawPlan(1), {});
  for (const char* word : {"http:", "https:", "//cdn", "@import", "src=", "url(", "fetch(",
                           "XMLHttp", "import(", "WebSocket"}) {
    EXPECT_EQ(page.find(word), std::string::npos) << word;
  }
}

TEST(PageTest, NoTextCanLeaveItsPlace) {
  Event event{.kind = Kind::kVerdict,
              .what = "</script><script>alert(1)</script>",
              .text = "<!-- <script> \xff\x01 00017 12345678901234567890"};
  const std::string page = PageOf(DrawPlan(1), {event});
  EXPECT_EQ(page.find("alert(1)</script>"), std::string::npos);
  EXPECT_EQ(page.find("<!-- <script>"), std::string::npos);
  const nlohmann::json data = nlohmann::json::parse(PageData(DrawPlan(1), {event}));
  EXPECT_EQ(data["strings"][0], event.what);
  EXPECT_EQ(data["templates"][0], "<!-- <script> \xef\xbf\xbd? 00017 12345678901234567890");
}

TEST(PageTest, RunPlanWritesItAndTheRunStaysTheSame) {
  std::FILE* page = std::tmpfile();
  std::FILE* lines = std::tmpfile();
  const RunResult told = RunPlan(DrawPlan(3), {.trace_json = lines, .page = page});
  EXPECT_GT(std::ftell(page), 100'000);
  EXPECT_GT(std::ftell(lines), 100'000);
  std::fclose(page);
  std::fclose(lines);
  EXPECT_EQ(told.fingerprint, RunPlan(DrawPlan(3)).fingerprint);
}

// ---- Proofs

std::vector<Event> WithVerdict(std::vector<Event> events, std::vector<Evidence> evidence) {
  events.push_back({.kind = Kind::kVerdict, .what = "broken", .evidence = std::move(evidence)});
  return events;
}

Event StateEvent(NodeId node, std::uint64_t commit) {
  return {.kind = Kind::kState, .node = node, .state = State{.commit = {commit}}};
}

TEST(ProofTest, TwoLeadersOfATermAreBothShown) {
  const auto leader = [](std::uint64_t node, std::uint64_t term) {
    return Event{.kind = Kind::kNotice, .what = "became-leader", .node = {node}, .term = {term}};
  };
  const std::vector<Event> events =
      WithVerdict({leader(1, 1), leader(1, 2), leader(2, 3), leader(3, 2)},
                  {{.kind = Evidence::Kind::kLed, .node = {1}, .term = {2}},
                   {.kind = Evidence::Kind::kLed, .node = {3}, .term = {2}}});
  EXPECT_EQ(ProofOf(events), (std::vector<std::size_t>{1, 3}));
}

TEST(ProofTest, ACommitIsShownWhereItWasReachedFirstAndLast) {
  const NodeId node{1};
  const std::vector<Event> events =
      WithVerdict({StateEvent(node, 4), StateEvent(node, 6), StateEvent(node, 0),
                   StateEvent(NodeId{2}, 9), StateEvent(node, 5), StateEvent(node, 7)},
                  {{.kind = Evidence::Kind::kCommitted, .node = node, .index = {5}}});
  EXPECT_EQ(ProofOf(events), (std::vector<std::size_t>{1, 4}));
}

TEST(ProofTest, AnOperationIsShownByItsEndAndEachEventOnce) {
  const std::vector<Event> events =
      WithVerdict({{.kind = Kind::kInvoke, .number = 3},
                   {.kind = Kind::kInvoke, .number = 4},
                   {.kind = Kind::kReturn, .number = 3}},
                  {{.kind = Evidence::Kind::kOperation, .operation = 3},
                   {.kind = Evidence::Kind::kOperation, .operation = 4},
                   {.kind = Evidence::Kind::kOperation, .operation = 3}});
  EXPECT_EQ(ProofOf(events), (std::vector<std::size_t>{1, 2}));
}

TEST(ProofTest, WithoutEvidenceItIsTheLastEventAndACleanRunHasNone) {
  EXPECT_EQ(ProofOf(WithVerdict({StateEvent(NodeId{1}, 1), StateEvent(NodeId{1}, 2)}, {})),
            (std::vector<std::size_t>{1}));
  EXPECT_TRUE(
      ProofOf({StateEvent(NodeId{1}, 1), {.kind = Kind::kVerdict, .what = "clean"}}).empty());
  EXPECT_TRUE(ProofOf({}).empty());
}

}  // namespace
}  // namespace lockstep::sim::story
