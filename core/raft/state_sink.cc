#include "core/raft/state_sink.h"

#include <optional>
#include <variant>
#include <vector>

namespace lockstep::raft {
namespace {

void Tell(const std::vector<Entry>& entries, StateSink& sink) {
  sink.Number(entries.size());
  for (const Entry& entry : entries) {
    Tell(entry, sink);
  }
}

template <class T>
void Tell(const std::optional<T>& value, StateSink& sink) {
  sink.Number(value.has_value() ? 1 : 0);
  if (value.has_value()) {
    Tell(*value, sink);
  }
}

void Tell(const RequestVote& body, StateSink& sink) {
  sink.Number(body.pre_vote ? 1 : 0);
  Tell(body.last_log, sink);
  sink.Number(body.transfer ? 1 : 0);
}

void Tell(const RequestVoteReply& body, StateSink& sink) {
  sink.Number(body.pre_vote ? 1 : 0);
  sink.Number(body.granted ? 1 : 0);
}

void Tell(const AppendEntries& body, StateSink& sink) {
  Tell(body.previous, sink);
  Tell(body.entries, sink);
  sink.Number(body.leader_commit.value);
  sink.Number(body.round);
}

void Tell(const AppendEntriesReply& body, StateSink& sink) {
  sink.Number(body.success ? 1 : 0);
  sink.Number(body.match.value);
  Tell(body.hint, sink);
  sink.Number(body.round);
  sink.Number(static_cast<std::uint64_t>(body.promise.ns));
}

void Tell(const InstallSnapshot& body, StateSink& sink) {
  Tell(body.last_included, sink);
  sink.Number(body.offset);
  sink.Number(body.last ? 1 : 0);
  sink.Text(body.data.view());
  sink.Number(body.round);
}

void Tell(const InstallSnapshotReply& body, StateSink& sink) { sink.Number(body.match.value); }

void Tell(const TimeoutNow&, StateSink&) {}
void Tell(const Knock&, StateSink&) {}

void Tell(const ReadIndex& body, StateSink& sink) { sink.Number(body.number); }

void Tell(const ReadIndexReply& body, StateSink& sink) {
  sink.Number(body.number);
  sink.Number(body.read_index.value);
}

void Tell(const Refused& body, StateSink& sink) {
  sink.Number(static_cast<std::uint64_t>(body.reason));
  sink.Number(body.incarnation.value);
}

}  // namespace

void Tell(LogPosition position, StateSink& sink) {
  sink.Number(position.index.value);
  sink.Number(position.term.value);
}

void Tell(const HardState& state, StateSink& sink) {
  sink.Number(state.current_term.value);
  sink.Node(state.voted_for);
}

void Tell(const Entry& entry, StateSink& sink) {
  sink.Number(entry.index.value);
  sink.Number(entry.term.value);
  sink.Number(entry.time.value);
  sink.Number(static_cast<std::uint64_t>(entry.kind));
  sink.Text(entry.payload.view());
}

void Tell(const Message& message, StateSink& sink) {
  sink.Number(message.cluster.value);
  sink.Node(message.from);
  sink.Node(message.to);
  sink.Number(message.incarnation.value);
  sink.Number(message.term.value);
  sink.Number(message.body.index());
  std::visit([&](const auto& body) { Tell(body, sink); }, message.body);
}

void Tell(const Write& write, StateSink& sink) {
  Tell(write.hard_state, sink);
  Tell(write.reset_to, sink);
  Tell(write.entries, sink);
  Tell(write.compact_to, sink);
}

}  // namespace lockstep::raft
