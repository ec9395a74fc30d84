// How fast the stores are: on the simulated disk (the simulator's speed), on a file system in
// memory (SQLite and the kernel without the disk) and on a real disk. The last is under the folder
// that the environment variable LOCKSTEP_BENCHMARK_FOLDER names, or the current one.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/random.h"
#include "sim/disk/disk.h"
#include "sim/disk/vfs.h"
#include "storage/node_store.h"

namespace lockstep::storage {
namespace {

constexpr Identity kIdentity = {{7}, {2}};
constexpr std::size_t kPayloadBytes = 256;
// The log is compacted every so many entries, down to half as many.
constexpr std::uint64_t kCompactEvery = 10'000;

enum Place : std::int64_t { kSimulated, kMemory, kDisk };

// A new node's files in a place, gone afterwards.
class Node {
 public:
  explicit Node(std::int64_t place) {
    std::string vfs;
    if (place == kSimulated) {
      disk_ = std::make_unique<sim::Disk>();
      vfs_ = std::make_unique<sim::Vfs>(*disk_, "benchmark", Random(1));
      vfs = vfs_->name();
      folder_ = "node";
    } else {
      const char* named = std::getenv("LOCKSTEP_BENCHMARK_FOLDER");
      const std::filesystem::path parent =
          place == kMemory ? "/dev/shm" : (named == nullptr ? "." : named);
      folder_ = parent / "lockstep-storage-benchmark";
      std::filesystem::remove_all(folder_);
      std::filesystem::create_directories(folder_);
    }
    auto store = NodeStore::Open(folder_.string(), vfs, kIdentity);
    if (!store.ok()) {
      std::fprintf(stderr, "%s\n", store.status().ToString().c_str());
      std::abort();
    }
    store_ = *std::move(store);
  }
  ~Node() {
    store_.reset();
    if (disk_ == nullptr) {
      std::filesystem::remove_all(folder_);
    }
  }

  NodeStore& store() { return *store_; }
  std::uint64_t bytes_written() const {
    return disk_ == nullptr ? 0 : disk_->counters().bytes_written;
  }

 private:
  std::unique_ptr<sim::Disk> disk_;
  std::unique_ptr<sim::Vfs> vfs_;
  std::filesystem::path folder_;
  std::optional<NodeStore> store_;
};

// The time of each operation, reported as percentiles.
class Latencies {
 public:
  void Begin() { begin_ = std::chrono::steady_clock::now(); }
  void End() {
    us_.push_back(
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin_)
            .count());
  }
  void Report(benchmark::State& state) {
    std::sort(us_.begin(), us_.end());
    state.counters["p50_us"] = us_[us_.size() / 2];
    state.counters["p99_us"] = us_[us_.size() * 99 / 100];
    state.counters["p999_us"] = us_[us_.size() * 999 / 1000];
    state.counters["max_us"] = us_.back();
  }

