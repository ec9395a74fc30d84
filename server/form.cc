#include "server/form.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/ext/health_check_service_server_builder_option.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <future>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "net/peer_service.h"
#include "net/srv.h"
#include "server/folder.h"
#include "server/forming_service.h"
#include "server/member_file.h"

namespace lockstep::server {
namespace {

constexpr char kFileName[] = "forming";

constexpr std::chrono::milliseconds kLookEvery(100);
constexpr std::chrono::milliseconds kAnswerWithin(1000);
constexpr std::chrono::seconds kResolveEvery(2);
constexpr Duration kResolveWithin = Seconds(1);
constexpr Duration kRepeatInterval = Seconds(5);

const char* Name(FormingPhase phase) {
  switch (phase) {
    case FormingPhase::kFree:
      return "free";
    case FormingPhase::kAccepted:
      return "accepted";
    case FormingPhase::kAbandoned:
      return "abandoned";
    case FormingPhase::kDecided:
      return "decided";
  }
  return "?";
}

// What another machine shows, or why it shows nothing.
struct Looked {
  std::string address;
  absl::StatusOr<FormingView> view;
};

class Former {
 public:
  Former(const Settings& settings, Incarnation incarnation, FormingState stored, NodeLog* log)
      : settings_(settings),
        incarnation_(incarnation),
        log_(*log),
        forming_({settings.cluster_id(), incarnation, settings.bootstrap_expect},
                 std::move(stored)) {
    if (const Address address = settings.advertise_peer.value_or(*settings.listen_peer);
        IsDialable(address)) {
      configured_own_ = address.ToString();
    }
  }

  ~Former() {
    for (const auto& server : {peer_server_.get(), client_server_.get()}) {
      if (server != nullptr) {
        server->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(200));
      }
    }
  }

  std::variant<std::monostate, Proposal, StartFailure> Run(const std::function<bool()>& give_up) {
    if (std::optional<StartFailure> failure = Listen()) {
      return *failure;
    }
    log_.Write(
        LogLevel::kInfo, "forming",
        {Field("cluster", settings_.cluster_name), Field("expects", settings_.bootstrap_expect)});
    while (!give_up()) {
      Resolve();
      TakeIn(LookAtAll());
      if (std::optional<StartFailure> failure = Advance()) {
        return *failure;
      }
      const FormingState& state = forming_.state();
      if (state.phase == FormingPhase::kDecided) {
        return state.proposal;
      }
      if (const std::optional<std::string> refusal = forming_.Refusal()) {
        return StartFailure{ExitCode::kNotJoined, *refusal};
      }
      log_.WriteLimited(LogLevel::kInfo, "forming-waits", kRepeatInterval, "forming-waits",
                        {Field("for", trouble_.empty() ? forming_.Waiting() : trouble_)});
      std::this_thread::sleep_for(kLookEvery);
    }
    return std::monostate();
  }

 private:
  std::optional<StartFailure> Listen() {
    grpc::EnableDefaultHealthCheckService(true);
    service_ = std::make_unique<FormingService>([this](const std::string& from) {
      const std::lock_guard<std::mutex> lock(mutex_);
      forming_.Notice(from);
      return forming_.view();
    });
    grpc::ServerBuilder peers;
    net::ConfigurePeerServer(peers);
    peers.RegisterService(service_.get());
    peers.AddListeningPort(settings_.listen_peer->ToString(), grpc::InsecureServerCredentials());
    peer_server_ = peers.BuildAndStart();
    grpc::ServerBuilder clients;
    clients.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    clients.AddListeningPort(settings_.listen_client->ToString(),
                             grpc::InsecureServerCredentials());
    client_server_ = clients.BuildAndStart();
    for (const auto& [server, setting, address] :
         {std::tuple(peer_server_.get(), "listen-peer", *settings_.listen_peer),
          std::tuple(client_server_.get(), "listen-client", *settings_.listen_client)}) {
      if (server == nullptr) {
        return StartFailure{ExitCode::kAddressInUse,
                            absl::StrCat(setting, ": cannot listen on ", address.ToString())};
      }
    }
    client_server_->GetHealthCheckService()->SetServingStatus("lockstep.v1.Kv", false);
    return std::nullopt;
  }

