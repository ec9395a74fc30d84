#include "server/forming_service.h"

#include "absl/strings/str_cat.h"

namespace lockstep::server {

void EncodeView(const FormingView& view, v1::LookResponse* response) {
  response->set_cluster_id(view.cluster.value);
  response->set_incarnation(view.incarnation.value);
  response->set_expects(view.expects);
  response->set_client_address(view.client_address);
  response->set_phase(static_cast<v1::LookResponse::Phase>(static_cast<int>(view.state.phase) +
                                                           v1::LookResponse::FREE));
  response->set_round(view.state.round);
  response->set_proposal_round(view.state.proposal.round);
  for (const FormingMember& member : view.state.proposal.members) {
    v1::FormingMember& added = *response->add_members();
    added.set_peer_address(member.peer_address);
    added.set_client_address(member.client_address);
    added.set_incarnation(member.incarnation.value);
  }
}

absl::StatusOr<FormingView> DecodeView(const v1::LookResponse& response) {
  if (response.phase() < v1::LookResponse::FREE || response.phase() > v1::LookResponse::DECIDED) {
    return absl::InvalidArgumentError("a phase of another version");
  }
  FormingView view{.cluster = {response.cluster_id()},
                   .incarnation = {response.incarnation()},
                   .expects = response.expects(),
                   .client_address = response.client_address(),
                   .state = {}};
  view.state.phase = static_cast<FormingPhase>(response.phase() - v1::LookResponse::FREE);
  view.state.round = response.round();
  view.state.proposal.round = response.proposal_round();
  if (response.members_size() > static_cast<int>(raft::kMembersMax) ||
      view.client_address.size() > raft::kAddressBytesMax) {
    return absl::InvalidArgumentError("too much");
  }
  for (const v1::FormingMember& member : response.members()) {
    view.state.proposal.members.push_back(
        {member.peer_address(), member.client_address(), {member.incarnation()}});
  }
  if (const std::string error = Validate(view.state); !error.empty()) {
    return absl::InvalidArgumentError(error);
  }
  return view;
}

grpc::ServerUnaryReactor* FormingService::Look(grpc::CallbackServerContext* context,
                                               const v1::LookRequest* request,
                                               v1::LookResponse* response) {
  EncodeView(show_(request->from()), response);
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

}  // namespace lockstep::server
