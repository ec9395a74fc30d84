// One unary call of a client from its arrival to its answer, for the services.

#ifndef LOCKSTEP_SERVER_CALL_H_
#define LOCKSTEP_SERVER_CALL_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <optional>

#include "net/error.h"
#include "net/status.h"
#include "server/driver.h"
#include "server/metrics.h"
#include "server/service_context.h"

namespace lockstep::server {

// A gRPC deadline that a client sets is the request's; a request without one waits for this.
inline constexpr Duration kDefaultTimeout = Seconds(60);

// When the reply must be there, on the core's clock.
Instant DeadlineOf(const grpc::CallbackServerContext& call, Instant now);

// Why a request was not served; nullopt if it was.
std::optional<net::Error> ErrorOf(const ServiceContext& node, const ReplyResult& reply);

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
};

}  // namespace lockstep::server

#endif  // LOCKSTEP_SERVER_CALL_H_
