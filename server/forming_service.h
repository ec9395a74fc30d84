// Shows a machine's side of forming a cluster to the others, and reads theirs: the only place that
// knows net/proto/forming.proto. What comes from elsewhere is checked.

#ifndef LOCKSTEP_SERVER_FORMING_SERVICE_H_
#define LOCKSTEP_SERVER_FORMING_SERVICE_H_

#include <functional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "net/proto/forming.grpc.pb.h"
#include "server/forming.h"

namespace lockstep::server {

void EncodeView(const FormingView& view, v1::LookResponse* response);
// InvalidArgument says what is wrong with it.
absl::StatusOr<FormingView> DecodeView(const v1::LookResponse& response);

class FormingService final : public v1::Forming::CallbackService {
 public:
  // Called by gRPC's threads, several at once, with where the one that looks is reached (empty if
  // it does not say); must not block for long.
  using Show = std::function<FormingView(const std::string& from)>;

  explicit FormingService(Show show) : show_(std::move(show)) {}

  grpc::ServerUnaryReactor* Look(grpc::CallbackServerContext* context,
                                 const v1::LookRequest* request,
                                 v1::LookResponse* response) override;

 private:
  const Show show_;
};

}  // namespace lockstep::server

#endif  // LOCKSTEP_SERVER_FORMING_SERVICE_H_
