#include "net/peer_transport.h"

#include <grpcpp/alarm.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <random>
#include <utility>
#include <variant>

#include "core/assert.h"
#include "core/random.h"
#include "net/codec.h"
#include "net/proto/peer.grpc.pb.h"

namespace lockstep::net {
namespace {

// What gRPC needs to end a cancelled stream is far less; a hang is worse than a leak.
constexpr std::chrono::seconds kShutdownWait(5);

int ToMilliseconds(Duration duration) {
  return static_cast<int>(std::clamp<std::int64_t>(duration.ns / Milliseconds(1).ns, 1,
                                                   std::numeric_limits<int>::max()));
}

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address,
                                           const PeerTransportOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxSendMessageSize(-1);
  // Without keepalive, a partition shows only when TCP gives up, many seconds later.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, ToMilliseconds(options.keepalive_interval));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, ToMilliseconds(options.keepalive_timeout));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, ToMilliseconds(options.backoff_min));
  // Also how long one attempt to connect may take.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, ToMilliseconds(options.backoff_max));
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, ToMilliseconds(options.backoff_max));
  // A node that comes back under another address should not be missed for half a minute.
  arguments.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, 1000);
  // Connections are not shared with other transports of this process.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

// One stream after another to one peer, fed from one outbox. Shared with gRPC's callbacks.
//
// INVARIANTS
//   (1) At most one stream is live, at most one alarm is set, and never both.
//   (2) At most one write is in flight: `writing_` is set under the mutex by whoever starts it.
//   (3) The stream's hold, which keeps gRPC from ending it between a decision to write and the
//       write, is released once: when its read has failed and no write is in flight.
//   (4) `stream_` is there to be cancelled for as long as it is set: it is taken away before the
//       stream deletes itself, and `ending_` then stands for it until that is done.
//   (5) No callback lets go of a channel after it reported its stream's end: the last channel of a
//       process joins gRPC's callback threads when it goes, and must not do so on one of them.
class Link : public std::enable_shared_from_this<Link> {
 public:
  struct Stats {
    bool connected = false;
    Outbox::Stats outbox;
    std::uint64_t sent_messages = 0;
    std::uint64_t sent_batches = 0;
    std::uint64_t streams_opened = 0;
  };

  // REQUIRES: `stub` stays until WaitUntilStopped() returned true.
  Link(v1::Peer::Stub* stub, const PeerTransportOptions& options, Outbox::Limits limits)
      : stub_(stub),
        options_(options),
        outbox_(limits),
        backoff_(options.backoff_min),
        random_(std::random_device()()) {}

  // Starts the next stream, if the link was not stopped.
  void Open();

  void Send(raft::Message message) {
    const std::uint64_t bytes = EncodedBytesBound(message);
    if (bytes > kPeerMessageBytesMax || stopped()) {
      outbox_.CountDropped(1);
      return;
    }
    outbox_.Push(std::move(message), bytes);
    Pump();
  }

  // Begins to end the link. WaitUntilStopped() is true once gRPC has let go of it.
  void Stop();
  [[nodiscard]] bool WaitUntilStopped(std::chrono::steady_clock::time_point deadline);

  Stats stats() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return {ready_, outbox_.stats(), sent_messages_, sent_batches_, streams_opened_};
  }

 private:
  class Stream;

  bool stopped() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return stopped_;
  }

  // Starts a write if there is something to write and none is in flight.
  void Pump();

  // Of the live stream.
  void Accepted();
  // True if the stream's hold is to be released.
  [[nodiscard]] bool WriteEnded(bool ok, std::uint64_t messages);
  [[nodiscard]] bool ReadEnded();
  void Ending();
  void Ended();

  v1::Peer::Stub* const stub_;
  const PeerTransportOptions options_;
  Outbox outbox_;

  mutable std::mutex mutex_;
  std::condition_variable ended_;
  // Guarded by mutex_:
  bool stopped_ = false;
  Stream* stream_ = nullptr;  // deletes itself, between Ending() and Ended()
  bool ending_ = false;
  bool ready_ = false;  // the peer has accepted the stream, and it has not failed
  bool writing_ = false;
  bool read_ended_ = false;
  std::unique_ptr<grpc::Alarm> alarm_;
  Duration backoff_;
  Random random_;
  std::uint64_t sent_messages_ = 0;
  std::uint64_t sent_batches_ = 0;
  std::uint64_t streams_opened_ = 0;
};

