#include "storage/state_store.h"

#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/str_format.h"
#include "core/assert.h"
#include "core/kv/codec.h"
#include "storage/checksum.h"
#include "storage/database_file.h"
#include "storage/sqlite.h"
#include "storage/status.h"

namespace lockstep::storage {
namespace {

constexpr int kRowSubBits = 16;
static_assert(kv::kCommandOperationsMax <= std::size_t{kRowSubMax} + 1);

// Apply() moves the write-ahead log into the file once it has this many pages, 4 MiB.
constexpr int kWalPagesWorthMoving = 1000;

const Format& StateFormat() {
  static const Format format = {
      .name = "state of Lockstep (state.db)",
      .application_id = 0x4c4b7374,  // "LKst"
      .version = kStateFormatVersion,
      .tables = {
          {"key_value",
           "CREATE TABLE key_value(id INTEGER PRIMARY KEY, key BLOB NOT NULL, value BLOB NOT NULL, "
           "create_revision INTEGER NOT NULL, version INTEGER NOT NULL, checksum INTEGER NOT "
           "NULL)"},
          {"session",
           "CREATE TABLE session(id INTEGER PRIMARY KEY, content BLOB NOT NULL, checksum INTEGER "
           "NOT NULL)"},
          {"summary",
           "CREATE TABLE summary(one INTEGER PRIMARY KEY, applied_index INTEGER NOT NULL, "
           "applied_term INTEGER NOT NULL, time INTEGER NOT NULL, revision INTEGER NOT NULL, "
           "digest "
           "INTEGER NOT NULL, membership_index INTEGER NOT NULL, membership BLOB NOT NULL, "
           "key_count INTEGER NOT NULL, session_count INTEGER NOT NULL, checksum "
           "INTEGER NOT NULL)"},
      }};
  return format;
}

// What the row of `summary` says.
struct StoredSummary {
  kv::Summary summary;
  raft::MembershipAt membership;
  std::uint64_t keys = 0;
  std::uint64_t sessions = 0;
};

std::uint64_t ChecksumOf(const StoredSummary& stored, std::string_view membership) {
  return Checksum(RowKind::kSummary)
      .Add(stored.summary.applied_index.value)
      .Add(stored.summary.applied_term.value)
      .Add(stored.summary.time.value)
      .Add(stored.summary.revision.value)
      .Add(stored.summary.digest)
      .Add(stored.membership.index.value)
      .Add(membership)
      .Add(stored.keys)
      .Add(stored.sessions)
      .value();
}

std::uint64_t ChecksumOfKey(std::uint64_t row_key, std::string_view key, std::string_view value,
                            Revision create_revision, std::uint64_t version) {
  return Checksum(RowKind::kKey)
      .Add(row_key)
      .Add(key)
      .Add(value)
      .Add(create_revision.value)
      .Add(version)
      .value();
}

std::uint64_t ChecksumOfSession(SessionId id, std::string_view content) {
  return Checksum(RowKind::kSession).Add(id.value).Add(content).value();
}

absl::Status Damage(const Connection& connection, std::string_view what) {
  return absl::DataLossError(absl::StrFormat("%s: %s", connection.path(), what));
}

absl::StatusOr<StoredSummary> ReadSummary(const Connection& connection) {
  LOCKSTEP_ASSIGN_OR_RETURN(
      Statement select,
      connection.Prepare("SELECT applied_index, applied_term, time, revision, digest, "
                         "membership_index, membership, key_count, session_count, checksum FROM "
                         "summary"));
  LOCKSTEP_ASSIGN_OR_RETURN(const bool row, select.Step());
  if (!row) {
    return Damage(connection, "table summary: its row is missing");
  }
  StoredSummary stored;
  stored.summary = {.applied_index = {select.Integer(0)},
                    .applied_term = {select.Integer(1)},
                    .time = {select.Integer(2)},
                    .revision = {select.Integer(3)},
                    .digest = select.Integer(4)};
  stored.membership.index = {select.Integer(5)};
  const std::string membership(select.Blob(6));
  stored.keys = select.Integer(7);
  stored.sessions = select.Integer(8);
  if (select.Integer(9) != ChecksumOf(stored, membership)) {
    return Damage(connection, "table summary, row 1: wrong checksum");
  }
  std::optional<raft::Membership> decoded = raft::DecodeMembership(membership);
  if (!decoded.has_value()) {
    return Damage(connection, "table summary, row 1: the membership cannot be read");
  }
  stored.membership.membership = *std::move(decoded);
  LOCKSTEP_ASSIGN_OR_RETURN(const bool more, select.Step());
  if (more) {
    return Damage(connection, "table summary: more than one row");
  }
  return stored;
}

absl::Status ReadKeys(const Connection& connection, kv::Image* image) {
  LOCKSTEP_ASSIGN_OR_RETURN(
      Statement select,
      connection.Prepare("SELECT id, key, value, create_revision, version, checksum FROM key_value "
                         "ORDER BY id"));
  while (true) {
    LOCKSTEP_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) {
      return absl::OkStatus();
    }
    const std::uint64_t row_key = select.Integer(0);
    const std::string_view key = select.Blob(1);
    const std::string_view value = select.Blob(2);
    const Revision create_revision = {select.Integer(3)};
    const std::uint64_t version = select.Integer(4);
    if (select.Integer(5) != ChecksumOfKey(row_key, key, value, create_revision, version)) {
      return Damage(connection, absl::StrFormat("table key_value, id %d: wrong checksum", row_key));
    }
    const kv::RowId id = RowIdOf(row_key);
    image->keys.push_back({id,
                           {.key = std::string(key),
                            .value = std::string(value),
                            .create_revision = create_revision,
                            .mod_revision = id.revision,
                            .version = version}});
  }
}

absl::Status ReadSessions(const Connection& connection, kv::Image* image) {
  LOCKSTEP_ASSIGN_OR_RETURN(
      Statement select,
      connection.Prepare("SELECT id, content, checksum FROM session ORDER BY id"));
  while (true) {
    LOCKSTEP_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) {
      return absl::OkStatus();
    }
    const SessionId id = {select.Integer(0)};
    const std::string_view content = select.Blob(1);
    if (select.Integer(2) != ChecksumOfSession(id, content)) {
      return Damage(connection, absl::StrFormat("table session, id %d: wrong checksum", id.value));
    }
    std::optional<kv::SessionRow> session = kv::DecodeSessionRow(content);
    if (!session.has_value() || session->id != id) {
      return Damage(connection,
                    absl::StrFormat("table session, id %d: content cannot be read", id.value));
    }
    image->sessions.push_back(*std::move(session));
  }
}

