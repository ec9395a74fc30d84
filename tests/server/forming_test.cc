// Machines that form a cluster, driven through random orders, losses, crashes and wiped disks:
// never two clusters, and always one once that stops.

#include "server/forming.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/random.h"

namespace lockstep::server {
namespace {

constexpr ClusterId kCluster{7};

std::vector<std::string> AddressesOf(const Proposal& proposal) {
  std::vector<std::string> addresses;
  for (const FormingMember& member : proposal.members) {
    addresses.push_back(member.peer_address);
  }
  return addresses;
}

bool HaveCommonMember(const Proposal& one, const Proposal& other) {
  return std::any_of(one.members.begin(), one.members.end(), [&](const FormingMember& member) {
    return other.Find(member.incarnation) != nullptr;
  });
}

// Machines of which `expects` are to be a cluster, what each has on its disk, and what is on the
// way between them. A name server that changes its mind tells them different sets of addresses: of
// any two sets of members one has to be in both, or two clusters would be right.
class World {
 public:
  World(std::uint64_t seed, std::size_t machines, std::size_t expects)
      : random_(seed), expects_(expects), wipes_(seed % 3 > 0), machines_(machines) {
    for (std::size_t i = 0; i < machines; ++i) {
      // Not in the order of their indexes.
      addresses_.push_back("host" + std::to_string((i + seed) % machines) + ":1");
    }
    for (std::size_t i = 0; i < machines; ++i) {
      Wipe(i);
    }
  }

  // Something happens.
  void Step(bool faults) {
    const std::size_t i = random_.Below(machines_.size());
    Machine& machine = machines_[i];
    const std::uint64_t kind = random_.Below(faults ? 100 : 90);
    if (machine.forming == nullptr) {
      if (kind < 40) {
        Start(i);
      } else if (kind >= 98 && wipes_) {
        Wipe(i);
      }
      return;
    }
    if (kind < 60) {  // looks at another one, or does not reach it
      const auto others = machine.forming->Others();
      if (!others.empty()) {
        const std::string& whom = others[random_.Below(others.size())];
        Machine& other = At(whom);
        if (other.forming == nullptr) {
          machine.forming->Miss(whom, "no connection");
        } else {
          other.forming->Notice(addresses_[i]);
          machine.on_the_way.push_back({whom, other.forming->view()});
        }
      }
      // Hears what it has asked for, in any order, or never.
      while (!machine.on_the_way.empty() && random_.Below(4) > 0) {
        const std::size_t at = random_.Below(machine.on_the_way.size());
        const auto [from, view] = machine.on_the_way[at];
        machine.on_the_way.erase(machine.on_the_way.begin() + static_cast<std::ptrdiff_t>(at));
        if (!faults || random_.Below(10) > 0) {
          machine.forming->Hear(from, view);
        }
      }
    } else if (kind < 90) {
      Advance(i, faults && random_.Below(20) == 0);
    } else if (kind < 92) {
      Crash(i);
    } else if (kind < 93) {
      Crash(i);
      if (wipes_) {
        Wipe(i);
      }
    } else if (kind < 94) {
      named_ = random_.Below(machines_.size());  // the name server changes its mind
    } else {
      machine.list = named_;
      Tell(i);
    }
  }

  // All lists are right, and all machines run.
  void Mend() {
    for (std::size_t i = 0; i < machines_.size(); ++i) {
      machines_[i].list = 0;
      if (machines_[i].forming == nullptr) {
        Start(i);
      }
      Tell(i);
    }
  }

  // How many have decided each, of those that have not been wiped since.
  std::vector<std::pair<Proposal, std::size_t>> Decisions() const {
    std::vector<std::pair<Proposal, std::size_t>> decisions;
    for (const Machine& machine : machines_) {
      const FormingState& state = machine.stored;
      if (state.phase != FormingPhase::kDecided) {
        continue;
      }
      const auto found = std::find_if(decisions.begin(), decisions.end(),
                                      [&](const auto& one) { return one.first == state.proposal; });
      if (found == decisions.end()) {
        decisions.emplace_back(state.proposal, 1);
      } else {
        ++found->second;
      }
    }
    return decisions;
  }
  // Whether there are two decisions that majorities live by, which could each elect a leader. (As
  // long as nobody was wiped, even one machine that decided is as good as all.) Two sets that have
  // different addresses, and no member in common that has kept its disk, are two clusters by right:
  // nobody is left who could know.
  bool HasTwoClusters() const {
    std::vector<Proposal> clusters;
    for (const auto& [proposal, machines] : Decisions()) {
      if (!HasBeenWiped() || machines > expects_ / 2) {
        clusters.push_back(proposal);
      }
    }
    for (const Proposal& one : clusters) {
      for (const Proposal& other : clusters) {
        if (one != other &&
            (AddressesOf(one) == AddressesOf(other) || HaveCommonMember(one, other))) {
          return true;
        }
      }
    }
    return false;
  }

