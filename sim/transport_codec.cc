#include "sim/transport_codec.h"

#include <string>

#include "net/codec.h"
#include "sim/violation.h"

namespace lockstep::sim {

raft::Message ThroughCodec(const raft::Message& message) {
  absl::StatusOr<raft::Message> decoded = net::DecodeMessage(net::EncodeMessage(message));
  if (!decoded.ok()) {
    throw Violation("codec round trip", "a message of node " + std::to_string(message.from.value) +
                                            " cannot be decoded: " + decoded.status().ToString());
  }
  if (*decoded != message) {
    throw Violation("codec round trip", "a message of node " + std::to_string(message.from.value) +
                                            " is another one after encoding and decoding");
  }
  return *std::move(decoded);
}

void DecodeMangled(const raft::Message& message, Random& random) {
  std::string bytes = net::EncodeMessage(message);
  const std::uint64_t changes = 1 + random.Below(4);
  for (std::uint64_t i = 0; i < changes && !bytes.empty(); ++i) {
    const std::size_t place = random.Below(bytes.size());
    const std::uint64_t how = random.Below(8);
    if (how == 0) {
      bytes.resize(place);
    } else if (how == 1) {
      bytes.insert(place, 1, static_cast<char>(random.Below(256)));
    } else {
      bytes[place] =
          static_cast<char>(static_cast<unsigned char>(bytes[place]) ^ (1U << random.Below(8)));
    }
  }
  const absl::StatusOr<raft::Message> decoded = net::DecodeMessage(bytes);
  if (decoded.ok()) {
    // What the decoder lets through it must be able to say again.
    (void)ThroughCodec(*decoded);
  }
}

}  // namespace lockstep::sim
