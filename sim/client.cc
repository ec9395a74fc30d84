#include "sim/client.h"

#include <algorithm>
#include <utility>

#include "core/kv/requests.h"
#include "sim/describe.h"
#include "sim/plan_text.h"

namespace lockstep::sim {
namespace {

std::string KeyName(std::uint64_t key) { return "k" + std::to_string(key); }

// The condition that a key has this value, or that it is absent.
kv::Condition Expecting(const std::string& key, const history::Value& value) {
  kv::Condition condition;
  condition.key = key;
  if (value.has_value()) {
    condition.value = *value;
  } else {
    condition.target = kv::Target::kVersion;
  }
  return condition;
}

history::Value ValueOf(const std::optional<kv::KeyValue>& key_value) {
  return key_value.has_value() ? history::Value(key_value->value) : std::nullopt;
}

bool Writes(ClientAction action) { return action != ClientAction::kGet; }

// Whether the command's bytes can be no other command's: only then can its entry be recognised.
bool IsUnique(const kv::Transact& transact) {
  const auto is_put = [](const kv::Operation& operation) {
    return std::holds_alternative<kv::Put>(operation);
  };
  return transact.session != SessionId() ||
         std::any_of(transact.transaction.then.begin(), transact.transaction.then.end(), is_put);
}

}  // namespace

Clients::Clients(const Plan& plan, Random random, Scheduler& scheduler, Network& network,
                 Judge& judge, Trace& trace, ProbeCounts& probes, story::Teller& story,
                 std::function<bool(NodeId, Request, Duration)> submit)
    : plan_(plan),
      scheduler_(scheduler),
      network_(network),
      judge_(judge),
      trace_(trace),
      probes_(probes),
      story_(story),
      submit_(std::move(submit)),
      clients_(static_cast<std::size_t>(plan.settings.clients)) {
  history_.model = history::Model::kStore;
  history_.name = "seed-" + std::to_string(plan.seed);
  history_.source = "lockstep-sim";
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    Client& client = clients_[i];
    client.random = random.Child(i);
    client.reads = random.Child(clients_.size() + i);
    client.process = next_process_++;
    client.in_session =
        client.random.Chance(static_cast<std::uint64_t>(plan.settings.session_permille), 1000);
    TryNextNode(client);
  }
}

void Clients::Begin(const PlannedOperation& operation) {
  ++busy_;
  clients_[operation.client].queue.push_back(&operation);
  StartNext(operation.client);
}

void Clients::StartNext(std::size_t index) {
  Client& client = clients_[index];
  if (client.task.has_value() || client.queue.empty() || client.pauses > 0) {
    return;
  }
  Task& task = client.task.emplace(Task{});
  task.operation = client.queue.front();
  client.queue.pop_front();
  task.begun = now();
  task.give_up = now() + Microseconds(plan_.settings.patience_us);
  task.opening = client.in_session && !client.session.has_value() && Writes(task.operation->action);
  if (task.opening) {
    task.number = ++last_task_;
    task.body = kv::OpenSession{.time_to_live = Microseconds(plan_.settings.session_ttl_us)};
    Send(index);
  } else {
    StartOperation(index);
  }
}

void Clients::StartOperation(std::size_t index) {
  Client& client = clients_[index];
  Task& task = *client.task;
  task.number = ++last_task_;
  task.opening = false;
  task.attempts = 0;
  task.unresolved = 0;
  task.record = history_.operations.size();
  history::Operation& record = history_.operations.emplace_back();
  record.client = client.process;
  record.called_at = now().ns;
  task.body = MakeBody(client, task, record);
  story_.Invoked(index, task.record, record);
  Send(index);
}

