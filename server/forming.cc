#include "server/forming.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace lockstep::server {
namespace {

constexpr char kFirstLine[] = "lockstep-forming 1\n";

struct PhaseName {
  FormingPhase phase;
  const char* name;
};
constexpr PhaseName kPhases[] = {{FormingPhase::kFree, "free"},
                                 {FormingPhase::kAccepted, "accepted"},
                                 {FormingPhase::kAbandoned, "abandoned"},
                                 {FormingPhase::kDecided, "decided"}};

// Takes up to `end`, which is taken too, from the front of `text`.
std::optional<std::string_view> TakeUntil(std::string_view* text, char end) {
  const std::size_t at = text->find(end);
  if (at == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view taken = text->substr(0, at);
  text->remove_prefix(at + 1);
  return taken;
}

std::optional<std::uint64_t> ToNumber(std::optional<std::string_view> text) {
  std::uint64_t number = 0;
  if (!text) {
    return std::nullopt;
  }
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc() || end != text->data() + text->size() || number > INT64_MAX) {
    return std::nullopt;
  }
  return number;
}

bool IsAddress(const std::string& address) {
  return !address.empty() && address.size() <= raft::kAddressBytesMax &&
         std::all_of(address.begin(), address.end(), [](char c) { return c > ' ' && c <= '~'; });
}

std::vector<std::string> AddressesOf(const Proposal& proposal) {
  std::vector<std::string> addresses;
  for (const FormingMember& member : proposal.members) {
    addresses.push_back(member.peer_address);
  }
  return addresses;
}

}  // namespace

const FormingMember* Proposal::Find(Incarnation incarnation) const {
  const auto found = std::find_if(members.begin(), members.end(), [&](const FormingMember& member) {
    return member.incarnation == incarnation;
  });
  return found == members.end() ? nullptr : &*found;
}

raft::Membership MembershipOf(const Proposal& proposal) {
  raft::Membership membership;
  for (const FormingMember& member : proposal.members) {
    raft::Member& voter = membership.members[membership.next_id];
    voter.voter = true;
    voter.incarnation = member.incarnation;
    voter.peer_address = member.peer_address;
    voter.client_address = member.client_address;
    membership.next_id = membership.next_id.Next();
  }
  return membership;
}

NodeId NodeOf(const Proposal& proposal, Incarnation incarnation) {
  const FormingMember* const member = proposal.Find(incarnation);
  return member == nullptr
             ? NodeId()
             : NodeId{static_cast<std::uint64_t>(member - proposal.members.data()) + 1};
}

std::string ToText(const FormingState& state) {
  std::string text = absl::StrCat(kFirstLine, kPhases[static_cast<std::size_t>(state.phase)].name,
                                  "\nround ", state.round, "\n");
  if (state.phase != FormingPhase::kFree) {
    absl::StrAppend(&text, "proposal ", state.proposal.round, " ", state.proposal.members.size(),
                    "\n");
    for (const FormingMember& member : state.proposal.members) {
      absl::StrAppend(&text, member.incarnation.value, " ", member.peer_address, " ",
                      member.client_address, "\n");
    }
  }
  absl::StrAppend(&text, "end\n");
  return text;
}

std::optional<FormingState> ParseFormingState(std::string_view text) {
  const std::string_view whole = text;
  if (text.substr(0, sizeof(kFirstLine) - 1) != kFirstLine) {
    return std::nullopt;
  }
  text.remove_prefix(sizeof(kFirstLine) - 1);
  FormingState state;
  const auto name = TakeUntil(&text, '\n');
  for (const PhaseName& phase : kPhases) {
    if (name == phase.name) {
      state.phase = phase.phase;
    }
  }
  TakeUntil(&text, ' ');
  state.round = ToNumber(TakeUntil(&text, '\n')).value_or(0);
  if (state.phase != FormingPhase::kFree) {
    TakeUntil(&text, ' ');
    state.proposal.round = ToNumber(TakeUntil(&text, ' ')).value_or(0);
    const std::uint64_t count = ToNumber(TakeUntil(&text, '\n')).value_or(0);
    for (std::uint64_t i = 0; i < count && !text.empty(); ++i) {
      FormingMember member;
      member.incarnation = {ToNumber(TakeUntil(&text, ' ')).value_or(0)};
      member.peer_address = std::string(TakeUntil(&text, ' ').value_or(""));
      member.client_address = std::string(TakeUntil(&text, '\n').value_or(""));
      state.proposal.members.push_back(std::move(member));
    }
  }
  // What was not as it should be is not written like that.
  if (!Validate(state).empty() || ToText(state) != whole) {
    return std::nullopt;
  }
  return state;
}

