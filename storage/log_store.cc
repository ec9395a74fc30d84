#include "storage/log_store.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "core/assert.h"
#include "storage/checksum.h"
#include "storage/database_file.h"
#include "storage/sqlite.h"
#include "storage/status.h"

namespace lockstep::storage {
namespace {

// Tidy() moves a write-ahead log of this many pages into the file: 4 MiB, SQLite's own default.
constexpr int kWalPagesWorthMoving = 1000;
// Save() does so itself beyond this many, which bounds the file.
constexpr int kWalPagesMax = 4 * kWalPagesWorthMoving;

// Rows of waste that each Save() deletes, and how many more for each entry that it adds: the waste
// shrinks whatever is appended meanwhile.
constexpr std::uint64_t kWasteRowsPerSave = 64;
constexpr std::uint64_t kWasteRowsPerEntry = 2;

const Format& LogFormat() {
  static const Format format = {
      .name = "Raft log of Lockstep (log.db)",
      .application_id = 0x4c4b6c67,  // "LKlg"
      .version = kLogFormatVersion,
      .tables = {
          {"entry",
           "CREATE TABLE entry(log_index INTEGER PRIMARY KEY, term INTEGER NOT NULL, time INTEGER "
           "NOT NULL, kind INTEGER NOT NULL, payload BLOB NOT NULL, checksum INTEGER NOT NULL)"},
          {"hard_state",
           "CREATE TABLE hard_state(one INTEGER PRIMARY KEY, current_term INTEGER NOT NULL, "
           "voted_for INTEGER NOT NULL, checksum INTEGER NOT NULL)"},
          {"base",
           "CREATE TABLE base(one INTEGER PRIMARY KEY, log_index INTEGER NOT NULL, term INTEGER "
           "NOT NULL, checksum INTEGER NOT NULL)"},
      }};
  return format;
}

std::uint64_t ChecksumOf(const raft::HardState& state) {
  return Checksum(RowKind::kHardState)
      .Add(state.current_term.value)
      .Add(state.voted_for.value)
      .value();
}

std::uint64_t ChecksumOf(const raft::LogPosition& base) {
  return Checksum(RowKind::kBase).Add(base.index.value).Add(base.term.value).value();
}

std::uint64_t ChecksumOf(Index index, Term term, ClusterTime time, std::uint64_t kind,
                         std::string_view payload) {
  return Checksum(RowKind::kEntry)
      .Add(index.value)
      .Add(term.value)
      .Add(time.value)
      .Add(kind)
      .Add(payload)
      .value();
}

bool IsKind(std::uint64_t kind) {
  return kind == static_cast<std::uint64_t>(raft::EntryKind::kNoOp) ||
         kind == static_cast<std::uint64_t>(raft::EntryKind::kCommand) ||
         kind == static_cast<std::uint64_t>(raft::EntryKind::kMembership);
}

// Statements of Save().
struct Statements {
  explicit Statements(const Connection& connection);

  TransactionStatements transaction;
  Statement set_hard_state;
  Statement set_base;
  Statement insert_entry;
  Statement delete_from;
  Statement delete_between;
  Statement delete_all;
  Statement find_entry;
};

Statements::Statements(const Connection& connection)
    : transaction(connection),
      set_hard_state(connection.Declare(
          "UPDATE hard_state SET current_term = ?, voted_for = ?, checksum = ?")),
      set_base(connection.Declare("UPDATE base SET log_index = ?, term = ?, checksum = ?")),
      insert_entry(
          connection.Declare("INSERT INTO entry(log_index, term, time, kind, payload, checksum) "
                             "VALUES(?, ?, ?, ?, ?, ?)")),
      delete_from(connection.Declare("DELETE FROM entry WHERE log_index >= ?")),
      delete_between(
          connection.Declare("DELETE FROM entry WHERE log_index >= ? AND log_index < ?")),
      // Without a WHERE SQLite drops whole pages unread.
      delete_all(connection.Declare("DELETE FROM entry")),
      find_entry(connection.Declare("SELECT term, time FROM entry WHERE log_index = ?")) {}

}  // namespace

class LogStore::Impl {
 public:
  Impl(DatabaseFile file, const Identity& identity)
      : connection_(std::move(file.connection)),
        identity_(identity),
        incarnation_(file.incarnation),
        is_new_(file.is_new) {
    if (!is_new_) {
      wal_frames_ = file.wal_frames;
    }
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    if (written_ && !failure_.ok()) {
      // The file stays as it is. If not even this works, nothing more can be done.
      static_cast<void>(connection_->SetKeepWalOnClose(true));
    }
  }

