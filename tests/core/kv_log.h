// A machine with a log in front of it, so that tests can speak of commands and of time that passes.

#ifndef LOCKSTEP_TESTS_CORE_KV_LOG_H_
#define LOCKSTEP_TESTS_CORE_KV_LOG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/kv/codec.h"
#include "core/kv/machine.h"
#include "core/kv/types.h"
#include "core/raft/message.h"

namespace lockstep::kv {

class Log {
 public:
  void Pass(Duration duration) { now_.value += static_cast<std::uint64_t>(duration.ns); }
  ClusterTime now() const { return now_; }

  raft::Entry Next(raft::EntryKind kind, std::string payload) {
    last_ = last_.Next();
    return raft::Entry{last_, Term{1}, now_, kind, Bytes(std::move(payload))};
  }
  raft::Entry Next(const Command& command) {
    return Next(raft::EntryKind::kCommand, EncodeCommand(command));
  }
  raft::Entry NextNoOp() { return Next(raft::EntryKind::kNoOp, ""); }

 private:
  Index last_;
  ClusterTime now_ = {1'000'000};
};

class LoggedMachine {
 public:
  Machine machine;
  Log log;

  CommandResult Apply(const Command& command) { return *machine.Apply(log.Next(command)); }
  void NoOp() { machine.Apply(log.NextNoOp()); }

  // Outside any session.
  TransactionResult Transact(Transaction transaction) {
    return std::get<TransactionResult>(
        Apply(kv::Transact{SessionId(), 0, 0, std::move(transaction)}));
  }
  CommandResult Transact(SessionId session, std::uint64_t sequence, Transaction transaction,
                         std::uint64_t acknowledged = 0) {
    return Apply(kv::Transact{session, sequence, acknowledged, std::move(transaction)});
  }
  SessionId Open(Duration time_to_live = Seconds(10)) {
    return std::get<SessionOpened>(Apply(OpenSession{time_to_live})).session;
  }
};

}  // namespace lockstep::kv

#endif  // LOCKSTEP_TESTS_CORE_KV_LOG_H_
