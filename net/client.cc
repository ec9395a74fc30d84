#include "net/client.h"

#include <grpcpp/client_context.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <random>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/random.h"
#include "net/client_session.h"
#include "net/endpoints.h"
#include "net/kv_codec.h"
#include "net/proto/kv.grpc.pb.h"
#include "net/status.h"

namespace lockstep::net {
namespace {

using Clock = std::chrono::steady_clock;
using KvAsync = v1::Kv::StubInterface::async_interface;
using ClusterAsync = v1::Cluster::StubInterface::async_interface;

template <class Async, class Request, class Response>
using Method = void (Async::*)(grpc::ClientContext*, const Request*, Response*,
                               std::function<void(grpc::Status)>);

// One call of the user, with all its attempts.
struct Call {
  Clock::time_point deadline;
  Duration backoff;
  bool redirected = false;  // without a pause since the last one
  std::string last_error;   // of the last attempt, for people
  bool patient = false;     // one attempt may take all of the time
};

Duration Until(Clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(deadline - Clock::now());
  return {std::max<std::int64_t>(left.count(), 0)};
}

// A gRPC call's end, which its callback reports to the thread that waits for it.
class Completion {
 public:
  void Set(grpc::Status status) {
    const std::lock_guard<std::mutex> lock(mutex_);
    status_ = std::move(status);
    ended_.notify_one();  // with the mutex: Wait() may not return, and end this, before
  }

  grpc::Status Wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    ended_.wait(lock, [this] { return status_.has_value(); });
    return *status_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable ended_;
  std::optional<grpc::Status> status_;
};

std::string Describe(const std::string& address, const Error& error) {
  return absl::StrFormat("%s: %s: %s", address, Name(error.kind), error.text);
}

Error ClosedError() {
  return {.kind = ErrorKind::kClosed, .certain = true, .text = "the client was closed"};
}

Error DeadlineError() {
  return {.kind = ErrorKind::kDeadline, .certain = true, .text = "the time was over"};
}

absl::Status CheckPositive(Duration duration, const char* name) {
  if (duration.ns <= 0) {
    return absl::InvalidArgumentError(absl::StrCat(name, " is not above 0"));
  }
  return absl::OkStatus();
}

absl::Status Check(const ClientOptions& options) {
  if (options.endpoints.empty() && options.discovery_srv.empty()) {
    return absl::InvalidArgumentError("endpoints is empty, and no discovery_srv is given");
  }
  if (!options.endpoints.empty() && !options.discovery_srv.empty()) {
    return absl::InvalidArgumentError("endpoints and discovery_srv contradict each other");
  }
  if (!options.discovery_srv.empty()) {
    if (absl::Status status = CheckDomain(options.discovery_srv); !status.ok()) {
      return status;
    }
  }
  if (!options.dns.server.empty()) {
    if (absl::Status status = CheckDnsServer(options.dns.server); !status.ok()) {
      return status;
    }
  }
  for (const std::string& endpoint : options.endpoints) {
    if (endpoint.empty()) {
      return absl::InvalidArgumentError("endpoints holds an empty one");
    }
  }
  const std::pair<Duration, const char*> durations[] = {
      {options.call_timeout, "call_timeout"},       {options.attempt_timeout, "attempt_timeout"},
      {options.connect_timeout, "connect_timeout"}, {options.backoff_min, "backoff_min"},
      {options.backoff_max, "backoff_max"},         {options.dns.timeout, "dns.timeout"},
  };
  for (const auto& [duration, name] : durations) {
    if (absl::Status status = CheckPositive(duration, name); !status.ok()) {
      return status;
    }
  }
  if (options.backoff_max < options.backoff_min) {
    return absl::InvalidArgumentError("backoff_max is below backoff_min");
  }
  if (options.session_time_to_live < Milliseconds(1)) {
    return absl::InvalidArgumentError("session_time_to_live is below 1 ms");
  }
  if (options.calls_in_flight_max == 0) {
    return absl::InvalidArgumentError("calls_in_flight_max is 0");
  }
  return absl::OkStatus();
}

std::optional<kv::KeyValue> DecodeOptional(bool present, const v1::KeyValue& key_value) {
  return present ? std::make_optional(DecodeKeyValue(key_value)) : std::nullopt;
}

// The same outcome, with `map` applied to its value.
template <class To, class From, class Map>
Outcome<To> Mapped(const Outcome<From>& from, Map map) {
  if (from.not_done() != nullptr) {
    return *from.not_done();
  }
  if (from.unknown() != nullptr) {
    return *from.unknown();
  }
  return map(from.value());
}

template <class Response>
ConditionalReply DecodeConditional(const Response& response) {
  return {{response.header().revision()},
          response.succeeded(),
          DecodeOptional(response.has_current(), response.current())};
}

}  // namespace

class Client::Impl {
 public:
  explicit Impl(ClientOptions options)
      : options_(std::move(options)),
        endpoints_(options_.endpoints),
        random_((std::uint64_t{std::random_device()()} << 32) | std::random_device()()) {}

