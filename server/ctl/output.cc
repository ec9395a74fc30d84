#include "server/ctl/output.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/text.h"

namespace lockstep::server::ctl {
namespace {

// An object under construction: its members in the order of the calls.
class Json {
 public:
  Json& Raw(std::string_view name, const std::string& json) {
    absl::StrAppend(&text_, text_.empty() ? "" : ",", JsonString(name), ":", json);
    return *this;
  }
  Json& Text(std::string_view name, std::string_view text) { return Raw(name, JsonString(text)); }
  Json& Bytes(const std::string& name, std::string_view bytes) {
    return IsUtf8(bytes) ? Text(name, bytes) : Text(name + "_base64", Base64(bytes));
  }
  Json& Number(std::string_view name, std::uint64_t number) {
    return Raw(name, std::to_string(number));
  }
  Json& Bool(std::string_view name, bool value) { return Raw(name, value ? "true" : "false"); }
  std::string Object() const { return absl::StrCat("{", text_, "}"); }

 private:
  std::string text_;
};

std::string ToJson(const std::optional<kv::KeyValue>& found) {
  if (!found) {
    return "null";
  }
  return Json()
      .Bytes("key", found->key)
      .Bytes("value", found->value)
      .Number("create_revision", found->create_revision.value)
      .Number("mod_revision", found->mod_revision.value)
      .Number("version", found->version)
      .Object();
}

std::string ToJson(const kv::OperationResult& result) {
  if (const auto* get = std::get_if<kv::GetResult>(&result)) {
    return Json().Text("operation", "get").Raw("found", ToJson(get->found)).Object();
  }
  if (const auto* put = std::get_if<kv::PutResult>(&result)) {
    return Json().Text("operation", "put").Raw("previous", ToJson(put->previous)).Object();
  }
  const auto& removed = std::get<kv::DeleteResult>(result);
  return Json().Text("operation", "delete").Raw("previous", ToJson(removed.previous)).Object();
}

template <class Range, class ToText>
std::string JsonArray(const Range& range, ToText to_text) {
  std::string text;
  for (const auto& element : range) {
    absl::StrAppend(&text, text.empty() ? "" : ",", to_text(element));
  }
  return absl::StrCat("[", text, "]");
}

Json Ok(Revision revision) {
  Json json;
  json.Bool("ok", true).Number("revision", revision.value);
  return json;
}

Printed Line(ExitCode code, const std::string& line) { return {code, line + "\n", ""}; }

std::string Describe(const std::optional<kv::KeyValue>& found) {
  return found ? Quoted(found->value) : "(absent)";
}

std::string Describe(const kv::OperationResult& result) {
  if (const auto* get = std::get_if<kv::GetResult>(&result)) {
    return absl::StrCat("get     ", Describe(get->found));
  }
  if (const auto* put = std::get_if<kv::PutResult>(&result)) {
    return absl::StrCat("put     was ", Describe(put->previous));
  }
  return absl::StrCat("delete  was ", Describe(std::get<kv::DeleteResult>(result).previous));
}

Printed PrintError(ExitCode code, const char* outcome, const char* meaning, net::ErrorKind kind,
                   const std::string& reason, bool json) {
  if (json) {
    return Line(code, Json()
                          .Bool("ok", false)
                          .Text("outcome", outcome)
                          .Text("error", net::Name(kind))
                          .Text("message", reason)
                          .Object());
  }
  return {code, "",
          absl::StrCat("lockstepctl: ", meaning, ": ", reason, " (", std::string(net::Name(kind)),
                       ")\n")};
}

const char* RoleName(v1::Role role) {
  switch (role) {
    case v1::FOLLOWER:
      return "follower";
    case v1::PRE_CANDIDATE:
      return "pre-candidate";
    case v1::CANDIDATE:
      return "candidate";
    case v1::LEADER:
      return "leader";
    default:
      return "unknown";
  }
}

std::string Hex(std::uint64_t number) { return absl::StrFormat("%016x", number); }

std::string ToJson(const NodeAnswer& answer) {
  Json json;
  json.Text("endpoint", answer.endpoint).Bool("reachable", answer.status.has_value());
  if (!answer.status) {
    return json.Text("reason", answer.reason).Object();
  }
  const v1::StatusResponse& status = *answer.status;
  json.Number("node_id", status.node_id())
      .Text("cluster_id", std::to_string(status.cluster_id()))
      .Text("role", RoleName(status.role()))
      .Bool("healthy", status.leader_id() != 0)
      .Number("term", status.term())
      .Number("leader_id", status.leader_id())
      .Text("leader_address", status.leader_address())
      .Number("first_index", status.first_index())
      .Number("last_index", status.last_index())
      .Number("durable_index", status.durable_index())
      .Number("commit_index", status.commit_index())
      .Number("applied_index", status.applied_index())
      .Number("checkpoint_index", status.checkpoint_index())
      .Number("revision", status.revision())
      .Text("digest", Hex(status.digest()))
      .Number("keys", status.keys())
      .Number("sessions", status.sessions())
      .Number("pending_requests", status.pending_requests())
      .Number("log_db_bytes", status.log_db_bytes())
      .Number("state_db_bytes", status.state_db_bytes())
      .Text("version", status.version())
      .Number("log_format_version", status.log_format_version())
      .Number("state_format_version", status.state_format_version())
      .Number("uptime_ms", static_cast<std::uint64_t>(status.uptime_ns() / 1'000'000));
  return json.Object();
}

std::string Size(std::uint64_t bytes) {
  if (bytes < 1 << 20) {
    return absl::StrFormat("%d KiB", (bytes + 1023) >> 10);
  }
  return absl::StrFormat("%.1f MiB", static_cast<double>(bytes) / (1 << 20));
}

std::string Table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const std::vector<std::string>& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    // The last cell of a row may run on: it is a sentence where a node did not answer.
    for (std::size_t i = 0; i + 1 < row.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::string text;
  for (const std::vector<std::string>& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const bool last = i + 1 == row.size();
      absl::StrAppend(&text, row[i], last ? "\n" : std::string(widths[i] - row[i].size() + 2, ' '));
    }
  }
  return text;
}

std::vector<std::string> Row(const NodeAnswer& answer) {
  if (!answer.status) {
    return {answer.endpoint, "-", absl::StrCat("unreachable: ", answer.reason)};
  }
  const v1::StatusResponse& status = *answer.status;
  return {answer.endpoint,
          std::to_string(status.node_id()),
          RoleName(status.role()),
          std::to_string(status.term()),
          status.leader_id() == 0 ? "-" : std::to_string(status.leader_id()),
          std::to_string(status.applied_index()),
          std::to_string(status.commit_index()),
          std::to_string(status.revision()),
          std::to_string(status.keys()),
          Hex(status.digest()),
          Size(status.log_db_bytes()),
          Size(status.state_db_bytes()),
          status.leader_id() == 0 ? "no leader" : "healthy"};
}

const char* StandingName(v1::Member::Standing standing) {
  switch (standing) {
    case v1::Member::VOTER:
      return "voter";
    case v1::Member::LEARNER:
      return "learner";
    case v1::Member::LEAVING:
      return "leaving";
    default:
      return "unknown";
  }
}

std::string ToJson(const v1::Member& member) {
  return Json()
      .Number("node_id", member.node_id())
      .Text("standing", StandingName(member.standing()))
      .Bool("promote", member.promote())
      .Number("replaces", member.replaces())
      .Number("priority", member.priority())
      .Text("peer_address", member.peer_address())
      .Text("client_address", member.client_address())
      .Object();
}

std::string NoteOf(const v1::Member& member, std::uint64_t leader) {
  if (member.node_id() == leader) {
    return "leader";
  }
  if (!member.promote() || member.standing() != v1::Member::LEARNER) {
    return "";
  }
  return member.replaces() == 0 ? "becomes a voter once it has caught up"
                                : absl::StrCat("takes the place of node ", member.replaces(),
                                               " once it has caught up");
}

}  // namespace

