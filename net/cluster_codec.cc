#include "net/cluster_codec.h"

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"

namespace lockstep::net {
namespace {

absl::Status Wrong(const char* field, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", what));
}

absl::Status CheckId(const char* field, std::uint64_t id) {
  if (id == 0 || id > INT64_MAX) {
    return Wrong(field, absl::StrCat(id, " is not a node's id"));
  }
  return absl::OkStatus();
}

absl::Status CheckAddress(const char* field, const std::string& address) {
  if (address.size() > raft::kAddressBytesMax) {
    return Wrong(field, absl::StrCat("has ", address.size(), " bytes; at most ",
                                     raft::kAddressBytesMax, " are allowed"));
  }
  if (address.empty()) {
    return Wrong(field, "is empty");
  }
  return absl::OkStatus();
}

absl::StatusOr<raft::MembershipChange> OneStanding(std::uint64_t id, raft::Standing standing) {
  if (absl::Status status = CheckId("node_id", id); !status.ok()) {
    return status;
  }
  return raft::MembershipChange{.add = {}, .standings = {{{id}, standing}}, .updates = {}};
}

}  // namespace

absl::StatusOr<raft::MembershipChange> DecodeChange(const v1::JoinClusterRequest& request) {
  if (request.incarnation() == 0 || request.incarnation() > INT64_MAX) {
    return Wrong("incarnation", "is not above 0 and below 2^63");
  }
  for (const absl::Status& status : {CheckAddress("peer_address", request.peer_address()),
                                     CheckAddress("client_address", request.client_address())}) {
    if (!status.ok()) {
      return status;
    }
  }
  if (request.replaces() != 0) {
    if (absl::Status status = CheckId("replaces", request.replaces()); !status.ok()) {
      return status;
    }
    if (request.stay_learner()) {
      return Wrong("replaces", "who stays a learner replaces nobody");
    }
  }
  raft::MembershipChange change;
  change.add = raft::NewMember{.incarnation = {request.incarnation()},
                               .peer_address = request.peer_address(),
                               .client_address = request.client_address(),
                               .priority = request.priority(),
                               .promote = !request.stay_learner(),
                               .replaces = {request.replaces()}};
  return change;
}

absl::StatusOr<raft::MembershipChange> DecodeChange(const v1::LeaveClusterRequest& request) {
  return OneStanding(request.node_id(), raft::Standing::kNone);
}

absl::StatusOr<raft::MembershipChange> DecodeChange(const v1::PromoteRequest& request) {
  return OneStanding(request.node_id(), raft::Standing::kVoter);
}

absl::StatusOr<raft::MembershipChange> DecodeChange(const v1::DemoteRequest& request) {
  return OneStanding(request.node_id(), raft::Standing::kLearner);
}

absl::StatusOr<raft::MembershipChange> DecodeChange(const v1::ReplaceRequest& request) {
  if (absl::Status status = CheckId("leaving_id", request.leaving_id()); !status.ok()) {
    return status;
  }
  absl::StatusOr<raft::MembershipChange> change =
      OneStanding(request.node_id(), raft::Standing::kVoter);
  if (change.ok()) {
    change->standings.push_back({{request.leaving_id()}, raft::Standing::kNone});
  }
  return change;
}

absl::StatusOr<raft::MembershipChange> DecodeChange(const v1::UpdateMemberRequest& request) {
  if (absl::Status status = CheckId("node_id", request.node_id()); !status.ok()) {
    return status;
  }
  raft::MemberUpdate update{.id = {request.node_id()}};
  if (request.has_peer_address()) {
    if (absl::Status status = CheckAddress("peer_address", request.peer_address()); !status.ok()) {
      return status;
    }
    update.peer_address = request.peer_address();
  }
  if (request.has_client_address()) {
    if (absl::Status status = CheckAddress("client_address", request.client_address());
        !status.ok()) {
      return status;
    }
    update.client_address = request.client_address();
  }
  if (request.has_priority()) {
    update.priority = request.priority();
  }
  if (update == raft::MemberUpdate{.id = update.id}) {
    return Wrong("node_id", "nothing is to be updated");
  }
  return raft::MembershipChange{.add = {}, .standings = {}, .updates = {update}};
}

absl::StatusOr<TransferLeadership> DecodeTransfer(const v1::TransferLeadershipRequest& request) {
  if (request.node_id() != 0) {
    if (absl::Status status = CheckId("node_id", request.node_id()); !status.ok()) {
      return status;
    }
  }
  return TransferLeadership{{request.node_id()}};
}

void EncodeMember(NodeId id, const raft::Member& member, v1::Member* encoded) {
  encoded->set_node_id(id.value);
  encoded->set_peer_address(member.peer_address);
  encoded->set_client_address(member.client_address);
  encoded->set_standing(member.voter     ? v1::Member::VOTER
                        : member.learner ? v1::Member::LEARNER
                                         : v1::Member::LEAVING);
  encoded->set_promote(member.promote);
  encoded->set_replaces(member.replaces.value);
  encoded->set_priority(member.priority);
}

}  // namespace lockstep::net
