// Members found by DNS: against a real name server, and against one that answers with anything.

#include "net/srv.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "core/random.h"
#include "net/client.h"
#include "tests/net/fake_kv.h"
#include "tests/net/name_server.h"

namespace lockstep::net {
namespace {

using e2e::FakeNameServer;
using e2e::NameServer;
using Addresses = std::vector<std::string>;

constexpr char kPeers[] = "_lockstep-peer._tcp.example.test";
constexpr char kClients[] = "_lockstep-client._tcp.example.test";

DnsOptions At(const std::string& server, Duration timeout = Seconds(5)) {
  return {.server = server, .timeout = timeout};
}

absl::StatusCode CodeOf(const absl::StatusOr<Addresses>& found) { return found.status().code(); }

class SrvTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!NameServer::IsInstalled()) {
      GTEST_SKIP() << "no dnsmasq: scripts/setup --test installs it";
    }
  }

  NameServer server_;
};

TEST_F(SrvTest, TargetsAreOrderedByPriorityThenWeightThenName) {
  const std::string name = kPeers;
  server_.Serve({name + ",c.example.test,7101,10,1", name + ",B.example.test,7102,10,5",
                 name + ",a.example.test,7101,20,9", name + ",b.example.test,7101,10,1",
                 name + ",b.example.test,7100,10,1",
                 std::string(kClients) + ",d.example.test,7201,0,0"});
  for (const char* domain : {"example.test", "example.test.", "EXAMPLE.test"}) {
    const auto found = LookUpService(kPeerService, domain, At(server_.address()));
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(*found,
              (Addresses{"b.example.test:7102", "b.example.test:7100", "b.example.test:7101",
                         "c.example.test:7101", "a.example.test:7101"}));
  }
  const auto clients = LookUpService(kClientService, "example.test", At(server_.address()));
  ASSERT_TRUE(clients.ok()) << clients.status();
  EXPECT_EQ(*clients, Addresses{"d.example.test:7201"});
}

TEST_F(SrvTest, WhatIsNotThereIsNotFound) {
  server_.Serve({std::string(kPeers) + ",a.example.test,7101",
                 std::string(kClients) + ",,0"});  // "." as target: not offered
  const auto none = LookUpService(kPeerService, "other.test", At(server_.address()));
  EXPECT_EQ(CodeOf(none), absl::StatusCode::kNotFound) << none.status();
  EXPECT_NE(none.status().message().find("_lockstep-peer._tcp.other.test"), std::string::npos)
      << none.status();
  const auto empty = LookUpService(kClientService, "example.test", At(server_.address()));
  EXPECT_EQ(CodeOf(empty), absl::StatusCode::kNotFound) << empty.status();
  // Outside of what it serves, and with nobody to ask, it refuses.
  const auto refused = LookUpService(kPeerService, "example.org", At(server_.address()));
  EXPECT_EQ(CodeOf(refused), absl::StatusCode::kUnavailable) << refused.status();
}

TEST_F(SrvTest, AnAnswerThatIsTooLongForUdpComesOverTcp) {
  std::vector<std::string> records;
  const std::string label(40, 'x');
  for (int i = 0; i < 64; ++i) {
    records.push_back(std::string(kPeers) + "," + label + std::to_string(10 + i) +
                      ".example.test,7101");
  }
  server_.Serve(records);
  const auto found = LookUpService(kPeerService, "example.test", At(server_.address()));
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->size(), 64u);
  records.push_back(std::string(kPeers) + ",one.too.many,7101");
  server_.Serve(records);
  const auto more = LookUpService(kPeerService, "example.test", At(server_.address()));
  EXPECT_EQ(CodeOf(more), absl::StatusCode::kDataLoss) << more.status();
  EXPECT_NE(more.status().message().find("more than 64"), std::string::npos) << more.status();
}

TEST_F(SrvTest, AServerThatIsAwayIsUnavailable) {
  const auto found = LookUpService(kPeerService, "example.test", At(server_.address()));
  EXPECT_EQ(CodeOf(found), absl::StatusCode::kUnavailable) << found.status();
}

