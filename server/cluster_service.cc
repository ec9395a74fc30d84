#include "server/cluster_service.h"

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "core/assert.h"
#include "net/cluster_codec.h"
#include "net/error.h"
#include "net/kv_codec.h"
#include "net/status.h"
#include "server/call.h"
#include "server/version.h"
#include "storage/log_store.h"
#include "storage/state_store.h"

namespace lockstep::server {
namespace {

template <class Response>
void AddMembers(const ServiceContext& node, const raft::Membership& membership,
                Response* response) {
  for (const auto& [id, member] : membership.members) {
    v1::Member& added = *response->add_members();
    net::EncodeMember(id, member, &added);
    // The directory also knows what this node's configuration says.
    added.set_peer_address(node.directory->PeerAddressOf(id));
    added.set_client_address(node.directory->ClientAddressOf(id));
  }
}

void AddWhatTheServerKnows(const ServiceContext& node, const lockstep::Status& status,
                           v1::StatusResponse* response) {
  response->set_leader_address(node.directory->ClientAddressOf(status.leader));
  AddMembers(node, status.membership.membership, response);
  response->set_version(kVersion);
  response->set_log_format_version(storage::kLogFormatVersion);
  response->set_state_format_version(storage::kStateFormatVersion);
  response->set_uptime_ns((Driver::Now() - node.started).ns);
}

void Encode(const Call<v1::MembersResponse>& call, const MembershipChanged& changed) {
  call.response->set_cluster_id(call.node->settings->cluster_id().value);
  call.response->set_membership_index(changed.membership.index.value);
  call.response->set_leader_id(call.node->settings->node_id.value);
  AddMembers(*call.node, changed.membership.membership, call.response);
}

void Encode(const Call<v1::JoinClusterResponse>& call, const MembershipChanged& changed) {
  call.response->set_cluster_id(call.node->settings->cluster_id().value);
  call.response->set_node_id(changed.added.value);
}

void Encode(const Call<v1::TransferLeadershipResponse>& call, const LeadershipTransferred& moved) {
  call.response->set_node_id(moved.target.value);
}

// Hands `body` to the replica, whose answer, if it serves it, is a `Result`.
template <class Result, class Response>
void Ask(const Call<Response>& call, RequestBody body) {
  call.node->driver->Submit(std::move(body), DeadlineOf(*call.context, call.began),
                            [call](const ReplyResult& reply) {
                              if (const auto error = ErrorOf(*call.node, reply)) {
                                call.Fail(*error);
                                return;
                              }
                              const auto* result = std::get_if<Result>(&reply);
                              CORE_ASSERT(result != nullptr);
                              Encode(call, *result);
                              call.Finish(grpc::Status::OK);
                            });
}

template <class Response>
Call<Response> Begin(const ServiceContext* node, Method method,
                     grpc::CallbackServerContext* context, Response* response) {
  return {node, method, context, context->DefaultReactor(), response, Driver::Now()};
}

template <class Request, class Response>
grpc::ServerUnaryReactor* ChangeMembers(const ServiceContext* node, Method method,
                                        grpc::CallbackServerContext* context,
                                        const Request* request, Response* response) {
  const Call<Response> call = Begin(node, method, context, response);
  absl::StatusOr<raft::MembershipChange> change = net::DecodeChange(*request);
  if (!change.ok()) {
    call.Fail(net::InvalidError(std::string(change.status().message())));
  } else {
    Ask<MembershipChanged>(call, *std::move(change));
  }
  return call.reactor;
}

}  // namespace

grpc::ServerUnaryReactor* ClusterService::Status(grpc::CallbackServerContext* call,
                                                 const v1::StatusRequest*,
                                                 v1::StatusResponse* response) {
  grpc::ServerUnaryReactor* const reactor = call->DefaultReactor();
  const Instant began = Driver::Now();
  // Here, because asking the file system has no place on the core thread.
  response->set_log_db_bytes(context_->log_db_bytes());
  response->set_state_db_bytes(context_->state_db_bytes());
  context_->driver->GetStatus(
      [node = context_, call, reactor, response, began](const lockstep::Status* status) {
        grpc::Status answer;
        if (status != nullptr) {
          net::EncodeStatus(*status, response);
          AddWhatTheServerKnows(*node, *status, response);
        } else {
          answer = net::FinishWith(net::ShuttingDownError(), *call);
        }
        node->metrics->CountRequest(Method::kStatus, answer.error_code(), Driver::Now() - began);
        reactor->Finish(answer);
      });
  return reactor;
}

grpc::ServerUnaryReactor* ClusterService::Members(grpc::CallbackServerContext* context,
                                                  const v1::MembersRequest*,
                                                  v1::MembersResponse* response) {
  const auto call = Begin(context_, Method::kMembers, context, response);
  context_->driver->GetStatus([call](const lockstep::Status* status) {
    if (status == nullptr) {
      call.Fail(net::ShuttingDownError());
      return;
    }
    Encode(call, MembershipChanged{.membership = status->membership, .added = {}});
    call.response->set_leader_id(status->leader.value);
    call.Finish(grpc::Status::OK);
  });
  return call.reactor;
}

grpc::ServerUnaryReactor* ClusterService::JoinCluster(grpc::CallbackServerContext* context,
                                                      const v1::JoinClusterRequest* request,
                                                      v1::JoinClusterResponse* response) {
  const ClusterId cluster = context_->settings->cluster_id();
  if (ClusterId{request->cluster_id()} != cluster) {
    const auto call = Begin(context_, Method::kJoinCluster, context, response);
    call.Fail(net::InvalidError(absl::StrCat("this is cluster ", cluster.value, ", named '",
                                             context_->settings->cluster_name, "', and not ",
                                             request->cluster_id())));
    return call.reactor;
  }
  return ChangeMembers(context_, Method::kJoinCluster, context, request, response);
}

grpc::ServerUnaryReactor* ClusterService::LeaveCluster(grpc::CallbackServerContext* context,
                                                       const v1::LeaveClusterRequest* request,
                                                       v1::MembersResponse* response) {
  if (NodeId{request->node_id()} != context_->settings->node_id) {
    return ChangeMembers(context_, Method::kLeaveCluster, context, request, response);
  }
  // The others should not have to wait for an election: if this node leads, another one takes over
  // first and removes it. If none can, this one does, and steps down once that is committed.
  const auto call = Begin(context_, Method::kLeaveCluster, context, response);
  const Instant deadline = DeadlineOf(*context, call.began);
  context_->driver->Submit(
      lockstep::TransferLeadership{}, deadline,
      [call, id = NodeId{request->node_id()}](const ReplyResult& reply) {
        if (const auto* moved = std::get_if<LeadershipTransferred>(&reply)) {
          call.Fail(
              net::FromRefusal({.kind = RefusalKind::kNotLeader,
                                .leader = moved->target,
                                .text = "this node has handed leadership over, so as to leave"},
                               call.node->directory->ClientAddressOf(moved->target)));
          return;
        }
        const auto* refusal = std::get_if<Refusal>(&reply);
        if (refusal == nullptr || refusal->kind == RefusalKind::kNotLeader) {
          call.Fail(*ErrorOf(*call.node, reply));
          return;
        }
        Ask<MembershipChanged>(
            call, raft::MembershipChange{
                      .add = {}, .standings = {{id, raft::Standing::kNone}}, .updates = {}});
      });
  return call.reactor;
}

grpc::ServerUnaryReactor* ClusterService::Promote(grpc::CallbackServerContext* context,
                                                  const v1::PromoteRequest* request,
                                                  v1::MembersResponse* response) {
  return ChangeMembers(context_, Method::kPromote, context, request, response);
}

grpc::ServerUnaryReactor* ClusterService::Demote(grpc::CallbackServerContext* context,
                                                 const v1::DemoteRequest* request,
                                                 v1::MembersResponse* response) {
  return ChangeMembers(context_, Method::kDemote, context, request, response);
}

grpc::ServerUnaryReactor* ClusterService::Replace(grpc::CallbackServerContext* context,
                                                  const v1::ReplaceRequest* request,
                                                  v1::MembersResponse* response) {
  return ChangeMembers(context_, Method::kReplace, context, request, response);
}

grpc::ServerUnaryReactor* ClusterService::UpdateMember(grpc::CallbackServerContext* context,
                                                       const v1::UpdateMemberRequest* request,
                                                       v1::MembersResponse* response) {
  return ChangeMembers(context_, Method::kUpdateMember, context, request, response);
}

grpc::ServerUnaryReactor* ClusterService::TransferLeadership(
    grpc::CallbackServerContext* context, const v1::TransferLeadershipRequest* request,
    v1::TransferLeadershipResponse* response) {
  const auto call = Begin(context_, Method::kTransferLeadership, context, response);
  const absl::StatusOr<lockstep::TransferLeadership> transfer = net::DecodeTransfer(*request);
  if (!transfer.ok()) {
    call.Fail(net::InvalidError(std::string(transfer.status().message())));
  } else {
    Ask<LeadershipTransferred>(call, *transfer);
  }
  return call.reactor;
}

}  // namespace lockstep::server