  ~Impl() {
    Close();
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return calls_ == 0; });
  }

  // Executes a write once, however often it has to be sent.
  template <class Request, class Response>
  Outcome<Response> Write(Method<KvAsync, Request, Response> method, Request request,
                          const CallOptions& options) {
    Call call = Begin(options);
    const Turn turn(this, call.deadline);
    if (const std::optional<Error> error = CheckStart(turn, request, call)) {
      return End<Response>(*error, false, call);
    }
    bool maybe_done = false;  // an attempt may have taken effect
    Ticket ticket(this);
    while (true) {
      if (const std::optional<Error> over = Over(call)) {
        return End<Response>(*over, maybe_done, call);
      }
      // Once taken, it stays; before, nothing was sent.
      if (const std::optional<Error> error = ticket.Take(call)) {
        return End<Response>(*error, maybe_done, call);
      }
      ticket.Stamp(request.mutable_session());
      Response response;
      const std::shared_ptr<Endpoints::Node> node = NextNode(&call);
      if (node == nullptr) {
        continue;
      }
      const std::optional<Error> error =
          Ask(method, node->kv->async(), *node, request, &response, call);
      if (!error) {
        return response;
      }
      maybe_done = maybe_done || !error->certain;
      switch (error->kind) {
        case ErrorKind::kInvalid:
        case ErrorKind::kAcknowledged:
          return End<Response>(*error, maybe_done, call);
        case ErrorKind::kUnknownSession:
          ticket.ForgetSession();
          // Without its session nobody can tell any more whether an earlier attempt was executed.
          if (maybe_done) {
            return End<Response>(*error, maybe_done, call);
          }
          Pause(&call);
          break;
        default:
          TryElsewhere(*node, *error, &call);
      }
    }
  }

  // Asks until there is an answer. For what may be asked any number of times.
  template <class Request, class Response>
  Outcome<Response> Repeat(Method<KvAsync, Request, Response> method, const Request& request,
                           Call* call) {
    while (true) {
      if (const std::optional<Error> over = Over(*call)) {
        return End<Response>(*over, false, *call);
      }
      Response response;
      const std::shared_ptr<Endpoints::Node> node = NextNode(call);
      if (node == nullptr) {
        continue;
      }
      const std::optional<Error> error =
          Ask(method, node->kv->async(), *node, request, &response, *call);
      if (!error) {
        return response;
      }
      if (error->kind == ErrorKind::kInvalid) {
        return End<Response>(*error, false, *call);
      }
      TryElsewhere(*node, *error, call);
    }
  }

  Outcome<v1::GetResponse> Get(const v1::GetRequest& request, const CallOptions& options) {
    Call call = Begin(options);
    const Turn turn(this, call.deadline);
    if (const std::optional<Error> error = CheckStart(turn, request, call)) {
      return End<v1::GetResponse>(*error, false, call);
    }
    return Repeat(Method<KvAsync, v1::GetRequest, v1::GetResponse>(&KvAsync::Get), request, &call);
  }

  enum class Repeatable : std::uint8_t { kNo, kYes };

  // Asks for something of the Cluster service until there is an answer, or it may have been done.
  template <class Request, class Response>
  Outcome<Response> Administer(Method<ClusterAsync, Request, Response> method,
                               const Request& request, Repeatable repeatable,
                               const CallOptions& options) {
    Call call = Begin(options);
    call.patient = repeatable == Repeatable::kNo;
    const Turn turn(this, call.deadline);
    if (const std::optional<Error> error = CheckStart(turn, request, call)) {
      return End<Response>(*error, false, call);
    }
    bool maybe_done = false;
    while (true) {
      if (const std::optional<Error> over = Over(call)) {
        return End<Response>(*over, maybe_done, call);
      }
      Response response;
      const std::shared_ptr<Endpoints::Node> node = NextNode(&call);
      if (node == nullptr) {
        continue;
      }
      const std::optional<Error> error =
          Ask(method, node->cluster->async(), *node, request, &response, call);
      if (!error) {
        return response;
      }
      maybe_done = maybe_done || !error->certain;
      if (error->kind == ErrorKind::kInvalid || (maybe_done && repeatable == Repeatable::kNo)) {
        return End<Response>(*error, maybe_done, call);
      }
      TryElsewhere(*node, *error, &call);
    }
  }

  Outcome<v1::StatusResponse> Status(const std::string& endpoint, const CallOptions& options) {
    Call call = Begin(options);
    const Turn turn(this, call.deadline);
    const v1::StatusRequest request;
    if (const std::optional<Error> error = CheckStart(turn, request, call)) {
      return End<v1::StatusResponse>(*error, false, call);
    }
    v1::StatusResponse response;
    const std::shared_ptr<Endpoints::Node> node = endpoints_.At(endpoint);
    const std::optional<Error> error =
        Ask(Method<ClusterAsync, v1::StatusRequest, v1::StatusResponse>(&ClusterAsync::Status),
            node->cluster->async(), *node, request, &response, call);
    if (error) {
      return End<v1::StatusResponse>(*error, false, call);
    }
    return response;
  }

  void Close() {
    const std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
    for (grpc::ClientContext* context : contexts_) {
      context->TryCancel();
    }
    changed_.notify_all();
    paused_.notify_all();
  }

 private:
  // The right to make one call, one of calls_in_flight_max. Taken when the constructor returns,
  // unless the call is over before.
  class Turn {
   public:
    Turn(Impl* impl, Clock::time_point deadline) : impl_(impl) {
      std::unique_lock<std::mutex> lock(impl_->mutex_);
      ++impl_->calls_;
      impl_->changed_.wait_until(lock, deadline, [this] {
        return impl_->closed_ || impl_->turns_ < impl_->options_.calls_in_flight_max;
      });
      taken_ = !impl_->closed_ && impl_->turns_ < impl_->options_.calls_in_flight_max &&
               Clock::now() < deadline;
      impl_->turns_ += taken_ ? 1 : 0;
    }
    ~Turn() {
      const std::lock_guard<std::mutex> lock(impl_->mutex_);
      impl_->turns_ -= taken_ ? 1 : 0;
      --impl_->calls_;
      impl_->changed_.notify_all();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

    bool taken() const { return taken_; }

   private:
    Impl* const impl_;
    bool taken_ = false;
  };

  // A write's place in a session: the same one for all its attempts.
  class Ticket {
   public:
    explicit Ticket(Impl* impl) : impl_(impl) {}
    ~Ticket() { GiveBack(); }
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;

    // Opens a session if there is none. Nullopt once there is a place in one.
    std::optional<Error> Take(Call& call) {
      if (session_ != nullptr) {
        return std::nullopt;
      }
      std::shared_ptr<ClientSession> session;
      if (std::optional<Error> error = impl_->FindSession(&call, &session)) {
        return error;
      }
      std::unique_lock<std::mutex> lock(impl_->mutex_);
      std::optional<std::uint64_t> sequence;
      impl_->changed_.wait_until(lock, call.deadline, [this, &session, &sequence] {
        if (!impl_->closed_ && !sequence) {
          sequence = session->Begin();
        }
        return impl_->closed_ || sequence.has_value();
      });
      if (!sequence) {
        return impl_->closed_ ? ClosedError() : DeadlineError();
      }
      session_ = std::move(session);
      sequence_ = *sequence;
      return std::nullopt;
    }

    void Stamp(v1::Session* session) const {
      session->set_id(session_->id().value);
      session->set_sequence(sequence_);
      session->set_acknowledged(session_->Acknowledged());
    }

    void ForgetSession() {
      {
        const std::lock_guard<std::mutex> lock(impl_->mutex_);
        if (impl_->session_ == session_) {
          impl_->session_ = nullptr;
        }
      }
      GiveBack();
    }

   private:
    void GiveBack() {
      if (session_ == nullptr) {
        return;
      }
      const std::lock_guard<std::mutex> lock(impl_->mutex_);
      session_->Finish(sequence_);
      session_ = nullptr;
      impl_->changed_.notify_all();
    }

    Impl* const impl_;
    std::shared_ptr<ClientSession> session_;
    std::uint64_t sequence_ = 0;
  };

  Call Begin(const CallOptions& options) const {
    const Duration timeout = options.timeout.value_or(options_.call_timeout);
    return {Clock::now() + std::chrono::nanoseconds(timeout.ns), options_.backoff_min, false, "",
            false};
  }

  bool closed() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return closed_;
  }

  std::optional<Error> Over(const Call& call) const {
    if (closed()) {
      return ClosedError();
    }
    if (Clock::now() >= call.deadline) {
      return DeadlineError();
    }
    return std::nullopt;
  }

  // Why not even a first attempt is made; nullopt if there is no reason.
  template <class Request>
  std::optional<Error> CheckStart(const Turn& turn, const Request& request,
                                  const Call& call) const {
    if (!turn.taken()) {
      return Over(call);
    }
    // gRPC would refuse it on the other side, and say nothing of certainty.
    if (const std::size_t bytes = request.ByteSizeLong(); bytes > kRequestBytesMax) {
      return InvalidError(absl::StrFormat("the request has %u bytes; the limit of a message is %u",
                                          bytes, kRequestBytesMax));
    }
    return std::nullopt;
  }

  template <class T>
  static Outcome<T> End(const Error& error, bool maybe_done, const Call& call) {
    std::string reason = error.text;
    const bool own = error.kind == ErrorKind::kDeadline || error.kind == ErrorKind::kClosed;
    if (own && !call.last_error.empty()) {
      reason += absl::StrCat(" (last: ", call.last_error, ")");
    }
    if (maybe_done) {
      return Unknown{error.kind, std::move(reason)};
    }
    return NotDone{error.kind, std::move(reason)};
  }

  // Whom to ask. Null, after a pause, if DNS has yet to tell.
  std::shared_ptr<Endpoints::Node> NextNode(Call* call) {
    if (!options_.discovery_srv.empty()) {
      if (const absl::Status status = LookUpMembers(call); !status.ok()) {
        call->last_error = std::string(status.message());
      }
    }
    std::shared_ptr<Endpoints::Node> node = endpoints_.Current();
    if (node == nullptr) {
      Pause(call);
    }
    return node;
  }

  // Asks DNS if nothing is known yet, or if nobody that is known has helped. What is known is kept
  // if there is no answer.
  absl::Status LookUpMembers(Call* call) {
    constexpr std::chrono::seconds kLookUpAgain(1);
    const std::unique_lock<std::timed_mutex> lock(lookup_mutex_, call->deadline);
    if (!lock.owns_lock()) {
      return absl::OkStatus();  // another call looks it up, and this one is over
    }
    const std::uint64_t rounds = endpoints_.Rounds();
    const bool known = endpoints_.Current() != nullptr;
    const auto now = Clock::now();
    if (known && (rounds == looked_up_in_round_ || now < looked_up_at_ + kLookUpAgain)) {
      return absl::OkStatus();
    }
    DnsOptions dns = options_.dns;
    dns.timeout = std::min(dns.timeout, Until(call->deadline));
    const absl::StatusOr<std::vector<std::string>> found =
        LookUpService(kClientService, options_.discovery_srv, dns);
    looked_up_at_ = now;
    looked_up_in_round_ = rounds;
    if (!found.ok()) {
      return found.status();
    }
    endpoints_.Replace(*found);
    return absl::OkStatus();
  }

  // One attempt. Nullopt: it is done.
  template <class Async, class Request, class Response>
  std::optional<Error> Ask(Method<Async, Request, Response> method, Async* async,
                           const Endpoints::Node& node, const Request& request, Response* response,
                           Call& call) {
    const std::optional<Error> error = Send(method, async, node, request, response, call);
    if (error) {
      call.last_error = Describe(node.address, *error);
    }
    return error;
  }

  template <class Async, class Request, class Response>
  std::optional<Error> Send(Method<Async, Request, Response> method, Async* async,
                            const Endpoints::Node& node, const Request& request, Response* response,
                            const Call& call) {
    const Duration connect_timeout = std::min(options_.connect_timeout, Until(call.deadline));
    if (!Endpoints::Connect(node, connect_timeout, [this] { return closed(); })) {
      return Error{.kind = ErrorKind::kUnreachable, .certain = true, .text = "no connection"};
    }
    grpc::ClientContext context;
    const Duration left = Until(call.deadline);
    const Duration timeout = call.patient ? left : std::min(options_.attempt_timeout, left);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::nanoseconds(timeout.ns));
    Completion completion;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (closed_) {
        return ClosedError();
      }
      contexts_.insert(&context);
    }
    (async->*method)(&context, &request, response,
                     [&completion](grpc::Status status) { completion.Set(std::move(status)); });
    const grpc::Status status = completion.Wait();
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      contexts_.erase(&context);
    }
    if (status.ok()) {
      return std::nullopt;
    }
    return ErrorOf(status, context);
  }

  // After an error that another attempt may mend: sees to it that it goes to the right node, and
  // not too soon.
  void TryElsewhere(const Endpoints::Node& node, const Error& error, Call* call) {
    switch (error.kind) {
      case ErrorKind::kNotLeader:
        if (!error.leader_address.empty() && error.leader_address != node.address) {
          endpoints_.Follow(error.leader_address);
          // At once, but not in circles.
          if (!call->redirected) {
            call->redirected = true;
            return;
          }
        } else {
          endpoints_.Leave(node);
        }
        break;
      case ErrorKind::kOverloaded:
      case ErrorKind::kDropped:
      case ErrorKind::kNotReady:
      case ErrorKind::kTooManyUnacknowledged:
      case ErrorKind::kTooManySessions:
        break;  // the right node, at the wrong time
      default:
        endpoints_.Leave(node);
    }
    Pause(call);
  }

  void Pause(Call* call) {
    call->redirected = false;
    std::unique_lock<std::mutex> lock(mutex_);
    const std::int64_t less = random_.Between(0, call->backoff.ns / 2);
    const auto until = Clock::now() + std::chrono::nanoseconds(call->backoff.ns - less);
    call->backoff = std::min(call->backoff * 2, options_.backoff_max);
    paused_.wait_until(lock, std::min(until, call->deadline), [this] { return closed_; });
  }

  // The session, which the first thread that finds none opens while the others wait.
  std::optional<Error> FindSession(Call* call, std::shared_ptr<ClientSession>* session) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      const bool settled = changed_.wait_until(lock, call->deadline, [this] {
        return closed_ || session_ != nullptr || !opening_session_;
      });
      if (!settled || closed_) {
        return closed_ ? ClosedError() : DeadlineError();
      }
      if (session_ != nullptr) {
        *session = session_;
        return std::nullopt;
      }
      opening_session_ = true;
    }
    v1::OpenSessionRequest request;
    request.set_time_to_live_ms(options_.session_time_to_live.ns / Milliseconds(1).ns);
    // A session that was opened and whose reply was lost is left to expire.
    const Outcome<v1::OpenSessionResponse> opened = Repeat(
        Method<KvAsync, v1::OpenSessionRequest, v1::OpenSessionResponse>(&KvAsync::OpenSession),
        request, call);
    const std::lock_guard<std::mutex> lock(mutex_);
    opening_session_ = false;
    changed_.notify_all();
    if (!opened.done()) {
      return Error{.kind = opened.not_done()->kind,
                   .certain = true,
                   .text = "no session: " + opened.not_done()->reason};
    }
    session_ = std::make_shared<ClientSession>(SessionId{opened.value().session_id()});
    *session = session_;
    return std::nullopt;
  }

  const ClientOptions options_;
  Endpoints endpoints_;

  std::timed_mutex lookup_mutex_;   // held while DNS is asked
  Clock::time_point looked_up_at_;  // guarded by lookup_mutex_, as the next
  std::uint64_t looked_up_in_round_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable changed_;  // anything below
  std::condition_variable paused_;   // closed_
  // Guarded by mutex_:
  bool closed_ = false;
  std::uint64_t calls_ = 0;  // of the user, running or waiting for their turn
  std::uint64_t turns_ = 0;  // running
  std::set<grpc::ClientContext*> contexts_;
  std::shared_ptr<ClientSession> session_;
  bool opening_session_ = false;
  Random random_;
};

