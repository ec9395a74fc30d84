#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "core/kv/codec.h"
#include "core/kv/digest.h"
#include "core/kv/machine.h"
#include "core/kv/requests.h"
#include "core/random.h"
#include "tests/core/kv_generators.h"
#include "tests/core/kv_log.h"

namespace lockstep::kv {
namespace {

std::string Hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

Transact FullTransact() {
  Transact transact{SessionId{300}, 7, 5, {}};
  transact.transaction.conditions = {
      {"k", Target::kValue, Comparison::kEqual, "v", 0},
      {"k", Target::kVersion, Comparison::kNotEqual, "", 1},
      {"k", Target::kCreateRevision, Comparison::kLess, "", 2},
      {"k", Target::kModRevision, Comparison::kGreater, "", 300},
  };
  transact.transaction.then = {Get{"k"}, Put{"k", "w"}, Delete{"k"}};
  transact.transaction.otherwise = {Get{""}, Put{"", ""}, Delete{""}};
  return transact;
}

SessionRow FullSessionRow() {
  SessionRow row{SessionId{3}, Seconds(10), ClusterTime{99}, 1, {}};
  row.replies[2] = TransactionResult{
      true, {5}, {GetResult{KeyValue{"k", "v", {2}, {3}, 2}}, PutResult{}, DeleteResult{}}};
  row.replies[4] = TransactionResult{false, {6}, {}};
  return row;
}

Image FullImage() {
  Image image;
  image.summary = {Index{9}, Term{2}, ClusterTime{100}, Revision{6}, 0x0123456789abcdef};
  image.membership = {Index{7}, raft::MembershipOf({{1}, {2}})};
  image.membership.membership.members.at({1}) = {.voter = true,
                                                 .outgoing = true,
                                                 .priority = 3,
                                                 .incarnation = {9},
                                                 .peer_address = "p:1",
                                                 .client_address = "c:2"};
  image.membership.membership.members.at({2}) = {.learner = true, .promote = true, .replaces = {1}};
  image.keys = {KeyRow{RowId{{3}, 1}, KeyValue{"k", "v", {2}, {3}, 2}}};
  image.sessions = {FullSessionRow()};
  return image;
}

// Whoever changes one of these has changed a format that is on people's disks.
TEST(CodecTest, TheFormatsAreThese) {
  EXPECT_EQ(Hex(EncodeCommand(OpenSession{Duration{1000}})), "0801120308e807");
  EXPECT_EQ(Hex(EncodeCommand(FullTransact())),
            "08011a5508ac0210071805220a0a016b1001180122017622090a016b10021802280122090a01"
            "6b100318032802220a0a016b1004180428ac022a030a016b2a0812060a016b1201772a031a01"
            "6b32020a003202120032021a00");
  EXPECT_EQ(Hex(EncodeSessionRow(FullSessionRow())),
            "080110031880c8afa02520632801322008021001180522100801120c0a016b12017618022003"
            "28022202080222020803320408041806");
  EXPECT_EQ(Hex(EncodeImage(FullImage())),
            "460000000802100918022064280631efcdab8967452301380140014807522b080110031a1b08"
            "011001180138034109000000000000004a03703a315203633a321a0808022001280130011200"
            "0000080310011a0c0a016b12017618022003280236000000080110031880c8afa02520632801"
            "322008021001180522100801120c0a016b120176180220032802220208022202080332040804"
            "18062d6327ce17963ccc");
}

RC_GTEST_PROP(CodecProperty, CommandsSurviveARoundTrip, ()) {
  const Command command = *AnyCommand();
  RC_ASSERT(DecodeCommand(EncodeCommand(command)) == command);
}

RC_GTEST_PROP(CodecProperty, SessionRowsSurviveARoundTrip, ()) {
  const SessionRow row = *AnySessionRow();
  RC_ASSERT(DecodeSessionRow(EncodeSessionRow(row)) == row);
}

RC_GTEST_PROP(CodecProperty, ImagesSurviveARoundTrip, ()) {
  const Image image = *AnyImage();
  RC_ASSERT(DecodeImage(EncodeImage(image)) == image);
}

// What a reader must do with any bytes: refuse them, or read exactly what a writer would write.
void ExpectCommandIsRefusedOrExact(const std::string& bytes) {
  const std::optional<Command> command = DecodeCommand(bytes);
  if (command.has_value()) {
    EXPECT_EQ(EncodeCommand(*command), bytes);
  }
}

void ExpectSessionRowIsRefusedOrExact(const std::string& bytes) {
  const std::optional<SessionRow> row = DecodeSessionRow(bytes);
  if (row.has_value()) {
    EXPECT_EQ(EncodeSessionRow(*row), bytes);
  }
}

std::string Mangle(Random& random, std::string bytes) {
  const std::uint64_t changes = 1 + random.Below(4);
  for (std::uint64_t i = 0; i < changes; ++i) {
    const std::uint64_t position = random.Below(bytes.size() + 1);
    const std::uint64_t kind = random.Below(4);
    const char byte = static_cast<char>(static_cast<unsigned char>(random.Below(256)));
    if (position == bytes.size() || kind == 0) {
      bytes.insert(position, 1, byte);
    } else if (kind == 1) {
      bytes.erase(position, 1 + random.Below(3));
    } else if (kind == 2) {
      bytes[position] = byte;
    } else {
      bytes[position] = static_cast<char>(bytes[position] ^ (1 << random.Below(8)));
    }
  }
  return bytes;
}

TEST(MangledBytesTest, TruncatedCommandsAreRefused) {
  const std::string bytes = EncodeCommand(FullTransact());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(DecodeCommand(bytes.substr(0, size)).has_value()) << size;
  }
}

TEST(MangledBytesTest, TruncatedSessionRowsAreRefusedOrExact) {
  const std::string bytes = EncodeSessionRow(FullSessionRow());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    // One that ends where a reply does is a session with fewer replies: storage's checksum, not
    // the codec, knows better.
    ExpectSessionRowIsRefusedOrExact(bytes.substr(0, size));
  }
}

