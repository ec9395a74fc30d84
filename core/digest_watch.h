// Replicas that have applied the same entries must hold the same data. This finds one that does
// not, while it runs: bits that flipped in memory, and bugs, pass by every checksum on disk.
//
// Every replica notes its digest whenever it has applied an entry whose index is a multiple of
// ReplicaConfig::digest_interval, and sends the latest note with its messages. The leader counts:
// what a quorum of the voters notes of one index is the truth of that index, and goes along with
// what the leader sends. Whoever has another note of the same index has diverged there, or before;
// this may be the leader itself.
//
// LIMIT  Where no quorum agrees (two voters that differ) nobody can tell who is wrong.

#ifndef LOCKSTEP_CORE_DIGEST_WATCH_H_
#define LOCKSTEP_CORE_DIGEST_WATCH_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "core/raft/membership.h"
#include "core/raft/message.h"
#include "core/types.h"

namespace lockstep {

class DigestWatch {
 public:
  // This replica's own digest, once it has applied `index`. Indexes increase, but for those of a
  // snapshot that was installed: a state of others.
  void Note(raft::StateDigest own);
  // This replica's state is another one than before.
  void Forget();
  // The latest note; index 0 if there is none.
  raft::StateDigest latest() const;

  // As a leader: a voter's note.
  void Reported(NodeId voter, raft::StateDigest digest);
  // As a leader: what a quorum of `membership` agrees on, this replica `self` among them; of the
  // latest such index. Index 0 before there is one.
  raft::StateDigest Agree(NodeId self, const raft::Membership& membership);
  // No leader any more, or one of another term.
  void ForgetReports();

  // A quorum's digest, as the leader tells.
  void Learned(raft::StateDigest agreed);

  // Why this replica has diverged, in words, once that is known.
  const std::optional<std::string>& diverged() const { return diverged_; }

 private:
  // So many indexes are remembered: replicas lag behind each other.
  static constexpr std::size_t kKept = 16;

  void Compare(Index index);

  std::map<Index, std::uint64_t> own_;
  std::map<Index, std::uint64_t> agreed_;
  std::map<Index, std::map<NodeId, std::uint64_t>> reports_;
  std::optional<std::string> diverged_;
};

}  // namespace lockstep

#endif  // LOCKSTEP_CORE_DIGEST_WATCH_H_
