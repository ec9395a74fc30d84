#include "storage/node_store.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/storage/temporary_folder.h"

namespace lockstep::storage {
namespace {

constexpr Identity kIdentity = {{7}, {2}};

raft::Entry MakeEntry(std::uint64_t index, std::uint64_t term, const std::string& payload) {
  return {{index}, {term}, {index * 10}, raft::EntryKind::kCommand, Bytes(payload)};
}

TEST(NodeStoreTest, MakesTheFilesOfANodeThatNeverRan) {
  const TemporaryFolder folder;
  for (int start = 0; start < 2; ++start) {
    auto store = NodeStore::Open(folder.path(), "", kIdentity);
    ASSERT_TRUE(store.ok()) << store.status();
    const StoredState stored = store->TakeStored();
    EXPECT_EQ(stored.log, raft::DurableState());
    EXPECT_EQ(stored.image, kv::Image());
  }
  const auto contents = folder.Contents();
  EXPECT_EQ(contents.size(), 2u) << "closing leaves the two files and nothing beside them";
}

TEST(NodeStoreTest, TheFilesHaveThePagesThatTheyWereMadeWith) {
  for (const std::uint64_t page_bytes : {512U, 1024U, 2048U, 4096U}) {
    const TemporaryFolder folder;
    ASSERT_TRUE(
        NodeStore::Open(folder.path(), "", kIdentity, {}, Expect::kFilesOrNone, page_bytes).ok());
    for (const std::uint64_t asked_later : {page_bytes, kPageBytesMin, kPageBytesMax}) {
      const auto store =
          NodeStore::Open(folder.path(), "", kIdentity, {}, Expect::kFiles, asked_later);
      ASSERT_TRUE(store.ok()) << store.status();
    }
    const auto contents = folder.Contents();
    EXPECT_EQ(contents.size(), 2u);
    for (const auto& file : contents) {
      // sqlite.org/fileformat2.html#the_database_header
      const auto byte = [&](std::size_t i) {
        return static_cast<unsigned char>(file.second.at(i));
      };
      EXPECT_EQ(256U * byte(16) + byte(17), page_bytes) << file.first;
    }
  }
}

TEST(NodeStoreTest, KeepsWhatWasSavedAcrossAReopening) {
  const TemporaryFolder folder;
  const raft::Write write = {.id = {1},
                             .hard_state = raft::HardState{{3}, {2}},
                             .reset_to = {},
                             .entries = {MakeEntry(1, 1, "a"), MakeEntry(2, 3, "")},
                             .compact_to = {}};
  kv::SessionRow session = {
      .id = {5}, .time_to_live = {100}, .last_used = {20}, .acknowledged = 1, .replies = {}};
  session.replies[2] = {.succeeded = true, .revision = {2}, .results = {kv::PutResult()}};
  kv::Delta delta;
  delta.summary = {{2}, {3}, {20}, {2}, 99};
  delta.membership = {{1}, raft::MembershipOf({{1}, {2}})};
  delta.added_keys = {{{{2}, 0}, {"key", "value", {2}, {2}, 1}}};
  delta.changed_sessions = {session};
  {
    auto store = NodeStore::Open(folder.path(), "", kIdentity);
    ASSERT_TRUE(store.ok()) << store.status();
    EXPECT_EQ(store->TakeStored().log, raft::DurableState());
    ASSERT_TRUE(store->log().Save({&write, 1}).ok());
    ASSERT_TRUE(store->state().Apply(delta).ok());
  }
  auto store = NodeStore::Open(folder.path(), "", kIdentity);
  ASSERT_TRUE(store.ok()) << store.status();
  const StoredState stored = store->TakeStored();
  EXPECT_EQ(stored.log.hard_state, *write.hard_state);
  EXPECT_EQ(stored.log.entries, write.entries);
  EXPECT_EQ(stored.image.summary, delta.summary);
  EXPECT_EQ(stored.image.membership, delta.membership);
  EXPECT_EQ(stored.image.keys, delta.added_keys);
  EXPECT_EQ(stored.image.sessions, delta.changed_sessions);
  auto image = store->state().ReadImage();
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(*image, stored.image);
}

}  // namespace
}  // namespace lockstep::storage
