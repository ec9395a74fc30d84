// Opening what must not be opened gives an error that names the file and the cause, and changes
// nothing.

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "storage/node_store.h"
#include "tests/storage/temporary_folder.h"

namespace lockstep::storage {
namespace {

constexpr Identity kIdentity = {{7}, {2}};

absl::Status OpenAs(const TemporaryFolder& folder, const Identity& identity) {
  return NodeStore::Open(folder.path(), "", identity).status();
}

void MakeNode(const TemporaryFolder& folder) {
  auto store = NodeStore::Open(folder.path(), "", kIdentity);
  ASSERT_TRUE(store.ok()) << store.status();
  raft::Write write;
  write.id = {1};
  write.hard_state = raft::HardState{{1}, {2}};
  write.entries.push_back({{1}, {1}, {5}, raft::EntryKind::kCommand, Bytes("a")});
  ASSERT_TRUE(store->log().Save({&write, 1}).ok());
  kv::Delta delta;
  delta.summary.applied_index = {1};
  ASSERT_TRUE(store->state().Apply(delta).ok());
}

// The files of a node that was killed: with write-ahead logs that hold acknowledged writes.
void MakeKilledNode(const TemporaryFolder& folder) {
  MakeNode(folder);
  const TemporaryFolder live;
  live.Restore(folder.Contents());
  auto store = NodeStore::Open(live.path(), "", kIdentity);
  ASSERT_TRUE(store.ok()) << store.status();
  raft::Write write;
  write.id = {1};
  write.entries.push_back({{2}, {1}, {6}, raft::EntryKind::kCommand, Bytes("b")});
  ASSERT_TRUE(store->log().Save({&write, 1}).ok());
  kv::Delta delta;
  delta.summary.applied_index = {2};
  ASSERT_TRUE(store->state().Apply(delta).ok());
  auto contents = live.Contents();
  contents.erase("state.db-shm");
  folder.Restore(contents);
}

// Runs SQL on a file with a connection of its own.
void Execute(const std::string& path, const std::string& sql) {
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
  char* error = nullptr;
  EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, &error), SQLITE_OK)
      << sql << ": " << error;
  ASSERT_EQ(sqlite3_close(database), SQLITE_OK);
}

// Opening is refused with this code, and a text that holds `file` and `cause`; no file is changed,
// made or removed.
void ExpectRefused(const TemporaryFolder& folder, const Identity& identity, absl::StatusCode code,
                   const std::string& file, const std::string& cause) {
  const auto before = folder.Contents();
  const absl::Status status = OpenAs(folder, identity);
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_NE(std::string(status.message()).find(folder / file), std::string::npos) << status;
  EXPECT_NE(std::string(status.message()).find(cause), std::string::npos) << status;
  const auto after = folder.Contents();
  for (const auto& [name, bytes] : before) {
    EXPECT_TRUE(after.contains(name)) << name << " is gone";
  }
  for (const auto& [name, bytes] : after) {
    EXPECT_TRUE(before.contains(name)) << name << " was made";
    EXPECT_TRUE(!before.contains(name) || before.at(name) == bytes) << name << " was changed";
  }
}

// Each test on the files of a node that was stopped, and of one that was killed.
class RefusalTest : public testing::TestWithParam<bool> {
 protected:
  RefusalTest() { GetParam() ? MakeKilledNode(folder_) : MakeNode(folder_); }

  // What was refused had lost nothing.
  void ExpectStillUsable() {
    auto store = NodeStore::Open(folder_.path(), "", kIdentity);
    ASSERT_TRUE(store.ok()) << store.status();
    const std::uint64_t last = GetParam() ? 2 : 1;
    const StoredState stored = store->TakeStored();
    EXPECT_EQ(stored.log.entries.size(), last);
    EXPECT_EQ(stored.image.summary.applied_index, Index{last});
  }

  TemporaryFolder folder_;
};

INSTANTIATE_TEST_SUITE_P(Files, RefusalTest, testing::Bool(),
                         [](const auto& files) { return files.param ? "Killed" : "Stopped"; });

TEST_P(RefusalTest, NamesBothIdentitiesWhenTheFilesAreAnotherNodes) {
  const auto code = absl::StatusCode::kFailedPrecondition;
  ExpectRefused(folder_, {{7}, {3}}, code, "log.db",
                "belongs to node 2 of cluster 7, not to node 3 of cluster 7");
  ExpectRefused(folder_, {{8}, {2}}, code, "log.db",
                "belongs to node 2 of cluster 7, not to node 2 of cluster 8");
  ExpectStillUsable();
}

