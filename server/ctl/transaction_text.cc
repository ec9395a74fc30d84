#include "server/ctl/transaction_text.h"

#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace lockstep::server::ctl {
namespace {

struct Word {
  std::string text;
  bool quoted = false;  // then it is no keyword and no operator
};

struct Statement {
  int line = 0;
  std::vector<Word> words;
};

absl::Status At(int line, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("line ", line, ": ", what));
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// Splits text into statements of words.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  absl::StatusOr<std::vector<Statement>> Scan() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\n' || c == ';') {
        EndStatement();
        line_ += c == '\n' ? 1 : 0;
        ++at_;
      } else if (c == ' ' || c == '\t' || c == '\r') {
        ++at_;
      } else if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (c == '"') {
        if (const absl::Status status = ScanQuoted(); !status.ok()) {
          return status;
        }
      } else {
        ScanBare();
      }
    }
    EndStatement();
    return std::move(statements_);
  }

 private:
  void EndStatement() {
    if (!words_.empty()) {
      statements_.push_back({line_, std::exchange(words_, {})});
    }
  }

  void ScanBare() {
    const std::size_t end = std::min(text_.find_first_of(" \t\r\n;#\"", at_), text_.size());
    words_.push_back({std::string(text_.substr(at_, end - at_)), false});
    at_ = end;
  }

  absl::Status ScanQuoted() {
    std::string word;
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\n') {
        break;
      }
      if (text_[at_] != '\\') {
        word.push_back(text_[at_]);
        continue;
      }
      ++at_;
      const std::optional<char> escaped = ScanEscape();
      if (!escaped) {
        return At(line_, "an escape is none of \\\" \\\\ \\n \\r \\t \\xHH");
      }
      word.push_back(*escaped);
    }
    if (at_ >= text_.size() || text_[at_] != '"') {
      return At(line_, "a quote is not closed");
    }
    ++at_;
    words_.push_back({std::move(word), true});
    return absl::OkStatus();
  }

  // Leaves at_ on the last character of the escape.
  std::optional<char> ScanEscape() {
    if (at_ >= text_.size()) {
      return std::nullopt;
    }
    switch (text_[at_]) {
      case '"':
      case '\\':
        return text_[at_];
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 't':
        return '\t';
      case 'x': {
        const int high = at_ + 1 < text_.size() ? HexDigit(text_[at_ + 1]) : -1;
        const int low = at_ + 2 < text_.size() ? HexDigit(text_[at_ + 2]) : -1;
        if (high < 0 || low < 0) {
          return std::nullopt;
        }
        at_ += 2;
        return static_cast<char>(high * 16 + low);
      }
      default:
        return std::nullopt;
    }
  }

  const std::string_view text_;
  std::size_t at_ = 0;
  int line_ = 1;
  std::vector<Word> words_;
  std::vector<Statement> statements_;
};

bool Is(const Word& word, const char* keyword) { return !word.quoted && word.text == keyword; }

std::optional<kv::Comparison> ParseComparison(const Word& word) {
  if (Is(word, "=")) {
    return kv::Comparison::kEqual;
  }
  if (Is(word, "!=")) {
    return kv::Comparison::kNotEqual;
  }
  if (Is(word, "<")) {
    return kv::Comparison::kLess;
  }
  if (Is(word, ">")) {
    return kv::Comparison::kGreater;
  }
  return std::nullopt;
}

std::optional<kv::Target> ParseTarget(const Word& word) {
  if (Is(word, "value")) {
    return kv::Target::kValue;
  }
  if (Is(word, "version")) {
    return kv::Target::kVersion;
  }
  if (Is(word, "created")) {
    return kv::Target::kCreateRevision;
  }
  if (Is(word, "modified")) {
    return kv::Target::kModRevision;
  }
  return std::nullopt;
}

