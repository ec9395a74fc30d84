#include "sim/oracles/liveness.h"

#include <algorithm>

#include "core/kv/machine.h"
#include "core/raft/node.h"
#include "sim/describe.h"
#include "sim/violation.h"
#include "sim/world.h"

namespace lockstep::sim {
namespace {

std::string Number(std::uint64_t number) { return std::to_string(number); }

std::string NodeLine(const World& world, const SimNode& node) {
  std::string text = NodeName(node.id()) + ": ";
  if (!node.running()) {
    text += node.given_up() ? "down for good" : "down";
    return text + (node.stop_reason().empty() ? "" : ", has stopped: " + node.stop_reason()) + "\n";
  }
  const raft::Node& raft = node.replica().node();
  text += std::string(Name(raft.role())) + (node.paused() ? ", paused" : "") + ", term " +
          Number(raft.current_term().value) + ", leader " + Number(raft.leader().value) +
          ", log (" + Number(raft.log().base().index.value) + ", " +
          Number(raft.log().last_index().value) + "], durable " +
          Number(raft.durable_index().value) + ", commit " + Number(raft.commit_index().value) +
          ", applied " + Number(node.replica().machine().applied_index().value) +
          (raft.installing() ? ", installing" : "");
  for (std::size_t i = 1; i <= world.node_count(); ++i) {
    if (const raft::Progress* progress = raft.progress(NodeId{i}); progress != nullptr) {
      text += "; " + NodeName(NodeId{i}) + " has " + Number(progress->match_index().value) +
              ", next " + Number(progress->next_index().value) + ", " +
              Number(progress->in_flight()) + " under way";
    }
  }
  return text + "\n";
}

std::string CutLinks(const World& world) {
  std::string text;
  for (std::size_t i = 1; i <= world.node_count(); ++i) {
    for (std::size_t j = 1; j <= world.node_count(); ++j) {
      if (world.network().IsCut(NodeId{i}, NodeId{j})) {
        text += " " + NodeName(NodeId{i}) + "->" + NodeName(NodeId{j});
      }
    }
  }
  return text.empty() ? "" : "cut links:" + text + "\n";
}

std::string Conclusion(const World& world) {
  std::size_t left = 0;
  for (std::size_t i = 1; i <= world.node_count(); ++i) {
    left += world.node(NodeId{i}).given_up() ? 0 : 1;
  }
  const std::string counts =
      Number(left) + " of " + Number(world.node_count()) + " nodes can work, ";
  if (!world.MajorityIsLeft()) {
    return counts + "no majority: the cluster has to stand still\n";
  }
  return counts + "a majority, and " +
         (world.Leader() == NodeId() ? "nobody leads: elections fail"
                                     : NodeName(world.Leader()) + " leads: it does not get on") +
         "\n";
}

// What clients wait for, and for each node that lags where it stopped getting on.
std::vector<Evidence> EvidenceOf(const World& world) {
  std::vector<Evidence> evidence = world.clients().Waiting();
  std::vector<Index> applied(world.node_count() + 1);
  for (std::size_t i = 1; i <= world.node_count(); ++i) {
    const SimNode& node = world.node(NodeId{i});
    applied[i] = node.running() ? node.replica().machine().applied_index() : Index{};
  }
  const Index furthest = *std::max_element(applied.begin(), applied.end());
  for (std::size_t i = 1; i < applied.size(); ++i) {
    if (applied[i] < furthest && applied[i] > Index{}) {
      evidence.push_back({.kind = Evidence::Kind::kApplied, .node = {i}, .index = applied[i]});
    }
  }
  return evidence;
}

}  // namespace

std::string PostMortem(const World& world) {
  std::string text;
  for (std::size_t i = 1; i <= world.node_count(); ++i) {
    text += NodeLine(world, world.node(NodeId{i}));
  }
  return text + CutLinks(world) + world.clients().DescribeWaiting() + Conclusion(world);
}

void CheckLiveness(const World& world, SimTime since) {
  const Duration bound = world.SettlingBound();
  if (world.now() > since + bound && world.MajorityIsLeft()) {
    throw Violation("liveness",
                    "for " + std::to_string(bound.ns / 1'000'000) +
                        " ms without faults, not all is well:\n" + PostMortem(world),
                    EvidenceOf(world));
  }
}

}  // namespace lockstep::sim
