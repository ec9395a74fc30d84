#include "sim/oracles/reference.h"

#include <algorithm>
#include <set>
#include <variant>

#include "core/assert.h"
#include "core/kv/codec.h"

namespace lockstep::sim {
namespace {

// The bounds that core/kv/sessions.h states, repeated here so that a change of them is noticed.
constexpr std::size_t kSessionsMax = 10'000;
constexpr std::size_t kRepliesMax = 1024;

template <class T>
bool Compare(kv::Comparison comparison, const T& left, const T& right) {
  switch (comparison) {
    case kv::Comparison::kEqual:
      return left == right;
    case kv::Comparison::kNotEqual:
      return left != right;
    case kv::Comparison::kLess:
      return left < right;
    case kv::Comparison::kGreater:
      return left > right;
  }
  return false;
}

const std::string* KeyOf(const kv::Operation& operation) {
  if (const auto* put = std::get_if<kv::Put>(&operation)) {
    return &put->key;
  }
  if (const auto* removal = std::get_if<kv::Delete>(&operation)) {
    return &removal->key;
  }
  return nullptr;
}

}  // namespace

void Reference::Apply(const raft::Entry& entry) {
  CORE_ASSERT(entry.index.value == results_.size());
  for (auto session = sessions_.begin(); session != sessions_.end();) {
    const bool ended = session->second.last_used + session->second.time_to_live <= entry.time.value;
    sessions_expired_ += ended ? 1 : 0;
    session = ended ? sessions_.erase(session) : std::next(session);
  }
  touched_.emplace_back();
  results_.emplace_back();
  revisions_.push_back(revision_);
  if (entry.kind == raft::EntryKind::kNoOp) {
    return;
  }
  by_payload_[std::string(entry.payload.view())].push_back(entry.index);
  const std::optional<kv::Command> command = kv::DecodeCommand(entry.payload.view());
  if (!command.has_value()) {
    results_.back() = kv::CommandError::kUndecodable;
    return;
  }
  results_.back() = std::visit([&](const auto& body) { return Execute(body, entry); }, *command);
  revisions_.back() = revision_;

  std::vector<std::string>& touched = touched_.back();
  std::sort(touched.begin(), touched.end());
  touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
  for (const std::string& key : touched) {
    const auto found = keys_.find(key);
    history_[key].push_back({entry.index, found == keys_.end()
                                              ? std::nullopt
                                              : std::optional<kv::KeyValue>(found->second)});
  }
}

kv::CommandResult Reference::Execute(const kv::OpenSession& command, const raft::Entry& entry) {
  if (sessions_.size() >= kSessionsMax) {
    return kv::CommandError::kTooManySessions;
  }
  const SessionId id{entry.index.value};
  Session& session = sessions_[id];
  session.time_to_live =
      static_cast<std::uint64_t>(std::max<std::int64_t>(command.time_to_live.ns, 0));
  session.last_used = entry.time.value;
  return kv::SessionOpened{id};
}

kv::CommandResult Reference::Execute(const kv::Transact& command, const raft::Entry& entry) {
  if (command.session == SessionId()) {
    return Execute(command.transaction);
  }
  const auto found = sessions_.find(command.session);
  if (found == sessions_.end()) {
    return kv::CommandError::kUnknownSession;
  }
  Session& session = found->second;
  session.last_used = entry.time.value;
  session.acknowledged = std::max(session.acknowledged, command.acknowledged);
  session.replies.erase(session.replies.begin(), session.replies.upper_bound(session.acknowledged));
  if (command.sequence <= session.acknowledged) {
    return kv::CommandError::kAcknowledged;
  }
  const auto saved = session.replies.find(command.sequence);
  if (saved != session.replies.end()) {
    ++replays_;
    return saved->second;
  }
  if (session.replies.size() >= kRepliesMax) {
    return kv::CommandError::kTooManyUnacknowledged;
  }
  kv::TransactionResult result = Execute(command.transaction);
  session.replies.emplace(command.sequence, result);
  executed_.emplace(std::pair(command.session, command.sequence), result);
  return result;
}

kv::TransactionResult Reference::Execute(const kv::Transaction& transaction) {
  kv::TransactionResult result;
  result.succeeded = std::all_of(transaction.conditions.begin(), transaction.conditions.end(),
                                 [&](const kv::Condition& c) { return Holds(c); });
  const std::vector<kv::Operation>& operations =
      result.succeeded ? transaction.then : transaction.otherwise;
  const Revision next = revision_.Next();
  bool changed = false;
  for (const kv::Operation& operation : operations) {
    const std::string* written = KeyOf(operation);
    const std::string& key = written != nullptr ? *written : std::get<kv::Get>(operation).key;
    const auto found = keys_.find(key);
    const std::optional<kv::KeyValue> previous =
        found == keys_.end() ? std::nullopt : std::optional<kv::KeyValue>(found->second);
    if (written == nullptr) {
      result.results.emplace_back(kv::GetResult{previous});
      continue;
    }
    touched_.back().push_back(key);
    if (const auto* put = std::get_if<kv::Put>(&operation)) {
      keys_[key] = {.key = key,
                    .value = put->value,
                    .create_revision = previous ? previous->create_revision : next,
                    .mod_revision = next,
                    .version = previous ? previous->version + 1 : 1};
      changed = true;
      result.results.emplace_back(kv::PutResult{previous});
    } else {
      changed = changed || previous.has_value();
      keys_.erase(key);
      result.results.emplace_back(kv::DeleteResult{previous});
    }
  }
  if (changed) {
    revision_ = next;
  }
  result.revision = revision_;
  return result;
}

bool Reference::Holds(const kv::Condition& condition) const {
  const auto found = keys_.find(condition.key);
  const bool present = found != keys_.end();
  switch (condition.target) {
    case kv::Target::kValue:
      return present && Compare(condition.comparison, found->second.value, condition.value);
    case kv::Target::kVersion:
      return Compare<std::uint64_t>(condition.comparison, present ? found->second.version : 0,
                                    condition.number);
    case kv::Target::kCreateRevision:
      return Compare<std::uint64_t>(condition.comparison,
                                    present ? found->second.create_revision.value : 0,
                                    condition.number);
    case kv::Target::kModRevision:
      return Compare<std::uint64_t>(
          condition.comparison, present ? found->second.mod_revision.value : 0, condition.number);
  }
  return false;
}

std::optional<kv::KeyValue> Reference::At(const std::string& key, Index index) const {
  const auto found = history_.find(key);
  if (found == history_.end()) {
    return std::nullopt;
  }
  const auto after =
      std::upper_bound(found->second.begin(), found->second.end(), index,
                       [](Index wanted, const Version& version) { return wanted < version.index; });
  return after == found->second.begin() ? std::nullopt : std::prev(after)->key_value;
}

std::optional<kv::KeyValue> Reference::AtRevision(const std::string& key, Revision revision) const {
  const auto after = std::upper_bound(revisions_.begin(), revisions_.end(), revision);
  return after == revisions_.begin()
             ? std::nullopt
             : At(key, Index{static_cast<std::uint64_t>(after - revisions_.begin() - 1)});
}

const kv::TransactionResult* Reference::ExecutedInSession(SessionId session,
                                                          std::uint64_t sequence) const {
  const auto found = executed_.find(std::pair(session, sequence));
  return found == executed_.end() ? nullptr : &found->second;
}

const std::vector<Index>* Reference::EntriesWith(const std::string& payload) const {
  const auto found = by_payload_.find(payload);
  return found == by_payload_.end() ? nullptr : &found->second;
}

}  // namespace lockstep::sim