TEST(MangledBytesTest, MangledCommandsAndSessionRowsAreRefusedOrExact) {
  Random random(1);
  const std::string command = EncodeCommand(FullTransact());
  const std::string row = EncodeSessionRow(FullSessionRow());
  for (int i = 0; i < 50'000; ++i) {
    ExpectCommandIsRefusedOrExact(Mangle(random, command));
    ExpectSessionRowIsRefusedOrExact(Mangle(random, row));
  }
}

TEST(MangledBytesTest, DamagedImagesAreRefused) {
  const std::string bytes = EncodeImage(FullImage());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(DecodeImage(bytes.substr(0, size)).has_value()) << size;
  }
  for (std::size_t position = 0; position < bytes.size(); ++position) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = bytes;
      damaged[position] = static_cast<char>(damaged[position] ^ (1 << bit));
      EXPECT_FALSE(DecodeImage(damaged).has_value()) << position << ", bit " << bit;
    }
  }
  Random random(2);
  for (int i = 0; i < 20'000; ++i) {
    const std::string mangled = Mangle(random, bytes);
    if (mangled == bytes) continue;
    EXPECT_FALSE(DecodeImage(mangled).has_value());
  }
  EXPECT_FALSE(DecodeImage(bytes + '\0').has_value());
}

std::string WithChecksum(std::string bytes) {
  const std::uint64_t checksum = ChecksumOf(bytes);
  for (int i = 0; i < 8; ++i) {
    bytes.push_back(static_cast<char>(static_cast<unsigned char>(checksum >> (8 * i))));
  }
  return bytes;
}

// A checksum says nothing about who wrote the bytes.
TEST(MangledBytesTest, MangledImagesWithARightChecksumAreRefusedOrExact) {
  const std::string whole = EncodeImage(FullImage());
  const std::string bytes = whole.substr(0, whole.size() - 8);
  ASSERT_EQ(WithChecksum(bytes), whole);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(DecodeImage(WithChecksum(bytes.substr(0, size))).has_value()) << size;
  }
  Random random(3);
  int accepted = 0;
  for (int i = 0; i < 50'000; ++i) {
    const std::string mangled = WithChecksum(Mangle(random, bytes));
    const std::optional<Image> image = DecodeImage(mangled);
    if (!image.has_value()) continue;
    ++accepted;
    EXPECT_EQ(EncodeImage(*image), mangled);
    Machine::FromImage(*image);
  }
  EXPECT_GT(accepted, 0) << "else nothing but refusals was tested";
}

TEST(MangledBytesTest, AnImageThatPromisesMoreRowsThanItHasIsRefused) {
  Image image;
  const std::string whole = EncodeImage(image);
  // The header's only field beside version and revision would be the number of keys: tag 0x38.
  std::string header = whole.substr(4, whole.size() - 12);
  header += "\x38\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
  std::string bytes(1, static_cast<char>(static_cast<unsigned char>(header.size())));
  bytes += std::string(3, '\0') + header;
  EXPECT_FALSE(DecodeImage(WithChecksum(bytes)).has_value());
}

