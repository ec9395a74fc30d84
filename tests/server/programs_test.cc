// lockstepd and lockstepctl as people run them: what is wrong gets one clear line and its own exit
// code, what is right works, and a dead leader costs no data.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/cluster.h"
#include "tests/e2e/http.h"
#include "tests/e2e/process.h"
#include "tests/storage/temporary_folder.h"

namespace lockstep::e2e {
namespace {

using Arguments = std::vector<std::string>;

Result Lockstepd(Arguments arguments) {
  arguments.insert(arguments.begin(), Program("lockstepd"));
  return RunToEnd(arguments);
}

int Lines(const std::string& text) {
  return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
}

// A node alone in its cluster, with ports of its own.
Arguments LoneNode(const std::string& folder, const Arguments& more = {}) {
  const std::vector<int> ports = FreePorts(2);
  Arguments arguments = {
      "--node-id",
      "1",
      "--data-dir",
      folder,
      "--listen-metrics",
      "off",
      "--peer",
      "1=127.0.0.1:" + std::to_string(ports[0]) + ",127.0.0.1:" + std::to_string(ports[1])};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

TEST(LockstepdTest, WrongFlagsAreOneLineAndExitCode2) {
  const storage::TemporaryFolder folder;
  for (const Arguments& arguments :
       {Arguments{"--nonsense"}, Arguments{}, LoneNode(folder / "d", {"--heartbeat-ms", "x"}),
        LoneNode(folder / "d", {"--node-id", "2"}),
        Arguments{"--config", folder / "absent.toml"}}) {
    const Result result = Lockstepd(arguments);
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_EQ(Lines(result.err), 1) << result.err;
    EXPECT_EQ(result.err.rfind("lockstepd: ", 0), 0u) << result.err;
    EXPECT_EQ(result.out, "");
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "d"));
}

TEST(LockstepdTest, HelpVersionAndCheckTouchNothing) {
  const storage::TemporaryFolder folder;
  EXPECT_EQ(Lockstepd({"--help"}).exit_code, 0);
  const Result version = Lockstepd({"--version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_EQ(version.out.rfind("lockstepd ", 0), 0u) << version.out;
  EXPECT_NE(version.out.find("log.db 2"), std::string::npos) << version.out;
  EXPECT_EQ(Lockstepd(LoneNode(folder / "d", {"--check-config"})).exit_code, 0);
  EXPECT_FALSE(std::filesystem::exists(folder / "d"));
}

TEST(LockstepdTest, ADataFolderThatIsNotItsOwnIsExitCode3AndUnchanged) {
  const storage::TemporaryFolder folder;
  std::filesystem::create_directory(folder / "damaged");
  std::ofstream(folder / "damaged/log.db") << std::string(10'000, 'x');
  std::ofstream(folder / "file") << "a file";
  for (const char* name : {"damaged", "file"}) {
    const Result result = Lockstepd(LoneNode(folder / name));
    EXPECT_EQ(result.exit_code, 3) << result.err;
    EXPECT_NE(result.err.find("event=start-failed"), std::string::npos) << result.err;
    EXPECT_NE(result.err.find(folder / name), std::string::npos) << result.err;
  }
  EXPECT_EQ(std::filesystem::file_size(folder / "damaged/log.db"), 10'000u);
}

// Starts a lone node and waits until it is ready.
std::unique_ptr<Process> Started(Arguments arguments) {
  arguments.insert(arguments.begin(), Program("lockstepd"));
  auto process = std::make_unique<Process>(arguments);
  for (int i = 0; i < 4000 && process->out().find("is ready") == std::string::npos; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_NE(process->out().find("is ready"), std::string::npos) << process->err();
  return process;
}

TEST(LockstepdTest, AnotherNodesFolderIsNamed) {
  const storage::TemporaryFolder folder;
  const auto process = Started(LoneNode(folder / "d"));
  process->Signal(SIGTERM);
  ASSERT_EQ(process->Wait(std::chrono::seconds(20)).value().exit_code, 0) << process->err();

  const Result other_cluster = Lockstepd(LoneNode(folder / "d", {"--cluster-name", "other"}));
  EXPECT_EQ(other_cluster.exit_code, 3);
  EXPECT_NE(other_cluster.err.find("belongs to node 1 of cluster"), std::string::npos)
      << other_cluster.err;

  const std::vector<int> ports = FreePorts(2);
  const Result other_node = Lockstepd(
      {"--node-id", "2", "--data-dir", folder / "d", "--listen-metrics", "off", "--peer",
       "2=127.0.0.1:" + std::to_string(ports[0]) + ",127.0.0.1:" + std::to_string(ports[1])});
  EXPECT_EQ(other_node.exit_code, 3);
  EXPECT_NE(other_node.err.find("not to node 2"), std::string::npos) << other_node.err;

  // And its own node starts as if nothing had been tried.
  const auto again = Started(LoneNode(folder / "d"));
}

TEST(LockstepdTest, ASecondProcessOnTheFolderOrThePortIsRefused) {
  const storage::TemporaryFolder folder;
  const Arguments first = LoneNode(folder / "d");
  const auto process = Started(first);

  const Result same_folder = Lockstepd(LoneNode(folder / "d"));
  EXPECT_EQ(same_folder.exit_code, 3);
  EXPECT_NE(same_folder.err.find("another process"), std::string::npos) << same_folder.err;

  Arguments same_ports = first;
  same_ports[3] = folder / "e";
  const Result in_use = Lockstepd(same_ports);
  EXPECT_EQ(in_use.exit_code, 4);
  EXPECT_NE(in_use.err.find("Address already in use"), std::string::npos) << in_use.err;
  EXPECT_FALSE(std::filesystem::exists(folder / "e"));
  EXPECT_TRUE(process->running());
}

// With files limited to so many blocks a write fails as on a full disk.
TEST(LockstepdTest, AFailingDiskEndsTheNodeWithExitCode5) {
  const storage::TemporaryFolder folder;
  const Arguments arguments = LoneNode(folder / "d");
  Arguments limited = {"/bin/sh", "-c", "trap '' XFSZ; ulimit -f 400; exec \"$@\"", "sh",
                       Program("lockstepd")};
  limited.insert(limited.end(), arguments.begin(), arguments.end());
  Process process(limited);
  const std::string address = arguments.back().substr(arguments.back().find(',') + 1);
  int puts = 0;
  while (process.running() && puts < 200) {
    RunToEnd({Program("lockstepctl"), "--endpoints", address, "--timeout", "2s", "put", "key", "-"},
             std::string(50'000, 'x'));
    ++puts;
  }
  const std::optional<Ended> ended = process.Wait(std::chrono::seconds(20));
  ASSERT_TRUE(ended.has_value());
  EXPECT_EQ(ended->exit_code, 5) << process.err();
  EXPECT_NE(process.err().find("event=disk-failed"), std::string::npos) << process.err();
}

// Both signals wait while the process is stopped, so that the second comes in mid-shutdown.
TEST(LockstepdTest, ASecondSignalForcesTheEnd) {
  const storage::TemporaryFolder folder;
  const auto process = Started(LoneNode(folder / "d"));
  process->Signal(SIGSTOP);
  process->Signal(SIGINT);
  process->Signal(SIGTERM);
  process->Signal(SIGCONT);
  EXPECT_EQ(process->Wait(std::chrono::seconds(20)).value().exit_code, 6) << process->err();
}

class ClusterTest : public ::testing::Test {
 protected:
  Result Ctl(const Arguments& arguments, const std::string& input = "") {
    Arguments command = {Program("lockstepctl"), "--endpoints", endpoints_};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return RunToEnd(command, input);
  }

  void SetUp() override {
    for (const std::string& endpoint : cluster_.endpoints()) {
      endpoints_ += (endpoints_.empty() ? "" : ",") + endpoint;
    }
    leader_ = cluster_.WaitForLeader();
  }

  const storage::TemporaryFolder folder_;
  Cluster cluster_{folder_.path(),
                   {.nodes = 3, .flags = {"--election-timeout-ms", "300", "--heartbeat-ms", "50"}}};
  std::string endpoints_;
  int leader_ = 0;
};

TEST_F(ClusterTest, EveryCommandDoesWhatItSays) {
  EXPECT_EQ(Ctl({"get", "a"}).exit_code, 1);
  EXPECT_EQ(Ctl({"put", "a", "1"}).exit_code, 0);
  EXPECT_EQ(Ctl({"get", "a"}).out, "1\n");
  EXPECT_EQ(Ctl({"put-if-absent", "a", "2"}).exit_code, 3);
  EXPECT_EQ(Ctl({"put-if-absent", "b", "2"}).exit_code, 0);
  EXPECT_EQ(Ctl({"cas", "a", "9", "3"}).exit_code, 3);
  EXPECT_EQ(Ctl({"cas", "a", "1", "3"}).exit_code, 0);
  EXPECT_EQ(Ctl({"cas", "--absent", "c", "4"}).exit_code, 0);
  EXPECT_EQ(Ctl({"get", "a", "b", "c"}).out, "a 3\nb 2\nc 4\n");
  const Result then = Ctl({"txn", "-"}, "if value a = 3\nthen put a 5\nelse get b\n");
  EXPECT_EQ(then.exit_code, 0) << then.err;
  EXPECT_EQ(Ctl({"txn", "if value a = 3; then put a 6; else get b"}).exit_code, 3);
  EXPECT_EQ(Ctl({"get", "a"}).out, "5\n");
  EXPECT_EQ(Ctl({"delete", "a"}).exit_code, 0);
  EXPECT_EQ(Ctl({"delete", "a"}).exit_code, 1);
}

TEST_F(ClusterTest, BytesComeBackAsTheyWere) {
  const std::string bytes("\x00\xff\n\x01 binary", 11);
  ASSERT_EQ(Ctl({"put", "a", "-"}, bytes).exit_code, 0);
  EXPECT_EQ(Ctl({"get", "--raw", "a"}).out, bytes);
  EXPECT_EQ(Ctl({"get", "a"}).out, "\"\\x00\\xff\\n\\x01 binary\"\n");
  const std::string json = Ctl({"get", "--json", "a"}).out;
  EXPECT_NE(json.find("\"value_base64\":\"AP8KASBiaW5hcnk=\""), std::string::npos) << json;
}

TEST_F(ClusterTest, StatusShowsEveryNodeAndWhoIsAway) {
  const Result all = Ctl({"status"});
  EXPECT_EQ(all.exit_code, 0);
  EXPECT_EQ(Lines(all.out), 4) << all.out;
  const int follower = leader_ % 3 + 1;
  cluster_.Kill(follower);
  const Result two = Ctl({"status"});
  EXPECT_EQ(two.exit_code, 4);
  EXPECT_NE(two.out.find("unreachable"), std::string::npos) << two.out;
  EXPECT_NE(Ctl({"--json", "status"}).out.find("\"reachable\":false"), std::string::npos);
}

TEST_F(ClusterTest, WrongArgumentsAreOneLineAndExitCode2) {
  for (const Arguments& arguments :
       {Arguments{}, Arguments{"frob"}, Arguments{"put", "a"}, Arguments{"put", "a", "b", "c"},
        Arguments{"get"}, Arguments{"get", "--raw", "a", "b"},
        Arguments{"get", "--raw", "--json", "a"}, Arguments{"cas", "a", "b"},
        Arguments{"cas", "--absent", "a", "b", "c"}, Arguments{"cas", "a", "-", "-"},
        Arguments{"txn", "nonsense"}, Arguments{"txn"}, Arguments{"--timeout", "soon", "get", "a"},
        Arguments{"--timeout", "0", "get", "a"}}) {
    const Result result = Ctl(arguments);
    EXPECT_EQ(result.exit_code, 2) << result.err;
    EXPECT_EQ(Lines(result.err), 1) << result.err;
    EXPECT_EQ(result.out, "");
  }
  EXPECT_EQ(RunToEnd({Program("lockstepctl"), "--endpoints", "nowhere", "status"}).exit_code, 2);
}

TEST_F(ClusterTest, WhatIsRefusedIsCertainlyNotDone) {
  const Result empty = Ctl({"put", "", "v"});
  EXPECT_EQ(empty.exit_code, 4) << empty.err;
  EXPECT_NE(empty.err.find("certainly not done"), std::string::npos) << empty.err;
  const Result large = Ctl({"--json", "put", "k", "-"}, std::string((1 << 20) + 1, 'v'));
  EXPECT_EQ(large.exit_code, 4) << large.out;
  EXPECT_NE(large.out.find("\"outcome\":\"not-done\",\"error\":\"invalid\""), std::string::npos)
      << large.out;
  EXPECT_NE(large.out.find("1048576"), std::string::npos) << large.out;
}

// Without a majority a write ends in time; whether it is certain or unknown, it is said.
TEST_F(ClusterTest, WithoutAMajorityAWriteEndsInTime) {
  cluster_.Kill(leader_ % 3 + 1);
  cluster_.Kill((leader_ + 1) % 3 + 1);
  const auto begin = std::chrono::steady_clock::now();
  const Result result = Ctl({"--timeout", "1s", "put", "a", "1"});
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  EXPECT_TRUE(result.exit_code == 4 || result.exit_code == 5) << result.exit_code << result.err;
}

TEST_F(ClusterTest, AKilledLeaderLosesNothingThatWasAcknowledged) {
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(Ctl({"put", "key" + std::to_string(i), std::to_string(i)}).exit_code, 0);
  }
  cluster_.Kill(leader_);
  const int next = cluster_.WaitForLeader();
  EXPECT_NE(next, leader_);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(Ctl({"get", "key" + std::to_string(i)}).out, std::to_string(i) + "\n");
  }
  EXPECT_EQ(Ctl({"put", "after", "the fall"}).exit_code, 0);
  cluster_.Start(leader_);
  cluster_.WaitForAgreement();
}

TEST_F(ClusterTest, APausedLeaderIsReplacedAndFollowsWhenItWakes) {
  cluster_.Pause(leader_);
  const int next = cluster_.WaitForLeader();
  EXPECT_NE(next, leader_);
  EXPECT_EQ(Ctl({"put", "a", "while it slept"}).exit_code, 0);
  cluster_.Resume(leader_);
  cluster_.WaitForAgreement();
  EXPECT_EQ(Ctl({"get", "a"}).out, "\"while it slept\"\n");
}

TEST_F(ClusterTest, AllNodesKilledAtOnceKeepEverything) {
  ASSERT_EQ(Ctl({"put", "a", "1"}).exit_code, 0);
  for (int node = 1; node <= 3; ++node) {
    cluster_.Kill(node);
  }
  for (int node = 1; node <= 3; ++node) {
    cluster_.Start(node);
  }
  cluster_.WaitForLeader();
  EXPECT_EQ(Ctl({"get", "a"}).out, "1\n");
  cluster_.WaitForAgreement();
}

TEST_F(ClusterTest, SigtermIsACleanShutdown) {
  ASSERT_EQ(Ctl({"put", "a", "1"}).exit_code, 0);
  const Ended ended = cluster_.Terminate(leader_);
  EXPECT_EQ(ended.exit_code, 0);
  const std::string log = cluster_.log(leader_);
  EXPECT_NE(log.find("event=shutting-down"), std::string::npos) << log;
  EXPECT_NE(log.find("event=checkpoint-stored"), std::string::npos) << log;
  EXPECT_NE(log.find("event=stopped clean=yes"), std::string::npos) << log;
}

TEST_F(ClusterTest, TheLogTellsTheStory) {
  cluster_.Kill(leader_);
  const int next = cluster_.WaitForLeader();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  const std::string log = cluster_.log(next);
  for (const char* event : {"event=starting", "event=recovered", "event=ready",
                            "event=peer-connected", "event=became-leader", "event=peer-lost"}) {
    EXPECT_NE(log.find(event), std::string::npos) << event << "\n" << log;
  }
  for (std::size_t at = 0; at < log.size(); at = log.find('\n', at) + 1) {
    const std::string line = log.substr(at, log.find('\n', at) - at);
    EXPECT_NE(line.find(" node=" + std::to_string(next) + " term="), std::string::npos) << line;
    EXPECT_NE(line.find(" role="), std::string::npos) << line;
  }
}

}  // namespace
}  // namespace lockstep::e2e
