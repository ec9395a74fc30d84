// Linearizable reads without the log (ReadIndex, Ongaro §6.4): a leader may answer a read from its
// applied state once a quorum has confirmed, after the read came, that it still leads. One round of
// heartbeats confirms all reads that wait when it starts, those that followers ask for too.

#ifndef LOCKSTEP_CORE_RAFT_READS_H_
#define LOCKSTEP_CORE_RAFT_READS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "core/raft/state_sink.h"
#include "core/types.h"

namespace lockstep::raft {

// These reads may be answered once everything up to `read_index` is applied.
struct ReadyReads {
  std::vector<RequestId> requests;
  Index read_index;
  bool forwarded = false;  // another node, the leader, has said so
};

// Who waits for a round: requests of this node, and batches of followers by their numbers. A
// follower has one batch under way, so that its last one stands for it.
struct ReadBatch {
  std::vector<RequestId> requests;
  std::map<NodeId, std::uint64_t> followers;

  bool empty() const { return requests.empty() && followers.empty(); }
};

struct ConfirmedReads {
  ReadBatch batch;
  Index read_index;
};

// The reads of one leader in one term. Rounds are numbered by the leader and never used again in
// the term, so that no late reply confirms a later read.
class Reads {
 public:
  void Add(RequestId request) { waiting_.requests.push_back(request); }

  // A follower asks for the batch with this number, perhaps again.
  void AddForwarded(NodeId follower, std::uint64_t number);

  // Whether reads wait for a round to start while none is under way for others.
  bool WantsRound() const { return !waiting_.empty() && confirming_.empty(); }

  // Round `round` starts now and covers all waiting reads; `commit_index` is the leader's.
  void RoundStarted(std::uint64_t round, Index commit_index);

  // A quorum, with the leader, has answered `round` or a later one. Returns the reads of the round
  // that this confirms, nullopt if it confirms none.
  std::optional<ConfirmedReads> Confirmed(std::uint64_t round);

  // Gives up all reads: the leader leads no more. Returns its own; followers notice by themselves.
  std::vector<RequestId> TakeAll();

  void TellState(StateSink& sink) const;

 private:
  ReadBatch waiting_;
  ReadBatch confirming_;  // covered by round_
  std::uint64_t round_ = 0;
  Index read_index_;
};

}  // namespace lockstep::raft

#endif  // LOCKSTEP_CORE_RAFT_READS_H_
