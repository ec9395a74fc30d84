// Client sessions (dissertation §6.3): the replies of commands that were applied, kept so that a
// command which arrives twice is executed once and answered alike.
//
// A session's id is the index of the entry that opened it. It ends once its time to live has passed
// since its last command, counted in cluster time: every replica ends it at the same entry. A
// command that is answered from memory, or refused, counts as use too. A session that is not there
// is an error and is never made up: its client may have had effects that nobody remembers.

#ifndef LOCKSTEP_CORE_KV_SESSIONS_H_
#define LOCKSTEP_CORE_KV_SESSIONS_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/kv/types.h"

namespace lockstep::kv {

// These bounds decide what is applied, so that nodes that disagree about them diverge: changing one
// is a change of the command format (command.proto).

// One session per client process. At some 200 bytes each without replies they cost megabytes, and
// a client that opens sessions in a loop is stopped before it costs more.
inline constexpr std::size_t kSessionsMax = 10'000;

// A client acknowledges with its next command, so that it needs as many as it has commands under
// way at once; clients with more than this are better off with two sessions.
inline constexpr std::size_t kUnacknowledgedRepliesMax = 1024;

// Replies carry values that were read or replaced, so that their number alone bounds nothing.
// Reached when a session's replies hold this many bytes or more; one reply may exceed it.
inline constexpr std::uint64_t kUnacknowledgedReplyBytesMax = 4 << 20;

class Sessions {
 public:
  // No sessions.
  Sessions() = default;
  Sessions(Sessions&&) = default;
  Sessions& operator=(Sessions&&) = default;
  Sessions(const Sessions&) = delete;
  Sessions& operator=(const Sessions&) = delete;

  // Resumes from all sessions of a state with this summary, by id, rising. Nullopt, with `error`
  // saying why, if they cannot be that.
  static std::optional<Sessions> FromRows(const Summary& summary, std::vector<SessionRow> rows,
                                          std::string* error);

  // Ends every session whose time has come at `now`.
  void EndExpired(ClusterTime now);

  // False if there are too many. REQUIRES: id is greater than that of any session before it.
  bool Open(SessionId id, Duration time_to_live, ClusterTime now);

  // What a command of a session is answered without being executed: its saved reply or an error.
  // Nullopt: it is to be executed, and its reply to be saved. Drops the replies that the command
  // acknowledges; an acknowledgement is never taken back by a smaller one.
  // REQUIRES: EndExpired(now) was called.
  std::optional<CommandResult> Admit(SessionId id, std::uint64_t sequence,
                                     std::uint64_t acknowledged, ClusterTime now);

  // REQUIRES: the last call was an Admit() of this command, which returned nullopt.
  void Save(SessionId id, std::uint64_t sequence, const TransactionResult& reply);

  // All sessions, by id, rising.
  std::vector<SessionRow> Rows() const;

  // Fills in what happened to sessions since the last call, or since construction.
  // `last_id` is at least the id of any session opened so far.
  void TakeDelta(SessionId last_id, Delta& delta);

  std::uint64_t digest() const { return digest_; }  // sum of DigestOf() over all rows
  std::size_t size() const { return sessions_.size(); }

 private:
  struct SavedReply {
    TransactionResult result;
    std::uint64_t digest = 0;
    std::uint64_t bytes = 0;
  };
  struct Session {
    Duration time_to_live;
    ClusterTime last_used;
    std::uint64_t acknowledged = 0;
    std::map<std::uint64_t, SavedReply> replies;  // by sequence, all above `acknowledged`
    std::uint64_t reply_bytes = 0;
    bool changed = false;  // since the last delta; its id is in changed_ then
  };
  // A session that may end at `at`, but not before: using a session does not move it here.
  struct Expiry {
    ClusterTime at;
    SessionId id;
    friend auto operator<=>(const Expiry&, const Expiry&) = default;
  };

  static ClusterTime EndOf(const Session& session);
  static std::uint64_t OwnDigest(SessionId id, const Session& session);
  static SessionRow RowOf(SessionId id, const Session& session);
  void Acknowledge(Session& session, std::uint64_t acknowledged);
  void AddReply(SessionId id, Session& session, std::uint64_t sequence, TransactionResult reply);
  void MarkChanged(SessionId id, Session& session);
  void End(std::map<SessionId, Session>::iterator session);

  std::map<SessionId, Session> sessions_;
  std::set<Expiry> expiries_;  // one for each session
  std::uint64_t digest_ = 0;
  // Sessions up to this id are stored by earlier deltas.
  SessionId delta_id_;
  std::vector<SessionId> changed_;  // each once; some may have ended since
  std::vector<SessionId> removed_;  // stored ones that ended; each once
};

}  // namespace lockstep::kv

#endif  // LOCKSTEP_CORE_KV_SESSIONS_H_