absl::StatusOr<std::unique_ptr<Client>> Client::Connect(ClientOptions options) {
  if (absl::Status status = Check(options); !status.ok()) {
    return status;
  }
  return std::unique_ptr<Client>(new Client(std::make_unique<Impl>(std::move(options))));
}

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Client::~Client() = default;

void Client::Close() { impl_->Close(); }

Outcome<GetReply> Client::Get(const std::string& key, CallOptions options, ReadOptions read) {
  return Get(std::vector<std::string>{key}, options, read);
}

Outcome<GetReply> Client::Get(const std::vector<std::string>& keys, CallOptions options,
                              ReadOptions read) {
  const v1::GetRequest request =
      EncodeRead({.keys = keys, .consistency = read.consistency, .max_age = read.max_age});
  const Outcome<v1::GetResponse> outcome = impl_->Get(request, options);
  if (outcome.done() && outcome.value().results_size() != request.keys_size()) {
    return NotDone{ErrorKind::kUnknown, "a node's answer was not one of ours"};
  }
  return Mapped<GetReply>(outcome, [](const v1::GetResponse& response) {
    GetReply reply;
    reply.revision = {response.header().revision()};
    for (const v1::GetResult& result : response.results()) {
      reply.keys.push_back(DecodeOptional(result.has_found(), result.found()));
    }
    return reply;
  });
}

