#include "core/kv/sessions.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>
#include <variant>

#include "core/assert.h"
#include "core/kv/digest.h"

namespace lockstep::kv {
namespace {

std::uint64_t SizeOf(const std::optional<KeyValue>& key_value) {
  return key_value.has_value() ? key_value->key.size() + key_value->value.size() : 0;
}

// About what a reply takes in memory, and the same on every machine.
std::uint64_t SizeOf(const TransactionResult& reply) {
  constexpr std::uint64_t kReplyBytes = 128;
  constexpr std::uint64_t kResultBytes = 104;
  std::uint64_t bytes = kReplyBytes + kResultBytes * reply.results.size();
  for (const OperationResult& result : reply.results) {
    if (const auto* get = std::get_if<GetResult>(&result)) bytes += SizeOf(get->found);
    if (const auto* put = std::get_if<PutResult>(&result)) bytes += SizeOf(put->previous);
    if (const auto* removal = std::get_if<DeleteResult>(&result)) {
      bytes += SizeOf(removal->previous);
    }
  }
  return bytes;
}

// Why `row` cannot be a row of a state with this summary; null if it can.
const char* Contradiction(const SessionRow& row, const Summary& summary) {
  if (row.id == SessionId()) return "has no id";
  if (row.id.value > summary.applied_index.value) return "was opened after the state";
  if (row.last_used > summary.time) return "was used after the state";
  if (!row.replies.empty() && row.replies.begin()->first <= row.acknowledged) {
    return "keeps a reply that was acknowledged";
  }
  for (const auto& [sequence, reply] : row.replies) {
    if (reply.revision > summary.revision) return "keeps a reply that is newer than the state";
  }
  return nullptr;
}

}  // namespace

std::optional<Sessions> Sessions::FromRows(const Summary& summary, std::vector<SessionRow> rows,
                                           std::string* error) {
  Sessions sessions;
  sessions.delta_id_ = SessionId{summary.applied_index.value};
  for (SessionRow& row : rows) {
    const std::string name = "session row " + std::to_string(row.id.value) + " ";
    if (const char* why = Contradiction(row, summary)) {
      *error = name + why;
      return std::nullopt;
    }
    if (!sessions.sessions_.empty() && row.id <= sessions.sessions_.rbegin()->first) {
      *error = name + "is out of order or twice there";
      return std::nullopt;
    }
    Session session;
    session.time_to_live = row.time_to_live;
    session.last_used = row.last_used;
    session.acknowledged = row.acknowledged;
    for (auto& [sequence, reply] : row.replies) {
      sessions.AddReply(row.id, session, sequence, std::move(reply));
    }
    sessions.digest_ += OwnDigest(row.id, session);
    sessions.expiries_.insert(Expiry{EndOf(session), row.id});
    sessions.sessions_.emplace_hint(sessions.sessions_.end(), row.id, std::move(session));
  }
  return sessions;
}

void Sessions::EndExpired(ClusterTime now) {
  while (!expiries_.empty() && expiries_.begin()->at <= now) {
    auto expiry = expiries_.extract(expiries_.begin());
    const auto session = sessions_.find(expiry.value().id);
    CORE_ASSERT(session != sessions_.end());
    expiry.value().at = EndOf(session->second);
    if (expiry.value().at <= now) {
      End(session);
    } else {
      expiries_.insert(std::move(expiry));
    }
  }
}

bool Sessions::Open(SessionId id, Duration time_to_live, ClusterTime now) {
  CORE_ASSERT(sessions_.empty() || sessions_.rbegin()->first < id);
  CORE_ASSERT(delta_id_ < id);
  if (sessions_.size() >= kSessionsMax) return false;
  Session& session = sessions_.emplace_hint(sessions_.end(), id, Session())->second;
  session.time_to_live = time_to_live;
  session.last_used = now;
  digest_ += OwnDigest(id, session);
  expiries_.insert(Expiry{EndOf(session), id});
  MarkChanged(id, session);
  return true;
}

std::optional<CommandResult> Sessions::Admit(SessionId id, std::uint64_t sequence,
                                             std::uint64_t acknowledged, ClusterTime now) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return CommandError::kUnknownSession;
  Session& session = found->second;
  digest_ -= OwnDigest(id, session);
  session.last_used = now;
  Acknowledge(session, acknowledged);
  digest_ += OwnDigest(id, session);
  MarkChanged(id, session);

