// The Kv service: decodes a request, hands it to the driver, and answers with what comes back.
//
// gRPC's threads only enqueue here, and answers are sent by the driver's reply thread.

#ifndef LOCKSTEP_SERVER_KV_SERVICE_H_
#define LOCKSTEP_SERVER_KV_SERVICE_H_

#include <grpcpp/server_context.h>

#include "net/proto/kv.grpc.pb.h"
#include "server/service_context.h"

namespace lockstep::server {

class KvService final : public v1::Kv::CallbackService {
 public:
  explicit KvService(const ServiceContext* context) : context_(context) {}

  grpc::ServerUnaryReactor* Put(grpc::CallbackServerContext* call, const v1::PutRequest* request,
                                v1::PutResponse* response) override;
  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* call, const v1::GetRequest* request,
                                v1::GetResponse* response) override;
  grpc::ServerUnaryReactor* Delete(grpc::CallbackServerContext* call,
                                   const v1::DeleteRequest* request,
                                   v1::DeleteResponse* response) override;
  grpc::ServerUnaryReactor* PutIfAbsent(grpc::CallbackServerContext* call,
                                        const v1::PutIfAbsentRequest* request,
                                        v1::PutIfAbsentResponse* response) override;
  grpc::ServerUnaryReactor* CompareAndSet(grpc::CallbackServerContext* call,
                                          const v1::CompareAndSetRequest* request,
                                          v1::CompareAndSetResponse* response) override;
  grpc::ServerUnaryReactor* Txn(grpc::CallbackServerContext* call, const v1::TxnRequest* request,
                                v1::TxnResponse* response) override;
  grpc::ServerUnaryReactor* OpenSession(grpc::CallbackServerContext* call,
                                        const v1::OpenSessionRequest* request,
                                        v1::OpenSessionResponse* response) override;

 private:
  const ServiceContext* const context_;
};

}  // namespace lockstep::server

#endif  // LOCKSTEP_SERVER_KV_SERVICE_H_
