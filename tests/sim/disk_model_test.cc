// The simulated disk against a model that keeps whole copies: the bytes as they are, the bytes at
// the last sync, and every value that a power cut may leave at each position.

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/random.h"
#include "sim/disk/disk.h"

namespace lockstep::sim {
namespace {

enum class Act { kWrite, kTruncate, kSync, kRead };

struct Step {
  Act act;
  std::size_t offset;  // or the new size
  std::string data;
};

std::ostream& operator<<(std::ostream& out, const Step& step) {
  switch (step.act) {
    case Act::kWrite:
      return out << "write " << step.offset << "+" << step.data.size();
    case Act::kTruncate:
      return out << "truncate " << step.offset;
    case Act::kSync:
      return out << "sync";
    case Act::kRead:
      return out << "read " << step.offset;
  }
  return out;
}

}  // namespace
}  // namespace lockstep::sim

namespace rc {

template <>
struct Arbitrary<lockstep::sim::Step> {
  static Gen<lockstep::sim::Step> arbitrary() {
    using lockstep::sim::Act;
    using lockstep::sim::Step;
    const auto act = gen::weightedElement<Act>(
        {{8, Act::kWrite}, {2, Act::kTruncate}, {2, Act::kSync}, {3, Act::kRead}});
    const auto data = gen::map(gen::pair(gen::inRange(1, 1300), gen::inRange(1, 255)),
                               [](const std::pair<int, int>& size_and_first) {
                                 // Neighbouring bytes differ, so that a shift shows.
                                 std::string bytes;
                                 for (int i = 0; i < size_and_first.first; ++i) {
                                   bytes += static_cast<char>(size_and_first.second + i * 7);
                                 }
                                 return bytes;
                               });
    return gen::construct<Step>(act, gen::inRange<std::size_t>(0, 3000), data);
  }
};

}  // namespace rc

namespace lockstep::sim {
namespace {

struct Model {
  std::string current;
  std::string durable;
  std::vector<std::string> since_sync;  // `current` after each change

  void Apply(const Step& step) {
    if (step.act == Act::kWrite) {
      if (current.size() < step.offset + step.data.size()) {
        current.resize(step.offset + step.data.size());
      }
      current.replace(step.offset, step.data.size(), step.data);
      since_sync.push_back(current);
    } else if (step.act == Act::kTruncate) {
      current.resize(step.offset);
      since_sync.push_back(current);
    } else if (step.act == Act::kSync) {
      durable = current;
      since_sync.clear();
    }
  }

  // The values that a power cut may leave at `position`: what it held at some moment since the
  // last sync, or zero, which fills holes.
  std::set<char> PossibleAt(std::size_t position) const {
    std::set<char> values = {'\0'};
    const auto add = [&](const std::string& bytes) {
      if (position < bytes.size()) {
        values.insert(bytes[position]);
      }
    };
    add(durable);
    for (const std::string& bytes : since_sync) {
      add(bytes);
    }
    return values;
  }
};

void Apply(FileHandle& file, const Step& step) {
  switch (step.act) {
    case Act::kWrite:
      RC_ASSERT(file.Write(step.offset, step.data) == IoResult::kOk);
      break;
    case Act::kTruncate:
      RC_ASSERT(file.Truncate(step.offset) == IoResult::kOk);
      break;
    case Act::kSync:
      RC_ASSERT(file.Sync() == IoResult::kOk);
      break;
    case Act::kRead:
      break;
  }
}

void CheckRead(FileHandle& file, const Model& model, std::size_t offset) {
  std::string bytes(700, '?');
  std::size_t read = 0;
  RC_ASSERT(file.Read(offset, bytes.size(), bytes.data(), read) == IoResult::kOk);
  bytes.resize(read);
  RC_ASSERT(bytes ==
            (offset < model.current.size() ? model.current.substr(offset, 700) : std::string()));
}

void CheckPowerCuts(const Disk& disk, const Model& model, std::uint64_t seed) {
  Random random(seed);
  RC_ASSERT(disk.Content("f") == model.current);
  RC_ASSERT(disk.DurableContent("f") == model.durable);

  const std::unique_ptr<Disk> worst = disk.Clone();
  worst->Crash(random, CrashMode::kDropAll);
  RC_ASSERT(worst->Content("f") == model.durable);

  const std::unique_ptr<Disk> best = disk.Clone();
  best->Crash(random, CrashMode::kKeepAll);
  RC_ASSERT(best->Content("f") == model.current);

  const std::unique_ptr<Disk> usual = disk.Clone();
  usual->Crash(random, CrashMode::kRandom);
  const std::string& left = usual->Content("f");
  for (std::size_t i = 0; i < left.size(); ++i) {
    RC_ASSERT(model.PossibleAt(i).count(left[i]) == 1);
  }
  if (model.since_sync.empty()) {
    RC_ASSERT(left == model.current);
  }
  RC_ASSERT(usual->DurableContent("f") == left);
}

RC_GTEST_PROP(DiskModelTest, TheDiskIsAsTheModel,
              (const std::vector<Step>& steps, std::uint64_t seed)) {
  Disk disk;
  disk.Replace("f", "");
  Model model;
  std::unique_ptr<FileHandle> file;
  RC_ASSERT(disk.Open("f", {}, file) == IoResult::kOk);
  for (const Step& step : steps) {
    Apply(*file, step);
    model.Apply(step);
    if (step.act == Act::kRead) {
      CheckRead(*file, model, step.offset);
    }
  }
  CheckPowerCuts(disk, model, seed);
}

// Sectors are atomic: after a random power cut each sector of a file that was overwritten once
// per round holds the bytes of one round, never a mixture.
RC_GTEST_PROP(DiskModelTest, ASectorIsNeverAMixture, (std::uint64_t seed)) {
  const std::size_t rounds = 4;
  const std::size_t sectors = 6;
  Disk disk;
  disk.Replace("f", std::string(sectors * kSectorBytes, '0'));
  {
    std::unique_ptr<FileHandle> file;
    RC_ASSERT(disk.Open("f", {}, file) == IoResult::kOk);
    for (std::size_t round = 1; round <= rounds; ++round) {
      const std::string bytes(sectors * kSectorBytes, static_cast<char>('0' + round));
      RC_ASSERT(file->Write(0, bytes) == IoResult::kOk);
    }
  }
  Random random(seed);
  disk.Crash(random, CrashMode::kRandom);
  for (std::size_t sector = 0; sector < sectors; ++sector) {
    const std::string bytes = disk.Content("f").substr(sector * kSectorBytes, kSectorBytes);
    RC_ASSERT(bytes == std::string(kSectorBytes, bytes[0]));
  }
}

}  // namespace
}  // namespace lockstep::sim