// A client that is given a domain finds the members, and finds them again when they have moved.
TEST_F(SrvTest, AClientFindsMembersThatHaveMoved) {
  const auto record = [](const FakeNode& node) {
    const std::string address = node.address();
    return std::string(kClients) + ",localhost," + address.substr(address.rfind(':') + 1);
  };
  const auto cluster = std::make_shared<FakeCluster>();
  ClientOptions options;
  options.discovery_srv = "example.test";
  options.dns = At(server_.address(), Seconds(1));
  options.call_timeout = Milliseconds(500);
  options.backoff_max = Milliseconds(50);
  const auto client = Client::Connect(options);
  ASSERT_TRUE(client.ok()) << client.status();
  const auto nobody = (*client)->Put("key", "0");
  ASSERT_NE(nobody.not_done(), nullptr);
  EXPECT_NE(nobody.not_done()->reason.find("SRV _lockstep-client._tcp.example.test"),
            std::string::npos)
      << nobody.not_done()->reason;

  auto node = std::make_unique<FakeNode>(cluster);
  server_.Serve({record(*node)});
  EXPECT_TRUE((*client)->Put("key", "1", {Seconds(10)}).done());
  auto moved = std::make_unique<FakeNode>(cluster);
  ASSERT_NE(moved->address(), node->address());
  node.reset();
  server_.Serve({record(*moved)});
  EXPECT_TRUE((*client)->Put("key", "2", {Seconds(10)}).done());
  server_.Stop();
  EXPECT_TRUE((*client)->Put("key", "3").done()) << "what is known needs no name server";
}

TEST(SrvClientTest, OptionsAreChecked) {
  const auto error = [](const ClientOptions& options) {
    return std::string(Client::Connect(options).status().message());
  };
  ClientOptions options;
  EXPECT_NE(error(options).find("endpoints"), std::string::npos);
  options.discovery_srv = "a..b";
  EXPECT_NE(error(options).find("'a..b'"), std::string::npos);
  options.discovery_srv = "example.test";
  options.dns.server = "localhost:53";
  EXPECT_NE(error(options).find("'localhost:53'"), std::string::npos);
  options.dns.server = "";
  options.endpoints = {"a:1"};
  EXPECT_NE(error(options).find("contradict"), std::string::npos);
}

TEST(SrvQuestionTest, WhatCannotBeAskedIsNotAsked) {
  for (const char* domain : {"", ".", "a b", "exa/mple", "a..b", "-\n"}) {
    EXPECT_EQ(CodeOf(LookUpService(kPeerService, domain, At("127.0.0.1:1"))),
              absl::StatusCode::kInvalidArgument)
        << domain;
  }
  EXPECT_FALSE(CheckDomain(std::string(64, 'a') + ".test").ok());
  EXPECT_FALSE(CheckDomain(std::string(62, 'a') + "." + std::string(62, 'a') + "." +
                           std::string(62, 'a') + "." + std::string(62, 'a'))
                   .ok())
      << "no room for the service";
  for (const char* server : {"127.0.0.1", "host:53", "127.0.0.1:0", "127.0.0.1:65536", "::1:53",
                             "[::1]", "127.0.0.1:53,1.1.1.1:53", "127.0.0.1:53 "}) {
    EXPECT_FALSE(CheckDnsServer(server).ok()) << server;
  }
  EXPECT_TRUE(CheckDnsServer("127.0.0.1:53").ok());
  EXPECT_TRUE(CheckDnsServer("[::1]:5353").ok());
}

// A question's answer with `records` (encoded) after it.
std::string AnswerTo(std::string question, int records, const std::string& encoded,
                     char flags_low = '\0') {
  question[2] = static_cast<char>(0x81 | (question[2] & 0x01));  // an answer
  question[3] = flags_low;
  question[7] = static_cast<char>(records);
  question[11] = '\0';  // nothing additional
  return question + encoded;
}

// An SRV record of the question's name.
std::string Record(const std::string& target_labels, int port) {
  const std::string data = std::string("\0\1\0\1", 4) + static_cast<char>(port >> 8) +
                           static_cast<char>(port & 0xff) + target_labels;
  return std::string("\xc0\x0c\0\x21\0\1\0\0\0\0", 10) + static_cast<char>(data.size() >> 8) +
         static_cast<char>(data.size() & 0xff) + data;
}

