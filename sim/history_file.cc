#include "sim/history_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <istream>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"

namespace lockstep::sim::history {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

constexpr char kFormat[] = "op-history/1";
constexpr char kPercent[] = "percent";
constexpr char kNoClaim[] = "?";

bool IsUtf8(std::string_view bytes) {
  std::size_t i = 0;
  while (i < bytes.size()) {
    const auto byte = [&](std::size_t at) {
      return at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0U;
    };
    const unsigned first = byte(i);
    std::size_t length = 1;
    unsigned low = 0x80;  // the range of the second byte excludes overlong forms and surrogates
    unsigned high = 0xbf;
    if (first >= 0x80) {
      if (first >= 0xc2 && first <= 0xdf) {
        length = 2;
      } else if (first >= 0xe0 && first <= 0xef) {
        length = 3;
        if (first == 0xe0) low = 0xa0;
        if (first == 0xed) high = 0x9f;
      } else if (first >= 0xf0 && first <= 0xf4) {
        length = 4;
        if (first == 0xf0) low = 0x90;
        if (first == 0xf4) high = 0x8f;
      } else {
        return false;
      }
      if (byte(i + 1) < low || byte(i + 1) > high) return false;
      for (std::size_t k = 2; k < length; ++k) {
        if ((byte(i + k) & 0xc0) != 0x80) return false;
      }
    }
    i += length;
  }
  return true;
}

std::string Escape(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == '%' || byte == '?' || byte >= 0x7f) {
      out += absl::StrFormat("%%%02X", byte);
    } else {
      out += c;
    }
  }
  return out;
}

std::optional<unsigned> HexDigit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  return std::nullopt;
}

std::optional<std::string> Unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const std::optional<unsigned> high = HexDigit(text[i + 1]);
    const std::optional<unsigned> low = HexDigit(text[i + 2]);
    if (!high || !low) return std::nullopt;
    out += static_cast<char>(*high * 16 + *low);
    i += 2;
  }
  return out;
}

// Calls visit(text) for every key and value of the operation, also of its result.
template <class Visit>
void VisitStrings(const Operation& operation, const Visit& visit) {
  const auto visit_value = [&](const Value& value) {
    if (value) visit(*value);
  };
  const auto visit_steps = [&](const std::vector<Step>& steps) {
    for (const Step& step : steps) {
      visit(step.key);
      visit_value(step.value);
    }
  };
  visit(operation.key);
  visit_value(operation.value);
  visit_value(operation.expected);
  visit_value(operation.seen);
  for (const Condition& condition : operation.conditions) {
    visit(condition.key);
    visit_value(condition.value);
  }
  visit_steps(operation.steps);
  visit_steps(operation.else_steps);
  for (const StepResult& result : operation.results) {
    visit_value(result.value);
    for (const std::string& element : result.list) visit(element);
  }
}

bool NeedsEscape(const History& history) {
  bool needed = history.initial && !IsUtf8(*history.initial);
  for (const Operation& operation : history.operations) {
    VisitStrings(operation, [&](const std::string& text) { needed = needed || !IsUtf8(text); });
    for (const StepResult& result : operation.results) {
      needed = needed || result.value == kNoClaim;
    }
    if (needed) return true;
  }
  return needed;
}

class Writer {
 public:
  Writer(std::ostream& out, bool escape) : out_(out), escape_(escape) {}

  void Header(const History& history) {
    OrderedJson line;
    line["format"] = kFormat;
    line["name"] = history.name;
    line["model"] = Name(history.model);
    line["initial"] = Of(history.initial);
    line["ops"] = history.operations.size();
    line["source"] = history.source;
    if (escape_) line["escape"] = kPercent;
    out_ << line.dump() << '\n';
  }

  void Line(const Operation& operation, Model model) {
    OrderedJson line;
    line["client"] = operation.client;
    line["op"] = Name(operation.action);
    Arguments(operation, model, line);
    if (!operation.linearizable) line["linearizable"] = false;
    line["status"] = Name(operation.outcome);
    if (operation.outcome == Outcome::kOk) Result(operation, line);
    line["call"] = operation.called_at;
    line["return"] = nullptr;
    if (operation.returned_at != kNever) line["return"] = operation.returned_at;
    out_ << line.dump() << '\n';
  }

 private:
  OrderedJson Of(const std::string& text) const { return escape_ ? Escape(text) : text; }
  OrderedJson Of(const Value& value) const { return value ? Of(*value) : OrderedJson(nullptr); }

