#include "net/peer_transport.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/server.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "net/codec.h"
#include "net/peer_service.h"

namespace lockstep::net {
namespace {

using std::chrono::milliseconds;

constexpr ClusterId kCluster{7};
constexpr NodeId kSender{1};
constexpr NodeId kReceiver{2};
constexpr auto kPatience = std::chrono::seconds(10);

raft::Message Numbered(std::uint64_t number, std::string payload = "p") {
  raft::AppendEntries append;
  append.entries.push_back({{1}, {1}, {1}, raft::EntryKind::kCommand, Bytes(std::move(payload))});
  append.round = number;
  return {.cluster = kCluster,
          .from = kSender,
          .to = kReceiver,
          .incarnation = {},
          .term = {1},
          .body = append};
}

std::uint64_t NumberOf(const raft::Message& message) {
  return std::get<raft::AppendEntries>(message.body).round;
}

raft::Message SnapshotOf(std::size_t bytes) {
  raft::InstallSnapshot snapshot;
  snapshot.last_included = {{1}, {1}};
  snapshot.data = Bytes(std::string(bytes, 's'));
  return {.cluster = kCluster,
          .from = kSender,
          .to = kReceiver,
          .incarnation = {},
          .term = {1},
          .body = snapshot};
}

// What a node received, for a test to wait on.
class Inbox {
 public:
  void Put(raft::Message message) {
    const std::lock_guard<std::mutex> lock(mutex_);
    messages_.push_back(std::move(message));
    changed_.notify_all();
  }

  // True once `holds` holds of what was received so far.
  bool WaitFor(const std::function<bool(const std::vector<raft::Message>&)>& holds) {
    std::unique_lock<std::mutex> lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return holds(messages_); });
  }
  bool WaitForCount(std::size_t count) {
    return WaitFor([count](const auto& messages) { return messages.size() >= count; });
  }

  std::vector<raft::Message> messages() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return messages_;
  }
  void Clear() {
    const std::lock_guard<std::mutex> lock(mutex_);
    messages_.clear();
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<raft::Message> messages_;
};

// A node's receiving half, on a free port of the loopback device or on `address`.
class Receiver {
 public:
  explicit Receiver(Inbox* inbox, const std::string& address = "127.0.0.1:0")
      : service_(
            kCluster, kReceiver, [inbox](raft::Message message) { inbox->Put(std::move(message)); },
            [this](const PeerAddress& peer, bool here) { Note(peer, here); }) {
    grpc::ServerBuilder builder;
    int port = 0;
    ConfigurePeerServer(builder);
    builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    address_ = "127.0.0.1:" + std::to_string(port);
  }
  ~Receiver() {
    if (server_ != nullptr) {
      service_.Shutdown();
      server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(5));
      server_->Wait();
    }
  }

  bool started() const { return server_ != nullptr; }
  const std::string& address() const { return address_; }
  PeerService& service() { return service_; }

  // Those whose streams are open and who have said who they are, once for each stream.
  std::vector<PeerAddress> present() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return present_;
  }

 private:
  void Note(const PeerAddress& peer, bool here) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (here) {
      present_.push_back(peer);
    } else {
      present_.erase(std::find(present_.begin(), present_.end(), peer));
    }
  }

  mutable std::mutex mutex_;
  std::vector<PeerAddress> present_;
  PeerService service_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

bool Eventually(const std::function<bool()>& holds) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!holds()) {
    if (std::chrono::steady_clock::now() >= end) {
      return false;
    }
    std::this_thread::sleep_for(milliseconds(2));
  }
  return true;
}

bool Connected(const PeerTransport& transport) {
  return Eventually([&] { return transport.Stats().front().connected; });
}

