// Log lines and the text they are made of.

#include "server/log.h"

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>

#include <memory>
#include <sstream>
#include <string>

#include "server/text.h"

namespace lockstep::server {
namespace {

const auto kTime = std::chrono::system_clock::time_point(std::chrono::milliseconds(1700000000007));

TEST(FormatLineTest, LogfmtQuotesWhatIsNotOneWord) {
  EXPECT_EQ(FormatLine(LogFormat::kLogfmt, kTime, LogLevel::kInfo,
                       {Field("node", NodeId{1}), Field("term", Term{3})}, "became-leader",
                       {Field("reason", "no quorum \"here\""), Field("plain", "a/b:1"),
                        Field("took_ms", Microseconds(1500)), Field("empty", "")}),
            "time=2023-11-14T22:13:20.007Z level=info node=1 term=3 event=became-leader "
            "reason=\"no quorum \\\"here\\\"\" plain=a/b:1 took_ms=1.500 empty=\"\"");
}

TEST(FormatLineTest, JsonKeepsNumbersNumbers) {
  EXPECT_EQ(FormatLine(LogFormat::kJson, kTime, LogLevel::kWarning, {Field("node", NodeId{1})},
                       "stepped-down", {Field("reason", "line\nbreak"), Field("count", 7)}),
            "{\"time\":\"2023-11-14T22:13:20.007Z\",\"level\":\"warning\",\"node\":1,"
            "\"event\":\"stepped-down\",\"reason\":\"line\\nbreak\",\"count\":7}");
}

TEST(FormatLineTest, AValueCannotBreakTheLine) {
  for (const LogFormat format : {LogFormat::kLogfmt, LogFormat::kJson}) {
    const std::string line = FormatLine(format, kTime, LogLevel::kInfo, {}, "event",
                                        {Field("text", "a\nb\r\tc\x01\xff")});
    EXPECT_EQ(line.find_first_of("\n\r\t\x01\xff"), std::string::npos) << line;
  }
}

class NodeLogTest : public ::testing::Test {
 protected:
  NodeLog Make(LogLevel level) {
    return NodeLog(NodeId{2}, level, LogFormat::kLogfmt,
                   std::make_shared<spdlog::sinks::ostream_sink_mt>(stream_));
  }
  int lines() const {
    const std::string text = stream_.str();
    return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
  }
  std::ostringstream stream_;
};

TEST_F(NodeLogTest, EveryLineCarriesNodeTermAndRole) {
  NodeLog log = Make(LogLevel::kInfo);
  log.SetContext(Term{5}, Role::kLeader);
  log.Write(LogLevel::kInfo, "something", {Field("x", 1)});
  EXPECT_NE(stream_.str().find(" level=info node=2 term=5 role=leader event=something x=1\n"),
            std::string::npos)
      << stream_.str();
}

TEST_F(NodeLogTest, LinesBelowTheLevelAreLeftOut) {
  NodeLog log = Make(LogLevel::kWarning);
  log.Write(LogLevel::kInfo, "quiet");
  log.Write(LogLevel::kWarning, "loud");
  EXPECT_EQ(lines(), 1);
}

TEST_F(NodeLogTest, RepetitionIsCountedInsteadOfWritten) {
  NodeLog log = Make(LogLevel::kInfo);
  for (int i = 0; i < 4; ++i) {
    log.WriteLimited(LogLevel::kInfo, "key", Seconds(3600), "again");
  }
  log.WriteLimited(LogLevel::kInfo, "another key", Seconds(3600), "other");
  EXPECT_EQ(lines(), 2);
  log.WriteLimited(LogLevel::kInfo, "key", Duration{0}, "again");
  EXPECT_NE(stream_.str().find("event=again suppressed=3\n"), std::string::npos) << stream_.str();
}

TEST(TextTest, Utf8IsToldFromOtherBytes) {
  for (const char* good : {"", "a", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"}) {
    EXPECT_TRUE(IsUtf8(good)) << good;
  }
  // A lone tail, a cut sequence, an overlong form, a surrogate, beyond U+10FFFF.
  for (const char* bad : {"\x80", "\xC3", "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80"}) {
    EXPECT_FALSE(IsUtf8(bad));
  }
}

TEST(TextTest, Base64IsThatOfTheRfc) {  // RFC 4648, section 10
  EXPECT_EQ(Base64(""), "");
  EXPECT_EQ(Base64("f"), "Zg==");
  EXPECT_EQ(Base64("fo"), "Zm8=");
  EXPECT_EQ(Base64("foo"), "Zm9v");
  EXPECT_EQ(Base64("foobar"), "Zm9vYmFy");
}

TEST(TextTest, QuotedBytesCanBeReadBack) {
  EXPECT_EQ(Quoted("plain"), "plain");
  EXPECT_EQ(Quoted("two words"), "\"two words\"");
  EXPECT_EQ(Quoted(std::string("\0\xff", 2)), "\"\\x00\\xff\"");
  EXPECT_EQ(Quoted("\xC3\xA4"), "\xC3\xA4");
}

}  // namespace
}  // namespace lockstep::server