Outcome<PutReply> Client::Put(const std::string& key, const std::string& value,
                              CallOptions options) {
  v1::PutRequest request;
  request.set_key(key);
  request.set_value(value);
  const Outcome<v1::PutResponse> outcome =
      impl_->Write<v1::PutRequest, v1::PutResponse>(&KvAsync::Put, std::move(request), options);
  return Mapped<PutReply>(outcome, [](const v1::PutResponse& response) {
    return PutReply{{response.header().revision()},
                    DecodeOptional(response.has_previous(), response.previous())};
  });
}

Outcome<DeleteReply> Client::Delete(const std::string& key, CallOptions options) {
  v1::DeleteRequest request;
  request.set_key(key);
  const Outcome<v1::DeleteResponse> outcome = impl_->Write<v1::DeleteRequest, v1::DeleteResponse>(
      &KvAsync::Delete, std::move(request), options);
  return Mapped<DeleteReply>(outcome, [](const v1::DeleteResponse& response) {
    return DeleteReply{{response.header().revision()},
                       DecodeOptional(response.has_previous(), response.previous())};
  });
}

Outcome<ConditionalReply> Client::PutIfAbsent(const std::string& key, const std::string& value,
                                              CallOptions options) {
  v1::PutIfAbsentRequest request;
  request.set_key(key);
  request.set_value(value);
  const Outcome<v1::PutIfAbsentResponse> outcome =
      impl_->Write<v1::PutIfAbsentRequest, v1::PutIfAbsentResponse>(&KvAsync::PutIfAbsent,
                                                                    std::move(request), options);
  return Mapped<ConditionalReply>(outcome, DecodeConditional<v1::PutIfAbsentResponse>);
}

