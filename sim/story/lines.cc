#include "sim/story/lines.h"

#include <nlohmann/json.hpp>

#include "sim/describe.h"
#include "sim/trace.h"

namespace lockstep::sim::story {
namespace {

using Json = nlohmann::ordered_json;  // fields in the order in which they are added

Json StateJson(const State& state) {
  return {{"role", sim::Name(state.role)},      {"term", state.term.value},
          {"voted_for", state.voted_for.value}, {"leader", state.leader.value},
          {"last", state.last.value},           {"durable", state.durable.value},
          {"commit", state.commit.value},       {"applied", state.applied.value}};
}

Json EvidenceJson(const Evidence& evidence) {
  Json json = {{"kind", Name(evidence.kind)}};
  const auto add = [&](const char* name, std::uint64_t value) {
    if (value != 0) {
      json[name] = value;
    }
  };
  add("node", evidence.node.value);
  add("term", evidence.term.value);
  add("index", evidence.index.value);
  if (evidence.kind == Evidence::Kind::kOperation) {
    json["operation"] = evidence.operation;
  }
  return json;
}

std::vector<std::uint64_t> MembersOf(std::uint64_t group) {
  std::vector<std::uint64_t> members;
  for (std::uint64_t id = 1; group >> (id - 1) != 0; ++id) {
    if ((group >> (id - 1) & 1) != 0) {
      members.push_back(id);
    }
  }
  return members;
}

}  // namespace

const char* Name(Evidence::Kind kind) {
  switch (kind) {
    case Evidence::Kind::kLed:
      return "led";
    case Evidence::Kind::kVoted:
      return "voted";
    case Evidence::Kind::kAppended:
      return "appended";
    case Evidence::Kind::kCommitted:
      return "committed";
    case Evidence::Kind::kApplied:
      return "applied";
    case Evidence::Kind::kStored:
      return "stored";
    case Evidence::Kind::kStarted:
      return "started";
    case Evidence::Kind::kSent:
      return "sent";
    case Evidence::Kind::kAnswered:
      return "answered";
    case Evidence::Kind::kOperation:
      return "operation";
  }
  return "?";
}

std::string JsonLine(const Event& event) {
  Json json = {{"t", event.at.ns}, {"kind", Name(event.kind)}};
  const auto add = [&](const char* name, std::uint64_t value) {
    if (value != 0) {
      json[name] = value;
    }
  };
  if (!event.what.empty()) {
    json["what"] = event.what;
  }
  add("node", event.node.value);
  add("peer", event.peer.value);
  if (event.client.has_value()) {
    json["client"] = *event.client;
  }
  if (const char* name = NumberName(event.kind); name != nullptr) {
    json[event.kind == Kind::kLost && event.client.has_value() ? "request" : name] = event.number;
  }
  if (event.operation.has_value()) {
    json["operation"] = *event.operation;
  }
  add("term", event.term.value);
  add("index", event.index.value);
  add("base_term", event.base_term.value);
  if (event.group != 0) {
    json["group"] = MembersOf(event.group);
  }
  if (event.state.has_value()) {
    json["state"] = StateJson(*event.state);
  }
  for (const LogEntry& entry : event.entries) {
    json["entries"].push_back(
        {{"index", entry.index.value}, {"term", entry.term.value}, {"text", entry.text}});
  }
  for (const Evidence& evidence : event.evidence) {
    json["evidence"].push_back(EvidenceJson(evidence));
  }
  json["text"] = event.text;
  // Bytes that are no text become U+FFFD instead of an exception.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void TextLines::Hear(const Event& event) {
  std::string text = event.text;
  for (std::size_t end = text.find('\n'); end != std::string::npos;
       end = text.find('\n', end + 1)) {
    text.replace(end, 1, "\n                ");
  }
  std::fprintf(out_, "%s  %-4s %s\n", FormatTime(event.at).c_str(), Who(event).c_str(),
               text.c_str());
}

void JsonLines::Hear(const Event& event) { std::fprintf(out_, "%s\n", JsonLine(event).c_str()); }

}  // namespace lockstep::sim::story
