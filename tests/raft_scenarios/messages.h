// What the stories here say to single servers, and look for in what was sent.

#ifndef LOCKSTEP_TESTS_RAFT_SCENARIOS_MESSAGES_H_
#define LOCKSTEP_TESTS_RAFT_SCENARIOS_MESSAGES_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <utility>
#include <variant>
#include <vector>

#include "core/raft/message.h"
#include "tests/core/raft_cluster.h"

namespace lockstep::raft {

inline Message From(std::uint64_t from, std::uint64_t to, Term term, Body body) {
  return {.cluster = {1}, .from = {from}, .to = {to}, .term = term, .body = std::move(body)};
}

template <class Body>
bool Is(const Message& message) {
  return std::holds_alternative<Body>(message.body);
}

inline bool CarriesEntries(const Message& message) {
  const auto* append = std::get_if<AppendEntries>(&message.body);
  return append != nullptr && !append->entries.empty();
}

inline bool IsVote(const Message& message) {
  const auto* reply = std::get_if<RequestVoteReply>(&message.body);
  return reply != nullptr && !reply->pre_vote;
}

// The messages of one kind from one server to another, of all that was sent since `since` (a
// former sent().size()).
template <class Body>
std::vector<Body> Sent(const RaftCluster& cluster, std::uint64_t from, std::uint64_t to,
                       std::size_t since = 0) {
  std::vector<Body> found;
  for (std::size_t i = since; i < cluster.sent().size(); ++i) {
    const Message& message = cluster.sent()[i];
    if (message.from == NodeId{from} && message.to == NodeId{to} && Is<Body>(message)) {
      found.push_back(std::get<Body>(message.body));
    }
  }
  return found;
}

// Adds servers up to `last` as learners that stay what they are, and lets them catch up.
inline void AddLearners(RaftCluster& cluster, std::uint64_t leader, std::uint64_t last) {
  cluster.Run(Milliseconds(300));
  for (std::uint64_t id = cluster.node(leader).membership().membership.next_id.value; id <= last;
       ++id) {
    cluster.AddServer(id, {id});
    EXPECT_EQ(cluster.Change(leader, {.add = NewMember{.incarnation = {id}, .promote = false}}),
              "");
    cluster.Run(Milliseconds(200));
  }
  cluster.Run(Seconds(1));
}

}  // namespace lockstep::raft

#endif  // LOCKSTEP_TESTS_RAFT_SCENARIOS_MESSAGES_H_