class Link::Stream final : public grpc::ClientBidiReactor<v1::PeerBatch, v1::PeerNotice> {
 public:
  explicit Stream(std::shared_ptr<Link> link) : link_(std::move(link)) {
    context_.set_wait_for_ready(true);
    if (!link_->options_.self.address.empty()) {
      Introduce(link_->options_.cluster, link_->options_.self, context_);
    }
  }

  void Start() {
    link_->stub_->async()->Exchange(&context_, this);
    AddHold();
    StartRead(&notice_);
    StartCall();
  }

  // REQUIRES: Link::writing_ was set for this call.
  void Write(const std::vector<raft::Message>& messages) {
    batch_ = v1::PeerBatch();  // a cleared one would hold on to a snapshot's memory
    for (const raft::Message& message : messages) {
      batch_.add_messages(EncodeMessage(message));
    }
    StartWrite(&batch_);
  }

  void Cancel() { context_.TryCancel(); }

  void OnReadInitialMetadataDone(bool ok) override {
    if (ok) {
      link_->Accepted();
    }
  }

  void OnReadDone(bool ok) override {
    if (ok) {
      StartRead(&notice_);
      return;
    }
    Cancel();  // whatever write is in flight ends
    if (link_->ReadEnded()) {
      RemoveHold();
    }
  }

  void OnWriteDone(bool ok) override {
    const auto messages = static_cast<std::uint64_t>(batch_.messages_size());
    if (!ok) {
      Cancel();  // the read ends
    }
    if (link_->WriteEnded(ok, messages)) {
      RemoveHold();
    } else if (ok) {
      link_->Pump();
    }
  }

  void OnDone(const grpc::Status& /*status*/) override {
    const std::shared_ptr<Link> link = link_;
    link->Ending();
    delete this;  // with the context, which holds the channel: invariant (5)
    link->Ended();
  }

 private:
  const std::shared_ptr<Link> link_;
  grpc::ClientContext context_;
  v1::PeerBatch batch_;  // gRPC's while a write is in flight
  v1::PeerNotice notice_;
};

void Link::Open() {
  auto* stream = new Stream(shared_from_this());
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    alarm_.reset();  // it has fired, and holds this link
    if (stopped_) {
      delete stream;
      return;
    }
    stream_ = stream;
    ready_ = false;
    writing_ = false;
    read_ended_ = false;
  }
  // A Stop() from here on cancels the context, which ends the call as soon as it has begun.
  stream->Start();
}

void Link::Pump() {
  std::vector<raft::Message> messages;
  Stream* stream = nullptr;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!ready_ || writing_) {
      return;
    }
    messages = outbox_.TakeBatch();
    if (messages.empty()) {
      return;
    }
    writing_ = true;
    stream = stream_;
  }
  stream->Write(messages);
}

void Link::Accepted() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (stopped_ || read_ended_) {
      return;
    }
    ready_ = true;
    ++streams_opened_;
    backoff_ = options_.backoff_min;
    outbox_.KeepNewest(options_.kept_while_down);
  }
  Pump();
}

bool Link::WriteEnded(bool ok, std::uint64_t messages) {
  const std::lock_guard<std::mutex> lock(mutex_);
  writing_ = false;
  if (ok) {
    sent_messages_ += messages;
    ++sent_batches_;
  } else {
    ready_ = false;
    outbox_.CountDropped(messages);
  }
  return read_ended_;
}

bool Link::ReadEnded() {
  const std::lock_guard<std::mutex> lock(mutex_);
  read_ended_ = true;
  ready_ = false;
  return !writing_;
}

