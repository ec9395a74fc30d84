#include "server/kv_service.h"

#include <chrono>
#include <string>
#include <utility>
#include <variant>

#include "core/assert.h"
#include "net/error.h"
#include "net/kv_codec.h"
#include "net/status.h"

namespace lockstep::server {
namespace {

// A gRPC deadline is a reading of the wall clock; the core knows the monotonic one.
Instant DeadlineOf(const grpc::CallbackServerContext& call, Instant now) {
  const auto deadline = call.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) {
    return now + KvService::kDefaultTimeout;
  }
  const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(
      deadline - std::chrono::system_clock::now());
  return now + std::min(Duration{left.count()}, Seconds(24 * 3600));
}

net::Error ErrorOf(Unserved why) {
  switch (why) {
    case Unserved::kQueueFull:
      return net::OverloadedError("too many requests are queued (queued-requests-max)");
    case Unserved::kStopping:
      return net::ShuttingDownError();
    case Unserved::kOutcomeUnknown:
      return net::UnknownError("the node stopped before the outcome was known");
  }
  return net::UnknownError("the node gave no reason");
}

// One call from its arrival to its answer.
template <class Response>
struct Call {
  const ServiceContext* node;
  Method method;
  grpc::CallbackServerContext* context;
  grpc::ServerUnaryReactor* reactor;
  Response* response;
  Instant began;

  void Finish(const grpc::Status& status) const {
    node->metrics->CountRequest(method, status.error_code(), Driver::Now() - began);
    reactor->Finish(status);
  }

  void Fail(const net::Error& error) const { Finish(net::FinishWith(error, *context)); }

  template <class Result>
  void Succeed(const Result& result) const {
    net::EncodeResponse(result, response);
    v1::ResponseHeader& header = *response->mutable_header();
    header.set_cluster_id(node->settings->cluster_id().value);
    header.set_node_id(node->settings->node_id.value);
    header.set_term(node->driver->term().value);
    Finish(grpc::Status::OK);
  }
};

// What the replica says, as the answer to a call that expects a `Result`.
template <class Result, class Response>
void Answer(const Call<Response>& call, const ReplyResult& reply) {
  if (const auto* unserved = std::get_if<Unserved>(&reply)) {
    call.Fail(ErrorOf(*unserved));
    return;
  }
  if (const auto* refusal = std::get_if<Refusal>(&reply)) {
    call.Fail(net::FromRefusal(*refusal, call.node->ClientAddressOf(refusal->leader)));
    return;
  }
  if constexpr (std::is_same_v<Result, ReadResult>) {
    const auto* read = std::get_if<ReadResult>(&reply);
    CORE_ASSERT(read != nullptr);
    call.Succeed(*read);
  } else {
    const auto* command = std::get_if<kv::CommandResult>(&reply);
    CORE_ASSERT(command != nullptr);
    if (const auto* error = std::get_if<kv::CommandError>(command)) {
      call.Fail(net::FromCommandError(*error));
      return;
    }
    const auto* result = std::get_if<Result>(command);
    CORE_ASSERT(result != nullptr);
    call.Succeed(*result);
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