Outcome<ConditionalReply> Client::CompareAndSet(const std::string& key,
                                                const std::optional<std::string>& expected,
                                                const std::string& value, CallOptions options) {
  v1::CompareAndSetRequest request;
  request.set_key(key);
  if (expected) {
    request.set_expected(*expected);
  }
  request.set_value(value);
  const Outcome<v1::CompareAndSetResponse> outcome =
      impl_->Write<v1::CompareAndSetRequest, v1::CompareAndSetResponse>(
          &KvAsync::CompareAndSet, std::move(request), options);
  return Mapped<ConditionalReply>(outcome, DecodeConditional<v1::CompareAndSetResponse>);
}

Outcome<kv::TransactionResult> Client::Transact(const kv::Transaction& transaction,
                                                CallOptions options) {
  const Outcome<v1::TxnResponse> outcome = impl_->Write<v1::TxnRequest, v1::TxnResponse>(
      &KvAsync::Txn, EncodeTransaction(transaction), options);
  if (!outcome.done()) {
    return Mapped<kv::TransactionResult>(
        outcome, [](const v1::TxnResponse&) { return kv::TransactionResult(); });
  }
  absl::StatusOr<kv::TransactionResult> result = DecodeResponse(outcome.value());
  if (!result.ok()) {
    return Unknown{ErrorKind::kUnknown, std::string(result.status().message())};
  }
  return *std::move(result);
}