  OrderedJson Of(const std::vector<Step>& steps) const {
    OrderedJson list = OrderedJson::array();
    for (const Step& step : steps) {
      const bool read = step.kind == Step::Kind::kRead;
      const bool write = step.kind == Step::Kind::kWrite;
      OrderedJson entry = OrderedJson::array();
      entry.push_back(read ? "r" : write ? "w" : "append");
      entry.push_back(Of(step.key));
      if (!read) entry.push_back(Of(step.value));
      list.push_back(std::move(entry));
    }
    return list;
  }

  OrderedJson Of(const std::vector<Condition>& conditions) const {
    OrderedJson list = OrderedJson::array();
    for (const Condition& condition : conditions) {
      OrderedJson entry = OrderedJson::array();
      entry.push_back(condition.kind == Condition::Kind::kEqual ? "=" : "!=");
      entry.push_back(Of(condition.key));
      entry.push_back(Of(condition.value));
      list.push_back(std::move(entry));
    }
    return list;
  }

  OrderedJson Of(const std::vector<StepResult>& results) const {
    OrderedJson list = OrderedJson::array();
    for (const StepResult& result : results) {
      switch (result.kind) {
        case StepResult::Kind::kValue:
          list.push_back(Of(result.value));
          break;
        case StepResult::Kind::kNoClaim:
          list.push_back(kNoClaim);
          break;
        case StepResult::Kind::kList: {
          OrderedJson elements = OrderedJson::array();
          for (const std::string& element : result.list) elements.push_back(Of(element));
          list.push_back(std::move(elements));
          break;
        }
      }
    }
    return list;
  }

  void Arguments(const Operation& operation, Model model, OrderedJson& line) const {
    switch (operation.action) {
      case Action::kGet:
      case Action::kDelete:
        line["key"] = Of(operation.key);
        break;
      case Action::kWrite:
        line["value"] = Of(operation.value);
        break;
      case Action::kPut:
      case Action::kAppend:
        line["key"] = Of(operation.key);
        line["value"] = Of(operation.value);
        break;
      case Action::kCas:
        if (model != Model::kRegister) line["key"] = Of(operation.key);
        line["from"] = Of(operation.expected);
        line["to"] = Of(operation.value);
        break;
      case Action::kTxn:
        line["args"] = Of(operation.steps);
        break;
      case Action::kCondTxn:
        line["if"] = Of(operation.conditions);
        line["then"] = Of(operation.steps);
        line["else"] = Of(operation.else_steps);
        break;
      case Action::kRead:
      case Action::kAcquire:
      case Action::kRelease:
        break;
    }
  }

  void Result(const Operation& operation, OrderedJson& line) const {
    switch (operation.action) {
      case Action::kRead:
      case Action::kGet:
        line["result"] = Of(operation.seen);
        break;
      case Action::kDelete:
      case Action::kCas:
        line["result"] = operation.succeeded;
        break;
      case Action::kTxn:
        line["result"] = Of(operation.results);
        break;
      case Action::kCondTxn:
        line["result"]["branch"] = operation.succeeded ? "then" : "else";
        line["result"]["results"] = Of(operation.results);
        break;
      case Action::kWrite:
      case Action::kPut:
      case Action::kAppend:
      case Action::kAcquire:
      case Action::kRelease:
        break;
    }
  }

  std::ostream& out_;
  bool escape_;
};

// What is wrong with a line. Thrown and caught within this file.
struct LineError {
  std::string what;
};

// One JSON object, field by field. Fields that nobody asked for are an error.
class Fields {
 public:
  Fields(const Json& line, bool escaped) : line_(line), escaped_(escaped) {
    if (!line.is_object()) throw LineError{"not a JSON object"};
  }

  const Json& Get(const char* name) {
    const auto found = line_.find(name);
    if (found == line_.end()) throw LineError{absl::StrFormat("field \"%s\" is missing", name)};
    ++asked_;
    return *found;
  }
  bool Has(const char* name) const { return line_.contains(name); }

  void CheckAllAsked() const {
    if (line_.size() != asked_) {
      throw LineError{
          absl::StrFormat("%d fields, but this operation has %d", line_.size(), asked_)};
    }
  }