  bool is_new() const { return is_new_; }
  std::uint64_t size_bytes() const { return connection_->size_bytes(); }

  Incarnation incarnation() const { return incarnation_; }
  absl::Status Create(Incarnation incarnation) { return Remember(TryCreate(incarnation)); }
  absl::StatusOr<raft::DurableState> Load();
  absl::Status StartWriting() { return Remember(TryStartWriting()); }
  absl::Status Save(std::span<const raft::Write> writes);
  absl::Status Tidy();

 private:
  absl::Status TryCreate(Incarnation incarnation);
  absl::StatusOr<raft::DurableState> TryLoad() const;
  absl::Status LoadHardState(raft::HardState* hard_state) const;
  absl::Status LoadBase(raft::LogPosition* base) const;
  absl::Status LoadEntries(raft::DurableState* state) const;
  absl::Status TryStartWriting();
  absl::Status TrySave(std::span<const raft::Write> writes);
  absl::Status SaveOne(const raft::Write& write);
  absl::Status SaveHardState(const raft::HardState& hard_state);
  absl::Status SaveBase(const raft::LogPosition& base);
  absl::Status Reset(const raft::LogPosition& base);
  absl::Status Append(const std::vector<raft::Entry>& entries);
  absl::Status TruncateFrom(Index first);
  absl::Status Insert(const raft::Entry& entry);
  absl::Status Compact(const raft::LogPosition& base);
  absl::Status DeleteWaste(std::uint64_t entries_added);
  absl::Status MoveWal(int pages);
  // The entry's term and time, into last_; it is in the file.
  absl::Status FindLast(Index index);

  // Keeps the first error: INVARIANT 4.
  absl::Status Remember(absl::Status status);
  absl::Status Damage(std::string_view what) const;

  std::unique_ptr<Connection> connection_;
  Identity identity_;
  Incarnation incarnation_;
  bool is_new_ = false;
  std::optional<std::uint64_t> wal_frames_;  // unless this process has written some
  bool loaded_ = false;
  bool written_ = false;  // or tried to
  absl::Status failure_;
  std::unique_ptr<Statements> statements_;  // null before StartWriting()

  // What the file holds, as far as Save() needs it.
  struct Last {
    raft::LogPosition position;
    ClusterTime time;  // 0 at the base, where it is not known
  };
  raft::HardState hard_state_;
  raft::LogPosition base_;
  Last last_;           // equal to the base when the log is empty
  Index first_row_;     // of table `entry`, waste included; last + 1 when it is empty
  WriteId last_write_;  // 0 before the first
};

absl::Status LogStore::Impl::Remember(absl::Status status) {
  if (!status.ok() && failure_.ok()) {
    failure_ = absl::Status(status.code(),
                            absl::StrFormat("%s: not usable since an earlier error: %s",
                                            connection_->path(), std::string(status.message())));
  }
  return status;
}

absl::Status LogStore::Impl::Damage(std::string_view what) const {
  return absl::DataLossError(absl::StrFormat("%s: %s", connection_->path(), what));
}

absl::Status LogStore::Impl::TryCreate(Incarnation incarnation) {
  CORE_ASSERT(is_new_);
  written_ = true;
  TransactionStatements statements(*connection_);
  LOCKSTEP_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(&statements));
  LOCKSTEP_RETURN_IF_ERROR(CreateTables(*connection_, LogFormat(), identity_, incarnation, true));
  LOCKSTEP_RETURN_IF_ERROR(connection_->Execute(
      absl::StrFormat("INSERT INTO hard_state(one, current_term, voted_for, checksum) "
                      "VALUES(1, 0, 0, %d)",
                      ChecksumOf(raft::HardState()))));
  LOCKSTEP_RETURN_IF_ERROR(connection_->Execute(
      absl::StrFormat("INSERT INTO base(one, log_index, term, checksum) VALUES(1, 0, 0, %d)",
                      ChecksumOf(raft::LogPosition()))));
  LOCKSTEP_RETURN_IF_ERROR(transaction.Commit());
  incarnation_ = incarnation;
  is_new_ = false;
  loaded_ = true;
  first_row_ = Index{1};
  return absl::OkStatus();
}

