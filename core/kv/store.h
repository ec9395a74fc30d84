// The keys: etcd's model of revisions, without its history. One transaction at a time.
//
// The store's revision starts at 1. A transaction that puts or deletes anything makes the next
// revision, once, whatever the number of its operations; one that does not (reads only; a delete of
// an absent key; conditions that fail before an empty branch) leaves it as it is. A put counts as a
// change even if the value stays the same. The changes of a transaction are numbered from 0 (`sub`)
// in the order of its operations, each sees those before it, and a key may be put several times:
// each raises its version, the last one's row stays.

#ifndef LOCKSTEP_CORE_KV_STORE_H_
#define LOCKSTEP_CORE_KV_STORE_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "core/kv/types.h"

namespace lockstep::kv {

class Store {
 public:
  // No keys, revision 1.
  Store() = default;
  Store(Store&&) = default;
  Store& operator=(Store&&) = default;
  // The index holds views and iterators into the rows.
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // Resumes from all rows of a store at `revision`, by id, rising. Nullopt, with `error` saying
  // why, if they cannot be that.
  static std::optional<Store> FromRows(Revision revision, std::vector<KeyRow> rows,
                                       std::string* error);

  TransactionResult Execute(Transaction transaction);

  // Null if absent. The pointer holds until the next Execute().
  const KeyValue* Find(std::string_view key) const;

  // All rows, by id, rising.
  std::vector<KeyRow> Rows() const;

  // Fills in what happened to keys since the last call, or since construction.
  void TakeDelta(Delta& delta);

  Revision revision() const { return revision_; }
  std::uint64_t digest() const { return digest_; }  // sum of DigestOf() over all rows
  std::size_t size() const { return rows_.size(); }

 private:
  struct Row {
    KeyValue key_value;
    std::uint32_t sub = 0;
    std::uint64_t digest = 0;

    RowId id() const { return {key_value.mod_revision, sub}; }
  };

  // Where the changes of the transaction under way are counted.
  struct Changes {
    Revision revision;
    std::uint32_t count = 0;
  };

  bool Holds(const Condition& condition) const;
  OperationResult Execute(const Get& get) const;
  OperationResult Execute(Put put, Changes& changes);
  OperationResult Execute(const Delete& removal, Changes& changes);
  // The row leaves the state: its digest does, and if the last delta stored it, the next removes
  // it.
  void Forget(const Row& row);

  Revision revision_ = {1};
  std::uint64_t digest_ = 0;
  // By id, rising: a put moves its row to the end, so that what was written since the last delta is
  // the list's tail, and no write has to be remembered.
  std::list<Row> rows_;
  absl::btree_map<std::string_view, std::list<Row>::iterator> index_;  // views of the rows' keys
  // Rows up to this revision are stored by earlier deltas.
  Revision delta_revision_ = {1};
  std::vector<RowId> removed_;  // of those, the ones that are gone; each once
};

}  // namespace lockstep::kv

#endif  // LOCKSTEP_CORE_KV_STORE_H_
