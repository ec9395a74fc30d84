// Turns what the driver and its replica report into log lines and metrics.

#ifndef LOCKSTEP_SERVER_OBSERVER_H_
#define LOCKSTEP_SERVER_OBSERVER_H_

#include <functional>
#include <string>
#include <vector>

#include "server/driver.h"
#include "server/log.h"
#include "server/metrics.h"

namespace lockstep::server {

class NodeObserver final : public DriverObserver {
 public:
  // `log` and `metrics` must outlive this. `on_disk_failure` is called by the thread where the disk
  // failed, once the failure is logged, and `on_expelled` and `on_diverged` by the core thread with
  // the reason; they must not block.
  NodeObserver(NodeLog* log, Metrics* metrics, std::function<void()> on_disk_failure,
               std::function<void(std::string)> on_expelled,
               std::function<void(std::string)> on_diverged);

  void OnEvents(const std::vector<Event>& events, const Status& status) override;
  void OnSample(const Status& status) override;
  void OnLogSync(Duration took, std::size_t writes, std::size_t entries) override;
  void OnCheckpoint(Duration took) override;
  void OnInstallation(Duration took) override;
  void OnSnapshotRead(Duration took, std::size_t bytes) override;
  void OnDiskFailure(const absl::Status& status) override;
  void OnExpelled(const std::string& why) override;
  void OnDiverged(const std::string& why) override;

 private:
  void LogEvent(const Event& event);

  NodeLog* const log_;
  Metrics* const metrics_;
  const std::function<void()> on_disk_failure_;
  const std::function<void(std::string)> on_expelled_;
  const std::function<void(std::string)> on_diverged_;
};

}  // namespace lockstep::server

#endif  // LOCKSTEP_SERVER_OBSERVER_H_