  if (sequence <= session.acknowledged) return CommandError::kAcknowledged;
  const auto saved = session.replies.find(sequence);
  if (saved != session.replies.end()) return saved->second.result;
  if (session.replies.size() >= kUnacknowledgedRepliesMax ||
      session.reply_bytes >= kUnacknowledgedReplyBytesMax) {
    return CommandError::kTooManyUnacknowledged;
  }
  return std::nullopt;
}

void Sessions::Save(SessionId id, std::uint64_t sequence, const TransactionResult& reply) {
  const auto found = sessions_.find(id);
  CORE_ASSERT(found != sessions_.end());
  CORE_ASSERT(sequence > found->second.acknowledged);
  AddReply(id, found->second, sequence, reply);
}

std::vector<SessionRow> Sessions::Rows() const {
  std::vector<SessionRow> rows;
  rows.reserve(sessions_.size());
  for (const auto& [id, session] : sessions_) rows.push_back(RowOf(id, session));
  return rows;
}

void Sessions::TakeDelta(SessionId last_id, Delta& delta) {
  std::sort(removed_.begin(), removed_.end());
  delta.removed_sessions = std::exchange(removed_, {});

  std::sort(changed_.begin(), changed_.end());
  delta.changed_sessions.clear();
  for (const SessionId id : std::exchange(changed_, {})) {
    const auto found = sessions_.find(id);
    if (found == sessions_.end()) continue;
    found->second.changed = false;
    delta.changed_sessions.push_back(RowOf(id, found->second));
  }
  delta_id_ = last_id;
}

// A time to live that is not positive ends the session at the next entry.
ClusterTime Sessions::EndOf(const Session& session) {
  const std::uint64_t last_used = session.last_used.value;
  const std::uint64_t left = std::numeric_limits<std::uint64_t>::max() - last_used;
  const auto time_to_live =
      static_cast<std::uint64_t>(std::max<std::int64_t>(session.time_to_live.ns, 0));
  return ClusterTime{last_used + std::min(time_to_live, left)};
}

std::uint64_t Sessions::OwnDigest(SessionId id, const Session& session) {
  return DigestOfSession(id, session.time_to_live, session.last_used, session.acknowledged);
}

SessionRow Sessions::RowOf(SessionId id, const Session& session) {
  SessionRow row;
  row.id = id;
  row.time_to_live = session.time_to_live;
  row.last_used = session.last_used;
  row.acknowledged = session.acknowledged;
  for (const auto& [sequence, reply] : session.replies) {
    row.replies.emplace_hint(row.replies.end(), sequence, reply.result);
  }
  return row;
}

void Sessions::Acknowledge(Session& session, std::uint64_t acknowledged) {
  if (acknowledged <= session.acknowledged) return;
  session.acknowledged = acknowledged;
  const auto kept = session.replies.upper_bound(acknowledged);
  for (auto reply = session.replies.begin(); reply != kept;) {
    digest_ -= reply->second.digest;
    session.reply_bytes -= reply->second.bytes;
    reply = session.replies.erase(reply);
  }
}

void Sessions::AddReply(SessionId id, Session& session, std::uint64_t sequence,
                        TransactionResult reply) {
  SavedReply saved;
  saved.digest = DigestOfReply(id, sequence, reply);
  saved.bytes = SizeOf(reply);
  saved.result = std::move(reply);
  digest_ += saved.digest;
  session.reply_bytes += saved.bytes;
  const std::size_t before = session.replies.size();
  session.replies.emplace_hint(session.replies.end(), sequence, std::move(saved));
  CORE_ASSERT(session.replies.size() == before + 1);
}

void Sessions::MarkChanged(SessionId id, Session& session) {
  if (session.changed) return;
  session.changed = true;
  changed_.push_back(id);
}

// The session's expiry is already out of expiries_.
void Sessions::End(std::map<SessionId, Session>::iterator session) {
  const SessionId id = session->first;
  digest_ -= OwnDigest(id, session->second);
  for (const auto& [sequence, reply] : session->second.replies) digest_ -= reply.digest;
  if (id <= delta_id_) removed_.push_back(id);
  sessions_.erase(session);
}

}  // namespace lockstep::kv
