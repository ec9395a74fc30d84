// Damaged files, as a disk leaves them: one bit of a stopped node's files is flipped, and the node
// is started again with the command line that it always had. Either the bit did not matter, or the
// node says what is damaged, puts it aside and gets everything anew from the others, who go on
// meanwhile. In the end all files hold the same, and nobody was ever answered wrongly.
//
// LOCKSTEP_BITFLIPS=1000 makes it a long one (scripts/bitflips).

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/kv/digest.h"
#include "core/random.h"
#include "net/client.h"
#include "server/config.h"
#include "server/member_file.h"
#include "server/recover.h"
#include "storage/node_store.h"
#include "storage/sqlite.h"
#include "storage/state_store.h"
#include "tests/e2e/cluster.h"
#include "tests/storage/temporary_folder.h"

namespace lockstep::e2e {
namespace {

namespace fs = std::filesystem;
using Arguments = std::vector<std::string>;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kPageBytes = 4096;

ClusterOptions Options(std::vector<std::string> more = {}) {
  ClusterOptions options;
  // Small, so that all tables have a few pages and who is made anew is sent a snapshot.
  options.flags = {"--checkpoint-entries=100", "--entries-retained=60", "--election-timeout-ms=300",
                   "--heartbeat-ms=50"};
  options.flags.insert(options.flags.end(), more.begin(), more.end());
  return options;
}

// Writes, and reads what it has written, all the time.
class User {
 public:
  explicit User(std::unique_ptr<net::Client> client)
      : client_(std::move(client)), thread_([this] { Run(); }) {}
  ~User() { Stop(); }
  void Stop() {
    stop_ = true;
    if (thread_.joinable()) {
      thread_.join();
    }
  }
  int done() const { return done_; }
  bool stopped() const { return stop_; }
  // What was answered wrongly; once Stop() has returned.
  const std::string& wrong() const { return wrong_; }

 private:
  static constexpr std::uint64_t kKeys = 150;
  static constexpr char kNothing[] = "nothing";