std::string Validate(const FormingState& state) {
  if (state.round > INT64_MAX || state.proposal.round > state.round) {
    return "its rounds make no sense";
  }
  const std::vector<FormingMember>& members = state.proposal.members;
  if (state.phase == FormingPhase::kFree) {
    return state.proposal == Proposal() ? "" : "it is free and has a proposal";
  }
  if (members.empty() || members.size() > raft::kMembersMax || state.proposal.round == 0) {
    return "its proposal has no round, or too few or too many members";
  }
  std::set<std::uint64_t> incarnations;
  for (std::size_t i = 0; i < members.size(); ++i) {
    const FormingMember& member = members[i];
    if (!IsAddress(member.peer_address) || !IsAddress(member.client_address)) {
      return "its proposal has a member without addresses";
    }
    if (i > 0 && !(members[i - 1].peer_address < member.peer_address)) {
      return "the members of its proposal are out of order";
    }
    if (member.incarnation.value == 0 || member.incarnation.value > INT64_MAX ||
        !incarnations.insert(member.incarnation.value).second) {
      return "its proposal has a member without an incarnation of its own";
    }
  }
  return "";
}

void Forming::SetAddresses(std::vector<std::string> addresses, const std::string& own,
                           const std::string& own_client) {
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  addresses_ = std::move(addresses);
  own_ = own;
  own_client_ = own_client;
}

void Forming::Notice(const std::string& address) {
  if (IsAddress(address) && noticed_.size() < raft::kMembersMax &&
      std::find(noticed_.begin(), noticed_.end(), address) == noticed_.end()) {
    noticed_.push_back(address);
  }
}

std::vector<std::string> Forming::Others() const {
  std::vector<std::string> others = Awaited();
  for (const std::string& address : noticed_) {
    if (address != own_ && std::find(others.begin(), others.end(), address) == others.end()) {
      others.push_back(address);
    }
  }
  return others;
}

std::vector<std::string> Forming::Awaited() const {
  std::vector<std::string> others = addresses_;
  for (const std::string& address : AddressesOf(state_.proposal)) {
    others.push_back(address);
  }
  std::sort(others.begin(), others.end());
  others.erase(std::unique(others.begin(), others.end()), others.end());
  others.erase(std::remove(others.begin(), others.end(), own_), others.end());
  return others;
}

void Forming::Hear(const std::string& address, const FormingView& view) {
  misses_.erase(address);
  if (view.incarnation != self_.incarnation) {
    views_[address] = view;
  }
}

void Forming::Set(const FormingState& state) {
  state_ = state;
  views_.clear();
}

// What it had said is still good for what can never change, but nothing new is begun with it.
void Forming::Miss(const std::string& address, const std::string& why) { misses_[address] = why; }

// By its incarnation, wherever it is now; else who is there in its place.
const FormingView* Forming::ViewOf(const FormingMember& member) const {
  for (const auto& [address, view] : views_) {
    if (view.incarnation == member.incarnation) {
      return &view;
    }
  }
  const auto there = views_.find(member.peer_address);
  return there == views_.end() ? nullptr : &there->second;
}

bool Forming::IsBoundBy(const FormingMember& member, const Proposal& proposal) const {
  const FormingView* const view = ViewOf(member);
  return view != nullptr && view->incarnation == member.incarnation &&
         (view->state.phase == FormingPhase::kAccepted ||
          view->state.phase == FormingPhase::kDecided) &&
         view->state.proposal == proposal;
}

