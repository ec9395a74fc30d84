// Clusters that exchange their members, and what goes wrong meanwhile.

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/raft_scenarios/messages.h"

namespace lockstep::raft {
namespace {

std::string MembersOf(RaftCluster& cluster, std::uint64_t id) {
  return ToText(cluster.node(id).membership().membership);
}

bool CarriesMembership(const Message& message, bool joint) {
  const auto* append = std::get_if<AppendEntries>(&message.body);
  return append != nullptr &&
         std::any_of(append->entries.begin(), append->entries.end(), [&](const Entry& entry) {
           return entry.kind == EntryKind::kMembership &&
                  DecodeMembership(entry.payload.view())->IsJoint() == joint;
         });
}

// ScyllaDB: confchange a→b, ab→cd, abc→cde, abcdef→abcgh, abcde→abcdefg. etcd: v2_add_double,
// v2_replace_leader.
TEST(MembershipScenario, ManyMembersAreExchangedInOneStep) {
  struct Case {
    std::uint64_t voters;
    std::vector<std::uint64_t> leave;
    std::vector<std::uint64_t> enter;
    const char* joint;
    const char* after;
  };
  const Case kCases[] = {
      {1, {1}, {2}, "voter 2, leaving voter 1", "voter 2"},
      {2, {1, 2}, {3, 4}, "voters 3 4, leaving voters 1 2", "voters 3 4"},
      {3, {1, 2}, {4, 5}, "voters 3 4 5, leaving voters 1 2 3", "voters 3 4 5"},
      {6, {4, 5, 6}, {7, 8}, "voters 1 2 3 7 8, leaving voters 1 2 3 4 5 6", "voters 1 2 3 7 8"},
      {5, {}, {6, 7}, "voters 1 2 3 4 5 6 7, leaving voters 1 2 3 4 5", "voters 1 2 3 4 5 6 7"},
  };
  for (const Case& c : kCases) {
    RaftCluster cluster(c.voters);
    cluster.Elect(1);
    AddLearners(cluster, 1, c.voters + c.enter.size());
    MembershipChange change;
    for (const std::uint64_t id : c.leave) {
      change.standings.push_back({{id}, Standing::kNone});
    }
    for (const std::uint64_t id : c.enter) {
      change.standings.push_back({{id}, Standing::kVoter});
    }
    const LogPosition before = *cluster.Propose(1, "before");
    ASSERT_EQ(cluster.Change(1, change), "");
    EXPECT_EQ(MembersOf(cluster, 1), c.joint);
    cluster.Run(Seconds(8));
    const std::uint64_t leader = cluster.Leader();
    ASSERT_NE(leader, 0u) << c.after;
    EXPECT_EQ(MembersOf(cluster, leader), c.after);
    EXPECT_TRUE(cluster.node(leader).log().Holds(before));
    for (const std::uint64_t id : c.leave) {
      EXPECT_TRUE(cluster.node(id).expelled()) << id;
      cluster.Stop(id);
    }
    const Index after = cluster.Propose(leader, "after")->index;
    cluster.Deliver();
    EXPECT_GE(cluster.node(leader).commit_index(), after) << "without those who left";
  }
}

// etcd: CommitAfterRemoveNode. What waits for a majority of two is committed by one.
TEST(MembershipScenario, WhatWaitedForARemovedServerIsCommittedWithoutIt) {
  RaftCluster cluster(2);
  cluster.Elect(1);
  cluster.Run(Milliseconds(300));
  // Server 2 stores the change and nothing after it.
  ASSERT_EQ(cluster.Change(1, {.standings = {{{2}, Standing::kNone}}}), "");
  const Index change = cluster.node(1).log().last_index();
  cluster.Drop([&](const Message& m) {
    const auto* append = std::get_if<AppendEntries>(&m.body);
    return append != nullptr && !append->entries.empty() && append->entries.back().index > change;
  });
  const Index waiting = cluster.Propose(1, "waiting")->index;
  EXPECT_LT(cluster.node(1).commit_index(), change);
  cluster.Deliver();
  EXPECT_EQ(MembersOf(cluster, 1), "voter 1");
  EXPECT_GE(cluster.node(1).commit_index(), waiting);
}

// ScyllaDB: reply_from_removed_follower.
TEST(MembershipScenario, ALateAnswerOfARemovedServerChangesNothing) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.Run(Milliseconds(300));
  ASSERT_EQ(cluster.Change(1, {.standings = {{{3}, Standing::kNone}}}), "");
  cluster.Run(Milliseconds(300));
  ASSERT_EQ(MembersOf(cluster, 1), "voters 1 2");
  cluster.Isolate(2);
  const Index index = cluster.Propose(1, "x")->index;
  for (const Body& late : {Body(AppendEntriesReply{.success = true, .match = index, .round = 99}),
                           Body(AppendEntriesReply{.success = false, .match = index}),
                           Body(InstallSnapshotReply{.match = index})}) {
    cluster.Receive(From(3, 1, cluster.node(1).current_term(), late));
  }
  EXPECT_EQ(cluster.node(1).role(), Role::kLeader);
  EXPECT_LT(cluster.node(1).commit_index(), index);
}

// ScyllaDB: election_during_confchange, tracker. CCF: reconfig. Neither half is enough by itself.
TEST(MembershipScenario, AnElectionInAJointConfigurationNeedsBothHalves) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  AddLearners(cluster, 1, 5);
  cluster.Drop([](const Message& m) { return CarriesMembership(m, false); });
  ASSERT_EQ(cluster.Change(1, {.standings = {{{1}, Standing::kNone},
                                             {{2}, Standing::kNone},
                                             {{4}, Standing::kVoter},
                                             {{5}, Standing::kVoter}}}),
            "");
  cluster.Run(Milliseconds(300));
  ASSERT_EQ(MembersOf(cluster, 3), "voters 3 4 5, leaving voters 1 2 3");
  cluster.Stop(1);
  cluster.Stop(2);
  cluster.Run(Seconds(5));
  EXPECT_EQ(cluster.Leader(), 0u) << "all of the new half, one of the old";
  cluster.Stop(4);
  cluster.Stop(5);
  cluster.Restart(2);
  cluster.Run(Seconds(5));
  EXPECT_EQ(cluster.Leader(), 0u) << "two of the old half, one of the new";
  cluster.Restart(4);
  cluster.Drop(nullptr);
  cluster.Run(Seconds(8));
  ASSERT_NE(cluster.Leader(), 0u);
  EXPECT_EQ(MembersOf(cluster, cluster.Leader()), "voters 3 4 5") << "and it ends the change";
}

