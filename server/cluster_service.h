// The Cluster service: what a node says of itself, and what operators ask of it.

#ifndef LOCKSTEP_SERVER_CLUSTER_SERVICE_H_
#define LOCKSTEP_SERVER_CLUSTER_SERVICE_H_

#include <grpcpp/server_context.h>

#include "net/proto/cluster.grpc.pb.h"
#include "server/service_context.h"

namespace lockstep::server {

class ClusterService final : public v1::Cluster::CallbackService {
 public:
  explicit ClusterService(const ServiceContext* context) : context_(context) {}

  grpc::ServerUnaryReactor* Status(grpc::CallbackServerContext* call,
                                   const v1::StatusRequest* request,
                                   v1::StatusResponse* response) override;
  grpc::ServerUnaryReactor* Members(grpc::CallbackServerContext* call,
                                    const v1::MembersRequest* request,
                                    v1::MembersResponse* response) override;
  grpc::ServerUnaryReactor* JoinCluster(grpc::CallbackServerContext* call,
                                        const v1::JoinClusterRequest* request,
                                        v1::JoinClusterResponse* response) override;
  grpc::ServerUnaryReactor* LeaveCluster(grpc::CallbackServerContext* call,
                                         const v1::LeaveClusterRequest* request,
                                         v1::MembersResponse* response) override;
  grpc::ServerUnaryReactor* Promote(grpc::CallbackServerContext* call,
                                    const v1::PromoteRequest* request,
                                    v1::MembersResponse* response) override;
  grpc::ServerUnaryReactor* Demote(grpc::CallbackServerContext* call,
                                   const v1::DemoteRequest* request,
                                   v1::MembersResponse* response) override;
  grpc::ServerUnaryReactor* Replace(grpc::CallbackServerContext* call,
                                    const v1::ReplaceRequest* request,
                                    v1::MembersResponse* response) override;
  grpc::ServerUnaryReactor* UpdateMember(grpc::CallbackServerContext* call,
                                         const v1::UpdateMemberRequest* request,
                                         v1::MembersResponse* response) override;
  grpc::ServerUnaryReactor* TransferLeadership(grpc::CallbackServerContext* call,
                                               const v1::TransferLeadershipRequest* request,
                                               v1::TransferLeadershipResponse* response) override;

 private:
  const ServiceContext* const context_;
};

}  // namespace lockstep::server

#endif  // LOCKSTEP_SERVER_CLUSTER_SERVICE_H_
