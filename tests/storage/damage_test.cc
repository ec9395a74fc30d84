// The bytes of a small node's files are damaged, one at a time. What is read then is either exactly
// what was written, or an error that names the file: never other data, and never a changed file.
//
// Every byte is tried if the environment sets LOCKSTEP_EVERY_BYTE; otherwise every byte of the
// first 200 of a page, where its structure lies, and one in five of the rest.

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "core/random.h"
#include "storage/log_store.h"
#include "storage/node_store.h"
#include "storage/state_store.h"
#include "tests/storage/models.h"
#include "tests/storage/temporary_folder.h"

namespace lockstep::storage {
namespace {

constexpr Identity kIdentity = {{7}, {2}};

// What damage inverts of the byte at an offset.
unsigned MaskAt(std::size_t offset) {
  constexpr unsigned kMasks[] = {0x01, 0x80, 0xff};
  return kMasks[offset % 3];
}

raft::Write MakeWrite(std::uint64_t id, Random& random) {
  raft::Write write;
  write.id = {id};
  write.hard_state = raft::HardState{{id}, {1}};
  for (std::uint64_t i = 1; i <= 3; ++i) {
    const std::uint64_t index = (id - 1) * 3 + i;
    write.entries.push_back({{index},
                             {id},
                             {index * 1000},
                             raft::EntryKind::kCommand,
                             Bytes(DrawBytes(random, random.Below(80)))});
  }
  return write;
}

// One with an entry that fills several pages, and some compacted.
raft::Write MakeLargeWrite(std::uint64_t id) {
  raft::Write write;
  write.id = {id};
  write.entries.push_back({{(id - 1) * 3 + 1},
                           {id},
                           {1'000'000},
                           raft::EntryKind::kCommand,
                           Bytes(std::string(4500, 'x'))});
  write.compact_to = {{2}, {1}};
  return write;
}

kv::Image MakeImage() {
  kv::Image image;
  image.summary = {.applied_index = {40},
                   .applied_term = {3},
                   .time = {5000},
                   .revision = {30},
                   .digest = 0x0123456789abcdef};
  for (std::uint64_t revision = 2; revision <= 30; revision += 4) {
    image.keys.push_back(
        {{{revision}, 0}, {"key" + std::to_string(revision), "some value", {2}, {revision}, 3}});
  }
  image.keys.push_back({{{30}, 1}, {"long", std::string(4500, 'y'), {30}, {30}, 1}});
  kv::SessionRow session;
  session.id = {5};
  session.time_to_live = {100};
  session.replies[2].results.emplace_back(kv::PutResult());
  image.sessions = {session, session};
  image.sessions[1].id = {9};
  return image;
}

absl::StatusOr<raft::DurableState> ReadLog(const TemporaryFolder& folder) {
  absl::StatusOr<LogStore> store = LogStore::Open(folder / "log.db", "", kIdentity);
  if (!store.ok()) {
    return store.status();
  }
  EXPECT_FALSE(store->is_new()) << "a damaged file is taken for a new one";
  return store->is_new() ? raft::DurableState() : store->Load();
}

absl::StatusOr<kv::Image> ReadState(const TemporaryFolder& folder) {
  absl::StatusOr<StateStore> store = StateStore::Open(folder / "state.db", "", kIdentity);
  if (!store.ok()) {
    return store.status();
  }
  EXPECT_FALSE(store->is_new()) << "a damaged file is taken for a new one";
  return store->is_new() ? kv::Image() : store->Load();
}

bool IsTried(std::size_t offset) {
  static const bool every_byte = std::getenv("LOCKSTEP_EVERY_BYTE") != nullptr;
  return every_byte || offset % 4096 < 200 || offset % 5 == 0;
}

// Inverts the bits of `mask` in a byte of the file, for as long as it lives.
class Damage {
 public:
  Damage(const std::string& path, std::size_t offset, char byte, unsigned mask)
      : file_(path, std::ios::in | std::ios::out | std::ios::binary), offset_(offset), byte_(byte) {
    Put(static_cast<char>(static_cast<unsigned char>(byte) ^ mask));
  }
  ~Damage() { Put(byte_); }

 private:
  void Put(char byte) {
    file_.seekp(static_cast<std::streamoff>(offset_));
    file_.put(byte);
    file_.flush();
  }

