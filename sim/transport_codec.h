// What the wire does to a message: net/codec, as in production, with and without damage.

#ifndef LOCKSTEP_SIM_TRANSPORT_CODEC_H_
#define LOCKSTEP_SIM_TRANSPORT_CODEC_H_

#include "core/raft/message.h"
#include "core/random.h"

namespace lockstep::sim {

// Encodes and decodes. Throws Violation if the result is not the same message.
raft::Message ThroughCodec(const raft::Message& message);

// Encodes, flips, cuts off or adds a few bytes, and decodes: any answer will do, but there must be
// one.
void DecodeMangled(const raft::Message& message, Random& random);

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_TRANSPORT_CODEC_H_
