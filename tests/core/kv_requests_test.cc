#include <gtest/gtest.h>

#include "core/kv/requests.h"
#include "core/kv/store.h"

namespace lockstep::kv {
namespace {

std::string ValueAt(const Store& store, const std::string& key) {
  const KeyValue* found = store.Find(key);
  return found == nullptr ? "absent" : found->value;
}

TEST(RequestsTest, PutWritesWhateverIsThere) {
  Store store;
  EXPECT_TRUE(store.Execute(PutTransaction("k", "1")).succeeded);
  EXPECT_TRUE(store.Execute(PutTransaction("k", "2")).succeeded);
  EXPECT_EQ(ValueAt(store, "k"), "2");
}

TEST(RequestsTest, DeleteSucceedsWithAndWithoutAKey) {
  Store store;
  store.Execute(PutTransaction("k", "1"));
  EXPECT_TRUE(store.Execute(DeleteTransaction("k")).succeeded);
  EXPECT_EQ(ValueAt(store, "k"), "absent");
  EXPECT_TRUE(store.Execute(DeleteTransaction("k")).succeeded);
}

TEST(RequestsTest, PutIfAbsentMakesAKeyOrReadsIt) {
  Store store;
  EXPECT_TRUE(store.Execute(PutIfAbsentTransaction("k", "1")).succeeded);
  const TransactionResult second = store.Execute(PutIfAbsentTransaction("k", "2"));
  EXPECT_FALSE(second.succeeded);
  ASSERT_EQ(second.results.size(), 1u);
  EXPECT_EQ(std::get<GetResult>(second.results[0]).found->value, "1");
  EXPECT_EQ(ValueAt(store, "k"), "1");
}

TEST(RequestsTest, PutIfAbsentTakesAnEmptyValueForPresent) {
  Store store;
  store.Execute(PutTransaction("k", ""));
  EXPECT_FALSE(store.Execute(PutIfAbsentTransaction("k", "1")).succeeded);
  EXPECT_EQ(ValueAt(store, "k"), "");
}

TEST(RequestsTest, CompareAndSetWritesOnlyOverWhatItExpects) {
  struct Case {
    std::optional<std::string> stored;
    std::optional<std::string> expected;
    bool succeeds;
    std::string why;
  };
  const Case kCases[] = {
      {"1", "1", true, "the value is the expected one"},
      {"1", "2", false, "the value is another one"},
      {"1", "", false, "an empty value is not any value"},
      {"", "", true, "an empty value equals an empty value"},
      {std::nullopt, "", false, "an absent key has no value, not an empty one"},
      {std::nullopt, std::nullopt, true, "absence was expected"},
      {"1", std::nullopt, false, "absence was expected"},
      {"", std::nullopt, false, "an empty value is not absence"},
  };
  for (const Case& c : kCases) {
    Store store;
    if (c.stored.has_value()) store.Execute(PutTransaction("k", *c.stored));
    const TransactionResult result =
        store.Execute(CompareAndSetTransaction("k", c.expected, "new"));
    EXPECT_EQ(result.succeeded, c.succeeds) << c.why;
    EXPECT_EQ(ValueAt(store, "k"), c.succeeds ? "new" : c.stored.value_or("absent")) << c.why;
    if (c.succeeds) continue;
    const std::optional<KeyValue>& found = std::get<GetResult>(result.results.at(0)).found;
    EXPECT_EQ(found.has_value(), c.stored.has_value()) << c.why;
  }
}

}  // namespace
}  // namespace lockstep::kv