std::variant<kv::OpenSession, kv::Transact, Read> Clients::MakeBody(Client& client,
                                                                    const Task& task,
                                                                    history::Operation& record) {
  const PlannedOperation& operation = *task.operation;
  if (operation.action == ClientAction::kGet) {
    Read read{.keys = {}, .consistency = operation.consistency, .max_age = operation.max_age};
    record.linearizable = operation.consistency == Consistency::kLinearizable ||
                          operation.consistency == Consistency::kLease;
    for (const std::uint64_t key : operation.keys) {
      read.keys.push_back(KeyName(key));
    }
    if (read.keys.size() == 1) {
      record.action = history::Action::kGet;
      record.key = read.keys.front();
    } else {
      record.action = history::Action::kTxn;
      for (const std::string& key : read.keys) {
        record.steps.push_back({.kind = history::Step::Kind::kRead, .key = key, .value = {}});
      }
    }
    return read;
  }
  kv::Transact transact;
  if (client.in_session && client.session.has_value()) {
    // Outcomes of earlier commands are known or given up: no reply of theirs is waited for.
    transact.session = *client.session;
    transact.acknowledged = client.last_sequence;
    transact.sequence = ++client.last_sequence;
  }
  transact.transaction = MakeTransaction(client, task, record);
  return transact;
}

kv::Transaction Clients::MakeTransaction(Client& client, const Task& task,
                                         history::Operation& record) {
  const PlannedOperation& operation = *task.operation;
  const std::string key = KeyName(operation.keys.front());
  const history::Value believed = client.believed[operation.keys.front()];
  record.key = key;
  switch (operation.action) {
    case ClientAction::kGet:
      break;  // not a command
    case ClientAction::kPut:
      record.action = history::Action::kPut;
      record.value = MakeValue(task, 0);
      return kv::PutTransaction(key, *record.value);
    case ClientAction::kDelete:
      record.action = history::Action::kDelete;
      return kv::DeleteTransaction(key);
    case ClientAction::kPutIfAbsent:
      record.action = history::Action::kCas;
      record.value = MakeValue(task, 0);
      return kv::PutIfAbsentTransaction(key, *record.value);
    case ClientAction::kCompareAndSet:
      record.action = history::Action::kCas;
      record.expected = believed;
      record.value = MakeValue(task, 0);
      return kv::CompareAndSetTransaction(key, believed, *record.value);
    case ClientAction::kTransaction:
    case ClientAction::kTransfer:
      break;
  }

  using Kind = history::Step::Kind;
  const bool transfer = operation.action == ClientAction::kTransfer;
  record.action = transfer ? history::Action::kCondTxn : history::Action::kTxn;
  record.key.clear();
  kv::Transaction transaction;
  if (transfer) {
    transaction.conditions.push_back(Expecting(key, believed));
    record.conditions.push_back(
        {.kind = history::Condition::Kind::kEqual, .key = key, .value = believed});
  }
  for (std::size_t i = 0; i < operation.keys.size(); ++i) {
    const std::string name = KeyName(operation.keys[i]);
    if (transfer) {
      transaction.otherwise.emplace_back(kv::Get{name});
      record.else_steps.push_back({.kind = Kind::kRead, .key = name, .value = {}});
    }
    if (!transfer && i == 0) {
      transaction.then.emplace_back(kv::Get{name});
      record.steps.push_back({.kind = Kind::kRead, .key = name, .value = {}});
    } else if (i > 0 && client.random.Chance(1, 5)) {
      transaction.then.emplace_back(kv::Delete{name});
      record.steps.push_back({.kind = Kind::kWrite, .key = name, .value = std::nullopt});
    } else {
      const std::string value = MakeValue(task, i);
      transaction.then.emplace_back(kv::Put{name, value});
      record.steps.push_back({.kind = Kind::kWrite, .key = name, .value = value});
    }
  }
  if (!transfer && client.random.Chance(1, 3)) {
    // What an operation sees of the ones before it.
    const std::string value = MakeValue(task, operation.keys.size());
    transaction.then.emplace_back(kv::Put{key, value});
    record.steps.push_back({.kind = Kind::kWrite, .key = key, .value = value});
    transaction.then.emplace_back(kv::Get{key});
    record.steps.push_back({.kind = Kind::kRead, .key = key, .value = {}});
  }
  return transaction;
}

// Unique in the run, so that a read tells which write it saw.
std::string Clients::MakeValue(const Task& task, std::size_t position) const {
  std::string value = std::to_string(task.number) + "." + std::to_string(position);
  const auto wanted = static_cast<std::size_t>(plan_.settings.value_bytes);
  if (value.size() < wanted) {
    value.append(wanted - value.size(), 'x');
  }
  return value;
}

void Clients::TryNextNode(Client& client) {
  const auto nodes = static_cast<std::uint64_t>(plan_.settings.nodes);
  client.target = NodeId{1 + client.random.Below(nodes)};
}

