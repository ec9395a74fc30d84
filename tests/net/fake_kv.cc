#include "tests/net/fake_kv.h"

#include <grpcpp/server_builder.h>

#include <chrono>

#include "net/status.h"

namespace lockstep::net {
namespace {

// Answers when the call is cancelled, as its caller's deadline or a shutdown does.
class Hanging final : public grpc::ServerUnaryReactor {
 public:
  void OnCancel() override { Finish(grpc::Status::CANCELLED); }
  void OnDone() override { delete this; }
};

}  // namespace

FakeNode::FakeNode(std::shared_ptr<FakeCluster> cluster, const std::string& address)
    : cluster_(std::move(cluster)) {
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(address.empty() ? "127.0.0.1:0" : address,
                           grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(static_cast<v1::Kv::CallbackService*>(this));
  builder.RegisterService(static_cast<v1::Cluster::CallbackService*>(this));
  server_ = builder.BuildAndStart();
  address_ = "127.0.0.1:" + std::to_string(port);
}

FakeNode::~FakeNode() {
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
}

void FakeNode::Script(std::vector<Answer> answers) {
  const std::lock_guard<std::mutex> lock(mutex_);
  script_.insert(script_.end(), answers.begin(), answers.end());
}

void FakeNode::Default(Answer answer) {
  const std::lock_guard<std::mutex> lock(mutex_);
  default_ = std::move(answer);
}

void FakeNode::ScriptSessions(std::vector<Answer> answers) {
  const std::lock_guard<std::mutex> lock(mutex_);
  session_script_.insert(session_script_.end(), answers.begin(), answers.end());
}

std::optional<v1::GetRequest> FakeNode::last_get() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return last_get_;
}

std::vector<v1::PutRequest> FakeNode::puts() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return puts_;
}

int FakeNode::sessions_opened() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return sessions_opened_;
}

grpc::ServerUnaryReactor* FakeNode::Put(grpc::CallbackServerContext* context,
                                        const v1::PutRequest* request, v1::PutResponse* response) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    puts_.push_back(*request);
  }
  return Carry(Next(&script_), context, [&]() -> std::optional<Error> {
    const std::lock_guard<std::mutex> lock(cluster_->mutex);
    const v1::Session& session = request->session();
    const auto open = cluster_->sessions.find(session.id());
    if (open == cluster_->sessions.end()) {
      return FromCommandError(kv::CommandError::kUnknownSession);
    }
    open->second = std::max(open->second, session.acknowledged());
    if (session.sequence() <= open->second) {
      return FromCommandError(kv::CommandError::kAcknowledged);
    }
    auto [reply, is_new] = cluster_->replies.try_emplace({session.id(), session.sequence()});
    if (is_new) {
      ++cluster_->executed[request->key()];
      reply->second.mutable_header()->set_revision(++cluster_->revision);
    }
    *response = reply->second;
    return std::nullopt;
  });
}

grpc::ServerUnaryReactor* FakeNode::Get(grpc::CallbackServerContext* context,
                                        const v1::GetRequest* request, v1::GetResponse* response) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    last_get_ = *request;
  }
  return Carry(Next(&script_), context, [&]() -> std::optional<Error> {
    const std::lock_guard<std::mutex> lock(cluster_->mutex);
    response->mutable_header()->set_revision(cluster_->revision);
    for (const std::string& key : request->keys()) {
      v1::GetResult* result = response->add_results();
      if (cluster_->executed.count(key) > 0) {
        result->mutable_found()->set_key(key);
      }
    }
    return std::nullopt;
  });
}

grpc::ServerUnaryReactor* FakeNode::OpenSession(grpc::CallbackServerContext* context,
                                                const v1::OpenSessionRequest* /*request*/,
                                                v1::OpenSessionResponse* response) {
  return Carry(Next(&session_script_), context, [&]() -> std::optional<Error> {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ++sessions_opened_;
    }
    const std::lock_guard<std::mutex> lock(cluster_->mutex);
    response->set_session_id(cluster_->next_session++);
    cluster_->sessions[response->session_id()] = 0;
    return std::nullopt;
  });
}

grpc::ServerUnaryReactor* FakeNode::Status(grpc::CallbackServerContext* context,
                                           const v1::StatusRequest* /*request*/,
                                           v1::StatusResponse* response) {
  response->set_node_id(42);
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

FakeNode::Answer FakeNode::Next(std::deque<Answer>* script) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (script->empty()) {
    return script == &script_ ? default_ : Answer();
  }
  Answer answer = std::move(script->front());
  script->pop_front();
  return answer;
}

grpc::ServerUnaryReactor* FakeNode::Carry(const Answer& answer,
                                          grpc::CallbackServerContext* context,
                                          const std::function<std::optional<Error>()>& execute) {
  const auto finish = [context](const grpc::Status& status) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(status);
    return reactor;
  };
  const grpc::Status broken(grpc::StatusCode::UNAVAILABLE, "broken");
  if (answer.error) {
    return finish(FinishWith(*answer.error, *context));
  }
  switch (answer.step) {
    case Step::kServe: {
      const std::optional<Error> error = execute();
      return finish(error ? FinishWith(*error, *context) : grpc::Status::OK);
    }
    case Step::kLoseReply:
      execute();
      return finish(broken);
    case Step::kExecuteAndHang:
      execute();
      return new Hanging();
    case Step::kHang:
      return new Hanging();
    case Step::kFail:
      return finish(broken);
  }
  return finish(broken);
}

}  // namespace lockstep::net
