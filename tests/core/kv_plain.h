// What core/kv is to do, in the plainest way: ordinary maps, walked whenever something is asked.

#ifndef LOCKSTEP_TESTS_CORE_KV_PLAIN_H_
#define LOCKSTEP_TESTS_CORE_KV_PLAIN_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/kv/sessions.h"
#include "core/kv/types.h"

namespace lockstep::kv {

struct PlainStore {
  std::uint64_t revision = 1;
  std::map<std::string, KeyRow> rows;

  bool Holds(const Condition& condition) const {
    const auto found = rows.find(condition.key);
    const bool present = found != rows.end();
    const KeyValue key_value = present ? found->second.key_value : KeyValue{};
    int order = 0;
    if (condition.target == Target::kValue) {
      if (!present) return false;
      order = key_value.value.compare(condition.value);
    } else {
      const std::uint64_t number = condition.target == Target::kVersion ? key_value.version
                                   : condition.target == Target::kCreateRevision
                                       ? key_value.create_revision.value
                                       : key_value.mod_revision.value;
      order = number < condition.number ? -1 : number > condition.number ? 1 : 0;
    }
    if (condition.comparison == Comparison::kEqual) return order == 0;
    if (condition.comparison == Comparison::kNotEqual) return order != 0;
    if (condition.comparison == Comparison::kLess) return order < 0;
    return order > 0;
  }

  TransactionResult Execute(const Transaction& transaction) {
    TransactionResult result;
    result.succeeded = true;
    for (const Condition& condition : transaction.conditions) {
      if (!Holds(condition)) result.succeeded = false;
    }
    std::uint32_t changes = 0;
    for (const Operation& operation : result.succeeded ? transaction.then : transaction.otherwise) {
      const std::string key = std::visit([](const auto& o) { return o.key; }, operation);
      std::optional<KeyValue> before;
      if (rows.count(key) > 0) before = rows[key].key_value;
      if (const auto* put = std::get_if<Put>(&operation)) {
        const Revision now{revision + 1};
        const Revision created = before.has_value() ? before->create_revision : now;
        const std::uint64_t version = before.has_value() ? before->version + 1 : 1;
        rows[key] = KeyRow{RowId{now, changes}, KeyValue{key, put->value, created, now, version}};
        ++changes;
        result.results.push_back(PutResult{before});
      } else if (std::holds_alternative<Delete>(operation)) {
        if (rows.erase(key) > 0) ++changes;
        result.results.push_back(DeleteResult{before});
      } else {
        result.results.push_back(GetResult{before});
      }
    }
    if (changes > 0) ++revision;
    result.revision = Revision{revision};
    return result;
  }

  std::vector<KeyRow> Rows() const {
    std::map<RowId, KeyRow> by_id;
    for (const auto& [key, row] : rows) by_id[row.id] = row;
    std::vector<KeyRow> sorted;
    for (const auto& [id, row] : by_id) sorted.push_back(row);
    return sorted;
  }
};

// Commands come decoded; nullopt is an entry without a command.
struct PlainMachine {
  Index applied_index;
  Term applied_term;
  ClusterTime time;
  PlainStore store;
  std::map<SessionId, SessionRow> sessions;

  std::optional<CommandResult> Apply(Term term, ClusterTime now,
                                     const std::optional<Command>& command) {
    applied_index = applied_index.Next();
    applied_term = term;
    time = now;
    for (auto session = sessions.begin(); session != sessions.end();) {
      const SessionRow& row = session->second;
      const std::int64_t unused = static_cast<std::int64_t>(time.value - row.last_used.value);
      session = unused >= row.time_to_live.ns ? sessions.erase(session) : std::next(session);
    }
    if (!command.has_value()) return std::nullopt;
    if (const auto* open = std::get_if<OpenSession>(&*command)) return Execute(*open);
    return Execute(std::get<Transact>(*command));
  }

  CommandResult Execute(const OpenSession& open) {
    const SessionId id{applied_index.value};
    sessions[id] = SessionRow{id, open.time_to_live, time, 0, {}};
    return SessionOpened{id};
  }

  CommandResult Execute(const Transact& transact) {
    if (transact.session == SessionId()) return store.Execute(transact.transaction);
    if (sessions.count(transact.session) == 0) return CommandError::kUnknownSession;
    SessionRow& row = sessions[transact.session];
    row.last_used = time;
    if (transact.acknowledged > row.acknowledged) row.acknowledged = transact.acknowledged;
    std::erase_if(row.replies, [&](const auto& reply) { return reply.first <= row.acknowledged; });
    if (transact.sequence <= row.acknowledged) return CommandError::kAcknowledged;
    if (row.replies.count(transact.sequence) == 0) {
      row.replies[transact.sequence] = store.Execute(transact.transaction);
    }
    return row.replies[transact.sequence];
  }

  // Without the digest.
  Image ToImage() const {
    Image image;
    image.summary = {applied_index, applied_term, time, Revision{store.revision}, 0};
    image.keys = store.Rows();
    for (const auto& [id, row] : sessions) image.sessions.push_back(row);
    return image;
  }
};

}  // namespace lockstep::kv

#endif  // LOCKSTEP_TESTS_CORE_KV_PLAIN_H_
