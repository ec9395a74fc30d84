// A client's side of a session: which sequences are in use, and which replies the cluster may
// forget.
//
// Thread-safe.

#ifndef LOCKSTEP_NET_CLIENT_SESSION_H_
#define LOCKSTEP_NET_CLIENT_SESSION_H_

#include <cstdint>
#include <mutex>
#include <optional>
#include <set>

#include "core/types.h"

namespace lockstep::net {

class ClientSession {
 public:
  // The cluster keeps 1024 replies of a session. One slow call keeps all later replies from being
  // acknowledged, so the others must not run further ahead of it than this.
  static constexpr std::uint64_t kWindow = 512;

  explicit ClientSession(SessionId id) : id_(id) {}

  SessionId id() const { return id_; }

  // The next sequence, to be given back with Finish(). Nullopt while the oldest one that is in use
  // is kWindow behind.
  std::optional<std::uint64_t> Begin();

  // Nobody will send `sequence` again or wait for its reply: it was answered, or was given up.
  // REQUIRES: Begin() returned it, and it was not finished.
  void Finish(std::uint64_t sequence);

  // No sequence up to this one is in use any more. Below every sequence in use.
  std::uint64_t Acknowledged() const;

 private:
  const SessionId id_;
  mutable std::mutex mutex_;
  std::uint64_t next_ = 1;
  std::set<std::uint64_t> in_use_;
};

}  // namespace lockstep::net

#endif  // LOCKSTEP_NET_CLIENT_SESSION_H_