  std::string Text(const Json& json, const char* what) const {
    if (!json.is_string()) throw LineError{absl::StrFormat("%s is not a string", what)};
    const auto& text = json.get_ref<const std::string&>();
    if (!escaped_) return text;
    std::optional<std::string> bytes = Unescape(text);
    if (!bytes) throw LineError{absl::StrFormat("%s has a bad percent escape", what)};
    return *std::move(bytes);
  }
  Value TextOrNull(const Json& json, const char* what) const {
    if (json.is_null()) return std::nullopt;
    if (!json.is_string()) {
      throw LineError{absl::StrFormat("%s is neither a string nor null", what)};
    }
    return Text(json, what);
  }

  // Of a header: never escaped.
  std::string PlainText(const char* name) {
    const Json& json = Get(name);
    if (!json.is_string()) throw LineError{absl::StrFormat("field \"%s\" is not a string", name)};
    return json.get<std::string>();
  }
  std::string Text(const char* name) { return Text(Get(name), name); }
  Value TextOrNull(const char* name) { return TextOrNull(Get(name), name); }
  bool Boolean(const char* name) {
    const Json& json = Get(name);
    if (!json.is_boolean()) {
      throw LineError{absl::StrFormat("field \"%s\" is neither true nor false", name)};
    }
    return json.get<bool>();
  }
  std::int64_t Integer(const char* name) { return IntegerOf(Get(name), name); }
  static std::int64_t IntegerOf(const Json& json, const char* name) {
    const bool fits = json.is_number_integer() &&
                      (!json.is_number_unsigned() ||
                       json.get<std::uint64_t>() < static_cast<std::uint64_t>(kNever));
    if (!fits) throw LineError{absl::StrFormat("field \"%s\" is not a 64-bit integer", name)};
    return json.get<std::int64_t>();
  }

  // An object within this one.
  Fields Object(const char* name) { return {Get(name), escaped_}; }

  std::vector<Step> Steps(const char* name) {
    std::vector<Step> steps;
    for (const Json& json : Array(Get(name), name)) {
      const Json& entry = Array(json, "a step");
      const std::string kind = entry.empty() ? "" : PlainWord(entry[0]);
      Step step;
      if (kind == "r" && entry.size() == 2) {
        step.kind = Step::Kind::kRead;
      } else if (kind == "w" && entry.size() == 3) {
        step.kind = Step::Kind::kWrite;
        step.value = TextOrNull(entry[2], "the value of a step");
      } else if (kind == "append" && entry.size() == 3) {
        step.kind = Step::Kind::kAppend;
        step.value = Text(entry[2], "the value of a step");
      } else {
        throw LineError{R"(a step is none of ["r",k], ["w",k,v], ["append",k,v])"};
      }
      step.key = Text(entry[1], "the key of a step");
      steps.push_back(std::move(step));
    }
    return steps;
  }

  std::vector<Condition> Conditions(const char* name) {
    std::vector<Condition> conditions;
    for (const Json& json : Array(Get(name), name)) {
      const Json& entry = Array(json, "a condition");
      const std::string kind = entry.empty() ? "" : PlainWord(entry[0]);
      if ((kind != "=" && kind != "!=") || entry.size() != 3) {
        throw LineError{R"(a condition is none of ["=",k,v], ["!=",k,v])"};
      }
      Condition condition;
      condition.kind = kind == "=" ? Condition::Kind::kEqual : Condition::Kind::kNotEqual;
      condition.key = Text(entry[1], "the key of a condition");
      condition.value = TextOrNull(entry[2], "the value of a condition");
      conditions.push_back(std::move(condition));
    }
    return conditions;
  }

  std::vector<StepResult> Results(const char* name) {
    std::vector<StepResult> results;
    for (const Json& json : Array(Get(name), name)) {
      StepResult result;
      if (json.is_array()) {
        result.kind = StepResult::Kind::kList;
        for (const Json& element : json) result.list.push_back(Text(element, "a list element"));
      } else if (json == kNoClaim) {
        result.kind = StepResult::Kind::kNoClaim;
      } else {
        result.value = TextOrNull(json, "a result");
      }
      results.push_back(std::move(result));
    }
    return results;
  }

 private:
  static const Json& Array(const Json& json, const char* what) {
    if (!json.is_array()) throw LineError{absl::StrFormat("%s is not a list", what)};
    return json;
  }
  static std::string PlainWord(const Json& json) {
    return json.is_string() ? json.get<std::string>() : "";
  }

  const Json& line_;
  bool escaped_;
  std::size_t asked_ = 0;
};

struct Header {
  History history;  // without operations
  std::size_t operations = 0;
  bool escaped = false;
};