void Clients::Send(std::size_t index) {
  Client& client = clients_[index];
  ++client.task->attempts;
  NodeId target = client.target;
  if (std::holds_alternative<Read>(client.task->body) && client.reads.Chance(1, 2)) {
    // Whoever it is, it need not be the leader.
    target = NodeId{1 + client.reads.Below(static_cast<std::uint64_t>(plan_.settings.nodes))};
  }
  SendTo(index, target);
  if (client.duplicating > 0 && (client.in_session || !Writes(client.task->operation->action))) {
    probes_.Count(Probe::kRequestDuplicated);
    SendTo(index,
           NodeId{1 + client.random.Below(static_cast<std::uint64_t>(plan_.settings.nodes))});
  }
  SetTimer(index, Microseconds(plan_.settings.attempt_timeout_us));
}

void Clients::SendTo(std::size_t index, NodeId target) {
  Client& client = clients_[index];
  Task& task = *client.task;
  ++task.unresolved;
  last_request_ = last_request_.Next();
  Request request{.id = last_request_, .deadline = {}, .body = {}};
  std::visit([&](const auto& body) { request.body = body; }, task.body);

  Attempt attempt{.client = index, .task = task.number, .command = {}, .is_read = false};
  if (const auto* open = std::get_if<kv::OpenSession>(&task.body)) {
    attempt.command = *open;
  } else if (const auto* transact = std::get_if<kv::Transact>(&task.body)) {
    attempt.command = *transact;
  } else {
    attempt.is_read = true;
  }
  attempts_.emplace(request.id, std::move(attempt));

  story_.Requested(index, target, request.id,
                   task.opening ? std::nullopt : std::optional<std::uint64_t>(task.record));
  const std::optional<Duration> transit = network_.ClientTransit(index);
  if (transit.has_value()) {
    const std::uint64_t slot = Hold({.node = target,
                                     .task = task.number,
                                     .id = request.id,
                                     .request = std::move(request),
                                     .result = {}});
    scheduler_.After(*transit, EventKind::kRequest, static_cast<std::uint16_t>(target.value), 0,
                     slot);
  } else {
    story_.RequestLost(index, target, request.id, false);
  }
}

void Clients::SetTimer(std::size_t index, Duration delay) {
  clients_[index].task->timer = ++last_timer_;
  scheduler_.After(delay, EventKind::kClientTimer, static_cast<std::uint16_t>(index), 0,
                   last_timer_);
}

void Clients::Handle(const Event& event) {
  switch (event.kind) {
    case EventKind::kRequest:
      return ArriveAtNode(event);
    case EventKind::kReply:
    case EventKind::kClientTimer:
      if (clients_[event.target].pauses > 0) {
        clients_[event.target].waiting.push_back(event);
      } else if (event.kind == EventKind::kReply) {
        ArriveAtClient(event);
      } else {
        Timer(event.target, event.payload);
      }
      return;
    default:
      return;
  }
}

void Clients::ArriveAtNode(const Event& event) {
  InTransit arrived = Release(event.payload);
  const RequestId id = arrived.request.id;
  trace_.Add(id.value);
  if (const auto attempt = attempts_.find(id); attempt != attempts_.end()) {
    story_.Arrived(attempt->second.client, arrived.node, id);
  }
  const Duration patience = Microseconds(plan_.settings.attempt_timeout_us);
  if (!submit_(arrived.node, std::move(arrived.request), patience)) {
    // Nobody listens there: the connection is refused, and the request has certainly done nothing.
    Answer(arrived.node,
           Reply{.id = id,
                 .result = Refusal{
                     .kind = RefusalKind::kNotLeader, .leader = {}, .text = "connection refused"}});
  }
}

