// What the stores are compared with: the same contracts over plain vectors and maps, and random
// work that keeps to them.

#ifndef LOCKSTEP_TESTS_STORAGE_MODELS_H_
#define LOCKSTEP_TESTS_STORAGE_MODELS_H_

#include <string>

#include "core/kv/types.h"
#include "core/raft/message.h"
#include "core/random.h"

namespace lockstep::storage {

// What log.db should hold.
class LogModel {
 public:
  const raft::DurableState& state() const { return state_; }

  // A write that fits the state: votes, appends, overwrites, resets, compactions, of small and
  // large entries. Its id follows the last one's.
  raft::Write Draw(Random& random) const;

  void Apply(const raft::Write& write);

 private:
  raft::LogPosition Last() const;
  raft::LogPosition PositionOf(std::uint64_t index) const;
  ClusterTime TimeOf(std::uint64_t index) const;
  std::vector<raft::Entry> DrawEntries(Random& random, const raft::LogPosition& after,
                                       ClusterTime time) const;

  raft::DurableState state_;
  ClusterTime base_time_;  // of the entry at the base, if it was ever here
  WriteId last_write_;
};

// What state.db should hold.
class StateModel {
 public:
  const kv::Image& image() const { return image_; }

  // Changes that fit the image.
  kv::Delta DrawDelta(Random& random) const;
  // Another state altogether, as a leader sends it.
  kv::Image DrawImage(Random& random) const;

  void Apply(const kv::Delta& delta);
  void Install(const kv::Image& image) { image_ = image; }

 private:
  kv::Image image_;
};

// `size` bytes of any value.
std::string DrawBytes(Random& random, std::uint64_t size);

}  // namespace lockstep::storage

#endif  // LOCKSTEP_TESTS_STORAGE_MODELS_H_
