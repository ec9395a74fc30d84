// Flags and configuration file: what they mean, and one clear line for each way to get them wrong.

#include "server/config.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "tests/storage/temporary_folder.h"

namespace lockstep::server {
namespace {

using Arguments = std::vector<std::string>;

// A command line that is right, to add what is wrong to.
Arguments Valid(const Arguments& more = {}) {
  Arguments arguments = {"--node-id",  "1",
                         "--data-dir", "data",
                         "--peer",     "1=127.0.0.1:7101,127.0.0.1:7201",
                         "--peer",     "2=127.0.0.1:7102,127.0.0.1:7202"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

std::string ErrorOf(const Arguments& arguments) {
  const absl::StatusOr<Invocation> invocation = ParseCommandLine(arguments);
  return invocation.ok() ? "(no error)" : std::string(invocation.status().message());
}

TEST(FlagsTest, AValidCommandLineIsUnderstood) {
  const absl::StatusOr<Invocation> invocation =
      ParseCommandLine(Valid({"--election-timeout-ms=600", "--listen-metrics", "off",
                              "--cluster-name", "blue", "--log-format", "json"}));
  ASSERT_TRUE(invocation.ok()) << invocation.status();
  const Settings& settings = invocation->settings;
  EXPECT_EQ(settings.node_id, NodeId{1});
  EXPECT_EQ(settings.members.size(), 2u);
  EXPECT_EQ(settings.members.at(NodeId{2}).peer.ToString(), "127.0.0.1:7102");
  EXPECT_EQ(settings.client_address().ToString(), "127.0.0.1:7201");
  EXPECT_FALSE(settings.listen_metrics.has_value());
  EXPECT_EQ(settings.log_format, LogFormat::kJson);
  EXPECT_EQ(settings.replica().raft.election_timeout, Milliseconds(600));
  EXPECT_EQ(raft::ToText(settings.beginning()), "voters 1 2");
  EXPECT_EQ(settings.replica().raft.cluster, ClusterIdFromName("blue"));
}

TEST(FlagsTest, ReadsByLeaseAreOffUnlessAskedFor) {
  const auto raft_of = [](const Arguments& more) {
    const absl::StatusOr<Invocation> invocation = ParseCommandLine(Valid(more));
    EXPECT_TRUE(invocation.ok()) << invocation.status();
    return invocation->settings.replica().raft;
  };
  EXPECT_FALSE(raft_of({}).lease_reads);
  EXPECT_EQ(raft_of({}).clock_drift_ppm, raft::Config().clock_drift_ppm);
  const raft::Config on = raft_of({"--lease-reads=on", "--clock-drift-ppm=500"});
  EXPECT_TRUE(on.lease_reads);
  EXPECT_EQ(on.clock_drift_ppm, 500);
  EXPECT_EQ(ErrorOf(Valid({"--lease-reads=yes"})),
            "--lease-reads: 'yes' is neither 'on' nor 'off'");
}

// Of a node that asks a cluster to take it in.
Arguments Joining(const Arguments& more = {}) {
  Arguments arguments = {"--join",     "a:7201", "--join",          "b:7201",
                         "--data-dir", "data",   "--listen-client", "c:7201"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

// Of one of two machines that form a cluster.
Arguments Forming(const Arguments& more = {}) {
  Arguments arguments = {"--bootstrap-expect", "2",    "--discover",    "a:1", "--discover", "b:1",
                         "--data-dir",         "data", "--listen-peer", "a:1"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

TEST(FlagsTest, ANodeThatFormsAClusterNeedsNoNumber) {
  const absl::StatusOr<Invocation> invocation =
      ParseCommandLine(Forming({"--listen-client", "0.0.0.0:2"}));
  ASSERT_TRUE(invocation.ok()) << invocation.status();
  EXPECT_TRUE(invocation->settings.forms());
  EXPECT_FALSE(invocation->settings.joins());
  EXPECT_EQ(invocation->settings.discover.size(), 2u);
}

TEST(FlagsTest, ANodeThatJoinsNeedsNoNumberAndNoMembers) {
  const absl::StatusOr<Invocation> invocation =
      ParseCommandLine(Joining({"--listen-peer", "0.0.0.0:7101", "--advertise-peer", "c:7101",
                                "--join-replaces", "2", "--join-priority", "5"}));
  ASSERT_TRUE(invocation.ok()) << invocation.status();
  const Settings& settings = invocation->settings;
  EXPECT_EQ(settings.join, (std::vector<Address>{{"a", 7201}, {"b", 7201}}));
  EXPECT_EQ(settings.join_replaces, NodeId{2});
  EXPECT_EQ(settings.join_priority, 5u);
  EXPECT_EQ(settings.peer_address().ToString(), "0.0.0.0:7101");
  EXPECT_EQ(settings.advertised_peer_address().ToString(), "c:7101");
  EXPECT_EQ(settings.beginning(), raft::Membership()) << "it is told";
}

// A table of command lines and what the one line says about each.
struct Wrong {
  Arguments arguments;
  const char* message;
};

TEST(FlagsTest, EachMistakeIsNamed) {
  const std::vector<Wrong> kCases = {
      {Valid({"--nonsense"}), "unknown argument '--nonsense'"},
      {Valid({"stray"}), "unknown argument 'stray'"},
      {Valid({"--node-id", "2"}), "--node-id: given 2 times"},
      {Valid({"--election-timeout-ms", "soon"}),
       "--election-timeout-ms: 'soon' is not a whole number from 10 to 3600000"},
      {Valid({"--election-timeout-ms", "9"}),
       "--election-timeout-ms: '9' is not a whole number from 10 to 3600000"},
      {Valid({"--initial-cluster-state", "old"}),
       "--initial-cluster-state: 'old' is neither 'new' nor 'existing'"},
      {Valid({"--heartbeat-ms", "-5"}),
       "--heartbeat-ms: '-5' is not a whole number from 1 to 3600000"},
      {Valid({"--heartbeat-ms", "500"}),
       "heartbeat-ms (500) is more than a third of election-timeout-ms (1000)"},
      {Valid({"--value-bytes-max", "2000000"}),
       "value-bytes-max (2000000) is more than request-bytes-max (1572864)"},
      {Valid({"--listen-client", "127.0.0.1"}),
       "--listen-client: '127.0.0.1' is not an address: expected HOST:PORT"},
      {Valid({"--listen-client", "127.0.0.1:65536"}),
       "--listen-client: '127.0.0.1:65536' is not an address: the port is not a number from 0 to "
       "65535"},
      {Valid({"--listen-peer", ":80"}),
       "--listen-peer: ':80' is not an address: the host is empty"},
      {Valid({"--listen-peer", "::1:80"}),
       "--listen-peer: '::1:80' is not an address: an IPv6 host needs brackets, as in [::1]:7101"},
      {Valid({"--listen-metrics", "127.0.0.1:7201"}),
       "listen-metrics is 127.0.0.1:7201, which is also this node's client address"},
      {Valid({"--listen-peer", "127.0.0.1:7201"}),
       "listen-peer and listen-client are both 127.0.0.1:7201"},
      {Valid({"--peer", "2=127.0.0.1:7109"}), "--peer: node 2 is listed twice"},
      {Valid({"--peer", "3=127.0.0.1:7101"}),
       "peer: 127.0.0.1:7101 is both the peer address of node 1 and the peer address of node 3"},
      {Valid({"--peer", "3=127.0.0.1:7202"}),
       "peer: 127.0.0.1:7202 is both the client address of node 2 and the peer address of node 3"},
      {Valid({"--peer", "3=127.0.0.1:0"}),
       "--peer: '127.0.0.1:0' is not an address of a member: its port is 0"},
      {Valid({"--peer", "127.0.0.1:7103"}),
       "--peer: '127.0.0.1:7103' is not a member: expected ID=PEER_ADDRESS[,CLIENT_ADDRESS]"},
      {Valid({"--peer", "0=127.0.0.1:7103"}),
       "--peer: in '0=127.0.0.1:7103': '0' is not a whole number from 1 to 9223372036854775807"},
      {Valid({"--log-level", "loud"}),
       "--log-level: 'loud' is not one of debug, info, warning and error"},
      {Valid({"--log-format", "xml"}), "--log-format: 'xml' is not one of logfmt and json"},
      {Valid({"--cluster-name", ""}), "--cluster-name: a cluster's name has 1 to 128 bytes"},
      {Valid({"--config", "/nonexistent/file"}), "/nonexistent/file: No such file or directory"},
      {Joining(), "join: listen-peer and listen-client are required"},
      {Joining({"--listen-peer", "c:7101", "--node-id", "4"}),
       "node-id: a node that joins gets its number from the cluster"},
      {Joining({"--listen-peer", "c:7101", "--peer", "1=a:7101"}),
       "join and peer contradict each other: a node that joins is told the members"},
      {Joining({"--listen-peer", "0.0.0.0:7101"}),
       "advertise-peer is required: nobody can reach this node at 0.0.0.0:7101"},
      {Joining({"--listen-peer", "c:0"}),
       "advertise-peer is required: nobody can reach this node at c:0"},
      {Joining({"--listen-peer", "c:7101", "--join-as", "leader"}),
       "--join-as: 'leader' is neither 'voter' nor 'learner'"},
      {Joining({"--listen-peer", "c:7101", "--join-as", "learner", "--join-replaces", "1"}),
       "join-replaces: who joins as a learner replaces nobody"},
      {Joining({"--listen-peer", "c:7101", "--discovery-srv", "example.test"}),
       "join and discovery-srv contradict each other: both say whom to ask"},
      {Joining({"--discovery-srv", "exa mple"}), "--discovery-srv: 'exa mple' is not a domain"},
      {Forming({"--listen-client", "a:2", "--node-id", "1"}),
       "bootstrap-expect and node-id contradict each other"},
      {Forming({"--listen-client", "a:2", "--join", "b:2"}),
       "bootstrap-expect and join contradict each other"},
      {Forming({"--listen-client", "a:2", "--discovery-srv", "example.test"}),
       "bootstrap-expect: one of discover and discovery-srv must say where to find the others"},
      {Forming({"--listen-client", "a:2", "--discover", "b:1"}), "discover: b:1 is listed twice"},
      {Forming({"--listen-client", "a:2", "--discover", "c:1"}),
       "discover lists 3 machines, bootstrap-expect says 2"},
      {Forming(), "bootstrap-expect: listen-peer and listen-client are required"},
      {Forming({"--listen-client", "a:0"}),
       "bootstrap-expect: listen-peer and listen-client need ports that stay"},
      {Valid({"--discover", "b:1"}), "discover means nothing without join or discovery-srv"},
      {Joining({"--bootstrap-expect", "65"}),
       "--bootstrap-expect: '65' is not a whole number from 1 to 64"},
      {Joining({"--dns-server", "localhost:53"}),
       "--dns-server: 'localhost:53' is not a name server's IP:PORT or [IPV6]:PORT"},
      {Joining({"--join", "a"}), "--join: 'a' is not an address: expected HOST:PORT"},
      {Valid({"--join-replaces", "1"}),
       "join-replaces means nothing without join or discovery-srv"},
      {Valid({"--advertise-client", "c:1"}),
       "advertise-client means nothing without join or discovery-srv"},
      {{}, "node-id is required"},
      {{"--node-id", "1"}, "data-dir is required"},
      {{"--node-id", "1", "--data-dir", "d"},
       "peer is required, once for each member of the cluster"},
      {{"--node-id", "3", "--data-dir", "d", "--peer", "1=h:1,h:2"},
       "peer: the list does not hold this node, 3"},
      {{"--node-id", "1", "--data-dir", "d", "--peer", "1=h:1"},
       "no address for clients: give listen-client, or add one to peer 1"},
  };
  for (const Wrong& wrong : kCases) {
    EXPECT_EQ(ErrorOf(wrong.arguments), wrong.message);
  }
}

TEST(FlagsTest, AFlagWithoutItsValueIsOneLine) {
  const std::string error = ErrorOf(Valid({"--log-level"}));
  EXPECT_NE(error.find("--log-level"), std::string::npos) << error;
  EXPECT_EQ(error.find('\n'), std::string::npos) << error;
}

// A setting that is in the table and not in --help, or the other way around, is a bug.
TEST(FlagsTest, HelpTellsEverySettingAndEveryExitCode) {
  const absl::StatusOr<Invocation> invocation = ParseCommandLine({"--help"});
  ASSERT_TRUE(invocation.ok());
  ASSERT_TRUE(invocation->print.has_value());
  for (const Setting& setting : AllSettings()) {
    EXPECT_NE(invocation->print->find(std::string("--") + setting.name), std::string::npos)
        << setting.name;
  }
  for (const char* code : {"\n  0  ", "\n  2  ", "\n  3  ", "\n  4  ", "\n  5  ", "\n  6  "}) {
    EXPECT_NE(invocation->print->find(code), std::string::npos) << code;
  }
}

// What --help shows as default is what a node does without the flag: the text, given as a value,
// changes nothing.
TEST(FlagsTest, ShownDefaultsAreTheDefaults) {
  for (const Setting& setting : AllSettings()) {
    const std::string shown = setting.show(Settings());
    if (shown.empty() || shown == "this node's in --peer") {
      continue;
    }
    Settings changed;
    EXPECT_TRUE(setting.set({shown}, &changed).ok()) << setting.name << " " << shown;
    EXPECT_EQ(setting.show(changed), shown) << setting.name;
  }
}

class ConfigFileTest : public ::testing::Test {
 protected:
  // The error of a node with this file and no other flags.
  std::string ErrorOfFile(const std::string& text) {
    Write(text);
    return ErrorOf({"--config", path_});
  }
  void Write(const std::string& text) { std::ofstream(path_) << text; }

  const storage::TemporaryFolder folder_;
  const std::string path_ = folder_ / "node.toml";
};

constexpr char kValidFile[] =
    "node-id = 1\n"
    "data-dir = \"data\"\n"
    "peer = [\n"
    "  \"1=127.0.0.1:7101,127.0.0.1:7201\",\n"
    "  \"2=127.0.0.1:7102,127.0.0.1:7202\",\n"
    "]\n"
    "election-timeout-ms = 700\n";

TEST_F(ConfigFileTest, HoldsTheSameSettingsAsTheFlags) {
  Write(kValidFile);
  const absl::StatusOr<Invocation> invocation = ParseCommandLine({"--config", path_});
  ASSERT_TRUE(invocation.ok()) << invocation.status();
  EXPECT_EQ(invocation->settings.election_timeout_ms, 700u);
  EXPECT_EQ(invocation->settings.members.size(), 2u);
}

TEST_F(ConfigFileTest, ANodeMayBeToldThatItHasBeenStartedBefore) {
  Write(kValidFile);
  EXPECT_FALSE(ParseCommandLine({"--config", path_})->settings.expects_data);
  Write(std::string("initial-cluster-state = \"existing\"\n") + kValidFile);
  const absl::StatusOr<Invocation> invocation = ParseCommandLine({"--config", path_});
  ASSERT_TRUE(invocation.ok()) << invocation.status();
  EXPECT_TRUE(invocation->settings.expects_data);
}

TEST_F(ConfigFileTest, FlagsOverrideIt) {
  Write(kValidFile);
  const absl::StatusOr<Invocation> invocation =
      ParseCommandLine({"--config", path_, "--election-timeout-ms", "900", "--peer",
                        "1=127.0.0.1:8101,127.0.0.1:8201"});
  ASSERT_TRUE(invocation.ok()) << invocation.status();
  EXPECT_EQ(invocation->settings.election_timeout_ms, 900u);
  EXPECT_EQ(invocation->settings.members.size(), 1u);
  EXPECT_EQ(invocation->settings.peer_address().ToString(), "127.0.0.1:8101");
}

TEST_F(ConfigFileTest, EveryNumberCanBeGiven) {
  std::string text = kValidFile;
  for (const Setting& setting : AllSettings()) {
    const std::string shown = setting.show(Settings());
    if (setting.kind == SettingKind::kNumber && !shown.empty() &&
        std::string(setting.name) != "election-timeout-ms") {
      text += std::string(setting.name) + " = " + shown + "\n";
    }
  }
  Write(text);
  const absl::StatusOr<Invocation> invocation = ParseCommandLine({"--config", path_});
  EXPECT_TRUE(invocation.ok()) << invocation.status();
}

TEST_F(ConfigFileTest, MistakesAreNamedWithFileAndLine) {
  const std::string file = kValidFile;
  EXPECT_EQ(ErrorOfFile(file + "colour = 3\n"), path_ + ":8: unknown setting 'colour'");
  EXPECT_EQ(ErrorOfFile(file + "heartbeat-ms = \"fast\"\n"),
            path_ + ":8: heartbeat-ms: expected a whole number");
  EXPECT_EQ(ErrorOfFile(file + "heartbeat-ms = 0\n"),
            path_ + ":8: heartbeat-ms: '0' is not a whole number from 1 to 3600000");
  EXPECT_EQ(ErrorOfFile(file + "log-level = 3\n"),
            path_ + ":8: log-level: expected text in quotes");
  EXPECT_EQ(ErrorOfFile("peer = 3\n"), path_ + ":1: peer: expected a list of texts in quotes");
  EXPECT_EQ(ErrorOfFile("peer = []\n"), path_ + ":1: peer: expected a list of texts in quotes");
  EXPECT_EQ(ErrorOfFile("[limits]\nkey-bytes-max = 1\n"), path_ + ":1: unknown setting 'limits'");
}

TEST_F(ConfigFileTest, TextThatIsNotTomlIsNamedWithItsLine) {
  const std::string error = ErrorOfFile("node-id = 1\nthis is no toml\n");
  EXPECT_EQ(error.rfind(path_ + ":2: ", 0), 0u) << error;
  EXPECT_EQ(error.find('\n'), std::string::npos) << error;
}

TEST_F(ConfigFileTest, AKeyGivenTwiceIsAnError) {
  const std::string error = ErrorOfFile("node-id = 1\nnode-id = 2\n");
  EXPECT_EQ(error.rfind(path_ + ":2: ", 0), 0u) << error;
}

TEST_F(ConfigFileTest, AFolderIsNoFile) {
  EXPECT_EQ(ErrorOf({"--config", folder_.path()}), folder_.path() + ": not a regular file");
}

// The id is on disk: it may never change for a name.
TEST(ClusterIdTest, IsTheSameForEver) {
  EXPECT_EQ(ClusterIdFromName("lockstep").value, 3552560898226933088u);
  EXPECT_EQ(ClusterIdFromName("other").value, 730899674924722773u);
}

}  // namespace
}  // namespace lockstep::server