  // Asks the name server now and then. What it said last is good until it says something else.
  void Resolve() {
    if (settings_.discovery_srv.empty()) {
      found_.clear();
      for (const Address& address : settings_.discover) {
        found_.push_back(address.ToString());
      }
      return;
    }
    if (resolved_at_ && std::chrono::steady_clock::now() < *resolved_at_ + kResolveEvery) {
      return;
    }
    absl::StatusOr<std::vector<std::string>> found =
        net::LookUpService(net::kPeerService, settings_.discovery_srv,
                           {.server = settings_.dns_server, .timeout = kResolveWithin});
    resolved_at_ = std::chrono::steady_clock::now();
    trouble_ = found.ok() ? "" : std::string(found.status().message());
    if (found.ok()) {
      found_ = *std::move(found);
    }
  }

  Looked LookAt(const std::string& address, v1::Forming::Stub* stub, const std::string& from) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kAnswerWithin);
    v1::LookRequest request;
    request.set_from(from);
    v1::LookResponse response;
    const grpc::Status status = stub->Look(&context, request, &response);
    switch (status.error_code()) {
      case grpc::StatusCode::OK:
        return {address, DecodeView(response)};
      case grpc::StatusCode::UNAVAILABLE:
        return {address, absl::UnavailableError("no connection")};
      case grpc::StatusCode::DEADLINE_EXCEEDED:
        return {address, absl::DeadlineExceededError("no answer")};
      default:
        return {address, absl::UnknownError("runs something else")};
    }
  }

  v1::Forming::Stub* StubOf(const std::string& address) {
    std::unique_ptr<v1::Forming::Stub>& stub = stubs_[address];
    if (stub == nullptr) {
      grpc::ChannelArguments arguments;
      arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
      arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 500);
      arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 500);
      arguments.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, 1000);
      arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
      stub = v1::Forming::NewStub(
          grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
    }
    return stub.get();
  }

  // All at the same time: one that hangs keeps the others waiting for a second, and not for each.
  std::vector<Looked> LookAtAll() {
    std::vector<std::string> whom;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      TellAddresses();
      whom = forming_.Others();
    }
    std::vector<std::future<Looked>> asked;
    for (const std::string& address : whom) {
      asked.push_back(std::async(
          std::launch::async,
          [this, address, stub = StubOf(address), from = own_.empty() ? configured_own_ : own_] {
            return LookAt(address, stub, from);
          }));
    }
    std::vector<Looked> looked;
    for (std::future<Looked>& one : asked) {
      looked.push_back(one.get());
    }
    return looked;
  }

  // With mutex_ held.
  void TellAddresses() {
    const bool listed = std::find(found_.begin(), found_.end(), configured_own_) != found_.end();
    own_ = listed ? configured_own_ : detected_own_;
    std::string client;
    if (const Address address = settings_.advertise_client.value_or(*settings_.listen_client);
        IsDialable(address)) {
      client = address.ToString();
    } else if (const auto peer = ParseAddress(own_); peer.ok()) {
      client = Address{peer->host, address.port}.ToString();
    }
    forming_.SetAddresses(found_, own_, client);
  }

  void TakeIn(const std::vector<Looked>& all) {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<std::string> own;
    for (const Looked& looked : all) {
      if (!looked.view.ok()) {
        forming_.Miss(looked.address, std::string(looked.view.status().message()));
        continue;
      }
      forming_.Hear(looked.address, *looked.view);
      const bool listed = std::find(found_.begin(), found_.end(), looked.address) != found_.end();
      if (looked.view->incarnation == incarnation_ && listed) {
        own.push_back(looked.address);
      }
    }
    if (own.size() == 1) {
      detected_own_ = own.front();
    }
    TellAddresses();
  }

  std::optional<StartFailure> Advance() {
    while (const std::optional<FormingState> next = forming_.Next()) {
      const std::string failure =
          ReplaceFile(std::filesystem::path(settings_.data_dir) / kFileName, ToText(*next));
      if (!failure.empty()) {
        return StartFailure{ExitCode::kDataFolder, failure};
      }
      log_.Write(LogLevel::kInfo, "forming-state",
                 {Field("phase", Name(next->phase)), Field("round", next->round)});
      const std::lock_guard<std::mutex> lock(mutex_);
      forming_.Set(*next);
    }
    return std::nullopt;
  }

  const Settings& settings_;
  const Incarnation incarnation_;
  NodeLog& log_;
  std::string configured_own_;  // empty: it listens everywhere and does not say where it is reached
  std::string detected_own_;    // where it has found itself
  std::string own_;
  std::vector<std::string> found_;
  std::string trouble_;  // with the name server
  std::optional<std::chrono::steady_clock::time_point> resolved_at_;
  std::map<std::string, std::unique_ptr<v1::Forming::Stub>> stubs_;

  std::mutex mutex_;  // written with it held by the thread that runs; read by gRPC's
  Forming forming_;
  std::unique_ptr<FormingService> service_;
  std::unique_ptr<grpc::Server> peer_server_;
  std::unique_ptr<grpc::Server> client_server_;
};

}  // namespace

