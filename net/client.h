// The C++ client of a cluster: finds the leader, repeats what was lost on the way, and executes
// each write exactly once.
//
// Writes carry (session, sequence), and a repeated one the same: whichever node executed it, and
// however many of its replies were lost, it had its effect once. The session opens itself with the
// first write. Reads are linearizable unless asked for otherwise.
//
// Every call ends by its deadline, with one of three outcomes that are never mixed up: done,
// certainly not done, unknown.
//
// All functions block and are thread-safe; calls of several threads share one session and run at
// the same time, up to ClientOptions::calls_in_flight_max. No function may be called from a gRPC
// callback.

#ifndef LOCKSTEP_NET_CLIENT_H_
#define LOCKSTEP_NET_CLIENT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "core/kv/types.h"
#include "core/request_limits.h"
#include "core/types.h"
#include "net/error.h"
#include "net/proto/cluster.pb.h"
#include "net/srv.h"

namespace lockstep::net {

// The longest request that a client sends: gRPC's servers take messages of 4 MiB. What a cluster
// accepts is less (lockstep::Limits).
inline constexpr std::uint64_t kRequestBytesMax = (4 << 20) - 1024;

struct ClientOptions {
  // Client addresses ("host:port") of some members, at least one. Others are learnt from answers.
  std::vector<std::string> endpoints;
  // Or a domain whose SRV records name them (net/srv.h); `endpoints` must then be empty. It is
  // looked up by the first call, and again when none of the nodes that are known has helped, at
  // most once a second: members may have moved.
  std::string discovery_srv;
  DnsOptions dns;
  // Of a call as a whole, with all its attempts.
  Duration call_timeout = Milliseconds(10'000);
  // Of one attempt, after which another node is asked.
  Duration attempt_timeout = Milliseconds(2'000);
  // To get a connection to one node, after which another is asked.
  Duration connect_timeout = Milliseconds(500);
  // Between attempts: doubles from min to max, less a random part of up to a half.
  Duration backoff_min = Milliseconds(20);
  Duration backoff_max = Milliseconds(500);
  // How long the cluster remembers this client's replies after its last write.
  Duration session_time_to_live = Seconds(300);
  // Further calls wait for their turn, within their deadline.
  std::uint64_t calls_in_flight_max = 64;
};

// Of a read. Any member serves each of them.
struct ReadOptions {
  Consistency consistency = Consistency::kLinearizable;
  Duration max_age{};  // of kBoundedStaleness, at least a millisecond then; else 0
};

struct CallOptions {
  std::optional<Duration> timeout;  // instead of ClientOptions::call_timeout
};

// It certainly had no effect, and will have none.
struct NotDone {
  ErrorKind kind = ErrorKind::kUnreachable;
  std::string reason;
};
// It may have had its effect, or may yet have it, once.
struct Unknown {
  ErrorKind kind = ErrorKind::kUnknown;
  std::string reason;
};

template <class T>
class Outcome {
 public:
  Outcome(T value) : state_(std::move(value)) {}              // NOLINT: the natural conversion
  Outcome(NotDone not_done) : state_(std::move(not_done)) {}  // NOLINT
  Outcome(Unknown unknown) : state_(std::move(unknown)) {}    // NOLINT

  bool done() const { return std::holds_alternative<T>(state_); }
  // REQUIRES: done().
  const T& value() const { return std::get<T>(state_); }
  // Null unless that is the outcome.
  const NotDone* not_done() const { return std::get_if<NotDone>(&state_); }
  const Unknown* unknown() const { return std::get_if<Unknown>(&state_); }

 private:
  std::variant<T, NotDone, Unknown> state_;
};

// The revision is the store's: after a write, as of a read, which shows the data of that revision.
struct GetReply {
  Revision revision;
  std::vector<std::optional<kv::KeyValue>> keys;  // in the order asked
};
struct PutReply {
  Revision revision;
  std::optional<kv::KeyValue> previous;
};
struct DeleteReply {
  Revision revision;
  std::optional<kv::KeyValue> previous;  // what was deleted
};
// Of PutIfAbsent and CompareAndSet.
struct ConditionalReply {
  Revision revision;
  bool succeeded = false;
  std::optional<kv::KeyValue> current;  // what is there instead, if it did not succeed
};

class Client {
 public:
  // Checks the options; connections are made by the first call. InvalidArgument names the option.
  static absl::StatusOr<std::unique_ptr<Client>> Connect(ClientOptions options);

  // As Close(), and waits for the calls that are still running.
  ~Client();

  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Reads one or several keys as of one moment. A read has no effect, so it is never unknown.
  Outcome<GetReply> Get(const std::string& key, CallOptions options = {}, ReadOptions read = {});
  Outcome<GetReply> Get(const std::vector<std::string>& keys, CallOptions options = {},
                        ReadOptions read = {});

  Outcome<PutReply> Put(const std::string& key, const std::string& value, CallOptions options = {});
  Outcome<DeleteReply> Delete(const std::string& key, CallOptions options = {});
  Outcome<ConditionalReply> PutIfAbsent(const std::string& key, const std::string& value,
                                        CallOptions options = {});
  // `expected` nullopt: the key must be absent.
  Outcome<ConditionalReply> CompareAndSet(const std::string& key,
                                          const std::optional<std::string>& expected,
                                          const std::string& value, CallOptions options = {});
  Outcome<kv::TransactionResult> Transact(const kv::Transaction& transaction,
                                          CallOptions options = {});

  // The members, as some node knows them.
  Outcome<v1::MembersResponse> Members(CallOptions options = {});

  // Changes of the membership. What certainly was not done and may be done later (ErrorKind's
  // kNotReady among others) is tried again until the time is over. The one that may have been done
  // is not sent again, but for JoinCluster, which may be repeated.
  Outcome<v1::JoinClusterResponse> JoinCluster(const v1::JoinClusterRequest& request,
                                               CallOptions options = {});
  Outcome<v1::MembersResponse> LeaveCluster(NodeId node, CallOptions options = {});
  Outcome<v1::MembersResponse> Promote(NodeId learner, CallOptions options = {});
  Outcome<v1::MembersResponse> Demote(NodeId voter, CallOptions options = {});
  Outcome<v1::MembersResponse> Replace(NodeId leaving, NodeId learner, CallOptions options = {});
  Outcome<v1::MembersResponse> UpdateMember(const v1::UpdateMemberRequest& request,
                                            CallOptions options = {});
  // To the best voter for it if `target` is 0. Returns who leads now, likely.
  Outcome<NodeId> TransferLeadership(NodeId target, CallOptions options = {});

  // What the node at `endpoint` says of itself. Asks no other, and once only.
  Outcome<v1::StatusResponse> Status(const std::string& endpoint, CallOptions options = {});

  // Cancels running calls, which end as kClosed (unknown, if they may have been sent), and refuses
  // later ones. The session is left to expire.
  void Close();

 private:
  class Impl;
  explicit Client(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockstep::net

#endif  // LOCKSTEP_NET_CLIENT_H_
