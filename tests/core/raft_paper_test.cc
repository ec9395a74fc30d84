// One test per sentence of Ongaro's dissertation (2014); sections are named beside each.

#include <gtest/gtest.h>

#include <algorithm>

#include "core/raft/node.h"
#include "tests/core/raft_cluster.h"

namespace lockstep::raft {
namespace {

template <class Body>
std::vector<Message> Sent(const RaftCluster& cluster, std::uint64_t from = 0) {
  std::vector<Message> found;
  for (const Message& message : cluster.sent()) {
    if (std::holds_alternative<Body>(message.body) && (from == 0 || message.from == NodeId{from})) {
      found.push_back(message);
    }
  }
  return found;
}

Message From(std::uint64_t from, std::uint64_t to, std::uint64_t term, Body body) {
  return {.cluster = {1}, .from = {from}, .to = {to}, .term = {term}, .body = std::move(body)};
}

// §3.3: "When servers start up, they begin as followers."
TEST(RaftPaperTest, AServerStartsAsAFollowerEvenWithItsOwnVote) {
  RaftCluster cluster(3);
  EXPECT_EQ(cluster.node(1).role(), Role::kFollower);
  cluster.Elect(1);
  cluster.Restart(1);
  EXPECT_EQ(cluster.node(1).role(), Role::kFollower);
  EXPECT_EQ(cluster.node(1).voted_for(), NodeId{1});
}

// §3.3: "If one server's current term is smaller than the other's, then it updates its current term
// to the larger value."
TEST(RaftPaperTest, ALaterTermIsAdopted) {
  RaftCluster cluster(3);
  cluster.node(2).Receive(From(1, 2, 5, AppendEntriesReply{}), cluster.now());
  EXPECT_EQ(cluster.node(2).current_term(), Term{5});
}

// §3.3: "If a candidate or leader discovers that its term is out of date, it immediately reverts to
// follower state."
TEST(RaftPaperTest, ALeaderThatLearnsOfALaterTermStepsDown) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.node(1).Receive(From(2, 1, 9, AppendEntriesReply{}), cluster.now());
  EXPECT_EQ(cluster.node(1).role(), Role::kFollower);
  EXPECT_EQ(cluster.node(1).current_term(), Term{9});
}

// §3.3: "If a server receives a request with a stale term number, it rejects the request."
TEST(RaftPaperTest, AStaleAppendIsRejectedWithTheCurrentTerm) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.node(2).Receive(From(3, 2, 0, AppendEntries{.previous = {}, .entries = Entries(1, {1})}),
                          cluster.now());
  cluster.Collect(2);
  const Message& reply = cluster.sent().back();
  EXPECT_FALSE(std::get<AppendEntriesReply>(reply.body).success);
  EXPECT_EQ(reply.term, cluster.node(1).current_term());
}

// §3.4: "Each server will vote for at most one candidate in a given term, on a
// first-come-first-served basis."
TEST(RaftPaperTest, AServerVotesOnceInATermAndRepeatsItsVote) {
  RaftCluster cluster(3);
  const RequestVote request{.pre_vote = false, .last_log = {}};
  cluster.node(3).Receive(From(1, 3, 1, request), cluster.now());
  cluster.node(3).Receive(From(2, 3, 1, request), cluster.now());
  cluster.node(3).Receive(From(1, 3, 1, request), cluster.now());
  cluster.Collect(3);
  const auto replies = Sent<RequestVoteReply>(cluster, 3);
  ASSERT_EQ(replies.size(), 3u);
  EXPECT_TRUE(std::get<RequestVoteReply>(replies[0].body).granted);
  EXPECT_FALSE(std::get<RequestVoteReply>(replies[1].body).granted);
  EXPECT_TRUE(std::get<RequestVoteReply>(replies[2].body).granted);
}

