// What a node that joins keeps, so that a crash at any moment changes nothing. That it then becomes
// a member is for tests/e2e/members_test.cc to show.

#include "server/join.h"

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>

#include "server/folder.h"
#include "server/member_file.h"
#include "server/repair.h"
#include "server/sealed_text.h"
#include "storage/node_store.h"
#include "tests/e2e/process.h"
#include "tests/storage/temporary_folder.h"

namespace lockstep::server {
namespace {

TEST(JoinRecordTest, IsReadAsItWasWritten) {
  const JoinRecord records[] = {
      {.cluster = {7}, .incarnation = {42}, .node = {}},
      {.cluster = {7}, .incarnation = {42}, .node = {3}},
      {.cluster = {7}, .incarnation = {INT64_MAX}, .node = {3}, .files_made = true},
      {.cluster = {7},
       .incarnation = {42},
       .repairs = {2},
       .aside = "damaged-20250131T120000Z",
       .damage = "log.db: table entry, log_index 7: wrong checksum",
       .node = {},
       .files_made = false}};
  for (const JoinRecord& record : records) {
    EXPECT_EQ(ParseJoinRecord(ToText(record)), record) << ToText(record);
  }
  EXPECT_EQ(ToText(records[2]),
            "lockstep-join 1\ncluster 7\nincarnation 9223372036854775807\nnode 3\nfiles made\n"
            "checksum 1172894816\n");
  EXPECT_EQ(ToText(records[3]),
            "lockstep-join 1\ncluster 7\nincarnation 42\nrepairs 2\n"
            "aside damaged-20250131T120000Z\n"
            "damage log.db: table entry, log_index 7: wrong checksum\nchecksum 1447710668\n");
}

TEST(JoinRecordTest, NothingElseIsRead) {
  const std::string whole = ToText({.cluster = {7},
                                    .incarnation = {42},
                                    .repairs = {2},
                                    .aside = "damaged-1",
                                    .damage = "gone",
                                    .node = {3},
                                    .files_made = true});
  for (std::size_t end = 0; end < whole.size(); ++end) {
    EXPECT_EQ(ParseJoinRecord(whole.substr(0, end)), std::nullopt) << end;
  }
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string flipped = whole;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
    EXPECT_EQ(ParseJoinRecord(flipped), std::nullopt) << flipped;
  }
  EXPECT_NE(ParseJoinRecord(Seal("lockstep-join 1\ncluster 7\nincarnation 42\n")), std::nullopt);
  for (const char* text : {"", "lockstep-join 2\ncluster 7\nincarnation 42\n",
                           "lockstep-join 1\ncluster 0\nincarnation 42\n",
                           "lockstep-join 1\ncluster 7\nincarnation 9223372036854775808\n",
                           "lockstep-join 1\ncluster 7\nincarnation -1\n",
                           "lockstep-join 1\ncluster 7\nincarnation 42\nfiles made\n",
                           "lockstep-join 1\ncluster 7\nincarnation 42\nrepairs 2\nnode 3\n",
                           "lockstep-join 1\ncluster 7\nincarnation 42\nnode 3\nfiles made\n\n"}) {
    EXPECT_EQ(ParseJoinRecord(Seal(text)), std::nullopt) << text;
  }
}

TEST(MemberFileTest, IsReadAsItWasWrittenOrNotAtAll) {
  MemberFile file{.cluster = {7}, .node = {2}, .membership = {}};
  file.membership.members[{2}] = {
      .voter = true, .priority = 3, .peer_address = "10.0.0.2:1", .client_address = "10.0.0.2:2"};
  file.membership.members[{5}] = {.learner = true, .peer_address = "10.0.0.5:1"};
  file.membership.next_id = {6};
  const std::string whole = ToText(file);
  EXPECT_NE(whole.find("# node 2: 10.0.0.2:1 10.0.0.2:2\n"), std::string::npos) << whole;
  EXPECT_EQ(ParseMemberFile(whole), file);
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string flipped = whole;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
    EXPECT_EQ(ParseMemberFile(flipped), std::nullopt) << flipped;
  }
}

class JoinTest : public ::testing::Test {
 protected:
  // Of a cluster where nobody answers.
  Settings UnansweredSettings() const {
    const std::vector<int> ports = e2e::FreePorts(3);
    const auto port = [&ports](std::size_t n) { return static_cast<std::uint16_t>(ports[n]); };
    Settings settings;
    settings.data_dir = folder_.path() + "/data";
    settings.join = {{"127.0.0.1", port(0)}};
    settings.listen_peer = Address{"127.0.0.1", port(1)};
    settings.listen_client = Address{"127.0.0.1", port(2)};
    return settings;
  }

  std::variant<std::monostate, NodeId, StartFailure> JoinOnce(const Settings& settings) {
    return Join(settings, &log_, [] { return true; });
  }
  // The text of the failure, or what came instead.
  std::string FailureOf(const Settings& settings) {
    const auto joined = JoinOnce(settings);
    const auto* failure = std::get_if<StartFailure>(&joined);
    if (failure == nullptr) {
      return "(none)";
    }
    EXPECT_EQ(failure->code, ExitCode::kDataFolder);
    return failure->text;
  }

  std::string Record(const Settings& settings) const {
    std::ifstream file(settings.data_dir + "/join", std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }

  const storage::TemporaryFolder folder_;
  std::ostringstream log_text_;
  NodeLog log_{NodeId{}, LogLevel::kInfo, LogFormat::kLogfmt,
               std::make_shared<spdlog::sinks::ostream_sink_mt>(log_text_)};
};

TEST_F(JoinTest, TheIncarnationIsKeptBeforeAnybodyIsAsked) {
  const Settings settings = UnansweredSettings();
  EXPECT_TRUE(std::holds_alternative<std::monostate>(JoinOnce(settings)));
  const std::optional<JoinRecord> record = ParseJoinRecord(Record(settings));
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->cluster, settings.cluster_id());
  EXPECT_EQ(record->node, NodeId());
  EXPECT_TRUE(std::holds_alternative<std::monostate>(JoinOnce(settings)));
  EXPECT_EQ(ParseJoinRecord(Record(settings)), record) << "and not drawn again";
}