std::variant<std::monostate, FormingState, StartFailure> ReadForming(
    const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / kFileName;
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return std::monostate();
  }
  std::ifstream file(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::optional<FormingState> state = ParseFormingState(text);
  if (!state) {
    return StartFailure{ExitCode::kDataFolder,
                        absl::StrCat(path.string(), ": damaged, or of a newer version")};
  }
  return *std::move(state);
}

std::string BeginForming(const std::filesystem::path& folder) {
  return ReplaceFile(folder / kFileName, ToText(FormingState()));
}

std::variant<std::monostate, Proposal, StartFailure> Form(const Settings& settings,
                                                          Incarnation incarnation, NodeLog* log,
                                                          const std::function<bool()>& give_up) {
  auto stored = ReadForming(settings.data_dir);
  if (const auto* failure = std::get_if<StartFailure>(&stored)) {
    return *failure;
  }
  auto* state = std::get_if<FormingState>(&stored);
  return Former(settings, incarnation, state == nullptr ? FormingState() : std::move(*state), log)
      .Run(give_up);
}

FormingView ViewOfMember(const Settings& settings) {
  FormingView view{.cluster = settings.cluster_id(),
                   .incarnation = {},
                   .expects = 0,
                   .client_address = "",
                   .state = {}};
  const auto read = ReadForming(settings.data_dir);
  const auto* state = std::get_if<FormingState>(&read);
  if (state != nullptr && state->phase == FormingPhase::kDecided) {
    view.state = *state;
    const auto& members = state->proposal.members;
    if (settings.node_id.value <= members.size()) {
      view.incarnation = members[settings.node_id.value - 1].incarnation;
    }
  }
  return view;
}

void SetAdvertised(NodeId node, Settings* settings, NodeLog* log) {
  const auto set = [](const std::string& text, std::optional<Address>* address) {
    if (const auto parsed = ParseAddress(text); parsed.ok() && !*address) {
      *address = *parsed;
    }
  };
  if (const std::optional<MemberFile> known = ReadMemberFile(settings->data_dir, log)) {
    if (const raft::Member* self = known->membership.Find(known->node); self != nullptr) {
      set(self->peer_address, &settings->advertise_peer);
      set(self->client_address, &settings->advertise_client);
    }
  }
  const auto read = ReadForming(settings->data_dir);
  const auto* state = std::get_if<FormingState>(&read);
  if (node == NodeId() || state == nullptr || state->phase != FormingPhase::kDecided ||
      node.value > state->proposal.members.size()) {
    return;
  }
  const FormingMember& member = state->proposal.members[node.value - 1];
  set(member.peer_address, &settings->advertise_peer);
  set(member.client_address, &settings->advertise_client);
}

}  // namespace lockstep::server