// All of the state, of one moment if a transaction is open.
absl::StatusOr<kv::Image> ReadAll(const Connection& connection) {
  LOCKSTEP_ASSIGN_OR_RETURN(const StoredSummary stored, ReadSummary(connection));
  kv::Image image;
  image.summary = stored.summary;
  image.membership = stored.membership;
  LOCKSTEP_RETURN_IF_ERROR(ReadKeys(connection, &image));
  LOCKSTEP_RETURN_IF_ERROR(ReadSessions(connection, &image));
  if (image.keys.size() != stored.keys) {
    return Damage(connection, absl::StrFormat("table key_value: %d rows instead of %d",
                                              image.keys.size(), stored.keys));
  }
  if (image.sessions.size() != stored.sessions) {
    return Damage(connection, absl::StrFormat("table session: %d rows instead of %d",
                                              image.sessions.size(), stored.sessions));
  }
  return image;
}

// Statements of Apply() and Install().
struct Statements {
  explicit Statements(const Connection& connection);

  TransactionStatements transaction;
  Statement set_summary;
  Statement insert_key;
  Statement delete_key;
  Statement delete_all_keys;
  Statement insert_session;
  Statement update_session;
  Statement delete_session;
  Statement delete_all_sessions;
};

Statements::Statements(const Connection& connection)
    : transaction(connection),
      set_summary(connection.Declare(
          "UPDATE summary SET applied_index = ?, applied_term = ?, time = ?, revision = ?, "
          "digest = ?, membership_index = ?, membership = ?, key_count = ?, session_count = ?, "
          "checksum = ?")),
      insert_key(connection.Declare(
          "INSERT INTO key_value(id, key, value, create_revision, version, checksum) "
          "VALUES(?, ?, ?, ?, ?, ?)")),
      delete_key(connection.Declare("DELETE FROM key_value WHERE id = ?")),
      delete_all_keys(connection.Declare("DELETE FROM key_value")),
      insert_session(
          connection.Declare("INSERT INTO session(content, checksum, id) VALUES(?, ?, ?)")),
      update_session(
          connection.Declare("UPDATE session SET content = ?, checksum = ? WHERE id = ?")),
      delete_session(connection.Declare("DELETE FROM session WHERE id = ?")),
      delete_all_sessions(connection.Declare("DELETE FROM session")) {}

}  // namespace

