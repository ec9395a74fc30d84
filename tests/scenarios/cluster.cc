#include "tests/scenarios/cluster.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>
#include <utility>
#include <variant>

#include "core/kv/machine.h"
#include "core/kv/requests.h"
#include "sim/oracles/liveness.h"

namespace lockstep {
namespace {

constexpr Duration kPatience = Seconds(20);
constexpr Duration kForEver = Seconds(3600);

}  // namespace

sim::Plan Cluster::MakePlan(const ClusterOptions& options) {
  sim::Plan plan;
  plan.seed = options.seed;
  plan.settings.nodes = options.nodes;
  if (options.adjust) {
    options.adjust(plan.settings);
  }
  plan.clocks.resize(static_cast<std::size_t>(options.nodes));
  const std::string wrong = Validate(plan);
  if (!wrong.empty()) {
    throw std::invalid_argument(wrong);
  }
  return plan;
}

Cluster::Cluster(const ClusterOptions& options) : plan_(MakePlan(options)), world_(plan_, trace_) {
  for (std::uint64_t id = 1; id <= static_cast<std::uint64_t>(options.nodes); ++id) {
    ids_.push_back(NodeId{id});
  }
  world_.Start();
}

// ---- Time

void Cluster::RunFor(Duration duration) { world_.RunUntil(world_.now() + duration); }

void Cluster::RunUntil(const std::function<bool()>& done, const char* what) {
  const sim::SimTime limit = world_.now() + Seconds(60);
  while (!done()) {
    if (world_.now() > limit) {
      throw std::runtime_error(std::string("in vain: waiting for ") + what + "\n" +
                               sim::PostMortem(world_));
    }
    world_.Step();
  }
}

void Cluster::RunUntilQuiet() {
  RunUntil(
      [&] {
        const NodeId leader = world_.Leader();
        return leader != NodeId() && std::all_of(ids_.begin(), ids_.end(), [&](NodeId id) {
                 const sim::SimNode& node = world_.node(id);
                 return !node.running() ||
                        (RaftOf(id).leader() == leader &&
                         RaftOf(id).current_term() == RaftOf(leader).current_term() &&
                         node.replica().machine().summary().applied_index ==
                             RaftOf(leader).log().last_index());
               });
      },
      "quiet");
}

// ---- Elections

bool Cluster::Leads(NodeId node) const {
  return world_.node(node).running() && RaftOf(node).role() == Role::kLeader;
}

Term Cluster::TermOf(NodeId node) const { return RaftOf(node).current_term(); }

NodeId Cluster::ElectLeader() {
  NodeId leader;
  RunUntil(
      [&] {
        leader = world_.Leader();
        if (leader == NodeId()) {
          return false;
        }
        std::size_t reached = 0;
        for (const NodeId other : ids_) {
          const bool linked = other == leader || (!world_.network().IsCut(leader, other) &&
                                                  !world_.network().IsCut(other, leader));
          reached += linked && world_.node(other).running() && !world_.node(other).paused() ? 1 : 0;
        }
        return 2 * reached > ids_.size() && !world_.node(leader).paused();
      },
      "a leader");
  return leader;
}

NodeId Cluster::OtherThan(const std::vector<NodeId>& nodes) const {
  for (const NodeId id : ids_) {
    if (world_.node(id).running() && std::find(nodes.begin(), nodes.end(), id) == nodes.end()) {
      return id;
    }
  }
  return NodeId();
}

// ---- Faults

void Cluster::Begin(sim::Fault fault) {
  fault.lasts = kForEver;
  faults_.push_back(world_.BeginFault(fault));
}

void Cluster::Isolate(NodeId node) {
  Begin({.kind = sim::FaultKind::kIsolate, .node = node.value});
}

void Cluster::Partition(const std::vector<NodeId>& group) {
  std::uint64_t members = 0;
  for (const NodeId id : group) {
    members |= std::uint64_t{1} << (id.value - 1);
  }
  Begin({.kind = sim::FaultKind::kPartition, .group = members});
}

void Cluster::CutOneWay(NodeId from, NodeId to) { world_.network().Cut(from, to); }

void Cluster::Heal() {
  for (const std::size_t fault : std::exchange(faults_, {})) {
    world_.EndFault(fault);
  }
  for (const NodeId from : ids_) {
    for (const NodeId to : ids_) {
      while (world_.network().IsCut(from, to)) {
        world_.network().Mend(from, to);
      }
    }
  }
}

void Cluster::Crash(NodeId node) {
  world_.BeginFault({.kind = sim::FaultKind::kCrash, .node = node.value, .lasts = kForEver});
}

void Cluster::CrashAll() {
  for (const NodeId id : ids_) {
    Crash(id);
  }
}

void Cluster::Restart(NodeId node) { world_.node(node).Start(); }

void Cluster::Pause(NodeId node) { Begin({.kind = sim::FaultKind::kPause, .node = node.value}); }

void Cluster::JumpClock(NodeId node, Duration by) {
  world_.BeginFault(
      {.kind = sim::FaultKind::kClockJump, .node = node.value, .amount = by.ns / 1000});
}

void Cluster::DriftClock(NodeId node, std::int64_t ppm) {
  Begin(
      {.kind = sim::FaultKind::kClockDrift, .node = node.value, .lasts = kForEver, .amount = ppm});
}

void Cluster::SlowDisk(NodeId node, Duration by) {
  Begin({.kind = sim::FaultKind::kSlowDisk, .node = node.value, .amount = by.ns / 1000});
}

// ---- Requests

RequestId Cluster::Propose(NodeId node, kv::Transact transact) {
  return world_.Submit(node, std::move(transact), kPatience);
}

RequestId Cluster::ProposePut(NodeId node, const std::string& key, const std::string& value) {
  kv::Transact transact;
  transact.transaction = kv::PutTransaction(key, value);
  return Propose(node, std::move(transact));
}

RequestId Cluster::StartRead(NodeId node, const std::string& key) {
  return StartRead(node, Read{.keys = {key}});
}

RequestId Cluster::StartRead(NodeId node, Read read) {
  return world_.Submit(node, std::move(read), kPatience);
}

void Cluster::Put(const std::string& key, const std::string& value) {
  const NodeId leader = ElectLeader();
  const RequestId request = ProposePut(leader, key, value);
  if (ResultOf(request) == nullptr) {
    throw std::runtime_error("a put was refused");
  }
}

SessionId Cluster::OpenSession() {
  const NodeId leader = ElectLeader();
  const RequestId request =
      world_.Submit(leader, kv::OpenSession{.time_to_live = Seconds(600)}, kPatience);
  return std::get<kv::SessionOpened>(std::get<kv::CommandResult>(Await(request).result)).session;
}

const Reply& Cluster::Await(RequestId request) {
  RunUntil([&] { return Answered(request); }, "an answer");
  return *world_.AnswerTo(request);
}

const kv::TransactionResult* Cluster::ResultOf(RequestId request) {
  const auto* result = std::get_if<kv::CommandResult>(&Await(request).result);
  return result == nullptr ? nullptr : std::get_if<kv::TransactionResult>(result);
}

const ReadResult* Cluster::ReadOf(RequestId request) {
  return std::get_if<ReadResult>(&Await(request).result);
}

std::optional<RefusalKind> Cluster::RefusalOf(RequestId request) {
  const auto* refusal = std::get_if<Refusal>(&Await(request).result);
  return refusal == nullptr ? std::nullopt : std::optional<RefusalKind>(refusal->kind);
}

std::optional<kv::KeyValue> Cluster::KeyValueAt(NodeId node, const std::string& key) {
  const kv::KeyValue* found = world_.node(node).replica().machine().Find(key);
  return found == nullptr ? std::nullopt : std::optional<kv::KeyValue>(*found);
}

std::optional<std::string> Cluster::ValueAt(NodeId node, const std::string& key) {
  const std::optional<kv::KeyValue> found = KeyValueAt(node, key);
  return found.has_value() ? std::optional<std::string>(found->value) : std::nullopt;
}

}  // namespace lockstep
