#include "server/driver.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "core/assert.h"

namespace lockstep::server {
namespace {

using Clock = std::chrono::steady_clock;

// Inputs handled between two looks at the effects: enough for good batches, few enough that a
// heartbeat does not wait for a whole queue of requests.
constexpr std::size_t kInputsPerBatch = 512;

constexpr Duration kSampleInterval = Milliseconds(50);

std::optional<Clock::time_point> ToTimePoint(Instant instant) {
  if (instant == Instant::Never()) {
    return std::nullopt;
  }
  return Clock::time_point(std::chrono::nanoseconds(instant.ns));
}

std::size_t PayloadBytes(const raft::Message& message) {
  constexpr std::size_t kEnvelope = 128;
  std::size_t bytes = kEnvelope;
  if (const auto* append = std::get_if<raft::AppendEntries>(&message.body)) {
    for (const raft::Entry& entry : append->entries) {
      bytes += sizeof(raft::Entry) + entry.payload.size();
    }
  } else if (const auto* snapshot = std::get_if<raft::InstallSnapshot>(&message.body)) {
    bytes += snapshot->data.size();
  }
  return bytes;
}

}  // namespace

Instant Driver::Now() {
  return {std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch())
              .count()};
}

Driver::Driver(Replica replica, DriverOptions options, Disk* disk, PeerSender* sender,
               DriverObserver* observer)
    : options_(options),
      disk_(disk),
      sender_(sender),
      observer_(observer),
      replica_(std::move(replica)),
      deadline_(Now()),
      last_sample_(Now()) {
  reply_thread_ = std::thread([this] { RunReplies(); });
  log_thread_ = std::thread([this] { RunLog(); });
  state_thread_ = std::thread([this] { RunState(); });
  core_thread_ = std::thread([this] { RunCore(); });
}

Driver::~Driver() {
  if (!joined_) {
    Stop(Duration{0});
  }
}

void Driver::Submit(RequestBody body, Instant deadline, ReplyCallback done) {
  if (!accepting_) {
    done(Unserved::kStopping);
    return;
  }
  if (queued_requests_.fetch_add(1) >= options_.queued_requests_max) {
    queued_requests_.fetch_sub(1);
    refused_.fetch_add(1);
    done(Unserved::kQueueFull);
    return;
  }
  Input input = ClientRequest{std::move(body), deadline, std::move(done)};
  if (!inbox_.Put(std::move(input))) {
    queued_requests_.fetch_sub(1);
    std::get<ClientRequest>(input).done(Unserved::kStopping);
  }
}

void Driver::Receive(raft::Message message) {
  const std::size_t bytes = PayloadBytes(message);
  const std::size_t before = queued_peer_bytes_.fetch_add(bytes);
  // One message is always let in, however large: a snapshot must be able to arrive.
  const bool fits = before == 0 || before + bytes <= options_.queued_peer_bytes_max;
  if (!fits || !inbox_.Put(PeerMessage{std::move(message), bytes})) {
    queued_peer_bytes_.fetch_sub(bytes);
    peer_dropped_.fetch_add(1);
  }
}

void Driver::GetStatus(StatusCallback done) {
  Input input = StatusQuery{std::move(done)};
  if (!inbox_.Put(std::move(input))) {
    std::get<StatusQuery>(input).done(nullptr);
  }
}

std::optional<Status> Driver::GetStatusNow(Duration timeout) {
  // Shared with the core thread, which may come to it after this function has given up.
  struct Answer {
    std::mutex mutex;
    std::condition_variable changed;
    bool arrived = false;
    std::optional<Status> status;
  };
  const auto answer = std::make_shared<Answer>();
  GetStatus([answer](const Status* status) {
    {
      const std::lock_guard<std::mutex> lock(answer->mutex);
      answer->arrived = true;
      if (status != nullptr) {
        answer->status = *status;
      }
    }
    answer->changed.notify_one();
  });
  std::unique_lock<std::mutex> lock(answer->mutex);
  answer->changed.wait_until(lock, Clock::now() + std::chrono::nanoseconds(timeout.ns),
                             [&answer] { return answer->arrived; });
  return answer->status;
}

QueueLengths Driver::queues() const {
  QueueLengths lengths;
  lengths.inbox = inbox_.size();
  lengths.requests = queued_requests_;
  lengths.peer_bytes = queued_peer_bytes_;
  lengths.log_writes = log_queue_.size();
  lengths.state_jobs = state_queue_.size();
  lengths.replies = reply_queue_.size();
  lengths.refused = refused_;
  lengths.peer_dropped = peer_dropped_;
  return lengths;
}