std::uint64_t RowKey(const kv::RowId& id) {
  CORE_ASSERT(id.revision.value <= kRevisionMax);
  CORE_ASSERT(id.sub <= kRowSubMax);
  return id.revision.value << kRowSubBits | id.sub;
}

kv::RowId RowIdOf(std::uint64_t row_key) {
  return {{row_key >> kRowSubBits}, static_cast<std::uint32_t>(row_key & kRowSubMax)};
}

class StateStore::Impl {
 public:
  Impl(DatabaseFile file, std::string vfs, const Identity& identity)
      : vfs_(std::move(vfs)),
        identity_(identity),
        incarnation_(file.incarnation),
        is_new_(file.is_new),
        made_(file.made),
        writer_(std::move(file.connection)) {
    if (!is_new_) {
      wal_frames_ = file.wal_frames;
    }
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    if (written_ && !failure_.ok()) {
      // The file stays as it is. If not even this works, nothing more can be done.
      static_cast<void>(writer_->SetKeepWalOnClose(true));
    }
  }

  bool is_new() const { return is_new_; }
  bool made() const { return made_; }
  Incarnation incarnation() const { return incarnation_; }
  std::uint64_t size_bytes() const { return writer_->size_bytes(); }

  absl::Status SetMade();
  absl::Status Create(const FirstStart& first);
  absl::StatusOr<kv::Image> Load();
  absl::Status StartWriting();
  absl::Status Apply(const kv::Delta& delta);
  absl::Status Install(const kv::Image& image);
  absl::StatusOr<kv::Image> ReadImage();

 private:
  absl::Status TryCreate(const FirstStart& first);
  absl::Status TrySetMade();
  absl::Status TryStartWriting();
  absl::Status OpenReader();
  absl::Status TryApply(const kv::Delta& delta);
  absl::Status TryInstall(const kv::Image& image);
  // Runs a statement whose parameters are the columns in the order of the table.
  static absl::Status Write(const StoredSummary& stored, Statement* statement);
  absl::Status RemoveKey(const kv::RowId& id);
  absl::Status AddKey(const kv::KeyRow& row);
  absl::Status RemoveSession(SessionId id);
  absl::Status AddSession(const kv::SessionRow& row);
  // Adds it or replaces the stored one; `added` says which.
  absl::Status PutSession(const kv::SessionRow& row, bool* added);
  absl::Status MoveWal();
  absl::StatusOr<kv::Image> TryReadImage();

  // Keeps the first error: INVARIANT 2.
  absl::Status Remember(absl::Status status, absl::Status* failure) const;
  absl::Status Remember(absl::Status status) { return Remember(std::move(status), &failure_); }

  std::string vfs_;
  Identity identity_;
  Incarnation incarnation_;
  bool is_new_ = false;
  bool made_ = false;
  std::optional<std::uint64_t> wal_frames_;  // unless this process has written some
  bool loaded_ = false;
  bool written_ = false;  // or tried to
  StoredSummary stored_;  // once loaded

  // Alone and with the lock before StartWriting(); afterwards beside reader_, which closes first.
  std::unique_ptr<Connection> writer_;
  std::unique_ptr<Statements> statements_;  // null before StartWriting()

  absl::Status failure_;

  // The reading thread's own: opened by the first ReadImage().
  std::unique_ptr<Connection> reader_;
  absl::Status reader_failure_;
};

absl::Status StateStore::Impl::Remember(absl::Status status, absl::Status* failure) const {
  if (!status.ok() && failure->ok()) {
    *failure = absl::Status(
        status.code(), absl::StrFormat("%s: not usable since an earlier error: %s", writer_->path(),
                                       std::string(status.message())));
  }
  return status;
}

absl::Status StateStore::Impl::SetMade() {
  CORE_ASSERT(!is_new_ && statements_ == nullptr);
  written_ = true;
  LOCKSTEP_RETURN_IF_ERROR(failure_);
  return Remember(TrySetMade());
}

absl::Status StateStore::Impl::TrySetMade() {
  TransactionStatements statements(*writer_);
  LOCKSTEP_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(&statements));
  LOCKSTEP_RETURN_IF_ERROR(storage::SetMade(*writer_, StateFormat(), identity_, incarnation_));
  LOCKSTEP_RETURN_IF_ERROR(transaction.Commit());
  made_ = true;
  wal_frames_.reset();
  return absl::OkStatus();
}