Printed Print(const v1::MembersResponse& members, bool json) {
  if (json) {
    const auto to_json = [](const v1::Member& member) { return ToJson(member); };
    return Line(ExitCode::kOk, Json()
                                   .Bool("ok", true)
                                   .Text("cluster_id", std::to_string(members.cluster_id()))
                                   .Number("membership_index", members.membership_index())
                                   .Number("leader_id", members.leader_id())
                                   .Raw("members", JsonArray(members.members(), to_json))
                                   .Object());
  }
  std::vector<std::vector<std::string>> rows = {
      {"NODE", "STANDING", "PRIORITY", "PEER", "CLIENT", "NOTE"}};
  for (const v1::Member& member : members.members()) {
    rows.push_back({std::to_string(member.node_id()), StandingName(member.standing()),
                    std::to_string(member.priority()), member.peer_address(),
                    member.client_address(), NoteOf(member, members.leader_id())});
  }
  return {ExitCode::kOk, Table(rows), ""};
}

Printed Print(const LeaderTransferCommand&, NodeId leader, bool json) {
  if (json) {
    return Line(ExitCode::kOk, Json().Bool("ok", true).Number("node_id", leader.value).Object());
  }
  return Line(ExitCode::kOk, absl::StrCat("leadership went to node ", leader.value));
}