TEST_F(JoinTest, ANumberThatWasGivenIsUsedWithoutAsking) {
  const Settings settings = UnansweredSettings();
  ASSERT_TRUE(std::holds_alternative<std::monostate>(JoinOnce(settings)));
  JoinRecord record = ParseJoinRecord(Record(settings)).value();
  record.node = {4};
  std::ofstream(settings.data_dir + "/join") << ToText(record);
  for (int i = 0; i < 2; ++i) {
    const auto joined = JoinOnce(settings);
    ASSERT_TRUE(std::holds_alternative<NodeId>(joined)) << FailureOf(settings);
    EXPECT_EQ(std::get<NodeId>(joined), NodeId{4});
  }
  record.files_made = true;
  EXPECT_EQ(ParseJoinRecord(Record(settings)), record);
  const absl::StatusOr<storage::NodeStore> store = storage::NodeStore::Open(
      settings.data_dir, "", {settings.cluster_id(), {4}}, {}, storage::Expect::kFiles);
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ(store->incarnation(), record.incarnation);
  EXPECT_NE(log_text_.str().find("event=join-ignored"), std::string::npos);
}

TEST_F(JoinTest, AFolderThatDoesNotFitIsNamedAndLeftAlone) {
  Settings settings = UnansweredSettings();
  ASSERT_TRUE(std::holds_alternative<std::monostate>(JoinOnce(settings)));
  settings.cluster_name = "other";
  EXPECT_NE(FailureOf(settings).find("named 'other'"), std::string::npos);
  std::ofstream(settings.data_dir + "/join") << "lockstep-join 1\n";
  EXPECT_NE(FailureOf(settings).find("/join: damaged"), std::string::npos);
  EXPECT_EQ(Record(settings), "lockstep-join 1\n");
  std::filesystem::remove(settings.data_dir + "/join");
  std::ofstream(settings.data_dir + "/log.db") << "somebody's";
  EXPECT_NE(FailureOf(settings).find("/log.db: of a node that was not made by joining"),
            std::string::npos);
  settings.data_dir += "2";
  settings.expects_data = true;
  EXPECT_NE(FailureOf(settings).find("has been started before"), std::string::npos);
}

TEST_F(JoinTest, ADamagedRecordIsMadeAnewFromWholeFiles) {
  const Settings settings = UnansweredSettings();
  ASSERT_TRUE(std::holds_alternative<std::monostate>(JoinOnce(settings)));
  JoinRecord record = ParseJoinRecord(Record(settings)).value();
  record.node = {3};
  ASSERT_EQ(ReplaceFile(settings.data_dir + "/join", ToText(record)), "");
  ASSERT_EQ(std::get<NodeId>(JoinOnce(settings)), NodeId{3});
  const std::string whole = Record(settings);
  ASSERT_EQ(ReplaceFile(settings.data_dir + "/join", whole + "x"), "");
  EXPECT_NE(FailureOf(settings).find("damaged"), std::string::npos) << "nobody knows the number";

  MemberFile members{.cluster = settings.cluster_id(), .node = {3}, .membership = {}};
  ASSERT_EQ(ReplaceFile(settings.data_dir + "/members", ToText(members)), "");
  EXPECT_EQ(std::get<NodeId>(JoinOnce(settings)), NodeId{3});
  EXPECT_NE(log_text_.str().find("event=join-record-restored"), std::string::npos);
  EXPECT_EQ(Record(settings), whole);
}

TEST_F(JoinTest, ARepairPutsTheOldFilesAsideBeforeAnybodyIsAsked) {
  Settings settings = UnansweredSettings();
  ASSERT_EQ(MakeFolder(settings.data_dir), "");
  {
    const auto store =
        storage::NodeStore::Open(settings.data_dir, "", {settings.cluster_id(), NodeId{2}});
    ASSERT_TRUE(store.ok()) << store.status();
  }
  settings.node_id = {2};
  EXPECT_EQ(BeginRepair(settings, "read wrongly", &log_), std::nullopt);
  EXPECT_FALSE(RecordDecides(settings.data_dir)) << "the files are whole when they are read again";
  const std::string log = settings.data_dir + "/log.db";
  std::filesystem::rename(log, log + ".away");
  ASSERT_EQ(ReplaceFile(log, std::string(10'000, 'x')), "");
  EXPECT_TRUE(BeginRepair(settings, "damage", &log_).has_value());
  EXPECT_FALSE(RecordDecides(settings.data_dir)) << "not damage, but another program's file";
  std::filesystem::remove(log);
  EXPECT_EQ(BeginRepair(settings, "two\nlines", &log_), std::nullopt);
  ASSERT_TRUE(RecordDecides(settings.data_dir));
  EXPECT_TRUE(std::holds_alternative<std::monostate>(JoinOnce(settings)));
  const JoinRecord record = ParseJoinRecord(Record(settings)).value();
  EXPECT_EQ(record.repairs, NodeId{2});
  EXPECT_EQ(record.damage, "two lines");
  const std::string aside = settings.data_dir + "/" + record.aside;
  EXPECT_TRUE(std::filesystem::exists(aside + "/state.db"));
  EXPECT_TRUE(std::filesystem::exists(aside + "/damage"));
  EXPECT_FALSE(std::filesystem::exists(settings.data_dir + "/state.db"));
}

}  // namespace
}  // namespace lockstep::server
