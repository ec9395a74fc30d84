// What of a server's state decides what it does next, told part by part to a tool that compares
// whole states. Two servers of one configuration that tell the same answer the same inputs with the
// same effects, but for what is abstracted on purpose:
//   - instants are told relative to the server's clock, ids of writes relative to the last durable
//     one: neither's origin means anything;
//   - of an election deadline, which is drawn at random, only whether it has passed;
//   - how long ago rounds of heartbeats began, which only leases and the age of data rest on;
//   - measurements for people are left out.

#ifndef LOCKSTEP_CORE_RAFT_STATE_SINK_H_
#define LOCKSTEP_CORE_RAFT_STATE_SINK_H_

#include <cstdint>
#include <string_view>

#include "core/raft/message.h"
#include "core/types.h"

namespace lockstep::raft {

class StateSink {
 public:
  virtual ~StateSink() = default;

  virtual void Number(std::uint64_t number) = 0;
  // Apart from other numbers, for a tool that looks at the cluster with its nodes renamed.
  virtual void Node(NodeId node) = 0;
  virtual void Text(std::string_view text) = 0;
  // What follows concerns `node`, up to the next call; NodeId() ends it. The order of sections has
  // no meaning, and one node may have several.
  virtual void Section(NodeId node) = 0;
};

void Tell(LogPosition position, StateSink& sink);
void Tell(const HardState& state, StateSink& sink);
void Tell(const Entry& entry, StateSink& sink);
void Tell(const Message& message, StateSink& sink);
// All but the id.
void Tell(const Write& write, StateSink& sink);

}  // namespace lockstep::raft

#endif  // LOCKSTEP_CORE_RAFT_STATE_SINK_H_