absl::Status StateStore::Impl::Create(const FirstStart& first) {
  CORE_ASSERT(is_new_);
  written_ = true;
  LOCKSTEP_RETURN_IF_ERROR(failure_);
  return Remember(TryCreate(first));
}

absl::Status StateStore::Impl::TryCreate(const FirstStart& first) {
  TransactionStatements statements(*writer_);
  LOCKSTEP_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(&statements));
  LOCKSTEP_RETURN_IF_ERROR(
      CreateTables(*writer_, StateFormat(), identity_, first.incarnation, false));
  const StoredSummary stored = {.membership = {.membership = first.membership}};
  LOCKSTEP_ASSIGN_OR_RETURN(
      Statement insert,
      writer_->Prepare("INSERT INTO summary(applied_index, applied_term, time, revision, digest, "
                       "membership_index, membership, key_count, session_count, checksum, one) "
                       "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)"));
  LOCKSTEP_RETURN_IF_ERROR(Write(stored, &insert));
  LOCKSTEP_RETURN_IF_ERROR(transaction.Commit());
  is_new_ = false;
  loaded_ = true;
  incarnation_ = first.incarnation;
  stored_ = stored;
  return absl::OkStatus();
}

absl::StatusOr<kv::Image> StateStore::Impl::Load() {
  CORE_ASSERT(!is_new_ && statements_ == nullptr);
  LOCKSTEP_RETURN_IF_ERROR(failure_);
  absl::StatusOr<kv::Image> image = ReadAll(*writer_);
  LOCKSTEP_RETURN_IF_ERROR(Remember(image.status()));
  stored_ = {image->summary, image->membership, image->keys.size(), image->sessions.size()};
  loaded_ = true;
  return image;
}

absl::Status StateStore::Impl::StartWriting() {
  CORE_ASSERT(loaded_ && statements_ == nullptr);
  written_ = true;
  LOCKSTEP_RETURN_IF_ERROR(failure_);
  return Remember(TryStartWriting());
}

// A connection that has read in exclusive locking mode cannot leave it: it makes room for one that
// shares the file.
absl::Status StateStore::Impl::TryStartWriting() {
  const std::string path = writer_->path();
  // INVARIANT 3 of storage/database_file.h.
  LOCKSTEP_RETURN_IF_ERROR(writer_->EmptyWal(wal_frames_));
  LOCKSTEP_RETURN_IF_ERROR(writer_->SetKeepWalOnClose(false));
  LOCKSTEP_ASSIGN_OR_RETURN(auto writer, Connection::Open(path, vfs_, Connection::Mode::kExisting));
  writer_ = std::move(writer);
  LOCKSTEP_RETURN_IF_ERROR(SetDurable(*writer_));
  LOCKSTEP_RETURN_IF_ERROR(CheckWalMode(*writer_));
  LOCKSTEP_RETURN_IF_ERROR(writer_->SetPragma("cell_size_check", "ON", "1"));
  writer_->CountWalPages();
  statements_ = std::make_unique<Statements>(*writer_);
  return absl::OkStatus();
}

absl::Status StateStore::Impl::OpenReader() {
  LOCKSTEP_ASSIGN_OR_RETURN(auto reader,
                            Connection::Open(writer_->path(), vfs_, Connection::Mode::kExisting));
  LOCKSTEP_RETURN_IF_ERROR(reader->SetKeepWalOnClose(true));
  LOCKSTEP_RETURN_IF_ERROR(reader->SetPragma("query_only", "ON", "1"));
  LOCKSTEP_RETURN_IF_ERROR(reader->SetPragma("cell_size_check", "ON", "1"));
  reader_ = std::move(reader);
  return absl::OkStatus();
}

absl::Status StateStore::Impl::Apply(const kv::Delta& delta) {
  LOCKSTEP_RETURN_IF_ERROR(failure_);
  CORE_ASSERT(statements_ != nullptr);
  LOCKSTEP_RETURN_IF_ERROR(Remember(TryApply(delta)));
  return Remember(MoveWal());
}

absl::Status StateStore::Impl::Install(const kv::Image& image) {
  LOCKSTEP_RETURN_IF_ERROR(failure_);
  CORE_ASSERT(statements_ != nullptr);
  LOCKSTEP_RETURN_IF_ERROR(Remember(TryInstall(image)));
  return Remember(MoveWal());
}

