// The Cluster service: what a node says of itself.

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

 private:
  const ServiceContext* const context_;
};

}  // namespace lockstep::server

#endif  // LOCKSTEP_SERVER_CLUSTER_SERVICE_H_
