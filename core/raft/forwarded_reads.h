// Linearizable reads at a follower (Ongaro §6.4): it asks the leader for a read index and answers
// from its own applied state. All reads that wait are asked for as one batch, and one batch is
// under way at a time; who comes meanwhile waits for the next.

#ifndef LOCKSTEP_CORE_RAFT_FORWARDED_READS_H_
#define LOCKSTEP_CORE_RAFT_FORWARDED_READS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "core/raft/reads.h"
#include "core/raft/state_sink.h"
#include "core/types.h"

namespace lockstep::raft {

class ForwardedReads {
 public:
  // Batches are numbered from after `start`. It must differ from start to start of a node: an
  // answer to what the node asked in an earlier life must not be taken for one to a later question.
  explicit ForwardedReads(std::uint64_t start) : number_(start) {}

  void Add(RequestId request) { waiting_.push_back(request); }

  bool empty() const { return waiting_.empty() && asked_.empty(); }
  // Whether reads wait for a batch to start while none is under way.
  bool WantsBatch() const { return !waiting_.empty() && asked_.empty(); }
  bool under_way() const { return !asked_.empty(); }

  // Asks for all that wait, from now on. Returns the batch's number.
  std::uint64_t Start(Instant now);
  // The number of the batch under way, to be asked for again: for want of an answer since then.
  std::uint64_t AskAgain(Instant now);

  Instant started() const { return started_; }  // of the batch under way
  Instant last_asked() const { return last_asked_; }

  // The leader has answered batch `number`. Nullopt if that is not the one under way: an answer to
  // anything else says nothing of reads that came later.
  std::optional<ReadyReads> Answered(std::uint64_t number, Index read_index);

  // Gives up the batch under way, or all reads.
  std::vector<RequestId> TakeAsked();
  std::vector<RequestId> TakeAll();

  void TellState(StateSink& sink) const;

 private:
  std::vector<RequestId> waiting_;
  std::vector<RequestId> asked_;
  std::uint64_t number_;  // of the batch under way, or of the last one
  Instant started_;
  Instant last_asked_;
};

}  // namespace lockstep::raft

#endif  // LOCKSTEP_CORE_RAFT_FORWARDED_READS_H_