// §3.8: "Raft servers must persist enough information to stable storage to survive server restarts
// safely. In particular, each server persists its current term and vote."
TEST(RaftPaperTest, AVoteIsSilentUntilItIsDurable) {
  RaftCluster cluster(3);
  cluster.PersistAtOnce(3, false);
  cluster.node(3).Receive(From(1, 3, 1, RequestVote{.pre_vote = false, .last_log = {}}),
                          cluster.now());
  cluster.Collect(3);
  EXPECT_TRUE(Sent<RequestVoteReply>(cluster, 3).empty());
  cluster.Persist(3);
  EXPECT_EQ(Sent<RequestVoteReply>(cluster, 3).size(), 1u);
  EXPECT_EQ(cluster.disk(3).hard_state, (HardState{{1}, {1}}));
}

TEST(RaftPaperTest, AVoteSurvivesARestart) {
  RaftCluster cluster(3);
  cluster.node(3).Receive(From(1, 3, 1, RequestVote{.pre_vote = false, .last_log = {}}),
                          cluster.now());
  cluster.Collect(3);
  cluster.Restart(3);
  cluster.node(3).Receive(From(2, 3, 1, RequestVote{.pre_vote = false, .last_log = {}}),
                          cluster.now());
  cluster.Collect(3);
  EXPECT_FALSE(std::get<RequestVoteReply>(cluster.sent().back().body).granted);
}

// §3.4: a candidate "votes for itself", which must be as durable as any vote.
TEST(RaftPaperTest, ACandidatesOwnVoteCountsOnceDurable) {
  RaftCluster cluster(1);
  cluster.PersistAtOnce(1, false);
  cluster.Run(Seconds(3));
  EXPECT_EQ(cluster.node(1).role(), Role::kCandidate);
  cluster.Persist(1);
  EXPECT_EQ(cluster.node(1).role(), Role::kLeader);
}

// §3.4: "A candidate wins an election if it receives votes from a majority of the servers in the
// full cluster for the same term." The same vote twice is one vote.
TEST(RaftPaperTest, ARepeatedVoteCountsOnce) {
  RaftCluster cluster(5);
  cluster.Drop([](const Message& message) {
    const auto* reply = std::get_if<RequestVoteReply>(&message.body);
    return reply != nullptr && !reply->pre_vote;
  });
  cluster.Run(Seconds(2));
  std::uint64_t candidate = 1;
  while (cluster.node(candidate).role() != Role::kCandidate) {
    ASSERT_LT(++candidate, 6u);
  }
  const std::uint64_t voter = candidate == 1 ? 2 : 1;
  const Message vote = From(voter, candidate, cluster.node(candidate).current_term().value,
                            RequestVoteReply{.pre_vote = false, .granted = true});
  for (int i = 0; i < 3; ++i) {
    cluster.node(candidate).Receive(vote, cluster.now());
  }
  EXPECT_EQ(cluster.node(candidate).role(), Role::kCandidate);
}

// §3.4: "Raft uses randomized election timeouts to ensure that split votes are rare."
TEST(RaftPaperTest, ElectionTimeoutsLieBetweenOneAndTwoTimesTheSetting) {
  RaftCluster cluster(3);
  std::vector<std::int64_t> deadlines;
  for (int i = 0; i < 200; ++i) {
    cluster.Restart(1);
    deadlines.push_back(cluster.node(1).TakeEffects().deadline.ns);
  }
  const auto [low, high] = std::minmax_element(deadlines.begin(), deadlines.end());
  EXPECT_GE(*low, Milliseconds(1000).ns);
  EXPECT_LT(*high, Milliseconds(2000).ns);
  EXPECT_GT(*high - *low, Milliseconds(800).ns);
}

// §3.5: "The leader appends the command to its log as a new entry, then issues AppendEntries RPCs
// in parallel to each of the other servers."
TEST(RaftPaperTest, AProposalGoesToAllFollowersBeforeTheLeaderHasStoredIt) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.PersistAtOnce(1, false);
  cluster.Propose(1, "x");
  const auto appends = Sent<AppendEntries>(cluster, 1);
  ASSERT_GE(appends.size(), 2u);
  for (std::size_t i = appends.size() - 2; i < appends.size(); ++i) {
    EXPECT_EQ(std::get<AppendEntries>(appends[i].body).entries.back().payload.view(), "x");
  }
}