bool Driver::Stop(Duration timeout) {
  accepting_ = false;
  const Instant now = Now();
  inbox_.Put(Drain{now + timeout / 2, now + timeout});
  core_thread_.join();
  abandoned_ = !drained_;
  log_queue_.Close();
  state_queue_.Close();
  log_thread_.join();
  state_thread_.join();
  reply_queue_.Close();
  reply_thread_.join();
  joined_ = true;
  return drained_ && !failed_;
}

// The core thread.

void Driver::RunCore() {
  CarryOut(replica_.TakeEffects());
  std::vector<Input> inputs;
  while (!Drained()) {
    const Instant until =
        drain_ ? std::min({deadline_, drain_->answer_until, drain_->stop_at}) : deadline_;
    if (!inbox_.TakeAll(ToTimePoint(until), &inputs)) {
      break;  // the disk has failed
    }
    HandleAll(std::exchange(inputs, {}));
  }
  inbox_.Close();
  AnswerTheRest();
}

void Driver::HandleAll(std::vector<Input> inputs) {
  std::size_t in_batch = 0;
  for (Input& input : inputs) {
    std::visit([this](auto& one) { Handle(std::move(one)); }, input);
    if (++in_batch == kInputsPerBatch) {
      in_batch = 0;
      replica_.Advance(Now());
      CarryOut(replica_.TakeEffects());
    }
  }
  replica_.Advance(Now());
  CarryOut(replica_.TakeEffects());
}

void Driver::Handle(ClientRequest request) {
  queued_requests_.fetch_sub(1);
  last_request_ = last_request_.Next();
  pending_.emplace(last_request_, std::move(request.done));
  replica_.Submit(Request{last_request_, request.deadline, std::move(request.body)}, Now());
}

void Driver::Handle(PeerMessage message) {
  queued_peer_bytes_.fetch_sub(message.bytes);
  replica_.Receive(message.message, Now());
}

void Driver::Handle(LogPersisted persisted) { replica_.Persisted(persisted.id, Now()); }

void Driver::Handle(CheckpointDone id) {
  --state_writes_under_way_;
  replica_.CheckpointStored(id, Now());
}

void Driver::Handle(InstallationDone done) {
  --state_writes_under_way_;
  replica_.SnapshotInstalled(done.id, Now());
}

void Driver::Handle(SnapshotForPeer snapshot) {
  replica_.SnapshotRead(snapshot.peer, std::move(snapshot.snapshot), Now());
}

void Driver::Handle(StatusQuery query) {
  const Status status = replica_.GetStatus(Now());
  query.done(&status);
}

void Driver::Handle(Drain drain) { drain_ = drain; }

void Driver::CarryOut(Effects effects) {
  if (effects.write) {
    log_queue_.Put(std::move(*effects.write));
  }
  if (effects.membership) {
    sender_->SetMembership(effects.membership->membership);
  }
  if (!effects.messages.empty()) {
    sender_->Send(std::move(effects.messages));
  }
  for (Reply& reply : effects.replies) {
    const auto pending = pending_.find(reply.id);
    CORE_ASSERT(pending != pending_.end());  // each accepted request gets exactly one
    ReplyResult result =
        std::visit([](auto& one) { return ReplyResult(std::move(one)); }, reply.result);
    reply_queue_.Put(ReadyReply{std::move(pending->second), std::move(result)});
    pending_.erase(pending);
  }
  // In the order of their ids, which a checkpoint and an installation share.
  const bool installation_first = effects.checkpoint && effects.installation &&
                                  effects.installation->id < effects.checkpoint->id;
  if (effects.installation && installation_first) {
    ++state_writes_under_way_;
    state_queue_.Put(std::move(*effects.installation));
  }
  if (effects.checkpoint) {
    ++state_writes_under_way_;
    state_queue_.Put(std::move(*effects.checkpoint));
  }
  if (effects.installation && !installation_first) {
    ++state_writes_under_way_;
    state_queue_.Put(std::move(*effects.installation));
  }
  for (const NodeId peer : effects.snapshots_wanted) {
    state_queue_.Put(SnapshotWanted{peer});
  }
  deadline_ = effects.deadline;
  Observe(effects.events);
  if (effects.diverged) {
    observer_->OnDiverged(*effects.diverged);
  }
  if (effects.expelled) {
    observer_->OnExpelled(*effects.expelled);
  }
}