// ScyllaDB: commits in a joint configuration; etcd: joint_commit. The same of commits.
TEST(MembershipScenario, ACommitInAJointConfigurationNeedsBothHalves) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  AddLearners(cluster, 1, 5);
  ASSERT_EQ(cluster.Change(1, {.standings = {{{1}, Standing::kNone},
                                             {{2}, Standing::kNone},
                                             {{4}, Standing::kVoter},
                                             {{5}, Standing::kVoter}}}),
            "");
  const Index change = cluster.node(1).log().last_index();
  cluster.network().clear();
  const auto answer = [&](std::uint64_t from) {
    Message reply = From(from, 1, cluster.node(1).current_term(),
                         AppendEntriesReply{.success = true, .match = change, .hint = {}});
    reply.incarnation = cluster.node(from).config().incarnation;
    cluster.Receive(reply);
  };
  answer(4);
  answer(5);
  EXPECT_LT(cluster.node(1).commit_index(), change) << "of 1 2 3 only server 1 has it";
  answer(2);
  EXPECT_EQ(cluster.node(1).commit_index(), change);
}

// NuRaft: uncommitted_conf_new_leader. etcd: NewLeaderPendingConfig. A change that only a minority
// holds ends with its leader, or is ended by the next one that has it.
TEST(MembershipScenario, AChangeThatOnlyTheOldLeaderHasIsGoneAndAnotherOneMayBegin) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.Run(Milliseconds(300));
  cluster.Isolate(1);
  ASSERT_EQ(cluster.Change(1, {.standings = {{{2}, Standing::kNone}}}), "");
  cluster.Elect(2);
  cluster.Run(Milliseconds(300));
  ASSERT_EQ(cluster.Change(2, {.updates = {{.id = {3}, .client_address = "host:1"}}}), "");
  cluster.Heal();
  cluster.Run(Seconds(1));
  for (const std::uint64_t id : {1, 2, 3}) {
    EXPECT_EQ(MembersOf(cluster, id), "voters 1 2 3");
    EXPECT_EQ(cluster.node(id).membership().membership.members.at({3}).client_address, "host:1");
  }
}