TEST_P(RefusalTest, FindsThatOneOfTheFilesIsAnotherNodes) {
  const TemporaryFolder other;
  ASSERT_TRUE(OpenAs(other, {{7}, {3}}).ok());
  auto contents = folder_.Contents();
  contents.erase("state.db-wal");
  contents["state.db"] = other.Contents().at("state.db");
  folder_.Restore(contents);
  ExpectRefused(folder_, kIdentity, absl::StatusCode::kFailedPrecondition, "state.db",
                "belongs to node 3 of cluster 7, not to node 2 of cluster 7");
}

TEST_P(RefusalTest, FindsThatOneOfTheFilesIsOfAnotherLifeOfTheNode) {
  const TemporaryFolder other;
  ASSERT_TRUE(NodeStore::Open(other.path(), "", kIdentity, {.incarnation = {5}}).ok());
  auto contents = folder_.Contents();
  contents.erase("state.db-wal");
  contents["state.db"] = other.Contents().at("state.db");
  folder_.Restore(contents);
  ExpectRefused(folder_, kIdentity, absl::StatusCode::kDataLoss, "log.db",
                "one of the two was replaced");
}

TEST_P(RefusalTest, NamesANewerAndAnOlderFormat) {
  for (const char* name : {"log.db", "state.db"}) {
    const auto contents = folder_.Contents();
    Execute(folder_ / name, "PRAGMA user_version = 3");
    ExpectRefused(folder_, kIdentity, absl::StatusCode::kDataLoss, name,
                  "the header is damaged: format 0x3");
    Execute(folder_ / name, "UPDATE identity SET checksum = 1");  // as that of another format is
    ExpectRefused(folder_, kIdentity, absl::StatusCode::kFailedPrecondition, name,
                  "format 3 is newer than 2");
    folder_.Restore(contents);
    Execute(folder_ / name, "PRAGMA user_version = 1");
    Execute(folder_ / name, "UPDATE identity SET checksum = 1");
    ExpectRefused(folder_, kIdentity, absl::StatusCode::kFailedPrecondition, name,
                  "format 1 is older than 2");
    folder_.Restore(contents);
  }
  ExpectStillUsable();
}

TEST_P(RefusalTest, TheTwoFilesAreNotMixedUp) {
  auto contents = folder_.Contents();
  std::swap(contents["log.db"], contents["state.db"]);
  std::swap(contents["log.db-wal"], contents["state.db-wal"]);
  if (!GetParam()) {
    contents.erase("log.db-wal");
    contents.erase("state.db-wal");
  }
  folder_.Restore(contents);
  ExpectRefused(folder_, kIdentity, absl::StatusCode::kFailedPrecondition, "log.db",
                "not a Raft log of Lockstep");
}

TEST_P(RefusalTest, ALogThatIsGoneIsNotReplacedByAnEmptyOne) {
  const auto contents = folder_.Contents();
  for (const bool leave_wal : {false, true}) {
    auto without_log = contents;
    without_log.erase("log.db");
    if (!leave_wal) {
      without_log.erase("log.db-wal");
    }
    folder_.Restore(without_log);
    ExpectRefused(folder_, kIdentity, absl::StatusCode::kDataLoss, "log.db", "missing or empty");
    without_log["log.db"] = "";
    folder_.Restore(without_log);
    ExpectRefused(folder_, kIdentity, absl::StatusCode::kDataLoss, "log.db", "missing or empty");
  }
}

TEST_P(RefusalTest, AStateThatIsGoneIsNotReplacedByAnEmptyOne) {
  const auto contents = folder_.Contents();
  for (const bool leave_wal : {false, true}) {
    auto without_state = contents;
    without_state.erase("state.db");
    if (!leave_wal) {
      without_state.erase("state.db-wal");
    }
    folder_.Restore(without_state);
    ExpectRefused(folder_, kIdentity, absl::StatusCode::kDataLoss, "state.db", "missing or empty");
    without_state["state.db"] = "";
    folder_.Restore(without_state);
    ExpectRefused(folder_, kIdentity, absl::StatusCode::kDataLoss, "state.db", "missing or empty");
  }
}

