// Who belongs to a cluster: the arithmetic, the bytes, and what a leader does with them.

#include "core/raft/membership.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/raft/membership_change.h"
#include "core/raft/membership_history.h"
#include "tests/core/raft_cluster.h"

namespace lockstep::raft {
namespace {

Membership Changed(const Membership& from, const std::vector<StandingChange>& changes) {
  auto changed = ChangeStandings(from, changes);
  EXPECT_TRUE(std::holds_alternative<Membership>(changed)) << std::get<std::string>(changed);
  return std::get<Membership>(changed);
}

std::string Refused(const Membership& from, const std::vector<StandingChange>& changes) {
  auto changed = ChangeStandings(from, changes);
  return std::holds_alternative<std::string>(changed) ? std::get<std::string>(changed) : "allowed";
}

Membership WithLearner(std::vector<NodeId> voters, NodeId learner) {
  Membership membership = MembershipOf(voters);
  membership.members[learner].learner = true;
  membership.next_id = std::max(membership.next_id, learner.Next());
  return membership;
}

TEST(MembershipTest, VotersChangeThroughAJointConfigurationAndLearnersAtOnce) {
  const Membership from = WithLearner({{1}, {2}, {3}}, {4});
  const Membership joint = Changed(from, {{{4}, Standing::kVoter}, {{1}, Standing::kNone}});
  EXPECT_EQ(ToText(joint), "voters 2 3 4, leaving voters 1 2 3");
  EXPECT_TRUE(joint.IsJoint());
  EXPECT_TRUE(joint.IsVoter({1}));
  const Membership after = LeaveJoint(joint);
  EXPECT_EQ(ToText(after), "voters 2 3 4");
  EXPECT_TRUE(after.IsRemoved({1}));
  EXPECT_FALSE(after.IsRemoved({5})) << "it was never given";
  EXPECT_EQ(ToText(Changed(from, {{{4}, Standing::kNone}})), "voters 1 2 3");
}

TEST(MembershipTest, ADemotedVoterVotesUntilTheOldConfigurationIsLeft) {
  const Membership joint = Changed(MembershipOf({{1}, {2}, {3}}), {{{3}, Standing::kLearner}});
  EXPECT_EQ(ToText(joint), "voters 1 2, leaving voters 1 2 3, learner 3");
  EXPECT_EQ(ToText(LeaveJoint(joint)), "voters 1 2, learner 3");
}

TEST(MembershipTest, RefusesWhatMakesNoSense) {
  const Membership from = MembershipOf({{1}, {2}});
  EXPECT_EQ(Refused(from, {{{3}, Standing::kNone}}), "node 3 is not a member");
  EXPECT_EQ(Refused(from, {{{1}, Standing::kNone}, {{1}, Standing::kVoter}}),
            "node 1 is named twice");
  EXPECT_EQ(Refused(from, {{{1}, Standing::kVoter}}), "nothing would change");
  EXPECT_EQ(Refused(from, {{{1}, Standing::kNone}, {{2}, Standing::kLearner}}),
            "no voter would be left");
  const Membership joint = Changed(from, {{{2}, Standing::kNone}});
  EXPECT_EQ(Refused(joint, {{{1}, Standing::kNone}}),
            "a change is under way: voter 1, leaving voters 1 2");
}

TEST(MembershipTest, WhoWaitsToReplaceAMemberThatHasGoneWaitsForNothing) {
  Membership from = WithLearner({{1}, {2}, {3}}, {4});
  from.members.at({4}).promote = true;
  from.members.at({4}).replaces = {3};
  const Membership after = LeaveJoint(Changed(from, {{{3}, Standing::kNone}}));
  EXPECT_TRUE(after.members.at({4}).promote);
  EXPECT_EQ(after.members.at({4}).replaces, NodeId());
}

TEST(MembershipTest, ANewMemberGetsAnIdThatNobodyHad) {
  Membership membership = MembershipOf({{1}, {2}, {3}});
  membership = LeaveJoint(Changed(membership, {{{3}, Standing::kNone}}));
  auto changed = Change(membership, {.add = NewMember{.incarnation = {7}}});
  const auto& after = std::get<Membership>(changed);
  EXPECT_EQ(FindIncarnation(after, {7}), NodeId{4});
  EXPECT_TRUE(after.members.at({4}).learner);
  auto again = Change(after, {.add = NewMember{.incarnation = {7}}});
  EXPECT_EQ(std::get<std::string>(again), "node 4 is that member already");
}

// What a quorum of two groups has reached is what both have.
RC_GTEST_PROP(MembershipProperty, AQuorumIsAMajorityOfEachHalf, ()) {
  Membership membership;
  std::map<NodeId, int> values;
  const auto count = *rc::gen::inRange<std::uint64_t>(1, 8);
  for (std::uint64_t id = 1; id <= count; ++id) {
    Member member;
    member.voter = id == 1 || *rc::gen::arbitrary<bool>();
    member.outgoing = *rc::gen::arbitrary<bool>();
    member.learner = !member.voter && !member.outgoing;
    membership.members[{id}] = member;
    membership.next_id = {id + 1};
    values[{id}] = *rc::gen::inRange(0, 10);
  }
  int expected = -1;
  for (int candidate = 0; candidate < 10; ++candidate) {
    std::size_t voters = 0, voters_have = 0, outgoing = 0, outgoing_have = 0;
    for (const auto& [id, member] : membership.members) {
      voters += member.voter ? 1 : 0;
      voters_have += member.voter && values[id] >= candidate ? 1 : 0;
      outgoing += member.outgoing ? 1 : 0;
      outgoing_have += member.outgoing && values[id] >= candidate ? 1 : 0;
    }
    if (2 * voters_have > voters && (outgoing == 0 || 2 * outgoing_have > outgoing)) {
      expected = candidate;
    }
  }
  RC_ASSERT(ReachedByQuorum(membership, [&](NodeId id) { return values.at(id); }) == expected);
}

// Any two configurations that follow each other share a voter in every pair of their quorums: a
// joint configuration needs a majority of both.
RC_GTEST_PROP(MembershipProperty, ChangesLeadThroughAJointConfigurationOrKeepTheVoters, ()) {
  const auto count = *rc::gen::inRange<std::uint64_t>(1, 7);
  Membership from;
  for (std::uint64_t id = 1; id <= count; ++id) {
    from.members[{id}].voter = id == 1 || *rc::gen::arbitrary<bool>();
    from.members[{id}].learner = !from.members[{id}].voter;
    from.next_id = {id + 1};
  }
  std::vector<StandingChange> changes;
  for (std::uint64_t id = 1; id <= count; ++id) {
    if (*rc::gen::arbitrary<bool>()) {
      changes.push_back(
          {{id}, *rc::gen::element(Standing::kNone, Standing::kLearner, Standing::kVoter)});
    }
  }
  auto changed = ChangeStandings(from, changes);
  RC_PRE(std::holds_alternative<Membership>(changed));
  const auto& to = std::get<Membership>(changed);
  RC_ASSERT(Validate(to).empty());
  RC_ASSERT(DecodeMembership(EncodeMembership(to)) == to);
  for (const auto& [id, member] : from.members) {
    const Member* now = to.Find(id);
    if (to.IsJoint()) {
      RC_ASSERT((now != nullptr || member.learner));
      RC_ASSERT((!member.voter || (now != nullptr && now->outgoing)));
    } else {
      RC_ASSERT(member.voter == (now != nullptr && now->voter));
    }
  }
  const Membership after = to.IsJoint() ? LeaveJoint(to) : to;
  RC_ASSERT(Validate(after).empty());
  for (const StandingChange& change : changes) {
    const Member* now = after.Find(change.id);
    RC_ASSERT((change.standing == Standing::kNone) == (now == nullptr));
    RC_ASSERT((change.standing == Standing::kVoter) == (now != nullptr && now->voter));
  }
}

TEST(MembershipCodecTest, RefusesWhatItDidNotWrite) {
  Membership membership = WithLearner({{1}, {2}}, {3});
  membership.members.at({3}).peer_address = "host:1";
  const std::string bytes = EncodeMembership(membership);
  EXPECT_EQ(DecodeMembership(bytes), membership);
  EXPECT_EQ(DecodeMembership(EncodeMembership({})), Membership());
  EXPECT_EQ(DecodeMembership(""), std::nullopt);
  EXPECT_EQ(DecodeMembership(bytes + bytes), std::nullopt);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_NE(DecodeMembership(bytes.substr(0, size)), membership) << size;
  }
  membership.members.at({1}).voter = false;
  EXPECT_EQ(DecodeMembership(EncodeMembership(membership)), std::nullopt) << "of no standing";
  membership.members.at({1}).voter = true;
  membership.next_id = {3};
  EXPECT_EQ(DecodeMembership(EncodeMembership(membership)), std::nullopt) << "an id not given yet";
}

TEST(MembershipHistoryTest, TruncationBringsTheOneBeforeBack) {
  MembershipHistory history({{}, MembershipOf({{1}})});
  history.Append({{5}, MembershipOf({{2}})});
  history.Append({{9}, MembershipOf({{3}})});
  EXPECT_EQ(history.At({4}).membership, MembershipOf({{1}}));
  EXPECT_EQ(history.At({5}).membership, MembershipOf({{2}}));
  EXPECT_TRUE(history.TruncateFrom({9}));
  EXPECT_EQ(history.latest().index, Index{5});
  EXPECT_FALSE(history.TruncateFrom({6}));
  history.ForgetBefore({7});
  EXPECT_FALSE(history.TruncateFrom({1})) << "the first one is committed";
  EXPECT_EQ(history.latest().index, Index{5});
}

// ---- A leader changes its cluster

class ChangeTest : public testing::Test {
 protected:
  LogPosition Change(std::uint64_t leader, const MembershipChange& change) {
    auto changed = cluster_.node(leader).ChangeMembership(change, cluster_.now());
    cluster_.Collect(leader);
    if (const auto* refusal = std::get_if<MembershipRefusal>(&changed)) {
      ADD_FAILURE() << refusal->text;
      return {};
    }
    return std::get<LogPosition>(changed);
  }
  std::string Refusal(std::uint64_t leader, const MembershipChange& change) {
    auto changed = cluster_.node(leader).ChangeMembership(change, cluster_.now());
    cluster_.Collect(leader);
    const auto* refusal = std::get_if<MembershipRefusal>(&changed);
    return refusal == nullptr ? "allowed" : refusal->text;
  }
  std::string MembersOf(std::uint64_t id) {
    return ToText(cluster_.node(id).membership().membership);
  }

