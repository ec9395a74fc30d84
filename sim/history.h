// What clients did and saw: a history of concurrent operations, as the linearizability checker
// (sim/oracles/linearizability.h) reads it and as files keep it (sim/history_file.h).
// docs/histories.md describes the models for users.

#ifndef LOCKSTEP_SIM_HISTORY_H_
#define LOCKSTEP_SIM_HISTORY_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace lockstep::sim::history {

// What the clients talked to, and so which operations there can be.
enum class Model : std::uint8_t {
  kRegister,  // read, write, cas on one register
  kKv,        // get, put, append, delete, cas on keys
  kTxn,       // txn: lists of reads, writes and list appends on keys, each list atomic
  kMutex,     // acquire, release on one lock, free at the start
  kStore,     // Lockstep's own: get, put, delete, cas, txn without append, cond_txn
};

enum class Action : std::uint8_t {
  kRead,     // register
  kWrite,    // register
  kGet,      // kv, store
  kPut,      // kv, store
  kAppend,   // kv; to an absent key as to an empty value
  kDelete,   // kv, store
  kCas,      // register, kv, store
  kTxn,      // txn, store
  kCondTxn,  // store
  kAcquire,  // mutex
  kRelease,  // mutex; needs the lock held, by anyone
};

enum class Outcome : std::uint8_t {
  kOk,       // effect and result are certain
  kFail,     // certainly without effect; says nothing about the state
  kUnknown,  // may take effect at any time after the call, or never
};

// Bytes, or absent.
using Value = std::optional<std::string>;

// The time of a return that never came.
inline constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

// One step of a transaction. Steps see the steps before them.
struct Step {
  enum class Kind : std::uint8_t { kRead, kWrite, kAppend };
  Kind kind = Kind::kRead;
  std::string key;
  Value value;  // kWrite: the new value, absent to delete the key; kAppend: the new list element

  friend bool operator==(const Step&, const Step&) = default;
};

// What a read in a transaction returned. Steps that do not read have a default StepResult.
struct StepResult {
  enum class Kind : std::uint8_t {
    kValue,    // `value`; absent also stands for the empty list
    kList,     // `list`
    kNoClaim,  // anything: what the read returned is not known
  };
  Kind kind = Kind::kValue;
  Value value;
  std::vector<std::string> list;

  friend bool operator==(const StepResult&, const StepResult&) = default;
};

// A condition of a cond_txn.
struct Condition {
  enum class Kind : std::uint8_t {
    kEqual,     // the key has this value, or is absent if `value` is
    kNotEqual,  // the key is there and has another value; with an absent `value`: is there
  };
  Kind kind = Kind::kEqual;
  std::string key;
  Value value;

  friend bool operator==(const Condition&, const Condition&) = default;
};

// One operation of one client. Fields that the action does not name below keep their defaults.
struct Operation {
  std::int64_t client = 0;  // has one operation under way at a time; see ValidateHistory()
  Action action = Action::kRead;
  Outcome outcome = Outcome::kUnknown;
  std::int64_t called_at = 0;         // by one clock for the whole history
  std::int64_t returned_at = kNever;  // by the same clock; kNever if and only if unknown

  std::string key;                    // get, put, append, delete, cas (not the register's)
  Value value;                        // write, put, append; cas: the new value
  Value expected;                     // cas: the old value
  std::vector<Condition> conditions;  // cond_txn: all hold: `steps`, else `else_steps`
  std::vector<Step> steps;            // txn, cond_txn
  std::vector<Step> else_steps;       // cond_txn

  // False for a read that was promised less: what it returned may have been out of date already.
  bool linearizable = true;

  // The result, if the outcome is kOk.
  Value seen;                       // read, get
  bool succeeded = false;           // cas: matched; delete: was there; cond_txn: conditions held
  std::vector<StepResult> results;  // txn, cond_txn: one for each step that was executed

  friend bool operator==(const Operation&, const Operation&) = default;
};

// A history in the making is a valid history: add the operation when it is called (its outcome is
// unknown then), and fill in outcome, result and returned_at when it returns.
struct History {
  Model model = Model::kRegister;
  std::string name;
  std::string source;                 // free text
  Value initial;                      // the value of the register or of every key at the start
  std::vector<Operation> operations;  // in the order of called_at

  friend bool operator==(const History&, const History&) = default;
};

// The word that files use. The pointers live forever.
const char* Name(Model model);
const char* Name(Action action);
const char* Name(Outcome outcome);
std::optional<Model> ModelNamed(std::string_view name);

// The operation takes effect without changing anything, whatever the state: it only looks.
bool OnlyReads(const Operation& operation);

// The operation says nothing about the history, and leaving it out changes no verdict: it failed,
// or it only reads and its result is unknown, or was not promised to be linearizable.
bool MakesNoClaim(const Operation& operation);

// InvalidArgument, with the operation's position in `history.operations` (*bad_operation, if it is
// about one) and what is wrong with it, unless:
//   (1) every operation belongs to the model and has the arguments and results of its action;
//   (2) operations are in the order of their calls, and none returns before its call;
//   (3) a client has one operation under way at a time. After an unknown operation that may have
//       had an effect its number is not used again;
//   (4) a key is used as a list or as a value, never as both;
//   (5) only what only reads is not promised to be linearizable.
absl::Status ValidateHistory(const History& history, std::size_t* bad_operation = nullptr);

// For people, in one line: `put k1 "2.1"`, `cas k1 "a" -> "b" = false`. Long values are cut.
std::string Describe(const Operation& operation);

// `"text"` with unprintable bytes escaped and long text cut, or `absent`.
std::string Quote(const Value& value);

// The steps that were executed: those of the branch that was taken.
// REQUIRES: the operation is a txn or cond_txn and its outcome is kOk.
const std::vector<Step>& ExecutedSteps(const Operation& operation);

}  // namespace lockstep::sim::history

#endif  // LOCKSTEP_SIM_HISTORY_H_
