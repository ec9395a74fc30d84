// The data model (etcd's: one revision counter; each key has a create revision, a mod revision and
// a version) and what clients ask of it, as plain data.

#ifndef LOCKSTEP_CORE_KV_TYPES_H_
#define LOCKSTEP_CORE_KV_TYPES_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/raft/membership.h"
#include "core/types.h"

namespace lockstep::kv {

// A key as it stands, and what etcd's KeyValue says of it.
struct KeyValue {
  std::string key;
  std::string value;
  Revision create_revision;   // of the put that made the key (again, after a delete)
  Revision mod_revision;      // of the last put
  std::uint64_t version = 0;  // puts since the key was made, that one included

  friend bool operator==(const KeyValue&, const KeyValue&) = default;
};

// What a condition compares. An absent key has version, create and mod revision 0, and no value:
// every comparison of an absent key's value is false, as in etcd.
enum class Target : std::uint8_t { kValue = 1, kVersion, kCreateRevision, kModRevision };
enum class Comparison : std::uint8_t { kEqual = 1, kNotEqual, kLess, kGreater };

struct Condition {
  std::string key;
  Target target = Target::kValue;
  Comparison comparison = Comparison::kEqual;
  std::string value;         // compared bytewise, for kValue
  std::uint64_t number = 0;  // for the other targets

  friend bool operator==(const Condition&, const Condition&) = default;
};

struct Get {
  std::string key;
  friend bool operator==(const Get&, const Get&) = default;
};
struct Put {
  std::string key;
  std::string value;
  friend bool operator==(const Put&, const Put&) = default;
};
struct Delete {
  std::string key;
  friend bool operator==(const Delete&, const Delete&) = default;
};
using Operation = std::variant<Get, Put, Delete>;

// If all conditions hold, `then` is executed, else `otherwise`: in order, each operation seeing the
// ones before it, all at one revision. Every write there is is a transaction: a plain put has no
// conditions and one operation (core/kv/requests.h builds the common ones).
struct Transaction {
  std::vector<Condition> conditions;
  std::vector<Operation> then;
  std::vector<Operation> otherwise;

  friend bool operator==(const Transaction&, const Transaction&) = default;
};

struct GetResult {
  std::optional<KeyValue> found;
  friend bool operator==(const GetResult&, const GetResult&) = default;
};
struct PutResult {
  std::optional<KeyValue> previous;
  friend bool operator==(const PutResult&, const PutResult&) = default;
};
struct DeleteResult {
  std::optional<KeyValue> previous;  // empty if there was nothing to delete
  friend bool operator==(const DeleteResult&, const DeleteResult&) = default;
};
using OperationResult = std::variant<GetResult, PutResult, DeleteResult>;

struct TransactionResult {
  bool succeeded = false;  // whether all conditions held
  // Of the store after the transaction. One that changed something has made this revision.
  Revision revision;
  std::vector<OperationResult> results;  // of the branch that was executed

  friend bool operator==(const TransactionResult&, const TransactionResult&) = default;
};

// What the log carries for a client (its bytes: command.proto).

// A client's session: the memory of its replies that makes its retries exactly-once (§6.3).
struct OpenSession {
  Duration
      time_to_live;  // the session ends after so much cluster time without a command of its own
  friend bool operator==(const OpenSession&, const OpenSession&) = default;
};

// A transaction within a session, or outside any (session 0), where a retry may execute again.
struct Transact {
  SessionId session;
  std::uint64_t sequence = 0;      // unique in the session; the first is 1
  std::uint64_t acknowledged = 0;  // the client has the replies of all sequences up to this one
  Transaction transaction;
  friend bool operator==(const Transact&, const Transact&) = default;
};

using Command = std::variant<OpenSession, Transact>;

// Answers to commands. Both sides of a retry get the same one.
struct SessionOpened {
  SessionId session;
  friend bool operator==(const SessionOpened&, const SessionOpened&) = default;
};

// Commands that are certain not to have had an effect. This is said of one entry of the log: a
// client that sent its command more than once must remember that another copy may have had one.
enum class CommandError : std::uint8_t {
  kUnknownSession = 1,     // expired, or never opened
  kAcknowledged,           // the client had said that it knows the reply to this sequence
  kTooManyUnacknowledged,  // the session holds as many replies as it may; worth trying later
  kTooManySessions,        // worth trying later
  kUndecodable,            // an entry that this version cannot read
};

using CommandResult = std::variant<TransactionResult, SessionOpened, CommandError>;

// State as storage keeps it: state.db holds these rows, a snapshot carries them.

struct SessionRow {
  SessionId id;
  Duration time_to_live;
  ClusterTime last_used;
  std::uint64_t acknowledged = 0;
  std::map<std::uint64_t, TransactionResult> replies;  // by sequence, all above `acknowledged`
  friend bool operator==(const SessionRow&, const SessionRow&) = default;
};

// Everything that is one number, once per state. As constructed: of the state before the first
// entry.
struct Summary {
  Index applied_index;
  Term applied_term;
  ClusterTime time;  // of the last entry applied
  Revision revision = {1};
  std::uint64_t digest = 0;  // of the whole state, equal on replicas with equal applied_index
  friend bool operator==(const Summary&, const Summary&) = default;
};

// A row's identity: the revision of the put that wrote it, and which change of that revision's
// transaction it was, counted from 0 (reads and deletes of absent keys change nothing). Later
// writes have later identities, so that checkpoints append (design §4).
struct RowId {
  Revision revision;
  std::uint32_t sub = 0;
  friend auto operator<=>(const RowId&, const RowId&) = default;
};

struct KeyRow {
  RowId id;  // id.revision == key_value.mod_revision
  KeyValue key_value;
  friend bool operator==(const KeyRow&, const KeyRow&) = default;
};

// A whole state.
struct Image {
  Summary summary;
  raft::MembershipAt membership;     // in force at summary.applied_index
  std::vector<KeyRow> keys;          // by id, rising
  std::vector<SessionRow> sessions;  // by id, rising
  friend bool operator==(const Image&, const Image&) = default;
};

// What turns the state of the last checkpoint into this one.
struct Delta {
  Summary summary;
  raft::MembershipAt membership;             // of the state that is led to
  std::vector<RowId> removed_keys;           // rising; all of them stored
  std::vector<KeyRow> added_keys;            // by id, rising; none of them stored
  std::vector<SessionId> removed_sessions;   // rising; all of them stored
  std::vector<SessionRow> changed_sessions;  // by id, rising; replace what is stored
  friend bool operator==(const Delta&, const Delta&) = default;
};

}  // namespace lockstep::kv

#endif  // LOCKSTEP_CORE_KV_TYPES_H_