void Clients::Answer(NodeId node, Reply reply) {
  const auto found = attempts_.find(reply.id);
  if (found == attempts_.end()) {
    throw Violation("each request is answered once",
                    "node " + std::to_string(node.value) + " has answered request " +
                        std::to_string(reply.id.value) + " again, or nobody sent it",
                    {{.kind = Evidence::Kind::kAnswered, .node = node}});
  }
  const Attempt attempt = std::move(found->second);
  attempts_.erase(found);
  story_.Answered(attempt.client, node, reply);
  if (const auto* result = std::get_if<kv::CommandResult>(&reply.result)) {
    if (attempt.is_read) {
      throw Violation("answers fit their requests", "a read was answered with a command's result",
                      {{.kind = Evidence::Kind::kAnswered, .node = node}});
    }
    judge_.Answered(node, attempt.command, *result);
  } else if (std::holds_alternative<ReadResult>(reply.result)) {
    if (!attempt.is_read) {
      throw Violation("answers fit their requests", "a command was answered with a read's result",
                      {{.kind = Evidence::Kind::kAnswered, .node = node}});
    }
  }
  const auto* read = std::get_if<ReadResult>(&reply.result);
  const bool linearizable =
      read == nullptr || read->path != ReadPath::kLease || judge_.clocks().LeasesHold();
  const std::optional<Duration> transit = network_.ClientTransit(attempt.client);
  if (transit.has_value()) {
    const std::uint64_t slot = Hold({.node = node,
                                     .task = attempt.task,
                                     .id = reply.id,
                                     .request = {},
                                     .result = std::move(reply.result),
                                     .linearizable = linearizable});
    scheduler_.After(*transit, EventKind::kReply, static_cast<std::uint16_t>(attempt.client), 0,
                     slot);
  } else {
    story_.RequestLost(attempt.client, node, reply.id, true);
  }
}

void Clients::ArriveAtClient(const Event& event) {
  const InTransit arrived = Release(event.payload);
  const std::size_t index = event.target;
  story_.Replied(index, arrived.node, arrived.id);
  const Client& client = clients_[index];
  if (!client.task.has_value() || client.task->number != arrived.task) {
    probes_.Count(Probe::kLateReplyIgnored);
    return;
  }
  trace_.Add(arrived.task << 2 | arrived.result.index());
  if (!arrived.linearizable) {
    history_.operations[client.task->record].linearizable = false;
  }
  std::visit([&](const auto& result) { Receive(index, arrived.node, result); }, arrived.result);
}

void Clients::Receive(std::size_t index, NodeId from, const kv::CommandResult& result) {
  Client& client = clients_[index];
  Task& task = *client.task;
  client.target = from;
  if (const auto* opened = std::get_if<kv::SessionOpened>(&result)) {
    client.session = opened->session;
    client.last_sequence = 0;
    probes_.Count(Probe::kSessionOpened);
    StartOperation(index);
    return;
  }
  if (const auto* error = std::get_if<kv::CommandError>(&result)) {
    --task.unresolved;
    switch (*error) {
      case kv::CommandError::kUnknownSession:
        // This attempt did nothing; one before it may have, while the session lived.
        probes_.Count(Probe::kSessionExpired);
        client.session.reset();
        return EndWithout(index);
      case kv::CommandError::kTooManySessions:
      case kv::CommandError::kTooManyUnacknowledged:
        return RetryOrEnd(index, Microseconds(plan_.settings.attempt_timeout_us));
      case kv::CommandError::kAcknowledged:
      case kv::CommandError::kUndecodable:
        throw Violation("answers fit their requests",
                        "a client was told that its command is acknowledged or unreadable");
    }
  }
  const auto& done = std::get<kv::TransactionResult>(result);
  history::Operation& record = history_.operations[task.record];
  FillIn(done, record);
  if (!done.succeeded) {
    probes_.Count(Probe::kTransactionConditionFailed);
    // What it read instead is what the client believes from now on.
    for (std::size_t i = 0; i < done.results.size(); ++i) {
      if (const auto* get = std::get_if<kv::GetResult>(&done.results[i])) {
        client.believed[task.operation->keys[i]] = ValueOf(get->found);
      }
    }
  }
  EndOk(index);
}

void Clients::Receive(std::size_t, NodeId, const MembershipChanged&) {
  throw Violation("answers fit their requests", "a client was told of a change of members");
}

void Clients::Receive(std::size_t, NodeId, const LeadershipTransferred&) {
  throw Violation("answers fit their requests", "a client was told of a change of leaders");
}

