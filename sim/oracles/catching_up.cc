#include "sim/oracles/catching_up.h"

#include <algorithm>
#include <string>

#include "core/raft/node.h"
#include "sim/oracles/liveness.h"
#include "sim/violation.h"
#include "sim/world.h"

namespace lockstep::sim {
namespace {

// An append, the write under way and the one that it waits for, and the answer.
Duration RoundTrip(const Settings& settings) {
  return Microseconds(2 * (settings.delay_min_us + settings.delay_spread_us) +
                      2 * (settings.disk_min_us + settings.disk_spread_us));
}

// After faults or an election: a lost append is noticed.
Duration UntilCalm(const Settings& settings) {
  return Microseconds(4 * settings.election_timeout_us + settings.retransmit_timeout_us +
                      settings.delay_tail_us);
}

// Whether it lags because it is sent nothing: its disk, which may be in a stall that began before,
// has nothing to do.
bool NeedsEntries(const raft::Node& leader, const raft::Progress& progress, const SimNode& node) {
  return node.running() && !node.stores_log() && !node.replica().node().installing() &&
         progress.state() != raft::Progress::State::kSnapshot &&
         progress.match_index() < leader.log().last_index();
}

}  // namespace

void CatchingUp::Look(const World& world) {
  const Settings& settings = world.plan().settings;
  const NodeId leader = world.Leader();
  if (leader == NodeId() || settings.in_order == 0) {
    leader_ = {};
    return;
  }
  const raft::Node& raft = world.node(leader).replica().node();
  if (leader != leader_ || raft.current_term() != term_) {
    leader_ = leader;
    term_ = raft.current_term();
    calm_at_ = world.now() + UntilCalm(settings);
    followers_.assign(world.node_count(), Follower{});
    for (std::size_t i = 0; i < followers_.size(); ++i) {
      followers_[i].incarnation = world.node(NodeId{i + 1}).incarnation();
    }
  }
  for (std::size_t i = 0; i < followers_.size(); ++i) {
    const SimNode& node = world.node(NodeId{i + 1});
    const raft::Progress* progress = raft.progress(node.id());
    Follower& follower = followers_[i];
    if (progress == nullptr || !node.running() || node.is_another()) {
      // It may be added yet, or start; what was sent to it before is lost.
      follower.since = world.now() + UntilCalm(settings);
      continue;
    }
    if (world.network().IsHeldUp(leader, node.id()) ||
        world.network().IsHeldUp(node.id(), leader)) {
      // What is sent now arrives after what a fault made late.
      follower.since = world.now() + RoundTrip(settings);
      continue;
    }
    if (world.now() < calm_at_) {
      continue;
    }
    const Index match = progress->match_index();
    if (node.incarnation() != follower.incarnation) {
      follower = {.incarnation = node.incarnation(),
                  .match = match,
                  .since = world.now() + UntilCalm(settings)};
    } else {
      const bool lags = NeedsEntries(raft, *progress, node);
      if (!lags || !follower.lags || match != follower.match) {
        follower.match = match;
        follower.since = std::max(follower.since, world.now());
      }
      follower.lags = lags;
    }
    if (world.now() > std::max(follower.since, calm_at_) + RoundTrip(settings) * 4) {
      throw Violation("followers catch up",
                      "node " + std::to_string(node.id().value) + " lags, and node " +
                          std::to_string(leader.value) + " leaves it waiting:\n" +
                          PostMortem(world),
                      {{.kind = Evidence::Kind::kLed, .node = leader, .term = term_},
                       {.kind = Evidence::Kind::kStored, .node = node.id()}});
    }
  }
}

}  // namespace lockstep::sim
