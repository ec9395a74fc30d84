#include "server/observer.h"

#include <string>
#include <utility>

namespace lockstep::server {
namespace {

// A node that cannot reach a quorum asks for pre-votes for ever: once a second tells that.
constexpr Duration kRepeatInterval = Seconds(1);

// A sync that takes longer deserves a line: elections may follow.
constexpr Duration kSlowSync = Milliseconds(250);

}  // namespace

NodeObserver::NodeObserver(NodeLog* log, Metrics* metrics, std::function<void()> on_disk_failure,
                           std::function<void(std::string)> on_expelled,
                           std::function<void(std::string)> on_diverged)
    : log_(log),
      metrics_(metrics),
      on_disk_failure_(std::move(on_disk_failure)),
      on_expelled_(std::move(on_expelled)),
      on_diverged_(std::move(on_diverged)) {}

void NodeObserver::OnEvents(const std::vector<Event>& events, const Status& status) {
  log_->SetContext(status.term, status.role);
  for (const Event& event : events) {
    metrics_->Count(event);
    LogEvent(event);
  }
}

// Events name the term they happened in: the line's own context is of after them all.
void NodeObserver::LogEvent(const Event& event) {
  const Field in_term("in_term", event.term);
  const Field peer("peer", event.peer);
  const Field index("index", event.index);
  const Field reason("reason", event.text);
  switch (event.kind) {
    case Event::Kind::kBecameFollower:
      log_->Write(LogLevel::kInfo, "became-follower", {in_term, Field("leader", event.peer)});
      break;
    case Event::Kind::kBecamePreCandidate:
      log_->WriteLimited(LogLevel::kInfo, "pre-candidate", kRepeatInterval, "became-pre-candidate",
                         {in_term});
      break;
    case Event::Kind::kBecameCandidate:
      log_->WriteLimited(LogLevel::kInfo, "candidate", kRepeatInterval, "became-candidate",
                         {in_term});
      break;
    case Event::Kind::kBecameLeader:
      log_->Write(LogLevel::kInfo, "became-leader", {in_term});
      break;
    case Event::Kind::kSteppedDown:
      log_->Write(LogLevel::kWarning, "stepped-down", {in_term, reason});
      break;
    case Event::Kind::kLeaderChanged:
      log_->Write(LogLevel::kInfo, "leader-changed", {in_term, Field("leader", event.peer)});
      break;
    case Event::Kind::kTruncatedLog:
      log_->Write(LogLevel::kInfo, "log-truncated", {in_term, Field("first_removed", event.index)});
      break;
    case Event::Kind::kCompactedLog:
      log_->Write(LogLevel::kInfo, "log-compacted", {Field("last_removed", event.index)});
      break;
    case Event::Kind::kSnapshotSent:
      log_->Write(LogLevel::kInfo, "snapshot-sent", {peer, index});
      break;
    case Event::Kind::kSnapshotInstalled:
      log_->Write(LogLevel::kInfo, "snapshot-installed", {index});
      break;
    case Event::Kind::kSnapshotRejected:
      log_->Write(LogLevel::kWarning, "snapshot-rejected", {peer, reason});
      break;
    case Event::Kind::kCheckpointStored:
      log_->Write(LogLevel::kInfo, "checkpoint-stored", {index});
      break;
    case Event::Kind::kMembershipChanged:
      log_->Write(LogLevel::kInfo, "membership-changed", {index, Field("members", event.text)});
      break;
    case Event::Kind::kTransferBegan:
      log_->Write(LogLevel::kInfo, "transfer-began", {peer});
      break;
    case Event::Kind::kTransferEnded:
      log_->Write(LogLevel::kInfo, "transfer-ended", {peer, reason});
      break;
    case Event::Kind::kExpelled:
      log_->Write(LogLevel::kError, "expelled", {reason});
      break;
  }
}

void NodeObserver::OnSample(const Status& status) {
  log_->SetContext(status.term, status.role);
  metrics_->Sample(status);
}

void NodeObserver::OnLogSync(Duration took, std::size_t writes, std::size_t entries) {
  metrics_->CountLogSync(took, writes, entries);
  if (took >= kSlowSync) {
    log_->WriteLimited(LogLevel::kWarning, "slow-sync", kRepeatInterval, "slow-log-sync",
                       {Field("took_ms", took), Field("entries", entries)});
  }
}

void NodeObserver::OnCheckpoint(Duration took) { metrics_->CountCheckpoint(took); }

void NodeObserver::OnInstallation(Duration took) { metrics_->CountInstallation(took); }

void NodeObserver::OnSnapshotRead(Duration took, std::size_t bytes) {
  metrics_->CountSnapshotRead(took, bytes);
  log_->Write(LogLevel::kInfo, "snapshot-read", {Field("bytes", bytes), Field("took_ms", took)});
}

void NodeObserver::OnDiskFailure(const absl::Status& status) {
  log_->Write(LogLevel::kError, "disk-failed",
              {Field("error", std::string(status.message())),
               Field("consequence", "the node stops: what its files hold is no longer known")});
  on_disk_failure_();
}

// The event of the same name is what logs it.
void NodeObserver::OnDiverged(const std::string& why) {
  log_->Write(LogLevel::kError, "diverged", {Field("reason", why)});
  on_diverged_(why);
}

void NodeObserver::OnExpelled(const std::string& why) { on_expelled_(why); }

}  // namespace lockstep::server
