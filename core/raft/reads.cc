#include "core/raft/reads.h"

#include <utility>

namespace lockstep::raft {

void Reads::AddForwarded(NodeId follower, std::uint64_t number) {
  const auto confirming = confirming_.followers.find(follower);
  if (confirming != confirming_.followers.end() && confirming->second == number) {
    return;  // asked again for want of an answer, which is on its way
  }
  waiting_.followers.insert_or_assign(follower, number);
}

void Reads::RoundStarted(std::uint64_t round, Index commit_index) {
  if (!WantsRound()) {
    return;
  }
  round_ = round;
  read_index_ = commit_index;
  confirming_ = std::exchange(waiting_, {});
}

std::optional<ConfirmedReads> Reads::Confirmed(std::uint64_t round) {
  if (confirming_.empty() || round < round_) {
    return std::nullopt;
  }
  return ConfirmedReads{std::exchange(confirming_, {}), read_index_};
}

std::vector<RequestId> Reads::TakeAll() {
  std::vector<RequestId> all = std::move(confirming_.requests);
  all.insert(all.end(), waiting_.requests.begin(), waiting_.requests.end());
  confirming_ = {};
  waiting_ = {};
  return all;
}

void Reads::TellState(StateSink& sink) const {
  for (const ReadBatch* batch : {&waiting_, &confirming_}) {
    sink.Number(batch->requests.size());
    for (const RequestId request : batch->requests) {
      sink.Number(request.value);
    }
    for (const auto& [follower, number] : batch->followers) {
      sink.Section(follower);
      sink.Number(number);
    }
    sink.Section(NodeId());
  }
  sink.Number(confirming_.empty() ? 0 : round_);
  sink.Number(confirming_.empty() ? 0 : read_index_.value);
}

}  // namespace lockstep::raft
