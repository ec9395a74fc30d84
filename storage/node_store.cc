#include "storage/node_store.h"

#include "absl/strings/str_format.h"
#include "storage/database_file.h"
#include "storage/status.h"

namespace lockstep::storage {
namespace {

absl::Status Missing(const std::string& path, const std::string& other, const char* meaning) {
  return absl::DataLossError(
      absl::StrFormat("%s: missing or empty, while %s is there: %s", path, other, meaning));
}

absl::Status MissingLog(const std::string& log_path, const std::string& state_path) {
  return Missing(log_path, state_path, "the node would forget its votes and its log");
}

absl::Status NotThere(const std::string& log_path, const Identity& identity) {
  return absl::FailedPreconditionError(absl::StrFormat(
      "%s: missing or empty, but %s has been started before: without its files it has forgotten "
      "its "
      "votes and what it acknowledged, and must not take part under its old identity",
      log_path, ToText(identity)));
}

// log.db is not there: unless this is a first start, Open() must not even make an empty one.
absl::Status CheckFirstStart(const std::string& log_path, const std::string& state_path,
                             const std::string& vfs, const Identity& identity) {
  LOCKSTEP_ASSIGN_OR_RETURN(const bool state_exists, HasContent(state_path, vfs));
  if (!state_exists) {
    return absl::OkStatus();
  }
  LOCKSTEP_ASSIGN_OR_RETURN(const StateStore state, StateStore::Open(state_path, vfs, identity));
  if (state.made()) {
    return MissingLog(log_path, state_path);
  }
  return absl::OkStatus();
}

// INVARIANT 2: the steps of a first start that are still to be done.
absl::Status FinishFirstStart(const FirstStart& first, LogStore* log, StateStore* state) {
  if (state->is_new()) {
    LOCKSTEP_RETURN_IF_ERROR(state->Create(first));
  }
  if (log->is_new()) {
    LOCKSTEP_RETURN_IF_ERROR(log->Create(state->incarnation()));
  }
  return state->SetMade();
}

}  // namespace

absl::StatusOr<NodeStore> NodeStore::Open(const std::string& folder, const std::string& vfs,
                                          const Identity& identity, const FirstStart& first,
                                          Expect expect, std::uint64_t page_bytes) {
  const std::string log_path = folder + "/log.db";
  const std::string state_path = folder + "/state.db";
  LOCKSTEP_ASSIGN_OR_RETURN(const bool log_exists, HasContent(log_path, vfs));
  if (!log_exists) {
    if (expect == Expect::kFiles) {
      return NotThere(log_path, identity);
    }
    LOCKSTEP_RETURN_IF_ERROR(CheckFirstStart(log_path, state_path, vfs, identity));
  }

  LOCKSTEP_ASSIGN_OR_RETURN(LogStore log, LogStore::Open(log_path, vfs, identity, page_bytes));
  if (!log.is_new()) {
    LOCKSTEP_ASSIGN_OR_RETURN(const bool state_exists, HasContent(state_path, vfs));
    if (!state_exists) {
      return Missing(state_path, log_path, "the log alone does not have the data");
    }
  }
  LOCKSTEP_ASSIGN_OR_RETURN(StateStore state,
                            StateStore::Open(state_path, vfs, identity, page_bytes));
  if (state.is_new() && !log.is_new()) {
    return Missing(state_path, log_path, "the log alone does not have the data");
  }
  if (log.is_new() && state.made()) {
    return MissingLog(log_path, state_path);
  }

  StoredState stored;
  if (!log.is_new()) {
    LOCKSTEP_ASSIGN_OR_RETURN(stored.log, log.Load());
  }
  if (!state.is_new()) {
    LOCKSTEP_ASSIGN_OR_RETURN(stored.image, state.Load());
  }
  if (!log.is_new() && log.incarnation() != state.incarnation()) {
    return absl::DataLossError(absl::StrFormat(
        "%s: made at another time than %s: one of the two was replaced", log_path, state_path));
  }
  if (state.is_new()) {
    stored.image.membership.membership = first.membership;
  }
  if (!state.made()) {
    if (stored.log != raft::DurableState() || stored.image.summary != kv::Summary()) {
      return absl::DataLossError(absl::StrFormat(
          "%s: says that the node never started, but one of its files holds data", state_path));
    }
    LOCKSTEP_RETURN_IF_ERROR(FinishFirstStart(first, &log, &state));
  }
  LOCKSTEP_RETURN_IF_ERROR(log.StartWriting());
  LOCKSTEP_RETURN_IF_ERROR(state.StartWriting());
  return NodeStore(std::move(log), std::move(state), std::move(stored));
}

}  // namespace lockstep::storage
