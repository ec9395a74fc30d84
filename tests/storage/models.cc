#include "tests/storage/models.h"

#include <algorithm>
#include <map>
#include <utility>

namespace lockstep::storage {
namespace {

// Mostly small, sometimes beyond a page of SQLite's, seldom beyond several.
std::string DrawPayload(Random& random) {
  const std::uint64_t size = random.Chance(1, 40)   ? random.Below(20'000)
                             : random.Chance(1, 10) ? random.Below(3'000)
                                                    : random.Below(60);
  return DrawBytes(random, size);
}

kv::KeyValue DrawKeyValue(Random& random, Revision revision) {
  kv::KeyValue key_value;
  key_value.key = DrawBytes(random, random.Below(12));
  key_value.value = DrawPayload(random);
  key_value.create_revision = {revision.value - random.Below(revision.value)};
  key_value.mod_revision = revision;
  key_value.version = 1 + random.Below(9);
  return key_value;
}

kv::SessionRow DrawSession(Random& random, SessionId id) {
  kv::SessionRow session;
  session.id = id;
  session.time_to_live = {static_cast<std::int64_t>(random.Below(1'000'000))};
  session.last_used = {random.Below(1'000'000)};
  session.acknowledged = random.Below(10);
  const std::uint64_t replies = random.Below(3);
  for (std::uint64_t i = 1; i <= replies; ++i) {
    kv::TransactionResult& reply = session.replies[session.acknowledged + i];
    reply.succeeded = random.Chance(1, 2);
    reply.revision = {1 + random.Below(100)};
    reply.results.emplace_back(kv::DeleteResult());
  }
  return session;
}

void AddRows(Random& random, Revision revision, std::uint64_t rows, std::vector<kv::KeyRow>* keys) {
  for (std::uint64_t sub = 0; sub < rows; ++sub) {
    keys->push_back({{revision, static_cast<std::uint32_t>(sub)}, DrawKeyValue(random, revision)});
  }
}

}  // namespace

std::string DrawBytes(Random& random, std::uint64_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) {
    byte = static_cast<char>(random.Below(256));
  }
  return bytes;
}

raft::LogPosition LogModel::Last() const {
  if (state_.entries.empty()) {
    return state_.base;
  }
  return {state_.entries.back().index, state_.entries.back().term};
}

raft::LogPosition LogModel::PositionOf(std::uint64_t index) const {
  if (index == state_.base.index.value) {
    return state_.base;
  }
  const raft::Entry& entry = state_.entries.at(index - state_.base.index.value - 1);
  return {entry.index, entry.term};
}

ClusterTime LogModel::TimeOf(std::uint64_t index) const {
  return index == state_.base.index.value
             ? base_time_
             : state_.entries.at(index - state_.base.index.value - 1).time;
}

std::vector<raft::Entry> LogModel::DrawEntries(Random& random, const raft::LogPosition& after,
                                               ClusterTime time) const {
  std::vector<raft::Entry> entries;
  raft::LogPosition last = after;
  const std::uint64_t count = 1 + (random.Chance(1, 8) ? random.Below(150) : random.Below(4));
  for (std::uint64_t i = 0; i < count; ++i) {
    last.index = last.index.Next();
    last.term.value += random.Chance(1, 6) ? 1 : 0;
    time.value += random.Below(100);
    const bool command = random.Chance(3, 4);
    entries.push_back({last.index, last.term, time,
                       command ? raft::EntryKind::kCommand : raft::EntryKind::kNoOp,
                       command ? Bytes(DrawPayload(random)) : Bytes()});
  }
  return entries;
}

raft::Write LogModel::Draw(Random& random) const {
  LogModel after = *this;  // the fields are applied in order, each to what the ones before left
  raft::Write write;
  write.id = last_write_.Next();
  if (random.Chance(1, 4)) {
    raft::HardState hard_state = state_.hard_state;
    if (random.Chance(1, 2) || hard_state.voted_for != NodeId()) {
      hard_state = {{hard_state.current_term.value + random.Below(3)}, hard_state.voted_for};
      if (hard_state.current_term != state_.hard_state.current_term) {
        hard_state.voted_for = {};
      }
    }
    if (hard_state.voted_for == NodeId()) {
      hard_state.voted_for = {random.Below(4)};
    }
    write.hard_state = hard_state;
  }
  if (random.Chance(1, 25)) {
    const std::uint64_t index = random.Below(Last().index.value + 30);
    write.reset_to = {{index}, {index == 0 ? 0 : 1 + random.Below(5)}};
    raft::Write reset_only;
    reset_only.reset_to = write.reset_to;
    after.Apply(reset_only);
  }
  if (random.Chance(3, 4)) {
    std::uint64_t from = after.Last().index.value;
    if (random.Chance(1, 6)) {
      from -= random.Below(std::min<std::uint64_t>(after.state_.entries.size() + 1, 20));
    }
    const raft::LogPosition previous = after.PositionOf(from);
    write.entries = after.DrawEntries(random, previous, after.TimeOf(from));
    raft::Write entries_only;
    entries_only.entries = write.entries;
    after.Apply(entries_only);
  }
  if (random.Chance(1, 6)) {
    const std::uint64_t to =
        after.state_.base.index.value + random.Below(after.state_.entries.size() + 1);
    write.compact_to = after.PositionOf(to);
  }
  return write;
}

void LogModel::Apply(const raft::Write& write) {
  last_write_ = write.id;
  if (write.hard_state.has_value()) {
    state_.hard_state = *write.hard_state;
  }
  if (write.reset_to.has_value()) {
    state_.base = *write.reset_to;
    base_time_ = {};
    state_.entries.clear();
  }
  if (!write.entries.empty()) {
    std::erase_if(state_.entries, [&](const raft::Entry& entry) {
      return entry.index >= write.entries.front().index;
    });
    state_.entries.insert(state_.entries.end(), write.entries.begin(), write.entries.end());
  }
  if (write.compact_to.has_value()) {
    base_time_ = TimeOf(write.compact_to->index.value);
    std::erase_if(state_.entries,
                  [&](const raft::Entry& entry) { return entry.index <= write.compact_to->index; });
    state_.base = *write.compact_to;
  }
}

namespace {

raft::MembershipAt DrawMembership(Random& random, Index index) {
  raft::Membership membership = raft::MembershipOf({{1}, {2 + random.Below(3)}});
  membership.members.at({1}).incarnation = {random.Next() >> 1};
  membership.members.at({1}).peer_address = DrawBytes(random, random.Below(30));
  return {index, membership};
}

}  // namespace

kv::Delta StateModel::DrawDelta(Random& random) const {
  kv::Delta delta;
  delta.summary = image_.summary;
  delta.summary.applied_index.value += 1 + random.Below(5);
  delta.summary.applied_term.value += random.Below(2);
  delta.summary.time.value += random.Below(100);
  delta.summary.digest = random.Next();
  delta.membership =
      random.Chance(1, 4) ? DrawMembership(random, delta.summary.applied_index) : image_.membership;
  const std::uint64_t revisions = random.Below(4);
  for (std::uint64_t i = 0; i < revisions; ++i) {
    delta.summary.revision = delta.summary.revision.Next();
    const std::uint64_t rows = random.Below(5);
    AddRows(random, delta.summary.revision, rows, &delta.added_keys);
  }
  for (const kv::KeyRow& row : image_.keys) {
    if (random.Chance(1, 8)) {
      delta.removed_keys.push_back(row.id);
    }
  }
  std::uint64_t last_session = 0;
  for (const kv::SessionRow& session : image_.sessions) {
    last_session = session.id.value;
    if (random.Chance(1, 8)) {
      delta.removed_sessions.push_back(session.id);
    } else if (random.Chance(1, 4)) {
      delta.changed_sessions.push_back(DrawSession(random, session.id));
    }
  }
  if (random.Chance(1, 3)) {
    delta.changed_sessions.push_back(DrawSession(random, {last_session + 1 + random.Below(3)}));
  }
  return delta;
}

kv::Image StateModel::DrawImage(Random& random) const {
  kv::Image image;
  image.summary = image_.summary;
  image.summary.applied_index.value += 1 + random.Below(100);
  image.summary.revision.value += 20;
  image.summary.digest = random.Next();
  image.membership = DrawMembership(random, image.summary.applied_index);
  const std::uint64_t revisions = random.Below(20);
  for (std::uint64_t i = 1; i <= revisions; ++i) {
    const std::uint64_t rows = random.Below(4);
    AddRows(random, {i}, rows, &image.keys);
  }
  const std::uint64_t sessions = random.Below(4);
  for (std::uint64_t id = 1; id <= sessions; ++id) {
    image.sessions.push_back(DrawSession(random, {id}));
  }
  return image;
}

void StateModel::Apply(const kv::Delta& delta) {
  std::map<kv::RowId, kv::KeyRow> keys;
  for (const kv::KeyRow& row : image_.keys) {
    keys[row.id] = row;
  }
  for (const kv::RowId& id : delta.removed_keys) {
    keys.erase(id);
  }
  for (const kv::KeyRow& row : delta.added_keys) {
    keys[row.id] = row;
  }
  std::map<SessionId, kv::SessionRow> sessions;
  for (const kv::SessionRow& session : image_.sessions) {
    sessions[session.id] = session;
  }
  for (const SessionId id : delta.removed_sessions) {
    sessions.erase(id);
  }
  for (const kv::SessionRow& session : delta.changed_sessions) {
    sessions[session.id] = session;
  }
  image_.summary = delta.summary;
  image_.membership = delta.membership;
  image_.keys.clear();
  for (auto& [id, row] : keys) {
    image_.keys.push_back(std::move(row));
  }
  image_.sessions.clear();
  for (auto& [id, session] : sessions) {
    image_.sessions.push_back(std::move(session));
  }
}

}  // namespace lockstep::storage
