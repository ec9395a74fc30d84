#include "net/codec.h"

#include <limits>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/assert.h"
#include "core/message_scratch.h"
#include "core/raft/membership.h"
#include "net/proto/peer.pb.h"

namespace lockstep::net {
namespace {

// SQLite's integers are signed, and what comes from a peer may end in a file.
constexpr std::uint64_t kNumberMax = std::numeric_limits<std::int64_t>::max();

// More than the longest encoding of everything in a message (an entry) but its payload.
constexpr std::uint64_t kMessageOverheadBytes = 128;
constexpr std::uint64_t kEntryOverheadBytes = 64;

void Encode(const raft::LogPosition& position, v1::LogPosition* out) {
  out->set_index(position.index.value);
  out->set_term(position.term.value);
}

static_assert(static_cast<int>(raft::EntryKind::kNoOp) == v1::ENTRY_KIND_NO_OP);
static_assert(static_cast<int>(raft::EntryKind::kCommand) == v1::ENTRY_KIND_COMMAND);
static_assert(static_cast<int>(raft::EntryKind::kMembership) == v1::ENTRY_KIND_MEMBERSHIP);

void Encode(const raft::Entry& entry, v1::Entry* out) {
  out->set_index(entry.index.value);
  out->set_term(entry.term.value);
  out->set_cluster_time_ns(entry.time.value);
  out->set_kind(static_cast<v1::EntryKind>(entry.kind));  // of the same numbers
  out->set_payload(entry.payload.view().data(), entry.payload.size());
}

void Encode(const raft::RequestVote& body, v1::PeerMessage* message) {
  v1::RequestVote* out = message->mutable_request_vote();
  out->set_pre_vote(body.pre_vote);
  Encode(body.last_log, out->mutable_last_log());
  out->set_transfer(body.transfer);
}

void Encode(const raft::RequestVoteReply& body, v1::PeerMessage* message) {
  v1::RequestVoteReply* out = message->mutable_request_vote_reply();
  out->set_pre_vote(body.pre_vote);
  out->set_granted(body.granted);
}

void Encode(const raft::AppendEntries& body, v1::PeerMessage* message) {
  v1::AppendEntries* out = message->mutable_append_entries();
  Encode(body.previous, out->mutable_previous());
  for (const raft::Entry& entry : body.entries) {
    Encode(entry, out->add_entries());
  }
  out->set_leader_commit(body.leader_commit.value);
  out->set_round(body.round);
}

void Encode(const raft::AppendEntriesReply& body, v1::PeerMessage* message) {
  v1::AppendEntriesReply* out = message->mutable_append_entries_reply();
  out->set_success(body.success);
  out->set_match(body.match.value);
  Encode(body.hint, out->mutable_hint());
  out->set_round(body.round);
  out->set_promise_ns(static_cast<std::uint64_t>(body.promise.ns));
}

void Encode(const raft::InstallSnapshot& body, v1::PeerMessage* message) {
  v1::InstallSnapshot* out = message->mutable_install_snapshot();
  Encode(body.last_included, out->mutable_last_included());
  out->set_offset(body.offset);
  out->set_last(body.last);
  out->set_data(body.data.view().data(), body.data.size());
  out->set_round(body.round);
}

void Encode(const raft::InstallSnapshotReply& body, v1::PeerMessage* message) {
  message->mutable_install_snapshot_reply()->set_match(body.match.value);
}

void Encode(const raft::TimeoutNow&, v1::PeerMessage* message) { message->mutable_timeout_now(); }
void Encode(const raft::Knock&, v1::PeerMessage* message) { message->mutable_knock(); }

void Encode(const raft::ReadIndex& body, v1::PeerMessage* message) {
  message->mutable_read_index()->set_number(body.number);
}

void Encode(const raft::ReadIndexReply& body, v1::PeerMessage* message) {
  message->mutable_read_index_reply()->set_number(body.number);
  message->mutable_read_index_reply()->set_read_index(body.read_index.value);
}

static_assert(static_cast<int>(raft::Refused::Reason::kRemoved) == v1::Refused::REMOVED);
static_assert(static_cast<int>(raft::Refused::Reason::kOtherIncarnation) ==
              v1::Refused::OTHER_INCARNATION);

void Encode(const raft::Refused& body, v1::PeerMessage* message) {
  message->mutable_refused()->set_reason(static_cast<v1::Refused::Reason>(body.reason));
  message->mutable_refused()->set_incarnation(body.incarnation.value);
}

absl::Status Wrong(std::string_view field, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrFormat("peer message: %s: %s", field, what));
}

absl::Status CheckNumber(std::uint64_t value, std::string_view field) {
  if (value > kNumberMax) {
    return Wrong(field, absl::StrFormat("%u does not fit in 63 bits", value));
  }
  return absl::OkStatus();
}

// No log has an entry of a term that its node has not reached, and none that a leader or a voter
// sends has one above the message's term.
absl::StatusOr<raft::LogPosition> DecodePosition(bool present, const v1::LogPosition& position,
                                                 Term term, std::string_view field) {
  if (!present) {
    return Wrong(field, "is missing");
  }
  if (absl::Status status = CheckNumber(position.index(), field); !status.ok()) {
    return status;
  }
  if ((position.index() == 0) != (position.term() == 0)) {
    return Wrong(field,
                 absl::StrFormat("index %u with term %u", position.index(), position.term()));
  }
  if (position.term() > term.value) {
    return Wrong(
        field, absl::StrFormat("term %u is above the message's, %u", position.term(), term.value));
  }
  return raft::LogPosition{{position.index()}, {position.term()}};
}

// Decodes the entry that comes after `before`, an entry or position with time `time_before`.
absl::StatusOr<raft::Entry> DecodeEntry(v1::Entry* entry, Term term, raft::LogPosition before,
                                        ClusterTime time_before) {
  if (entry->index() != before.index.value + 1) {
    return Wrong("index", absl::StrFormat("%u follows %u", entry->index(), before.index.value));
  }
  if (absl::Status status = CheckNumber(entry->index(), "index"); !status.ok()) {
    return status;
  }
  if (entry->term() == 0 || entry->term() < before.term.value) {
    return Wrong("term", absl::StrFormat("%u follows %u", entry->term(), before.term.value));
  }
  if (entry->term() > term.value) {
    return Wrong("term",
                 absl::StrFormat("%u is above the message's, %u", entry->term(), term.value));
  }
  if (absl::Status status = CheckNumber(entry->cluster_time_ns(), "cluster_time_ns");
      !status.ok()) {
    return status;
  }
  if (entry->cluster_time_ns() < time_before.value) {
    return Wrong("cluster_time_ns",
                 absl::StrFormat("%u follows %u", entry->cluster_time_ns(), time_before.value));
  }
  raft::Entry decoded{{entry->index()},
                      {entry->term()},
                      {entry->cluster_time_ns()},
                      raft::EntryKind::kCommand,
                      Bytes(std::move(*entry->mutable_payload()))};
  switch (entry->kind()) {
    case v1::ENTRY_KIND_COMMAND:
      return decoded;
    case v1::ENTRY_KIND_NO_OP:
      if (!decoded.payload.empty()) {
        return Wrong("payload", "a no-op has one");
      }
      decoded.kind = raft::EntryKind::kNoOp;
      return decoded;
    case v1::ENTRY_KIND_MEMBERSHIP:
      if (!raft::DecodeMembership(decoded.payload.view())) {
        return Wrong("payload", "is not a membership");
      }
      decoded.kind = raft::EntryKind::kMembership;
      return decoded;
    default:
      return Wrong("kind", absl::StrFormat("%d is none", static_cast<int>(entry->kind())));
  }
}

absl::StatusOr<raft::Body> Decode(const v1::RequestVote& body, Term term) {
  const absl::StatusOr<raft::LogPosition> last_log =
      DecodePosition(body.has_last_log(), body.last_log(), term, "request_vote.last_log");
  if (!last_log.ok()) {
    return last_log.status();
  }
  // A candidate has moved to a new term (§3.4), or would (§9.6).
  if (last_log->term == term) {
    return Wrong("request_vote.last_log", "has an entry of the term that is campaigned in");
  }
  if (body.pre_vote() && body.transfer()) {
    return Wrong("request_vote.transfer", "with a pre-vote");
  }
  return raft::RequestVote{body.pre_vote(), *last_log, body.transfer()};
}

absl::StatusOr<raft::Body> Decode(v1::AppendEntries* body, Term term) {
  const absl::StatusOr<raft::LogPosition> previous =
      DecodePosition(body->has_previous(), body->previous(), term, "append_entries.previous");
  if (!previous.ok()) {
    return previous.status();
  }
  raft::AppendEntries decoded;
  decoded.previous = *previous;
  decoded.entries.reserve(static_cast<std::size_t>(body->entries_size()));
  raft::LogPosition before = *previous;
  ClusterTime time_before;  // of `previous` it is not known here
  for (int i = 0; i < body->entries_size(); ++i) {
    absl::StatusOr<raft::Entry> entry =
        DecodeEntry(body->mutable_entries(i), term, before, time_before);
    if (!entry.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(entry.status().message(), " (in append_entries.entries[", i, "])"));
    }
    before = {entry->index, entry->term};
    time_before = entry->time;
    decoded.entries.push_back(*std::move(entry));
  }
  if (absl::Status status = CheckNumber(body->leader_commit(), "append_entries.leader_commit");
      !status.ok()) {
    return status;
  }
  decoded.leader_commit = {body->leader_commit()};
  decoded.round = body->round();
  return decoded;
}