void Clients::FillIn(const kv::TransactionResult& done, history::Operation& record) {
  using history::Action;
  record.succeeded = done.succeeded;
  if (record.action == Action::kDelete) {
    record.succeeded = std::get<kv::DeleteResult>(done.results.front()).previous.has_value();
  } else if (record.action == Action::kPut || record.action == Action::kTxn) {
    record.succeeded = false;  // means nothing for these
  }
  if (record.action == Action::kTxn || record.action == Action::kCondTxn) {
    for (const kv::OperationResult& each : done.results) {
      const auto* get = std::get_if<kv::GetResult>(&each);
      history::StepResult& step = record.results.emplace_back();
      step.value = get != nullptr ? ValueOf(get->found) : std::nullopt;
    }
  }
}

void Clients::Receive(std::size_t index, NodeId from, const ReadResult& result) {
  Client& client = clients_[index];
  Task& task = *client.task;
  if (result.path == ReadPath::kQuorum || result.path == ReadPath::kLease) {
    client.target = from;  // the leader
  }
  history::Operation& record = history_.operations[task.record];
  for (std::size_t i = 0; i < result.keys.size(); ++i) {
    const history::Value value = ValueOf(result.keys[i]);
    client.believed[task.operation->keys[i]] = value;
    if (record.action == history::Action::kGet) {
      record.seen = value;
    } else {
      record.results.emplace_back().value = value;
    }
  }
  if (task.attempts > 1) {
    probes_.Count(Probe::kReadDuringLeaderChange);
  }
  EndOk(index);
}

void Clients::Receive(std::size_t index, NodeId from, const Refusal& refusal) {
  Client& client = clients_[index];
  Task& task = *client.task;
  const Duration pause =
      Microseconds(1000 + client.random.Between(0, plan_.settings.attempt_timeout_us / 10));
  switch (refusal.kind) {
    case RefusalKind::kNotLeader:
      probes_.Count(Probe::kRequestRefusedNotLeader);
      --task.unresolved;
      if (refusal.leader != NodeId() && refusal.leader != from) {
        client.target = refusal.leader;
      } else {
        TryNextNode(client);
      }
      return RetryOrEnd(index, pause);
    case RefusalKind::kOverloaded:
      probes_.Count(Probe::kRequestRefusedOverloaded);
      --task.unresolved;
      return RetryOrEnd(index, pause);
    case RefusalKind::kNotReady:
      throw Violation("answers fit their requests", "a client was told to wait for the cluster");
    case RefusalKind::kDropped:
      probes_.Count(Probe::kRequestDropped);
      --task.unresolved;
      return RetryOrEnd(index, pause);
    case RefusalKind::kUnknown:
      probes_.Count(Probe::kRequestUnknown);
      if (!Retryable(client, task)) {
        return EndWithout(index);
      }
      TryNextNode(client);
      return RetryOrEnd(index, pause);
    case RefusalKind::kInvalid:
      throw Violation("valid requests are accepted", "a client was told: " + refusal.text);
  }
}

// A write outside a session may take effect twice if it is sent again while its fate is open.
bool Clients::Retryable(const Client& client, const Task& task) const {
  return task.unresolved == 0 || task.opening || client.in_session ||
         !Writes(task.operation->action);
}

void Clients::RetryOrEnd(std::size_t index, Duration delay) {
  if (!patient_ && now() + delay >= clients_[index].task->give_up) {
    EndWithout(index);
  } else {
    // The timer sends the next attempt.
    SetTimer(index, delay);
  }
}

void Clients::Timer(std::size_t index, std::uint64_t timer) {
  Client& client = clients_[index];
  if (!client.task.has_value() || client.task->timer != timer) {
    return;
  }
  trace_.Add(timer);
  const Task& task = *client.task;
  if (!Retryable(client, task) || (!patient_ && now() >= task.give_up)) {
    EndWithout(index);
    return;
  }
  if (task.unresolved > 0) {
    TryNextNode(client);  // no answer from the last one
  }
  Send(index);
}

void Clients::EndOk(std::size_t index) {
  Client& client = clients_[index];
  history::Operation& record = history_.operations[client.task->record];
  record.outcome = history::Outcome::kOk;
  record.returned_at = now().ns;
  ++counts_.ok;
  if (record.action == history::Action::kPut ||
      (record.action == history::Action::kCas && record.succeeded)) {
    client.believed[client.task->operation->keys.front()] = record.value;
  }
  End(index);
}