Header ReadHeader(const Json& line, std::optional<Model> model) {
  Header header;
  Fields plain(line, false);
  const std::string format = plain.PlainText("format");
  if (format != kFormat) {
    throw LineError{absl::StrFormat("format is %s, not \"%s\"", Quote(format), kFormat)};
  }
  if (plain.Has("escape")) {
    const std::string escape = plain.PlainText("escape");
    if (escape != kPercent) throw LineError{absl::StrFormat("unknown escape %s", Quote(escape))};
    header.escaped = true;
  }
  const std::string model_name = plain.PlainText("model");
  const std::optional<Model> found = model ? model : ModelNamed(model_name);
  if (!found) throw LineError{absl::StrFormat("unknown model %s", Quote(model_name))};
  header.history.model = *found;
  if (plain.Has("name")) header.history.name = plain.PlainText("name");
  if (plain.Has("source")) header.history.source = plain.PlainText("source");
  header.history.initial = Fields(line, header.escaped).TextOrNull("initial");
  const std::int64_t operations = plain.Integer("ops");
  if (operations < 0) throw LineError{"field \"ops\" is negative"};
  header.operations = static_cast<std::size_t>(operations);
  return header;
}

Action ActionNamed(const std::string& name) {
  for (const Action action :
       {Action::kRead, Action::kWrite, Action::kGet, Action::kPut, Action::kAppend, Action::kDelete,
        Action::kCas, Action::kTxn, Action::kCondTxn, Action::kAcquire, Action::kRelease}) {
    if (name == Name(action)) return action;
  }
  throw LineError{absl::StrFormat("unknown op %s", Quote(name))};
}

Outcome OutcomeNamed(const std::string& name) {
  for (const Outcome outcome : {Outcome::kOk, Outcome::kFail, Outcome::kUnknown}) {
    if (name == Name(outcome)) return outcome;
  }
  throw LineError{absl::StrFormat("unknown status %s", Quote(name))};
}

void ReadArguments(Fields& fields, Model model, Operation& operation) {
  switch (operation.action) {
    case Action::kGet:
    case Action::kDelete:
      operation.key = fields.Text("key");
      break;
    case Action::kWrite:
      operation.value = fields.TextOrNull("value");
      break;
    case Action::kPut:
    case Action::kAppend:
      operation.key = fields.Text("key");
      operation.value = fields.Text("value");
      break;
    case Action::kCas:
      if (model != Model::kRegister) operation.key = fields.Text("key");
      operation.expected = fields.TextOrNull("from");
      operation.value = fields.TextOrNull("to");
      break;
    case Action::kTxn:
      operation.steps = fields.Steps("args");
      break;
    case Action::kCondTxn:
      operation.conditions = fields.Conditions("if");
      operation.steps = fields.Steps("then");
      operation.else_steps = fields.Steps("else");
      break;
    case Action::kRead:
    case Action::kAcquire:
    case Action::kRelease:
      break;
  }
}

void ReadResult(Fields& fields, Operation& operation) {
  switch (operation.action) {
    case Action::kRead:
    case Action::kGet:
      operation.seen = fields.TextOrNull("result");
      break;
    case Action::kDelete:
    case Action::kCas:
      operation.succeeded = fields.Boolean("result");
      break;
    case Action::kTxn:
      operation.results = fields.Results("result");
      break;
    case Action::kCondTxn: {
      Fields result = fields.Object("result");
      const std::string branch = result.PlainText("branch");
      if (branch != "then" && branch != "else") {
        throw LineError{absl::StrFormat("unknown branch %s", Quote(branch))};
      }
      operation.succeeded = branch == "then";
      operation.results = result.Results("results");
      result.CheckAllAsked();
      break;
    }
    case Action::kWrite:
    case Action::kPut:
    case Action::kAppend:
    case Action::kAcquire:
    case Action::kRelease:
      if (fields.Has("result") && !fields.Get("result").is_null()) {
        throw LineError{absl::StrFormat("%s has a result", Name(operation.action))};
      }
      break;
  }
}