bool Forming::NeverAgain(const FormingMember& member, const Proposal& proposal) const {
  const FormingView* const view = ViewOf(member);
  if (view == nullptr) {
    return false;
  }
  const FormingState& state = view->state;
  if (view->incarnation != member.incarnation) {
    return true;  // wiped: what it had promised, and whatever it had begun, is gone
  }
  if (state.phase != FormingPhase::kFree && state.proposal == proposal) {
    return state.phase == FormingPhase::kAbandoned;
  }
  return state.phase == FormingPhase::kDecided || state.round >= proposal.round;
}

bool Forming::AllOthers(bool (Forming::*holds)(const FormingMember&, const Proposal&) const) const {
  return std::all_of(state_.proposal.members.begin(), state_.proposal.members.end(),
                     [&](const FormingMember& member) {
                       return member.incarnation == self_.incarnation ||
                              (this->*holds)(member, state_.proposal);
                     });
}

bool Forming::CanAccept(const Proposal& proposal) const {
  const FormingMember* const self = proposal.Find(self_.incarnation);
  return AddressesOf(proposal) == addresses_ && self != nullptr && self->peer_address == own_;
}

std::optional<FormingState> Forming::Next() const {
  if (state_.phase == FormingPhase::kDecided) {
    return std::nullopt;
  }
  for (const auto& [address, view] : views_) {
    const Proposal& theirs = view.state.proposal;
    if (view.cluster == self_.cluster && view.state.phase == FormingPhase::kDecided &&
        theirs.Find(self_.incarnation) != nullptr &&
        (state_.phase != FormingPhase::kAccepted || state_.proposal == theirs)) {
      return FormingState{FormingPhase::kDecided, std::max(state_.round, theirs.round), theirs};
    }
  }
  switch (state_.phase) {
    case FormingPhase::kFree:
      return NextIfFree();
    case FormingPhase::kAccepted:
      return NextIfAccepted();
    default:
      break;
  }
  if (AllOthers(&Forming::NeverAgain)) {
    return FormingState{FormingPhase::kFree, state_.round, {}};
  }
  return std::nullopt;
}

std::optional<FormingState> Forming::NextIfAccepted() const {
  const Proposal& proposal = state_.proposal;
  if (AllOthers(&Forming::IsBoundBy)) {
    return FormingState{FormingPhase::kDecided, state_.round, proposal};
  }
  const bool hopeless =
      std::any_of(proposal.members.begin(), proposal.members.end(),
                  [&](const FormingMember& member) {
                    return member.incarnation != self_.incarnation && NeverAgain(member, proposal);
                  }) ||
      (KnowsAll() && AddressesOf(proposal) != addresses_);
  if (hopeless) {
    return FormingState{FormingPhase::kAbandoned, state_.round, proposal};
  }
  return std::nullopt;
}

std::optional<FormingState> Forming::NextIfFree() const {
  std::optional<FormingState> next;
  for (const auto& [address, view] : views_) {
    const FormingState& theirs = view.state;
    if (view.cluster != self_.cluster || theirs.phase == FormingPhase::kFree ||
        theirs.phase == FormingPhase::kDecided || theirs.proposal.round <= state_.round) {
      continue;
    }
    const bool accepted = theirs.phase == FormingPhase::kAccepted;
    if (accepted && !KnowsAll()) {
      continue;
    }
    if (accepted && CanAccept(theirs.proposal)) {
      if (!next || next->round < theirs.proposal.round) {
        next = FormingState{FormingPhase::kAccepted, theirs.proposal.round, theirs.proposal};
      }
    } else if (theirs.proposal.Find(self_.incarnation) != nullptr && !next) {
      // Those who are bound by it wait to hear that this machine never will be.
      next = FormingState{FormingPhase::kFree, theirs.proposal.round, {}};
    }
  }
  return next || !KnowsAll() ? next : Propose();
}

