#include "server/monitor.h"

#include <chrono>
#include <optional>
#include <utility>

namespace lockstep::server {
namespace {

constexpr std::chrono::milliseconds kInterval(100);
constexpr Duration kRepeatInterval = Seconds(1);

}  // namespace

Monitor::Monitor(Driver* driver, net::PeerTransport* transport, net::PeerService* peer_service,
                 NodeLog* log, std::function<void(bool)> set_serving)
    : driver_(driver),
      transport_(transport),
      peer_service_(peer_service),
      log_(log),
      set_serving_(std::move(set_serving)),
      thread_([this] { Run(); }) {}

Monitor::~Monitor() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Monitor::Run() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stop_) {
    lock.unlock();
    LookAtLinks();
    LookAtRejections();
    LookAtLeader();
    lock.lock();
    changed_.wait_for(lock, kInterval, [this] { return stop_; });
  }
}

void Monitor::LookAtLinks() {
  transport_->Tidy();
  for (const net::PeerLinkStats& link : transport_->Stats()) {
    const Field peer("peer", link.peer);
    bool& connected = connected_[link.peer];
    if (link.connected != connected) {
      connected = link.connected;
      log_->Write(connected ? LogLevel::kInfo : LogLevel::kWarning,
                  connected ? "peer-connected" : "peer-lost",
                  {peer, Field("address", link.address)});
    }
    std::uint64_t& dropped = dropped_[link.peer];
    if (link.dropped_messages > dropped && connected) {
      log_->WriteLimited(LogLevel::kWarning, "dropped " + std::to_string(link.peer.value),
                         kRepeatInterval, "messages-dropped",
                         {peer, Field("messages", link.dropped_messages - dropped)});
    }
    dropped = link.dropped_messages;
  }
}

void Monitor::LookAtRejections() {
  const net::PeerServiceStats stats = peer_service_->stats();
  const std::uint64_t rejected = stats.mangled + stats.foreign;
  if (rejected > rejected_) {
    log_->WriteLimited(
        LogLevel::kWarning, "rejected", kRepeatInterval, "peer-messages-rejected",
        {Field("messages", rejected - rejected_), Field("last", peer_service_->last_rejection())});
    rejected_ = rejected;
  }
}

void Monitor::LookAtLeader() {
  const std::optional<Status> status = driver_->GetStatusNow(Milliseconds(500));
  if (status) {
    log_->SetContext(status->term, status->role);
  }
  const bool serving = status && status->leader != NodeId();
  if (serving != serving_) {
    serving_ = serving;
    log_->Write(serving ? LogLevel::kInfo : LogLevel::kWarning, serving ? "serving" : "not-serving",
                {Field("leader", status ? status->leader : NodeId())});
    set_serving_(serving);
  }
}

}  // namespace lockstep::server