absl::StatusOr<raft::DurableState> LogStore::Impl::Load() {
  CORE_ASSERT(!is_new_);
  LOCKSTEP_RETURN_IF_ERROR(failure_);
  absl::StatusOr<raft::DurableState> state = TryLoad();
  LOCKSTEP_RETURN_IF_ERROR(Remember(state.status()));

  LOCKSTEP_ASSIGN_OR_RETURN(
      const std::uint64_t first_row,
      connection_->QueryInteger("SELECT coalesce(min(log_index), 0) FROM entry"));
  loaded_ = true;
  hard_state_ = state->hard_state;
  base_ = state->base;
  last_ = {base_, ClusterTime{0}};
  if (!state->entries.empty()) {
    const raft::Entry& last = state->entries.back();
    last_ = {{last.index, last.term}, last.time};
  }
  first_row_ = first_row == 0 ? last_.position.index.Next() : Index{first_row};
  return state;
}

absl::StatusOr<raft::DurableState> LogStore::Impl::TryLoad() const {
  raft::DurableState state;
  LOCKSTEP_RETURN_IF_ERROR(LoadHardState(&state.hard_state));
  LOCKSTEP_RETURN_IF_ERROR(LoadBase(&state.base));
  LOCKSTEP_RETURN_IF_ERROR(LoadEntries(&state));
  return state;
}

absl::Status LogStore::Impl::LoadHardState(raft::HardState* hard_state) const {
  LOCKSTEP_ASSIGN_OR_RETURN(
      Statement select,
      connection_->Prepare("SELECT current_term, voted_for, checksum FROM hard_state"));
  LOCKSTEP_ASSIGN_OR_RETURN(const bool row, select.Step());
  if (!row) {
    return Damage("table hard_state: its row is missing");
  }
  *hard_state = {{select.Integer(0)}, {select.Integer(1)}};
  if (select.Integer(2) != ChecksumOf(*hard_state)) {
    return Damage("table hard_state, row 1: wrong checksum");
  }
  LOCKSTEP_ASSIGN_OR_RETURN(const bool more, select.Step());
  return more ? Damage("table hard_state: more than one row") : absl::OkStatus();
}

absl::Status LogStore::Impl::LoadBase(raft::LogPosition* base) const {
  LOCKSTEP_ASSIGN_OR_RETURN(Statement select,
                            connection_->Prepare("SELECT log_index, term, checksum FROM base"));
  LOCKSTEP_ASSIGN_OR_RETURN(const bool row, select.Step());
  if (!row) {
    return Damage("table base: its row is missing");
  }
  *base = {{select.Integer(0)}, {select.Integer(1)}};
  if (select.Integer(2) != ChecksumOf(*base)) {
    return Damage("table base, row 1: wrong checksum");
  }
  LOCKSTEP_ASSIGN_OR_RETURN(const bool more, select.Step());
  return more ? Damage("table base: more than one row") : absl::OkStatus();
}

absl::Status LogStore::Impl::LoadEntries(raft::DurableState* state) const {
  LOCKSTEP_ASSIGN_OR_RETURN(
      Statement select,
      connection_->Prepare("SELECT log_index, term, time, kind, payload, checksum FROM entry WHERE "
                           "log_index > ? ORDER BY log_index"));
  select.Bind(1, state->base.index.value);
  raft::LogPosition previous = state->base;
  ClusterTime previous_time;
  while (true) {
    LOCKSTEP_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) {
      return absl::OkStatus();
    }
    raft::Entry entry;
    entry.index = {select.Integer(0)};
    entry.term = {select.Integer(1)};
    entry.time = {select.Integer(2)};
    const std::uint64_t kind = select.Integer(3);
    const std::string_view payload = select.Blob(4);
    const auto damage = [&](const char* what) {
      return Damage(absl::StrFormat("table entry, log_index %d: %s", entry.index.value, what));
    };
    if (select.Integer(5) != ChecksumOf(entry.index, entry.term, entry.time, kind, payload)) {
      return damage("wrong checksum");
    }
    if (!IsKind(kind)) {
      return damage("an entry of unknown kind");
    }
    if (entry.index != previous.index.Next()) {
      return damage("the entry before it is missing");
    }
    if (entry.term < previous.term) {
      return damage("its term is below that of the entry before it");
    }
    if (entry.time < previous_time) {
      return damage("its time is below that of the entry before it");
    }
    entry.kind = static_cast<raft::EntryKind>(kind);
    entry.payload = Bytes(std::string(payload));
    previous = {entry.index, entry.term};
    previous_time = entry.time;
    state->entries.push_back(std::move(entry));
  }
}

