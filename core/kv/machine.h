// The replicated state machine: applies the log's commands to keys and sessions, one at a time, in
// log order. What it holds depends on the applied entries alone.

#ifndef LOCKSTEP_CORE_KV_MACHINE_H_
#define LOCKSTEP_CORE_KV_MACHINE_H_

#include <cstddef>
#include <optional>
#include <string>

#include "core/kv/sessions.h"
#include "core/kv/store.h"
#include "core/kv/types.h"
#include "core/raft/message.h"

namespace lockstep::kv {

class Machine {
 public:
  // The state before the first entry, of a node that was not told of any other member.
  Machine() = default;

  // Resumes from a checkpoint or an installed snapshot; Image{} is the state before the first
  // entry. Nullopt, with `error` (if given) naming the row and what is wrong with it, if `image`
  // contradicts itself: a row twice, a revision beyond the summary's, or a digest that its rows do
  // not have.
  static std::optional<Machine> FromImage(Image image, std::string* error = nullptr);

  // Ends the sessions whose time has come, applies one entry, and returns what its proposer is to
  // be told (nullopt for a no-op). A command that cannot be decoded passes like a no-op and is
  // answered with kUndecodable: identically on every replica.
  // REQUIRES: entry.index follows summary().applied_index; term and time do not decrease; the
  // payload of a membership entry can be decoded.
  std::optional<CommandResult> Apply(const raft::Entry& entry);

  // The key as it stands; null if absent. The pointer holds until the next Apply().
  const KeyValue* Find(const std::string& key) const;

  // O(1): the digest is kept up to date by every change.
  Summary summary() const;
  // Alone it costs nothing: the rest of the summary has to be hashed.
  Index applied_index() const { return applied_index_; }
  const raft::MembershipAt& membership() const { return membership_; }

  // What changed since the last TakeDelta() (or since construction), for a checkpoint. The caller
  // must store it: the next delta builds on it.
  Delta TakeDelta();

  // The whole state, as FromImage() takes it. Costs time and memory in proportion to the data.
  Image ToImage() const;

  std::size_t key_count() const { return store_.size(); }
  std::size_t session_count() const { return sessions_.size(); }

 private:
  CommandResult Execute(const OpenSession& command);
  CommandResult Execute(Transact command);

  // Of the last entry applied.
  Index applied_index_;
  Term applied_term_;
  ClusterTime time_;
  raft::MembershipAt membership_;
  std::uint64_t membership_digest_ = 0;
  Store store_;
  Sessions sessions_;
};

}  // namespace lockstep::kv

#endif  // LOCKSTEP_CORE_KV_MACHINE_H_
