// A second, plain implementation of the data: what the committed commands do, from types.h and
// sessions.h as they are written, without a line of core/kv's stores. The simulator executes every
// committed entry in it once, and compares what replicas hold and tell their clients.

#ifndef LOCKSTEP_SIM_ORACLES_REFERENCE_H_
#define LOCKSTEP_SIM_ORACLES_REFERENCE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/kv/types.h"
#include "core/raft/message.h"
#include "core/types.h"

namespace lockstep::sim {

class Reference {
 public:
  // Executes the next committed entry. REQUIRES: entry.index follows the last one.
  void Apply(const raft::Entry& entry);

  // The key after the entry at `index`; nullopt if it was absent. REQUIRES: `index` was applied.
  std::optional<kv::KeyValue> At(const std::string& key, Index index) const;

  // The revision that the data has by now, and the key at an earlier one.
  Revision revision() const { return revision_; }
  std::optional<kv::KeyValue> AtRevision(const std::string& key, Revision revision) const;

  // The keys that the entry at `index` may have changed.
  const std::vector<std::string>& Touched(Index index) const { return touched_[index.value]; }

  // The result of the entry at `index`; nullopt for a no-op. REQUIRES: `index` was applied.
  const std::optional<kv::CommandResult>& ResultAt(Index index) const {
    return results_[index.value];
  }

  // What the one execution of this sequence of this session answered, if it was executed.
  const kv::TransactionResult* ExecutedInSession(SessionId session, std::uint64_t sequence) const;

  // The entries with this payload, in order. Null if there are none.
  const std::vector<Index>* EntriesWith(const std::string& payload) const;

  // How often an entry was answered with a reply that was saved before.
  std::uint64_t replays() const { return replays_; }
  std::uint64_t sessions_expired() const { return sessions_expired_; }

 private:
  struct Session {
    std::uint64_t time_to_live = 0;
    std::uint64_t last_used = 0;
    std::uint64_t acknowledged = 0;
    std::map<std::uint64_t, kv::TransactionResult> replies;
  };
  struct Version {
    Index index;
    std::optional<kv::KeyValue> key_value;
  };

  kv::CommandResult Execute(const kv::OpenSession& command, const raft::Entry& entry);
  kv::CommandResult Execute(const kv::Transact& command, const raft::Entry& entry);
  kv::TransactionResult Execute(const kv::Transaction& transaction);
  bool Holds(const kv::Condition& condition) const;

  std::map<std::string, kv::KeyValue> keys_;
  Revision revision_{1};
  std::map<SessionId, Session> sessions_;

  std::map<std::string, std::vector<Version>> history_;                  // of each key, by index
  std::vector<std::vector<std::string>> touched_{{}};                    // by index
  std::vector<Revision> revisions_{Revision{1}};                         // after it, by index
  std::vector<std::optional<kv::CommandResult>> results_{std::nullopt};  // by index
  std::map<std::pair<SessionId, std::uint64_t>, kv::TransactionResult> executed_;
  std::map<std::string, std::vector<Index>> by_payload_;
  std::uint64_t replays_ = 0;
  std::uint64_t sessions_expired_ = 0;
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_ORACLES_REFERENCE_H_
