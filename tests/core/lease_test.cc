// Reads by lease: when a leader may answer without asking anybody, and what it takes that nobody
// else can be elected meanwhile. And how old data is that a server answers by itself.

#include <gtest/gtest.h>

#include <functional>

#include "tests/raft_scenarios/messages.h"

namespace lockstep::raft {
namespace {

const Duration kTimeout = Config().election_timeout;
const Duration kLease = SurelyWithin(kTimeout, Config().clock_drift_ppm);

void WithLeases(Config& config) { config.lease_reads = true; }

class LeaseTest : public testing::Test {
 protected:
  LeaseTest() {
    cluster_.Elect(1);
    cluster_.Run(Milliseconds(300));
  }

  bool HasLease(std::uint64_t id) {
    return cluster_.node(id).LeaseReadIndex(cluster_.now()).has_value();
  }

  // Whether server `id` votes for `candidate` in the next term, `later` from now.
  bool Votes(std::uint64_t id, std::uint64_t candidate, Duration later, bool transfer = false) {
    Node voter = cluster_.node(id);
    const Term next = voter.current_term().Next();
    voter.Receive(From(candidate, id, next,
                       RequestVote{.last_log = voter.log().last(), .transfer = transfer}),
                  cluster_.now() + later);
    return voter.voted_for() == NodeId{candidate} && voter.current_term() == next;
  }

