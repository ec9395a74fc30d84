#include "sim/history_file.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/sim/linearizability_histories.h"

namespace lockstep::sim::history {
namespace {

std::string Written(const History& history) {
  std::ostringstream out;
  WriteHistory(history, out);
  return out.str();
}

absl::StatusOr<History> ReadText(const std::string& text, const FileLimits& limits = {}) {
  std::istringstream in(text);
  return ReadHistory(in, "h.jsonl", std::nullopt, limits);
}

std::string ErrorOf(const std::string& text, const FileLimits& limits = {}) {
  return std::string(ReadText(text, limits).status().message());
}

TEST(HistoryFileTest, IsWrittenAsTheFormatSays) {
  History history = HistoryOf(
      Model::kKv,
      {Ok({0, 3}, Put("k", "a")), Failed({1, 2}, Delete("k")), Unknown({4}, Append("k", "b")),
       Ok({5, 6}, Cas("k", kAbsent, "c", false)), Ok({7, 8}, Get("k", "a\n\xc3\xa9"))});
  history.name = "one";
  history.source = "a test";
  EXPECT_EQ(
      Written(history),
      R"({"format":"op-history/1","name":"one","model":"kv","initial":null,"ops":5,"source":"a test"})"
      "\n"
      R"({"client":0,"op":"put","key":"k","value":"a","status":"ok","call":0,"return":3})"
      "\n"
      R"({"client":1,"op":"delete","key":"k","status":"fail","call":1,"return":2})"
      "\n"
      R"({"client":2,"op":"append","key":"k","value":"b","status":"unknown","call":4,"return":null})"
      "\n"
      R"({"client":3,"op":"cas","key":"k","from":null,"to":"c","status":"ok","result":false,"call":5,"return":6})"
      "\n"
      R"({"client":4,"op":"get","key":"k","status":"ok","result":"a\né","call":7,"return":8})"
      "\n");
}

TEST(HistoryFileTest, TransactionsAreWrittenAsTheFormatSays) {
  const History txn = HistoryOf(
      Model::kTxn, {Ok({0, 1}, Txn({R("x"), W("x", "1"), W("x", kAbsent), R("y"), R("z")},
                                   {Saw(kAbsent), {}, {}, SawList({"1"}), SawSomething()}))});
  EXPECT_NE(
      Written(txn).find(
          R"("args":[["r","x"],["w","x","1"],["w","x",null],["r","y"],["r","z"]],"status":"ok","result":[null,null,null,["1"],"?"])"),
      std::string::npos);
  const History conditional = HistoryOf(
      Model::kStore,
      {Ok({0, 1}, DidNotHold(If({Is("x", "1"), IsNot("y", kAbsent)}, {W("x", "2")}, {R("x")}),
                             {Saw("3")}))});
  EXPECT_NE(
      Written(conditional)
          .find(
              R"("op":"cond_txn","if":[["=","x","1"],["!=","y",null]],"then":[["w","x","2"]],"else":[["r","x"]],"status":"ok","result":{"branch":"else","results":["3"]})"),
      std::string::npos);
}

TEST(HistoryFileTest, BytesThatAreNotTextArePercentEscaped) {
  const History history = HistoryOf(
      Model::kKv, {Ok({0, 1}, Put("k?", "a\xff")), Ok({2, 3}, Get("k?", "100% \xc3\xa9"))});
  const std::string text = Written(history);
  EXPECT_NE(text.find(R"("escape":"percent")"), std::string::npos);
  EXPECT_NE(text.find(R"("key":"k%3F","value":"a%FF")"), std::string::npos);
  EXPECT_NE(text.find(R"("result":"100%25 %C3%A9")"), std::string::npos);
  EXPECT_EQ(ReadText(text).value(), history);
}

TEST(HistoryFileTest, AQuestionMarkThatWasReadIsNotTakenForNoClaim) {
  const History history =
      HistoryOf(Model::kTxn, {Ok({0, 1}, Txn({R("x"), R("y")}, {Saw("?"), SawSomething()}))});
  EXPECT_EQ(ReadText(Written(history)).value(), history);
}

constexpr char kHeader[] =
    R"({"format":"op-history/1","name":"n","model":"kv","initial":null,"ops":1,"source":"s"})"
    "\n";
constexpr char kStoreHeader[] =
    R"({"format":"op-history/1","model":"store","initial":null,"ops":1})"
    "\n";

TEST(HistoryFileTest, WhatIsWrongIsSaidWithFileAndLine) {
  struct Case {
    std::string text;
    std::string error;
  };
  const std::string header = kHeader;
  const std::string store = kStoreHeader;
  const Case cases[] = {
      {"", "h.jsonl:1: the file is empty"},
      {"{", "h.jsonl:1: not JSON"},
      {"\xff\xfe", "h.jsonl:1: not JSON"},
      {"[]", "h.jsonl:1: not a JSON object"},
      {"{}", "h.jsonl:1: field \"format\" is missing"},
      {R"({"format":7})", "h.jsonl:1: field \"format\" is not a string"},
      {R"({"format":"op-history/2"})",
       "h.jsonl:1: format is \"op-history/2\", not "
       "\"op-history/1\""},
      {R"({"format":"op-history/1","model":"queue","initial":null,"ops":0})",
       "h.jsonl:1: unknown model \"queue\""},
      {R"({"format":"op-history/1","model":"kv","initial":7,"ops":0})",
       "h.jsonl:1: initial is neither a string nor null"},
      {R"({"format":"op-history/1","model":"kv","initial":null,"ops":-1})",
       "h.jsonl:1: field \"ops\" is negative"},
      {R"({"format":"op-history/1","model":"kv","initial":null,"ops":0,"escape":"hex"})",
       "h.jsonl:1: unknown escape \"hex\""},
      {header, "h.jsonl:2: the file ends after 0 of the 1 operations of the header"},
      {header + "\n", "h.jsonl:2: not JSON"},
      {header + R"({"client":1})", "h.jsonl:2: field \"op\" is missing"},
      {header + R"({"client":1.5,"op":"get"})",
       "h.jsonl:2: field \"client\" is not a 64-bit integer"},
      {header + R"({"client":99999999999999999999,"op":"get"})",
       "h.jsonl:2: field \"client\" is not a 64-bit integer"},
      {header + R"({"client":1,"op":"fetch"})", "h.jsonl:2: unknown op \"fetch\""},
      {header + R"({"client":1,"op":"get","status":"done"})", "h.jsonl:2: unknown status \"done\""},
      {header + R"({"client":1,"op":"get","status":"ok","call":1,"return":2})",
       "h.jsonl:2: field \"key\" is missing"},
      {header + R"({"client":1,"op":"get","status":"ok","key":"k","call":1,"return":2})",
       "h.jsonl:2: field \"result\" is missing"},
      {header + R"({"client":1,"op":"put","status":"ok","key":"k","value":null,"call":1})",
       "h.jsonl:2: value is not a string"},
      {header + R"({"client":1,"op":"get","status":"ok","key":"k","result":7,"call":1})",
       "h.jsonl:2: result is neither a string nor null"},
      {header +
           R"({"client":1,"op":"delete","status":"ok","key":"k","result":"yes","call":1,"return":2})",
       "h.jsonl:2: field \"result\" is neither true nor false"},
      {header +
           R"({"client":1,"op":"get","status":"ok","key":"k","result":null,"call":3,"return":2})",
       "h.jsonl:2: return 2 before call 3"},
      {header +
           R"({"client":1,"op":"get","status":"ok","key":"k","result":null,"call":1,"return":null})",
       "h.jsonl:2: the outcome is ok, yet it never returned"},
      {header + R"({"client":1,"op":"get","status":"fail","key":"k","result":"a","call":1,)"
                R"("return":2})",
       "h.jsonl:2: a result, but status is fail"},
      {header +
           R"({"client":1,"op":"get","status":"ok","key":"k","result":null,"call":1,"return":2,"x":1})",
       "h.jsonl:2: 8 fields, but this operation has 7"},
      {header + R"({"client":1,"op":"read","status":"ok","result":null,"call":1,"return":2})",
       "h.jsonl:2: model kv has no operation read"},
      {header + R"({"client":1,"op":"get","status":"unknown","key":"k","call":1,"return":null})"
                "\n{}",
       "h.jsonl:3: more than the 1 operations of the header"},
      {store + R"({"client":1,"op":"txn","status":"ok","args":[["r"]],"call":1,"return":2})",
       R"(h.jsonl:2: a step is none of ["r",k], ["w",k,v], ["append",k,v])"},
      {store + R"({"client":1,"op":"txn","status":"ok","args":[["r","k"]],"result":[],)"
               R"("call":1,"return":2})",
       "h.jsonl:2: 0 results for 1 steps"},
      {store + R"({"client":1,"op":"cond_txn","status":"ok","if":[["<","k","v"]],"then":[]})",
       R"(h.jsonl:2: a condition is none of ["=",k,v], ["!=",k,v])"},
      {store + R"({"client":1,"op":"cond_txn","status":"ok","if":[],"then":[],"else":[],)"
               R"("result":{"branch":"both","results":[]},"call":1,"return":2})",
       "h.jsonl:2: unknown branch \"both\""},
  };
  for (const Case& c : cases) EXPECT_EQ(ErrorOf(c.text), c.error) << c.text;
}

TEST(HistoryFileTest, ABadEscapeIsRefused) {
  const std::string header =
      R"({"format":"op-history/1","model":"kv","initial":null,"ops":1,"escape":"percent"})"
      "\n";
  for (const char* key : {"%", "%4", "%4g", "a%zz"}) {
    EXPECT_EQ(ErrorOf(header + R"({"client":1,"op":"get","status":"fail","key":")" + key + "\"}"),
              "h.jsonl:2: key has a bad percent escape");
  }
}

TEST(HistoryFileTest, SizesAreBounded) {
  const std::string operation =
      R"({"client":1,"op":"get","status":"fail","key":"k","call":1,"return":2})";
  FileLimits limits;
  limits.line_bytes_max = 100;
  EXPECT_EQ(ErrorOf(kHeader + operation, limits), "");
  EXPECT_EQ(ErrorOf(kHeader + std::string(101, ' ') + operation, limits),
            "h.jsonl:2: the line is longer than 100 bytes");
  limits.file_bytes_max = 120;
  EXPECT_EQ(ErrorOf(kHeader + operation, limits), "h.jsonl:3: the file is longer than 120 bytes");
  limits = {};
  limits.operations_max = 0;
  EXPECT_EQ(ErrorOf(kHeader + operation, limits), "h.jsonl:1: 1 operations, more than 0");
}

TEST(HistoryFileTest, DeepNestingDoesNoHarm) {
  EXPECT_EQ(ErrorOf(std::string(1'000'000, '[')), "h.jsonl:1: not JSON");
  EXPECT_EQ(ErrorOf(std::string(1'000'000, '[') + std::string(1'000'000, ']')),
            "h.jsonl:1: not a JSON object");
}

TEST(HistoryFileTest, AnotherModelCanBeAskedFor) {
  std::istringstream in(
      std::string(kHeader) +
      R"({"client":1,"op":"get","status":"ok","key":"k","result":null,"call":1,"return":2})");
  EXPECT_EQ(ReadHistory(in, "h.jsonl", Model::kStore).value().model, Model::kStore);
}

TEST(HistoryFileTest, AFileThatIsNotThereIsNamed) {
  const absl::Status status = ReadHistoryFile("no/such/file").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(std::string(status.message()), "no/such/file: No such file or directory");
  EXPECT_FALSE(ReadHistoryFile(".").ok()) << "a folder is no history";
}

TEST(HistoryFileTest, AMalformedHistoryIsNotWritten) {
  const std::string path = testing::TempDir() + "history_file_test.jsonl";
  const History good = HistoryOf(Model::kKv, {Ok({0, 1}, Put("k", "a"))});
  ASSERT_TRUE(WriteHistoryFile(good, path).ok());
  const History bad = HistoryOf(Model::kKv, {Ok({0, 1}, Put("k", "a")), Ok({2, 3}, Read())});
  EXPECT_EQ(std::string(WriteHistoryFile(bad, path).message()),
            path + ": operation 2: model kv has no operation read");
  History not_text = good;
  not_text.name = "\xff";
  EXPECT_FALSE(WriteHistoryFile(not_text, path).ok());
  EXPECT_EQ(ReadHistoryFile(path).value(), good);
  EXPECT_FALSE(WriteHistoryFile(good, "no/such/folder/file").ok());
  std::remove(path.c_str());
}

std::string DrawBytes() {
  const auto alphabet =
      rc::gen::element('a', 'b', '?', '%', '"', '\\', '\n', '\0', '\x7f', '\xc3', '\xa9', '\xff');
  return *rc::gen::container<std::string>(alphabet);
}
Value DrawValue() { return *rc::gen::inRange(0, 4) == 0 ? Value() : Value(DrawBytes()); }

std::vector<Step> DrawSteps() {
  std::vector<Step> steps;
  for (int i = *rc::gen::inRange(0, 4); i > 0; --i) {
    steps.push_back(*rc::gen::inRange(0, 2) == 0 ? R(DrawBytes()) : W(DrawBytes(), DrawValue()));
  }
  return steps;
}

std::vector<StepResult> DrawResults(const std::vector<Step>& steps) {
  std::vector<StepResult> results;
  for (const Step& step : steps) {
    const bool claims = step.kind == Step::Kind::kRead && *rc::gen::inRange(0, 4) > 0;
    results.push_back(claims                            ? Saw(DrawValue())
                      : step.kind == Step::Kind::kWrite ? Nothing()
                                                        : SawSomething());
  }
  return results;
}

Operation DrawOperation() {
  switch (*rc::gen::inRange(0, 6)) {
    case 0:
      return Get(DrawBytes(), DrawValue());
    case 1:
      return Put(DrawBytes(), DrawBytes());
    case 2:
      return Delete(DrawBytes(), *rc::gen::arbitrary<bool>());
    case 3: {
      const std::string key = DrawBytes();
      const Value from = DrawValue();
      return Cas(key, from, DrawValue(), *rc::gen::arbitrary<bool>());
    }
    case 4: {
      const std::vector<Step> steps = DrawSteps();
      return Txn(steps, DrawResults(steps));
    }
    default: {
      const std::vector<Condition> conditions = {Is(DrawBytes(), DrawValue()),
                                                 IsNot(DrawBytes(), DrawValue())};
      const std::vector<Step> then = DrawSteps();
      const Operation operation = If(conditions, then, DrawSteps());
      return *rc::gen::arbitrary<bool>() ? Held(operation, DrawResults(then))
                                         : DidNotHold(operation, DrawResults(operation.else_steps));
    }
  }
}

RC_GTEST_PROP(HistoryFileTest, AHistoryIsReadAsItWasWritten, ()) {
  std::vector<Operation> operations;
  std::int64_t now = *rc::gen::arbitrary<std::int32_t>();
  for (int i = *rc::gen::inRange(0, 8); i > 0; --i) {
    now += *rc::gen::inRange(0, 3);
    Operation operation = DrawOperation();
    const int outcome = *rc::gen::inRange(0, 4);
    if (outcome >= 2) {
      operations.push_back(Ok({now, now + *rc::gen::inRange(0, 5)}, operation));
      continue;
    }
    operation.seen.reset();
    operation.succeeded = false;
    operation.results.clear();
    operations.push_back(outcome == 0 ? Unknown({now}, operation)
                                      : Failed({now, now + 1}, operation));
  }
  History history = HistoryOf(Model::kStore, operations, DrawValue());
  history.name = "a \"name\"";
  RC_ASSERT(ValidateHistory(history).ok());
  const std::string text = Written(history);
  const auto read = ReadText(text);
  RC_ASSERT(read.ok());
  RC_ASSERT(*read == history);
  RC_ASSERT(Written(*read) == text);
}

// Any one byte changed, left out or doubled: read as some history, or refused with a line.
RC_GTEST_PROP(HistoryFileTest, AMangledFileDoesNoHarm, ()) {
  std::string text = Written(HistoryOf(
      Model::kStore,
      {Ok({0, 3}, Put("k", "a")), Unknown({1}, Delete("k")),
       Ok({2, 4}, Held(If({Is("k", "a")}, {W("k", "b"), R("l")}, {}), {Nothing(), Saw("c")})),
       Ok({5, 6}, Txn({R("k"), W("l", kAbsent)}, {SawSomething(), Nothing()}))}));
  for (int i = *rc::gen::inRange(1, 4); i > 0; --i) {
    const auto at = *rc::gen::inRange<std::size_t>(0, text.size());
    switch (*rc::gen::inRange(0, 3)) {
      case 0:
        text[at] = *rc::gen::arbitrary<char>();
        break;
      case 1:
        text.erase(at, 1);
        break;
      default:
        text.insert(at, 1, text[at]);
    }
  }
  const auto read = ReadText(text);
  if (!read.ok()) {
    RC_ASSERT(std::string(read.status().message()).rfind("h.jsonl:", 0) == 0);
  } else {
    RC_ASSERT(ValidateHistory(*read).ok());
  }
}

}  // namespace
}  // namespace lockstep::sim::history
