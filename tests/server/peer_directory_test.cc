// Where peers are reached: by the membership, by the configuration, by what they say themselves.

#include "server/peer_directory.h"

#include <gtest/gtest.h>

#include <vector>

namespace lockstep::server {
namespace {

using net::PeerAddress;
using Peers = std::vector<PeerAddress>;

constexpr NodeId kSelf{1};

raft::Membership Voters(const Peers& voters) {
  raft::Membership membership;
  for (const PeerAddress& voter : voters) {
    membership.members[voter.id] = {
        .voter = true,
        .peer_address = voter.address,
        .client_address = voter.address.empty() ? "" : "client-of-" + voter.address};
    membership.next_id = voter.id.Next();
  }
  return membership;
}

TEST(PeerDirectoryTest, TheMembershipSaysWhoAndWhereAndTheConfigurationFillsIn) {
  PeerDirectory directory(
      kSelf, {{{2}, {{"two", 2}, Address{"two", 22}}}, {{9}, {{"nine", 9}, std::nullopt}}});
  EXPECT_EQ(directory.Peers(), Peers()) << "nobody is a member yet";
  directory.SetMembership(Voters({{{1}, "one:1"}, {{2}, ""}, {{3}, "three:3"}}));
  EXPECT_EQ(directory.Peers(), (Peers{{{2}, "two:2"}, {{3}, "three:3"}}));
  EXPECT_EQ(directory.ClientAddressOf({1}), "client-of-one:1");
  EXPECT_EQ(directory.ClientAddressOf({2}), "two:22");
  EXPECT_EQ(directory.ClientAddressOf({9}), "");
  directory.SetMembership(Voters({{{2}, "moved:2"}}));
  EXPECT_EQ(directory.Peers(), (Peers{{{2}, "moved:2"}}));
}

TEST(PeerDirectoryTest, AStrangerIsAnsweredWhileItIsConnected) {
  PeerDirectory directory(kSelf, {});
  directory.SetMembership(Voters({{{2}, "two:2"}}));
  directory.SetPresent({{5}, "five:5"}, true);
  directory.SetPresent({{5}, "five:5"}, true);  // its second stream
  EXPECT_EQ(directory.Peers(), (Peers{{{2}, "two:2"}, {{5}, "five:5"}}));
  directory.SetPresent({{5}, "five:5"}, false);
  EXPECT_EQ(directory.Peers(), (Peers{{{2}, "two:2"}, {{5}, "five:5"}}));
  directory.SetPresent({{5}, "five:5"}, false);
  EXPECT_EQ(directory.Peers(), (Peers{{{2}, "two:2"}}));
  directory.SetPresent({{5}, "five:5"}, false);  // never opened: nothing happens
}

TEST(PeerDirectoryTest, OfAMemberTheMembershipKnowsBetterThanItself) {
  PeerDirectory directory(kSelf, {});
  directory.SetMembership(Voters({{{2}, "two:2"}, {{3}, ""}}));
  directory.SetPresent({{2}, "liar:2"}, true);
  directory.SetPresent({{3}, "three:3"}, true);
  directory.SetPresent({kSelf, "mirror:1"}, true);
  EXPECT_EQ(directory.Peers(), (Peers{{{2}, "two:2"}, {{3}, "three:3"}}));
}

TEST(PeerDirectoryTest, NobodyMakesItDialWithoutEnd) {
  PeerDirectory directory(kSelf, {});
  for (std::uint64_t id = 2; id < 1000; ++id) {
    directory.SetPresent({{id}, "x:1"}, true);
  }
  EXPECT_EQ(directory.Peers().size(), 2 * raft::kMembersMax);
}

}  // namespace
}  // namespace lockstep::server
