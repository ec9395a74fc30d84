#include "net/introduction.h"

#include <charconv>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "core/raft/membership.h"

namespace lockstep::net {
namespace {

constexpr char kMetadataKey[] = "lockstep-peer";

// Takes a number above 0 and the blank after it from the front of `text`.
std::optional<std::uint64_t> TakeNumber(std::string_view* text) {
  std::uint64_t number = 0;
  const char* const last = text->data() + text->size();
  const auto [end, error] = std::from_chars(text->data(), last, number);
  if (error != std::errc() || end == last || *end != ' ' || number == 0) {
    return std::nullopt;
  }
  text->remove_prefix(static_cast<std::size_t>(end - text->data()) + 1);
  return number;
}

}  // namespace

void Introduce(ClusterId cluster, const PeerAddress& self, grpc::ClientContext& context) {
  context.AddMetadata(kMetadataKey,
                      absl::StrCat(cluster.value, " ", self.id.value, " ", self.address));
}

std::optional<PeerAddress> IntroductionOf(const grpc::CallbackServerContext& context,
                                          ClusterId cluster) {
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find(kMetadataKey);
  if (found == metadata.end()) {
    return std::nullopt;
  }
  std::string_view text(found->second.data(), found->second.size());
  const std::optional<std::uint64_t> of_cluster = TakeNumber(&text);
  if (!of_cluster || ClusterId{*of_cluster} != cluster) {
    return std::nullopt;
  }
  const std::optional<std::uint64_t> id = TakeNumber(&text);
  if (!id || text.empty() || text.size() > raft::kAddressBytesMax) {
    return std::nullopt;
  }
  return PeerAddress{{*id}, std::string(text)};
}

}  // namespace lockstep::net