  RaftCluster cluster_{3};
};

TEST_F(ChangeTest, ARemovedFollowerIsGoneOnceTheJointConfigurationIsLeft) {
  cluster_.Elect(1);
  Change(1, {.standings = {{{3}, Standing::kNone}}});
  EXPECT_EQ(MembersOf(1), "voters 1 2, leaving voters 1 2 3") << "from the moment it is appended";
  cluster_.Run(Milliseconds(500));
  EXPECT_EQ(MembersOf(1), "voters 1 2");
  EXPECT_EQ(MembersOf(2), "voters 1 2");
  EXPECT_EQ(cluster_.node(1).progress({3}), nullptr);
  cluster_.Run(Seconds(5));
  EXPECT_TRUE(cluster_.node(3).expelled());
  EXPECT_EQ(cluster_.Leader(), 1u) << "it has disturbed nobody";
}

TEST_F(ChangeTest, AnotherChangeWaitsForTheFirst) {
  cluster_.Elect(1);
  cluster_.Isolate(2);
  cluster_.Isolate(3);
  Change(1, {.add = NewMember{.incarnation = {9}}});
  EXPECT_EQ(Refusal(1, {.add = NewMember{.incarnation = {10}}}),
            "a change is under way: voters 1 2 3, learner 4");
}

TEST_F(ChangeTest, ALeaderThatHasCommittedNothingChangesNothing) {
  cluster_.Drop([](const Message& message) {
    return std::holds_alternative<AppendEntriesReply>(message.body);
  });
  cluster_.Elect(1);
  EXPECT_EQ(Refusal(1, {.add = NewMember{.incarnation = {9}}}),
            "this leader has not committed anything yet");
  EXPECT_EQ(Refusal(2, {.add = NewMember{.incarnation = {9}}}), "this node is not the leader");
}

TEST_F(ChangeTest, AChangeThatWouldLeaveNoLiveQuorumIsRefusedWithTheArithmetic) {
  cluster_.Elect(1);
  cluster_.Run(Milliseconds(300));
  cluster_.Isolate(3);
  cluster_.Run(Seconds(2));
  ASSERT_EQ(cluster_.Leader(), 1u);
  EXPECT_EQ(Refusal(1, {.standings = {{{2}, Standing::kNone}}}),
            "the cluster would have 2 voters and need 2 of them, but only 1 of nodes 1 3 can be "
            "reached: not heard of lately: node 3");
  Change(1, {.standings = {{{3}, Standing::kNone}}});
}

TEST_F(ChangeTest, ALeaderThatRemovesItselfLeadsUntilThatIsCommittedAndHandsOver) {
  cluster_.Elect(1);
  cluster_.Run(Milliseconds(300));
  Change(1, {.standings = {{{1}, Standing::kNone}}});
  const Instant before = cluster_.now();
  cluster_.Run(Milliseconds(500));
  EXPECT_TRUE(cluster_.node(1).expelled());
  EXPECT_NE(cluster_.Leader(), 0u);
  EXPECT_NE(cluster_.Leader(), 1u);
  EXPECT_LT(cluster_.now() - before, Seconds(1)) << "no election timeout had to pass";
  EXPECT_EQ(MembersOf(cluster_.Leader()), "voters 2 3");
}

TEST_F(ChangeTest, AConfigurationWhoseEntryIsTruncatedCountsNoMore) {
  cluster_.Elect(1);
  cluster_.Run(Milliseconds(300));
  cluster_.Isolate(1);
  Change(1, {.standings = {{{3}, Standing::kNone}}});
  EXPECT_EQ(MembersOf(1), "voters 1 2, leaving voters 1 2 3");
  cluster_.Elect(2);
  cluster_.Heal();
  cluster_.Run(Seconds(1));
  EXPECT_EQ(MembersOf(1), "voters 1 2 3");
}

TEST_F(ChangeTest, AJointConfigurationSurvivesARestartAndIsLeftByTheNextLeader) {
  cluster_.Elect(1);
  cluster_.Run(Milliseconds(300));
  // Node 2 gets the joint configuration; nobody hears that it did.
  cluster_.Drop([](const Message& message) {
    return std::holds_alternative<AppendEntriesReply>(message.body) || message.to == NodeId{3};
  });
  Change(1, {.standings = {{{3}, Standing::kLearner}}});
  cluster_.Deliver();
  EXPECT_EQ(MembersOf(2), "voters 1 2, leaving voters 1 2 3, learner 3");
  cluster_.Stop(1);
  cluster_.Restart(2);
  EXPECT_EQ(MembersOf(2), "voters 1 2, leaving voters 1 2 3, learner 3");
  cluster_.Drop({});
  cluster_.Restart(1);
  cluster_.Elect(2);
  cluster_.Run(Milliseconds(500));
  EXPECT_EQ(MembersOf(1), "voters 1 2, learner 3");
  EXPECT_EQ(MembersOf(3), "voters 1 2, learner 3");
  // A learner never campaigns.
  cluster_.Stop(1);
  cluster_.Stop(2);
  cluster_.Run(Seconds(20));
  EXPECT_EQ(cluster_.node(3).role(), Role::kFollower);
  EXPECT_FALSE(cluster_.node(3).expelled());
}

// The one that is removed has the entry that removes it, and the one that stays does not: it cannot
// be elected, since its log is shorter. Found by the simulator.
TEST(RemovalTest, TheOneThatIsRemovedMayHaveToLeadUntilThatIsCommitted) {
  RaftCluster cluster(2);
  cluster.Elect(2);
  cluster.Run(Milliseconds(300));
  // Node 1 never gets the configuration that the joint one is left for.
  cluster.Drop([&](const Message& message) {
    const auto* append = std::get_if<AppendEntries>(&message.body);
    if (append == nullptr || append->entries.empty()) {
      return false;
    }
    const Entry& last = append->entries.back();
    return last.kind == EntryKind::kMembership && !DecodeMembership(last.payload.view())->IsJoint();
  });
  auto changed =
      cluster.node(2).ChangeMembership({.standings = {{{2}, Standing::kNone}}}, cluster.now());
  ASSERT_TRUE(std::holds_alternative<LogPosition>(changed));
  cluster.Collect(2);
  cluster.Run(Milliseconds(300));
  ASSERT_EQ(ToText(cluster.node(2).membership().membership), "voter 1");
  ASSERT_EQ(ToText(cluster.node(1).membership().membership), "voter 1, leaving voters 1 2");
  cluster.Drop({});
  cluster.Restart(1);
  cluster.Restart(2);
  cluster.Run(Seconds(10));
  EXPECT_EQ(cluster.Leader(), 1u);
  EXPECT_EQ(ToText(cluster.node(1).committed_membership().membership), "voter 1");
  EXPECT_TRUE(cluster.node(2).expelled());
}

TEST_F(ChangeTest, ALearnerThatCatchesUpIsPromotedAndMayReplaceAnother) {
  cluster_.Elect(1);
  cluster_.Run(Milliseconds(300));
  cluster_.AddServer(4, {9});
  Change(1, {.add = NewMember{.incarnation = {9}, .replaces = {2}}});
  cluster_.Run(Seconds(3));
  EXPECT_EQ(MembersOf(1), "voters 1 3 4");
  EXPECT_EQ(MembersOf(4), "voters 1 3 4");
  cluster_.Run(Seconds(3));
  EXPECT_TRUE(cluster_.node(2).expelled());
}

TEST_F(ChangeTest, ALearnerThatIsDownIsNeverPromoted) {
  cluster_.Elect(1);
  cluster_.Run(Milliseconds(300));
  cluster_.AddServer(4, {9});
  Change(1, {.add = NewMember{.incarnation = {9}}});
  cluster_.Isolate(4);
  cluster_.Run(Seconds(10));
  EXPECT_EQ(MembersOf(1), "voters 1 2 3, learner 4");
  EXPECT_NE(Refusal(1, {.standings = {{{4}, Standing::kVoter}}}).find("node 4 has not caught up"),
            std::string::npos);
}

// A node that lost its files got new ones under its old id: it must not vote again.
TEST(IncarnationTest, ANodeWithOtherFilesThanTheMembersIsRefused) {
  RaftCluster cluster(3, [](Config& config) { config.incarnation = {100 + config.id.value}; });
  cluster.Elect(1);
  cluster.Run(Seconds(1));
  for (std::uint64_t id = 1; id <= 3; ++id) {
    EXPECT_EQ(cluster.node(2).committed_membership().membership.members.at({id}).incarnation,
              Incarnation{100 + id});
  }
  cluster.Stop(3);
  cluster.SetDisk(3, {});
  cluster.SetIncarnation(3, {999});
  cluster.Restart(3);
  cluster.Run(Seconds(5));
  EXPECT_TRUE(cluster.node(3).expelled());
  EXPECT_EQ(cluster.Leader(), 1u);
}

// ---- Leadership is handed over

class TransferTest : public ChangeTest {};

TEST_F(TransferTest, TheTargetLeadsWithoutWaitingForAnElectionTimeout) {
  cluster_.Elect(1);
  cluster_.Run(Milliseconds(300));
  EXPECT_EQ(cluster_.node(1).TransferLeadership({3}, cluster_.now()), "");
  cluster_.Collect(1);
  cluster_.Deliver();
  EXPECT_EQ(cluster_.Leader(), 3u);
  ASSERT_EQ(cluster_.transfers(1).size(), 1u);
  EXPECT_TRUE(cluster_.transfers(1).front().moved);
}

TEST_F(TransferTest, ProposalsWaitForItsEndAndItEndsWhenTheTargetIsSilent) {
  cluster_.Elect(1);
  cluster_.Run(Milliseconds(300));
  cluster_.Isolate(3);
  EXPECT_EQ(cluster_.node(1).TransferLeadership({3}, cluster_.now()), "");
  EXPECT_EQ(cluster_.Propose(1, "x"), std::nullopt);
  cluster_.Run(Seconds(2));
  ASSERT_EQ(cluster_.transfers(1).size(), 1u);
  EXPECT_FALSE(cluster_.transfers(1).front().moved);
  EXPECT_NE(cluster_.Propose(1, "x"), std::nullopt);
}

TEST_F(TransferTest, ATargetThatIsDemotedEndsIt) {
  cluster_.Elect(1);
  cluster_.Run(Milliseconds(300));
  Change(1, {.standings = {{{3}, Standing::kLearner}}});
  cluster_.Isolate(3);
  EXPECT_EQ(cluster_.node(1).TransferLeadership({3}, cluster_.now()), "node 3 is not a voter");
}

TEST_F(TransferTest, RefusesTargetsThatCannotLead) {
  cluster_.Elect(1);
  cluster_.Run(Milliseconds(300));
  EXPECT_EQ(cluster_.node(1).TransferLeadership({1}, cluster_.now()), "node 1 leads already");
  EXPECT_EQ(cluster_.node(1).TransferLeadership({7}, cluster_.now()), "node 7 is not a voter");
  EXPECT_EQ(cluster_.node(2).TransferLeadership({1}, cluster_.now()),
            "this node is not the leader");
  cluster_.Isolate(2);
  cluster_.Isolate(3);
  cluster_.Run(Milliseconds(990));
  EXPECT_EQ(cluster_.node(1).TransferLeadership({}, cluster_.now()), "");
}

TEST_F(TransferTest, APreferredVoterIsGivenLeadership) {
  cluster_.Elect(1);
  cluster_.Run(Milliseconds(300));
  Change(1, {.updates = {{.id = {2}, .priority = 5}}});
  cluster_.Run(Seconds(4));
  EXPECT_EQ(cluster_.Leader(), 2u);
}

TEST_F(TransferTest, ALeaderWhoseDiskStallsHandsOverAndDoesNotCampaign) {
  cluster_.Elect(1);
  cluster_.Run(Milliseconds(300));
  cluster_.PersistAtOnce(1, false);
  EXPECT_NE(cluster_.Propose(1, "x"), std::nullopt);
  cluster_.Run(Seconds(6));
  EXPECT_NE(cluster_.Leader(), 1u);
  EXPECT_NE(cluster_.Leader(), 0u);
  cluster_.Stop(cluster_.Leader());
  const std::size_t events = cluster_.events(1).size();
  cluster_.Run(Seconds(5));
  for (std::size_t i = events; i < cluster_.events(1).size(); ++i) {
    EXPECT_NE(cluster_.events(1)[i].kind, Event::Kind::kBecamePreCandidate);
  }
}

}  // namespace
}  // namespace lockstep::raft
