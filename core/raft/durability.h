// Which part of a node's log survives a crash, while writes to it are still under way.

#ifndef LOCKSTEP_CORE_RAFT_DURABILITY_H_
#define LOCKSTEP_CORE_RAFT_DURABILITY_H_

#include <deque>

#include "core/raft/state_sink.h"
#include "core/types.h"

namespace lockstep::raft {

// A write's completion proves its entries durable only as far as they are still in the log: what
// was truncated meanwhile, and perhaps replaced by other entries at the same indexes, does not
// count.
class Durability {
 public:
  explicit Durability(Index durable) : index_(durable) {}

  // Entries of the log up to this one are durable.
  Index index() const { return index_; }
  WriteId persisted() const { return persisted_; }

  // A write was handed out that ends with the entry at `last` (of the log as it is now).
  // REQUIRES: id follows the last one.
  void Started(WriteId id, Index last);

  // The log was truncated from `index` on.
  void Truncated(Index index);

  // The log was replaced by state that is durable elsewhere up to `index`.
  void Reset(Index index);

  // The write with this id is durable, and every one before it. Repeated and late reports change
  // nothing. REQUIRES: the write was started.
  void Persisted(WriteId id);

  void TellState(StateSink& sink) const;

 private:
  struct Pending {
    WriteId id;
    Index last;  // of those of its entries that are still in the log
  };

  Index index_;
  WriteId started_;
  WriteId persisted_;
  std::deque<Pending> pending_;
};

}  // namespace lockstep::raft

#endif  // LOCKSTEP_CORE_RAFT_DURABILITY_H_