 private:
  std::chrono::steady_clock::time_point begin_;
  std::vector<double> us_;
};

void Check(benchmark::State& state, const absl::Status& status) {
  if (!status.ok()) {
    state.SkipWithError(status.ToString().c_str());
  }
}

// One transaction per iteration, as a node under load saves them, compaction included.
void Save(benchmark::State& state) {
  const auto rows = static_cast<std::uint64_t>(state.range(0));
  Node node(state.range(1));
  LogStore& log = node.store().log();
  const Bytes payload(std::string(kPayloadBytes, 'x'));
  std::uint64_t index = 0;
  std::uint64_t compacted = 0;
  Latencies latencies;
  const std::uint64_t bytes_before = node.bytes_written();
  raft::Write write;
  for (auto _ : state) {
    write.id = write.id.Next();
    write.entries.clear();
    for (std::uint64_t i = 0; i < rows; ++i) {
      ++index;
      write.entries.push_back({{index}, {1}, {index}, raft::EntryKind::kCommand, payload});
    }
    write.compact_to.reset();
    if (index >= compacted + kCompactEvery) {
      compacted = index - kCompactEvery / 2;
      write.compact_to = {{compacted}, {1}};
    }
    latencies.Begin();
    Check(state, log.Save({&write, 1}));
    latencies.End();
    Check(state, log.Tidy());
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(index));
  state.counters["txn/s"] =
      benchmark::Counter(static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
  if (state.range(1) == kSimulated) {
    state.counters["bytes/txn"] = static_cast<double>(node.bytes_written() - bytes_before) /
                                  static_cast<double>(state.iterations());
  }
  latencies.Report(state);
}
BENCHMARK(Save)
    ->ArgNames({"rows", "place"})
    ->ArgsProduct({{1, 10, 100}, {kSimulated, kMemory, kDisk}})
    ->UseRealTime();

// A vote: the row of the hard state alone.
void SaveVote(benchmark::State& state) {
  Node node(state.range(0));
  raft::Write write;
  for (auto _ : state) {
    write.id = write.id.Next();
    write.hard_state = raft::HardState{{write.id.value}, {1}};
    Check(state, node.store().log().Save({&write, 1}));
  }
}
BENCHMARK(SaveVote)->ArgName("place")->Arg(kSimulated)->Arg(kMemory)->Arg(kDisk)->UseRealTime();

// A state of so many keys, of which each checkpoint replaces 10,000 at random.
void ApplyCheckpoint(benchmark::State& state) {
  const auto keys = static_cast<std::uint64_t>(state.range(0));
  constexpr std::uint64_t kChanges = 10'000;
  Node node(state.range(1));
  const std::string value(kPayloadBytes, 'x');
  kv::Image image;
  image.summary.applied_index = {1};
  std::vector<kv::RowId> rows;  // of each key
  for (std::uint64_t key = 0; key < keys; ++key) {
    image.summary.revision = image.summary.revision.Next();
    rows.push_back({image.summary.revision, 0});
    image.keys.push_back(
        {rows.back(),
         {"key" + std::to_string(key), value, rows.back().revision, rows.back().revision, 1}});
  }
  Check(state, node.store().state().Install(image));
  kv::Summary summary = image.summary;
  Random random(1);
  const std::uint64_t bytes_before = node.bytes_written();
  for (auto _ : state) {
    state.PauseTiming();
    kv::Delta delta;
    std::vector<bool> changed(keys);
    for (std::uint64_t i = 0; i < kChanges; ++i) {
      const std::uint64_t key = random.Below(keys);
      if (changed[key]) {
        continue;
      }
      changed[key] = true;
      delta.removed_keys.push_back(rows[key]);
      summary.revision = summary.revision.Next();
      rows[key] = {summary.revision, 0};
      delta.added_keys.push_back(
          {rows[key], {"key" + std::to_string(key), value, {2}, summary.revision, 2}});
    }
    std::sort(delta.removed_keys.begin(), delta.removed_keys.end());
    summary.applied_index.value += kChanges;
    delta.summary = summary;
    state.ResumeTiming();
    Check(state, node.store().state().Apply(delta));
  }
  if (state.range(1) == kSimulated) {
    state.counters["bytes/row"] =
        static_cast<double>(node.bytes_written() - bytes_before) /
        static_cast<double>(state.iterations() * static_cast<std::int64_t>(kChanges));
  }
}
BENCHMARK(ApplyCheckpoint)
    ->ArgNames({"keys", "place"})
    ->Args({20'000, kSimulated})
    ->Args({500'000, kSimulated})
    ->Args({500'000, kDisk})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

void ReadImage(benchmark::State& state) {
  const auto keys = static_cast<std::uint64_t>(state.range(0));
  Node node(kMemory);
  kv::Image image;
  for (std::uint64_t key = 2; key < keys + 2; ++key) {
    image.keys.push_back(
        {{{key}, 0},
         {"key" + std::to_string(key), std::string(kPayloadBytes, 'x'), {key}, {key}, 1}});
  }
  image.summary.revision = {keys + 2};
  Check(state, node.store().state().Install(image));
  for (auto _ : state) {
    auto read = node.store().state().ReadImage();
    Check(state, read.status());
    benchmark::DoNotOptimize(read);
  }
}
BENCHMARK(ReadImage)->ArgName("keys")->Arg(100'000)->Unit(benchmark::kMillisecond);

// The first start of a node, and a start on the small files of one that was stopped.
void Open(benchmark::State& state) {
  const bool first = state.range(0) == 1;
  sim::Disk disk;
  const sim::Vfs vfs(disk, "benchmark", Random(1));
  for (auto _ : state) {
    if (first) {
      disk.Wipe();
    }
    auto store = NodeStore::Open("node", vfs.name(), kIdentity);
    Check(state, store.status());
  }
}
BENCHMARK(Open)->ArgName("first")->Arg(1)->Arg(0)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace lockstep::storage

BENCHMARK_MAIN();
