// Machines that are started with equal commands (--bootstrap-expect) become one cluster, exactly
// once: also when they start late, twice, are killed while they form it, lose their disks, or come
// when it is there already.

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/random.h"
#include "net/client.h"
#include "tests/e2e/process.h"
#include "tests/net/name_server.h"
#include "tests/storage/temporary_folder.h"

namespace lockstep::e2e {
namespace {

using Arguments = std::vector<std::string>;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

class Forming {
 public:
  // `machines` of which `expects` are named to each other.
  Forming(std::string folder, std::size_t machines, std::size_t expects)
      : folder_(std::move(folder)),
        expects_(expects),
        ports_(FreePorts(static_cast<int>(2 * machines))),
        processes_(machines) {
    net::ClientOptions options;
    for (std::size_t i = 0; i < machines; ++i) {
      options.endpoints.push_back(client_address(i));
    }
    client_ = *net::Client::Connect(options);
    for (std::size_t i = 0; i < expects; ++i) {
      how_.insert(how_.end(), {"--discover", peer_address(i)});
    }
  }

  std::size_t size() const { return processes_.size(); }
  std::string peer_address(std::size_t i) const {
    return "127.0.0.1:" + std::to_string(peer_port(i));
  }
  int peer_port(std::size_t i) const { return ports_[2 * i]; }
  std::string client_address(std::size_t i) const {
    return "127.0.0.1:" + std::to_string(ports_[2 * i + 1]);
  }
  std::string folder(std::size_t i) const { return folder_ + "/" + std::to_string(i); }
  net::Client& client() { return *client_; }
  // How the machines find each other from now on.
  void Find(Arguments how) { how_ = std::move(how); }

  Arguments CommandOf(std::size_t i) const {
    Arguments command = {Program("lockstepd"),
                         "--data-dir",
                         folder(i),
                         "--listen-metrics",
                         "off",
                         "--election-timeout-ms=500",
                         "--heartbeat-ms=50",
                         "--bootstrap-expect",
                         std::to_string(expects_)};
    command.insert(command.end(), how_.begin(), how_.end());
    const Arguments listens =
        listens_everywhere_
            ? Arguments{"--listen-peer", "0.0.0.0:" + std::to_string(peer_port(i)),
                        "--listen-client", "0.0.0.0:" + std::to_string(ports_[2 * i + 1])}
            : Arguments{"--listen-peer", peer_address(i), "--listen-client", client_address(i)};
    command.insert(command.end(), listens.begin(), listens.end());
    return command;
  }
  void ListenEverywhere() { listens_everywhere_ = true; }
  void Start(std::size_t i) { processes_[i] = std::make_unique<Process>(CommandOf(i)); }
  void Kill(std::size_t i) {
    processes_[i]->Signal(SIGKILL);
    processes_[i]->Wait(std::chrono::seconds(20));
    processes_[i] = nullptr;
  }
  bool runs(std::size_t i) const { return processes_[i] != nullptr; }
  Process& process(std::size_t i) { return *processes_[i]; }
  std::string log(std::size_t i) const {
    return processes_[i] == nullptr ? "" : processes_[i]->err();
  }
  bool Says(std::size_t i, const std::string& text) const {
    return log(i).find(text) != std::string::npos;
  }
  void WaitForLog(std::size_t i, const std::string& text) {
    WaitUntil("machine " + std::to_string(i) + " says " + text, [&] { return Says(i, text); });
  }

  void WaitUntil(const std::string& what, const std::function<bool()>& holds) {
    const auto until = Clock::now() + std::chrono::seconds(40);
    while (!holds()) {
      if (Clock::now() > until) {
        std::string text = "never: " + what;
        for (std::size_t i = 0; i < processes_.size(); ++i) {
          text += "\n--- machine " + std::to_string(i) + "\n" + log(i);
        }
        throw std::runtime_error(text);
      }
      std::this_thread::sleep_for(milliseconds(5));
    }
  }

  // Whether no machine runs and none has decided: who then loses its disk can still be one of them.
  bool CanBeWiped() const {
    for (std::size_t i = 0; i < size(); ++i) {
      std::ifstream file(folder(i) + "/forming");
      const std::string text((std::istreambuf_iterator<char>(file)),
                             std::istreambuf_iterator<char>());
      if (runs(i) || text.find("\ndecided\n") != std::string::npos) {
        return false;
      }
    }
    return true;
  }