// Spellings that protobuf reads as a command, and that no writer of this version writes.
TEST(DecodeCommandTest, RefusesWhatIsNoCommandOfThisVersion) {
  const std::string put = EncodeCommand(Transact{SessionId(), 0, 0, PutTransaction("k", "v")});
  ASSERT_EQ(Hex(put), "08011a0a2a0812060a016b120176");
  ASSERT_TRUE(DecodeCommand(put).has_value());
  struct Case {
    std::string bytes;
    std::string why;
  };
  const auto raw = [](std::string_view hex) {
    const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    std::string bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
      bytes.push_back(static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1])));
    }
    return bytes;
  };
  const Case kCases[] = {
      {"", "nothing"},
      {raw("0801"), "no body"},
      {raw("1a0a2a0812060a016b120176"), "no version"},
      {raw("08021a0a2a0812060a016b120176"), "a newer version"},
      {raw("08001a0a2a0812060a016b120176"), "version 0, spelled out"},
      {raw("0881001a0a2a0812060a016b120176"), "a padded number"},
      {raw("1a0a2a0812060a016b1201760801"), "the version last"},
      {raw("080108011a0a2a0812060a016b120176"), "the version twice"},
      {raw("08011a0a2a0812060a016b1201762001"), "an unknown field"},
      {raw("08011a0c2a0812060a016b1201763801"), "an unknown field of the transaction"},
      {raw("0801120012001a0a2a0812060a016b120176"), "two bodies"},
      {raw("08011a022a00"), "an operation of no kind"},
      {raw("08011a042a022000"), "an operation of an unknown kind"},
      {raw("08011a0922070a016b10051801"), "a condition on an unknown target"},
      {raw("08011a0722050a016b1801"), "a condition without a target"},
      {raw("08011a0922070a016b10011805"), "an unknown comparison"},
      {raw("08011a0722050a016b1001"), "no comparison"},
      {raw("08011a0c0800") + put.substr(4), "a default spelled out"},
      {raw("08011a0c2a0a12060a016b1201761a00"), "a key after a put, in one operation"},
      {raw("08011a0c2a0a12080a016b1201761801"), "an unknown field of a put"},
      {raw("08011a092a0712050a00120176"), "an empty key of a put, spelled out"},
      {raw("08011a0832020a002a020a00"), "the operations of otherwise first"},
      {raw("08011a0b08ffffffffffffffffff02"), "a number of more than 64 bits"},
      {raw("08011a0c08ffffffffffffffffffff01"), "a number of eleven bytes"},
      {raw("08011a0208ff"), "a number that does not end"},
      {raw("0801ff"), "a tag that does not end"},
      {put + '\0', "a byte too many"},
  };
  for (const Case& c : kCases) EXPECT_FALSE(DecodeCommand(c.bytes).has_value()) << c.why;
  EXPECT_TRUE(DecodeCommand(raw("08011a0922070a016b10011801")).has_value())
      << "the condition that the cases above change";
  EXPECT_TRUE(DecodeCommand(raw("08011a0b08ffffffffffffffffff01")).has_value())
      << "the number that a case above makes too large";
}

TEST(DecodeCommandTest, RefusesMoreOperationsThanTheMaximum) {
  for (const int part : {0, 1, 2}) {
    Transact transact;
    const auto fill = [&](std::size_t count) {
      if (part == 0) transact.transaction.conditions.resize(count);
      if (part == 1) transact.transaction.then.assign(count, Get{});
      if (part == 2) transact.transaction.otherwise.assign(count, Get{});
    };
    fill(kCommandOperationsMax);
    for (Condition& condition : transact.transaction.conditions) {
      condition.target = Target::kValue;
    }
    EXPECT_TRUE(DecodeCommand(EncodeCommand(transact)).has_value());
    fill(kCommandOperationsMax + 1);
    EXPECT_FALSE(DecodeCommand(EncodeCommand(transact)).has_value());
  }
}

TEST(DecodeCommandTest, RefusesMoreBytesThanTheMaximum) {
  Transact transact{SessionId(), 0, 0, PutTransaction("k", "")};
  const std::size_t overhead = 64;
  transact.transaction.then = {Put{"k", std::string(kCommandBytesMax - overhead, 'x')}};
  EXPECT_TRUE(DecodeCommand(EncodeCommand(transact)).has_value());
  transact.transaction.then = {Put{"k", std::string(kCommandBytesMax, 'x')}};
  EXPECT_FALSE(DecodeCommand(EncodeCommand(transact)).has_value());
}

TEST(CodecTest, KeepsImagesOfEveryMachine) {
  LoggedMachine m;
  const SessionId session = m.Open();
  m.Transact(session, 1, Transaction{{}, {Put{"\xff\0", "\xfe"}, Get{"k"}, Delete{"k"}}, {}});
  const Image image = m.machine.ToImage();
  EXPECT_EQ(DecodeImage(EncodeImage(image)), image);
}

}  // namespace
}  // namespace lockstep::kv