std::optional<FormingState> Forming::Propose() const {
  if (own_ != addresses_.front() || own_client_.empty()) {
    return std::nullopt;
  }
  std::uint64_t round = state_.round;
  Proposal proposal;
  std::set<Incarnation> incarnations = {self_.incarnation};
  for (const std::string& address : addresses_) {
    if (address == own_) {
      proposal.members.push_back({own_, own_client_, self_.incarnation});
      continue;
    }
    if (!TroubleWith(address).empty()) {
      return std::nullopt;
    }
    const FormingView& view = views_.at(address);
    if (view.state.phase != FormingPhase::kFree || !incarnations.insert(view.incarnation).second) {
      return std::nullopt;
    }
    round = std::max(round, view.state.round);
    proposal.members.push_back({address, view.client_address, view.incarnation});
  }
  proposal.round = round + 1;
  return FormingState{FormingPhase::kAccepted, proposal.round, proposal};
}

std::string Forming::TroubleWith(const std::string& address) const {
  if (const auto miss = misses_.find(address); miss != misses_.end()) {
    return miss->second;
  }
  const auto found = views_.find(address);
  if (found == views_.end()) {
    return "not asked yet";
  }
  const FormingView& view = found->second;
  if (view.cluster != self_.cluster) {
    return "of a cluster of another name";
  }
  if (view.expects != self_.expects && view.state.phase != FormingPhase::kDecided) {
    return absl::StrCat("expects ", view.expects);
  }
  if (view.client_address.empty()) {
    return "does not know yet which address is its own";
  }
  return "";
}

std::optional<std::string> Forming::Refusal() const {
  if (state_.phase != FormingPhase::kFree) {
    return std::nullopt;
  }
  for (const auto& [address, view] : views_) {
    if (view.cluster != self_.cluster) {
      continue;
    }
    if (view.state.phase == FormingPhase::kDecided &&
        view.state.proposal.Find(self_.incarnation) == nullptr) {
      const auto& members = view.state.proposal.members;
      const auto before = std::find_if(members.begin(), members.end(), [&](const auto& member) {
        return member.peer_address == own_;
      });
      if (before == members.end()) {
        return absl::StrCat("the cluster has formed without this node (", address,
                            " belongs to it): use --join");
      }
      return absl::StrCat("the cluster has formed, with node ", before - members.begin() + 1,
                          " at this address, whose data-dir is gone: use --join with "
                          "--join-replaces ",
                          before - members.begin() + 1);
    }
    if (view.incarnation == Incarnation()) {
      return absl::StrCat(address,
                          " runs already, in a cluster that was not formed by this: use "
                          "--join");
    }
  }
  return std::nullopt;
}

std::string Forming::Waiting() const {
  if (addresses_.size() != self_.expects) {
    return absl::StrCat(addresses_.size(), " addresses found (", absl::StrJoin(addresses_, ", "),
                        ") and ", self_.expects, " expected",
                        addresses_.size() > self_.expects
                            ? ": which of them are meant is not for a node to guess"
                            : "");
  }
  if (own_.empty()) {
    return absl::StrCat("none of ", absl::StrJoin(addresses_, ", "),
                        " is this machine, as far as it can tell");
  }
  std::vector<std::string> missing;
  const bool bound = state_.phase != FormingPhase::kFree;
  for (const std::string& address : Awaited()) {
    std::string trouble = TroubleWith(address);
    if (trouble.empty() && bound) {
      const auto& members = state_.proposal.members;
      const auto member = std::find_if(members.begin(), members.end(), [&](const auto& one) {
        return one.peer_address == address;
      });
      const bool fine = member == members.end() || (state_.phase == FormingPhase::kAccepted
                                                        ? IsBoundBy(*member, state_.proposal)
                                                        : NeverAgain(*member, state_.proposal));
      trouble = fine                                      ? ""
                : state_.phase == FormingPhase::kAccepted ? "has yet to accept"
                                                          : "has yet to give way";
    }
    if (!trouble.empty()) {
      missing.push_back(absl::StrCat(address, " (", trouble, ")"));
    }
  }
  if (missing.empty()) {
    return absl::StrCat("for ", addresses_.front(), " to propose");
  }
  return absl::StrCat(missing.size(), " of ", self_.expects, ": ", absl::StrJoin(missing, ", "));
}

}  // namespace lockstep::server