absl::Status StateStore::Impl::MoveWal() {
  if (writer_->wal_pages() < kWalPagesWorthMoving) {
    return absl::OkStatus();
  }
  return writer_->CheckpointWal();
}

absl::Status StateStore::Impl::TryApply(const kv::Delta& delta) {
  CORE_ASSERT(delta.summary.applied_index >= stored_.summary.applied_index);
  CORE_ASSERT(delta.summary.revision >= stored_.summary.revision);
  StoredSummary stored = {delta.summary, delta.membership, stored_.keys, stored_.sessions};
  LOCKSTEP_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(&statements_->transaction));
  for (const kv::RowId& id : delta.removed_keys) {
    LOCKSTEP_RETURN_IF_ERROR(RemoveKey(id));
  }
  for (const kv::KeyRow& row : delta.added_keys) {
    LOCKSTEP_RETURN_IF_ERROR(AddKey(row));
  }
  for (const SessionId id : delta.removed_sessions) {
    LOCKSTEP_RETURN_IF_ERROR(RemoveSession(id));
  }
  for (const kv::SessionRow& row : delta.changed_sessions) {
    bool added = false;
    LOCKSTEP_RETURN_IF_ERROR(PutSession(row, &added));
    stored.sessions += added ? 1 : 0;
  }
  // Each removed row was there, or there was an error.
  stored.keys = stored.keys + delta.added_keys.size() - delta.removed_keys.size();
  stored.sessions -= delta.removed_sessions.size();
  LOCKSTEP_RETURN_IF_ERROR(Write(stored, &statements_->set_summary));
  LOCKSTEP_RETURN_IF_ERROR(transaction.Commit());
  stored_ = stored;
  return absl::OkStatus();
}

absl::Status StateStore::Impl::TryInstall(const kv::Image& image) {
  const StoredSummary stored = {image.summary, image.membership, image.keys.size(),
                                image.sessions.size()};
  LOCKSTEP_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(&statements_->transaction));
  LOCKSTEP_RETURN_IF_ERROR(statements_->delete_all_keys.Run());
  LOCKSTEP_RETURN_IF_ERROR(statements_->delete_all_sessions.Run());
  for (const kv::KeyRow& row : image.keys) {
    LOCKSTEP_RETURN_IF_ERROR(AddKey(row));
  }
  for (const kv::SessionRow& row : image.sessions) {
    LOCKSTEP_RETURN_IF_ERROR(AddSession(row));
  }
  LOCKSTEP_RETURN_IF_ERROR(Write(stored, &statements_->set_summary));
  LOCKSTEP_RETURN_IF_ERROR(transaction.Commit());
  stored_ = stored;
  return absl::OkStatus();
}

absl::Status StateStore::Impl::Write(const StoredSummary& stored, Statement* statement) {
  Statement& set = *statement;
  const std::string membership = raft::EncodeMembership(stored.membership.membership);
  set.Bind(1, stored.summary.applied_index.value);
  set.Bind(2, stored.summary.applied_term.value);
  set.Bind(3, stored.summary.time.value);
  set.Bind(4, stored.summary.revision.value);
  set.Bind(5, stored.summary.digest);
  set.Bind(6, stored.membership.index.value);
  set.BindBlob(7, membership);
  set.Bind(8, stored.keys);
  set.Bind(9, stored.sessions);
  set.Bind(10, ChecksumOf(stored, membership));
  return set.Run();
}

absl::Status StateStore::Impl::RemoveKey(const kv::RowId& id) {
  Statement& remove = statements_->delete_key;
  remove.Bind(1, RowKey(id));
  LOCKSTEP_RETURN_IF_ERROR(remove.Run());
  // Load() has counted the rows: what is gone since was lost by the file, or never there.
  if (writer_->rows_changed() != 1) {
    return Damage(*writer_, absl::StrFormat("table key_value, id %d: missing", RowKey(id)));
  }
  return absl::OkStatus();
}

