#include "storage/log_store.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <optional>
#include <vector>

#include "core/assert.h"
#include "core/random.h"
#include "tests/storage/models.h"
#include "tests/storage/temporary_folder.h"

namespace lockstep::storage {
namespace {

constexpr Identity kIdentity = {{7}, {2}};

// A log.db in a folder of its own, opened and opened again.
class LogFile {
 public:
  LogFile() { Reopen(); }

  // What the file held, found by the opening.
  raft::DurableState Reopen() {
    store_.reset();
    auto store = LogStore::Open(path(), "", kIdentity);
    Check(store.status());
    raft::DurableState state;
    if (store->is_new()) {
      Check(store->Create({}));
    } else {
      auto loaded = store->Load();
      Check(loaded.status());
      state = *std::move(loaded);
    }
    Check(store->StartWriting());
    store_ = *std::move(store);
    writes_ = 0;
    return state;
  }

  void Save(std::vector<raft::Write> writes) {
    for (raft::Write& write : writes) {
      write.id = {++writes_};
    }
    Check(store_->Save(writes));
  }

  LogStore& store() { return *store_; }
  const TemporaryFolder& folder() const { return folder_; }
  std::string path() const { return folder_ / "log.db"; }

 private:
  static void Check(const absl::Status& status) {
    if (!status.ok()) {
      throw std::runtime_error(status.ToString());
    }
  }