// §3.5: "A log entry is committed once the leader that created the entry has replicated it on a
// majority of the servers." A disk that has not stored it does not count, the leader's own
// included.
TEST(RaftPaperTest, OnlyDurableCopiesCountTowardsCommit) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.Isolate(3);
  cluster.PersistAtOnce(1, false);
  cluster.PersistAtOnce(2, false);
  const Index index = cluster.Propose(1, "x")->index;
  cluster.Deliver();
  EXPECT_LT(cluster.node(1).commit_index(), index);
  cluster.Persist(2);
  cluster.Deliver();
  EXPECT_LT(cluster.node(1).commit_index(), index) << "one of three has it";
  cluster.Persist(1);
  EXPECT_EQ(cluster.node(1).commit_index(), index);
}

TEST(RaftPaperTest, AFollowerAcknowledgesOnceDurable) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.PersistAtOnce(2, false);
  cluster.Propose(1, "x");
  const auto before = Sent<AppendEntriesReply>(cluster, 2).size();
  cluster.Deliver();
  EXPECT_EQ(Sent<AppendEntriesReply>(cluster, 2).size(), before);
  cluster.Persist(2);
  EXPECT_EQ(Sent<AppendEntriesReply>(cluster, 2).size(), before + 1);
}

// §3.5: "Once a follower learns that a log entry is committed, it applies the entry." It learns no
// more than what its own log is known to share with the leader's.
TEST(RaftPaperTest, AFollowerCommitsOnlyWhatThisMessageProvesShared) {
  RaftCluster cluster(3);
  DurableState disk{.hard_state = {{1}, {}}, .base = {}, .entries = Entries(1, {1, 1, 1})};
  cluster.Stop(2);
  cluster.SetDisk(2, disk);
  cluster.Restart(2);
  cluster.node(2).Receive(
      From(1, 2, 2, AppendEntries{.previous = {{1}, {1}}, .entries = {}, .leader_commit = {3}}),
      cluster.now());
  EXPECT_EQ(cluster.node(2).commit_index(), Index{1});
}

// §3.5: "If the follower does not find an entry in its log with the same index and term, then it
// refuses the new entries."
TEST(RaftPaperTest, AnAppendAfterAnUnknownPositionIsRefusedWithAHint) {
  RaftCluster cluster(3);
  cluster.Stop(2);
  cluster.SetDisk(2, {.hard_state = {{3}, {}}, .base = {}, .entries = Entries(1, {1, 2, 2})});
  cluster.Restart(2);
  cluster.node(2).Receive(
      From(1, 2, 5,
           AppendEntries{.previous = {{9}, {4}}, .entries = Entries(10, {5}), .leader_commit = {}}),
      cluster.now());
  cluster.Collect(2);
  const auto reply = std::get<AppendEntriesReply>(cluster.sent().back().body);
  EXPECT_FALSE(reply.success);
  EXPECT_EQ(reply.match, Index{9});
  EXPECT_EQ(reply.hint, (LogPosition{{3}, {2}}));
}