absl::StatusOr<raft::Body> Decode(const v1::AppendEntriesReply& body, Term term) {
  if (absl::Status status = CheckNumber(body.match(), "append_entries_reply.match"); !status.ok()) {
    return status;
  }
  const absl::StatusOr<raft::LogPosition> hint =
      DecodePosition(body.has_hint(), body.hint(), term, "append_entries_reply.hint");
  if (!hint.ok()) {
    return hint.status();
  }
  if (!body.success() && hint->index.value > body.match()) {
    return Wrong("append_entries_reply.hint", absl::StrFormat("%u is beyond the refused index, %u",
                                                              hint->index.value, body.match()));
  }
  if (body.promise_ns() > static_cast<std::uint64_t>(Seconds(3600).ns)) {
    return Wrong("append_entries_reply.promise_ns",
                 absl::StrFormat("%u is more than an hour", body.promise_ns()));
  }
  return raft::AppendEntriesReply{body.success(),
                                  {body.match()},
                                  *hint,
                                  body.round(),
                                  {static_cast<std::int64_t>(body.promise_ns())}};
}

absl::StatusOr<raft::Body> Decode(v1::InstallSnapshot* body, Term term) {
  const absl::StatusOr<raft::LogPosition> last_included = DecodePosition(
      body->has_last_included(), body->last_included(), term, "install_snapshot.last_included");
  if (!last_included.ok()) {
    return last_included.status();
  }
  if (*last_included == raft::LogPosition()) {
    return Wrong("install_snapshot.last_included", "includes no entry");
  }
  if (body->offset() > kNumberMax - body->data().size()) {
    return Wrong("install_snapshot.offset",
                 absl::StrFormat("%u with %u bytes", body->offset(), body->data().size()));
  }
  return raft::InstallSnapshot{*last_included, body->offset(), body->last(),
                               Bytes(std::move(*body->mutable_data())), body->round()};
}