absl::Status LogStore::Impl::TryStartWriting() {
  CORE_ASSERT(loaded_ && statements_ == nullptr);
  written_ = true;
  LOCKSTEP_RETURN_IF_ERROR(failure_);
  // INVARIANT 3 of storage/database_file.h.
  LOCKSTEP_RETURN_IF_ERROR(connection_->EmptyWal(wal_frames_));
  LOCKSTEP_RETURN_IF_ERROR(connection_->SetKeepWalOnClose(false));
  connection_->CountWalPages();
  statements_ = std::make_unique<Statements>(*connection_);
  return absl::OkStatus();
}

absl::Status LogStore::Impl::Save(std::span<const raft::Write> writes) {
  CORE_ASSERT(statements_ != nullptr || !failure_.ok());
  LOCKSTEP_RETURN_IF_ERROR(failure_);
  if (writes.empty()) {
    return absl::OkStatus();
  }
  LOCKSTEP_RETURN_IF_ERROR(Remember(TrySave(writes)));
  return Remember(MoveWal(kWalPagesMax));
}

absl::Status LogStore::Impl::Tidy() {
  CORE_ASSERT(statements_ != nullptr || !failure_.ok());
  LOCKSTEP_RETURN_IF_ERROR(failure_);
  return Remember(MoveWal(kWalPagesWorthMoving));
}

absl::Status LogStore::Impl::MoveWal(int pages) {
  if (connection_->wal_pages() < pages) {
    return absl::OkStatus();
  }
  return connection_->CheckpointWal();
}

absl::Status LogStore::Impl::TrySave(std::span<const raft::Write> writes) {
  LOCKSTEP_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(&statements_->transaction));
  std::uint64_t entries_added = 0;
  for (const raft::Write& write : writes) {
    CORE_ASSERT(last_write_ == WriteId() || write.id == last_write_.Next());
    last_write_ = write.id;
    LOCKSTEP_RETURN_IF_ERROR(SaveOne(write));
    entries_added += write.entries.size();
  }
  LOCKSTEP_RETURN_IF_ERROR(DeleteWaste(entries_added));
  return transaction.Commit();
}

absl::Status LogStore::Impl::SaveOne(const raft::Write& write) {
  if (write.hard_state.has_value() && *write.hard_state != hard_state_) {
    LOCKSTEP_RETURN_IF_ERROR(SaveHardState(*write.hard_state));
  }
  if (write.reset_to.has_value()) {
    LOCKSTEP_RETURN_IF_ERROR(Reset(*write.reset_to));
  }
  if (!write.entries.empty()) {
    LOCKSTEP_RETURN_IF_ERROR(Append(write.entries));
  }
  if (write.compact_to.has_value()) {
    LOCKSTEP_RETURN_IF_ERROR(Compact(*write.compact_to));
  }
  return absl::OkStatus();
}

absl::Status LogStore::Impl::SaveHardState(const raft::HardState& hard_state) {
  // §3.3: a term never decreases, and in one term the vote is given once.
  CORE_ASSERT(hard_state.current_term >= hard_state_.current_term);
  CORE_ASSERT(hard_state.current_term > hard_state_.current_term ||
              hard_state_.voted_for == NodeId());
  hard_state_ = hard_state;
  Statement& set = statements_->set_hard_state;
  set.Bind(1, hard_state.current_term.value);
  set.Bind(2, hard_state.voted_for.value);
  set.Bind(3, ChecksumOf(hard_state));
  return set.Run();
}

absl::Status LogStore::Impl::SaveBase(const raft::LogPosition& base) {
  base_ = base;
  Statement& set = statements_->set_base;
  set.Bind(1, base.index.value);
  set.Bind(2, base.term.value);
  set.Bind(3, ChecksumOf(base));
  return set.Run();
}

absl::Status LogStore::Impl::Reset(const raft::LogPosition& base) {
  LOCKSTEP_RETURN_IF_ERROR(statements_->delete_all.Run());
  last_ = {base, ClusterTime{0}};
  first_row_ = base.index.Next();
  return SaveBase(base);
}