Printed Print(const net::PutReply& reply, bool json) {
  if (json) {
    return Line(ExitCode::kOk, Ok(reply.revision).Raw("previous", ToJson(reply.previous)).Object());
  }
  return Line(ExitCode::kOk, absl::StrCat("revision ", reply.revision.value));
}

Printed Print(const GetCommand& command, const net::GetReply& reply, bool json) {
  const bool all = std::all_of(reply.keys.begin(), reply.keys.end(),
                               [](const auto& found) { return found.has_value(); });
  Printed printed;
  printed.code = all ? ExitCode::kOk : ExitCode::kNotFound;
  if (json) {
    const auto to_json = [](const std::optional<kv::KeyValue>& found) { return ToJson(found); };
    printed.out = Ok(reply.revision).Raw("keys", JsonArray(reply.keys, to_json)).Object() + "\n";
    return printed;
  }
  for (std::size_t i = 0; i < reply.keys.size(); ++i) {
    if (!reply.keys[i]) {
      absl::StrAppend(&printed.err, "lockstepctl: there is no key ", Quoted(command.keys[i]), "\n");
    } else if (command.raw) {
      printed.out += reply.keys[i]->value;
    } else if (reply.keys.size() == 1) {
      absl::StrAppend(&printed.out, Quoted(reply.keys[i]->value), "\n");
    } else {
      absl::StrAppend(&printed.out, Quoted(command.keys[i]), " ", Quoted(reply.keys[i]->value),
                      "\n");
    }
  }
  return printed;
}

Printed Print(const DeleteCommand& command, const net::DeleteReply& reply, bool json) {
  const ExitCode code = reply.previous ? ExitCode::kOk : ExitCode::kNotFound;
  if (json) {
    return Line(code, Ok(reply.revision).Raw("previous", ToJson(reply.previous)).Object());
  }
  if (!reply.previous) {
    return {code, "", absl::StrCat("lockstepctl: there is no key ", Quoted(command.key), "\n")};
  }
  return Line(code, absl::StrCat("revision ", reply.revision.value));
}

Printed Print(const net::ConditionalReply& reply, bool json) {
  const ExitCode code = reply.succeeded ? ExitCode::kOk : ExitCode::kConditionFailed;
  if (json) {
    return Line(code, Ok(reply.revision)
                          .Bool("succeeded", reply.succeeded)
                          .Raw("current", ToJson(reply.current))
                          .Object());
  }
  if (!reply.succeeded) {
    return {code, "",
            absl::StrCat("lockstepctl: the condition did not hold: the key holds ",
                         Describe(reply.current), "\n")};
  }
  return Line(code, absl::StrCat("revision ", reply.revision.value));
}

Printed Print(const kv::TransactionResult& result, bool json) {
  const ExitCode code = result.succeeded ? ExitCode::kOk : ExitCode::kConditionFailed;
  if (json) {
    const auto to_json = [](const kv::OperationResult& one) { return ToJson(one); };
    return Line(code, Ok(result.revision)
                          .Bool("succeeded", result.succeeded)
                          .Raw("results", JsonArray(result.results, to_json))
                          .Object());
  }
  std::string text =
      absl::StrCat(result.succeeded ? "then" : "else", ", revision ", result.revision.value, "\n");
  for (const kv::OperationResult& one : result.results) {
    absl::StrAppend(&text, Describe(one), "\n");
  }
  return {code, text, ""};
}

Printed Print(const std::vector<NodeAnswer>& answers, bool json) {
  const bool all = std::all_of(answers.begin(), answers.end(),
                               [](const NodeAnswer& answer) { return answer.status.has_value(); });
  const ExitCode code = all ? ExitCode::kOk : ExitCode::kNotDone;
  if (json) {
    const auto to_json = [](const NodeAnswer& answer) { return ToJson(answer); };
    return Line(code, Json().Bool("ok", all).Raw("nodes", JsonArray(answers, to_json)).Object());
  }
  std::vector<std::vector<std::string>> rows = {{"ENDPOINT", "NODE", "ROLE", "TERM", "LEADER",
                                                 "APPLIED", "COMMITTED", "REVISION", "KEYS",
                                                 "DIGEST", "LOG.DB", "STATE.DB", "HEALTH"}};
  for (const NodeAnswer& answer : answers) {
    rows.push_back(Row(answer));
  }
  return {code, Table(rows), ""};
}

Printed Print(const net::NotDone& not_done, bool json) {
  return PrintError(ExitCode::kNotDone, "not-done", "certainly not done", not_done.kind,
                    not_done.reason, json);
}

Printed Print(const net::Unknown& unknown, bool json) {
  return PrintError(ExitCode::kUnknown, "unknown", "it is not known whether it was done",
                    unknown.kind, unknown.reason, json);
}

}  // namespace lockstep::server::ctl
