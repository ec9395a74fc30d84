// A cluster that grows and shrinks while it works, as operators do it: nodes that join with --join,
// also when they are killed in the middle, one that takes another's place, leadership that moves,
// members that are removed until one is left. Nothing acknowledged is lost, and nobody is added
// twice.

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <string>

#include "tests/e2e/machines.h"
#include "tests/net/name_server.h"
#include "tests/storage/temporary_folder.h"

namespace lockstep::e2e {
namespace {

constexpr int kMachines = 5;
constexpr char kJoining[] = "event=joining";
constexpr char kJoined[] = "event=joined";
constexpr char kReady[] = "event=ready";

TEST(MembersTest, AClusterGrowsIsRenewedAndShrinksWhileItIsWrittenTo) {
  const storage::TemporaryFolder folder;
  Machines machines(folder.path(), kMachines);
  machines.Begin(0);
  machines.WaitForVoters({0});
  Writer writer(machines.NewClient());
  machines.WaitUntil("there are a hundred writes", [&] { return writer.written() > 100; });

  // Killed after it has drawn its incarnation, and again once it knows its number, which may be
  // known from the first time: it is killed while it asks.
  machines.Join(1, 0);
  machines.WaitForLog(1, kJoining);
  machines.Kill(1);
  machines.Join(1, 0);
  machines.WaitUntil("machine 1 knows its number", [&] {
    const std::string log = machines.log(1);
    return log.find(kJoined) != std::string::npos || log.find(kReady) != std::string::npos;
  });
  machines.Kill(1);
  machines.Join(1, 0);
  const std::uint64_t second = machines.WaitForVoters({0, 1}).at(1);
  EXPECT_EQ(second, 2u) << "it was added once";

  machines.Join(2, 1);
  machines.WaitForVoters({0, 1, 2});
  machines.Kill(1);
  machines.Join(1, 2);
  machines.WaitForLog(1, kReady);
  EXPECT_NE(machines.log(1).find("event=join-ignored"), std::string::npos) << machines.log(1);

  // One takes another's place, which learns it.
  machines.Join(3, 2, {"--join-replaces", std::to_string(second)});
  std::map<int, std::uint64_t> ids = machines.WaitForVoters({0, 2, 3});
  EXPECT_EQ(machines.WaitForEnd(1), 7) << machines.log(1);
  EXPECT_NE(machines.log(1).find("event=expelled"), std::string::npos) << machines.log(1);

  const std::string newest = std::to_string(ids.at(3));
  const Result transferred = machines.Ctl({"leader", "transfer", newest});
  EXPECT_EQ(transferred.exit_code, 0) << transferred.err;
  EXPECT_EQ(transferred.out, "leadership went to node " + newest + "\n");
  machines.WaitUntil("node " + newest + " leads", [&] {
    const auto outcome = machines.client().Members();
    return outcome.done() && outcome.value().leader_id() == ids.at(3);
  });

  // The leader goes first, then another one.
  Result removed = machines.Ctl({"member", "remove", newest});
  EXPECT_EQ(removed.exit_code, 0) << removed.err;
  EXPECT_EQ(machines.WaitForEnd(3), 7) << machines.log(3);
  removed = machines.Ctl({"member", "remove", std::to_string(ids.at(0)), "--json"});
  EXPECT_EQ(removed.exit_code, 0) << removed.out << removed.err;
  EXPECT_EQ(machines.WaitForEnd(0), 7) << machines.log(0);
  machines.WaitForVoters({2});
  removed = machines.Ctl({"member", "remove", std::to_string(ids.at(2))});
  EXPECT_EQ(removed.exit_code, 4) << "the last one stays: " << removed.err;

  const int before = writer.written();
  machines.WaitUntil("it is still written to", [&] { return writer.written() > before + 10; });
  writer.Stop();
  EXPECT_EQ(writer.CountLost(&machines.client()), 0);
  std::cout << writer.written() << " writes, the longest wait between two "
            << writer.longest_wait().count() << " ms" << std::endl;
}

// It knows the addresses of nobody who is left, and must answer a leader that it has never heard
// of.
TEST(MembersTest, WhoWasAwayWhileAllOthersWereReplacedIsFound) {
  const storage::TemporaryFolder folder;
  Machines machines(folder.path(), kMachines);
  machines.Begin(0);
  machines.WaitForVoters({0});
  machines.Join(1, 0);
  machines.WaitForVoters({0, 1});
  machines.Join(2, 0);
  const std::map<int, std::uint64_t> ids = machines.WaitForVoters({0, 1, 2});
  machines.Kill(2);
  machines.Join(3, 0, {"--join-replaces", std::to_string(ids.at(0))});
  machines.WaitForVoters({1, 2, 3});
  EXPECT_EQ(machines.WaitForEnd(0), 7) << machines.log(0);
  machines.Join(4, 3, {"--join-replaces", std::to_string(ids.at(1))});
  machines.WaitForVoters({2, 3, 4});
  EXPECT_EQ(machines.WaitForEnd(1), 7) << machines.log(1);
  ASSERT_TRUE(machines.client().Put("a", "1").done());

  machines.Join(2, 0);
  machines.WaitUntil("machine 2 has caught up", [&] {
    const auto away = machines.client().Status(machines.endpoint(2));
    const auto other = machines.client().Status(machines.endpoint(3));
    return away.done() && other.done() && away.value().keys() == 1 &&
           away.value().leader_id() != 0 &&
           away.value().applied_index() == other.value().applied_index() &&
           away.value().digest() == other.value().digest();
  });
}

// An operator tells the cluster the new addresses while the member is away, and then it is found
// there: it votes, it is sent what it has missed, and clients are told where it leads.
TEST(MembersTest, AMemberThatMovesIsFoundAtItsNewAddress) {
  const storage::TemporaryFolder folder;
  Machines machines(folder.path(), kMachines);
  machines.Begin(0);
  machines.WaitForVoters({0});
  machines.Join(1, 0);
  const std::string moved = std::to_string(machines.WaitForVoters({0, 1}).at(1));
  machines.Join(2, 0);
  const std::map<int, std::uint64_t> before = machines.WaitForVoters({0, 1, 2});
  machines.Kill(1);
  const Result updated =
      machines.Ctl({"member", "update", moved, "--peer-address", machines.peer_address(3),
                    "--client-address", machines.endpoint(3)});
  EXPECT_EQ(updated.exit_code, 0) << updated.err;
  ASSERT_TRUE(machines.client().Put("a", "1").done());
  machines.RestartAt(1, 3);
  EXPECT_EQ(machines.WaitForVoters({0, 2, 3}).at(3), before.at(1)) << "as the same node";
  // Without the other follower its vote is needed, and its disk.
  machines.Kill(2);
  ASSERT_TRUE(machines.client().Put("b", "2").done());
  machines.WaitUntil("it leads", [&] {
    return machines.Ctl({"leader", "transfer", moved}).exit_code == 0;
  });
  machines.Kill(0);
  machines.Restart(0);
  ASSERT_TRUE(machines.client().Put("c", "3").done());
  const auto outcome = machines.client().Get(std::vector<std::string>{"a", "b", "c"});
  ASSERT_TRUE(outcome.done());
  for (const auto& key : outcome.value().keys) {
    EXPECT_TRUE(key.has_value());
  }
}

TEST(MembersTest, MembersAreFoundByDns) {
  if (!NameServer::IsInstalled()) {
    GTEST_SKIP() << "no dnsmasq: scripts/setup --test installs it";
  }
  const storage::TemporaryFolder folder;
  Machines machines(folder.path(), kMachines);
  NameServer dns;
  machines.JoinByDns(1, dns.address());
  machines.WaitForLog(1, "event=join-waits");
  machines.Begin(0);
  machines.WaitForVoters({0});
  dns.Serve({machines.ClientRecord(0)});
  machines.WaitForVoters({0, 1});

  const Arguments ctl = {Program("lockstepctl"), "--discovery-srv", "example.test", "--dns-server",
                         dns.address()};
  const auto with = [&ctl](Arguments arguments) {
    arguments.insert(arguments.begin(), ctl.begin(), ctl.end());
    return RunToEnd(arguments);
  };
  dns.Serve({machines.ClientRecord(1)});  // a follower: it names the leader
  Result result = with({"put", "a", "1"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  dns.Serve({machines.ClientRecord(0), machines.ClientRecord(1)});
  result = with({"status"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 3) << result.out;
  dns.Serve({});
  result = with({"get", "a"});
  EXPECT_EQ(result.exit_code, 4);
  EXPECT_NE(result.err.find("_lockstep-client._tcp.example.test"), std::string::npos) << result.err;
  result = with({"get", "a", "--endpoints", machines.endpoint(0)});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_NE(result.err.find("contradict"), std::string::npos) << result.err;
}

TEST(MembersTest, AClusterOfAnotherNameTakesNobodyIn) {
  const storage::TemporaryFolder folder;
  Machines machines(folder.path(), kMachines);
  machines.Begin(0);
  machines.WaitForVoters({0});
  machines.Join(1, 0, {"--cluster-name", "other"});
  EXPECT_EQ(machines.WaitForEnd(1), 8) << machines.log(1);
  EXPECT_NE(machines.log(1).find("named 'lockstep'"), std::string::npos) << machines.log(1);
  machines.WaitForVoters({0});
}

}  // namespace
}  // namespace lockstep::e2e
