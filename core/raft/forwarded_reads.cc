#include "core/raft/forwarded_reads.h"

#include <utility>

#include "core/assert.h"

namespace lockstep::raft {

std::uint64_t ForwardedReads::Start(Instant now) {
  CORE_ASSERT(WantsBatch());
  asked_ = std::exchange(waiting_, {});
  started_ = now;
  last_asked_ = now;
  return ++number_;
}

std::uint64_t ForwardedReads::AskAgain(Instant now) {
  CORE_ASSERT(under_way());
  last_asked_ = now;
  return number_;
}

std::optional<ReadyReads> ForwardedReads::Answered(std::uint64_t number, Index read_index) {
  if (asked_.empty() || number != number_) {
    return std::nullopt;
  }
  return ReadyReads{
      .requests = std::exchange(asked_, {}), .read_index = read_index, .forwarded = true};
}

std::vector<RequestId> ForwardedReads::TakeAsked() { return std::exchange(asked_, {}); }

std::vector<RequestId> ForwardedReads::TakeAll() {
  std::vector<RequestId> all = TakeAsked();
  all.insert(all.end(), waiting_.begin(), waiting_.end());
  waiting_.clear();
  return all;
}

void ForwardedReads::TellState(StateSink& sink) const {
  for (const std::vector<RequestId>* requests : {&waiting_, &asked_}) {
    sink.Number(requests->size());
    for (const RequestId request : *requests) {
      sink.Number(request.value);
    }
  }
  if (!empty()) {
    sink.Number(number_);
  }
}

}  // namespace lockstep::raft