void Link::Ending() {
  const std::lock_guard<std::mutex> lock(mutex_);
  stream_ = nullptr;
  ending_ = true;
  ready_ = false;
}

void Link::Ended() {
  const std::lock_guard<std::mutex> lock(mutex_);
  ending_ = false;
  if (stopped_) {
    ended_.notify_all();
    return;
  }
  const std::int64_t less = random_.Between(0, backoff_.ns / 2);
  const auto wait = std::chrono::nanoseconds(backoff_.ns - less);
  backoff_ = std::min(backoff_ * 2, options_.backoff_max);
  alarm_ = std::make_unique<grpc::Alarm>();
  alarm_->Set(std::chrono::system_clock::now() + wait,
              [link = shared_from_this()](bool /*ok*/) { link->Open(); });
}

void Link::Stop() {
  std::unique_ptr<grpc::Alarm> alarm;  // ends, and so calls Open(), without the mutex
  const std::lock_guard<std::mutex> lock(mutex_);
  stopped_ = true;
  ready_ = false;
  outbox_.KeepNewest(0);
  alarm = std::move(alarm_);
  if (stream_ != nullptr) {
    stream_->Cancel();
  }
}

bool Link::WaitUntilStopped(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock<std::mutex> lock(mutex_);
  // Not before Stop(): an alarm may be about to open a stream, which needs the stub.
  return ended_.wait_until(lock, deadline,
                           [this] { return stopped_ && stream_ == nullptr && !ending_; });
}

// The newest snapshot is the only one worth sending.
Outbox::Limits SnapshotLimits() {
  return {.messages_max = 1,
          .bytes_max = kPeerMessageBytesMax,
          .batch_messages_max = 1,
          .batch_bytes_max = kPeerMessageBytesMax};
}

}  // namespace

// INVARIANT: a peer's stub stays until both of its links have stopped.
class PeerTransport::Impl {
 public:
  Impl(PeerTransportOptions options, const std::vector<PeerAddress>& peers)
      : options_(std::move(options)) {
    CORE_ASSERT(options_.backoff_min.ns > 0);
    CORE_ASSERT(options_.backoff_min <= options_.backoff_max);
    SetPeers(peers);
  }