absl::Status LogStore::Impl::Append(const std::vector<raft::Entry>& entries) {
  const Index first = entries.front().index;
  CORE_ASSERT(first > base_.index);
  CORE_ASSERT(first <= last_.position.index.Next());
  CORE_ASSERT(entries.back().index.value <=
              std::uint64_t{std::numeric_limits<std::int64_t>::max()});
  if (first <= last_.position.index) {
    LOCKSTEP_RETURN_IF_ERROR(TruncateFrom(first));
  }
  for (const raft::Entry& entry : entries) {
    CORE_ASSERT(entry.index == last_.position.index.Next());
    CORE_ASSERT(entry.term >= last_.position.term);
    CORE_ASSERT(entry.time >= last_.time);
    LOCKSTEP_RETURN_IF_ERROR(Insert(entry));
    last_ = {{entry.index, entry.term}, entry.time};
  }
  return absl::OkStatus();
}

absl::Status LogStore::Impl::TruncateFrom(Index first) {
  statements_->delete_from.Bind(1, first.value);
  LOCKSTEP_RETURN_IF_ERROR(statements_->delete_from.Run());
  if (first.Previous() == base_.index) {
    last_ = {base_, ClusterTime{0}};
    return absl::OkStatus();
  }
  return FindLast(first.Previous());
}

absl::Status LogStore::Impl::FindLast(Index index) {
  Statement& find = statements_->find_entry;
  find.Bind(1, index.value);
  LOCKSTEP_ASSIGN_OR_RETURN(const bool row, find.Step());
  if (!row) {
    return Damage(absl::StrFormat("table entry, log_index %d: missing", index.value));
  }
  last_ = {{index, Term{find.Integer(0)}}, ClusterTime{find.Integer(1)}};
  find.Reset();
  return absl::OkStatus();
}

absl::Status LogStore::Impl::Insert(const raft::Entry& entry) {
  const auto kind = static_cast<std::uint64_t>(entry.kind);
  const std::string_view payload = entry.payload.view();
  Statement& insert = statements_->insert_entry;
  insert.Bind(1, entry.index.value);
  insert.Bind(2, entry.term.value);
  insert.Bind(3, entry.time.value);
  insert.Bind(4, kind);
  insert.BindBlob(5, payload);
  insert.Bind(6, ChecksumOf(entry.index, entry.term, entry.time, kind, payload));
  return insert.Run();
}

absl::Status LogStore::Impl::Compact(const raft::LogPosition& base) {
  CORE_ASSERT(base.index >= base_.index);
  CORE_ASSERT(base.index <= last_.position.index);
  if (base.index == base_.index) {
    CORE_ASSERT(base.term == base_.term);
    return absl::OkStatus();
  }
  CORE_ASSERT(base.term >= base_.term && base.term <= last_.position.term);
  return SaveBase(base);
}

absl::Status LogStore::Impl::DeleteWaste(std::uint64_t entries_added) {
  if (first_row_ > base_.index) {
    return absl::OkStatus();
  }
  const Index end = std::min(base_.index.Next(), Index{first_row_.value + kWasteRowsPerSave +
                                                       kWasteRowsPerEntry * entries_added});
  statements_->delete_between.Bind(1, first_row_.value);
  statements_->delete_between.Bind(2, end.value);
  LOCKSTEP_RETURN_IF_ERROR(statements_->delete_between.Run());
  first_row_ = end;
  return absl::OkStatus();
}

absl::StatusOr<LogStore> LogStore::Open(const std::string& path, const std::string& vfs,
                                        const Identity& identity, std::uint64_t page_bytes) {
  LOCKSTEP_ASSIGN_OR_RETURN(DatabaseFile file,
                            OpenLocked(path, vfs, LogFormat(), identity, page_bytes));
  return LogStore(std::make_unique<Impl>(std::move(file), identity));
}

LogStore::LogStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LogStore::LogStore(LogStore&&) noexcept = default;
LogStore& LogStore::operator=(LogStore&&) noexcept = default;
LogStore::~LogStore() = default;

bool LogStore::is_new() const { return impl_->is_new(); }
absl::Status LogStore::Create(Incarnation incarnation) { return impl_->Create(incarnation); }
Incarnation LogStore::incarnation() const { return impl_->incarnation(); }
absl::StatusOr<raft::DurableState> LogStore::Load() { return impl_->Load(); }
absl::Status LogStore::StartWriting() { return impl_->StartWriting(); }
absl::Status LogStore::Save(std::span<const raft::Write> writes) { return impl_->Save(writes); }
absl::Status LogStore::Tidy() { return impl_->Tidy(); }
std::uint64_t LogStore::size_bytes() const { return impl_->size_bytes(); }

}  // namespace lockstep::storage