Outcome<v1::MembersResponse> Client::Members(CallOptions options) {
  // It has no effect, so it is never unknown.
  const Outcome<v1::MembersResponse> outcome =
      impl_->Administer<v1::MembersRequest, v1::MembersResponse>(
          &ClusterAsync::Members, v1::MembersRequest(), Impl::Repeatable::kYes, options);
  if (outcome.unknown() != nullptr) {
    return NotDone{outcome.unknown()->kind, outcome.unknown()->reason};
  }
  return outcome;
}

Outcome<v1::JoinClusterResponse> Client::JoinCluster(const v1::JoinClusterRequest& request,
                                                     CallOptions options) {
  return impl_->Administer<v1::JoinClusterRequest, v1::JoinClusterResponse>(
      &ClusterAsync::JoinCluster, request, Impl::Repeatable::kYes, options);
}

Outcome<v1::MembersResponse> Client::LeaveCluster(NodeId node, CallOptions options) {
  v1::LeaveClusterRequest request;
  request.set_node_id(node.value);
  return impl_->Administer<v1::LeaveClusterRequest, v1::MembersResponse>(
      &ClusterAsync::LeaveCluster, request, Impl::Repeatable::kNo, options);
}

Outcome<v1::MembersResponse> Client::Promote(NodeId learner, CallOptions options) {
  v1::PromoteRequest request;
  request.set_node_id(learner.value);
  return impl_->Administer<v1::PromoteRequest, v1::MembersResponse>(&ClusterAsync::Promote, request,
                                                                    Impl::Repeatable::kNo, options);
}