TEST_P(RefusalTest, AnotherProgramsFileIsNotTouched) {
  const auto healthy = folder_.Contents();
  for (const char* name : {"log.db", "state.db"}) {
    auto contents = healthy;
    contents.erase(std::string(name) + "-wal");
    contents[name] = "A text that somebody keeps here, longer than SQLite's header of 100 bytes: " +
                     std::string(1000, '.');
    folder_.Restore(contents);
    ExpectRefused(folder_, kIdentity, absl::StatusCode::kFailedPrecondition, name,
                  "file is not a database");
  }
}

TEST_P(RefusalTest, AnotherProgramsDatabaseIsNotTouched) {
  const auto healthy = folder_.Contents();
  for (const char* mode : {"DELETE", "WAL"}) {
    for (const char* name : {"log.db", "state.db"}) {
      auto contents = healthy;
      contents.erase(std::string(name) + "-wal");
      contents.erase(name);
      folder_.Restore(contents);
      Execute(folder_ / name, std::string("PRAGMA journal_mode=") + mode +
                                  "; CREATE TABLE notes(text); INSERT INTO notes VALUES('a')");
      ExpectRefused(folder_, kIdentity, absl::StatusCode::kFailedPrecondition, name,
                    "application id is 0 instead of");
    }
  }
}

TEST_P(RefusalTest, ARollbackJournalOfAnotherProgramIsNotPlayedBack) {
  auto contents = folder_.Contents();
  // Its header says that the database had three pages (sqlite.org/fileformat2.html).
  contents["log.db-journal"] =
      std::string("\xd9\xd5\x05\xf9\x20\xa1\x63\xd7\0\0\0\0\x12\x34\x56\x78\0\0\0\x03\0\0\x02\0",
                  24) +
      std::string(488, '\0');
  folder_.Restore(contents);
  ExpectRefused(folder_, kIdentity, absl::StatusCode::kFailedPrecondition, "log.db-journal",
                "a rollback journal");
  contents.erase("log.db-journal");
  folder_.Restore(contents);
  ExpectStillUsable();
}

TEST_P(RefusalTest, ASecondStoreInTheSameProcessIsRefused) {
  auto store = NodeStore::Open(folder_.path(), "", kIdentity);
  ASSERT_TRUE(store.ok()) << store.status();
  ExpectRefused(folder_, kIdentity, absl::StatusCode::kUnavailable, "log.db",
                "another process or connection uses it");
}

TEST_P(RefusalTest, ASecondProcessIsRefused) {
  int ready[2];
  int done[2];
  ASSERT_EQ(pipe(ready), 0);
  ASSERT_EQ(pipe(done), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    char byte = 0;
    {
      auto store = NodeStore::Open(folder_.path(), "", kIdentity);
      byte = store.ok() ? 'y' : 'n';
      if (write(ready[1], &byte, 1) != 1 || read(done[0], &byte, 1) != 1) {
        _exit(2);
      }
    }
    _exit(0);
  }
  char opened = 0;
  ASSERT_EQ(read(ready[0], &opened, 1), 1);
  EXPECT_EQ(opened, 'y');
  ExpectRefused(folder_, kIdentity, absl::StatusCode::kUnavailable, "log.db",
                "another process or connection uses it");
  ASSERT_EQ(write(done[1], &opened, 1), 1);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  for (const int descriptor : {ready[0], ready[1], done[0], done[1]}) {
    close(descriptor);
  }
  ExpectStillUsable();
}

TEST_P(RefusalTest, AStateWithAnotherSchemaIsDamaged) {
  const auto contents = folder_.Contents();
  for (const char* change :
       {"CREATE TABLE more(a)", "CREATE INDEX more ON key_value(key)", "DROP TABLE session",
        "ALTER TABLE session RENAME COLUMN content TO contents"}) {
    Execute(folder_ / "state.db", change);
    ExpectRefused(folder_, kIdentity, absl::StatusCode::kDataLoss, "state.db",
                  "table sqlite_schema");
    folder_.Restore(contents);
  }
}