absl::StatusOr<raft::Body> Decode(const v1::InstallSnapshotReply& body) {
  if (absl::Status status = CheckNumber(body.match(), "install_snapshot_reply.match");
      !status.ok()) {
    return status;
  }
  return raft::InstallSnapshotReply{{body.match()}};
}

absl::StatusOr<raft::Body> Decode(const v1::Refused& body) {
  if (body.reason() == v1::Refused::REASON_UNSPECIFIED ||
      !v1::Refused::Reason_IsValid(body.reason())) {
    return Wrong("refused.reason", absl::StrFormat("%d is none", static_cast<int>(body.reason())));
  }
  return raft::Refused{static_cast<raft::Refused::Reason>(body.reason()), {body.incarnation()}};
}

absl::StatusOr<raft::Body> Decode(const v1::ReadIndexReply& body) {
  if (absl::Status status = CheckNumber(body.read_index(), "read_index_reply.read_index");
      !status.ok()) {
    return status;
  }
  return raft::ReadIndexReply{body.number(), {body.read_index()}};
}

absl::StatusOr<raft::Body> DecodeBody(v1::PeerMessage* message, Term term) {
  switch (message->body_case()) {
    case v1::PeerMessage::kRequestVote:
      return Decode(message->request_vote(), term);
    case v1::PeerMessage::kRequestVoteReply:
      return raft::RequestVoteReply{message->request_vote_reply().pre_vote(),
                                    message->request_vote_reply().granted()};
    case v1::PeerMessage::kAppendEntries:
      return Decode(message->mutable_append_entries(), term);
    case v1::PeerMessage::kAppendEntriesReply:
      return Decode(message->append_entries_reply(), term);
    case v1::PeerMessage::kInstallSnapshot:
      return Decode(message->mutable_install_snapshot(), term);
    case v1::PeerMessage::kInstallSnapshotReply:
      return Decode(message->install_snapshot_reply());
    case v1::PeerMessage::kTimeoutNow:
      return raft::TimeoutNow{};
    case v1::PeerMessage::kKnock:
      return raft::Knock{};
    case v1::PeerMessage::kReadIndex:
      return raft::ReadIndex{message->read_index().number()};
    case v1::PeerMessage::kReadIndexReply:
      return Decode(message->read_index_reply());
    case v1::PeerMessage::kRefused:
      return Decode(message->refused());
    case v1::PeerMessage::BODY_NOT_SET:
      break;
  }
  return Wrong("body", "is missing or of an unknown kind");
}

