// A state of the small world, the steps that may follow it, and what each leads to.
//
// Left out:
//   - losing a message: whatever can happen after a loss can happen while the message is never
//     delivered;
//   - deliveries that neither change the receiver nor send anything: the state after them is one
//     from which the message was lost;
//   - replies to a term that the receiver's disk has left, if delivering them then changes nothing:
//     they are removed from the network at once. That they never matter again is taken for granted.
// Nothing is lost by the first two.

#ifndef LOCKSTEP_SIM_EXPLORE_WORLD_H_
#define LOCKSTEP_SIM_EXPLORE_WORLD_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/explore/bounds.h"
#include "sim/explore/identity.h"
#include "sim/explore/member.h"
#include "sim/explore/space.h"

namespace lockstep::sim::explore {

enum class Budget : std::uint8_t {
  kTimeouts,
  kSilences,
  kTicks,
  kCrashes,
  kWrites,
  kReads,
  kCheckpoints,
  kDuplicates,
};
inline constexpr std::size_t kBudgetCount = 8;

struct Action {
  StepKind kind = StepKind::kDeliver;
  std::uint8_t node = 0;       // by id - 1
  std::uint32_t argument = 0;  // of a delivery the message, else see StepKind; below 2^24

  std::uint32_t Packed() const;
  static Action Unpack(std::uint32_t packed);
};

struct State {
  std::array<MemberNumber, kNodesMax> members{};
  HistoryNumber history = 0;
  std::array<std::uint8_t, kBudgetCount> spent{};
  std::vector<MessageNumber> network;  // rising; twice if it is there twice
};

class World {
 public:
  explicit World(const Bounds& bounds) : space_(bounds) {}

  // Nobody ever ran.
  State First();

  // All steps that the bounds allow, in an order that is always the same.
  void ActionsOf(const State& state, std::vector<Action>* actions);

  enum class Result : std::uint8_t { kChanged, kNothing, kOutOfBounds, kBroken };
  // What `action` leads to, in `next`. kNothing: nowhere new. kBroken: see broken().
  Result Apply(const State& state, Action action, State* next);
  const Broken& broken() const { return *broken_; }

  // The same for states that differ in the names of nodes only.
  Hash128 IdentityOf(const State& state) const;

  // For people: what `action` does in `state`, and what the nodes notice.
  std::string Describe(const State& state, Action action);
  // For people: one line for each node.
  std::vector<std::string> Describe(const State& state) const;

  Space& space() { return space_; }
  const Space& space() const { return space_; }

 private:
  std::uint8_t BudgetOf(Budget budget) const;
  void CheckCluster(const State& state, NodeId acted, const Outcome& outcome, State* next);
  void CheckElected(const State& next, NodeId elected, Term term) const;
  void CheckLogMatching(const State& next, NodeId changed) const;
  void Forget(State* next, std::size_t node, std::size_t sent);

  Space space_;
  std::optional<Broken> broken_;
};

}  // namespace lockstep::sim::explore

#endif  // LOCKSTEP_SIM_EXPLORE_WORLD_H_
