#include "sim/oracles/stalled_disk.h"

#include <string>

#include "sim/violation.h"

namespace lockstep::sim {

void StalledDisk::Started() {
  now_ = {};
  storing_.clear();
}

void StalledDisk::Persisted(WriteId write) {
  while (!storing_.empty() && storing_.front().first <= write) {
    storing_.pop_front();
  }
}

void StalledDisk::Leads(const raft::Node& node) const {
  const raft::Config& config = node.config();
  if (storing_.empty() || now_ < storing_.front().second + config.disk_stall_timeout) {
    return;
  }
  for (const auto& [id, member] : node.membership().membership.members) {
    const raft::Progress* progress = node.progress(id);
    if (progress == nullptr || !member.voter || !progress->ever_heard() ||
        now_ >= progress->last_contact() + config.election_timeout) {
      continue;
    }
    throw Violation(
        "leaders can store",
        "node " + std::to_string(config.id.value) + " leads, and has stored nothing for " +
            std::to_string((now_ - storing_.front().second).ns / 1000) +
            " us of its clock, though node " + std::to_string(id.value) + " can be heard",
        {{.kind = Evidence::Kind::kLed, .node = config.id, .term = node.current_term()}});
  }
}

}  // namespace lockstep::sim