Outcome<v1::MembersResponse> Client::Demote(NodeId voter, CallOptions options) {
  v1::DemoteRequest request;
  request.set_node_id(voter.value);
  return impl_->Administer<v1::DemoteRequest, v1::MembersResponse>(&ClusterAsync::Demote, request,
                                                                   Impl::Repeatable::kNo, options);
}

Outcome<v1::MembersResponse> Client::Replace(NodeId leaving, NodeId learner, CallOptions options) {
  v1::ReplaceRequest request;
  request.set_leaving_id(leaving.value);
  request.set_node_id(learner.value);
  return impl_->Administer<v1::ReplaceRequest, v1::MembersResponse>(&ClusterAsync::Replace, request,
                                                                    Impl::Repeatable::kNo, options);
}

Outcome<v1::MembersResponse> Client::UpdateMember(const v1::UpdateMemberRequest& request,
                                                  CallOptions options) {
  return impl_->Administer<v1::UpdateMemberRequest, v1::MembersResponse>(
      &ClusterAsync::UpdateMember, request, Impl::Repeatable::kNo, options);
}

Outcome<NodeId> Client::TransferLeadership(NodeId target, CallOptions options) {
  v1::TransferLeadershipRequest request;
  request.set_node_id(target.value);
  const Outcome<v1::TransferLeadershipResponse> outcome =
      impl_->Administer<v1::TransferLeadershipRequest, v1::TransferLeadershipResponse>(
          &ClusterAsync::TransferLeadership, request, Impl::Repeatable::kNo, options);
  return Mapped<NodeId>(outcome, [](const v1::TransferLeadershipResponse& response) {
    return NodeId{response.node_id()};
  });
}

Outcome<v1::StatusResponse> Client::Status(const std::string& endpoint, CallOptions options) {
  return impl_->Status(endpoint, options);
}

}  // namespace lockstep::net
