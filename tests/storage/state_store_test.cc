#include "storage/state_store.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "core/assert.h"
#include "core/random.h"
#include "tests/storage/models.h"
#include "tests/storage/temporary_folder.h"

namespace lockstep::storage {
namespace {

constexpr Identity kIdentity = {{7}, {2}};

// A state.db in a folder of its own, opened and opened again.
class StateFile {
 public:
  StateFile() { Reopen(); }

  // What the file held, found by the opening.
  kv::Image Reopen() {
    store_.reset();
    auto store = StateStore::Open(folder_ / "state.db", "", kIdentity);
    Check(store.status());
    kv::Image image;
    if (store->is_new()) {
      Check(store->Create({}));
    } else {
      auto loaded = store->Load();
      Check(loaded.status());
      image = *std::move(loaded);
    }
    Check(store->StartWriting());
    store_ = *std::move(store);
    return image;
  }

  void Apply(const kv::Delta& delta) { Check(store_->Apply(delta)); }
  void Install(const kv::Image& image) { Check(store_->Install(image)); }
  kv::Image ReadImage() {
    auto image = store_->ReadImage();
    Check(image.status());
    return *std::move(image);
  }

  StateStore& store() { return *store_; }

 private:
  static void Check(const absl::Status& status) {
    if (!status.ok()) {
      throw std::runtime_error(status.ToString());
    }
  }

  TemporaryFolder folder_;
  std::optional<StateStore> store_;
};

kv::KeyRow MakeRow(std::uint64_t revision, std::uint32_t sub, const std::string& key) {
  return {{{revision}, sub}, {key, "value", {revision}, {revision}, 1}};
}

RC_GTEST_PROP(StateStoreTest, HoldsWhatPlainMapsWouldAcrossReopenings,
              (std::uint64_t seed, const std::vector<std::uint8_t>& steps)) {
  Random random(seed);
  StateModel model;
  StateFile file;
  for (const std::uint8_t step : steps) {
    if (step % 8 == 0) {
      const kv::Image image = model.DrawImage(random);
      model.Install(image);
      file.Install(image);
    } else {
      const kv::Delta delta = model.DrawDelta(random);
      model.Apply(delta);
      file.Apply(delta);
    }
    if (step % 16 == 1) {
      RC_ASSERT(file.ReadImage() == model.image());
    }
    if (step >= 200) {
      RC_ASSERT(file.Reopen() == model.image());
    }
  }
  RC_ASSERT(file.ReadImage() == model.image());
  RC_ASSERT(file.Reopen() == model.image());
}

RC_GTEST_PROP(RowKeyTest, OrdersRowsAsTheirIdsDoAndLosesNothing, ()) {
  const auto draw = [] {
    return kv::RowId{{*rc::gen::inRange<std::uint64_t>(0, kRevisionMax + 1)},
                     *rc::gen::inRange<std::uint32_t>(0, kRowSubMax + 1)};
  };
  const kv::RowId a = draw();
  const kv::RowId b = draw();
  RC_ASSERT(RowIdOf(RowKey(a)) == a);
  RC_ASSERT((RowKey(a) < RowKey(b)) == (a < b));
}

TEST(RowKeyTest, FitsSQLitesSignedIntegers) {
  EXPECT_LE(RowKey({{kRevisionMax}, kRowSubMax}), std::uint64_t{1} << 63);
  EXPECT_THROW(RowKey({{kRevisionMax + 1}, 0}), AssertionFailure);
  EXPECT_THROW(RowKey({{1}, kRowSubMax + 1}), AssertionFailure);
}

TEST(StateStoreTest, ARowThatIsRemovedButNotStoredIsAnErrorAndEndsTheStore) {
  StateFile file;
  kv::Delta delta;
  delta.summary.applied_index = {1};
  delta.removed_keys = {{{2}, 0}};
  const absl::Status status = file.store().Apply(delta);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(std::string(status.message()).find("state.db: table key_value"), std::string::npos)
      << status;
  EXPECT_FALSE(file.store().Apply({}).ok()) << "it goes on after an error";
  EXPECT_EQ(file.Reopen(), kv::Image()) << "half of the delta was stored";
}

TEST(StateStoreTest, ARowThatIsAddedTwiceIsAnErrorAndEndsTheStore) {
  StateFile file;
  kv::Delta delta;
  delta.summary = {.applied_index = {1}, .applied_term = {}, .time = {}, .revision = {2}};
  delta.added_keys = {MakeRow(2, 0, "a")};
  file.Apply(delta);
  EXPECT_FALSE(file.store().Apply(delta).ok());
  EXPECT_FALSE(file.store().Apply({}).ok()) << "it goes on after an error";
  EXPECT_EQ(file.Reopen().keys, delta.added_keys);
}

// A follower gets one moment's state, however long it is read and whatever is written meanwhile.
TEST(StateStoreTest, ReadsOneMomentWhileAnotherThreadWrites) {
  StateFile file;
  std::atomic<bool> stop = false;
  std::uint64_t reads = 0;
  std::uint64_t mixed = 0;
  std::uint64_t backwards = 0;
  std::thread reader([&] {
    Revision last;
    while (!stop) {
      const kv::Image image = file.ReadImage();
      ++reads;
      // Every state written has as many keys as its revision says, all of that revision.
      mixed += image.keys.size() != image.summary.revision.value - 1 ? 1 : 0;
      for (const kv::KeyRow& row : image.keys) {
        mixed += row.id.revision != image.summary.revision ? 1 : 0;
      }
      backwards += image.summary.revision < last ? 1 : 0;
      last = image.summary.revision;
    }
  });
  std::vector<kv::RowId> stored;
  for (std::uint64_t revision = 2; revision < 150; ++revision) {
    kv::Delta delta;
    delta.summary.applied_index = {revision};
    delta.summary.revision = {revision};
    delta.removed_keys = stored;
    stored.clear();
    for (std::uint32_t sub = 0; sub < revision - 1; ++sub) {
      delta.added_keys.push_back(MakeRow(revision, sub, "key" + std::to_string(sub)));
      stored.push_back(delta.added_keys.back().id);
    }
    file.Apply(delta);
  }
  stop = true;
  reader.join();
  EXPECT_GT(reads, 1u);
  EXPECT_EQ(mixed, 0u);
  EXPECT_EQ(backwards, 0u);
}

// Design §4: a checkpoint writes what changed, not everything.
TEST(StateStoreTest, ACheckpointCostsWhatChangedWhateverIsStored) {
  StateFile file;
  kv::Image image;
  image.summary.applied_index = {1};
  image.summary.revision = {20'000};
  for (std::uint64_t revision = 2; revision <= 20'000; ++revision) {
    image.keys.push_back(MakeRow(revision, 0, "key" + std::to_string(revision)));
  }
  file.Install(image);
  const kv::Image stored = file.Reopen();
  EXPECT_EQ(stored, image);
  const std::uint64_t before = file.store().size_bytes();
  ASSERT_GT(before, 500'000u);

  kv::Delta delta;
  delta.summary = image.summary;
  delta.summary.applied_index = {2};
  delta.summary.revision = {20'001};
  delta.added_keys = {MakeRow(20'001, 0, "one more")};
  file.Apply(delta);
  EXPECT_LE(file.store().size_bytes() - before, 32u + 3 * 4120) << "at most three pages";
}

}  // namespace
}  // namespace lockstep::storage
