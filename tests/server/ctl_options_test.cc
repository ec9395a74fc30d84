// What lockstepctl understands of members and leadership, and how it shows them.

#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "server/ctl/options.h"
#include "server/ctl/output.h"

namespace lockstep::server::ctl {
namespace {

using Arguments = std::vector<std::string>;

template <class T>
T Parsed(const Arguments& arguments) {
  const absl::StatusOr<Invocation> invocation = ParseCommandLine(arguments);
  EXPECT_TRUE(invocation.ok()) << invocation.status();
  return std::get<T>(invocation->command);
}

std::string ErrorOf(const Arguments& arguments) {
  const absl::StatusOr<Invocation> invocation = ParseCommandLine(arguments);
  return invocation.ok() ? "(no error)" : std::string(invocation.status().message());
}

TEST(CtlOptionsTest, MembersAndLeadership) {
  Parsed<MemberListCommand>({"member", "list", "--json"});
  EXPECT_EQ(Parsed<MemberRemoveCommand>({"member", "remove", "3"}).node, NodeId{3});
  EXPECT_EQ(Parsed<MemberPromoteCommand>({"member", "promote", "4"}).node, NodeId{4});
  EXPECT_EQ(Parsed<MemberDemoteCommand>({"member", "demote", "4"}).node, NodeId{4});
  const auto replace = Parsed<MemberReplaceCommand>({"member", "replace", "1", "4"});
  EXPECT_EQ(replace.leaving, NodeId{1});
  EXPECT_EQ(replace.learner, NodeId{4});
  const auto update = Parsed<MemberUpdateCommand>(
      {"member", "update", "2", "--peer-address", "n:1", "--priority", "7"});
  EXPECT_EQ(update.node, NodeId{2});
  EXPECT_EQ(update.peer_address, "n:1");
  EXPECT_EQ(update.client_address, std::nullopt);
  EXPECT_EQ(update.priority, 7u);
  EXPECT_EQ(Parsed<LeaderTransferCommand>({"leader", "transfer"}).target, NodeId{});
  EXPECT_EQ(Parsed<LeaderTransferCommand>({"leader", "transfer", "2"}).target, NodeId{2});
}

TEST(CtlOptionsTest, AReadSaysHowConsistentItIs) {
  const auto plain = Parsed<GetCommand>({"get", "k"});
  EXPECT_EQ(plain.consistency, Consistency::kLinearizable);
  EXPECT_EQ(Parsed<GetCommand>({"get", "k", "--consistency", "lease"}).consistency,
            Consistency::kLease);
  EXPECT_EQ(Parsed<GetCommand>({"get", "k", "--consistency=serializable"}).consistency,
            Consistency::kSerializable);
  const auto bounded =
      Parsed<GetCommand>({"get", "k", "--consistency", "bounded", "--max-age", "500ms"});
  EXPECT_EQ(bounded.consistency, Consistency::kBoundedStaleness);
  EXPECT_EQ(bounded.max_age, Milliseconds(500));
  EXPECT_EQ(ErrorOf({"get", "k", "--consistency", "eventual"}),
            "get --consistency: 'eventual' is none of linearizable, lease, serializable and "
            "bounded");
  EXPECT_EQ(ErrorOf({"get", "k", "--consistency", "bounded"}),
            "get --consistency bounded: expected --max-age");
  EXPECT_EQ(ErrorOf({"get", "k", "--max-age", "5s"}),
            "get: --max-age goes with --consistency bounded");
  EXPECT_EQ(ErrorOf({"get", "k", "--consistency", "bounded", "--max-age", "0"}),
            "get --max-age: '0' is not a time above 0 such as 500ms or 10s");
}

TEST(CtlOptionsTest, EachMistakeIsNamed) {
  EXPECT_EQ(ErrorOf({"member"}).rfind("member: expected one of list, ", 0), 0u);
  EXPECT_EQ(ErrorOf({"leader"}), "leader: expected transfer; --help tells more");
  EXPECT_EQ(ErrorOf({"member", "remove", "0"}),
            "member remove: NODE: '0' is not a whole number from 1 to 9223372036854775807");
  EXPECT_EQ(ErrorOf({"member", "replace", "x", "1"}).rfind("member replace: LEAVING: 'x'", 0), 0u);
  EXPECT_EQ(ErrorOf({"member", "update", "2"}),
            "member update: expected --peer-address, --client-address or --priority");
  EXPECT_EQ(ErrorOf({"member", "update", "2", "--peer-address", "n:0"}),
            "member update: 'n:0' is not an address of a member: its port is 0");
  EXPECT_NE(ErrorOf({"member", "update", "2", "--priority", "-1"}), "(no error)");
  EXPECT_NE(ErrorOf({"member", "remove"}), "(no error)");
  EXPECT_NE(ErrorOf({"leader", "transfer", "x"}), "(no error)");
}

TEST(CtlOptionsTest, HelpKnowsTheWholeCommand) {
  const absl::StatusOr<Invocation> invocation = ParseCommandLine({"member", "remove", "--help"});
  ASSERT_TRUE(invocation.ok());
  ASSERT_TRUE(invocation->print.has_value());
  EXPECT_NE(invocation->print->find("lockstepctl member remove"), std::string::npos)
      << *invocation->print;
}

v1::MembersResponse Members() {
  v1::MembersResponse members;
  members.set_cluster_id(7);
  members.set_membership_index(12);
  members.set_leader_id(1);
  v1::Member& leader = *members.add_members();
  leader.set_node_id(1);
  leader.set_standing(v1::Member::VOTER);
  leader.set_peer_address("a:1");
  leader.set_client_address("a:2");
  v1::Member& learner = *members.add_members();
  learner.set_node_id(4);
  learner.set_standing(v1::Member::LEARNER);
  learner.set_promote(true);
  learner.set_replaces(1);
  learner.set_priority(3);
  return members;
}

TEST(CtlOutputTest, MembersForPeopleAndForPrograms) {
  const Printed text = Print(Members(), false);
  EXPECT_EQ(text.code, ExitCode::kOk);
  EXPECT_NE(text.out.find("1     voter"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("leader\n"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("takes the place of node 1 once it has caught up\n"), std::string::npos)
      << text.out;
  EXPECT_EQ(Print(Members(), true).out,
            "{\"ok\":true,\"cluster_id\":\"7\",\"membership_index\":12,\"leader_id\":1,"
            "\"members\":[{\"node_id\":1,\"standing\":\"voter\",\"promote\":false,\"replaces\":0,"
            "\"priority\":0,\"peer_address\":\"a:1\",\"client_address\":\"a:2\"},{\"node_id\":4,"
            "\"standing\":\"learner\",\"promote\":true,\"replaces\":1,\"priority\":3,"
            "\"peer_address\":\"\",\"client_address\":\"\"}]}\n");
  EXPECT_EQ(Print(LeaderTransferCommand{}, NodeId{2}, false).out, "leadership went to node 2\n");
  EXPECT_EQ(Print(LeaderTransferCommand{}, NodeId{2}, true).out, "{\"ok\":true,\"node_id\":2}\n");
}

}  // namespace
}  // namespace lockstep::server::ctl
