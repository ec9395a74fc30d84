// Requests of net/proto/cluster.proto <-> what the replica takes and gives. The only place that
// turns one into the other. What comes from clients is checked for its form; whether the membership
// allows it is for the core to say.
//
// Pure functions, for any thread.

#ifndef LOCKSTEP_NET_CLUSTER_CODEC_H_
#define LOCKSTEP_NET_CLUSTER_CODEC_H_

#include "absl/status/statusor.h"
#include "core/raft/membership.h"
#include "core/raft/membership_change.h"
#include "core/replica.h"
#include "net/proto/cluster.pb.h"

namespace lockstep::net {

// InvalidArgument names the field and what is wrong with it: an id of 0 or of 2^63 and above where
// a member must be named, an address that is too long or (of who joins) empty, nothing to update.
absl::StatusOr<raft::MembershipChange> DecodeChange(const v1::JoinClusterRequest& request);
absl::StatusOr<raft::MembershipChange> DecodeChange(const v1::LeaveClusterRequest& request);
absl::StatusOr<raft::MembershipChange> DecodeChange(const v1::PromoteRequest& request);
absl::StatusOr<raft::MembershipChange> DecodeChange(const v1::DemoteRequest& request);
absl::StatusOr<raft::MembershipChange> DecodeChange(const v1::ReplaceRequest& request);
absl::StatusOr<raft::MembershipChange> DecodeChange(const v1::UpdateMemberRequest& request);
absl::StatusOr<TransferLeadership> DecodeTransfer(const v1::TransferLeadershipRequest& request);

void EncodeMember(NodeId id, const raft::Member& member, v1::Member* encoded);

}  // namespace lockstep::net

#endif  // LOCKSTEP_NET_CLUSTER_CODEC_H_
