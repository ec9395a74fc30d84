// Makes events of what the world, its nodes, its network and its clients do. Each function is
// called where the fact happens, returns at once if nobody listens, and changes nothing.

#ifndef LOCKSTEP_SIM_STORY_TELLER_H_
#define LOCKSTEP_SIM_STORY_TELLER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/replica.h"
#include "sim/history.h"
#include "sim/plan.h"
#include "sim/scheduler.h"
#include "sim/story/event.h"
#include "sim/trace.h"

namespace lockstep::sim::story {

class Teller {
 public:
  Teller(Trace& trace, const Scheduler& scheduler, std::size_t nodes)
      : trace_(trace), scheduler_(scheduler), nodes_(nodes) {}

  // ---- Nodes

  void Started(NodeId node, const StoredState& stored);
  void Crashed(NodeId node, bool power_cut);
  // The process has ended by itself, because of its disk; then: it will not be started again.
  void Stopped(NodeId node, const std::string& why);
  void GivenUp(NodeId node, const std::string& why);
  void Paused(NodeId node);
  void Resumed(NodeId node);
  // An input is handled. To be told before anything is made of its effects, so that the story of a
  // violation holds what broke it.
  void Handled(NodeId node, const Replica& replica, const Effects& effects);

  void StoringLog(NodeId node, std::span<const raft::Write> writes);
  void LogStored(NodeId node, WriteId last);
  // A checkpoint, or an installation of a snapshot, that covers `applied`.
  void StoringState(NodeId node, CheckpointId id, Index applied, bool installation);
  void StateStored(NodeId node, CheckpointId id, Index applied, bool installation);

  // ---- Messages, each with a number of its own

  void Sending(const raft::Message& message, std::uint64_t number);
  // Reaches `target`, which it is not meant for.
  void Straying(const raft::Message& message, std::uint64_t number, NodeId target);
  void Duplicated(const raft::Message& message, std::uint64_t number);
  void Lost(const raft::Message& message, std::uint64_t number, const char* why);
  // Has reached the machine; perhaps no process runs there.
  // It is a stray if `target` is not the one that it is meant for.
  void Delivered(const raft::Message& message, std::uint64_t number, NodeId target);

  // ---- Clients. An operation is its position in the history; none while a session is opened.

  void Invoked(std::size_t client, std::uint64_t operation, const history::Operation& record);
  void Returned(std::size_t client, std::uint64_t operation, const history::Operation& record);
  void Requested(std::size_t client, NodeId node, RequestId request,
                 std::optional<std::uint64_t> operation);
  void Arrived(std::size_t client, NodeId node, RequestId request);
  void Answered(std::size_t client, NodeId node, const Reply& reply);
  void Replied(std::size_t client, NodeId node, RequestId request);
  void RequestLost(std::size_t client, NodeId node, RequestId request, bool is_reply);

  // ---- Faults

  // `node` is the one that it struck, 0 if none.
  void FaultBegan(std::size_t number, const Fault& fault, NodeId node);
  void FaultEnded(std::size_t number, const Fault& fault, NodeId node);
  void Healed();

  // ---- The end

  void Clean();
  void Violated(const std::string& property, const std::string& text,
                const std::vector<Evidence>& evidence);

 private:
  struct Node {
    bool runs = false;
    bool paused = false;
    std::optional<State> told;
  };

  bool on() const { return trace_.on(); }
  void Tell(Event event);
  void TellWrite(NodeId node, const raft::Write& write);
  void TellState(NodeId node, const State& state);
  void TellMessage(Kind kind, const raft::Message& message, std::uint64_t number, std::string text);
  void TellFault(Kind kind, std::size_t number, const Fault& fault, NodeId node, std::string text);
  Node& At(NodeId node) { return nodes_[node.value - 1]; }

  Trace& trace_;
  const Scheduler& scheduler_;
  std::vector<Node> nodes_;  // by id - 1
};

}  // namespace lockstep::sim::story

#endif  // LOCKSTEP_SIM_STORY_TELLER_H_