  RaftCluster cluster_{3, WithLeases};
};

// etcd: ReadOnlyOptionLease.
TEST_F(LeaseTest, ALeaderWithALeaseAnswersWithoutAsking) {
  for (int i = 0; i < 3; ++i) {
    const Index index = cluster_.Propose(1, std::to_string(i))->index;
    cluster_.Deliver();
    const std::size_t since = cluster_.sent().size();
    EXPECT_EQ(cluster_.node(1).LeaseReadIndex(cluster_.now()), index);
    cluster_.Collect(1);
    EXPECT_EQ(cluster_.sent().size(), since);
  }
  EXPECT_FALSE(HasLease(2)) << "it follows";
}

TEST_F(LeaseTest, SpansAreRoundedToTheSafeSide) {
  for (const std::int64_t ppm : {std::int64_t{1}, std::int64_t{10'000}, std::int64_t{500'000}}) {
    for (const Duration span : {Duration{1}, Milliseconds(1), Seconds(1), Seconds(3600)}) {
      // On the slowest clock so much time shows while `span` shows on the fastest.
      const Duration sure = SurelyWithin(span, ppm);
      EXPECT_GE(sure, Duration{});
      EXPECT_TRUE(sure == Duration{} || sure.ns * (1'000'000 + ppm) < span.ns * (1'000'000 - ppm))
          << ppm << " ppm of " << span.ns;
    }
  }
  EXPECT_EQ(SurelyWithin(Seconds(1), 0), Seconds(1));
}

// What a follower promises begins when it hears of the round, and the answer may take its time.
TEST_F(LeaseTest, ALeaseCountsFromWhenTheRoundWasSent) {
  cluster_.Drop([](const Message& m) { return m.to == NodeId{1}; });
  cluster_.Run(Seconds(0));
  Node& leader = cluster_.node(1);
  const Instant sent = cluster_.now() + Milliseconds(200);
  leader.Advance(sent);
  const NodeEffects effects = leader.TakeEffects();
  const Instant late = sent + Milliseconds(700);
  for (const Message& message : effects.messages) {
    if (message.to == NodeId{2}) {
      const auto& append = std::get<AppendEntries>(message.body);
      leader.Receive(From(2, 1, message.term,
                          AppendEntriesReply{.success = true,
                                             .match = leader.commit_index(),
                                             .hint = {},
                                             .round = append.round,
                                             .promise = kTimeout}),
                     late);
    }
  }
  EXPECT_EQ(leader.LeaseEnd(), sent + kLease);
  EXPECT_TRUE(leader.LeaseReadIndex(sent + kLease + Duration{-1}).has_value());
  EXPECT_FALSE(leader.LeaseReadIndex(sent + kLease).has_value());
}

TEST(LeasesTest, ALeaseNeedsTheAnswersOfAQuorum) {
  RaftCluster cluster(5, WithLeases);
  cluster.Elect(1);
  cluster.Run(Milliseconds(300));
  const Instant end = cluster.node(1).LeaseEnd();
  ASSERT_GT(end, cluster.now());
  cluster.Isolate(3);
  cluster.Isolate(4);
  cluster.Isolate(5);
  cluster.Run(Milliseconds(400));
  EXPECT_EQ(cluster.node(1).LeaseEnd(), end) << "one follower of four is not enough";
  cluster.Heal();
  cluster.Isolate(4);
  cluster.Isolate(5);
  cluster.Run(Milliseconds(200));
  EXPECT_GT(cluster.node(1).LeaseEnd(), end);
}

// A transfer that fails may still succeed later: whom it asked needs nobody's patience.
TEST_F(LeaseTest, ATransferEndsTheLeaseForTheRestOfTheTerm) {
  ASSERT_TRUE(HasLease(1));
  cluster_.Drop(Is<TimeoutNow>);
  ASSERT_EQ(cluster_.Transfer(1, 3), "");
  EXPECT_FALSE(HasLease(1));
  EXPECT_TRUE(cluster_.node(1).transfer_voids_lease());
  cluster_.Run(kTimeout * 2);
  ASSERT_EQ(cluster_.transfers(1).size(), 1u);
  ASSERT_EQ(cluster_.Leader(), 1u);
  EXPECT_FALSE(HasLease(1));
  ASSERT_TRUE(cluster_.Read(1, 7));
  cluster_.Deliver();
  EXPECT_EQ(cluster_.ready(1).size(), 1u) << "by a quorum it reads";
}

TEST_F(LeaseTest, ANewLeaderHasNoLeaseBeforeItsFirstCommit) {
  cluster_.Drop(CarriesEntries);
  cluster_.Elect(2);
  cluster_.Run(Milliseconds(300));
  ASSERT_EQ(cluster_.Leader(), 2u);
  EXPECT_FALSE(HasLease(2));
  cluster_.Drop(nullptr);
  cluster_.Run(kTimeout);
  EXPECT_TRUE(HasLease(2));
}

// CockroachDB: a lease that outlives the leader's own bounce.
TEST_F(LeaseTest, ALeaderThatIsElectedAgainBeginsWithoutALease) {
  ASSERT_TRUE(HasLease(1));
  cluster_.node(1).Receive(From(3, 1, cluster_.node(1).current_term().Next(), RequestVoteReply{}),
                           cluster_.now());
  cluster_.Collect(1);
  ASSERT_EQ(cluster_.node(1).role(), Role::kFollower);
  EXPECT_FALSE(HasLease(1));
  cluster_.Drop(CarriesEntries);
  cluster_.Elect(1);
  EXPECT_FALSE(HasLease(1));
}

TEST_F(LeaseTest, WhoHasHeardTheLeaderVotesForNobodyElse) {
  EXPECT_FALSE(Votes(2, 3, Duration{}));
  EXPECT_FALSE(Votes(2, 3, kTimeout + Milliseconds(-100)));
  EXPECT_TRUE(Votes(2, 3, kTimeout));
  EXPECT_TRUE(Votes(2, 3, Duration{}, true)) << "the leader itself asks for that";
  EXPECT_TRUE(Votes(2, 1, Duration{})) << "and has no lease if it campaigns itself";
}

// Some straggler's answer carries it into a later term, in which it knows no leader.
TEST_F(LeaseTest, APromiseOutlivesTheTermItWasGivenIn) {
  cluster_.node(2).Receive(From(3, 2, cluster_.node(2).current_term().Next(), RequestVoteReply{}),
                           cluster_.now());
  cluster_.Collect(2);
  ASSERT_EQ(cluster_.node(2).leader(), NodeId());
  Node voter = cluster_.node(2);
  const Message asks =
      From(3, 2, voter.current_term(), RequestVote{.last_log = voter.log().last()});
  voter.Receive(asks, cluster_.now());
  EXPECT_EQ(voter.voted_for(), NodeId()) << "in the very term it is in";
  EXPECT_FALSE(Votes(2, 3, Duration{}));
  voter.Receive(asks, cluster_.now() + kTimeout);
  EXPECT_EQ(voter.voted_for(), NodeId{3});
}

TEST_F(LeaseTest, APromiseOutlivesARestart) {
  cluster_.Stop(2);
  cluster_.Restart(2);
  EXPECT_FALSE(Votes(2, 3, Duration{}));
  EXPECT_FALSE(Votes(2, 3, kTimeout + Duration{-1}));
  EXPECT_TRUE(Votes(2, 3, kTimeout));
  EXPECT_TRUE(Votes(2, 3, Duration{}, true));
}

TEST(LeasesTest, WhoHasPromisedNothingVotesAtOnceAfterAStart) {
  RaftCluster without(3);
  without.Elect(1);
  without.Stop(2);
  without.Restart(2);
  const Term term = without.node(2).current_term().Next();
  without.node(2).Receive(From(3, 2, term, RequestVote{.last_log = without.node(2).log().last()}),
                          without.now());
  EXPECT_EQ(without.node(2).voted_for(), NodeId{3});

  RaftCluster fresh(3, WithLeases);
  fresh.node(2).Receive(From(3, 2, Term{1}, RequestVote{}), fresh.now());
  EXPECT_EQ(fresh.node(2).voted_for(), NodeId{3}) << "it has never been there";
}

// Whatever each was told, a leader relies on no more than what the others say they keep.
TEST(LeasesTest, ServersMayDifferInWhatTheyPromise) {
  RaftCluster one(3, [](Config& config) { config.lease_reads = config.id == NodeId{1}; });
  one.Elect(1);
  one.Run(Milliseconds(300));
  EXPECT_FALSE(one.node(1).LeaseReadIndex(one.now()).has_value());

  RaftCluster hasty(3, [](Config& config) {
    config.lease_reads = true;
    config.election_timeout = config.id == NodeId{1} ? Seconds(3) : Milliseconds(400);
  });
  hasty.Elect(1);
  hasty.Run(Milliseconds(300));
  EXPECT_LE(hasty.node(1).LeaseEnd(), hasty.now() + Milliseconds(400));
  EXPECT_TRUE(hasty.node(1).LeaseReadIndex(hasty.now()).has_value());
}

// Less has passed than it shows: what was measured before is worth nothing, nor what is measured
// until the clock has caught up.
TEST_F(LeaseTest, AClockThatGoesBackEndsTheLease) {
  Node& leader = cluster_.node(1);
  const Instant before = cluster_.now();
  ASSERT_TRUE(HasLease(1));
  EXPECT_FALSE(leader.LeaseReadIndex(before + Milliseconds(-1)).has_value());
  EXPECT_FALSE(leader.LeaseReadIndex(before).has_value());
  cluster_.Run(Milliseconds(200));
  EXPECT_TRUE(HasLease(1)) << "a new round";
}

TEST(LeasesTest, ALoneVoterAlwaysHasTheLease) {
  RaftCluster cluster(1, WithLeases);
  cluster.Run(Seconds(3));
  EXPECT_TRUE(cluster.node(1).LeaseReadIndex(cluster.now()).has_value());
}

// ---- The age of data

TEST(AgeTest, AFollowerKnowsHowOldItsDataIsByWhenItAsked) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.Run(Milliseconds(300));
  Node& follower = cluster.node(2);
  EXPECT_FALSE(follower.FreshIndex(Seconds(10), cluster.now()).has_value()) << "it never asked";
  const Instant asked = cluster.now();
  ASSERT_TRUE(cluster.Read(2, 7));
  cluster.Deliver();
  ASSERT_EQ(cluster.ready(2).size(), 1u);
  const Index index = cluster.ready(2).front().read_index;
  cluster.Isolate(1);
  cluster.Elect(3);
  cluster.Propose(3, "newer");
  cluster.Deliver();
  const Duration age = cluster.now() - asked;
  EXPECT_EQ(follower.FreshIndex(age * 2, cluster.now()), index) << "in another term, too";
  EXPECT_FALSE(follower.FreshIndex(age, cluster.now()).has_value()) << "clocks drift";
  EXPECT_EQ(follower.FreshIndex(age * 2, asked + Milliseconds(-1)), std::nullopt)
      << "and go back, after which nothing is known";
}

TEST(AgeTest, ALeaderKnowsHowOldItsDataIsByItsHeartbeats) {
  RaftCluster cluster(3);
  cluster.Elect(1);
  cluster.Run(Milliseconds(300));
  const Index index = cluster.node(1).commit_index();
  EXPECT_EQ(cluster.node(1).FreshIndex(Milliseconds(200), cluster.now()), index);
  cluster.Isolate(1);
  cluster.Run(Milliseconds(400));
  ASSERT_EQ(cluster.node(1).role(), Role::kLeader);
  EXPECT_EQ(cluster.node(1).FreshIndex(Milliseconds(200), cluster.now()), std::nullopt);
  EXPECT_EQ(cluster.node(1).FreshIndex(Milliseconds(600), cluster.now()), index);
}

}  // namespace
}  // namespace lockstep::raft
