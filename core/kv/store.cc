#include "core/kv/store.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <variant>

#include "core/assert.h"
#include "core/kv/digest.h"

namespace lockstep::kv {
namespace {

template <class T>
bool Compare(const T& actual, Comparison comparison, const T& expected) {
  switch (comparison) {
    case Comparison::kEqual:
      return actual == expected;
    case Comparison::kNotEqual:
      return actual != expected;
    case Comparison::kLess:
      return actual < expected;
    case Comparison::kGreater:
      return actual > expected;
  }
  CORE_ASSERT(false);
}

// Why `row` cannot be a row of a store at `revision`; null if it can.
const char* Contradiction(const KeyRow& row, Revision revision) {
  const KeyValue& key_value = row.key_value;
  if (row.id.revision != key_value.mod_revision) return "is not named by its mod revision";
  if (row.id.revision > revision) return "is newer than the state's revision";
  if (key_value.create_revision <= Revision{1}) return "was made before the first write";
  if (key_value.create_revision > key_value.mod_revision) return "was changed before it was made";
  const bool is_new = key_value.create_revision == key_value.mod_revision;
  if (key_value.version < (is_new ? 1u : 2u)) return "has a version that is too small";
  return nullptr;
}

}  // namespace

std::optional<Store> Store::FromRows(Revision revision, std::vector<KeyRow> rows,
                                     std::string* error) {
  if (revision < Revision{1}) {
    *error = "the revision is 0";
    return std::nullopt;
  }
  Store store;
  store.revision_ = revision;
  store.delta_revision_ = revision;
  for (KeyRow& row : rows) {
    const std::string name =
        "key row " + std::to_string(row.id.revision.value) + "." + std::to_string(row.id.sub) + " ";
    if (const char* why = Contradiction(row, revision)) {
      *error = name + why;
      return std::nullopt;
    }
    if (!store.rows_.empty() && row.id <= store.rows_.back().id()) {
      *error = name + "is out of order or twice there";
      return std::nullopt;
    }
    const std::uint64_t digest = DigestOf(row);
    store.rows_.push_back(Row{std::move(row.key_value), row.id.sub, digest});
    const auto last = std::prev(store.rows_.end());
    if (!store.index_.emplace(last->key_value.key, last).second) {
      *error = name + "has the key of another row";
      return std::nullopt;
    }
    store.digest_ += digest;
  }
  return store;
}

TransactionResult Store::Execute(Transaction transaction) {
  TransactionResult result;
  result.succeeded = std::all_of(transaction.conditions.begin(), transaction.conditions.end(),
                                 [this](const Condition& condition) { return Holds(condition); });
  std::vector<Operation>& branch = result.succeeded ? transaction.then : transaction.otherwise;

  Changes changes{revision_.Next()};
  result.results.reserve(branch.size());
  for (Operation& operation : branch) {
    if (auto* get = std::get_if<Get>(&operation)) {
      result.results.push_back(Execute(*get));
    } else if (auto* put = std::get_if<Put>(&operation)) {
      result.results.push_back(Execute(std::move(*put), changes));
    } else {
      result.results.push_back(Execute(std::get<Delete>(operation), changes));
    }
  }
  if (changes.count > 0) revision_ = changes.revision;
  result.revision = revision_;
  return result;
}

const KeyValue* Store::Find(std::string_view key) const {
  const auto found = index_.find(key);
  return found == index_.end() ? nullptr : &found->second->key_value;
}

std::vector<KeyRow> Store::Rows() const {
  std::vector<KeyRow> rows;
  rows.reserve(rows_.size());
  for (const Row& row : rows_) rows.push_back(KeyRow{row.id(), row.key_value});
  return rows;
}

void Store::TakeDelta(Delta& delta) {
  std::sort(removed_.begin(), removed_.end());
  delta.removed_keys = std::exchange(removed_, {});

  auto first = rows_.end();
  while (first != rows_.begin() && std::prev(first)->id().revision > delta_revision_) --first;
  delta.added_keys.clear();
  for (; first != rows_.end(); ++first) {
    delta.added_keys.push_back(KeyRow{first->id(), first->key_value});
  }
  delta_revision_ = revision_;
}

bool Store::Holds(const Condition& condition) const {
  const KeyValue* found = Find(condition.key);
  if (condition.target == Target::kValue) {
    return found != nullptr && Compare(found->value, condition.comparison, condition.value);
  }
  std::uint64_t actual = 0;
  if (found != nullptr) {
    switch (condition.target) {
      case Target::kVersion:
        actual = found->version;
        break;
      case Target::kCreateRevision:
        actual = found->create_revision.value;
        break;
      case Target::kModRevision:
        actual = found->mod_revision.value;
        break;
      case Target::kValue:
        CORE_ASSERT(false);
    }
  }
  return Compare(actual, condition.comparison, condition.number);
}

OperationResult Store::Execute(const Get& get) const {
  const KeyValue* found = Find(get.key);
  if (found == nullptr) return GetResult{};
  return GetResult{*found};
}

OperationResult Store::Execute(Put put, Changes& changes) {
  PutResult result;
  const auto found = index_.find(put.key);
  const bool is_new = found == index_.end();
  if (is_new) {
    Row row;
    row.key_value.key = std::move(put.key);
    row.key_value.create_revision = changes.revision;
    rows_.push_back(std::move(row));
    const auto last = std::prev(rows_.end());
    index_.emplace(last->key_value.key, last);
  } else {
    Forget(*found->second);
    rows_.splice(rows_.end(), rows_, found->second);
    // The key's own string stays where the index looks at it.
    KeyValue& old = rows_.back().key_value;
    result.previous = KeyValue{std::move(put.key), std::move(old.value), old.create_revision,
                               old.mod_revision, old.version};
  }

  Row& row = rows_.back();
  row.key_value.value = std::move(put.value);
  row.key_value.mod_revision = changes.revision;
  row.key_value.version += 1;
  row.sub = changes.count;
  row.digest = DigestOf(row.key_value, row.sub);
  digest_ += row.digest;
  changes.count += 1;
  return result;
}

OperationResult Store::Execute(const Delete& removal, Changes& changes) {
  const auto found = index_.find(removal.key);
  if (found == index_.end()) return DeleteResult{};
  const auto row = found->second;
  Forget(*row);
  index_.erase(found);
  DeleteResult result{std::move(row->key_value)};
  rows_.erase(row);
  changes.count += 1;
  return result;
}

void Store::Forget(const Row& row) {
  digest_ -= row.digest;
  if (row.id().revision <= delta_revision_) removed_.push_back(row.id());
}

}  // namespace lockstep::kv