absl::Status CheckEnvelope(const v1::PeerMessage& message) {
  if (message.cluster_id() == 0) {
    return Wrong("cluster_id", "is 0");
  }
  if (message.from() == 0) {
    return Wrong("from", "is 0");
  }
  if (message.to() == 0) {
    return Wrong("to", "is 0");
  }
  if (message.from() == message.to()) {
    return Wrong("to", "is the sender");
  }
  if (absl::Status status = CheckNumber(message.term(), "term"); !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckNumber(message.incarnation(), "incarnation"); !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckNumber(message.state_index(), "state_index"); !status.ok()) {
    return status;
  }
  // Only who has never heard of an election may refuse without a term.
  const bool refuses =
      message.has_refused() || message.has_knock() ||
      (message.has_request_vote_reply() && !message.request_vote_reply().granted());
  if (message.term() == 0 && !refuses) {
    return Wrong("term", "is 0");
  }
  return absl::OkStatus();
}

}  // namespace

std::uint64_t EncodedBytesBound(const raft::Message& message) {
  std::uint64_t bytes = kMessageOverheadBytes;
  if (const auto* append = std::get_if<raft::AppendEntries>(&message.body)) {
    for (const raft::Entry& entry : append->entries) {
      bytes += kEntryOverheadBytes + entry.payload.size();
    }
  } else if (const auto* snapshot = std::get_if<raft::InstallSnapshot>(&message.body)) {
    bytes += snapshot->data.size();
  }
  return bytes;
}

std::string EncodeMessage(const raft::Message& message) {
  CORE_ASSERT(EncodedBytesBound(message) <= kPeerMessageBytesMax);
  MessageScratch<v1::PeerMessage> scratch;
  v1::PeerMessage& out = *scratch;
  out.set_cluster_id(message.cluster.value);
  out.set_from(message.from.value);
  out.set_to(message.to.value);
  out.set_incarnation(message.incarnation.value);
  out.set_term(message.term.value);
  out.set_state_index(message.state.index.value);
  out.set_state_digest(message.state.digest);
  std::visit([&out](const auto& body) { Encode(body, &out); }, message.body);
  return out.SerializeAsString();
}

absl::StatusOr<raft::Message> DecodeMessage(std::string_view bytes) {
  if (bytes.size() > kPeerMessageBytesMax) {
    return Wrong("size", absl::StrFormat("%u bytes are over the limit of %u", bytes.size(),
                                         kPeerMessageBytesMax));
  }
  MessageScratch<v1::PeerMessage> scratch;
  v1::PeerMessage& message = *scratch;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Wrong("bytes", "are not a protobuf message of this kind");
  }
  if (absl::Status status = CheckEnvelope(message); !status.ok()) {
    return status;
  }
  absl::StatusOr<raft::Body> body = DecodeBody(&message, {message.term()});
  if (!body.ok()) {
    return body.status();
  }
  return raft::Message{{message.cluster_id()},
                       {message.from()},
                       {message.to()},
                       {message.incarnation()},
                       {message.term()},
                       *std::move(body),
                       {{message.state_index()}, message.state_digest()}};
}

}  // namespace lockstep::net