TEST(PeerTransportTest, DeliversEveryMessageInOrderOnAHealthyLink) {
  Inbox inbox;
  const Receiver receiver(&inbox);
  PeerTransport transport({}, {{kReceiver, receiver.address()}});
  ASSERT_TRUE(Connected(transport));
  constexpr std::uint64_t kCount = 3000;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    transport.Send(Numbered(i));
  }
  ASSERT_TRUE(inbox.WaitForCount(kCount));
  const std::vector<raft::Message> messages = inbox.messages();
  ASSERT_EQ(messages.size(), kCount);
  for (std::uint64_t i = 0; i < kCount; ++i) {
    ASSERT_EQ(messages[i], Numbered(i));
  }
  ASSERT_TRUE(Eventually([&] { return transport.Stats().front().sent_messages == kCount; }));
  const PeerLinkStats stats = transport.Stats().front();
  EXPECT_EQ(stats.dropped_messages, 0u);
  EXPECT_EQ(stats.queued_messages, 0u);
  EXPECT_LT(stats.sent_batches, kCount) << "what waits behind a write leaves in one batch";
}

TEST(PeerTransportTest, MessagesOfTheFirstMomentsWaitForTheConnection) {
  Inbox inbox;
  const Receiver receiver(&inbox);
  PeerTransport transport({}, {{kReceiver, receiver.address()}});
  transport.Send(Numbered(1));
  transport.Send(Numbered(2));
  ASSERT_TRUE(inbox.WaitForCount(2));
  EXPECT_EQ(inbox.messages(), (std::vector<raft::Message>{Numbered(1), Numbered(2)}));
}

TEST(PeerTransportTest, SurvivesTheRestartOfAPeerAndReconnectsWithinItsBackoff) {
  Inbox inbox;
  auto receiver = std::make_unique<Receiver>(&inbox);
  const std::string address = receiver->address();
  PeerTransportOptions options;
  PeerTransport transport(options, {{kReceiver, address}});
  ASSERT_TRUE(Connected(transport));
  for (std::uint64_t restart = 1; restart <= 3; ++restart) {
    receiver.reset();
    ASSERT_TRUE(Eventually([&] { return !transport.Stats().front().connected; }))
        << "an idle sender learns of it, too";
    // Long enough for the back-off to have grown to its maximum.
    std::this_thread::sleep_for(milliseconds(600));
    inbox.Clear();
    receiver = std::make_unique<Receiver>(&inbox, address);
    ASSERT_TRUE(receiver->started());
    const auto start = std::chrono::steady_clock::now();
    ASSERT_TRUE(Connected(transport));
    const auto took = std::chrono::steady_clock::now() - start;
    // The stream's own back-off and that of gRPC's channel, each with a fifth to spare, and a busy
    // machine.
    EXPECT_LT(took, std::chrono::nanoseconds(options.backoff_max.ns * 12 / 5) + milliseconds(500));
    EXPECT_EQ(transport.Stats().front().streams_opened, 2 * restart + 2);
    transport.Send(Numbered(restart));
    EXPECT_TRUE(inbox.WaitFor([restart](const std::vector<raft::Message>& messages) {
      return !messages.empty() && NumberOf(messages.back()) == restart;
    }));
  }
}

TEST(PeerTransportTest, APeerThatIsAwayCostsABoundedQueueAndGetsOnlyTheNewestOnItsReturn) {
  Inbox inbox;
  auto receiver = std::make_unique<Receiver>(&inbox);
  const std::string address = receiver->address();
  receiver.reset();
  PeerTransportOptions options;
  options.outbox.messages_max = 100;
  options.kept_while_down = 10;
  PeerTransport transport(options, {{kReceiver, address}});
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    transport.Send(Numbered(i));
  }
  const PeerLinkStats away = transport.Stats().front();
  EXPECT_FALSE(away.connected);
  EXPECT_EQ(away.queued_messages, 100u);
  EXPECT_EQ(away.dropped_messages, 900u);
  EXPECT_EQ(away.sent_messages, 0u);

  receiver = std::make_unique<Receiver>(&inbox, address);
  ASSERT_TRUE(receiver->started());
  ASSERT_TRUE(inbox.WaitForCount(10));
  std::uint64_t expected = 991;
  for (const raft::Message& message : inbox.messages()) {
    EXPECT_EQ(NumberOf(message), expected++);
  }
  EXPECT_EQ(transport.Stats().front().dropped_messages, 990u);
}

