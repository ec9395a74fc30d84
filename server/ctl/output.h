// What lockstepctl prints: for people, or JSON for programs.
//
// In JSON, bytes that are UTF-8 are a string under their name ("value"), others are base64 under
// that name with "_base64" after it. Every object has "ok"; one that is not has "outcome"
// ("not-done" or "unknown"), "error" (a stable word) and "message".

#ifndef LOCKSTEP_SERVER_CTL_OUTPUT_H_
#define LOCKSTEP_SERVER_CTL_OUTPUT_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/kv/types.h"
#include "core/types.h"
#include "net/client.h"
#include "net/proto/cluster.pb.h"
#include "server/ctl/options.h"

namespace lockstep::server::ctl {

// What is to be printed where, and how the program is to end.
struct Printed {
  ExitCode code = ExitCode::kOk;
  std::string out;
  std::string err;
};

// One endpoint's answer to status.
struct NodeAnswer {
  std::string endpoint;
  std::optional<v1::StatusResponse> status;
  std::string reason;  // why there is none
};

Printed Print(const net::PutReply& reply, bool json);
Printed Print(const GetCommand& command, const net::GetReply& reply, bool json);
Printed Print(const DeleteCommand& command, const net::DeleteReply& reply, bool json);
Printed Print(const net::ConditionalReply& reply, bool json);
Printed Print(const kv::TransactionResult& result, bool json);
Printed Print(const std::vector<NodeAnswer>& answers, bool json);
Printed Print(const v1::MembersResponse& members, bool json);
Printed Print(const LeaderTransferCommand& command, NodeId leader, bool json);
Printed Print(const net::NotDone& not_done, bool json);
Printed Print(const net::Unknown& unknown, bool json);

}  // namespace lockstep::server::ctl

#endif  // LOCKSTEP_SERVER_CTL_OUTPUT_H_
