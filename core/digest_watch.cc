#include "core/digest_watch.h"

#include <set>

namespace lockstep {
namespace {

template <class Value>
void Bound(std::map<Index, Value>& kept, std::size_t most) {
  while (kept.size() > most) {
    kept.erase(kept.begin());
  }
}

}  // namespace

void DigestWatch::Note(raft::StateDigest own) {
  own_[own.index] = own.digest;
  Bound(own_, kKept);
  Compare(own.index);
}

void DigestWatch::Forget() { own_.clear(); }

raft::StateDigest DigestWatch::latest() const {
  return own_.empty() ? raft::StateDigest()
                      : raft::StateDigest{own_.rbegin()->first, own_.rbegin()->second};
}

void DigestWatch::Reported(NodeId voter, raft::StateDigest digest) {
  reports_[digest.index][voter] = digest.digest;
  Bound(reports_, kKept);
}

raft::StateDigest DigestWatch::Agree(NodeId self, const raft::Membership& membership) {
  for (auto at = reports_.rbegin(); at != reports_.rend(); ++at) {
    std::map<NodeId, std::uint64_t> reports = at->second;
    if (const auto own = own_.find(at->first); own != own_.end()) {
      reports[self] = own->second;
    }
    std::set<std::uint64_t> digests;
    for (const auto& [voter, digest] : reports) {
      digests.insert(digest);
    }
    for (const std::uint64_t digest : digests) {
      const int reached = raft::ReachedByQuorum(membership, [&](NodeId id) {
        const auto report = reports.find(id);
        return report != reports.end() && report->second == digest ? 1 : 0;
      });
      if (reached == 1) {
        Learned({at->first, digest});
        return {at->first, digest};
      }
    }
  }
  return {};
}

void DigestWatch::ForgetReports() { reports_.clear(); }

void DigestWatch::Learned(raft::StateDigest agreed) {
  agreed_[agreed.index] = agreed.digest;
  Bound(agreed_, kKept);
  Compare(agreed.index);
}

void DigestWatch::Compare(Index index) {
  const auto own = own_.find(index);
  const auto agreed = agreed_.find(index);
  if (own == own_.end() || agreed == agreed_.end() || own->second == agreed->second ||
      diverged_.has_value()) {
    return;
  }
  diverged_ = "diverged at or before index " + std::to_string(index.value) +
              ": its digest there is " + std::to_string(own->second) +
              ", and that of a majority is " + std::to_string(agreed->second);
}

}  // namespace lockstep