TEST(SrvAnswerTest, ForeignBytesAreChecked) {
  std::string records;
  int count = 1;
  const FakeNameServer server(
      [&](const std::string& question, bool) { return AnswerTo(question, count, records); });
  const auto look_up = [&] {
    return LookUpService(kPeerService, "example.test", At(server.address()));
  };
  records = Record(std::string("\1a\4test\0", 8), 7101);
  const auto good = look_up();
  ASSERT_TRUE(good.ok()) << good.status();
  EXPECT_EQ(*good, Addresses{"a.test:7101"});
  const std::string whole = records;
  for (const std::string& target : {std::string("\3a/b\0", 5), std::string("\3a:1\0", 5),
                                    std::string("\1\n\0", 3), std::string("\3\xc3\xa4\x2c\0", 5)}) {
    records = Record(target, 7101);
    EXPECT_EQ(CodeOf(look_up()), absl::StatusCode::kDataLoss) << target;
  }
  records = Record(std::string("\1a\4test\0", 8), 0);
  EXPECT_EQ(CodeOf(look_up()), absl::StatusCode::kDataLoss) << "port 0";
  records = Record(std::string("\xc0\x2e", 2), 7101);  // a name that points into itself
  EXPECT_FALSE(look_up().ok());
  for (std::size_t end = 0; end < whole.size(); ++end) {
    records = whole.substr(0, end);
    EXPECT_FALSE(look_up().ok()) << "cut at " << end;
  }
  records = "";
  count = 0;
  EXPECT_EQ(CodeOf(look_up()), absl::StatusCode::kNotFound) << "no records";
}

TEST(SrvAnswerTest, NoAnswerEndsByTheDeadline) {
  const FakeNameServer silent([](const std::string&, bool) { return std::nullopt; });
  const auto begin = std::chrono::steady_clock::now();
  const auto found =
      LookUpService(kPeerService, "example.test", At(silent.address(), Milliseconds(300)));
  EXPECT_EQ(CodeOf(found), absl::StatusCode::kDeadlineExceeded) << found.status();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

// Somebody else's answer is not taken for one, and one that says that it is cut is asked for again
// over TCP, which then hangs up.
TEST(SrvAnswerTest, AnswersOfOthersAndCutOnesAreNotBelieved) {
  const std::string record = Record(std::string("\1a\4test\0", 8), 7101);
  const FakeNameServer other([&](std::string question, bool) {
    question[0] = static_cast<char>(question[0] ^ 1);
    return AnswerTo(question, 1, record);
  });
  EXPECT_EQ(
      CodeOf(LookUpService(kPeerService, "example.test", At(other.address(), Milliseconds(300)))),
      absl::StatusCode::kDeadlineExceeded);
  const FakeNameServer cut([&](std::string question, bool over_tcp) -> std::optional<std::string> {
    if (over_tcp) {
      return std::nullopt;
    }
    std::string answer = AnswerTo(question, 1, record);
    answer[2] = static_cast<char>(answer[2] | 0x02);
    return answer;
  });
  EXPECT_FALSE(
      LookUpService(kPeerService, "example.test", At(cut.address(), Milliseconds(2000))).ok());
}

// Whatever the bytes, there is an answer in time and no crash (the sanitizers watch).
TEST(SrvAnswerTest, GarbageIsNeverATarget) {
  Random random(7);
  const FakeNameServer server([&](std::string question, bool) {
    std::string records;
    const std::size_t size = random.Below(200);
    for (std::size_t i = 0; i < size; ++i) {
      records += static_cast<char>(random.Below(256));
    }
    return AnswerTo(question, static_cast<int>(random.Below(4)), records);
  });
  for (int i = 0; i < 300; ++i) {
    const auto found =
        LookUpService(kPeerService, "example.test", At(server.address(), Milliseconds(500)));
    EXPECT_FALSE(found.ok()) << "by chance a target: " << found->front();
  }
}

}  // namespace
}  // namespace lockstep::net