  void Run() {
    Random random(7);
    for (std::uint64_t i = 1; !stop_; ++i) {
      const std::string key = "key" + std::to_string(random.Below(kKeys));
      const std::string value = std::to_string(i) + std::string(random.Below(300), 'v');
      std::vector<std::string>& possible = PossibleOf(key);
      if (client_->Put(key, value).done()) {
        possible = {value};
      } else {
        possible.push_back(value);
      }
      const std::string other = "key" + std::to_string(random.Below(kKeys));
      const auto read = client_->Get(other);
      if (read.done()) {
        Check(other, read.value().keys.front());
        ++done_;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
  template <class Found>
  void Check(const std::string& key, const Found& found) {
    const std::vector<std::string>& possible = PossibleOf(key);
    const std::string value = found ? found->value : kNothing;
    if (std::count(possible.begin(), possible.end(), value) == 0) {
      wrong_ = key + " reads as " + value + ", and was last written as " + possible.back();
      stop_ = true;
    }
  }
  std::vector<std::string>& PossibleOf(const std::string& key) {
    return possible_.try_emplace(key, std::vector<std::string>{kNothing}).first->second;
  }

  const std::unique_ptr<net::Client> client_;
  // The last value of a key, or several after doubt.
  std::map<std::string, std::vector<std::string>> possible_;
  std::atomic<bool> stop_ = false;
  std::atomic<int> done_ = 0;
  std::string wrong_;
  std::thread thread_;
};

struct Place {
  std::string file;
  std::uint64_t first = 0;  // byte
  std::uint64_t bytes = 0;
};

// What a node's files consist of, by name.
std::map<std::string, std::vector<Place>> PlacesIn(const fs::path& folder) {
  std::map<std::string, std::vector<Place>> places;
  for (const std::string name : {"log.db", "state.db"}) {
    const std::uint64_t pages = fs::file_size(folder / name) / kPageBytes;
    std::map<std::uint64_t, std::string> owner;
    {
      // A copy, which SQLite may do with as it likes.
      const storage::TemporaryFolder copy;
      fs::copy_file(folder / name, copy / name);
      const auto database =
          storage::Connection::Open(copy / name, "", storage::Connection::Mode::kExisting);
      if (!database.ok()) {
        throw std::runtime_error(database.status().ToString());
      }
      auto rows = (*database)->Prepare("SELECT pageno, name FROM dbstat");
      while (rows.ok() && *rows->Step()) {
        owner[rows->Integer(0)] = rows->Text(1);
      }
    }
    places[name + " header"].push_back({name, 0, 100});
    for (std::uint64_t page = 1; page <= pages; ++page) {
      const std::uint64_t skipped = page == 1 ? 100 : 0;
      const auto found = owner.find(page);
      places[name + " " + (found == owner.end() ? "free pages" : found->second)].push_back(
          {name, (page - 1) * kPageBytes + skipped, kPageBytes - skipped});
    }
    const fs::path wal = folder / (name + "-wal");
    if (fs::exists(wal) && fs::file_size(wal) > 0) {
      places[name + "-wal"].push_back({name + "-wal", 0, fs::file_size(wal)});
    }
  }
  for (const std::string name : {"join", "members"}) {
    if (fs::exists(folder / name)) {
      places[name].push_back({name, 0, fs::file_size(folder / name)});
    }
  }
  return places;
}

void FlipBit(const fs::path& path, std::uint64_t bit) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(bit / 8));
  const int byte = file.get();
  file.seekp(static_cast<std::streamoff>(bit / 8));
  file.put(static_cast<char>(byte ^ 1 << bit % 8));
}

std::vector<fs::path> DamagedFolders(const fs::path& folder) {
  std::vector<fs::path> found;
  for (const auto& each : fs::directory_iterator(folder)) {
    if (each.path().filename().string().rfind("damaged-", 0) == 0) {
      found.push_back(each.path());
    }
  }
  return found;
}

void WaitUntil(const std::string& what, const std::function<bool()>& holds) {
  const auto until = Clock::now() + std::chrono::seconds(30);
  while (!holds()) {
    if (Clock::now() > until) {
      throw std::runtime_error("never: " + what);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

// The three nodes that run are the voters, nobody else is, and each is as far as the others. Before
// that a second one that fails would be one too many.
void WaitForThreeWholeVoters(Cluster& cluster, net::Client& client) {
  WaitUntil("there are three voters that agree", [&] {
    const auto members = client.Members();
    if (!members.done() || members.value().members_size() != 3) {
      return false;
    }
    std::set<std::uint64_t> running;
    std::uint64_t lowest = UINT64_MAX;
    std::uint64_t highest = 0;
    for (int node = 1; node <= 3; ++node) {
      const auto status = cluster.StatusOf(node);
      if (!status || status->leader_id() == 0) {
        return false;
      }
      running.insert(status->node_id());
      lowest = std::min(lowest, status->applied_index());
      highest = std::max(highest, status->applied_index());
    }
    return highest - lowest < 50 &&
           std::all_of(members.value().members().begin(), members.value().members().end(),
                       [&](const auto& each) {
                         return each.standing() == v1::Member::VOTER &&
                                running.contains(each.node_id());
                       });
  });
}

kv::Image ImageOf(const fs::path& folder) {
  std::ifstream file(folder / "members", std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto known = server::ParseMemberFile(text);
  if (!known) {
    throw std::runtime_error("no members in " + folder.string());
  }
  auto state = storage::StateStore::Open(folder / "state.db", "", {known->cluster, known->node});
  if (!state.ok()) {
    throw std::runtime_error(state.status().ToString());
  }
  return state->Load().value();
}

// A bit of the place; if `in_use`, of a byte that is not 0, of which most of a page of few rows is.
std::uint64_t DrawBit(const fs::path& file, const Place& place, bool in_use, Random& random) {
  std::ifstream in(file, std::ios::binary);
  while (true) {
    const std::uint64_t bit = place.first * 8 + random.Below(place.bytes * 8);
    in.seekg(static_cast<std::streamoff>(bit / 8));
    if (!in_use || in.get() != 0 || random.Below(20'000) == 0) {
      return bit;
    }
  }
}

struct Counts {
  int harmless = 0;
  int repaired = 0;
  int restored = 0;  // a small file beside the databases, from what else is known
};

TEST(RepairTest, ABitAnywhereIsHarmlessOrItsNodeIsMadeAnew) {
  const char* wanted = std::getenv("LOCKSTEP_BITFLIPS");
  const int tries = wanted != nullptr ? std::atoi(wanted) : 12;
  const char* seed = std::getenv("LOCKSTEP_BITFLIP_SEED");
  Random random(seed != nullptr ? std::strtoull(seed, nullptr, 10) : 1);
  const storage::TemporaryFolder folder;
  std::map<std::string, Counts> counts;
  std::vector<double> seconds;  // of repairs
  {
    Cluster cluster(folder.path(), Options());
    const auto client = cluster.NewClient();
    User user(cluster.NewClient());
    WaitUntil("all tables have pages", [&] { return user.done() > 300; });
    for (int i = 0; i < tries; ++i) {
      const int node = 1 + static_cast<int>(random.Below(3));
      const fs::path data = folder / ("node" + std::to_string(node));
      if (random.Below(3) != 0) {
        cluster.Kill(node);
      } else {
        cluster.Terminate(node);
      }
      const auto places = PlacesIn(data);
      auto area = places.begin();
      std::advance(area, static_cast<std::ptrdiff_t>(random.Below(places.size())));
      const Place& place = area->second[random.Below(area->second.size())];
      const bool in_use = random.Below(3) != 0;
      const std::uint64_t bit = DrawBit(data / place.file, place, in_use, random);
      SCOPED_TRACE("node " + std::to_string(node) + ", " + area->first + ", bit " +
                   std::to_string(bit) + " of " + place.file);
      FlipBit(data / place.file, bit);
      const int before = user.done();
      const auto begin = Clock::now();
      cluster.Start(node);
      const std::string log = cluster.log(node);
      try {
        WaitForThreeWholeVoters(cluster, *client);
      } catch (const std::runtime_error& error) {
        FAIL() << error.what() << "\n" << cluster.log(node);
      }
      const std::vector<fs::path> aside = DamagedFolders(data);
      const bool says = log.find("event=data-damaged") != std::string::npos;
      ASSERT_EQ(says, aside.size() == 1) << log;
      if (says) {
        // Opening may have moved a write-ahead log into its database before the two disagreed.
        const std::string kept = place.file.substr(0, place.file.find("-wal"));
        ASSERT_TRUE(fs::exists(aside.front() / kept)) << "it was not deleted";
        ++counts[area->first].repaired;
        seconds.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
        fs::remove_all(aside.front());
      } else if (log.find("event=join-record-restored") != std::string::npos ||
                 log.find("event=members-file-ignored") != std::string::npos) {
        ++counts[area->first].restored;
      } else {
        ++counts[area->first].harmless;
      }
      WaitUntil("it is written to", [&] { return user.done() > before + 5 || user.stopped(); });
    }
    user.Stop();
    ASSERT_EQ(user.wrong(), "");
    cluster.WaitForAgreement();
    for (int node = 1; node <= 3; ++node) {
      ASSERT_EQ(cluster.Terminate(node).exit_code, 0);
    }
  }
  const kv::Image first = ImageOf(folder / "node1");
  EXPECT_FALSE(first.keys.empty());
  for (const char* node : {"node2", "node3"}) {
    const kv::Image other = ImageOf(folder / node);
    EXPECT_TRUE(other.keys == first.keys) << "the keys of node1 and " << node << " differ";
    EXPECT_TRUE(other.sessions == first.sessions) << "sessions differ";
  }

  Counts all;
  std::cout << "where                    repaired  harmless  restored\n";
  const auto print = [](const std::string& where, const Counts& count) {
    std::cout << where << std::string(24 - std::min<std::size_t>(24, where.size()), ' ') << "  "
              << count.repaired << "\t  " << count.harmless << "\t  " << count.restored << "\n";
  };
  for (const auto& [where, count] : counts) {
    print(where, count);
    all.repaired += count.repaired;
    all.harmless += count.harmless;
    all.restored += count.restored;
  }
  print("all", all);
  std::sort(seconds.begin(), seconds.end());
  if (!seconds.empty()) {
    std::cout << "a repair takes " << seconds[seconds.size() / 2] << " s in the median, "
              << seconds.back() << " s at most" << std::endl;
  }
}

// Flips every bit of the first page of a file: no node can take that for its own.
void RuinFirstPage(const fs::path& path) {
  for (std::uint64_t bit = 100 * 8; bit < kPageBytes * 8; ++bit) {
    FlipBit(path, bit);
  }
}

class DamagedNodeTest : public ::testing::Test {
 protected:
  static void Write(Cluster& cluster, int keys) {
    const auto client = cluster.NewClient();
    for (int i = 0; i < keys; ++i) {
      ASSERT_TRUE(client->Put("key" + std::to_string(i), "value").done());
    }
  }
  fs::path DataOf(int node) const { return folder_ / ("node" + std::to_string(node)); }

  const storage::TemporaryFolder folder_;
};

TEST_F(DamagedNodeTest, ARepairThatIsKilledAgainAndAgainIsDoneOnce) {
  Cluster cluster(folder_.path(), Options());
  Write(cluster, 300);
  cluster.Terminate(2);  // a write-ahead log might hold the page again
  RuinFirstPage(DataOf(2) / "log.db");
  // Without a majority nobody can take it in: it asks, and says so.
  cluster.Kill(3);
  for (int i = 0; i < 3; ++i) {
    const auto process = cluster.StartWithoutWaiting(2);
    WaitUntil("it asks", [&] { return process->err().find("join-waits") != std::string::npos; });
    process->Signal(SIGKILL);
    process->Wait(std::chrono::seconds(10));
  }
  EXPECT_EQ(DamagedFolders(DataOf(2)).size(), 1u);
  EXPECT_FALSE(fs::exists(DataOf(2) / "log.db")) << "it takes no part";
  cluster.Start(3);
  const auto killed = cluster.StartWithoutWaiting(2);
  WaitUntil("it is taken in",
            [&] { return killed->err().find("event=joined") != std::string::npos; });
  killed->Signal(SIGKILL);
  killed->Wait(std::chrono::seconds(10));
  cluster.Start(2);
  const auto client = cluster.NewClient();
  WaitForThreeWholeVoters(cluster, *client);
  cluster.WaitForAgreement();
  const auto members = client->Members();
  ASSERT_TRUE(members.done());
  EXPECT_EQ(members.value().members().rbegin()->node_id(), 4u) << "it was added once";
  EXPECT_EQ(DamagedFolders(DataOf(2)).size(), 1u);
  // The command line still says 2.
  cluster.Kill(2);
  cluster.Start(2);
  EXPECT_NE(cluster.log(2).find("event=number-of-record"), std::string::npos) << cluster.log(2);
  cluster.WaitForAgreement();
}

TEST_F(DamagedNodeTest, TheOnlyMemberCannotRepairItself) {
  ClusterOptions options = Options();
  options.nodes = 1;
  Cluster cluster(folder_.path(), options);
  Write(cluster, 10);
  cluster.Terminate(1);
  RuinFirstPage(DataOf(1) / "state.db");
  const auto process = cluster.StartWithoutWaiting(1);
  const auto ended = process->Wait(std::chrono::seconds(20));
  ASSERT_TRUE(ended.has_value());
  EXPECT_EQ(ended->exit_code, 3);
  EXPECT_NE(process->err().find("no other member has this data"), std::string::npos)
      << process->err();
  EXPECT_TRUE(DamagedFolders(DataOf(1)).empty());
  EXPECT_TRUE(fs::exists(DataOf(1) / "state.db"));
}

TEST_F(DamagedNodeTest, StaysDownWhereRepairIsOffOrTooMuchIsDamaged) {
  Cluster cluster(folder_.path(), Options({"--repair=off"}));
  Write(cluster, 10);
  cluster.Terminate(3);
  RuinFirstPage(DataOf(3) / "log.db");
  const auto off = cluster.StartWithoutWaiting(3);
  ASSERT_EQ(off->Wait(std::chrono::seconds(20)).value_or(Ended{}).exit_code, 3) << off->err();
  EXPECT_TRUE(DamagedFolders(DataOf(3)).empty());
  for (const char* name : {"damaged-1", "damaged-2", "damaged-3"}) {
    fs::create_directory(DataOf(3) / name);
  }
  const auto many = cluster.StartWithoutWaiting(3, {"--repair=on"});
  ASSERT_EQ(many->Wait(std::chrono::seconds(20)).value_or(Ended{}).exit_code, 3) << many->err();
  EXPECT_NE(many->err().find("3 folders damaged-"), std::string::npos) << many->err();
  EXPECT_TRUE(fs::exists(DataOf(3) / "log.db"));
}

// Wrong data in whole files: what a bug or a bit in memory leaves behind.
void AlterOneValue(const fs::path& folder) {
  std::ifstream file(folder / "members", std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto known = server::ParseMemberFile(text).value();
  auto state =
      storage::StateStore::Open(folder / "state.db", "", {known.cluster, known.node}).value();
  kv::Image image = state.Load().value();
  image.keys.front().key_value.value += "x";
  image.summary.digest = 0;
  image.summary.digest = kv::DigestOf(image);
  ASSERT_TRUE(state.StartWriting().ok());
  ASSERT_TRUE(state.Install(image).ok());
}

TEST_F(DamagedNodeTest, OneWhoseDataDiffersFindsThatAndIsMadeAnew) {
  Cluster cluster(folder_.path(), Options());
  Write(cluster, 150);
  cluster.WaitForAgreement();
  cluster.Terminate(3);
  AlterOneValue(DataOf(3));
  const auto altered = cluster.StartWithoutWaiting(3);
  // With a snapshot it would never be found to differ.
  WaitUntil("it follows", [&] {
    const auto status = cluster.StatusOf(3);
    return status && status->leader_id() != 0;
  });
  const auto client = cluster.NewClient();
  for (int i = 0; i < 2000 && altered->running(); ++i) {
    ASSERT_TRUE(client->Put("more", std::to_string(i)).done());
  }
  ASSERT_EQ(altered->Wait(std::chrono::seconds(10)).value_or(Ended{}).exit_code, 5)
      << altered->err();
  EXPECT_NE(altered->err().find("event=diverged"), std::string::npos) << altered->err();
  cluster.Start(3);
  EXPECT_NE(cluster.log(3).find("diverged at or before index 256: "), std::string::npos)
      << cluster.log(3);
  WaitForThreeWholeVoters(cluster, *client);
  cluster.WaitForAgreement();
  EXPECT_EQ(DamagedFolders(DataOf(3)).size(), 1u);
  cluster.Kill(3);
  cluster.Start(3);
  cluster.WaitForAgreement();
  EXPECT_EQ(DamagedFolders(DataOf(3)).size(), 1u) << "once is enough";
}

// Two of three folders are gone for good.
TEST_F(DamagedNodeTest, AClusterIsMadeAnewFromOneNodesFiles) {
  const std::vector<int> ports = FreePorts(2);
  const std::string peer = "127.0.0.1:" + std::to_string(ports[0]);
  const std::string address = "127.0.0.1:" + std::to_string(ports[1]);
  const Arguments recover = {
      Program("lockstepctl"), "recover", "--data-dir",     DataOf(2).string(),
      "--new-cluster-name",   "phoenix", "--peer-address", peer,
      "--client-address",     address};
  const auto with = [](Arguments arguments, const std::string& more) {
    arguments.push_back(more);
    return arguments;
  };
  const std::string yes = "--yes-lose-what-only-others-had";
  std::uint64_t index = 0;
  {
    Cluster cluster(folder_.path(), Options());
    Write(cluster, 333);
    cluster.WaitForAgreement();
    index = cluster.StatusOf(2)->applied_index();
    const Result running = RunToEnd(with(recover, yes));
    EXPECT_EQ(running.exit_code, 4) << running.err;
    EXPECT_NE(running.err.find("uses it"), std::string::npos) << running.err;
    for (int node = 1; node <= 3; ++node) {
      cluster.Kill(node);
    }
  }
  const fs::path other = folder_ / "kept3";
  fs::copy(DataOf(3), other);
  const Result unconfirmed = RunToEnd(recover);
  EXPECT_EQ(unconfirmed.exit_code, 4);
  EXPECT_NE(unconfirmed.err.find("LOST"), std::string::npos) << unconfirmed.err;
  EXPECT_FALSE(fs::exists(DataOf(2) / "recovered.new"));

  const Result done = RunToEnd(with(recover, yes));
  ASSERT_EQ(done.exit_code, 0) << done.err;
  EXPECT_NE(done.err.find("begin at index " + std::to_string(index)), std::string::npos)
      << done.err << ", wanted " << index;
  const Result again = RunToEnd(with(recover, yes));
  EXPECT_EQ(again.exit_code, 4) << "it is no node of the old cluster any more";

  const auto start = [&](const Arguments& more) {
    Arguments command = {Program("lockstepd"), "--listen-metrics", "off"};
    command.insert(command.end(), more.begin(), more.end());
    return std::make_unique<Process>(command);
  };
  const auto node =
      start({"--cluster-name", "phoenix", "--node-id", "2", "--data-dir", DataOf(2).string(),
             "--initial-cluster-state", "existing", "--peer", "2=" + peer + "," + address});
  net::ClientOptions options;
  options.endpoints = {address};
  const auto client = *net::Client::Connect(options);
  for (int i = 0; i < 333; ++i) {
    const auto read = client->Get("key" + std::to_string(i));
    ASSERT_TRUE(read.done()) << node->err();
    ASSERT_TRUE(read.value().keys.front().has_value()) << "key" << i << " is lost";
  }
  ASSERT_TRUE(client->Put("new", "value").done());

  // Another machine joins; the files of an old member are those of a stranger.
  const std::vector<int> more = FreePorts(4);
  const auto local = [&more](std::size_t i) { return "127.0.0.1:" + std::to_string(more[i]); };
  const auto joiner =
      start({"--cluster-name", "phoenix", "--data-dir", (folder_ / "joiner"), "--join", address,
             "--listen-peer", local(0), "--listen-client", local(1)});
  WaitUntil("the joiner votes", [&] {
    const auto members = client->Members();
    return members.done() && members.value().members_size() == 2 &&
           members.value().members(1).standing() == v1::Member::VOTER;
  });
  EXPECT_EQ(client->Members().value().members(1).node_id(), 4u) << "numbers are not given twice";
  const auto old = start({"--cluster-name", "phoenix", "--node-id", "3", "--data-dir",
                          other.string(), "--repair=off", "--peer", "2=" + peer + "," + address,
                          "--peer", "3=" + local(2) + "," + local(3)});
  EXPECT_EQ(old->Wait(std::chrono::seconds(10)).value_or(Ended{}).exit_code, 3) << old->err();
  EXPECT_NE(old->err().find("belongs to node 3 of cluster"), std::string::npos) << old->err();
  ASSERT_TRUE(client->Put("new", "still").done());
}

// Killed between any two of its steps, the next run finishes or begins anew.
TEST_F(DamagedNodeTest, ARecoveryThatWasCutOffIsFinished) {
  ClusterOptions options = Options();
  options.nodes = 1;
  {
    Cluster cluster(folder_.path(), options);
    Write(cluster, 20);
    cluster.Kill(1);
  }
  server::RecoverOptions recover{.data_dir = DataOf(1),
                                 .new_cluster_name = "phoenix",
                                 .peer_address = "127.0.0.1:1",
                                 .client_address = "127.0.0.1:2"};
  const storage::TemporaryFolder before;
  fs::copy(DataOf(1), before.path(), fs::copy_options::recursive);
  const auto done = server::Recover(recover);
  ASSERT_TRUE(done.ok()) << done.status();
  for (const char* name : {"log.db", "state.db", "members"}) {
    EXPECT_TRUE(fs::exists(*done / name)) << name << " was not copied";
  }
  // As if the new state.db had not been put in place yet, and the log had.
  fs::create_directory(DataOf(1) / "recovered.new");
  fs::rename(DataOf(1) / "state.db", DataOf(1) / "recovered.new" / "state.db");
  fs::copy_file(before / "state.db", DataOf(1) / "state.db");
  std::ofstream(DataOf(1) / server::kRecoveryName) << done->string();
  const auto finished = server::Recover(recover);
  ASSERT_TRUE(finished.ok()) << finished.status();
  EXPECT_EQ(*finished, *done);
  const auto store = storage::NodeStore::Open(DataOf(1).string(), "",
                                              {server::ClusterIdFromName("phoenix"), NodeId{1}});
  EXPECT_TRUE(store.ok()) << store.status();
}

}  // namespace
}  // namespace lockstep::e2e