// Figure 3.6: what followers' logs may look like when the leader of term 8 comes to power, and
// §3.5: "conflicting entries in follower logs will be overwritten with entries from the leader's
// log".
TEST(RaftPaperTest, EveryLogOfFigure36ComesToEqualTheLeaders) {
  const std::vector<std::uint64_t> leader = {1, 1, 1, 4, 4, 5, 5, 6, 6, 6};
  const std::vector<std::vector<std::uint64_t>> followers = {
      {1, 1, 1, 4, 4, 5, 5, 6, 6},
      {1, 1, 1, 4},
      {1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6},
      {1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7},
      {1, 1, 1, 4, 4, 4, 4},
      {1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3},
  };
  for (const auto& follower : followers) {
    RaftCluster cluster(3);
    cluster.Stop(1);
    cluster.Stop(2);
    cluster.Stop(3);
    cluster.SetDisk(1, {.hard_state = {{7}, {}}, .base = {}, .entries = Entries(1, leader)});
    cluster.SetDisk(2, {.hard_state = {{7}, {}}, .base = {}, .entries = Entries(1, follower)});
    cluster.SetDisk(3, {.hard_state = {{7}, {}}, .base = {}, .entries = {}});
    cluster.Restart(1);
    cluster.Restart(2);
    cluster.Restart(3);
    cluster.Elect(1);  // by server 3, whose log is empty
    auto expected = leader;
    expected.push_back(8);
    EXPECT_EQ(Terms(cluster.node(2).log()), expected);
    cluster.Run(Milliseconds(300));
    EXPECT_EQ(cluster.node(2).commit_index(), cluster.node(1).commit_index());
    EXPECT_EQ(Terms(cluster.node(3).log()), expected);
  }
}

// §3.6.1: "the voter denies its vote if its own log is more up-to-date than that of the candidate."
TEST(RaftPaperTest, AVoteGoesToALogThatIsAtLeastAsUpToDate) {
  struct Case {
    LogPosition candidate;
    bool granted;
    const char* why;
  };
  const Case kCases[] = {
      {{{3}, {2}}, true, "an equal log"},
      {{{4}, {2}}, true, "a longer log of the same last term"},
      {{{2}, {2}}, false, "a shorter log of the same last term"},
      {{{1}, {3}}, true, "a later last term beats length"},
      {{{9}, {1}}, false, "an earlier last term loses whatever the length"},
  };
  for (const Case& c : kCases) {
    for (const bool pre_vote : {false, true}) {
      RaftCluster cluster(3);
      cluster.Stop(2);
      cluster.SetDisk(2, {.hard_state = {{3}, {}}, .base = {}, .entries = Entries(1, {1, 2, 2})});
      cluster.Restart(2);
      cluster.node(2).Receive(
          From(1, 2, 4, RequestVote{.pre_vote = pre_vote, .last_log = c.candidate}), cluster.now());
      cluster.Collect(2);
      EXPECT_EQ(std::get<RequestVoteReply>(cluster.sent().back().body).granted, c.granted) << c.why;
    }
  }
}

// §3.6.2 and figure 3.7: "Raft never commits log entries from previous terms by counting replicas."
TEST(RaftPaperTest, AnEntryOfAnEarlierTermIsNotCommittedByCounting) {
  RaftCluster cluster(3);
  cluster.Stop(1);
  cluster.SetDisk(1, {.hard_state = {{2}, {}}, .base = {}, .entries = Entries(1, {1, 2})});
  cluster.Restart(1);
  // The followers' copies of the old entry arrive; the no-op of the new term does not.
  cluster.Drop([](const Message& message) {
    const auto* append = std::get_if<AppendEntries>(&message.body);
    return append != nullptr && !append->entries.empty() &&
           append->entries.back().index == Index{3} && append->entries.size() == 1;
  });
  cluster.Elect(1);
  for (const std::uint64_t peer : {2, 3}) {
    cluster.node(1).Receive(
        From(peer, 1, cluster.node(1).current_term().value,
             AppendEntriesReply{.success = true, .match = {2}, .hint = {}, .round = 0}),
        cluster.now());
  }
  EXPECT_EQ(cluster.node(1).commit_index(), Index{0});
  for (const std::uint64_t peer : {2, 3}) {
    cluster.node(1).Receive(
        From(peer, 1, cluster.node(1).current_term().value,
             AppendEntriesReply{.success = true, .match = {3}, .hint = {}, .round = 0}),
        cluster.now());
  }
  EXPECT_EQ(cluster.node(1).commit_index(), Index{3}) << "its own entry commits those before it";
}

