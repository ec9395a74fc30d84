// How many entries a machine applies per second. Run it on a quiet machine:
//   build/tests/core/core_kv_benchmark

#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/kv/codec.h"
#include "core/kv/machine.h"
#include "core/kv/requests.h"
#include "core/random.h"

namespace lockstep::kv {
namespace {

std::string KeyOf(std::uint64_t number) {
  return "benchmark/key/" + std::to_string(number + 1'000'000'000);
}

raft::Entry CommandEntry(const Command& command) {
  return raft::Entry{Index(), Term{1}, ClusterTime{1}, raft::EntryKind::kCommand,
                     Bytes(EncodeCommand(command))};
}

void ApplyNext(Machine& machine, raft::Entry& entry) {
  entry.index = machine.summary().applied_index.Next();
  benchmark::DoNotOptimize(machine.Apply(entry));
}

// A machine with `keys` keys, and entries that put 256 bytes to them in random order.
struct Fixture {
  Machine machine;
  std::vector<raft::Entry> puts;

  explicit Fixture(std::uint64_t keys) {
    Random random(1);
    for (std::uint64_t i = 0; i < keys; ++i) {
      raft::Entry entry = CommandEntry(
          Transact{SessionId(), 0, 0, PutTransaction(KeyOf(i), std::string(256, 'v'))});
      ApplyNext(machine, entry);
    }
    for (int i = 0; i < 10'000; ++i) {
      puts.push_back(CommandEntry(Transact{
          SessionId(), 0, 0, PutTransaction(KeyOf(random.Below(keys)), std::string(256, 'w'))}));
    }
  }
};

void Put(benchmark::State& state) {
  Fixture fixture(static_cast<std::uint64_t>(state.range(0)));
  std::size_t next = 0;
  for (auto _ : state) {
    ApplyNext(fixture.machine, fixture.puts[next]);
    next = (next + 1) % fixture.puts.size();
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(Put)->Arg(1'000)->Arg(100'000)->Arg(1'000'000);

// As the client library sends it: one session, each command acknowledges the one before.
void PutInSession(benchmark::State& state) {
  Machine machine;
  raft::Entry open = CommandEntry(OpenSession{Seconds(10)});
  ApplyNext(machine, open);
  std::vector<raft::Entry> entries;
  for (std::uint64_t i = 1; i <= 200'000; ++i) {
    entries.push_back(CommandEntry(
        Transact{SessionId{1}, i, i - 1, PutTransaction(KeyOf(i % 1000), std::string(256, 'w'))}));
  }
  std::size_t next = 0;
  for (auto _ : state) {
    if (next == entries.size()) {
      state.PauseTiming();
      machine = Machine();
      ApplyNext(machine, open);
      next = 0;
      state.ResumeTiming();
    }
    ApplyNext(machine, entries[next]);
    ++next;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(PutInSession);

// With as many sessions as there may be, none of which ends: what their clock costs each entry.
void NoOpWithAllSessions(benchmark::State& state) {
  Machine machine;
  raft::Entry open = CommandEntry(OpenSession{Seconds(1'000'000)});
  for (std::size_t i = 0; i < kSessionsMax; ++i) ApplyNext(machine, open);
  raft::Entry no_op;
  no_op.term = Term{1};
  no_op.time = ClusterTime{1};
  for (auto _ : state) {
    no_op.time.value += 1;
    ApplyNext(machine, no_op);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(NoOpWithAllSessions);

// A checkpoint's delta after 1,000 puts, with as many keys as given: must not grow with them.
void TakeDelta(benchmark::State& state) {
  Fixture fixture(static_cast<std::uint64_t>(state.range(0)));
  fixture.machine.TakeDelta();
  std::size_t next = 0;
  for (auto _ : state) {
    state.PauseTiming();
    for (int i = 0; i < 1000; ++i) {
      ApplyNext(fixture.machine, fixture.puts[next]);
      next = (next + 1) % fixture.puts.size();
    }
    state.ResumeTiming();
    benchmark::DoNotOptimize(fixture.machine.TakeDelta());
  }
}
BENCHMARK(TakeDelta)->Arg(10'000)->Arg(1'000'000);

void Decode(benchmark::State& state) {
  const std::string bytes =
      EncodeCommand(Transact{SessionId{1}, 1, 0, PutTransaction(KeyOf(1), std::string(256, 'w'))});
  for (auto _ : state) benchmark::DoNotOptimize(DecodeCommand(bytes));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(Decode);

}  // namespace
}  // namespace lockstep::kv

BENCHMARK_MAIN();
