// What was said in an earlier term counts for nothing in a later one (Raft §5.1): a leader believes
// the same of a follower before and after an old reply.

#ifndef LOCKSTEP_SIM_ORACLES_STALE_REPLIES_H_
#define LOCKSTEP_SIM_ORACLES_STALE_REPLIES_H_

#include <cstdint>
#include <optional>

#include "core/raft/message.h"
#include "core/raft/node.h"
#include "core/types.h"

namespace lockstep::sim {

class StaleReplies {
 public:
  // `node` is about to handle `message`.
  StaleReplies(const raft::Node& node, const raft::Message& message);

  // It has. Throws Violation if the message is of an earlier term and has changed what the node
  // knows of its sender.
  void Check(const raft::Node& node) const;

 private:
  struct Belief {
    Index match;
    std::uint64_t round = 0;
    Instant contact;
    Instant promised_until;

    friend bool operator==(const Belief&, const Belief&) = default;
  };
  static std::optional<Belief> BeliefOf(const raft::Node& node, NodeId follower);

  NodeId from_;
  Term term_;
  std::optional<Belief> before_;  // of a leader, if the message is of an earlier term
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_ORACLES_STALE_REPLIES_H_
