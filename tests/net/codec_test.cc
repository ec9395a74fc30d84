#include "net/codec.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "core/raft/membership.h"
#include "net/proto/peer.pb.h"

namespace lockstep::net {
namespace {

constexpr std::uint64_t kMax63 = std::numeric_limits<std::int64_t>::max();

// From 0 to `max`, often at an end.
std::uint64_t Number(std::uint64_t min, std::uint64_t max) {
  const std::uint64_t any = *rc::gen::arbitrary<std::uint64_t>();
  switch (any % 4) {
    case 0:
      return min;
    case 1:
      return max;
    default:
      return max - min == std::numeric_limits<std::uint64_t>::max() ? any
                                                                    : min + any % (max - min + 1);
  }
}

Bytes SomeBytes() { return Bytes(*rc::gen::arbitrary<std::string>()); }

// A position in a log that has no entry of a term above `term_max`.
raft::LogPosition SomePosition(std::uint64_t term_max, std::uint64_t index_max) {
  if (term_max == 0 || *rc::gen::inRange(0, 4) == 0) {
    return {};
  }
  const Index index{Number(1, index_max)};
  const Term term{Number(1, term_max)};
  return {index, term};
}

raft::AppendEntries SomeAppend(Term term) {
  raft::AppendEntries append;
  append.previous = SomePosition(term.value, kMax63 - 10);
  Index index = append.previous.index;
  std::uint64_t entry_term = std::max<std::uint64_t>(append.previous.term.value, 1);
  std::uint64_t time = 0;
  const int entries = *rc::gen::inRange(0, 9);
  for (int i = 0; i < entries; ++i) {
    index = index.Next();
    entry_term = Number(entry_term, term.value);
    time = Number(time, kMax63);
    const auto kind = *rc::gen::element(raft::EntryKind::kNoOp, raft::EntryKind::kCommand,
                                        raft::EntryKind::kMembership);
    append.entries.push_back(
        {index,
         {entry_term},
         {time},
         kind,
         kind == raft::EntryKind::kNoOp ? Bytes()
         : kind == raft::EntryKind::kCommand
             ? SomeBytes()
             : Bytes(raft::EncodeMembership(raft::MembershipOf({{1}, {Number(2, kMax63)}})))});
  }
  append.leader_commit = {Number(0, kMax63)};
  append.round = Number(0, std::numeric_limits<std::uint64_t>::max());
  return append;
}

raft::Body SomeBody(Term term) {
  switch (*rc::gen::inRange(0, 10)) {
    case 0: {
      const bool pre_vote = *rc::gen::arbitrary<bool>();
      const bool transfer = !pre_vote && *rc::gen::arbitrary<bool>();
      return raft::RequestVote{pre_vote, SomePosition(term.value - 1, kMax63), transfer};
    }
    case 1: {
      const bool pre_vote = *rc::gen::arbitrary<bool>();
      const bool granted = *rc::gen::arbitrary<bool>();
      return raft::RequestVoteReply{pre_vote, granted};
    }
    case 2:
      return SomeAppend(term);
    case 3: {
      const bool success = *rc::gen::arbitrary<bool>();
      const std::uint64_t match = Number(1, kMax63);
      const raft::LogPosition hint = SomePosition(term.value, match);
      const std::uint64_t round = Number(0, std::numeric_limits<std::uint64_t>::max());
      const std::uint64_t promise = Number(0, static_cast<std::uint64_t>(Seconds(3600).ns));
      return raft::AppendEntriesReply{
          success, {match}, hint, round, {static_cast<std::int64_t>(promise)}};
    }
    case 4: {
      const std::uint64_t index = Number(1, kMax63);
      const std::uint64_t included_term = Number(1, term.value);
      const std::uint64_t offset = Number(0, kMax63 >> 1);
      const bool last = *rc::gen::arbitrary<bool>();
      const Bytes data = SomeBytes();
      const std::uint64_t round = Number(0, std::numeric_limits<std::uint64_t>::max());
      return raft::InstallSnapshot{{{index}, {included_term}}, offset, last, data, round};
    }
    case 5:
      return raft::InstallSnapshotReply{{Number(0, kMax63)}};
    case 6:
      return raft::TimeoutNow{};
    case 7:
      return raft::Knock{};
    case 8:
      return raft::ReadIndex{Number(0, std::numeric_limits<std::uint64_t>::max())};
    case 9: {
      const std::uint64_t number = Number(0, std::numeric_limits<std::uint64_t>::max());
      return raft::ReadIndexReply{number, {Number(0, kMax63)}};
    }
    default:
      return raft::Refused{*rc::gen::element(raft::Refused::Reason::kRemoved,
                                             raft::Refused::Reason::kOtherIncarnation),
                           {Number(0, kMax63)}};
  }
}

// Any message that a node may send.
raft::Message SomeMessage() {
  const ClusterId cluster{Number(1, std::numeric_limits<std::uint64_t>::max())};
  const NodeId from{Number(1, std::numeric_limits<std::uint64_t>::max() - 1)};
  const Term term{Number(1, kMax63)};
  const Incarnation incarnation{Number(0, kMax63)};
  const raft::Body body = SomeBody(term);
  const Index index{Number(0, kMax63)};
  const std::uint64_t digest = Number(0, std::numeric_limits<std::uint64_t>::max());
  return {cluster, from, from.Next(), incarnation, term, body, {index, digest}};
}

RC_GTEST_PROP(CodecTest, DecodesWhatItEncoded, ()) {
  const raft::Message message = SomeMessage();
  const std::string bytes = EncodeMessage(message);
  const absl::StatusOr<raft::Message> decoded = DecodeMessage(bytes);
  RC_ASSERT(decoded.ok());
  RC_ASSERT(*decoded == message);
  RC_ASSERT(bytes.size() <= EncodedBytesBound(message));
}

// Flips, cuts, repeats and inserts bytes.
std::string Mangled(std::string bytes) {
  const int edits = *rc::gen::inRange(1, 5);
  for (int i = 0; i < edits; ++i) {
    const std::size_t at = *rc::gen::inRange<std::size_t>(0, bytes.size() + 1);
    const char byte = *rc::gen::arbitrary<char>();
    switch (*rc::gen::inRange(0, 4)) {
      case 0:
        if (at < bytes.size()) {
          bytes[at] = byte;
        }
        break;
      case 1:
        bytes.resize(at);
        break;
      case 2:
        bytes.insert(at, 1, byte);
        break;
      default:
        bytes += bytes.substr(at);
    }
  }
  return bytes;
}

RC_GTEST_PROP(CodecTest, MangledBytesAreRefusedOrDecodeToAWellFormedMessage, ()) {
  const std::string bytes = Mangled(EncodeMessage(SomeMessage()));
  const absl::StatusOr<raft::Message> decoded = DecodeMessage(bytes);
  if (decoded.ok()) {
    const absl::StatusOr<raft::Message> again = DecodeMessage(EncodeMessage(*decoded));
    RC_ASSERT(again.ok());
    RC_ASSERT(*again == *decoded);
  } else {
    RC_ASSERT(decoded.status().code() == absl::StatusCode::kInvalidArgument);
    RC_ASSERT(!decoded.status().message().empty());
  }
}

RC_GTEST_PROP(CodecTest, ArbitraryBytesAreRefusedOrDecode, (const std::string& bytes)) {
  const absl::StatusOr<raft::Message> decoded = DecodeMessage(bytes);
  RC_ASSERT(decoded.ok() || decoded.status().code() == absl::StatusCode::kInvalidArgument);
}

// A well-formed message that holds every field of an append, for cases to spoil.
v1::PeerMessage GoodAppend() {
  v1::PeerMessage message;
  message.set_cluster_id(7);
  message.set_from(1);
  message.set_to(2);
  message.set_term(5);
  v1::AppendEntries* append = message.mutable_append_entries();
  append->mutable_previous()->set_index(10);
  append->mutable_previous()->set_term(3);
  append->set_leader_commit(10);
  for (std::uint64_t i = 0; i < 2; ++i) {
    v1::Entry* entry = append->add_entries();
    entry->set_index(11 + i);
    entry->set_term(4 + i);
    entry->set_cluster_time_ns(100 + i);
    entry->set_kind(v1::ENTRY_KIND_COMMAND);
    entry->set_payload("payload");
  }
  return message;
}

// Another body in the same envelope.
v1::PeerMessage GoodEnvelope() {
  v1::PeerMessage message = GoodAppend();
  message.clear_body();
  return message;
}

struct Spoiled {
  const char* field;  // that the error must name
  v1::PeerMessage message;
};

template <class Change>
v1::PeerMessage With(v1::PeerMessage message, Change change) {
  change(&message);
  return message;
}

v1::Entry* EntryOf(v1::PeerMessage* message, int i) {
  return message->mutable_append_entries()->mutable_entries(i);
}

std::vector<Spoiled> SpoiledEnvelopes() {
  return {
      {"cluster_id", With(GoodAppend(), [](auto* m) { m->set_cluster_id(0); })},
      {"from", With(GoodAppend(), [](auto* m) { m->set_from(0); })},
      {"to", With(GoodAppend(), [](auto* m) { m->set_to(0); })},
      {"to: is the sender", With(GoodAppend(), [](auto* m) { m->set_to(m->from()); })},
      {"term", With(GoodAppend(), [](auto* m) { m->set_term(0); })},
      {"term", With(GoodAppend(), [](auto* m) { m->set_term(kMax63 + 1); })},
      {"body", GoodEnvelope()},
      {"term", With(GoodEnvelope(),
                    [](auto* m) {
                      m->set_term(0);
                      m->mutable_request_vote_reply()->set_granted(true);
                    })},
  };
}

std::vector<Spoiled> SpoiledAppends() {
  return {
      {"append_entries.previous",
       With(GoodAppend(), [](auto* m) { m->mutable_append_entries()->clear_previous(); })},
      {"append_entries.previous",
       With(GoodAppend(),
            [](auto* m) { m->mutable_append_entries()->mutable_previous()->set_index(0); })},
      {"append_entries.previous",
       With(GoodAppend(),
            [](auto* m) { m->mutable_append_entries()->mutable_previous()->set_term(0); })},
      {"append_entries.previous",
       With(GoodAppend(),
            [](auto* m) { m->mutable_append_entries()->mutable_previous()->set_term(6); })},
      {"append_entries.previous", With(GoodAppend(),
                                       [](auto* m) {
                                         m->mutable_append_entries()->mutable_previous()->set_index(
                                             kMax63 + 1);
                                       })},
      {"append_entries.leader_commit",
       With(GoodAppend(),
            [](auto* m) { m->mutable_append_entries()->set_leader_commit(kMax63 + 1); })},
      {"index: 12 follows 10", With(GoodAppend(), [](auto* m) { EntryOf(m, 0)->set_index(12); })},
      {"entries[1]", With(GoodAppend(), [](auto* m) { EntryOf(m, 1)->set_index(11); })},
      {"term: 2 follows 3", With(GoodAppend(), [](auto* m) { EntryOf(m, 0)->set_term(2); })},
      {"entries[1]", With(GoodAppend(), [](auto* m) { EntryOf(m, 1)->set_term(3); })},
      {"term: 6 is above", With(GoodAppend(), [](auto* m) { EntryOf(m, 1)->set_term(6); })},
      {"cluster_time_ns: 99 follows 100",
       With(GoodAppend(), [](auto* m) { EntryOf(m, 1)->set_cluster_time_ns(99); })},
      {"cluster_time_ns",
       With(GoodAppend(), [](auto* m) { EntryOf(m, 1)->set_cluster_time_ns(kMax63 + 1); })},
      {"kind", With(GoodAppend(), [](auto* m) { EntryOf(m, 0)->clear_kind(); })},
      {"kind: 4",
       With(GoodAppend(), [](auto* m) { EntryOf(m, 0)->set_kind(static_cast<v1::EntryKind>(4)); })},
      {"payload: is not a membership",
       With(GoodAppend(), [](auto* m) { EntryOf(m, 0)->set_kind(v1::ENTRY_KIND_MEMBERSHIP); })},
      {"payload: a no-op",
       With(GoodAppend(), [](auto* m) { EntryOf(m, 0)->set_kind(v1::ENTRY_KIND_NO_OP); })},
      {"index", With(GoodAppend(),
                     [](auto* m) {
                       m->mutable_append_entries()->mutable_previous()->set_index(kMax63);
                       EntryOf(m, 0)->set_index(kMax63 + 1);
                     })},
  };
}

std::vector<Spoiled> SpoiledOthers() {
  return {
      {"request_vote.last_log", With(GoodEnvelope(), [](auto* m) { m->mutable_request_vote(); })},
      {"request_vote.last_log", With(GoodEnvelope(),
                                     [](auto* m) {
                                       auto* last = m->mutable_request_vote()->mutable_last_log();
                                       last->set_index(9);
                                       last->set_term(5);  // the term it campaigns in
                                     })},
      {"append_entries_reply.match", With(GoodEnvelope(),
                                          [](auto* m) {
                                            m->mutable_append_entries_reply()->set_match(kMax63 +
                                                                                         1);
                                            m->mutable_append_entries_reply()->mutable_hint();
                                          })},
      {"append_entries_reply.hint",
       With(GoodEnvelope(), [](auto* m) { m->mutable_append_entries_reply()->set_match(4); })},
      {"append_entries_reply.hint: 5 is beyond",
       With(GoodEnvelope(),
            [](auto* m) {
              m->mutable_append_entries_reply()->set_match(4);
              m->mutable_append_entries_reply()->mutable_hint()->set_index(5);
              m->mutable_append_entries_reply()->mutable_hint()->set_term(1);
            })},
      {"install_snapshot.last_included",
       With(GoodEnvelope(), [](auto* m) { m->mutable_install_snapshot(); })},
      {"install_snapshot.last_included: includes no entry",
       With(GoodEnvelope(),
            [](auto* m) { m->mutable_install_snapshot()->mutable_last_included(); })},
      {"install_snapshot.offset", With(GoodEnvelope(),
                                       [](auto* m) {
                                         auto* snapshot = m->mutable_install_snapshot();
                                         snapshot->mutable_last_included()->set_index(1);
                                         snapshot->mutable_last_included()->set_term(1);
                                         snapshot->set_offset(kMax63);
                                         snapshot->set_data("x");
                                       })},
      {"install_snapshot_reply.match",
       With(GoodEnvelope(),
            [](auto* m) { m->mutable_install_snapshot_reply()->set_match(kMax63 + 1); })},
  };
}

void ExpectRefused(const std::vector<Spoiled>& cases) {
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const absl::StatusOr<raft::Message> decoded =
        DecodeMessage(cases[i].message.SerializeAsString());
    ASSERT_FALSE(decoded.ok()) << "case " << i << ", " << cases[i].field;
    EXPECT_NE(std::string(decoded.status().message()).find(cases[i].field), std::string::npos)
        << "case " << i << ": " << decoded.status();
  }
}

TEST(CodecTest, TheMessageThatIsSpoiledBelowIsWellFormed) {
  EXPECT_TRUE(DecodeMessage(GoodAppend().SerializeAsString()).ok());
}

TEST(CodecTest, AnIllFormedEnvelopeIsRefusedByTheFieldsName) { ExpectRefused(SpoiledEnvelopes()); }

TEST(CodecTest, IllFormedEntriesAreRefusedByTheFieldsName) { ExpectRefused(SpoiledAppends()); }

TEST(CodecTest, IllFormedBodiesAreRefusedByTheFieldsName) { ExpectRefused(SpoiledOthers()); }

TEST(CodecTest, AnUnknownKindOfBodyIsRefusedAsAWhole) {
  v1::PeerMessage message = GoodEnvelope();
  // Field 99, length-delimited, empty: what a later version might say.
  const absl::StatusOr<raft::Message> decoded =
      DecodeMessage(message.SerializeAsString() + std::string("\x9a\x06\x00", 3));
  ASSERT_FALSE(decoded.ok());
  EXPECT_NE(std::string(decoded.status().message()).find("body"), std::string::npos);
}

TEST(CodecTest, ANodeThatNeverVotedMayRefuseAPreVote) {
  const raft::Message message{
      {1}, {2}, {3}, {}, Term(), raft::RequestVoteReply{.pre_vote = true, .granted = false}};
  const absl::StatusOr<raft::Message> decoded = DecodeMessage(EncodeMessage(message));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, message);
}

}  // namespace
}  // namespace lockstep::net
