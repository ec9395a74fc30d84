// How N machines that are started with equal commands (--bootstrap-expect N) come to be one
// cluster, exactly once. The deciding part: no clock, no network, no disk.
//
// Each machine has drawn an incarnation that it keeps. All look at each other all the time. The one
// with the lowest address proposes who belongs to the cluster: N addresses and incarnations. It
// accepts its own proposal, and the others, seeing that, accept it too. A proposal that all N of
// its members have accepted is decided; whoever sees that, or sees that somebody decided, keeps the
// decision and starts.
//
// What can keep a proposal from being decided is that a member will never accept it: it was wiped
// and has another incarnation, or has promised something else. Then it is abandoned, in two steps,
// so that nobody goes on while somebody may yet decide it:
//   accepted -> abandoned   "I shall not decide this by counting any more"
//   abandoned -> free       once all other members have said that, or can never accept it
//
// INVARIANTS, each durable before anybody is told
//   (1) A machine is bound by one proposal at a time, and by each round's once: it accepts only
//   what
//       is of a later round than all that it has accepted or given up.
//   (2) A decision is for ever. One is made by a machine that is bound by it and not abandoning it,
//       after every other member has said that it is bound by it too.
//   (3) A machine is freed of a proposal only when no other member can decide it any more.
// Hence two proposals with a member in common, which still has what it had promised, are never both
// decided by machines that live; and two with equal addresses always have one.

#ifndef LOCKSTEP_SERVER_FORMING_H_
#define LOCKSTEP_SERVER_FORMING_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/raft/membership.h"
#include "core/types.h"

namespace lockstep::server {

struct FormingMember {
  std::string peer_address;
  std::string client_address;
  Incarnation incarnation;

  friend bool operator==(const FormingMember&, const FormingMember&) = default;
};

// Who is to be the cluster: the first one becomes node 1, and so on. In the order of peer
// addresses.
struct Proposal {
  std::uint64_t round = 0;
  std::vector<FormingMember> members;

  const FormingMember* Find(Incarnation incarnation) const;
  friend bool operator==(const Proposal&, const Proposal&) = default;
};

// The cluster's first configuration.
raft::Membership MembershipOf(const Proposal& proposal);
// 0 if it is none of the members.
NodeId NodeOf(const Proposal& proposal, Incarnation incarnation);

enum class FormingPhase : std::uint8_t { kFree, kAccepted, kAbandoned, kDecided };

// What a machine must not forget.
struct FormingState {
  FormingPhase phase = FormingPhase::kFree;
  std::uint64_t round = 0;  // the latest that it has accepted or given up
  Proposal proposal;        // empty if free

  friend bool operator==(const FormingState&, const FormingState&) = default;
};

// As a file holds it.
std::string ToText(const FormingState& state);
// Nullopt for any text that ToText() of this version does not make.
std::optional<FormingState> ParseFormingState(std::string_view text);
// Empty if it can be one, else what is wrong with it: for what came from elsewhere.
std::string Validate(const FormingState& state);

// What a machine shows to others.
struct FormingView {
  ClusterId cluster;
  Incarnation incarnation;     // 0 of a member of a running cluster that was not formed like this
  std::uint64_t expects = 0;   // how many machines it waits for; 0 once it runs
  std::string client_address;  // empty until it knows it
  FormingState state;

  friend bool operator==(const FormingView&, const FormingView&) = default;
};

class Forming {
 public:
  struct Self {
    ClusterId cluster;
    Incarnation incarnation;
    std::uint64_t expects = 0;
  };

  Forming(const Self& self, FormingState stored) : self_(self), state_(std::move(stored)) {}

  // The peer addresses of all machines, as far as they are known, in any order; which of them is
  // this one's (empty: not known yet); and where clients reach this one (likewise).
  void SetAddresses(std::vector<std::string> addresses, const std::string& own,
                    const std::string& own_client);
  // Somebody at `address` has looked at this machine, and may wait for it without its knowing.
  void Notice(const std::string& address);
  // Whom to look at: those, the members of the proposal that it is bound by, and who looks at it;
  // not itself.
  std::vector<std::string> Others() const;
  // REQUIRES: it was asked for after the last Set(). An older answer may be of a machine's earlier
  // incarnation, and would show the one that is a member now as wiped.
  void Hear(const std::string& address, const FormingView& view);
  // `address` does not answer, or not with a view: why, for people.
  void Miss(const std::string& address, const std::string& why);

  // The state to go to, if there is one to go to. To be stored, and then to be Set(), which forgets
  // all that was heard.
  std::optional<FormingState> Next() const;
  void Set(const FormingState& state);

  FormingView view() const {
    return {self_.cluster, self_.incarnation, self_.expects, own_client_, state_};
  }
  const FormingState& state() const { return state_; }

  // Why this machine will never be a member of the cluster; nullopt if it may.
  std::optional<std::string> Refusal() const;
  // What it waits for, in one line for people: "1 of 3: b:7101 (no connection)".
  std::string Waiting() const;

 private:
  std::vector<std::string> Awaited() const;  // as Others(), without who only looks
  bool KnowsAll() const { return addresses_.size() == self_.expects && !own_.empty(); }
  // What is known of a member: null if nothing.
  const FormingView* ViewOf(const FormingMember& member) const;
  bool IsBoundBy(const FormingMember& member, const Proposal& proposal) const;
  bool NeverAgain(const FormingMember& member, const Proposal& proposal) const;
  bool CanAccept(const Proposal& proposal) const;
  bool AllOthers(bool (Forming::*holds)(const FormingMember&, const Proposal&) const) const;
  std::optional<FormingState> NextIfFree() const;
  std::optional<FormingState> NextIfAccepted() const;
  std::optional<FormingState> Propose() const;
  // What keeps the machine at `address` from being one to go on with; empty if nothing.
  std::string TroubleWith(const std::string& address) const;

  const Self self_;
  FormingState state_;
  std::vector<std::string> addresses_;  // in order, no doubles
  std::string own_;
  std::string own_client_;
  std::vector<std::string> noticed_;          // not without end
  std::map<std::string, FormingView> views_;  // of others, as last heard
  std::map<std::string, std::string> misses_;
};

}  // namespace lockstep::server

#endif  // LOCKSTEP_SERVER_FORMING_H_