TEST(PeerTransportTest, CarriesAWholeSnapshotWhileMessagesPassIt) {
  Inbox inbox;
  const Receiver receiver(&inbox);
  PeerTransport transport({}, {{kReceiver, receiver.address()}});
  ASSERT_TRUE(Connected(transport));
  constexpr std::size_t kSnapshotBytes = 64 << 20;
  transport.Send(SnapshotOf(kSnapshotBytes));
  const auto has_snapshot = [](const std::vector<raft::Message>& messages) {
    for (const raft::Message& message : messages) {
      if (std::holds_alternative<raft::InstallSnapshot>(message.body)) {
        return true;
      }
    }
    return false;
  };
  std::uint64_t sent = 0;
  while (!has_snapshot(inbox.messages()) && sent < 5000) {
    transport.Send(Numbered(sent++));
    std::this_thread::sleep_for(milliseconds(1));
  }
  ASSERT_TRUE(inbox.WaitFor(has_snapshot));
  const std::vector<raft::Message> messages = inbox.messages();
  EXPECT_TRUE(std::holds_alternative<raft::AppendEntries>(messages.front().body))
      << "a heartbeat overtook the snapshot";
  for (const raft::Message& message : messages) {
    if (const auto* snapshot = std::get_if<raft::InstallSnapshot>(&message.body)) {
      EXPECT_EQ(snapshot->data.size(), kSnapshotBytes);
    }
  }
}

TEST(PeerTransportTest, IgnoresUnknownPeersAndCountsWhatComesAfterShutdown) {
  Inbox inbox;
  const Receiver receiver(&inbox);
  PeerTransport transport({}, {{kReceiver, receiver.address()}});
  raft::Message stray = Numbered(1);
  stray.to = {99};
  transport.Send(stray);
  ASSERT_TRUE(Connected(transport));
  transport.Shutdown();
  transport.Shutdown();
  EXPECT_FALSE(transport.Stats().front().connected);
  transport.Send(Numbered(2));
  EXPECT_EQ(transport.Stats().front().dropped_messages, 1u);
  EXPECT_TRUE(inbox.messages().empty());
}

TEST(PeerTransportTest, PeersComeGoAndMoveWhileItWorks) {
  Inbox inbox;
  Inbox moved_inbox;
  const Receiver receiver(&inbox);
  const Receiver moved(&moved_inbox);
  PeerTransport transport({}, {});
  transport.Send(Numbered(1));  // to nobody
  EXPECT_TRUE(transport.Stats().empty());

  transport.SetPeers({{kReceiver, receiver.address()}});
  transport.Send(Numbered(2));
  ASSERT_TRUE(inbox.WaitForCount(1));
  EXPECT_EQ(NumberOf(inbox.messages().front()), 2u);

  // One that stays keeps its streams.
  transport.SetPeers({{{3}, moved.address()}, {kReceiver, receiver.address()}});
  ASSERT_EQ(transport.Stats().size(), 2u);
  EXPECT_EQ(transport.Stats()[0].peer, NodeId{3});
  EXPECT_TRUE(transport.Stats()[1].connected);
  EXPECT_TRUE(Eventually([&] { return transport.Stats()[1].sent_messages == 1; }));

  transport.SetPeers({{kReceiver, moved.address()}});
  transport.Send(Numbered(3));
  ASSERT_TRUE(moved_inbox.WaitForCount(1));
  EXPECT_EQ(NumberOf(moved_inbox.messages().front()), 3u);
  ASSERT_TRUE(Eventually([&] { return transport.Stats().front().sent_messages == 1; }));

  transport.SetPeers({});
  EXPECT_TRUE(transport.Stats().empty());
  transport.Send(Numbered(4));
  transport.Tidy();
  transport.Shutdown();
  transport.SetPeers({{kReceiver, receiver.address()}});
  EXPECT_TRUE(transport.Stats().empty()) << "nothing begins after the end";
  EXPECT_EQ(inbox.messages().size(), 1u);
  EXPECT_EQ(moved_inbox.messages().size(), 1u);
}

// A member that is removed ends at about the time at which the others let go of it.
TEST(PeerTransportTest, APeerMayEndWhileItIsRemoved) {
  Inbox inbox;
  PeerTransport transport({}, {});
  for (int i = 0; i < 300; ++i) {
    auto receiver = std::make_unique<Receiver>(&inbox);
    transport.SetPeers({{kReceiver, receiver->address()}});
    ASSERT_TRUE(Eventually([&] { return transport.Stats().front().connected; }));
    std::thread end([&] { receiver.reset(); });
    std::this_thread::sleep_for(std::chrono::microseconds(20 * (i % 100)));
    transport.SetPeers({});
    transport.Tidy();
    end.join();
  }
}

