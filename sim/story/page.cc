#include "sim/story/page.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "sim/plan_draw.h"
#include "sim/plan_text.h"
#include "sim/story/page_template.h"
#include "sim/story/proof.h"

// LAYOUT of the data (version 1), made for 100,000 events and more: one array for each field, and
// texts as templates with their numbers apart, since few texts differ in anything else.
//   seed, nodes, clients, drawn (the plan is what its seed draws), plan (its text)
//   settings          [[name, value, default], ...] those that are not the default
//   kinds             names of event kinds, by number
//   strings           of `what`, by number
//   templates         of texts; each "\u0001" stands for the next number of the text
//   t                 microseconds since the event before
//   kind, what, node, peer, client (plus 1; 0: none), number, operation (plus 1), term, index,
//   base_term, group  the fields of Event; number as the difference to the one before in its kind
//   text              [template, ...] of each event;  text_numbers: all their numbers in a row
//   states            for each event that has a state, its eight numbers less those of the state
//                     before it of the same node
//   entry_index, entry_term, entry_text, entry_numbers   every entry that was ever in a log, once
//   logs              for each start and append: how many runs of entries, then [first, count] each
//   proof             positions of events (sim/story/proof.h)
//   about             the index that the evidence is about; 0 if none
namespace lockstep::sim::story {
namespace {

constexpr char kHole = '\x01';

std::string Quoted(std::string_view text) {
  const std::string json =
      nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::string safe;
  for (const char c : json) {
    if (c == '<') {
      safe += "\\u003c";
    } else {
      safe += c;
    }
  }
  return safe;
}

// Numbers for strings, in the order of their first use.
class Strings {
 public:
  std::uint64_t NumberOf(const std::string& text) {
    const auto [found, is_new] = numbers_.emplace(text, texts_.size());
    if (is_new) {
      texts_.push_back(text);
    }
    return found->second;
  }

  std::string ToJson() const {
    std::string json = "[";
    for (const std::string& text : texts_) {
      json += (json.size() > 1 ? "," : "") + Quoted(text);
    }
    return json + "]";
  }

 private:
  std::map<std::string, std::uint64_t> numbers_;
  std::vector<std::string> texts_;
};

// A JSON array of numbers in the making.
class Column {
 public:
  void Add(std::int64_t number) {
    if (!json_.empty()) {
      json_ += ',';
    }
    json_ += std::to_string(number);
  }
  void Add(std::uint64_t number) { Add(static_cast<std::int64_t>(number)); }
  std::string ToJson() const { return "[" + json_ + "]"; }

 private:
  std::string json_;
};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

class Packer {
 public:
  void Add(const Event& event) {
    const std::int64_t now_us = event.at.ns / 1000;
    t_.Add(now_us - last_us_);
    last_us_ = now_us;
    kind_.Add(static_cast<std::uint64_t>(event.kind));
    what_.Add(strings_.NumberOf(event.what));
    node_.Add(event.node.value);
    peer_.Add(event.peer.value);
    client_.Add(event.client.has_value() ? *event.client + 1 : 0);
    auto& last_number = last_number_[event.kind];
    number_.Add(static_cast<std::int64_t>(event.number) - last_number);
    last_number = static_cast<std::int64_t>(event.number);
    operation_.Add(event.operation.has_value() ? *event.operation + 1 : 0);
    term_.Add(event.term.value);
    index_.Add(event.index.value);
    base_term_.Add(event.base_term.value);
    group_.Add(event.group);
    AddText(event.text, text_, text_numbers_);
    if (event.state.has_value()) {
      AddState(event.node, *event.state);
    }
    if (event.kind == Kind::kStart || event.kind == Kind::kAppend) {
      AddEntries(event.entries);
    }
  }

  std::string ToJson() const {
    std::string json;
    const auto add = [&](const char* name, const Column& column) {
      json += std::string(",\n\"") + name + "\":" + column.ToJson();
    };
    json += "\"strings\":" + strings_.ToJson() + ",\n\"templates\":" + templates_.ToJson();
    add("t", t_);
    add("kind", kind_);
    add("what", what_);
    add("node", node_);
    add("peer", peer_);
    add("client", client_);
    add("number", number_);
    add("operation", operation_);
    add("term", term_);
    add("index", index_);
    add("base_term", base_term_);
    add("group", group_);
    add("text", text_);
    add("text_numbers", text_numbers_);
    add("states", states_);
    add("entry_index", entry_index_);
    add("entry_term", entry_term_);
    add("entry_text", entry_text_);
    add("entry_numbers", entry_numbers_);
    add("logs", logs_);
    return json;
  }

