// What happens in a run, told event by event: the one source of the text trace, of the JSON lines
// and of the page (docs/story.md). Nothing depends on these; with no listener none is made.

#ifndef LOCKSTEP_SIM_STORY_EVENT_H_
#define LOCKSTEP_SIM_STORY_EVENT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/raft/event.h"
#include "core/types.h"
#include "sim/sim_time.h"
#include "sim/violation.h"

namespace lockstep::sim::story {

// What an event is about. Each says which fields of Event it fills in beside `at` and `text`.
enum class Kind : std::uint8_t {
  // ---- A node's life: node
  kStart = 1,  // term, peer: its vote; index, base_term: its log begins after; entries: all of it
  kCrash,      // what: "power", "process", "stop" (by itself, because of its disk) or "given-up"
               // (its files are damaged or gone)
  kPause,
  kResume,
  // ---- What a node is and notices: node
  kState,   // state, term; told when any of it has changed
  kNotice,  // what: Name(raft::Event::Kind); term, and peer and index if they mean something
  // ---- What a node hands out to be stored in log.db: node, number: the write
  kVote,     // term, peer: its vote
  kReset,    // index, base_term: the log is empty and begins after this position
  kAppend,   // index: of the first entry; entries: they replace all from there on
  kCompact,  // index, base_term: entries up to this position are forgotten
  // ---- Disks: node
  kLogBegin,    // number: the last write of those that are stored in one transaction from now on
  kLogEnd,      // number: this write and all before it are stored
  kStateBegin,  // number: of the checkpoint; index: what it covers; what: "checkpoint" or
                // "installation"
  kStateEnd,    // the same
  // ---- Messages between nodes: number: of the message; what: its kind; term
  kSend,       // node: from; peer: to
  kReceive,    // node: to; peer: from
  kDuplicate,  // node: from; peer: to; it arrives twice
  kLost,       // node: from; peer: to; one copy never arrives. Of a request or its reply: client,
               // node, number: the request
  // ---- Clients: client
  kInvoke,   // number: the operation's position in the history; what: its action
  kReturn,   // number: the same; what: "ok", "fail" (certainly not done) or "unknown"
  kRequest,  // number: of the request; node: to; operation
  kArrive,   // the same: it has reached the node
  kAnswer,   // the same: the node has answered, and the answer is on its way
  kReply,    // the same: the answer has reached the client
  // ---- Faults: number: counts faults as they begin; what: the kind's name in plans
  kFault,     // node, peer, group, client: as far as the kind has them
  kFaultEnd,  // the same
  kHeal,      // all faults end
  // ---- The end
  kVerdict,  // what: "clean" or the property that is broken; evidence
};

// As JSON lines and the page name it: "log-begin".
const char* Name(Kind kind);
// What Event::number counts: "message", "write", ...; null if the kind has no number.
const char* NumberName(Kind kind);

// What a node believes, as far as it can be told in numbers.
struct State {
  raft::Role role = raft::Role::kFollower;
  Term term;
  NodeId voted_for;
  NodeId leader;
  Index last;
  Index durable;
  Index commit;
  Index applied;

  friend bool operator==(const State&, const State&) = default;
};

// An entry of a log, in words.
struct LogEntry {
  Index index;
  Term term;
  std::string text;

  friend bool operator==(const LogEntry&, const LogEntry&) = default;
};

struct Event {
  SimTime at{};
  Kind kind = Kind::kState;
  std::string what{};
  NodeId node{};
  NodeId peer{};
  std::optional<std::uint64_t> client{};  // from 0
  std::uint64_t number = 0;
  std::optional<std::uint64_t> operation{};
  Term term{};
  Index index{};
  Term base_term{};
  std::uint64_t group = 0;  // bit (id - 1) is set for each node in it
  std::optional<State> state{};
  std::vector<LogEntry> entries{};
  std::vector<Evidence> evidence{};
  std::string text{};  // for people: what a line of the trace says
};

// In whose lane: "n2", "c0", "FAULT", "END".
std::string Who(const Event& event);

// Hears of every event, in the order in which they happen.
class Listener {
 public:
  virtual ~Listener() = default;
  virtual void Hear(const Event& event) = 0;
};

// Keeps them all.
class Recorder : public Listener {
 public:
  void Hear(const Event& event) override { events_.push_back(event); }
  const std::vector<Event>& events() const { return events_; }

 private:
  std::vector<Event> events_;
};

}  // namespace lockstep::sim::story

#endif  // LOCKSTEP_SIM_STORY_EVENT_H_