TEST(PeerTransportTest, PeersMayChangeWhileOthersSend) {
  Inbox inbox;
  const Receiver receiver(&inbox);
  const std::string dead = Receiver(&inbox).address();
  PeerTransport transport({}, {});
  std::atomic<bool> stop = false;
  std::thread sender([&] {
    for (std::uint64_t n = 0; !stop; ++n) {
      transport.Send(Numbered(n));
      transport.Stats();
    }
  });
  for (int i = 0; i < 100; ++i) {
    transport.SetPeers({{kReceiver, i % 2 == 0 ? receiver.address() : dead}, {{3}, dead}});
    std::this_thread::sleep_for(milliseconds(i % 3));
    transport.SetPeers({});
    transport.Tidy();
  }
  transport.SetPeers({{kReceiver, receiver.address()}});
  inbox.Clear();
  EXPECT_TRUE(inbox.WaitForCount(1));
  stop = true;
  sender.join();
}

TEST(PeerTransportTest, TellsItsPeersWhoItIsForAsLongAsItsStreamsLast) {
  Inbox inbox;
  const Receiver receiver(&inbox);
  PeerTransportOptions options;
  options.cluster = kCluster;
  options.self = {kSender, "there:7101"};
  {
    PeerTransport transport(options, {{kReceiver, receiver.address()}});
    ASSERT_TRUE(Eventually([&] { return receiver.present().size() == 2; }));
    EXPECT_EQ(receiver.present().front(), options.self);
  }
  EXPECT_TRUE(Eventually([&] { return receiver.present().empty(); }));

  // Of another cluster, or with nothing to say: nobody.
  options.cluster = {8};
  PeerTransport foreign(options, {{kReceiver, receiver.address()}});
  PeerTransport silent({}, {{kReceiver, receiver.address()}});
  ASSERT_TRUE(Connected(foreign));
  ASSERT_TRUE(Connected(silent));
  EXPECT_TRUE(receiver.present().empty());
}

TEST(PeerTransportTest, ShutsDownAtAnyMomentWithinABound) {
  Inbox inbox;
  const Receiver receiver(&inbox);
  const std::string dead = Receiver(&inbox).address();
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 40; ++i) {
    PeerTransport transport({}, {{kReceiver, receiver.address()}, {{3}, dead}});
    std::thread sender([&transport] {
      for (std::uint64_t n = 0; n < 50; ++n) {
        transport.Send(Numbered(n, std::string(10'000, 'x')));
        raft::Message other = Numbered(n);
        other.to = {3};
        transport.Send(other);
      }
    });
    std::this_thread::sleep_for(milliseconds(i % 8));
    transport.Shutdown();
    sender.join();
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST(PeerTransportTest, KeepsAnIdleStreamAlive) {
  Inbox inbox;
  const Receiver receiver(&inbox);
  PeerTransportOptions options;
  options.keepalive_interval = Milliseconds(100);
  PeerTransport transport(options, {{kReceiver, receiver.address()}});
  ASSERT_TRUE(Connected(transport));
  // A server of gRPC's own settings takes such pings for an attack and hangs up after four seconds.
  std::this_thread::sleep_for(milliseconds(5500));
  EXPECT_TRUE(transport.Stats().front().connected);
  EXPECT_EQ(transport.Stats().front().streams_opened, 2u) << "for messages and for snapshots";
}

// A peer that sends what it likes.
class RawPeer final : public grpc::ClientBidiReactor<v1::PeerBatch, v1::PeerNotice> {
 public:
  explicit RawPeer(const std::string& address)
      : stub_(v1::Peer::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()))) {
    context_.set_wait_for_ready(true);
    stub_->async()->Exchange(&context_, this);
  }

  // Sends one batch of these bytes.
  void Send(const std::vector<std::string>& messages) {
    for (const std::string& message : messages) {
      batch_.add_messages(message);
    }
    StartRead(&notice_);
    StartWrite(&batch_);
    StartCall();
  }

  void Cancel() { context_.TryCancel(); }

  grpc::Status Wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait_for(lock, kPatience, [this] { return status_.has_value(); });
    return status_.value_or(grpc::Status(grpc::StatusCode::INTERNAL, "did not end"));
  }

  void OnDone(const grpc::Status& status) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    status_ = status;
    changed_.notify_all();
  }

 private:
  std::unique_ptr<v1::Peer::Stub> stub_;
  grpc::ClientContext context_;
  v1::PeerBatch batch_;
  v1::PeerNotice notice_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<grpc::Status> status_;
};

