#include "sim/network.h"

#include <algorithm>
#include <utility>

#include "core/assert.h"
#include "sim/story/teller.h"
#include "sim/transport_codec.h"

namespace lockstep::sim {
namespace {

// A connection's buffers end: what is sent on a clogged link beyond that is lost.
constexpr std::size_t kHeldMax = 10'000;

}  // namespace

Network::Network(const NetworkSettings& settings, std::size_t nodes, std::size_t clients,
                 Random random, Scheduler& scheduler, ProbeCounts& probes)
    : settings_(settings),
      nodes_(nodes),
      links_(nodes * nodes),
      scheduler_(scheduler),
      probes_(probes) {
  for (std::size_t i = 0; i < links_.size(); ++i) {
    links_[i].random = random.Child(i);
  }
  const Random client_parent = random.Child(links_.size());
  for (std::size_t i = 0; i < clients; ++i) {
    client_random_.push_back(client_parent.Child(i));
  }
  client_cuts_.resize(clients);
}

const Network::Link& Network::LinkOf(NodeId from, NodeId to) const {
  CORE_ASSERT(from.value >= 1 && from.value <= nodes_);
  CORE_ASSERT(to.value >= 1 && to.value <= nodes_);
  return links_[(from.value - 1) * nodes_ + (to.value - 1)];
}

Network::Link& Network::LinkOf(NodeId from, NodeId to) {
  return const_cast<Link&>(std::as_const(*this).LinkOf(from, to));
}

Duration Network::DrawDelay(Random& random) const {
  Duration delay = settings_.delay_min;
  if (settings_.delay_spread > Duration{}) {
    delay = delay + Duration{random.Between(0, settings_.delay_spread.ns)};
  }
  if (settings_.tail_permille > 0 && random.Chance(settings_.tail_permille, 1000)) {
    delay = delay + Duration{random.Between(0, settings_.delay_tail.ns)};
  }
  if (extra_delay_ > Duration{}) {
    delay = delay + Duration{random.Between(0, extra_delay_.ns)};
  }
  return delay;
}

bool Network::IsHeldUp(NodeId from, NodeId to) const {
  const SimTime usual = scheduler_.now() + settings_.delay_min + settings_.delay_spread;
  return settings_.in_order && LinkOf(from, to).last_arrival > usual;
}

bool Network::Lost(Random& random) const {
  const std::int64_t permille =
      static_cast<std::int64_t>(settings_.loss_permille) + extra_loss_permille_;
  return permille > 0 && random.Chance(static_cast<std::uint64_t>(permille), 1000);
}

void Network::Send(raft::Message message) {
  ++sent_;
  Link& link = LinkOf(message.from, message.to);
  if (link.cuts > 0) {
    return Lose(message, sent_, Probe::kMessageCut, "is cut off");
  }
  if (!snapshot_loss_.empty() && std::holds_alternative<raft::InstallSnapshot>(message.body)) {
    if (const auto found = snapshot_loss_.find(message.from); found != snapshot_loss_.end()) {
      const std::function<void(NodeId)> lost = std::move(found->second);
      snapshot_loss_.erase(found);
      const NodeId to = message.to;
      Lose(message, sent_, Probe::kSnapshotLost, "is lost with its connection");
      return lost(to);
    }
  }
  if (Lost(link.random)) {
    return Lose(message, sent_, Probe::kMessageLost, "is lost");
  }
  const bool twice =
      settings_.duplicate_permille > 0 && link.random.Chance(settings_.duplicate_permille, 1000);
  Transmit(link, message, sent_);
  if (twice) {
    probes_.Count(Probe::kMessageDuplicated);
    if (story_ != nullptr) {
      story_->Duplicated(message, sent_);
    }
    Transmit(link, message, sent_);
  }
  if (settings_.late_copy_permille > 0 && link.random.Chance(settings_.late_copy_permille, 1000)) {
    CopyLate(link, message);
  }
  if (settings_.stray_permille > 0 && link.random.Chance(settings_.stray_permille, 1000)) {
    Stray(link, std::move(message));
  }
}

// Nobody waits for it, so it may take longer than anything else.
void Network::CopyLate(Link& link, const raft::Message& message) {
  probes_.Count(Probe::kMessageCopiedLate);
  if (story_ != nullptr) {
    story_->Duplicated(message, sent_);
  }
  const Duration late{link.random.Between(0, settings_.late_copy.ns)};
  Deliver({message, sent_}, message.to, scheduler_.now() + late);
}

// An address was given to another machine: what was meant for one node comes to another; or to one
// of another cluster, whose nodes have the same ids.
void Network::Stray(Link& link, raft::Message message) {
  const SimTime arrival = scheduler_.now() + DrawDelay(link.random);
  const NodeId target{1 + link.random.Below(nodes_)};
  if (link.random.Chance(1, 2)) {
    message.cluster = message.cluster.Next();
    message.from = NodeId{1 + link.random.Below(nodes_)};
    message.to = target;
  } else if (target == message.to) {
    return;
  }
  ++sent_;
  if (story_ != nullptr) {
    story_->Straying(message, sent_, target);
  }
  Deliver({std::move(message), sent_}, target, arrival);
}

void Network::Lose(const raft::Message& message, std::uint64_t number, Probe probe,
                   const char* why) {
  probes_.Count(probe);
  if (story_ != nullptr) {
    story_->Lost(message, number, why);
  }
}

void Network::Transmit(Link& link, const raft::Message& message, std::uint64_t number) {
  if (link.clogs > 0) {
    if (link.held.size() == kHeldMax) {
      return Lose(message, number, Probe::kMessageLost, "finds the clogged link full");
    }
    link.held.push_back({message, number});
    probes_.Count(Probe::kMessageClogged);
    return;
  }
  SimTime arrival = scheduler_.now() + DrawDelay(link.random) + link.slower;
  if (arrival < link.last_arrival) {
    if (settings_.in_order) {
      arrival = link.last_arrival;
    } else {
      probes_.Count(Probe::kMessageOvertaken);
    }
  }
  link.last_arrival = std::max(link.last_arrival, arrival);

  const bool encoded =
      settings_.codec_permille > 0 && link.random.Chance(settings_.codec_permille, 1000);
  if (encoded) {
    probes_.Count(Probe::kMessageThroughCodec);
    if (settings_.mangle_permille > 0 && link.random.Chance(settings_.mangle_permille, 1000)) {
      DecodeMangled(message, link.random);
      return Lose(message, number, Probe::kMangledMessageRefused, "is mangled and refused");
    }
  }
  Deliver({encoded ? ThroughCodec(message) : message, number}, message.to, arrival);
}

void Network::Deliver(InTransit in_transit, NodeId target, SimTime arrival) {
  std::uint64_t slot = slots_.size();
  if (free_slots_.empty()) {
    slots_.push_back(std::move(in_transit));
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
    slots_[slot] = std::move(in_transit);
  }
  scheduler_.At(arrival, EventKind::kDeliver, static_cast<std::uint16_t>(target.value), 0, slot);
}

std::optional<raft::Message> Network::Take(const Event& event) {
  InTransit arrived = std::move(slots_[event.payload]);
  free_slots_.push_back(event.payload);
  const raft::Message& message = arrived.message;
  if (settings_.cut_loses_in_flight && IsCut(message.from, message.to)) {
    Lose(message, arrived.number, Probe::kMessageCut, "is cut off on its way");
    return std::nullopt;
  }
  ++delivered_;
  if (story_ != nullptr) {
    story_->Delivered(message, arrived.number, NodeId{event.target});
  }
  return std::move(arrived.message);
}

std::optional<Duration> Network::ClientTransit(std::size_t client) {
  Random& random = client_random_[client];
  if (client_cuts_[client] > 0 || Lost(random)) {
    probes_.Count(Probe::kMessageLost);
    return std::nullopt;
  }
  return DrawDelay(random);
}

void Network::Cut(NodeId from, NodeId to) { ++LinkOf(from, to).cuts; }

void Network::Mend(NodeId from, NodeId to) {
  CORE_ASSERT(IsCut(from, to));
  --LinkOf(from, to).cuts;
}

void Network::Clog(NodeId from, NodeId to) { ++LinkOf(from, to).clogs; }

void Network::Unclog(NodeId from, NodeId to) {
  Link& link = LinkOf(from, to);
  CORE_ASSERT(link.clogs > 0);
  --link.clogs;
  if (link.clogs == 0) {
    for (const Held& held : std::exchange(link.held, {})) {
      Transmit(link, held.message, held.number);
    }
  }
}

void Network::LoseNextSnapshot(NodeId from, std::function<void(NodeId)> lost) {
  snapshot_loss_[from] = std::move(lost);
}

void Network::MendClient(std::size_t client) {
  CORE_ASSERT(client_cuts_[client] > 0);
  --client_cuts_[client];
}

bool Network::IsCut(NodeId from, NodeId to) const { return LinkOf(from, to).cuts > 0; }

void Network::SlowDown(NodeId from, NodeId to, Duration by) {
  Link& link = LinkOf(from, to);
  link.slower = link.slower + by;
}

void Network::Calm() {
  settings_.tail_permille = 0;
  settings_.loss_permille = 0;
  settings_.mangle_permille = 0;
  settings_.late_copy_permille = 0;
  snapshot_loss_.clear();
}

}  // namespace lockstep::sim
