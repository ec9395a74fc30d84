// The search for an order of one problem's operations.
//
// Depth first, without recursion. A configuration is a turn (how many demands are met), the
// operations that are under way at that turn and already in the order, the unknown operations in
// the order, and the state. At each turn some operation under way is put into the order, until the
// demand is. What makes it fast enough:
//   (1) an operation that only looks is put into the order as soon as its result is right: it
//       cannot be in the way of another;
//   (2) of operations that do the same only the one with the earliest return is tried, and an
//       unknown one only if there is no required one: any order that takes another can swap them;
//   (3) a configuration is not entered if one was before that differs at most in having used fewer
//       unknown operations: that one could do everything this one can;
//   (4) nor if the demand misses a value that no operation under way can bring about.

#ifndef LOCKSTEP_SIM_ORACLES_LINEARIZABILITY_SEARCH_H_
#define LOCKSTEP_SIM_ORACLES_LINEARIZABILITY_SEARCH_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "sim/oracles/linearizability_problem.h"
#include "sim/oracles/linearizability_rows.h"

namespace lockstep::sim::history {

class Search {
 public:
  enum class Result : std::uint8_t { kFound, kNone, kGaveUp };

  // `problem` must outlive the search. A search is run once.
  explicit Search(Problem& problem);

  // Takes at most about `steps_max` steps.
  Result Run(std::uint64_t steps_max);

  // Called with the order and the state of every configuration at turn `turn`, before it is left
  // for others. To be set before Run().
  using Visit = std::function<void(const std::vector<Problem::Op>& order, Problem::State state)>;
  void VisitTurn(Problem::Turn turn, Visit visit);

  // Afterwards:
  std::uint64_t steps() const { return steps_; }
  // If an order was found.
  const std::vector<Problem::Op>& order() const { return order_; }
  // If none was found: the last turn that was reached. No order meets its demand.
  Problem::Turn last_turn() const { return last_turn_; }

 private:
  using Op = Problem::Op;
  using Sort = Problem::Sort;
  using Turn = Problem::Turn;
  using Place = std::uint32_t;  // of a required operation under way, in bit sets
  using Word = std::uint64_t;

  // A configuration on the stack, and how far its successors have been tried.
  struct Frame {
    Turn turn = 0;
    Problem::State state = 0;
    std::uint32_t order_size = 0;
    std::optional<std::uint32_t> used_kind;  // the unknown operation that led here
    std::uint32_t next_choice = 0;
  };
  // Unknown operations of one sort.
  struct UnknownKind {
    Sort sort = 0;
    std::vector<Op> members;  // in the order of their calls
    Turn callable = 0;        // of the first
    Turn last = 0;
    std::uint32_t available = 0;  // members callable at this turn
    std::uint32_t used = 0;
  };

  static bool Test(const std::vector<Word>& bits, Place place) {
    return ((bits[place / 64] >> (place % 64)) & 1) != 0;
  }

  void AssignPlaces();
  void CollectUnknown();

  void EnterOperations();
  void LeaveOperations();
  void NextTurn();
  void PreviousTurn();
  void PutInOrder(Op op);
  void LookWhereRight();
  void Settle();
  bool Done() const { return turn_ == problem_.demands().size(); }

  bool Hopeless();
  bool EnteredBefore();
  void Push();
  void RestoreTop();
  bool TakeNextChoice(std::uint64_t steps_max);
  bool TryNext(Frame& frame);
  bool TryRequired(Place place);
  bool TryUnknown(std::uint32_t kind);
  bool HasTwinUnderWay(Op op) const;
  bool HasRequiredUnderWay(Sort sort) const;

  Problem& problem_;
  std::vector<Place> places_;              // by operation; required ones only
  std::vector<std::vector<Op>> entering_;  // by turn: required operations callable from then on
  std::vector<std::vector<std::uint32_t>> entering_kinds_;  // by turn: kinds that get a member
  std::vector<UnknownKind> kinds_;
  std::vector<std::uint32_t> required_of_sort_;  // how many there are, by sort
  std::size_t words_ = 1;

  // The configuration.
  Turn turn_ = 0;
  Problem::State state_ = 0;
  std::vector<Word> in_order_;
  std::vector<Op> order_;
  std::optional<std::uint32_t> taken_kind_;  // if the last choice was an unknown operation

  // Of the turn.
  std::vector<Op> at_place_;
  std::vector<Word> lookers_;   // places of operations under way that only look
  std::vector<Word> changers_;  // places of the others under way

  std::vector<Frame> frames_;
  std::vector<Word> frame_bits_;  // words_ for each frame

  // Configurations entered, without what was used of the unknown ones; and for each a chain of what
  // was used (of the kinds that can still be of use at its turn) when it was entered.
  RowTable entered_;
  std::vector<std::uint32_t> row_;
  std::vector<std::uint32_t> chains_;  // by name in entered_: offset in used_ + 1, or 0
  std::vector<std::uint32_t> used_;    // next offset + 1 or 0, then counts
  std::vector<std::uint32_t> used_now_;

  std::uint64_t steps_ = 0;
  Turn last_turn_ = 0;
  std::optional<Turn> visit_turn_;
  Visit visit_;
};

}  // namespace lockstep::sim::history

#endif  // LOCKSTEP_SIM_ORACLES_LINEARIZABILITY_SEARCH_H_
