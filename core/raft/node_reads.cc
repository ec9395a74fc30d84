// Node: from which index on the applied state may answer a read (Ongaro 2014, §6.4).

#include <algorithm>

#include "core/assert.h"
#include "core/raft/node.h"

namespace lockstep::raft {

bool Node::Read(RequestId request, Instant now) {
  TimeIs(now);
  if (auto* leader = std::get_if<Leader>(&role_)) {
    leader->reads.Add(request);
    return true;
  }
  if (leader() == NodeId() || expelled_) {
    return false;
  }
  forwarded_.Add(request);
  return true;
}

// ---- Leading

void Node::Handle(NodeId from, const ReadIndex& request, Term) {
  auto* leader = std::get_if<Leader>(&role_);
  if (leader != nullptr && leader->peers.count(from) != 0) {
    leader->reads.AddForwarded(from, request.number);
  }
}

void Node::ConfirmReads() {
  auto& leader = std::get<Leader>(role_);
  const std::uint64_t round = ReachedByQuorum(membership().membership, [&](NodeId id) {
    return id == config_.id ? leader.round : leader.peers.at(id).acknowledged_round();
  });
  if (const auto known = leader.round_times.LastUpTo(round);
      known && known->read_index != Index()) {
    KnowFresh(known->began, known->read_index);
  }
  auto confirmed = leader.reads.Confirmed(round);
  if (!confirmed) {
    return;
  }
  for (const auto& [follower, number] : confirmed->batch.followers) {
    SendNow(follower, current_term(),
            ReadIndexReply{.number = number, .read_index = confirmed->read_index});
  }
  if (!confirmed->batch.requests.empty()) {
    effects_.ready_reads.push_back(
        {.requests = std::move(confirmed->batch.requests), .read_index = confirmed->read_index});
  }
}

// ---- Leases. A follower that has answered a round of heartbeats votes for nobody else until an
// election timeout after it heard of the round, and the leader began the round before that. Until
// then, of a quorum, nobody else can be elected; unless this leader asks for it.

void Node::CountPromise(Progress& progress, const AppendEntriesReply& reply) {
  const auto& leader = std::get<Leader>(role_);
  if (!config_.lease_reads || reply.promise <= Duration()) {
    return;
  }
  if (const auto known = leader.round_times.LastUpTo(std::min(reply.round, leader.round))) {
    progress.Promised(known->began + SurelyWithin(reply.promise, config_.clock_drift_ppm));
  }
}

Instant Node::LeaseEnd() const {
  const auto* leader = std::get_if<Leader>(&role_);
  // A leader whose commit index may be behind what earlier terms committed has nothing to answer.
  if (leader == nullptr || !config_.lease_reads || leader->lease_is_void || clock_is_behind_ ||
      commit_index_ < leader->first_own_index) {
    return {};
  }
  return ReachedByQuorum(membership().membership, [&](NodeId id) {
    return id == config_.id ? Instant::Never() : leader->peers.at(id).promised_until();
  });
}

std::optional<Index> Node::LeaseReadIndex(Instant now) {
  TimeIs(now);
  return now_ < LeaseEnd() ? std::optional(commit_index_) : std::nullopt;
}

bool Node::transfer_voids_lease() const {
  const auto* leader = std::get_if<Leader>(&role_);
  return leader != nullptr && leader->lease_is_void;
}

// ---- Following

void Node::AskLeaderForReads() {
  if (forwarded_.under_way()) {
    if (now_ >= forwarded_.started() + config_.election_timeout) {
      const std::vector<RequestId> given_up = forwarded_.TakeAsked();
      effects_.refused_reads.insert(effects_.refused_reads.end(), given_up.begin(), given_up.end());
    } else if (now_ >= forwarded_.last_asked() + config_.retransmit_timeout) {
      SendReadIndex(forwarded_.AskAgain(now_));
    }
  }
  if (forwarded_.WantsBatch()) {
    SendReadIndex(forwarded_.Start(now_));
  }
}

Instant Node::ForwardedDeadline() const {
  return std::min(forwarded_.started() + config_.election_timeout,
                  forwarded_.last_asked() + config_.retransmit_timeout);
}

void Node::SendReadIndex(std::uint64_t number) {
  SendNow(leader(), current_term(), ReadIndex{.number = number});
}

void Node::Handle(NodeId from, const ReadIndexReply& reply, Term) {
  if (leader() != from) {
    return;
  }
  const Instant started = forwarded_.started();
  auto ready = forwarded_.Answered(reply.number, reply.read_index);
  if (!ready) {
    return;
  }
  if (!clock_is_behind_ && started > went_back_) {
    KnowFresh(started, reply.read_index);
  }
  effects_.ready_reads.push_back(*std::move(ready));
}

void Node::RefuseForwardedReads() {
  const std::vector<RequestId> reads = forwarded_.TakeAll();
  effects_.refused_reads.insert(effects_.refused_reads.end(), reads.begin(), reads.end());
}

// ---- The age of what is applied

void Node::KnowFresh(Instant since, Index index) {
  if (!freshness_ || since > freshness_->since) {
    freshness_ = Freshness{.since = since, .index = index};
  }
}

std::optional<Index> Node::FreshIndex(Duration max_age, Instant now) {
  TimeIs(now);
  if (!freshness_ || clock_is_behind_ ||
      now_ - freshness_->since >= SurelyWithin(max_age, config_.clock_drift_ppm)) {
    return std::nullopt;
  }
  return freshness_->index;
}

// The clock has gone back: spans that began before, or while it is behind, are longer than it
// shows.
void Node::ForgetMeasuredTimes() {
  went_back_ = now_;
  freshness_.reset();
  if (auto* leader = std::get_if<Leader>(&role_)) {
    leader->round_times.Clear();
    for (auto& [peer, progress] : leader->peers) {
      progress.ForgetPromise();
    }
  }
}

}  // namespace lockstep::raft