  // Waits until the first `expects` machines are one cluster that can be written to, with each of
  // them in it once and all going by the same first configuration.
  void WaitForCluster() {
    for (std::size_t i = 0; i < expects_; ++i) {
      WaitForLog(i, "event=ready");
    }
    WaitUntil("a write succeeds", [&] { return client_->Put("key", "value").done(); });
    std::set<std::uint64_t> ids;
    for (std::size_t i = 0; i < expects_; ++i) {
      std::optional<v1::StatusResponse> status;
      WaitUntil("all have applied it", [&] {
        const auto outcome = client_->Status(client_address(i));
        status = outcome.done() ? std::optional(outcome.value()) : std::nullopt;
        return status && status->keys() == 1 && status->leader_id() != 0;
      });
      ids.insert(status->node_id());
      EXPECT_EQ(status->members_size(), static_cast<int>(expects_));
      for (const v1::Member& member : status->members()) {
        EXPECT_EQ(member.standing(), v1::Member::VOTER);
      }
    }
    EXPECT_EQ(ids.size(), expects_);
    EXPECT_EQ(*ids.begin(), 1u);
    EXPECT_EQ(*ids.rbegin(), expects_);
  }

 private:
  const std::string folder_;
  const std::size_t expects_;
  const std::vector<int> ports_;
  Arguments how_;
  bool listens_everywhere_ = false;
  std::vector<std::unique_ptr<Process>> processes_;
  std::unique_ptr<net::Client> client_;
};

TEST(BootstrapTest, EqualCommandsMakeOneClusterAlsoLateAndTwice) {
  const storage::TemporaryFolder folder;
  Forming forming(folder.path(), 3, 3);
  forming.Start(2);
  forming.WaitForLog(2, "event=forming-waits");
  EXPECT_TRUE(forming.Says(2, "for=\"2 of 3: ")) << forming.log(2);
  EXPECT_TRUE(forming.Says(2, "(no connection)")) << forming.log(2);
  // The same once more: it is not let in.
  const Result twice = RunToEnd(forming.CommandOf(2));
  EXPECT_TRUE(twice.exit_code == 3 || twice.exit_code == 4) << twice.err;
  forming.Start(0);
  std::this_thread::sleep_for(milliseconds(300));
  EXPECT_FALSE(forming.Says(0, "event=formed")) << "two of three";
  forming.Start(1);
  forming.WaitForCluster();
  // Once it is there the command means nothing any more.
  forming.Kill(1);
  forming.Start(1);
  forming.WaitForLog(1, "event=ready");
  EXPECT_TRUE(forming.Says(1, "event=join-ignored")) << forming.log(1);
  // Who has lost its disk does not come back by itself.
  forming.Kill(1);
  std::filesystem::remove_all(forming.folder(1));
  forming.Start(1);
  const auto ended = forming.process(1).Wait(std::chrono::seconds(20));
  ASSERT_TRUE(ended.has_value());
  EXPECT_EQ(ended->exit_code, 8) << forming.log(1);
  EXPECT_TRUE(forming.Says(1, "use --join with --join-replaces 2")) << forming.log(1);
  EXPECT_TRUE(forming.client().Get("key").done());
}

// LOCKSTEP_BOOTSTRAP_ROUNDS: how many clusters (default 4, of three and of five machines).
TEST(BootstrapTest, OneClusterFormsWhileMachinesAreKilledAtAnyMoment) {
  const char* rounds = std::getenv("LOCKSTEP_BOOTSTRAP_ROUNDS");
  int kills = 0;
  int wiped = 0;
  for (std::uint64_t round = 0; round < (rounds == nullptr ? 4 : std::stoull(rounds)); ++round) {
    const storage::TemporaryFolder folder;
    const std::size_t size = round % 2 == 0 ? 3 : 5;
    Forming forming(folder.path(), size, size);
    Random random(round + 1);
    const auto end = Clock::now() + milliseconds(3000);
    while (Clock::now() < end) {
      const std::size_t i = random.Below(size);
      if (!forming.runs(i)) {
        forming.Start(i);
      } else if (random.Below(2) == 0) {
        forming.Kill(i);
        ++kills;
        if (round % 4 >= 2 && forming.CanBeWiped()) {
          std::filesystem::remove_all(forming.folder(i));
          ++wiped;
        }
      }
      std::this_thread::sleep_for(milliseconds(random.Between(0, 150)));
    }
    for (std::size_t i = 0; i < size; ++i) {
      if (!forming.runs(i)) {
        forming.Start(i);
      }
    }
    forming.WaitForCluster();
  }
  std::cout << kills << " killed, " << wiped << " of them wiped" << std::endl;
}

TEST(BootstrapTest, WhoIsNotOneOfThemIsToldToJoin) {
  const storage::TemporaryFolder folder;
  Forming forming(folder.path(), 3, 2);
  for (const std::size_t i : {0, 1}) {
    forming.Start(i);
  }
  forming.WaitForCluster();
  // With another list, and of another size.
  forming.Find({"--discover", forming.peer_address(2), "--discover", forming.peer_address(1)});
  const Result stranger = RunToEnd(forming.CommandOf(2));
  EXPECT_EQ(stranger.exit_code, 8) << stranger.err;
  EXPECT_NE(stranger.err.find("use --join"), std::string::npos) << stranger.err;
  // What was begun in one way is not ended in another.
  const Result joining =
      RunToEnd({Program("lockstepd"), "--data-dir", forming.folder(2), "--join",
                forming.client_address(0), "--listen-peer", forming.peer_address(2),
                "--listen-client", forming.client_address(2), "--listen-metrics", "off"});
  EXPECT_EQ(joining.exit_code, 3) << joining.err;
  EXPECT_NE(joining.err.find("was to form a cluster"), std::string::npos) << joining.err;
}

// Damaged files are not lost ones: the node takes its own place again, and stays what it became,
// also where it does not know its own address but from having formed the cluster.
TEST(BootstrapTest, AMemberWhoseFilesAreDamagedComesBackByItself) {
  const storage::TemporaryFolder folder;
  Forming forming(folder.path(), 3, 3);
  forming.ListenEverywhere();
  for (const std::size_t i : {0, 1, 2}) {
    forming.Start(i);
  }
  forming.WaitForCluster();
  forming.Kill(1);
  std::filesystem::resize_file(forming.folder(1) + "/state.db", 5000);
  forming.Start(1);
  forming.WaitForLog(1, "event=ready");
  EXPECT_TRUE(forming.Says(1, "event=data-damaged")) << forming.log(1);
  const auto is_voter_at_its_address = [&] {
    const auto members = forming.client().Members();
    return members.done() && members.value().members_size() == 3 &&
           members.value().members(2).node_id() == 4 &&
           members.value().members(2).standing() == v1::Member::VOTER &&
           members.value().members(2).peer_address() == forming.peer_address(1) &&
           members.value().members(2).client_address() == forming.client_address(1);
  };
  forming.WaitUntil("it is a voter again", is_voter_at_its_address);
  forming.Kill(1);
  forming.Start(1);
  forming.WaitForLog(1, "event=ready");
  forming.Kill(0);
  forming.WaitUntil("it is needed, and is there",
                    [&] { return forming.client().Put("other", "value").done(); });
}

TEST(BootstrapTest, MachinesFindEachOtherByDnsAndNeedNotKnowTheirOwnNames) {
  if (!NameServer::IsInstalled()) {
    GTEST_SKIP() << "no dnsmasq: scripts/setup --test installs it";
  }
  const storage::TemporaryFolder folder;
  Forming forming(folder.path(), 3, 3);
  NameServer dns;
  forming.Find({"--discovery-srv", "example.test", "--dns-server", dns.address()});
  forming.ListenEverywhere();
  const auto records = [&](std::size_t count) {
    std::vector<std::string> all;
    for (std::size_t i = 0; i < count; ++i) {
      all.push_back("_lockstep-peer._tcp.example.test,localhost," +
                    std::to_string(forming.peer_port(i)));
    }
    return all;
  };
  for (const std::size_t i : {0, 1, 2}) {
    forming.Start(i);
  }
  forming.WaitForLog(0, "event=forming-waits");
  dns.Serve(records(2));
  std::this_thread::sleep_for(milliseconds(2500));
  EXPECT_FALSE(forming.Says(0, "event=formed"));
  dns.Serve(records(3));
  forming.WaitForCluster();
  dns.Stop();
  forming.Kill(0);
  forming.Start(0);
  forming.WaitForLog(0, "event=ready");
}

}  // namespace
}  // namespace lockstep::e2e
