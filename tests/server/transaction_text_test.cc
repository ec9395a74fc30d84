// The little language of lockstepctl txn.

#include "server/ctl/transaction_text.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace lockstep::server::ctl {
namespace {

TEST(TransactionTextTest, LinesAndSemicolonsSeparateStatements) {
  const std::string lines =
      "# a purchase\n"
      "if value stock = 1\n"
      "if version order > 0   # made before\n"
      "then put stock 0\n"
      "then get order\n"
      "else delete \"a key\"\n";
  const std::string one_line =
      "if value stock = 1; if version order > 0; then put stock 0; then get order; "
      "else delete \"a key\"";
  kv::Transaction expected;
  expected.conditions = {{"stock", kv::Target::kValue, kv::Comparison::kEqual, "1", 0},
                         {"order", kv::Target::kVersion, kv::Comparison::kGreater, "", 0}};
  expected.then = {kv::Put{"stock", "0"}, kv::Get{"order"}};
  expected.otherwise = {kv::Delete{"a key"}};
  for (const std::string& text : {lines, one_line}) {
    const absl::StatusOr<kv::Transaction> transaction = ParseTransaction(text);
    ASSERT_TRUE(transaction.ok()) << transaction.status();
    EXPECT_EQ(*transaction, expected);
  }
}

TEST(TransactionTextTest, EveryConditionIsUnderstood) {
  const absl::StatusOr<kv::Transaction> transaction = ParseTransaction(
      "if created k < 5; if modified k != 6; if exists k; if absent k; if value k > \"\"; "
      "then get k");
  ASSERT_TRUE(transaction.ok()) << transaction.status();
  const std::vector<kv::Condition> expected = {
      {"k", kv::Target::kCreateRevision, kv::Comparison::kLess, "", 5},
      {"k", kv::Target::kModRevision, kv::Comparison::kNotEqual, "", 6},
      {"k", kv::Target::kVersion, kv::Comparison::kGreater, "", 0},
      {"k", kv::Target::kVersion, kv::Comparison::kEqual, "", 0},
      {"k", kv::Target::kValue, kv::Comparison::kGreater, "", 0}};
  EXPECT_EQ(transaction->conditions, expected);
}

TEST(TransactionTextTest, QuotesHoldAnyBytes) {
  const absl::StatusOr<kv::Transaction> transaction =
      ParseTransaction("then put \"a;#\\\"\\\\\" \"\\x00\\xfF\\n\\r\\t\"");
  ASSERT_TRUE(transaction.ok()) << transaction.status();
  EXPECT_EQ(std::get<kv::Put>(transaction->then.at(0)).key, "a;#\"\\");
  EXPECT_EQ(std::get<kv::Put>(transaction->then.at(0)).value, std::string("\0\xff\n\r\t", 5));
}

struct Wrong {
  const char* text;
  const char* message;
};

TEST(TransactionTextTest, MistakesAreNamedWithTheirLine) {
  const std::vector<Wrong> kCases = {
      {"", "the transaction has no operation"},
      {"if exists k", "the transaction has no operation"},
      {"then get k\nmaybe get k",
       "line 2: a statement begins with if, then or else, not with 'maybe'"},
      {"then put k", "line 1: expected: then get KEY, put KEY TEXT or delete KEY"},
      {"\n\nelse drop k", "line 3: expected: else get KEY, put KEY TEXT or delete KEY"},
      {"then get \"k", "line 1: a quote is not closed"},
      {"then get \"k\n\"", "line 1: a quote is not closed"},
      {"then get \"\\q\"", "line 1: an escape is none of \\\" \\\\ \\n \\r \\t \\xHH"},
      {"then get \"\\x1\"", "line 1: an escape is none of \\\" \\\\ \\n \\r \\t \\xHH"},
      {"if version k = many; then get k", "line 1: 'many' is not a whole number"},
      {"if version k = -1; then get k", "line 1: '-1' is not a whole number"},
      {"if value k == 1; then get k",
       "line 1: expected: if value|version|created|modified KEY =|!=|<|> OPERAND, or: if "
       "exists|absent KEY"},
      {"\"then\" get k", "line 1: a statement begins with if, then or else, not with 'then'"},
  };
  for (const Wrong& wrong : kCases) {
    const absl::StatusOr<kv::Transaction> transaction = ParseTransaction(wrong.text);
    ASSERT_FALSE(transaction.ok()) << wrong.text;
    EXPECT_EQ(std::string(transaction.status().message()), wrong.message);
  }
}

}  // namespace
}  // namespace lockstep::server::ctl
