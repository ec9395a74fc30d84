#include "tests/sim/storage_workload.h"

#include <utility>

#include "core/random.h"
#include "tests/storage/models.h"

namespace lockstep::sim {
namespace {

constexpr storage::Identity kIdentity = {{7}, {2}};

std::vector<raft::Write> DrawWrites(Random& random, storage::LogModel& log) {
  std::vector<raft::Write> writes;
  const std::uint64_t count = 1 + random.Below(3);
  for (std::uint64_t i = 0; i < count; ++i) {
    writes.push_back(log.Draw(random));
    log.Apply(writes.back());
  }
  return writes;
}

}  // namespace

Script DrawScript(std::uint64_t seed, std::size_t length) {
  Random random(seed);
  storage::LogModel log;
  storage::StateModel state;
  Script script;
  script.after.push_back({log.state(), state.image()});
  for (std::size_t i = 0; i < length; ++i) {
    const std::uint64_t kind = random.Below(16);
    if (kind < 9) {
      script.steps.emplace_back(DrawWrites(random, log));
    } else if (kind < 12) {
      kv::Delta delta = state.DrawDelta(random);
      state.Apply(delta);
      script.steps.emplace_back(std::move(delta));
    } else if (kind < 13) {
      kv::Image image = state.DrawImage(random);
      state.Install(image);
      script.steps.emplace_back(std::move(image));
    } else if (kind < 14) {
      script.steps.emplace_back(TidyUp());
    } else if (kind < 15) {
      script.steps.emplace_back(ReadState());
    } else {
      script.steps.emplace_back(Reopen());
    }
    script.after.push_back({log.state(), state.image()});
  }
  return script;
}

Process::Process(std::string vfs) : vfs_(std::move(vfs)) { Open(); }

void Process::Open() {
  store_.reset();
  writes_ = 0;
  absl::StatusOr<storage::NodeStore> store = storage::NodeStore::Open("node", vfs_, kIdentity);
  status_ = store.status();
  if (store.ok()) {
    StoredState stored = store->TakeStored();
    contents_ = {std::move(stored.log), std::move(stored.image)};
    store_ = *std::move(store);
  }
}

void Process::Run(const Script& script, std::size_t steps_done) {
  steps_done_ = steps_done;
  while (status_.ok() && steps_done_ < script.steps.size()) {
    status_ = Do(script.steps[steps_done_], script);
    if (status_.ok()) {
      ++steps_done_;
    }
  }
}

absl::Status Process::Do(const Step& step, const Script& script) {
  if (const auto* writes = std::get_if<std::vector<raft::Write>>(&step)) {
    std::vector<raft::Write> numbered = *writes;
    for (raft::Write& write : numbered) {
      write.id = {++writes_};
    }
    return store_->log().Save(numbered);
  }
  if (const auto* delta = std::get_if<kv::Delta>(&step)) {
    return store_->state().Apply(*delta);
  }
  if (const auto* image = std::get_if<kv::Image>(&step)) {
    return store_->state().Install(*image);
  }
  if (std::holds_alternative<TidyUp>(step)) {
    return store_->log().Tidy();
  }
  const Contents& expected = script.after[steps_done_];
  if (std::holds_alternative<ReadState>(step)) {
    const absl::StatusOr<kv::Image> image = store_->state().ReadImage();
    if (image.ok() && *image != expected.image) {
      return absl::DataLossError("the state read is not the one written");
    }
    return image.status();
  }
  Open();
  if (status_.ok() && contents_ != expected) {
    return absl::DataLossError("what was reopened is not what was written");
  }
  return status_;
}

bool Process::RefusesToGoOn() {
  if (!store_.has_value()) {
    return true;
  }
  raft::Write write;
  write.id = {++writes_};
  const bool log_refuses = !store_->log().Save({&write, 1}).ok();
  kv::Delta delta;
  delta.summary = contents_.image.summary;
  const bool reader_refuses = !store_->state().ReadImage().ok();
  return log_refuses || reader_refuses || !store_->state().Apply(delta).ok();
}

}  // namespace lockstep::sim
