// Operators' requests: each becomes the change that it names, or says what is wrong with it.

#include "net/cluster_codec.h"

#include <gtest/gtest.h>

#include <string>

namespace lockstep::net {
namespace {

v1::JoinClusterRequest Join() {
  v1::JoinClusterRequest request;
  request.set_cluster_id(7);
  request.set_incarnation(42);
  request.set_peer_address("n:1");
  request.set_client_address("n:2");
  request.set_priority(3);
  return request;
}

template <class Request>
std::string Complaint(const Request& request) {
  const auto change = DecodeChange(request);
  return change.ok() ? "(none)" : std::string(change.status().message());
}

TEST(ClusterCodecTest, WhoJoinsIsToBeAVoterUnlessItSaysOtherwise) {
  auto change = DecodeChange(Join());
  ASSERT_TRUE(change.ok()) << change.status();
  EXPECT_EQ(change->add, (raft::NewMember{.incarnation = {42},
                                          .peer_address = "n:1",
                                          .client_address = "n:2",
                                          .priority = 3,
                                          .promote = true,
                                          .replaces = {}}));
  v1::JoinClusterRequest learner = Join();
  learner.set_stay_learner(true);
  EXPECT_FALSE(DecodeChange(learner)->add->promote);
  v1::JoinClusterRequest replacing = Join();
  replacing.set_replaces(2);
  EXPECT_EQ(DecodeChange(replacing)->add->replaces, NodeId{2});
}

TEST(ClusterCodecTest, EachMistakeNamesItsField) {
  v1::JoinClusterRequest request = Join();
  request.set_incarnation(0);
  EXPECT_EQ(Complaint(request), "incarnation: is not above 0 and below 2^63");
  request = Join();
  request.set_incarnation(std::uint64_t{1} << 63);
  EXPECT_EQ(Complaint(request), "incarnation: is not above 0 and below 2^63");
  request = Join();
  request.clear_peer_address();
  EXPECT_EQ(Complaint(request), "peer_address: is empty");
  request = Join();
  request.set_client_address(std::string(256, 'x'));
  EXPECT_EQ(Complaint(request), "client_address: has 256 bytes; at most 255 are allowed");
  request = Join();
  request.set_replaces(std::uint64_t{1} << 63);
  EXPECT_EQ(Complaint(request), "replaces: 9223372036854775808 is not a node's id");
  request = Join();
  request.set_replaces(2);
  request.set_stay_learner(true);
  EXPECT_EQ(Complaint(request), "replaces: who stays a learner replaces nobody");
  EXPECT_EQ(Complaint(v1::LeaveClusterRequest()), "node_id: 0 is not a node's id");
  v1::ReplaceRequest replace;
  replace.set_node_id(4);
  EXPECT_EQ(Complaint(replace), "leaving_id: 0 is not a node's id");
  v1::UpdateMemberRequest update;
  update.set_node_id(4);
  EXPECT_EQ(Complaint(update), "node_id: nothing is to be updated");
  update.set_peer_address("");
  EXPECT_EQ(Complaint(update), "peer_address: is empty");
  v1::TransferLeadershipRequest transfer;
  transfer.set_node_id(std::uint64_t{1} << 63);
  EXPECT_FALSE(DecodeTransfer(transfer).ok());
}

TEST(ClusterCodecTest, StandingsAreWhatTheNameSays) {
  using raft::Standing;
  using raft::StandingChange;
  using Changes = std::vector<StandingChange>;
  v1::LeaveClusterRequest leave;
  leave.set_node_id(4);
  EXPECT_EQ(DecodeChange(leave)->standings, (Changes{{{4}, Standing::kNone}}));
  v1::PromoteRequest promote;
  promote.set_node_id(4);
  EXPECT_EQ(DecodeChange(promote)->standings, (Changes{{{4}, Standing::kVoter}}));
  v1::DemoteRequest demote;
  demote.set_node_id(4);
  EXPECT_EQ(DecodeChange(demote)->standings, (Changes{{{4}, Standing::kLearner}}));
  v1::ReplaceRequest replace;
  replace.set_leaving_id(1);
  replace.set_node_id(4);
  EXPECT_EQ(DecodeChange(replace)->standings,
            (Changes{{{4}, Standing::kVoter}, {{1}, Standing::kNone}}));
}

TEST(ClusterCodecTest, AnUpdateLeavesTheRestAsItIs) {
  v1::UpdateMemberRequest update;
  update.set_node_id(4);
  update.set_priority(0);
  raft::MemberUpdate expected{.id = {4}};
  expected.priority = 0;
  EXPECT_EQ(DecodeChange(update)->updates, std::vector<raft::MemberUpdate>{expected});
  update.set_client_address("n:9");
  expected.client_address = "n:9";
  EXPECT_EQ(DecodeChange(update)->updates, std::vector<raft::MemberUpdate>{expected});
}

TEST(ClusterCodecTest, AMemberShowsItsStanding) {
  v1::Member encoded;
  EncodeMember({3}, {.voter = true, .priority = 5, .peer_address = "a", .client_address = "b"},
               &encoded);
  EXPECT_EQ(encoded.node_id(), 3u);
  EXPECT_EQ(encoded.standing(), v1::Member::VOTER);
  EXPECT_EQ(encoded.priority(), 5u);
  EncodeMember({3}, {.learner = true, .promote = true, .replaces = {1}}, &encoded);
  EXPECT_EQ(encoded.standing(), v1::Member::LEARNER);
  EXPECT_TRUE(encoded.promote());
  EXPECT_EQ(encoded.replaces(), 1u);
  EncodeMember({3}, {.outgoing = true}, &encoded);
  EXPECT_EQ(encoded.standing(), v1::Member::LEAVING);
}

}  // namespace
}  // namespace lockstep::net
