#include "server/service_context.h"

namespace lockstep::server {

std::string ServiceContext::ClientAddressOf(NodeId node) const {
  const auto member = settings->members.find(node);
  if (member == settings->members.end() || !member->second.client) {
    return "";
  }
  return member->second.client->ToString();
}

}  // namespace lockstep::server