  std::fstream file_;
  std::size_t offset_;
  char byte_;
};

struct Outcome {
  int tried = 0;
  int same = 0;
  int refused = 0;
  int earlier = 0;  // the state before the last transaction
};

// Damages each byte of file `name` in several ways and reads `database` (which may be another file:
// damage to a WAL) with `read`. `last` is what was written; `before_last`, if not null, what might
// be read as well.
template <class State, class Read>
Outcome DamageEveryByte(const TemporaryFolder& folder, const std::string& name,
                        const std::string& database, Read read, const State& last,
                        const State* before_last) {
  Outcome outcome;
  const std::string bytes = folder.Contents().at(name);
  for (std::size_t offset = 0; offset < bytes.size(); ++offset) {
    if (!IsTried(offset)) {
      continue;
    }
    ++outcome.tried;
    const std::string where =
        name + ", byte " + std::to_string(offset) + ", mask " + std::to_string(MaskAt(offset));
    const Damage damage(folder / name, offset, bytes[offset], MaskAt(offset));
    const auto contents = folder.Contents();
    const absl::StatusOr<State> state = read(folder);
    if (folder.Contents() != contents) {
      ADD_FAILURE() << where << ": reading has changed a file";
      return outcome;
    }
    if (!state.ok()) {
      ++outcome.refused;
      EXPECT_NE(std::string(state.status().message()).find(database), std::string::npos)
          << where << ": " << state.status();
      EXPECT_TRUE(absl::IsDataLoss(state.status()))
          << where << " is not told from another program's file: " << state.status();
    } else if (*state == last) {
      ++outcome.same;
    } else if (before_last != nullptr && *state == *before_last) {
      ++outcome.earlier;
    } else {
      ADD_FAILURE() << where << ": read as something else";
      return outcome;
    }
  }
  return outcome;
}

TEST(DamageTest, NoByteOfTheLogCanChangeWhatIsRead) {
  const TemporaryFolder folder;
  {
    Random random(1);
    auto store = NodeStore::Open(folder.path(), "", kIdentity);
    ASSERT_TRUE(store.ok()) << store.status();
    const std::vector<raft::Write> writes = {MakeWrite(1, random), MakeWrite(2, random),
                                             MakeLargeWrite(3)};
    ASSERT_TRUE(store->log().Save(writes).ok());
  }
  const auto state = ReadLog(folder);
  ASSERT_TRUE(state.ok()) << state.status();
  ASSERT_EQ(state->entries.size(), 5u);
  const Outcome outcome =
      DamageEveryByte<raft::DurableState>(folder, "log.db", "log.db", ReadLog, *state, nullptr);
  EXPECT_GT(outcome.refused, outcome.tried / 10) << "a long payload alone is more of the file";
  EXPECT_GT(outcome.same, outcome.tried / 10) << "unused parts of pages";
}

TEST(DamageTest, NoByteOfTheStateCanChangeWhatIsRead) {
  const TemporaryFolder folder;
  {
    auto store = NodeStore::Open(folder.path(), "", kIdentity);
    ASSERT_TRUE(store.ok()) << store.status();
    ASSERT_TRUE(store->state().Install(MakeImage()).ok());
  }
  const auto state = ReadState(folder);
  ASSERT_TRUE(state.ok()) << state.status();
  ASSERT_EQ(*state, MakeImage());
  const Outcome outcome =
      DamageEveryByte<kv::Image>(folder, "state.db", "state.db", ReadState, *state, nullptr);
  EXPECT_GT(outcome.refused, outcome.tried / 10) << "a long value alone is more of the file";
  EXPECT_GT(outcome.same, outcome.tried / 10) << "unused parts of pages";
}

// The files as a killed process leaves them: the last saves are in the write-ahead log.
class DamagedWalTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kSaves = 4;

  DamagedWalTest() {
    const TemporaryFolder live;
    auto store = NodeStore::Open(live.path(), "", kIdentity);
    EXPECT_TRUE(store.ok()) << store.status();
    Random random(1);
    for (std::uint64_t id = 1; id <= kSaves; ++id) {
      if (id == kSaves) {
        folder_.Restore(live.Contents());
        before_last_ = *ReadLog(folder_);
      }
      const raft::Write write = MakeWrite(id, random);
      EXPECT_TRUE(store->log().Save({&write, 1}).ok());
    }
    folder_.Restore(live.Contents());
    last_ = *ReadLog(folder_);
    EXPECT_EQ(last_.entries.size(), kSaves * 3);
    EXPECT_EQ(before_last_.entries.size(), (kSaves - 1) * 3);
  }

  TemporaryFolder folder_;
  raft::DurableState last_;
  raft::DurableState before_last_;
};

// Each save writes two pages. Damage to the last one looks like a save that the power cut short.
TEST_F(DamagedWalTest, NoByteOfAWriteAheadLogCanUndoMoreThanTheLastSave) {
  const Outcome outcome = DamageEveryByte<raft::DurableState>(folder_, "log.db-wal", "log.db",
                                                              ReadLog, last_, &before_last_);
  EXPECT_EQ(outcome.same, 0) << "every byte of a WAL counts";
  EXPECT_GT(outcome.earlier, 0) << "the last save";
  EXPECT_LT(outcome.earlier, outcome.tried / 3);
}

TEST_F(DamagedWalTest, AWriteAheadLogCutShortIsAPowerCut) {
  auto contents = folder_.Contents();
  contents["log.db-wal"].resize(contents["log.db-wal"].size() - 1);
  folder_.Restore(contents);
  const auto state = ReadLog(folder_);
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(*state, before_last_);
}

}  // namespace
}  // namespace lockstep::storage
