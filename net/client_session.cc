#include "net/client_session.h"

#include "core/assert.h"

namespace lockstep::net {

std::optional<std::uint64_t> ClientSession::Begin() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!in_use_.empty() && next_ - *in_use_.begin() >= kWindow) {
    return std::nullopt;
  }
  const std::uint64_t sequence = next_++;
  in_use_.insert(sequence);
  return sequence;
}

void ClientSession::Finish(std::uint64_t sequence) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::size_t erased = in_use_.erase(sequence);
  CORE_ASSERT(erased == 1);
}

std::uint64_t ClientSession::Acknowledged() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return (in_use_.empty() ? next_ : *in_use_.begin()) - 1;
}

}  // namespace lockstep::net