void Driver::Observe(const std::vector<Event>& events) {
  const Instant now = Now();
  const bool sample = now - last_sample_ >= kSampleInterval;
  if (events.empty() && !sample) {
    return;
  }
  const Status status = replica_.GetStatus(now);
  term_ = status.term.value;
  if (!events.empty()) {
    observer_->OnEvents(events, status);
  }
  if (sample) {
    last_sample_ = now;
    observer_->OnSample(status);
  }
}

// Whether a stop that was asked for has come to its end, done or out of time.
bool Driver::Drained() {
  if (!drain_) {
    return false;
  }
  const Instant now = Now();
  if (!last_checkpoint_requested_ && (pending_.empty() || now >= drain_->answer_until) &&
      now < drain_->stop_at) {
    last_checkpoint_requested_ = true;
    drain_->answer_until = Instant::Never();
    replica_.RequestCheckpoint(now);
    CarryOut(replica_.TakeEffects());
  }
  const bool finished = last_checkpoint_requested_ && state_writes_under_way_ == 0;
  drained_ = finished && pending_.empty();
  return finished || now >= drain_->stop_at;
}

void Driver::AnswerTheRest() {
  std::vector<Input> inputs;
  inbox_.TakeAll(std::nullopt, &inputs);
  for (Input& input : inputs) {
    if (auto* request = std::get_if<ClientRequest>(&input)) {
      queued_requests_.fetch_sub(1);
      reply_queue_.Put(ReadyReply{std::move(request->done), Unserved::kStopping});
    } else if (auto* query = std::get_if<StatusQuery>(&input)) {
      query->done(nullptr);
    }
  }
  for (auto& [id, done] : pending_) {
    reply_queue_.Put(ReadyReply{std::move(done), Unserved::kOutcomeUnknown});
  }
  pending_.clear();
}

// The log thread.

void Driver::RunLog() {
  std::vector<raft::Write> writes;
  while (log_queue_.TakeAll(std::nullopt, &writes)) {
    const Instant begin = Now();
    if (const absl::Status status = disk_->Save(writes); !status.ok()) {
      Fail(status);
      return;
    }
    std::size_t entries = 0;
    for (const raft::Write& write : writes) {
      entries += write.entries.size();
    }
    observer_->OnLogSync(Now() - begin, writes.size(), entries);
    inbox_.Put(LogPersisted{writes.back().id});
    writes.clear();
    if (log_queue_.size() == 0) {
      if (const absl::Status status = disk_->TidyLog(); !status.ok()) {
        Fail(status);
        return;
      }
    }
  }
}

// The state thread.

void Driver::RunState() {
  std::vector<StateJob> jobs;
  while (state_queue_.TakeAll(std::nullopt, &jobs)) {
    for (StateJob& job : jobs) {
      if (abandoned_) {
        return;
      }
      const absl::Status status = std::visit([this](auto& one) { return Do(std::move(one)); }, job);
      if (!status.ok()) {
        Fail(status);
        return;
      }
    }
    jobs.clear();
  }
}

absl::Status Driver::Do(Checkpoint checkpoint) {
  const Instant begin = Now();
  absl::Status status = disk_->Store(checkpoint.delta);
  if (status.ok()) {
    observer_->OnCheckpoint(Now() - begin);
    inbox_.Put(CheckpointDone(checkpoint.id));
  }
  return status;
}

absl::Status Driver::Do(Installation installation) {
  const Instant begin = Now();
  absl::Status status = disk_->Install(*installation.image);
  if (status.ok()) {
    observer_->OnInstallation(Now() - begin);
    inbox_.Put(InstallationDone{installation.id});
  }
  return status;
}

absl::Status Driver::Do(SnapshotWanted wanted) {
  const Instant begin = Now();
  absl::StatusOr<Snapshot> snapshot = disk_->ReadSnapshot();
  if (snapshot.ok()) {
    observer_->OnSnapshotRead(Now() - begin, snapshot->data.size());
    inbox_.Put(SnapshotForPeer{wanted.peer, *std::move(snapshot)});
  }
  return snapshot.status();
}

// The reply thread.

void Driver::RunReplies() {
  std::vector<ReadyReply> replies;
  while (reply_queue_.TakeAll(std::nullopt, &replies)) {
    for (ReadyReply& reply : replies) {
      reply.done(std::move(reply.result));
    }
    replies.clear();
  }
}

void Driver::Fail(const absl::Status& status) {
  if (failed_.exchange(true)) {
    return;
  }
  accepting_ = false;
  inbox_.Close();
  observer_->OnDiskFailure(status);
}

}  // namespace lockstep::server