// §6.4: "the leader needs to have an entry from its current term committed": the no-op.
TEST(RaftPaperTest, ANewLeaderAppendsANoOp) {
  RaftCluster cluster(3);
  cluster.Elect(2);
  EXPECT_EQ(cluster.node(2).log().At({1}).kind, EntryKind::kNoOp);
  EXPECT_EQ(cluster.node(2).commit_index(), Index{1});
}

// §9.6: a pre-vote changes no state: "a candidate only increments its term if it first learns from
// a majority of the cluster that they would be willing to grant it their votes".
TEST(RaftPaperTest, AServerWithoutAMajorityNeverRaisesItsTerm) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  const Term term = cluster.node(1).current_term();
  cluster.Isolate(3);
  cluster.Run(Seconds(30));
  EXPECT_EQ(cluster.node(3).current_term(), term);
  EXPECT_EQ(cluster.node(3).role(), Role::kPreCandidate);
  cluster.Heal();
  cluster.Run(Seconds(1));
  EXPECT_EQ(cluster.node(1).current_term(), term) << "its return disturbs nobody";
  EXPECT_EQ(cluster.node(3).role(), Role::kFollower);
}

TEST(RaftPaperTest, APreVoteLeavesTheVoteOfTheTermAsItWas) {
  RaftCluster cluster(3);
  cluster.node(3).Receive(From(1, 3, 1, RequestVote{.pre_vote = false, .last_log = {}}),
                          cluster.now());
  cluster.node(3).Advance(cluster.now() + Seconds(5));
  EXPECT_EQ(cluster.node(3).role(), Role::kPreCandidate);
  EXPECT_EQ(cluster.node(3).voted_for(), NodeId{1});
}

// §4.2.3: "if a server receives a RequestVote request within the minimum election timeout of
// hearing from a current leader, it does not update its term or grant its vote."
TEST(RaftPaperTest, WhoHearsFromALeaderIgnoresACandidate) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  const Term term = cluster.node(2).current_term();
  const std::size_t sent = cluster.sent().size();
  for (const bool pre_vote : {false, true}) {
    cluster.node(2).Receive(
        From(3, 2, term.value + 5, RequestVote{.pre_vote = pre_vote, .last_log = {{99}, term}}),
        cluster.now());
  }
  cluster.Collect(2);
  EXPECT_EQ(cluster.node(2).current_term(), term);
  EXPECT_EQ(cluster.sent().size(), sent);
}

// §6.2: "a leader in Raft steps down if an election timeout elapses without a successful round of
// heartbeats to a majority of its cluster."
TEST(RaftPaperTest, ALeaderWithoutAMajorityStepsDown) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.Isolate(1);
  cluster.Run(Milliseconds(900));
  EXPECT_EQ(cluster.node(1).role(), Role::kLeader);
  cluster.Run(Milliseconds(200));
  EXPECT_NE(cluster.node(1).role(), Role::kLeader);
}

TEST(RaftPaperTest, ALeaderThatHearsFromAMajorityStays) {
  RaftCluster cluster(5);
  cluster.Elect(1);
  cluster.Isolate(4);
  cluster.Isolate(5);
  cluster.Run(Seconds(10));
  EXPECT_EQ(cluster.node(1).role(), Role::kLeader);
}

// §3.2, figure 3.2, Election Safety, with everything random that tests may vary cheaply.
TEST(RaftPaperTest, AClusterElectsOneLeaderAndKeepsIt) {
  for (std::uint64_t size = 1; size <= 5; ++size) {
    RaftCluster cluster(size);
    cluster.Run(Seconds(20));
    const std::uint64_t leader = cluster.Leader();
    ASSERT_NE(leader, 0u);
    const Term term = cluster.node(leader).current_term();
    cluster.Run(Seconds(20));
    EXPECT_EQ(cluster.node(leader).current_term(), term) << "a quiet cluster stays quiet";
  }
}

}  // namespace
}  // namespace lockstep::raft
