// Clients: they send the plan's operations to nodes, follow leaders, retry within sessions, give
// up, and write down what they did and saw. They know no more than a real client library does.

#ifndef LOCKSTEP_SIM_CLIENT_H_
#define LOCKSTEP_SIM_CLIENT_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/random.h"
#include "core/replica.h"
#include "core/types.h"
#include "sim/history.h"
#include "sim/network.h"
#include "sim/oracles/judge.h"
#include "sim/plan.h"
#include "sim/probes.h"
#include "sim/scheduler.h"
#include "sim/story/teller.h"
#include "sim/trace.h"
#include "sim/violation.h"

namespace lockstep::sim {

struct ClientCounts {
  std::uint64_t ok = 0;
  std::uint64_t failed = 0;   // certainly not done
  std::uint64_t unknown = 0;  // perhaps done
};

// All clients of a world.
class Clients {
 public:
  // `submit` hands a request that has arrived to a node, and says whether anybody listens there.
  // The request is to be answered within the Duration. REQUIRES: the plan outlives this.
  Clients(const Plan& plan, Random random, Scheduler& scheduler, Network& network, Judge& judge,
          Trace& trace, ProbeCounts& probes, story::Teller& story,
          std::function<bool(NodeId, Request, Duration)> submit);

  // The time of this operation of the plan has come.
  void Begin(const PlannedOperation& operation);

  // Handles kRequest, kReply and kClientTimer events.
  void Handle(const Event& event);

  // A node has answered; the answer starts on its way.
  void Answer(NodeId node, Reply reply);

  // The faults are over: from now on clients never give up, so that all of them get an answer.
  void BePatient() { patient_ = true; }

  // There is nobody left to answer: all clients give up all that they had to do.
  void GiveUp();

  // ---- Faults of one client. Pauses and doubling nest.

  // It stands still: what reaches it waits.
  void Pause(std::size_t client);
  void Resume(std::size_t client);
  // It sends each request that may be repeated to two nodes at once, or no longer does.
  void Duplicate(std::size_t client, bool on);
  // It gives up what it waits for, and goes on with the next.
  void Abandon(std::size_t client);
  // The same, and a new process goes on: without a session, and without having read anything.
  void Restart(std::size_t client);

  // Whether every operation begun has ended.
  bool idle() const { return busy_ == 0; }
  // When the operation that has been tried longest was begun; if there is none, when the last one
  // ended.
  SimTime waiting_since() const;
  const ClientCounts& counts() const { return counts_; }
  // Operations in the order of their calls; those under way are unknown.
  const history::History& history() const { return history_; }
  // The same, with what the committed log tells of operations that no client knows the outcome of:
  // one that was executed has that result and returns at `end`, one that was not has failed. Few
  // unknown outcomes are left, which make checking hard (etcd's robustness tests read the log for
  // that too). REQUIRES: the run has settled: nothing of a client is under way.
  history::History ResolvedHistory(const ExactlyOnce& committed, SimTime end) const;
  // The operations under way, as evidence.
  std::vector<Evidence> Waiting() const;
  // What the waiting clients wait for, for people.
  std::string DescribeWaiting() const;

 private:
  // What a client tries to get done: an operation of the plan, or a session to do it in.
  struct Task {
    const PlannedOperation* operation = nullptr;
    std::uint64_t number = 0;  // unique in the run: replies to other tasks mean nothing
    bool opening = false;      // a session is opened first
    std::size_t record = 0;    // in history_, once it is not opening any more
    std::variant<kv::OpenSession, kv::Transact, Read> body;
    SimTime begun;
    SimTime give_up;
    std::uint64_t attempts = 0;
    // Attempts of which it is not certain that they had no effect.
    std::uint64_t unresolved = 0;
    std::uint64_t timer = 0;  // the timer that counts; others are old
  };

  struct Client {
    Random random{0};
    Random reads{0};           // which nodes are asked
    std::int64_t process = 0;  // its number in the history: a new one after an unknown outcome
    bool in_session = false;
    std::optional<SessionId> session;
    std::uint64_t last_sequence = 0;
    NodeId target{1};
    std::deque<const PlannedOperation*> queue;
    std::optional<Task> task;
    std::map<std::uint64_t, history::Value> believed;  // by key
    int pauses = 0;
    std::vector<Event> waiting;  // what came meanwhile
    int duplicating = 0;
  };

  struct Attempt {
    std::size_t client = 0;
    std::uint64_t task = 0;
    kv::Command command;  // for the judge; empty OpenSession for reads
    bool is_read = false;
  };

  // Something on its way between a client and a node.
  struct InTransit {
    NodeId node;
    std::uint64_t task = 0;
    RequestId id;
    Request request;
    decltype(Reply::result) result;
    bool linearizable = true;  // a read that was promised to be, when it was answered
  };

  void StartNext(std::size_t index);
  void StartOperation(std::size_t index);
  void Send(std::size_t index);
  void SendTo(std::size_t index, NodeId target);
  void SetTimer(std::size_t index, Duration delay);
  void Timer(std::size_t index, std::uint64_t timer);
  void RetryOrEnd(std::size_t index, Duration delay);
  void TryNextNode(Client& client);

  void ArriveAtNode(const Event& event);
  void ArriveAtClient(const Event& event);
  void Receive(std::size_t index, NodeId from, const kv::CommandResult& result);
  void Receive(std::size_t index, NodeId from, const ReadResult& result);
  void Receive(std::size_t index, NodeId from, const MembershipChanged& changed);
  void Receive(std::size_t index, NodeId from, const LeadershipTransferred& transferred);
  void Receive(std::size_t index, NodeId from, const Refusal& refusal);

  std::variant<kv::OpenSession, kv::Transact, Read> MakeBody(Client& client, const Task& task,
                                                             history::Operation& record);
  kv::Transaction MakeTransaction(Client& client, const Task& task, history::Operation& record);
  std::string MakeValue(const Task& task, std::size_t position) const;
  void Learn(Client& client, const history::Operation& record, const PlannedOperation& operation);

  static void FillIn(const kv::TransactionResult& done, history::Operation& record);
  void EndOk(std::size_t index);
  // Ends the task unanswered: certainly not done, or perhaps.
  void EndWithout(std::size_t index);
  void End(std::size_t index);
  bool Retryable(const Client& client, const Task& task) const;

  std::uint64_t Hold(InTransit in_transit);
  InTransit Release(std::uint64_t slot);
  SimTime now() const { return scheduler_.now(); }

  const Plan& plan_;
  Scheduler& scheduler_;
  Network& network_;
  Judge& judge_;
  Trace& trace_;
  ProbeCounts& probes_;
  story::Teller& story_;
  std::function<bool(NodeId, Request, Duration)> submit_;

  std::vector<Client> clients_;
  std::map<RequestId, Attempt> attempts_;  // at nodes, or lost with them
  std::vector<InTransit> slots_;
  std::vector<std::uint64_t> free_slots_;
  RequestId last_request_;
  std::uint64_t last_task_ = 0;
  std::uint64_t last_timer_ = 0;
  std::int64_t next_process_ = 0;
  std::uint64_t busy_ = 0;  // operations begun and not ended
  SimTime last_end_;
  bool patient_ = false;
  ClientCounts counts_;
  history::History history_;
  std::vector<std::pair<std::size_t, kv::Transact>> unknown_;  // by position in history_
};

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_CLIENT_H_
