// A node for clients to talk to whose every answer the test scripts. It executes puts as a replica
// would: once for each (session, sequence), with the reply kept.

#ifndef LOCKSTEP_TESTS_NET_FAKE_KV_H_
#define LOCKSTEP_TESTS_NET_FAKE_KV_H_

#include <grpcpp/server.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "net/error.h"
#include "net/proto/cluster.grpc.pb.h"
#include "net/proto/kv.grpc.pb.h"

namespace lockstep::net {

// What several nodes have in common: the data and the sessions.
struct FakeCluster {
  using Sequence = std::pair<std::uint64_t, std::uint64_t>;  // of a session

  std::mutex mutex;
  std::uint64_t revision = 1;
  std::uint64_t next_session = 1;
  std::map<std::uint64_t, std::uint64_t> sessions;  // to the highest acknowledged
  std::map<Sequence, v1::PutResponse> replies;
  std::map<std::string, int> executed;  // how often each key was put
};

class FakeNode final : public v1::Kv::CallbackService, public v1::Cluster::CallbackService {
 public:
  // One scripted answer.
  enum class Step {
    kServe,           // as a leader would
    kLoseReply,       // execute, then break off with gRPC's own kind of error
    kExecuteAndHang,  // execute, and answer only when the caller has given up
    kHang,            // do not execute, and answer only when the caller has given up
    kFail,            // break off with gRPC's own kind of error, without having executed
  };
  struct Answer {
    Step step = Step::kServe;
    std::optional<Error> error;  // instead: refuse with it
  };

  // Listens on a free port of the loopback device, or on `address`.
  explicit FakeNode(std::shared_ptr<FakeCluster> cluster, const std::string& address = "");
  ~FakeNode() override;

  const std::string& address() const { return address_; }

  // The next writes and reads are answered so, in this order; those after them with the default.
  void Script(std::vector<Answer> answers);
  void Default(Answer answer);
  // As Script(), for OpenSession, which is served by default.
  void ScriptSessions(std::vector<Answer> answers);

  // What was asked so far.
  std::vector<v1::PutRequest> puts() const;
  std::optional<v1::GetRequest> last_get() const;
  int sessions_opened() const;

  grpc::ServerUnaryReactor* Put(grpc::CallbackServerContext* context, const v1::PutRequest* request,
                                v1::PutResponse* response) override;
  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context, const v1::GetRequest* request,
                                v1::GetResponse* response) override;
  grpc::ServerUnaryReactor* OpenSession(grpc::CallbackServerContext* context,
                                        const v1::OpenSessionRequest* request,
                                        v1::OpenSessionResponse* response) override;
  grpc::ServerUnaryReactor* Status(grpc::CallbackServerContext* context,
                                   const v1::StatusRequest* request,
                                   v1::StatusResponse* response) override;

 private:
  Answer Next(std::deque<Answer>* script);
  // Carries out an answer; `execute` is what a leader does.
  grpc::ServerUnaryReactor* Carry(const Answer& answer, grpc::CallbackServerContext* context,
                                  const std::function<std::optional<Error>()>& execute);

  const std::shared_ptr<FakeCluster> cluster_;
  mutable std::mutex mutex_;
  std::deque<Answer> script_;
  std::deque<Answer> session_script_;
  Answer default_;
  std::vector<v1::PutRequest> puts_;
  std::optional<v1::GetRequest> last_get_;
  int sessions_opened_ = 0;
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace lockstep::net

#endif  // LOCKSTEP_TESTS_NET_FAKE_KV_H_