absl::Status StateStore::Impl::AddKey(const kv::KeyRow& row) {
  const kv::KeyValue& key_value = row.key_value;
  CORE_ASSERT(key_value.mod_revision == row.id.revision);
  const std::uint64_t row_key = RowKey(row.id);
  Statement& insert = statements_->insert_key;
  insert.Bind(1, row_key);
  insert.BindBlob(2, key_value.key);
  insert.BindBlob(3, key_value.value);
  insert.Bind(4, key_value.create_revision.value);
  insert.Bind(5, key_value.version);
  insert.Bind(6, ChecksumOfKey(row_key, key_value.key, key_value.value, key_value.create_revision,
                               key_value.version));
  return insert.Run();
}

absl::Status StateStore::Impl::RemoveSession(SessionId id) {
  Statement& remove = statements_->delete_session;
  remove.Bind(1, id.value);
  LOCKSTEP_RETURN_IF_ERROR(remove.Run());
  if (writer_->rows_changed() != 1) {
    return Damage(*writer_, absl::StrFormat("table session, id %d: missing", id.value));
  }
  return absl::OkStatus();
}

absl::Status StateStore::Impl::AddSession(const kv::SessionRow& row) {
  const std::string content = kv::EncodeSessionRow(row);
  Statement& insert = statements_->insert_session;
  insert.BindBlob(1, content);
  insert.Bind(2, ChecksumOfSession(row.id, content));
  insert.Bind(3, row.id.value);
  return insert.Run();
}

absl::Status StateStore::Impl::PutSession(const kv::SessionRow& row, bool* added) {
  const std::string content = kv::EncodeSessionRow(row);
  const std::uint64_t checksum = ChecksumOfSession(row.id, content);
  for (Statement* put : {&statements_->update_session, &statements_->insert_session}) {
    *added = put == &statements_->insert_session;
    put->BindBlob(1, content);
    put->Bind(2, checksum);
    put->Bind(3, row.id.value);
    LOCKSTEP_RETURN_IF_ERROR(put->Run());
    if (writer_->rows_changed() == 1) {
      return absl::OkStatus();
    }
  }
  return Damage(*writer_, absl::StrFormat("table session, id %d: not stored", row.id.value));
}

absl::StatusOr<kv::Image> StateStore::Impl::ReadImage() {
  LOCKSTEP_RETURN_IF_ERROR(reader_failure_);
  absl::StatusOr<kv::Image> image = TryReadImage();
  LOCKSTEP_RETURN_IF_ERROR(Remember(image.status(), &reader_failure_));
  return image;
}

absl::StatusOr<kv::Image> StateStore::Impl::TryReadImage() {
  CORE_ASSERT(statements_ != nullptr);
  if (reader_ == nullptr) {
    LOCKSTEP_RETURN_IF_ERROR(OpenReader());
  }
  // The first row that is read fixes what this transaction sees.
  LOCKSTEP_RETURN_IF_ERROR(reader_->Execute("BEGIN"));
  absl::StatusOr<kv::Image> image = ReadAll(*reader_);
  LOCKSTEP_RETURN_IF_ERROR(reader_->Execute("COMMIT"));
  return image;
}

absl::StatusOr<StateStore> StateStore::Open(const std::string& path, const std::string& vfs,
                                            const Identity& identity, std::uint64_t page_bytes) {
  LOCKSTEP_ASSIGN_OR_RETURN(DatabaseFile file,
                            OpenLocked(path, vfs, StateFormat(), identity, page_bytes));
  return StateStore(std::make_unique<Impl>(std::move(file), vfs, identity));
}

StateStore::StateStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
StateStore::StateStore(StateStore&&) noexcept = default;
StateStore& StateStore::operator=(StateStore&&) noexcept = default;
StateStore::~StateStore() = default;

bool StateStore::is_new() const { return impl_->is_new(); }
bool StateStore::made() const { return impl_->made(); }
absl::Status StateStore::SetMade() { return impl_->SetMade(); }
absl::Status StateStore::Create(const FirstStart& first) { return impl_->Create(first); }
Incarnation StateStore::incarnation() const { return impl_->incarnation(); }
absl::StatusOr<kv::Image> StateStore::Load() { return impl_->Load(); }
absl::Status StateStore::StartWriting() { return impl_->StartWriting(); }
absl::Status StateStore::Apply(const kv::Delta& delta) { return impl_->Apply(delta); }
absl::Status StateStore::Install(const kv::Image& image) { return impl_->Install(image); }
absl::StatusOr<kv::Image> StateStore::ReadImage() { return impl_->ReadImage(); }
std::uint64_t StateStore::size_bytes() const { return impl_->size_bytes(); }

}  // namespace lockstep::storage