void Clients::EndWithout(std::size_t index) {
  Client& client = clients_[index];
  const Task& task = *client.task;
  if (task.opening) {
    // The operation itself was never sent. A session that was opened after all ends by itself.
    ++counts_.failed;
    End(index);
    return;
  }
  history::Operation& record = history_.operations[task.record];
  if (task.unresolved == 0) {
    record.outcome = history::Outcome::kFail;
    record.returned_at = now().ns;
    ++counts_.failed;
    if (const auto* transact = std::get_if<kv::Transact>(&task.body);
        transact != nullptr && IsUnique(*transact)) {
      judge_.Refused(*transact, task.record);
    }
  } else {
    ++counts_.unknown;
    probes_.Count(Probe::kOperationUnknown);
    client.process = next_process_++;
    if (const auto* transact = std::get_if<kv::Transact>(&task.body)) {
      unknown_.emplace_back(task.record, *transact);
    }
  }
  End(index);
}

void Clients::End(std::size_t index) {
  if (const Task& task = *clients_[index].task; !task.opening) {
    story_.Returned(index, task.record, history_.operations[task.record]);
  }
  clients_[index].task.reset();
  --busy_;
  last_end_ = now();
  StartNext(index);
}

history::History Clients::ResolvedHistory(const ExactlyOnce& committed, SimTime end) const {
  history::History resolved = history_;
  for (const auto& [position, transact] : unknown_) {
    if (!IsUnique(transact)) {
      continue;
    }
    history::Operation& record = resolved.operations[position];
    record.returned_at = end.ns;
    const kv::TransactionResult* done = committed.ResultOf(transact);
    if (done != nullptr) {
      record.outcome = history::Outcome::kOk;
      FillIn(*done, record);
    } else {
      record.outcome = history::Outcome::kFail;
    }
  }
  return resolved;
}

void Clients::Pause(std::size_t client) { ++clients_[client].pauses; }

void Clients::Resume(std::size_t client) {
  --clients_[client].pauses;
  if (clients_[client].pauses > 0) {
    return;
  }
  for (const Event& event : std::exchange(clients_[client].waiting, {})) {
    Handle(event);
  }
  StartNext(client);
}

void Clients::Duplicate(std::size_t client, bool on) {
  clients_[client].duplicating += on ? 1 : -1;
}

void Clients::Abandon(std::size_t client) {
  if (clients_[client].task.has_value()) {
    probes_.Count(Probe::kRequestAbandoned);
    EndWithout(client);
  }
}

void Clients::GiveUp() {
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    busy_ -= clients_[i].queue.size();
    clients_[i].queue.clear();
    if (clients_[i].task.has_value()) {
      EndWithout(i);
    }
  }
}

void Clients::Restart(std::size_t index) {
  Client& client = clients_[index];
  client.session.reset();
  client.believed.clear();
  TryNextNode(client);
  Abandon(index);
}

SimTime Clients::waiting_since() const {
  SimTime since = SimTime::Never();
  for (const Client& client : clients_) {
    if (client.task.has_value()) {
      since = std::min(since, client.task->begun);
    }
  }
  return since == SimTime::Never() ? last_end_ : since;
}

std::vector<Evidence> Clients::Waiting() const {
  std::vector<Evidence> waiting;
  for (const Client& client : clients_) {
    if (client.task.has_value() && !client.task->opening) {
      waiting.push_back({.kind = Evidence::Kind::kOperation, .operation = client.task->record});
    }
  }
  return waiting;
}

std::string Clients::DescribeWaiting() const {
  std::string text;
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    if (clients_[i].task.has_value()) {
      text += "client " + std::to_string(i) + " waits for " +
              (clients_[i].task->opening ? "a session before " : "") +
              Describe(*clients_[i].task->operation) + ", attempt " +
              std::to_string(clients_[i].task->attempts) + "\n";
    }
  }
  return text;
}

std::uint64_t Clients::Hold(InTransit in_transit) {
  if (free_slots_.empty()) {
    slots_.push_back(std::move(in_transit));
    return slots_.size() - 1;
  }
  const std::uint64_t slot = free_slots_.back();
  free_slots_.pop_back();
  slots_[slot] = std::move(in_transit);
  return slot;
}

Clients::InTransit Clients::Release(std::uint64_t slot) {
  free_slots_.push_back(slot);
  return std::move(slots_[slot]);
}

}  // namespace lockstep::sim