  TemporaryFolder folder_;
  std::uint64_t writes_ = 0;
  std::optional<LogStore> store_;
};

raft::Entry MakeEntry(std::uint64_t index, std::uint64_t term, std::uint64_t time = 0) {
  return {{index}, {term}, {time}, raft::EntryKind::kCommand, Bytes("entry")};
}

raft::Write Append(std::vector<raft::Entry> entries) {
  raft::Write write;
  write.entries = std::move(entries);
  return write;
}

raft::Write Compact(std::uint64_t index, std::uint64_t term) {
  raft::Write write;
  write.compact_to = {{index}, {term}};
  return write;
}

raft::Write ResetTo(std::uint64_t index, std::uint64_t term) {
  raft::Write write;
  write.reset_to = {{index}, {term}};
  return write;
}

raft::Write SetHardState(std::uint64_t term, std::uint64_t voted_for) {
  raft::Write write;
  write.hard_state = {{term}, {voted_for}};
  return write;
}

RC_GTEST_PROP(LogStoreTest, HoldsWhatAPlainVectorWouldAcrossReopenings,
              (std::uint64_t seed, const std::vector<std::uint8_t>& groups)) {
  Random random(seed);
  LogModel model;
  LogFile file;
  for (const std::uint8_t group : groups) {
    std::vector<raft::Write> writes;
    for (int i = 0; i < group % 4; ++i) {
      writes.push_back(model.Draw(random));
      model.Apply(writes.back());
    }
    file.Save(writes);
    if (group >= 200) {
      RC_ASSERT(file.Reopen() == model.state());
    }
  }
  RC_ASSERT(file.Reopen() == model.state());
}

TEST(LogStoreTest, EntriesReplaceAllStoredOnesFromTheirFirstIndexOn) {
  LogFile file;
  file.Save({Append({MakeEntry(1, 1), MakeEntry(2, 1), MakeEntry(3, 1)})});
  file.Save({Append({MakeEntry(2, 2)})});
  const raft::DurableState state = file.Reopen();
  EXPECT_EQ(state.entries, (std::vector{MakeEntry(1, 1), MakeEntry(2, 2)}));
}

TEST(LogStoreTest, CompactionKeepsThePositionBeforeTheFirstEntry) {
  LogFile file;
  file.Save({Append({MakeEntry(1, 1), MakeEntry(2, 3), MakeEntry(3, 3)}), Compact(2, 3)});
  const raft::DurableState state = file.Reopen();
  EXPECT_EQ(state.base, (raft::LogPosition{{2}, {3}}));
  EXPECT_EQ(state.entries, std::vector{MakeEntry(3, 3)});
}

TEST(LogStoreTest, CompactionMayTakeTheWholeLog) {
  LogFile file;
  file.Save({Append({MakeEntry(1, 1), MakeEntry(2, 3)}), Compact(2, 3)});
  EXPECT_TRUE(file.Reopen().entries.empty());
  file.Save({Append({MakeEntry(3, 3)})});
  EXPECT_EQ(file.Reopen().entries, std::vector{MakeEntry(3, 3)});
}

TEST(LogStoreTest, AResetForgetsTheLogAndStartsAfterThePosition) {
  LogFile file;
  file.Save({Append({MakeEntry(1, 1), MakeEntry(2, 1)})});
  file.Save({ResetTo(10, 4), Append({MakeEntry(11, 5)})});
  const raft::DurableState state = file.Reopen();
  EXPECT_EQ(state.base, (raft::LogPosition{{10}, {4}}));
  EXPECT_EQ(state.entries, std::vector{MakeEntry(11, 5)});
}

TEST(LogStoreTest, AnEntryMayBeOfAnyBytesAndTermsOfAnyNumber) {
  LogFile file;
  raft::Entry entry = MakeEntry(1, ~std::uint64_t{0}, ~std::uint64_t{0});
  entry.payload = Bytes(std::string("\0\xff'; DROP TABLE entry", 22));
  file.Save({Append({entry})});
  file.Save({SetHardState(~std::uint64_t{0}, ~std::uint64_t{0})});
  const raft::DurableState state = file.Reopen();
  EXPECT_EQ(state.entries, std::vector{entry});
  EXPECT_EQ(state.hard_state, (raft::HardState{{~std::uint64_t{0}}, {~std::uint64_t{0}}}));
}

// What compaction leaves is deleted by later writes, faster than they append.
TEST(LogStoreTest, TheFileStopsGrowingWhenTheLogIsCompacted) {
  LogFile file;
  std::uint64_t index = 0;
  std::uint64_t largest_early = 0;
  for (int round = 0; round < 200; ++round) {
    std::vector<raft::Entry> entries;
    for (int i = 0; i < 50; ++i) {
      entries.push_back(MakeEntry(++index, 1));
      entries.back().payload = Bytes(std::string(500, 'x'));
    }
    file.Save({Append(entries)});
    if (round % 10 == 9) {
      file.Save({Compact(index, 1)});
    }
    ASSERT_TRUE(file.store().Tidy().ok());
    if (round == 60) {
      largest_early = file.store().size_bytes();
    }
  }
  EXPECT_LE(file.store().size_bytes(), largest_early * 5 / 4);
}

TEST(LogStoreTest, TheWriteAheadLogIsBoundedEvenIfNobodyTidies) {
  LogFile file;
  std::uint64_t index = 0;
  std::uintmax_t wal_bytes_max = 0;
  for (int i = 0; i < 100; ++i) {
    raft::Entry entry = MakeEntry(++index, 1);
    entry.payload = Bytes(std::string(1 << 19, 'x'));
    file.Save({Append({entry}), Compact(index, 1)});
    wal_bytes_max = std::max(wal_bytes_max, file.folder().SizeOf("log.db-wal"));
  }
  EXPECT_LE(wal_bytes_max, std::uintmax_t{18} << 20);
  EXPECT_GE(wal_bytes_max, std::uintmax_t{8} << 20) << "the bound was not reached";
}

TEST(LogStoreTest, TidyingMovesAWriteAheadLogThatHasGrown) {
  LogFile file;
  raft::Entry entry = MakeEntry(1, 1);
  entry.payload = Bytes(std::string(6 << 20, 'x'));
  file.Save({Append({entry})});
  EXPECT_LT(file.folder().SizeOf("log.db"), std::uintmax_t{1} << 20);
  ASSERT_TRUE(file.store().Tidy().ok());
  EXPECT_GT(file.folder().SizeOf("log.db"), std::uintmax_t{6} << 20);
}

// Writes that do not fit the log are our own bugs.
TEST(LogStoreTest, AssertsThatWritesFitTheLog) {
  const std::vector<raft::Write> kUnfit[] = {
      {Append({MakeEntry(4, 2)})},                   // a gap after the log
      {Append({MakeEntry(3, 2), MakeEntry(5, 2)})},  // a gap inside the write
      {Append({MakeEntry(1, 2)})},                   // compacted
      {Append({MakeEntry(3, 1)})},                   // a term below the one before it
      {Append({MakeEntry(3, 2, 4)})},                // a time below the one before it
      {Compact(3, 2)},                               // beyond the log
      {Compact(2, 3)},                               // a term beyond the log's
      {SetHardState(2, 1)},                          // a term that decreases
      {SetHardState(3, 2)},                          // a second vote in one term
      {SetHardState(3, 0)},                          // a vote taken back
  };
  for (const std::vector<raft::Write>& writes : kUnfit) {
    LogFile file;
    file.Save({SetHardState(3, 1), Append({MakeEntry(1, 1), MakeEntry(2, 2, 5)}), Compact(1, 1)});
    EXPECT_THROW(file.Save(writes), AssertionFailure) << "write " << &writes - std::begin(kUnfit);
    // The transaction was rolled back.
    EXPECT_EQ(file.Reopen().entries, std::vector{MakeEntry(2, 2, 5)});
  }
}

TEST(LogStoreTest, AssertsThatIdsOfWritesAreConsecutive) {
  LogFile file;
  file.Save({Append({MakeEntry(1, 1)})});
  raft::Write write = Append({MakeEntry(2, 1)});
  write.id = {3};
  EXPECT_THROW(static_cast<void>(file.store().Save({&write, 1})), AssertionFailure);
}

}  // namespace
}  // namespace lockstep::storage