 private:
  void AddText(const std::string& text, Column& column, Column& numbers) {
    std::string pattern;
    for (std::size_t at = 0; at < text.size();) {
      std::size_t end = at;
      while (end < text.size() && IsDigit(text[end])) {
        ++end;
      }
      // What would not come back as it was stays text: leading zeros, and what JavaScript's numbers
      // cannot hold.
      if (end == at || end - at > 15 || (text[at] == '0' && end - at > 1)) {
        end = std::max(end, at + 1);
        pattern += text[at] == kHole ? std::string("?") : text.substr(at, end - at);
      } else {
        pattern += kHole;
        numbers.Add(static_cast<std::int64_t>(std::stoll(text.substr(at, end - at))));
      }
      at = end;
    }
    column.Add(templates_.NumberOf(pattern));
  }

  void AddState(NodeId node, const State& state) {
    const std::vector<std::uint64_t> numbers = {
        static_cast<std::uint64_t>(state.role),
        state.term.value,
        state.voted_for.value,
        state.leader.value,
        state.last.value,
        state.durable.value,
        state.commit.value,
        state.applied.value,
    };
    std::vector<std::uint64_t>& last = last_state_[node];
    last.resize(numbers.size());
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      states_.Add(static_cast<std::int64_t>(numbers[i]) - static_cast<std::int64_t>(last[i]));
    }
    last = numbers;
  }

  void AddEntries(const std::vector<LogEntry>& entries) {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> runs;
    for (const LogEntry& entry : entries) {
      const std::uint64_t number = NumberOf(entry);
      if (!runs.empty() && runs.back().first + runs.back().second == number) {
        ++runs.back().second;
      } else {
        runs.emplace_back(number, 1);
      }
    }
    logs_.Add(static_cast<std::uint64_t>(runs.size()));
    for (const auto& [first, count] : runs) {
      logs_.Add(first);
      logs_.Add(count);
    }
  }

  std::uint64_t NumberOf(const LogEntry& entry) {
    const auto [found, is_new] = entries_.emplace(
        std::pair(std::pair(entry.index, entry.term), entry.text), entries_.size());
    if (is_new) {
      entry_index_.Add(entry.index.value);
      entry_term_.Add(entry.term.value);
      AddText(entry.text, entry_text_, entry_numbers_);
    }
    return found->second;
  }

  Strings strings_;
  Strings templates_;
  Column t_, kind_, what_, node_, peer_, client_, number_, operation_, term_, index_, base_term_,
      group_, text_, text_numbers_, states_, entry_index_, entry_term_, entry_text_, entry_numbers_,
      logs_;
  std::int64_t last_us_ = 0;
  std::map<Kind, std::int64_t> last_number_;
  std::map<NodeId, std::vector<std::uint64_t>> last_state_;
  std::map<std::pair<std::pair<Index, Term>, std::string>, std::uint64_t> entries_;
};

std::string SettingsJson(const Settings& settings) {
  std::string json;
  const Settings standard;
  for (const SettingField& field : SettingFields()) {
    if (settings.*field.field != standard.*field.field) {
      json += (json.empty() ? "[" : ",[") + Quoted(field.name) + "," +
              std::to_string(settings.*field.field) + "," + std::to_string(standard.*field.field) +
              "]";
    }
  }
  return "[" + json + "]";
}

std::string KindsJson() {
  std::string json = "[\"\"";
  for (auto kind = static_cast<std::uint64_t>(Kind::kStart);
       kind <= static_cast<std::uint64_t>(Kind::kVerdict); ++kind) {
    json += "," + Quoted(Name(static_cast<Kind>(kind)));
  }
  return json + "]";
}

}  // namespace

std::string PageData(const Plan& plan, const std::vector<Event>& events) {
  Packer packer;
  for (const Event& event : events) {
    packer.Add(event);
  }
  Column proof;
  for (const std::size_t position : ProofOf(events)) {
    proof.Add(static_cast<std::uint64_t>(position));
  }
  Index about;
  if (!events.empty()) {
    for (const Evidence& evidence : events.back().evidence) {
      about = std::max(about, evidence.index);
    }
  }
  return "{\"version\":1,\"seed\":" + Quoted(std::to_string(plan.seed)) +
         ",\"nodes\":" + std::to_string(plan.settings.nodes) +
         ",\"clients\":" + std::to_string(plan.settings.clients) +
         ",\"drawn\":" + (plan == DrawPlan(plan.seed) ? "true" : "false") +
         ",\n\"plan\":" + Quoted(WritePlan(plan)) +
         ",\n\"settings\":" + SettingsJson(plan.settings) + ",\n\"kinds\":" + KindsJson() + ",\n" +
         packer.ToJson() + ",\n\"proof\":" + proof.ToJson() +
         ",\"about\":" + std::to_string(about.value) + "}";
}

void WritePage(const Plan& plan, const std::vector<Event>& events, std::FILE* out) {
  const std::string data = PageData(plan, events);
  for (const std::string_view part : {kPageHead, std::string_view(data), kPageTail}) {
    std::fwrite(part.data(), 1, part.size(), out);
  }
}

}  // namespace lockstep::sim::story
