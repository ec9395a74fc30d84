// Every shape of partial partition of five nodes: each pair is linked or not, and the leader is
// anywhere in it. Where three nodes are all linked with each other, the cluster must go on.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <iostream>
#include <set>
#include <vector>

#include "tests/core/raft_cluster.h"

namespace lockstep::raft {
namespace {

constexpr std::uint64_t kNodes = 5;
constexpr Duration kElectionTimeout = Milliseconds(1000);

// A set of links: bit Link(a, b) is set if nodes a and b, from 0, reach each other.
using Shape = std::uint32_t;
constexpr std::uint32_t kLinks = kNodes * (kNodes - 1) / 2;

std::uint32_t Link(std::uint64_t a, std::uint64_t b) {
  const std::uint64_t low = std::min(a, b);
  const std::uint64_t high = std::max(a, b);
  return static_cast<std::uint32_t>(high * (high - 1) / 2 + low);
}

bool Linked(Shape shape, std::uint64_t a, std::uint64_t b) {
  return a == b || (shape >> Link(a, b) & 1) != 0;
}

// Whether some three nodes are all linked with each other.
bool HasConnectedMajority(Shape shape) {
  for (std::uint64_t a = 0; a < kNodes; ++a) {
    for (std::uint64_t b = a + 1; b < kNodes; ++b) {
      for (std::uint64_t c = b + 1; c < kNodes; ++c) {
        if (Linked(shape, a, b) && Linked(shape, b, c) && Linked(shape, a, c)) {
          return true;
        }
      }
    }
  }
  return false;
}

// Of the shapes that differ only in the names of nodes other than the first, which leads: one each.
std::set<Shape> Shapes() {
  std::set<Shape> shapes;
  for (Shape shape = 0; shape < Shape{1} << kLinks; ++shape) {
    std::array<std::uint64_t, kNodes> names = {0, 1, 2, 3, 4};
    Shape least = shape;
    do {
      Shape renamed = 0;
      for (std::uint64_t a = 0; a < kNodes; ++a) {
        for (std::uint64_t b = a + 1; b < kNodes; ++b) {
          renamed |= Linked(shape, a, b) ? Shape{1} << Link(names[a], names[b]) : 0;
        }
      }
      least = std::min(least, renamed);
    } while (std::next_permutation(names.begin() + 1, names.end()));
    shapes.insert(least);
  }
  return shapes;
}

// The longest time without a commit in the half minute after the links are cut, with a write at
// every node that leads each 100 ms. Some writes of before are on some nodes only.
Duration LongestStandstill(Shape shape, std::uint64_t uneven) {
  RaftCluster cluster(kNodes, [](Config& config) { config.election_timeout = kElectionTimeout; });
  cluster.Elect(1);
  cluster.Run(Seconds(1));
  // The last write before the cut reaches one of the others, or none.
  cluster.Drop([&](const Message& message) { return message.to != NodeId{uneven}; });
  cluster.Propose(1, "uneven");
  cluster.Deliver();
  cluster.Drop([&](const Message& message) {
    return !Linked(shape, message.from.value - 1, message.to.value - 1);
  });
  Index committed = cluster.node(1).commit_index();
  Duration longest;
  Instant last = cluster.now();
  const Instant end = cluster.now() + Seconds(30);
  while (cluster.now() < end) {
    for (std::uint64_t id = 1; id <= kNodes; ++id) {
      if (cluster.node(id).role() == Role::kLeader) {
        cluster.Propose(id, "x");
      }
    }
    cluster.Run(Milliseconds(100));
    for (std::uint64_t id = 1; id <= kNodes; ++id) {
      if (cluster.node(id).commit_index() > committed) {
        committed = cluster.node(id).commit_index();
        longest = std::max(longest, cluster.now() - last);
        last = cluster.now();
      }
    }
  }
  return std::max(longest, end - last);
}

TEST(PartialPartitionTest, TheClusterGoesOnWhereverThreeOfFiveAreAllLinked) {
  const std::set<Shape> shapes = Shapes();
  std::size_t connected = 0;
  std::size_t others_that_go_on = 0;
  Duration worst;
  for (const Shape shape : shapes) {
    Duration longest;
    for (const std::uint64_t uneven : {0, 2, 5}) {
      longest = std::max(longest, LongestStandstill(shape, uneven));
    }
    if (HasConnectedMajority(shape)) {
      ++connected;
      worst = std::max(worst, longest);
      EXPECT_LE(longest, kElectionTimeout * 5) << "links " << shape;
    } else {
      others_that_go_on += longest < Seconds(30) ? 1 : 0;
    }
  }
  EXPECT_GT(connected, 50U);
  RecordProperty("shapes", static_cast<int>(shapes.size()));
  std::cout << shapes.size() << " shapes; " << connected
            << " with three nodes that are all linked: "
            << "at most " << worst.ns / 1'000'000
            << " ms without a commit, at an election timeout of " << kElectionTimeout.ns / 1'000'000
            << " ms; of the other " << shapes.size() - connected << ", " << others_that_go_on
            << " go on\n";
}

}  // namespace
}  // namespace lockstep::raft
