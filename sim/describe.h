// Messages and what nodes notice, in words for traces and as numbers for their fingerprint.

#ifndef LOCKSTEP_SIM_DESCRIBE_H_
#define LOCKSTEP_SIM_DESCRIBE_H_

#include <string>

#include "core/raft/event.h"
#include "core/raft/message.h"
#include "core/replica.h"
#include "sim/trace.h"

namespace lockstep::sim {

// "n2", as traces name nodes.
std::string NodeName(NodeId node);

// One line: kind, term, and the fields that matter.
std::string Describe(const raft::Message& message);
std::string Describe(const raft::Event& event);
// "5@2": index and term.
std::string Describe(raft::LogPosition position);
// What the entry asks for: "no-op", or the command in words.
std::string Describe(const raft::Entry& entry);
std::string Describe(const kv::Command& command);
// What a client is told.
std::string Describe(const Reply& reply);
const char* Name(raft::Role role);
// One word for each kind, as filters and programs use them.
const char* Name(raft::Event::Kind kind);
// "AppendEntries"; without entries "Heartbeat".
const char* NameOf(const raft::Message& message);

// Adds every field but the payloads, which are fixed by index and term (Log Matching is checked).
void AddTo(Trace& trace, const raft::Message& message);

}  // namespace lockstep::sim

#endif  // LOCKSTEP_SIM_DESCRIBE_H_
