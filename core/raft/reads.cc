#include "core/raft/reads.h"

#include <utility>

namespace lockstep::raft {

void Reads::RoundStarted(std::uint64_t round, Index commit_index) {
  if (!WantsRound()) {
    return;
  }
  round_ = round;
  read_index_ = commit_index;
  confirming_ = std::exchange(waiting_, {});
}

std::optional<ReadyReads> Reads::Confirmed(std::uint64_t round) {
  if (confirming_.empty() || round < round_) {
    return std::nullopt;
  }
  return ReadyReads{std::exchange(confirming_, {}), read_index_};
}

std::vector<RequestId> Reads::TakeAll() {
  std::vector<RequestId> all = std::exchange(confirming_, {});
  all.insert(all.end(), waiting_.begin(), waiting_.end());
  waiting_.clear();
  return all;
}

void Reads::TellState(StateSink& sink) const {
  for (const std::vector<RequestId>* requests : {&waiting_, &confirming_}) {
    sink.Number(requests->size());
    for (const RequestId request : *requests) {
      sink.Number(request.value);
    }
  }
  sink.Number(confirming_.empty() ? 0 : round_);
  sink.Number(confirming_.empty() ? 0 : read_index_.value);
}

}  // namespace lockstep::raft