// `words` begin with "if".
absl::StatusOr<kv::Condition> ParseCondition(int line, const std::vector<Word>& words) {
  kv::Condition condition;
  if (words.size() == 3 && (Is(words[1], "exists") || Is(words[1], "absent"))) {
    condition.key = words[2].text;
    condition.target = kv::Target::kVersion;
    condition.comparison =
        Is(words[1], "exists") ? kv::Comparison::kGreater : kv::Comparison::kEqual;
    return condition;
  }
  const std::optional<kv::Target> target = words.size() > 1 ? ParseTarget(words[1]) : std::nullopt;
  const std::optional<kv::Comparison> comparison =
      words.size() > 3 ? ParseComparison(words[3]) : std::nullopt;
  if (words.size() != 5 || !target || !comparison) {
    return At(line,
              "expected: if value|version|created|modified KEY =|!=|<|> OPERAND, or: if "
              "exists|absent KEY");
  }
  condition.key = words[2].text;
  condition.target = *target;
  condition.comparison = *comparison;
  const std::string& operand = words[4].text;
  if (*target == kv::Target::kValue) {
    condition.value = operand;
    return condition;
  }
  const char* const last = operand.data() + operand.size();
  const auto [end, error] = std::from_chars(operand.data(), last, condition.number);
  if (error != std::errc() || end != last) {
    return At(line, absl::StrCat("'", operand, "' is not a whole number"));
  }
  return condition;
}

// `words` begin with "then" or "else".
absl::StatusOr<kv::Operation> ParseOperation(int line, const std::vector<Word>& words) {
  if (words.size() == 3 && Is(words[1], "get")) {
    return kv::Get{words[2].text};
  }
  if (words.size() == 3 && Is(words[1], "delete")) {
    return kv::Delete{words[2].text};
  }
  if (words.size() == 4 && Is(words[1], "put")) {
    return kv::Put{words[2].text, words[3].text};
  }
  return At(line,
            absl::StrCat("expected: ", words[0].text, " get KEY, put KEY TEXT or delete KEY"));
}

}  // namespace

absl::StatusOr<kv::Transaction> ParseTransaction(std::string_view text) {
  const absl::StatusOr<std::vector<Statement>> statements = Scanner(text).Scan();
  if (!statements.ok()) {
    return statements.status();
  }
  kv::Transaction transaction;
  for (const Statement& statement : *statements) {
    const Word& first = statement.words.front();
    if (Is(first, "if")) {
      absl::StatusOr<kv::Condition> condition = ParseCondition(statement.line, statement.words);
      if (!condition.ok()) {
        return condition.status();
      }
      transaction.conditions.push_back(*std::move(condition));
    } else if (Is(first, "then") || Is(first, "else")) {
      absl::StatusOr<kv::Operation> operation = ParseOperation(statement.line, statement.words);
      if (!operation.ok()) {
        return operation.status();
      }
      (Is(first, "then") ? transaction.then : transaction.otherwise)
          .push_back(*std::move(operation));
    } else {
      return At(statement.line, absl::StrCat("a statement begins with if, then or else, not with '",
                                             first.text, "'"));
    }
  }
  if (transaction.then.empty() && transaction.otherwise.empty()) {
    return absl::InvalidArgumentError("the transaction has no operation");
  }
  return transaction;
}

std::string DescribeTransactionText() {
  return "A transaction is one statement per line, or several separated by ';':\n"
         "  if value KEY = | != | < | > TEXT                       compared bytewise\n"
         "  if version | created | modified KEY = | != | < | > NUMBER\n"
         "  if exists KEY     if absent KEY\n"
         "  then get KEY      then put KEY TEXT      then delete KEY\n"
         "  else get KEY      else put KEY TEXT      else delete KEY\n"
         "All conditions must hold for the 'then' operations to be executed, in order and as one;\n"
         "otherwise the 'else' operations are. A word with blanks, quotes, ';' or '#' goes in\n"
         "double quotes, with \\\" \\\\ \\n \\r \\t \\xHH. A '#' begins a comment. Example:\n"
         "  lockstepctl txn 'if value stock = 1; then put stock 0; then put order \"for Ada\"; "
         "else get stock'\n";
}

}  // namespace lockstep::server::ctl