// ScyllaDB: remove_node_cycle. CCF: swap_node.
TEST(MembershipScenario, EveryMemberIsReplacedByANewOneInTurn) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  for (std::uint64_t round = 1; round <= 4; ++round) {
    cluster.Run(Seconds(1));
    const std::uint64_t leader = cluster.Leader();
    ASSERT_NE(leader, 0u);
    cluster.AddServer(round + 3, {round + 3});
    ASSERT_EQ(
        cluster.Change(leader, {.add = NewMember{.incarnation = {round + 3}, .replaces = {round}}}),
        "");
    cluster.Run(Seconds(4));
    EXPECT_TRUE(cluster.node(round).expelled()) << round;
  }
  const std::uint64_t leader = cluster.Leader();
  ASSERT_NE(leader, 0u);
  EXPECT_EQ(MembersOf(cluster, leader), "voters 5 6 7");
  const Index index = cluster.Propose(leader, "x")->index;
  cluster.Deliver();
  EXPECT_EQ(cluster.node(leader).commit_index(), index);
}

// NuRaft: removed_server_late_step_down. It was away when it was removed, and hears of it when it
// asks for votes.
TEST(MembershipScenario, AServerThatMissedItsRemovalLearnsOfItAndDisturbsNobody) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.Run(Milliseconds(300));
  cluster.Isolate(3);
  ASSERT_EQ(cluster.Change(1, {.standings = {{{3}, Standing::kNone}}}), "");
  cluster.Run(Seconds(5));
  const Term term = cluster.node(1).current_term();
  EXPECT_FALSE(cluster.node(3).expelled());
  cluster.Heal();
  cluster.Run(Seconds(5));
  EXPECT_TRUE(cluster.node(3).expelled());
  EXPECT_EQ(cluster.Leader(), 1u);
  EXPECT_EQ(cluster.node(1).current_term(), term);
}

// etcd: ProposeAddDuplicateNode. A client that heard no answer asks again.
TEST(MembershipScenario, AServerThatIsAddedTwiceIsOneMember) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  AddLearners(cluster, 1, 4);
  EXPECT_EQ(cluster.Change(1, {.add = NewMember{.incarnation = {4}, .promote = false}}),
            "node 4 is that member already");
  EXPECT_EQ(MembersOf(cluster, 1), "voters 1 2 3, learner 4");
}

// CCF: retirement_rollback. Two changes by two leaders in one place of the log: one of them counts.
TEST(MembershipScenario, OfTwoRemovalsAtTheSamePlaceOneCounts) {
  RaftCluster cluster(5);
  cluster.Elect(1);
  cluster.Run(Milliseconds(300));
  cluster.Isolate(1);
  ASSERT_EQ(cluster.Change(1, {.standings = {{{5}, Standing::kNone}}}), "");
  cluster.Elect(2);
  cluster.Run(Milliseconds(200));
  ASSERT_EQ(cluster.Change(2, {.standings = {{{4}, Standing::kNone}}}), "");
  cluster.Run(Milliseconds(500));
  cluster.Heal();
  cluster.Run(Seconds(5));
  for (const std::uint64_t id : {1, 2, 3, 5}) {
    EXPECT_EQ(MembersOf(cluster, id), "voters 1 2 3 5");
  }
  EXPECT_FALSE(cluster.node(5).expelled());
  EXPECT_TRUE(cluster.node(4).expelled());
}

}  // namespace
}  // namespace lockstep::raft