  // Whether every machine has decided, or knows why it is not one of them.
  bool Settled() const {
    return std::all_of(machines_.begin(), machines_.end(), [](const Machine& machine) {
      return machine.forming != nullptr && (machine.stored.phase == FormingPhase::kDecided ||
                                            machine.forming->Refusal().has_value());
    });
  }
  std::size_t refused() const {
    return static_cast<std::size_t>(std::count_if(
        machines_.begin(), machines_.end(),
        [](const Machine& machine) { return machine.stored.phase != FormingPhase::kDecided; }));
  }
  bool HasBeenWiped() const { return wiped_ > machines_.size(); }

  std::string Describe() const {
    std::string text;
    for (const Machine& machine : machines_) {
      text += "incarnation " + std::to_string(machine.incarnation.value) + "\n" +
              ToText(machine.stored) +
              (machine.forming == nullptr ? "down\n" : machine.forming->Waiting() + "\n");
    }
    return text;
  }

 private:
  struct OnTheWay {
    std::string from;
    FormingView view;
  };
  struct Machine {
    Incarnation incarnation;
    FormingState stored;
    std::uint64_t list = 0;            // the first address of those that it is told
    std::unique_ptr<Forming> forming;  // null while it is down
    std::vector<OnTheWay> on_the_way;  // to this one
  };

  Machine& At(const std::string& address) {
    const auto found = std::find(addresses_.begin(), addresses_.end(), address);
    return machines_[static_cast<std::size_t>(found - addresses_.begin())];
  }

  void Start(std::size_t i) {
    Machine& machine = machines_[i];
    EXPECT_EQ(ParseFormingState(ToText(machine.stored)), machine.stored);
    machine.forming = std::make_unique<Forming>(
        Forming::Self{kCluster, machine.incarnation, expects_}, machine.stored);
    Tell(i);
  }
  void Tell(std::size_t i) {
    Machine& machine = machines_[i];
    if (machine.forming == nullptr) {
      return;
    }
    std::vector<std::string> list;
    for (std::size_t n = 0; n < expects_; ++n) {
      list.push_back(addresses_[(machine.list + n) % addresses_.size()]);
    }
    if (machine.list % 4 == 3) {
      list.pop_back();
    }
    const bool known = std::find(list.begin(), list.end(), addresses_[i]) != list.end();
    machine.forming->SetAddresses(list, known ? addresses_[i] : "", "c" + addresses_[i]);
  }
  void Crash(std::size_t i) {
    machines_[i].forming = nullptr;
    machines_[i].on_the_way.clear();
  }
  void Wipe(std::size_t i) {
    machines_[i].incarnation = {++wiped_};
    machines_[i].stored = {};
  }
  void Advance(std::size_t i, bool crash_before_it_shows) {
    Machine& machine = machines_[i];
    if (const auto next = machine.forming->Next()) {
      EXPECT_EQ(Validate(*next), "");
      CheckStep(machine, *next);
      machine.stored = *next;
      if (crash_before_it_shows) {
        Crash(i);
      } else {
        machine.forming->Set(*next);
        machine.on_the_way.clear();  // asked for before
      }
    }
  }