  void SetPeers(const std::vector<PeerAddress>& addresses) {
    std::vector<std::shared_ptr<Peer>> added;
    std::vector<std::shared_ptr<Peer>> removed;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (shut_down_) {
        return;
      }
      std::vector<std::shared_ptr<Peer>> peers;
      for (const PeerAddress& address : addresses) {
        CORE_ASSERT(Find(peers, address.id) == nullptr);
        std::shared_ptr<Peer> peer = Find(peers_, address.id);
        if (peer == nullptr || peer->address != address) {
          peer = std::make_shared<Peer>(address, options_);
          added.push_back(peer);
        }
        peers.push_back(std::move(peer));
      }
      for (const std::shared_ptr<Peer>& peer : peers_) {
        if (std::find(peers.begin(), peers.end(), peer) == peers.end()) {
          removed.push_back(peer);
          former_.push_back(peer);
        }
      }
      peers_ = std::move(peers);
    }
    for (const std::shared_ptr<Peer>& peer : removed) {
      peer->Stop();
    }
    for (const std::shared_ptr<Peer>& peer : added) {
      peer->Open();
    }
  }

  void Tidy() {
    std::vector<std::shared_ptr<Peer>> ended;  // freed without the mutex
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto first = std::partition(former_.begin(), former_.end(), [](const auto& peer) {
      return !peer->WaitUntilStopped(std::chrono::steady_clock::time_point());
    });
    ended.assign(std::make_move_iterator(first), std::make_move_iterator(former_.end()));
    former_.erase(first, former_.end());
  }

  void Send(raft::Message message) {
    std::shared_ptr<Peer> peer;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      peer = Find(peers_, message.to);
    }
    if (peer == nullptr) {
      return;
    }
    const bool snapshot = std::holds_alternative<raft::InstallSnapshot>(message.body);
    (snapshot ? peer->snapshots : peer->messages)->Send(std::move(message));
  }

  std::vector<PeerLinkStats> Stats() const {
    std::vector<PeerLinkStats> all;
    for (const std::shared_ptr<Peer>& peer : peers()) {
      PeerLinkStats stats;
      stats.peer = peer->address.id;
      stats.address = peer->address.address;
      for (const auto& link : {peer->messages, peer->snapshots}) {
        const Link::Stats of_link = link->stats();
        stats.queued_messages += of_link.outbox.queued_messages;
        stats.queued_bytes += of_link.outbox.queued_bytes;
        stats.sent_messages += of_link.sent_messages;
        stats.sent_batches += of_link.sent_batches;
        stats.dropped_messages += of_link.outbox.dropped;
        stats.streams_opened += of_link.streams_opened;
      }
      stats.connected = peer->messages->stats().connected;
      all.push_back(std::move(stats));
    }
    return all;
  }

  void Shutdown() {
    std::vector<std::shared_ptr<Peer>> all;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      shut_down_ = true;
      all = peers_;
      all.insert(all.end(), former_.begin(), former_.end());
    }
    for (const std::shared_ptr<Peer>& peer : all) {
      peer->Stop();
    }
    const auto deadline = std::chrono::steady_clock::now() + kShutdownWait;
    for (const std::shared_ptr<Peer>& peer : all) {
      if (!peer->WaitUntilStopped(deadline)) {
        new std::shared_ptr<Peer>(peer);  // leaked: what gRPC still uses must stay
      }
    }
  }

 private:
  struct Peer {
    Peer(PeerAddress at, const PeerTransportOptions& options)
        : address(std::move(at)),
          stub(v1::Peer::NewStub(MakeChannel(address.address, options))),
          messages(std::make_shared<Link>(stub.get(), options, options.outbox)),
          snapshots(std::make_shared<Link>(stub.get(), options, SnapshotLimits())) {}

    void Open() const {
      messages->Open();
      snapshots->Open();
    }
    void Stop() const {
      messages->Stop();
      snapshots->Stop();
    }
    [[nodiscard]] bool WaitUntilStopped(std::chrono::steady_clock::time_point deadline) const {
      const bool messages_stopped = messages->WaitUntilStopped(deadline);
      return snapshots->WaitUntilStopped(deadline) && messages_stopped;
    }

    const PeerAddress address;
    const std::unique_ptr<v1::Peer::Stub> stub;
    const std::shared_ptr<Link> messages;
    const std::shared_ptr<Link> snapshots;
  };

  static std::shared_ptr<Peer> Find(const std::vector<std::shared_ptr<Peer>>& peers, NodeId id) {
    const auto found = std::find_if(peers.begin(), peers.end(),
                                    [id](const auto& peer) { return peer->address.id == id; });
    return found == peers.end() ? nullptr : *found;
  }

  std::vector<std::shared_ptr<Peer>> peers() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return peers_;
  }

  const PeerTransportOptions options_;
  mutable std::mutex mutex_;
  // Guarded by mutex_:
  std::vector<std::shared_ptr<Peer>> peers_;
  std::vector<std::shared_ptr<Peer>> former_;  // stopped; gRPC may still hold their streams
  bool shut_down_ = false;
};

PeerTransport::PeerTransport(PeerTransportOptions options, const std::vector<PeerAddress>& peers)
    : impl_(std::make_unique<Impl>(std::move(options), peers)) {}

PeerTransport::~PeerTransport() { Shutdown(); }

void PeerTransport::SetPeers(const std::vector<PeerAddress>& peers) { impl_->SetPeers(peers); }

void PeerTransport::Tidy() { impl_->Tidy(); }

void PeerTransport::Send(raft::Message message) { impl_->Send(std::move(message)); }

std::vector<PeerLinkStats> PeerTransport::Stats() const { return impl_->Stats(); }

void PeerTransport::Shutdown() { impl_->Shutdown(); }

}  // namespace lockstep::net
