#include "server/cluster_service.h"

#include "net/error.h"
#include "net/kv_codec.h"
#include "net/status.h"
#include "server/version.h"
#include "storage/log_store.h"
#include "storage/state_store.h"

namespace lockstep::server {
namespace {

void AddWhatTheServerKnows(const ServiceContext& node, const lockstep::Status& status,
                           v1::StatusResponse* response) {
  response->set_leader_address(node.ClientAddressOf(status.leader));
  for (const auto& [id, member] : node.settings->members) {
    v1::Member& added = *response->add_members();
    added.set_node_id(id.value);
    added.set_peer_address(member.peer.ToString());
    added.set_client_address(node.ClientAddressOf(id));
  }
  response->set_version(kVersion);
  response->set_log_format_version(storage::kLogFormatVersion);
  response->set_state_format_version(storage::kStateFormatVersion);
  response->set_uptime_ns((Driver::Now() - node.started).ns);
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

}  // namespace lockstep::server
