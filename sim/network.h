// The network between nodes, and between clients and nodes: late, lossy, repetitive and
// partitioned.

#ifndef LOCKSTEP_SIM_NETWORK_H_
#define LOCKSTEP_SIM_NETWORK_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "core/raft/message.h"
#include "core/random.h"
#include "core/types.h"
#include "sim/probes.h"
#include "sim/scheduler.h"

namespace lockstep::sim {

namespace story {
class Teller;
}

struct NetworkSettings {
  // A message takes at least `delay_min`, and up to `delay_spread` more, uniformly.
  Duration delay_min = Microseconds(200);
  Duration delay_spread = Milliseconds(2);
  // So many messages in a thousand take up to `delay_tail` more on top.
  std::uint64_t tail_permille = 0;
  Duration delay_tail;
  std::uint64_t loss_permille = 0;
  std::uint64_t duplicate_permille = 0;
  // Messages of one link never overtake each other, as on a stream; else they may.
  bool in_order = false;
  // A link that is cut loses what is under way on it; else that still arrives.
  bool cut_loses_in_flight = true;
  // So many messages in a thousand are encoded and decoded, and must come out equal.
  std::uint64_t codec_permille = 0;
  // So many of those meet flipped bits: the decoder must survive them. The transport's checksum
  // then drops them, as TCP's would: a node never sees a message that nobody sent.
  std::uint64_t mangle_permille = 0;
  // So many in a thousand also reach a node that they are not meant for, or come as another
  // cluster's.
  std::uint64_t stray_permille = 0;
  // So many in a thousand come once more, up to so much later: long after the term they are of.
  std::uint64_t late_copy_permille = 0;
  Duration late_copy;
};

// Links are directed: from i to j can be cut or slow while from j to i is not. Cuts nest, so that
// faults that overlap can end in any order.
class Network {
 public:
  // `random` is the parent of one stream for each link. Messages are handed over as kDeliver
  // events of `scheduler`. Node ids run from 1 to `nodes`.
  Network(const NetworkSettings& settings, std::size_t nodes, std::size_t clients, Random random,
          Scheduler& scheduler, ProbeCounts& probes);

  // From now on `story` is told what becomes of messages. REQUIRES: it outlives this.
  void TellTo(story::Teller& story) { story_ = &story; }

  // Takes a message from node message.from on its way to node message.to.
  void Send(raft::Message message);

  // The message of a kDeliver event; nullopt if it is lost after all. Call once for each event.
  std::optional<raft::Message> Take(const Event& event);

  // How long something takes between a client and a node, in either direction; nullopt if it is
  // lost. Partitions do not concern clients: one that still reaches an isolated leader is the
  // client that would read stale data.
  std::optional<Duration> ClientTransit(std::size_t client);

  void Cut(NodeId from, NodeId to);
  void Mend(NodeId from, NodeId to);
  bool IsCut(NodeId from, NodeId to) const;

  // Every message of the link takes so much longer; of later calls the sum counts.
  void SlowDown(NodeId from, NodeId to, Duration by);

  // Whether what is sent on the link now waits for earlier messages that are later than usual.
  bool IsHeldUp(NodeId from, NodeId to) const;

  // Holds back what is sent on the link until it is unclogged; then all of it arrives. Clogs nest.
  void Clog(NodeId from, NodeId to);
  void Unclog(NodeId from, NodeId to);

  // Loses the next snapshot that `from` sends, and calls `lost` with its receiver.
  void LoseNextSnapshot(NodeId from, std::function<void(NodeId to)> lost);

  // Nothing passes between `client` and the nodes. Cuts nest.
  void CutClient(std::size_t client) { ++client_cuts_[client]; }
  void MendClient(std::size_t client);

  // Adds to what is lost and to how late messages are, everywhere; negative to take it back.
  void AddLoss(std::int64_t permille) { extra_loss_permille_ += permille; }
  void AddDelay(Duration up_to) { extra_delay_ = extra_delay_ + up_to; }

  // From now on nothing is lost, mangled or later than usual. Links that are cut or clogged stay
  // so.
  void Calm();

  std::uint64_t sent() const { return sent_; }
  std::uint64_t delivered() const { return delivered_; }

 private:
  struct InTransit {
    raft::Message message;
    std::uint64_t number = 0;  // sent() when it was sent
  };
  struct Held {
    raft::Message message;
    std::uint64_t number = 0;
  };
  struct Link {
    Random random{0};
    int cuts = 0;
    int clogs = 0;
    std::vector<Held> held;  // while clogged
    Duration slower;
    SimTime last_arrival;  // the latest so far
  };

  const Link& LinkOf(NodeId from, NodeId to) const;
  Link& LinkOf(NodeId from, NodeId to);
  Duration DrawDelay(Random& random) const;
  bool Lost(Random& random) const;
  void Transmit(Link& link, const raft::Message& message, std::uint64_t number);
  void Lose(const raft::Message& message, std::uint64_t number, Probe probe, const char* why);
  void CopyLate(Link& link, const raft::Message& message);
  void Stray(Link& link, raft::Message message);
  void Deliver(InTransit in_transit, NodeId target, SimTime arrival);

  NetworkSettings settings_;
  std::size_t nodes_;
  std::vector<Link> links_;  // from * nodes + to
  std::vector<Random> client_random_;
  std::vector<int> client_cuts_;
  std::map<NodeId, std::function<void(NodeId)>> snapshot_loss_;  // by sender
  std::int64_t extra_loss_permille_ = 0;
  Duration extra_delay_;
  std::vector<InTransit> slots_;  // by a kDeliver event's payload
  std::vector<std::uint64_t> free_slots_;
  std::uint64_t sent_ = 0;
  std::uint64_t delivered_ = 0;
  Scheduler& scheduler_;
  ProbeCounts& probes_;
  story::Teller* story_ = nullptr;
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_NETWORK_H_
