#include "server/call.h"

#include <algorithm>
#include <chrono>
#include <variant>

namespace lockstep::server {
namespace {

net::Error ErrorOfUnserved(Unserved why) {
  switch (why) {
    case Unserved::kQueueFull:
      return net::OverloadedError("too many requests are queued (queued-requests-max)");
    case Unserved::kStopping:
      return net::ShuttingDownError();
    case Unserved::kOutcomeUnknown:
      return net::UnknownError("the node stopped before the outcome was known");
  }
  return net::UnknownError("the node gave no reason");
}

}  // namespace

// A gRPC deadline is a reading of the wall clock; the core knows the monotonic one.
Instant DeadlineOf(const grpc::CallbackServerContext& call, Instant now) {
  const auto deadline = call.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) {
    return now + kDefaultTimeout;
  }
  const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(
      deadline - std::chrono::system_clock::now());
  return now + std::min(Duration{left.count()}, Seconds(24 * 3600));
}

std::optional<net::Error> ErrorOf(const ServiceContext& node, const ReplyResult& reply) {
  if (const auto* unserved = std::get_if<Unserved>(&reply)) {
    return ErrorOfUnserved(*unserved);
  }
  if (const auto* refusal = std::get_if<Refusal>(&reply)) {
    return net::FromRefusal(*refusal, node.directory->ClientAddressOf(refusal->leader));
  }
  return std::nullopt;
}

}  // namespace lockstep::server