Operation ReadOperation(const Json& line, const Header& header) {
  Fields fields(line, header.escaped);
  Operation operation;
  operation.client = fields.Integer("client");
  operation.action = ActionNamed(fields.PlainText("op"));
  operation.outcome = OutcomeNamed(fields.PlainText("status"));
  ReadArguments(fields, header.history.model, operation);
  if (fields.Has("linearizable")) operation.linearizable = fields.Boolean("linearizable");
  if (operation.outcome == Outcome::kOk) {
    ReadResult(fields, operation);
  } else if (fields.Has("result") && !fields.Get("result").is_null()) {
    throw LineError{absl::StrFormat("a result, but status is %s", Name(operation.outcome))};
  }
  operation.called_at = fields.Integer("call");
  const Json& returned = fields.Get("return");
  if (!returned.is_null()) {
    operation.returned_at = fields.IntegerOf(returned, "return");
  }
  fields.CheckAllAsked();
  return operation;
}

// A line without its end. False at the end of the file.
bool ReadLine(std::istream& in, std::size_t bytes_max, std::string& line) {
  line.clear();
  std::streambuf& buffer = *in.rdbuf();
  for (int c = buffer.sbumpc(); c != std::char_traits<char>::eof(); c = buffer.sbumpc()) {
    if (c == '\n') return true;
    if (line.size() == bytes_max) {
      throw LineError{absl::StrFormat("the line is longer than %d bytes", bytes_max)};
    }
    line.push_back(static_cast<char>(c));
  }
  return !line.empty();
}

Json Parse(const std::string& line) {
  Json json = Json::parse(line, nullptr, false);
  if (json.is_discarded()) throw LineError{"not JSON"};
  return json;
}

}  // namespace

absl::StatusOr<History> ReadHistory(std::istream& in, const std::string& name,
                                    std::optional<Model> model, const FileLimits& limits) {
  std::size_t line_number = 1;
  std::size_t bytes = 0;
  std::string line;
  const auto error = [&](std::size_t at_line, const std::string& what) {
    return absl::InvalidArgumentError(absl::StrFormat("%s:%d: %s", name, at_line, what));
  };
  try {
    if (!ReadLine(in, limits.line_bytes_max, line)) return error(1, "the file is empty");
    Header header = ReadHeader(Parse(line), model);
    History& history = header.history;
    if (header.operations > limits.operations_max) {
      return error(1, absl::StrFormat("%d operations, more than %d", header.operations,
                                      limits.operations_max));
    }
    while (true) {
      bytes += line.size() + 1;
      ++line_number;
      if (bytes > limits.file_bytes_max) {
        return error(line_number,
                     absl::StrFormat("the file is longer than %d bytes", limits.file_bytes_max));
      }
      if (!ReadLine(in, limits.line_bytes_max, line)) break;
      if (history.operations.size() == header.operations) {
        return error(line_number, absl::StrFormat("more than the %d operations of the header",
                                                  header.operations));
      }
      history.operations.push_back(ReadOperation(Parse(line), header));
    }
    if (history.operations.size() != header.operations) {
      return error(line_number,
                   absl::StrFormat("the file ends after %d of the %d operations of the header",
                                   history.operations.size(), header.operations));
    }
    std::size_t bad = 0;
    if (const absl::Status valid = ValidateHistory(history, &bad); !valid.ok()) {
      return error(bad + 2, std::string(valid.message()));
    }
    return std::move(history);
  } catch (const LineError& line_error) {
    return error(line_number, line_error.what);
  }
}

absl::StatusOr<History> ReadHistoryFile(const std::string& path, std::optional<Model> model,
                                        const FileLimits& limits) {
  std::ifstream in(path, std::ios::binary);
  // Opening a folder succeeds; reading it is what fails.
  if (!in || (in.peek(), in.bad())) {
    return absl::NotFoundError(absl::StrFormat("%s: %s", path, std::strerror(errno)));
  }
  return ReadHistory(in, path, model, limits);
}

void WriteHistory(const History& history, std::ostream& out) {
  Writer writer(out, NeedsEscape(history));
  writer.Header(history);
  for (const Operation& operation : history.operations) writer.Line(operation, history.model);
}

absl::Status WriteHistoryFile(const History& history, const std::string& path) {
  std::size_t bad = 0;
  if (const absl::Status valid = ValidateHistory(history, &bad); !valid.ok()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: operation %d: %s", path, bad + 1, std::string(valid.message())));
  }
  if (!IsUtf8(history.name) || !IsUtf8(history.source)) {
    return absl::InvalidArgumentError(path + ": the history's name or source is not UTF-8");
  }
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  if (out) WriteHistory(history, out);
  out.close();
  if (!out) return absl::UnavailableError(absl::StrFormat("%s: %s", path, std::strerror(errno)));
  return absl::OkStatus();
}

}  // namespace lockstep::sim::history