// What somebody does to rows by hand is found as damage, by table and row.
TEST_P(RefusalTest, NamesTheTableAndTheRowOfWrongData) {
  const struct {
    const char* file;
    const char* change;
    const char* cause;
  } kCases[] = {
      {"log.db", "UPDATE entry SET payload = 'z'", "table entry, log_index 1: wrong checksum"},
      {"log.db", "UPDATE entry SET kind = 1", "table entry, log_index 1: wrong checksum"},
      {"log.db", "UPDATE entry SET log_index = 7 WHERE log_index = 1", "table entry, log_index"},
      {"log.db", "UPDATE hard_state SET voted_for = 3", "table hard_state, row 1: wrong checksum"},
      {"log.db", "DELETE FROM hard_state", "table hard_state: its row is missing"},
      {"log.db", "UPDATE base SET term = 3", "table base, row 1: wrong checksum"},
      {"log.db", "DELETE FROM base", "table base: its row is missing"},
      {"log.db", "UPDATE identity SET node = 3", "table identity, row 1: wrong checksum"},
      {"log.db", "DELETE FROM identity", "table identity: its row is missing"},
      {"state.db", "UPDATE summary SET digest = 3", "table summary, row 1: wrong checksum"},
      {"state.db", "DELETE FROM summary", "table summary: its row is missing"},
      {"state.db", "UPDATE identity SET made = 0", "table identity, row 1: wrong checksum"},
      {"state.db", "INSERT INTO key_value VALUES(1, 'a', 'b', 1, 1, 1)",
       "table key_value, id 1: wrong checksum"},
      {"state.db", "INSERT INTO session VALUES(1, 'a', 1)", "table session, id 1: wrong checksum"},
  };
  const auto contents = folder_.Contents();
  for (const auto& c : kCases) {
    Execute(folder_ / c.file, c.change);
    ExpectRefused(folder_, kIdentity, absl::StatusCode::kDataLoss, c.file, c.cause);
    folder_.Restore(contents);
  }
  ExpectStillUsable();
}

// Root may do everything; as somebody else a test sees what permissions do.
class AsNobody {
 public:
  AsNobody() { changed_ = geteuid() == 0 && seteuid(65'534) == 0; }
  ~AsNobody() {
    if (changed_ && seteuid(0) != 0) {
      ADD_FAILURE() << "cannot become root again";
    }
  }

 private:
  bool changed_;
};

TEST_P(RefusalTest, FilesThatMayNotBeWrittenAreRefused) {
  ASSERT_EQ(chmod(folder_.path().c_str(), 0555), 0);
  for (const auto& [name, bytes] : folder_.Contents()) {
    ASSERT_EQ(chmod((folder_ / name).c_str(), 0444), 0);
  }
  const AsNobody nobody;
  const auto before = folder_.Contents();
  const absl::Status status = OpenAs(folder_, kIdentity);
  EXPECT_FALSE(status.ok());
  EXPECT_NE(std::string(status.message()).find(folder_ / "log.db"), std::string::npos) << status;
  EXPECT_EQ(folder_.Contents(), before);
}

TEST(RefusalWithoutFilesTest, AFolderThatMayNotBeWrittenIsRefused) {
  const TemporaryFolder folder;
  ASSERT_EQ(chmod(folder.path().c_str(), 0555), 0);
  const AsNobody nobody;
  ExpectRefused(folder, kIdentity, absl::StatusCode::kFailedPrecondition, "log.db",
                "unable to open database file");
}

TEST(RefusalWithoutFilesTest, AFolderThatDoesNotExistIsRefused) {
  const TemporaryFolder folder;
  const absl::Status status = NodeStore::Open(folder / "none", "", kIdentity).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(std::string(status.message()).find(folder / "none/log.db"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(folder / "none"));
}

TEST(RefusalWithoutFilesTest, AFolderInPlaceOfAFileIsRefused) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "log.db");
  const absl::Status status = OpenAs(folder, kIdentity);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_NE(std::string(status.message()).find(folder / "log.db"), std::string::npos) << status;
  EXPECT_TRUE(folder.Contents().empty());
}

TEST(RefusalWithoutFilesTest, AnUnknownVfsIsRefused) {
  const TemporaryFolder folder;
  const absl::Status status = NodeStore::Open(folder.path(), "no-such-vfs", kIdentity).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(std::string(status.message()).find("no-such-vfs"), std::string::npos) << status;
  EXPECT_TRUE(folder.Contents().empty());
}

}  // namespace
}  // namespace lockstep::storage