  // The invariants of server/forming.h, of one machine's step.
  void CheckStep(const Machine& machine, const FormingState& next) {
    const FormingState& from = machine.stored;
    ASSERT_NE(from.phase, FormingPhase::kDecided) << "a decision is for ever";
    if (next.phase == FormingPhase::kAccepted) {
      ASSERT_GT(next.round, from.round) << "it had given that round up";
      ASSERT_EQ(from.phase, FormingPhase::kFree);
    }
    if (from.phase == FormingPhase::kAccepted && next.phase == FormingPhase::kDecided) {
      ASSERT_EQ(next.proposal, from.proposal) << "it is bound by another";
    }
    if (from.phase == FormingPhase::kAbandoned && next.phase == FormingPhase::kFree) {
      for (const Machine& other : machines_) {
        const FormingState& there = other.stored;
        if (from.proposal.Find(other.incarnation) != nullptr && there.proposal == from.proposal) {
          ASSERT_TRUE(there.phase != FormingPhase::kDecided &&
                      (there.phase != FormingPhase::kAccepted || &other == &machine))
              << "somebody has decided it, or still can\n"
              << Describe();
        }
      }
    }
  }

  Random random_;
  const std::size_t expects_;
  const bool wipes_;
  std::uint64_t named_ = 0;  // the first of the addresses that the name server tells
  std::vector<Machine> machines_;
  std::vector<std::string> addresses_;
  std::uint64_t wiped_ = 0;
};

TEST(FormingTest, ThereAreNeverTwoClustersAndOneInTheEnd) {
  struct Size {
    std::size_t machines;
    std::size_t expects;
  };
  constexpr Size kSizes[] = {{1, 1}, {2, 2}, {3, 3}, {5, 5}, {3, 2}, {4, 3}, {5, 3}, {6, 4}};
  int decided_among_faults = 0;
  int decided_after = 0;
  int refused = 0;
  for (std::uint64_t seed = 1; seed <= 6'000; ++seed) {
    const Size size = kSizes[seed % std::size(kSizes)];
    World world(seed, size.machines, size.expects);
    for (std::uint64_t i = 0; i < 100 + seed % 900; ++i) {
      world.Step(true);
      ASSERT_FALSE(world.HasTwoClusters()) << "seed " << seed << "\n" << world.Describe();
    }
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
    const bool before = !world.Decisions().empty();
    decided_among_faults += before ? 1 : 0;
    world.Mend();
    for (int i = 0; i < 20'000 && !world.Settled(); ++i) {
      world.Step(false);
      ASSERT_FALSE(world.HasTwoClusters()) << "seed " << seed << "\n" << world.Describe();
    }
    ASSERT_TRUE(world.Settled()) << "seed " << seed << "\n" << world.Describe();
    if (!world.HasBeenWiped()) {
      const auto decisions = world.Decisions();
      ASSERT_EQ(decisions.size(), 1u) << "seed " << seed << "\n" << world.Describe();
      ASSERT_EQ(decisions.front().second, size.expects) << "seed " << seed;
    }
    decided_after += before ? 0 : 1;
    refused += world.refused() > 0 ? 1 : 0;
  }
  // Otherwise it would have shown less than it seems to.
  EXPECT_GT(decided_among_faults, 1000);
  EXPECT_GT(decided_after, 1000);
  EXPECT_GT(refused, 500);
}

FormingMember MemberAt(const std::string& name, std::uint64_t incarnation) {
  return {name + ":1", name + ":2", {incarnation}};
}
FormingState Accepted(std::uint64_t round) {
  return {FormingPhase::kAccepted, round, {round, {MemberAt("a", 1), MemberAt("b", 2)}}};
}

TEST(FormingTest, TheFirstConfigurationNamesEverybodysIncarnation) {
  const Proposal proposal = Accepted(1).proposal;
  const raft::Membership membership = MembershipOf(proposal);
  EXPECT_EQ(raft::Validate(membership), "");
  EXPECT_EQ(raft::ToText(membership), "voters 1 2");
  EXPECT_EQ(membership.members.at({2}).incarnation, Incarnation{2});
  EXPECT_EQ(membership.members.at({2}).peer_address, "b:1");
  EXPECT_EQ(membership.members.at({2}).client_address, "b:2");
  EXPECT_EQ(NodeOf(proposal, {2}), NodeId{2});
  EXPECT_EQ(NodeOf(proposal, {3}), NodeId{});
}

TEST(FormingTest, NothingButAWholeStateIsRead) {
  const std::string whole = ToText(Accepted(4));
  EXPECT_EQ(whole,
            "lockstep-forming 1\naccepted\nround 4\nproposal 4 2\n1 a:1 a:2\n2 b:1 b:2\nend\n");
  EXPECT_EQ(ParseFormingState(whole), Accepted(4));
  EXPECT_EQ(ParseFormingState(ToText(FormingState())), FormingState());
  for (std::size_t end = 0; end < whole.size(); ++end) {
    EXPECT_EQ(ParseFormingState(whole.substr(0, end)), std::nullopt) << end;
  }
  for (const char* text :
       {"lockstep-forming 2\nfree\nround 0\nend\n", "lockstep-forming 1\nfree\nround -1\nend\n",
        "lockstep-forming 1\nmaybe\nround 0\nend\n", "lockstep-forming 1\nfree\nround 0\nend\n\n",
        "lockstep-forming 1\naccepted\nround 4\nproposal 4 0\nend\n",
        "lockstep-forming 1\naccepted\nround 4\nproposal 5 1\n1 a:1 a:2\nend\n",
        "lockstep-forming 1\naccepted\nround 4\nproposal 4 2\n1 b:1 b:2\n2 a:1 a:2\nend\n",
        "lockstep-forming 1\naccepted\nround 4\nproposal 4 2\n1 a:1 a:2\n1 b:1 b:2\nend\n"}) {
    EXPECT_EQ(ParseFormingState(text), std::nullopt) << text;
  }
}

TEST(FormingTest, WhatItWaitsForIsSaid) {
  Forming forming({kCluster, {1}, 3}, {});
  const auto waits = [&forming](const std::string& text) {
    EXPECT_EQ(forming.Next(), std::nullopt);
    EXPECT_EQ(forming.Waiting(), text);
  };
  forming.SetAddresses({"a:1", "b:1"}, "a:1", "a:2");
  waits("2 addresses found (a:1, b:1) and 3 expected");
  forming.SetAddresses({"d:1", "c:1", "b:1", "a:1"}, "a:1", "a:2");
  waits(
      "4 addresses found (a:1, b:1, c:1, d:1) and 3 expected: which of them are meant is not for a "
      "node to guess");
  forming.SetAddresses({"c:1", "b:1", "a:1"}, "", "");
  waits("none of a:1, b:1, c:1 is this machine, as far as it can tell");
  forming.SetAddresses({"c:1", "b:1", "a:1"}, "a:1", "a:2");
  forming.Miss("b:1", "no connection");
  waits("2 of 3: b:1 (no connection), c:1 (not asked yet)");
  forming.Hear("b:1", {kCluster, {2}, 5, "b:2", {}});
  forming.Hear("c:1", {{8}, {3}, 3, "c:2", {}});
  waits("2 of 3: b:1 (expects 5), c:1 (of a cluster of another name)");
  forming.Hear("b:1", {kCluster, {2}, 3, "b:2", {}});
  forming.Hear("c:1", {kCluster, {3}, 3, "c:2", {}});
  const auto next = forming.Next();
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(next->phase, FormingPhase::kAccepted);
  EXPECT_EQ(next->proposal.members.size(), 3u);
  forming.Set(*next);
  forming.Hear("b:1", {kCluster, {2}, 3, "b:2", *next});
  forming.Hear("c:1", {kCluster, {3}, 3, "c:2", {}});
  waits("1 of 3: c:1 (has yet to accept)");
}

TEST(FormingTest, WhoComesTooLateIsToldWhatToDo) {
  const auto refusal = [](Incarnation incarnation, const std::string& own) {
    Forming forming({kCluster, incarnation, 2}, {});
    forming.SetAddresses({"a:1", own}, own, "x:2");
    FormingState decided = Accepted(1);
    decided.phase = FormingPhase::kDecided;
    forming.Hear("a:1", {kCluster, {1}, 0, "a:2", decided});
    return forming.Refusal().value_or("(none)");
  };
  EXPECT_EQ(refusal({3}, "c:1"),
            "the cluster has formed without this node (a:1 belongs to it): use --join");
  EXPECT_EQ(
      refusal({3}, "b:1"),
      "the cluster has formed, with node 2 at this address, whose data-dir is gone: use --join "
      "with --join-replaces 2");
  EXPECT_EQ(refusal({2}, "b:1"), "(none)");
  Forming forming({kCluster, {3}, 2}, {});
  forming.SetAddresses({"a:1", "c:1"}, "c:1", "c:2");
  forming.Hear("a:1", {kCluster, {}, 0, "", {}});
  EXPECT_EQ(forming.Refusal(),
            "a:1 runs already, in a cluster that was not formed by this: use --join");
}

}  // namespace
}  // namespace lockstep::server
