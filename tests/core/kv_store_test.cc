#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <stdexcept>
#include <tuple>

#include "core/kv/digest.h"
#include "core/kv/requests.h"
#include "core/kv/store.h"
#include "tests/core/kv_generators.h"
#include "tests/core/kv_plain.h"

namespace lockstep::kv {
namespace {

const KeyValue& At(const Store& store, const std::string& key) {
  const KeyValue* found = store.Find(key);
  if (found == nullptr) throw std::logic_error("no key " + key);
  return *found;
}

// Create revision, mod revision, version.
using Numbers = std::tuple<std::uint64_t, std::uint64_t, std::uint64_t>;

Numbers NumbersOf(const KeyValue& key_value) {
  return {key_value.create_revision.value, key_value.mod_revision.value, key_value.version};
}

TEST(StoreTest, StartsAtRevisionOneWithoutKeys) {
  Store store;
  EXPECT_EQ(store.revision(), Revision{1});
  EXPECT_EQ(store.size(), 0u);
  EXPECT_EQ(store.digest(), 0u);
  EXPECT_EQ(store.Find("k"), nullptr);
}

TEST(StoreTest, CountsAKeysPutsAndForgetsThemWhenItIsDeleted) {
  Store store;
  EXPECT_EQ(store.Execute(PutTransaction("k", "1")).revision, Revision{2});
  EXPECT_EQ(NumbersOf(At(store, "k")), Numbers(2, 2, 1));
  store.Execute(PutTransaction("other", "x"));
  store.Execute(PutTransaction("k", "2"));
  EXPECT_EQ(NumbersOf(At(store, "k")), Numbers(2, 4, 2));
  EXPECT_EQ(store.Execute(DeleteTransaction("k")).revision, Revision{5});
  EXPECT_EQ(store.Find("k"), nullptr);
  store.Execute(PutTransaction("k", "3"));
  EXPECT_EQ(NumbersOf(At(store, "k")), Numbers(6, 6, 1));
  EXPECT_EQ(NumbersOf(At(store, "other")), Numbers(3, 3, 1));
}

TEST(StoreTest, OnlyATransactionThatChangesSomethingMakesARevision) {
  struct Case {
    std::vector<Operation> operations;
    std::uint64_t revision;
    std::string why;
  };
  const Case kCases[] = {
      {{}, 2, "nothing is asked for"},
      {{Get{"k"}, Get{"absent"}}, 2, "reads change nothing"},
      {{Delete{"absent"}}, 2, "there is nothing to delete"},
      {{Put{"k", "old"}}, 3, "a put counts even if the value stays"},
      {{Put{"k", "1"}, Put{"l", "2"}, Delete{"k"}}, 3, "one revision for all"},
      {{Put{"new", "1"}, Delete{"new"}}, 3, "what happened counts, not what is left of it"},
  };
  for (const Case& c : kCases) {
    Store store;
    store.Execute(PutTransaction("k", "old"));
    const TransactionResult result = store.Execute(Transaction{{}, c.operations, {}});
    EXPECT_EQ(result.revision, Revision{c.revision}) << c.why;
    EXPECT_EQ(store.revision(), Revision{c.revision}) << c.why;
  }
}

TEST(StoreTest, AnOperationSeesTheOnesBeforeIt) {
  Store store;
  store.Execute(PutTransaction("k", "0"));
  const TransactionResult result =
      store.Execute(Transaction{{},
                                {Get{"k"}, Put{"k", "1"}, Get{"k"}, Put{"k", "2"}, Delete{"k"},
                                 Get{"k"}, Delete{"k"}, Put{"k", "3"}, Get{"k"}},
                                {}});
  const KeyValue v0{"k", "0", {2}, {2}, 1};
  const KeyValue v1{"k", "1", {2}, {3}, 2};
  const KeyValue v2{"k", "2", {2}, {3}, 3};
  const KeyValue v3{"k", "3", {3}, {3}, 1};
  const std::vector<OperationResult> expected = {
      GetResult{v0}, PutResult{v0},    GetResult{v1},           PutResult{v1}, DeleteResult{v2},
      GetResult{},   DeleteResult{{}}, PutResult{std::nullopt}, GetResult{v3},
  };
  EXPECT_EQ(result.results, expected);
  EXPECT_EQ(At(store, "k"), v3);
}

TEST(StoreTest, NumbersTheChangesOfATransactionFromZero) {
  Store store;
  store.Execute(PutTransaction("gone", "x"));
  store.Execute(Transaction{{},
                            {Get{"a"}, Put{"a", "1"}, Delete{"absent"}, Delete{"gone"},
                             Put{"b", "2"}, Put{"c", "3"}, Put{"a", "4"}},
                            {}});
  std::vector<std::pair<RowId, std::string>> rows;
  for (const KeyRow& row : store.Rows()) rows.emplace_back(row.id, row.key_value.key);
  const std::vector<std::pair<RowId, std::string>> expected = {
      {RowId{{3}, 2}, "b"}, {RowId{{3}, 3}, "c"}, {RowId{{3}, 4}, "a"}};
  EXPECT_EQ(rows, expected);
}

TEST(StoreTest, ConditionsCompareAsTheyAreTold) {
  using T = Target;
  using C = Comparison;
  struct Case {
    std::string key;
    Target target;
    Comparison comparison;
    std::string value;
    std::uint64_t number;
    bool holds;
  };
  // "k" has value "m", create revision 2, mod revision 4 and version 3.
  const Case kCases[] = {
      {"k", T::kValue, C::kEqual, "m", 0, true},
      {"k", T::kValue, C::kEqual, "n", 0, false},
      {"k", T::kValue, C::kNotEqual, "m", 0, false},
      {"k", T::kValue, C::kNotEqual, "n", 0, true},
      {"k", T::kValue, C::kLess, "n", 0, true},
      {"k", T::kValue, C::kLess, "m", 0, false},
      {"k", T::kValue, C::kLess, "l", 0, false},
      {"k", T::kValue, C::kLess, "mm", 0, true},
      {"k", T::kValue, C::kLess, "\xff", 0, true},  // bytes are unsigned
      {"k", T::kValue, C::kGreater, "l", 0, true},
      {"k", T::kValue, C::kGreater, "m", 0, false},
      {"k", T::kValue, C::kGreater, "", 0, true},
      {"k", T::kVersion, C::kEqual, "", 3, true},
      {"k", T::kVersion, C::kEqual, "", 2, false},
      {"k", T::kVersion, C::kNotEqual, "", 2, true},
      {"k", T::kVersion, C::kLess, "", 4, true},
      {"k", T::kVersion, C::kLess, "", 3, false},
      {"k", T::kVersion, C::kGreater, "", 2, true},
      {"k", T::kVersion, C::kGreater, "", 3, false},
      {"k", T::kCreateRevision, C::kEqual, "", 2, true},
      {"k", T::kCreateRevision, C::kEqual, "", 4, false},
      {"k", T::kCreateRevision, C::kGreater, "", 1, true},
      {"k", T::kModRevision, C::kEqual, "", 4, true},
      {"k", T::kModRevision, C::kEqual, "", 2, false},
      {"k", T::kModRevision, C::kLess, "", 5, true},
      // Of an absent key, every number is 0 and no comparison of its value holds.
      {"absent", T::kValue, C::kEqual, "", 0, false},
      {"absent", T::kValue, C::kNotEqual, "m", 0, false},
      {"absent", T::kValue, C::kLess, "m", 0, false},
      {"absent", T::kValue, C::kGreater, "", 0, false},
      {"absent", T::kVersion, C::kEqual, "", 0, true},
      {"absent", T::kVersion, C::kGreater, "", 0, false},
      {"absent", T::kVersion, C::kLess, "", 1, true},
      {"absent", T::kCreateRevision, C::kEqual, "", 0, true},
      {"absent", T::kModRevision, C::kEqual, "", 0, true},
      {"absent", T::kModRevision, C::kNotEqual, "", 0, false},
  };
  Store store;
  store.Execute(PutTransaction("k", "1"));
  store.Execute(PutTransaction("k", "2"));
  store.Execute(PutTransaction("k", "m"));
  int number = 0;
  for (const Case& c : kCases) {
    const Condition condition{c.key, c.target, c.comparison, c.value, c.number};
    EXPECT_EQ(store.Execute(Transaction{{condition}, {}, {}}).succeeded, c.holds)
        << "case " << number;
    ++number;
  }
}

TEST(StoreTest, AllConditionsMustHoldAndOnlyOneBranchIsExecuted) {
  const Condition kHolds{"absent", Target::kVersion, Comparison::kEqual, "", 0};
  const Condition kFails{"absent", Target::kVersion, Comparison::kEqual, "", 1};
  struct Case {
    std::vector<Condition> conditions;
    bool succeeds;
  };
  const Case kCases[] = {
      {{}, true},
      {{kHolds}, true},
      {{kFails}, false},
      {{kHolds, kHolds}, true},
      {{kHolds, kFails}, false},
      {{kFails, kHolds}, false},
  };
  for (const Case& c : kCases) {
    Store store;
    const TransactionResult result =
        store.Execute(Transaction{c.conditions, {Put{"then", "1"}}, {Put{"otherwise", "1"}}});
    EXPECT_EQ(result.succeeded, c.succeeds);
    EXPECT_EQ(store.Find("then") != nullptr, c.succeeds);
    EXPECT_EQ(store.Find("otherwise") != nullptr, !c.succeeds);
    EXPECT_EQ(result.results.size(), 1u);
  }
}

TEST(StoreTest, ConditionsAreJudgedBeforeAnyOperation) {
  Store store;
  const Condition absent{"k", Target::kVersion, Comparison::kEqual, "", 0};
  EXPECT_TRUE(store.Execute(Transaction{{absent, absent}, {Put{"k", "1"}}, {}}).succeeded);
  EXPECT_FALSE(store.Execute(Transaction{{absent}, {Delete{"k"}}, {}}).succeeded);
  EXPECT_NE(store.Find("k"), nullptr);
}

TEST(StoreTest, KeysAreBytes) {
  Store store;
  const std::string with_zero("a\0b", 3);
  store.Execute(PutTransaction(with_zero, "1"));
  store.Execute(PutTransaction("a", "2"));
  store.Execute(PutTransaction("\xff\xfe", "3"));
  EXPECT_EQ(At(store, with_zero).value, "1");
  EXPECT_EQ(At(store, "a").value, "2");
  EXPECT_EQ(At(store, "\xff\xfe").value, "3");
}

TEST(StoreTest, SurvivesBeingMoved) {
  Store first;
  for (int i = 0; i < 100; ++i) first.Execute(PutTransaction("k" + std::to_string(i), "1"));
  Store second = std::move(first);
  Store third;
  third = std::move(second);
  for (int i = 0; i < 100; ++i) third.Execute(PutTransaction("k" + std::to_string(i), "2"));
  EXPECT_EQ(third.size(), 100u);
  EXPECT_EQ(At(third, "k7").version, 2u);
}

TEST(StoreDeltaTest, NamesAnOverwrittenKeyOnce) {
  Store store;
  store.Execute(PutTransaction("k", "0"));
  Delta delta;
  store.TakeDelta(delta);
  for (int i = 1; i <= 1000; ++i) store.Execute(PutTransaction("k", std::to_string(i)));
  store.TakeDelta(delta);
  EXPECT_EQ(delta.removed_keys, std::vector<RowId>{RowId{Revision{2}}});
  ASSERT_EQ(delta.added_keys.size(), 1u);
  EXPECT_EQ(delta.added_keys[0].key_value.value, "1000");
}

TEST(StoreDeltaTest, OmitsWhatCameAndWentBetweenTwoDeltas) {
  Store store;
  Delta delta;
  store.Execute(PutTransaction("k", "1"));
  store.Execute(DeleteTransaction("k"));
  store.TakeDelta(delta);
  EXPECT_TRUE(delta.removed_keys.empty());
  EXPECT_TRUE(delta.added_keys.empty());
}

TEST(StoreDeltaTest, IsEmptyWhenNothingChanged) {
  Store store;
  store.Execute(PutTransaction("k", "1"));
  Delta delta;
  store.TakeDelta(delta);
  EXPECT_EQ(delta.added_keys.size(), 1u);
  store.TakeDelta(delta);
  EXPECT_TRUE(delta.added_keys.empty());
  EXPECT_TRUE(delta.removed_keys.empty());
}

RC_GTEST_PROP(StoreProperty, DoesWhatAPlainMapDoes, ()) {
  const auto transactions =
      *rc::gen::container<std::vector<Transaction>>(AnyTransaction()).as("transactions");
  Store store;
  PlainStore plain;
  for (const Transaction& transaction : transactions) {
    RC_ASSERT(store.Execute(transaction) == plain.Execute(transaction));
    RC_ASSERT(store.Rows() == plain.Rows());
    RC_ASSERT(store.size() == plain.rows.size());
    std::uint64_t digest = 0;
    for (const auto& [key, row] : plain.rows) {
      digest += DigestOf(row);
      RC_ASSERT(store.Find(key) != nullptr);
      RC_ASSERT(*store.Find(key) == row.key_value);
    }
    RC_ASSERT(store.digest() == digest);
  }
}

}  // namespace
}  // namespace lockstep::kv