TEST(PeerServiceTest, OneMangledMessageCostsOnlyItself) {
  Inbox inbox;
  Receiver receiver(&inbox);
  raft::Message foreign = Numbered(3);
  foreign.cluster = {8};
  raft::Message astray = Numbered(4);
  astray.to = {9};
  raft::Message termless = Numbered(5);
  termless.term = {0};
  RawPeer peer(receiver.address());
  peer.Send({EncodeMessage(Numbered(1)), "\xff\xff garbage", EncodeMessage(foreign), "",
             EncodeMessage(astray), EncodeMessage(Numbered(2)), EncodeMessage(termless)});
  ASSERT_TRUE(inbox.WaitForCount(2));
  ASSERT_TRUE(Eventually([&] { return receiver.service().stats().mangled == 3; }));
  EXPECT_EQ(inbox.messages(), (std::vector<raft::Message>{Numbered(1), Numbered(2)}));
  const PeerServiceStats stats = receiver.service().stats();
  EXPECT_EQ(stats.streams, 1u) << "the stream lives on";
  EXPECT_EQ(stats.delivered, 2u);
  EXPECT_EQ(stats.foreign, 2u);
  EXPECT_NE(receiver.service().last_rejection().find("peer message: term"), std::string::npos)
      << receiver.service().last_rejection();
  peer.Cancel();
  peer.Wait();
  EXPECT_TRUE(Eventually([&] { return receiver.service().stats().streams == 0; }));
}

// A peer whose frames are not even batches.
class RawFrames final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  grpc::Status Send(const std::string& address, const std::string& frame) {
    grpc::GenericStub stub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    const grpc::Slice slice(frame);
    grpc::ByteBuffer out(&slice, 1);
    grpc::ByteBuffer in;
    stub.PrepareBidiStreamingCall(&context, "/lockstep.v1.Peer/Exchange", {}, this);
    StartRead(&in);
    StartWrite(&out);
    StartCall();
    return ended_.get_future().get();
  }

  void OnDone(const grpc::Status& status) override { ended_.set_value(status); }

 private:
  std::promise<grpc::Status> ended_;
};

TEST(PeerServiceTest, AFrameThatIsNoBatchEndsItsStreamOnly) {
  Inbox inbox;
  Receiver receiver(&inbox);
  RawPeer other(receiver.address());
  other.Send({EncodeMessage(Numbered(1))});
  ASSERT_TRUE(inbox.WaitForCount(1));
  RawFrames frames;
  EXPECT_EQ(frames.Send(receiver.address(), "\x0a\xff\xff\xff\xff\x0f cut off").error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_TRUE(Eventually([&] { return receiver.service().stats().streams == 1; }));
  other.Cancel();
  other.Wait();
  EXPECT_EQ(inbox.messages().size(), 1u);
}

TEST(PeerServiceTest, RefusesStreamsWhenItIsShutDown) {
  Inbox inbox;
  Receiver receiver(&inbox);
  RawPeer before(receiver.address());
  before.Send({EncodeMessage(Numbered(1))});
  ASSERT_TRUE(inbox.WaitForCount(1));
  receiver.service().Shutdown();
  EXPECT_FALSE(before.Wait().ok());
  RawPeer after(receiver.address());
  after.Send({EncodeMessage(Numbered(2))});
  EXPECT_EQ(after.Wait().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(inbox.messages().size(), 1u);
}

TEST(PeerServiceTest, ASecondServerOnThePortDoesNotStart) {
  Inbox inbox;
  const Receiver first(&inbox);
  EXPECT_FALSE(Receiver(&inbox, first.address()).started());
}

}  // namespace
}  // namespace lockstep::net
