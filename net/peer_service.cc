#include "net/peer_service.h"

#include <atomic>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "net/codec.h"

namespace lockstep::net {

// Shared with the streams, which gRPC may keep a moment longer than the service.
struct PeerService::State {
  State(ClusterId cluster_id, NodeId node, Sink to, Acquaintance whom)
      : cluster(cluster_id), self(node), sink(std::move(to)), acquaintance(std::move(whom)) {}

  const ClusterId cluster;
  const NodeId self;
  const Sink sink;
  const Acquaintance acquaintance;

  std::atomic<std::uint64_t> delivered = 0;
  std::atomic<std::uint64_t> mangled = 0;
  std::atomic<std::uint64_t> foreign = 0;

  mutable std::mutex mutex;
  bool stopped = false;                            // guarded by mutex, as all below
  std::set<grpc::CallbackServerContext*> streams;  // open; each removes itself before it ends
  std::string last_rejection;

  void Reject(const std::string& sender, std::string_view why) {
    const std::lock_guard<std::mutex> lock(mutex);
    last_rejection = sender + ": " + std::string(why);
  }
};

class PeerService::Stream final : public grpc::ServerBidiReactor<v1::PeerBatch, v1::PeerNotice> {
 public:
  Stream(std::shared_ptr<State> state, grpc::CallbackServerContext* context)
      : state_(std::move(state)), context_(context), sender_(context->peer()) {
    bool stopped = false;
    {
      const std::lock_guard<std::mutex> lock(state_->mutex);
      stopped = state_->stopped;
      if (!stopped) {
        state_->streams.insert(context_);
      }
    }
    if (stopped) {
      Finish({grpc::StatusCode::UNAVAILABLE, "the node is stopping"});
      return;
    }
    introduced_ = IntroductionOf(*context_, state_->cluster);
    if (introduced_) {
      state_->acquaintance(*introduced_, true);
    }
    // Tells the sender that it is connected, before there is anything to answer.
    StartSendInitialMetadata();
    StartRead(&batch_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      Leave();
      // The sender never ends its half but by cancelling, which makes this status void. What is
      // left is a frame that gRPC could not read.
      Finish({grpc::StatusCode::INVALID_ARGUMENT, "not a readable batch"});
      return;
    }
    for (const std::string& bytes : batch_.messages()) {
      Receive(bytes);
    }
    batch_ = v1::PeerBatch();  // a cleared one would hold on to a snapshot's memory
    StartRead(&batch_);
  }

  void OnDone() override {
    Leave();
    if (introduced_) {
      state_->acquaintance(*introduced_, false);
    }
    delete this;
  }

 private:
  void Receive(const std::string& bytes) {
    absl::StatusOr<raft::Message> message = DecodeMessage(bytes);
    if (!message.ok()) {
      ++state_->mangled;
      state_->Reject(sender_, std::string(message.status().message()));
      return;
    }
    if (message->cluster != state_->cluster) {
      ++state_->foreign;
      state_->Reject(sender_, absl::StrCat("a message of cluster ", message->cluster.value));
      return;
    }
    if (message->to != state_->self) {
      ++state_->foreign;
      state_->Reject(sender_, absl::StrCat("a message for node ", message->to.value));
      return;
    }
    ++state_->delivered;
    state_->sink(*std::move(message));
  }

  // Once this is done, Shutdown() does not touch the context, which ends with the stream.
  void Leave() {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    state_->streams.erase(context_);
  }

  const std::shared_ptr<State> state_;
  grpc::CallbackServerContext* const context_;
  const std::string sender_;
  std::optional<PeerAddress> introduced_;
  v1::PeerBatch batch_;
};

PeerService::PeerService(ClusterId cluster, NodeId self, Sink sink, Acquaintance acquaintance)
    : state_(std::make_shared<State>(cluster, self, std::move(sink), std::move(acquaintance))) {}

PeerService::~PeerService() = default;

grpc::ServerBidiReactor<v1::PeerBatch, v1::PeerNotice>* PeerService::Exchange(
    grpc::CallbackServerContext* context) {
  return new Stream(state_, context);  // deletes itself when gRPC is done with it
}

void PeerService::Shutdown() {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  state_->stopped = true;
  for (grpc::CallbackServerContext* context : state_->streams) {
    context->TryCancel();
  }
}

PeerServiceStats PeerService::stats() const {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  return {state_->streams.size(), state_->delivered, state_->mangled, state_->foreign};
}

std::string PeerService::last_rejection() const {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->last_rejection;
}

void ConfigurePeerServer(grpc::ServerBuilder& builder) {
  // A batch holds one message at least, whatever its length, and little besides it.
  constexpr int kBatchFramingBytes = 4096;
  builder.SetMaxReceiveMessageSize(static_cast<int>(kPeerMessageBytesMax) + (64 << 20) +
                                   kBatchFramingBytes);
  // Peers ping every second, when idle too. gRPC's default takes that for an attack.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 300);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  // Without this, two processes on one port both start, and each gets some of the connections.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

}  // namespace lockstep::net
