#include "server/kv_service.h"

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "core/assert.h"
#include "net/error.h"
#include "net/kv_codec.h"
#include "server/call.h"

namespace lockstep::server {
namespace {

template <class Result, class Response>
void Succeed(const Call<Response>& call, const Result& result) {
  net::EncodeResponse(result, call.response);
  v1::ResponseHeader& header = *call.response->mutable_header();
  header.set_cluster_id(call.node->settings->cluster_id().value);
  header.set_node_id(call.node->settings->node_id.value);
  header.set_term(call.node->driver->term().value);
  call.Finish(grpc::Status::OK);
}

// What the replica says, as the answer to a call that expects a `Result`.
template <class Result, class Response>
void Answer(const Call<Response>& call, const ReplyResult& reply) {
  if (const std::optional<net::Error> error = ErrorOf(*call.node, reply)) {
    call.Fail(*error);
    return;
  }
  if constexpr (std::is_same_v<Result, ReadResult>) {
    const auto* read = std::get_if<ReadResult>(&reply);
    CORE_ASSERT(read != nullptr);
    call.node->metrics->CountRead(read->path);
    Succeed(call, *read);
  } else {
    const auto* command = std::get_if<kv::CommandResult>(&reply);
    CORE_ASSERT(command != nullptr);
    if (const auto* error = std::get_if<kv::CommandError>(command)) {
      call.Fail(net::FromCommandError(*error));
      return;
    }
    const auto* result = std::get_if<Result>(command);
    CORE_ASSERT(result != nullptr);
    Succeed(call, *result);
  }
}

template <class Result, class Request, class Response>
grpc::ServerUnaryReactor* Serve(const ServiceContext* node, Method method,
                                grpc::CallbackServerContext* context, const Request* request,
                                Response* response) {
  const Instant now = Driver::Now();
  const Call<Response> call{node, method, context, context->DefaultReactor(), response, now};
  auto body = net::DecodeRequest(*request);
  if (!body.ok()) {
    call.Fail(net::InvalidError(std::string(body.status().message())));
  } else {
    node->driver->Submit(*std::move(body), DeadlineOf(*context, now),
                         [call](const ReplyResult& reply) { Answer<Result>(call, reply); });
  }
  return call.reactor;
}

}  // namespace

grpc::ServerUnaryReactor* KvService::Put(grpc::CallbackServerContext* call,
                                         const v1::PutRequest* request, v1::PutResponse* response) {
  return Serve<kv::TransactionResult>(context_, Method::kPut, call, request, response);
}

grpc::ServerUnaryReactor* KvService::Get(grpc::CallbackServerContext* call,
                                         const v1::GetRequest* request, v1::GetResponse* response) {
  return Serve<ReadResult>(context_, Method::kGet, call, request, response);
}

grpc::ServerUnaryReactor* KvService::Delete(grpc::CallbackServerContext* call,
                                            const v1::DeleteRequest* request,
                                            v1::DeleteResponse* response) {
  return Serve<kv::TransactionResult>(context_, Method::kDelete, call, request, response);
}

grpc::ServerUnaryReactor* KvService::PutIfAbsent(grpc::CallbackServerContext* call,
                                                 const v1::PutIfAbsentRequest* request,
                                                 v1::PutIfAbsentResponse* response) {
  return Serve<kv::TransactionResult>(context_, Method::kPutIfAbsent, call, request, response);
}

grpc::ServerUnaryReactor* KvService::CompareAndSet(grpc::CallbackServerContext* call,
                                                   const v1::CompareAndSetRequest* request,
                                                   v1::CompareAndSetResponse* response) {
  return Serve<kv::TransactionResult>(context_, Method::kCompareAndSet, call, request, response);
}

grpc::ServerUnaryReactor* KvService::Txn(grpc::CallbackServerContext* call,
                                         const v1::TxnRequest* request, v1::TxnResponse* response) {
  return Serve<kv::TransactionResult>(context_, Method::kTxn, call, request, response);
}

grpc::ServerUnaryReactor* KvService::OpenSession(grpc::CallbackServerContext* call,
                                                 const v1::OpenSessionRequest* request,
                                                 v1::OpenSessionResponse* response) {
  return Serve<kv::SessionOpened>(context_, Method::kOpenSession, call, request, response);
}

}  // namespace lockstep::server
