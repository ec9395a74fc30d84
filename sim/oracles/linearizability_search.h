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
//   (4) of the operations under way only those are tried that can make a difference to the demand:
//       itself, what must come first for it to be possible, and what conflicts with one of these.
//       Any order can be rearranged to begin with one of them (the stubborn sets of Valmari's
//       "Stubborn sets for reduced state space generation", 1991). Unconnected keys of one group
//       are thus not interleaved in every way;
//   (5) a configuration is given up as soon as a value is overwritten that a required operation
//       still has to find, and that nothing can bring again.

#ifndef LOCKSTEP_SIM_ORACLES_LINEARIZABILITY_SEARCH_H_
#define LOCKSTEP_SIM_ORACLES_LINEARIZABILITY_SEARCH_H_

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "sim/oracles/linearizability_problem.h"
#include "sim/oracles/linearizability_rows.h"

namespace lockstep::sim::history {

class Search {
 public:
  enum class Result : std::uint8_t { kFound, kNone, kGaveUp };

  // `problem` must outlive the search.
  explicit Search(Problem& problem);

  // Takes at most about `steps_max` steps. To be called once.
  Result Run(std::uint64_t steps_max);

  // If set before Run(): called with every order that is found, until it returns false. Orders that
  // lead to the same configuration are found once.
  using Visit = std::function<bool(const std::vector<Problem::Op>& order)>;
  void VisitOrders(Visit visit) { visit_ = std::move(visit); }

  // Afterwards:
  std::uint64_t steps() const { return steps_; }
  // If an order was found, and not visited.
  const std::vector<Problem::Op>& order() const { return order_; }

 private:
  using Op = Problem::Op;
  using Sort = Problem::Sort;
  using Turn = Problem::Turn;
  using Kind = std::uint32_t;   // of unknown operations, an index of kinds_
  using Place = std::uint32_t;  // of a required operation under way, in bit sets
  using Word = std::uint64_t;

  // A configuration on the stack, and how far its successors have been tried. Its bit sets lie in
  // frame_bits_: in_order_, and the choices.
  struct Frame {
    Turn turn = 0;
    Problem::State state = 0;
    std::uint32_t order_size = 0;
    std::uint32_t next_choice = 0;  // 0: the demand; then places, then kinds
  };
  // Unknown operations of one sort.
  struct UnknownKind {
    Sort sort = 0;
    std::vector<Op> members;  // in the order of their calls
    Turn callable = 0;        // of the first
    Turn last = 0;
    std::uint32_t available = 0;  // members callable at this turn
    std::uint32_t used = 0;       // the first so many of them
  };

  static bool Test(const std::vector<Word>& bits, Place place) {
    return ((bits[place / 64] >> (place % 64)) & 1) != 0;
  }
  static void Set(std::vector<Word>& bits, Place place) {
    bits[place / 64] |= Word{1} << (place % 64);
  }
  static void Clear(std::vector<Word>& bits, Place place) {
    bits[place / 64] &= ~(Word{1} << (place % 64));
  }
  // Calls test(place) for the places in `bits` that are not in the order, until it returns true;
  // returns whether it did.
  template <class Predicate>
  bool AnyUnderWay(const std::vector<Word>& bits, const Predicate& test) const;

  void AssignPlaces();
  void CollectUnknown();
  void CountFacts();

  bool Done() const { return turn_ == problem_.demands().size(); }
  Op demand() const { return problem_.demands()[turn_]; }
  bool IsAvailable(const UnknownKind& kind) const {
    return kind.used < kind.available && turn_ <= kind.last;
  }

  void EnterOperations();
  void LeaveOperations();
  void NextTurn();
  void PreviousTurn();
  void PutInOrder(Op op);
  void TakeBack();
  void LookWhereRight();
  void MeetDemands();

  bool Doomed(Problem::State before) const;
  bool EnteredBefore();
  void ChooseAll();
  void ChooseStubborn();
  void Push();
  void RestoreTop();
  bool TakeNextChoice(std::uint64_t steps_max);
  bool TryNext(Frame& frame);
  bool Try(Op op);
  bool HasTwinUnderWay(Op op) const;

  Problem& problem_;
  std::vector<Place> places_;              // by operation; required ones only
  std::vector<std::vector<Op>> entering_;  // by turn: required operations callable from then on
  std::vector<std::vector<Kind>> entering_kinds_;  // by turn: kinds that get a member
  std::vector<UnknownKind> kinds_;
  std::vector<Kind> kind_of_sort_;
  std::vector<std::uint32_t> required_of_sort_;  // how many there are, by sort
  std::size_t words_ = 1;                        // of a set of places
  std::size_t kind_words_ = 0;                   // of a set of kinds

  // The configuration.
  Turn turn_ = 0;
  Problem::State state_ = 0;
  std::vector<Word> in_order_;  // the places of what is under way and in the order
  std::vector<Op> order_;
  bool doomed_ = false;

  // Of the turn.
  std::vector<Op> at_place_;
  std::vector<Word> lookers_;   // places of operations under way that only look
  std::vector<Word> changers_;  // places of the others under way

  // By fact: how many required operations that are not in the order need it, and how many that are
  // not in the order may bring it.
  std::vector<std::uint32_t> needing_;
  std::vector<std::uint32_t> bringing_;

  std::vector<Frame> frames_;
  std::vector<Word> frame_bits_;
  std::vector<Word> choices_;  // places, then kinds, of the configuration to be pushed
  std::vector<Op> stubborn_;
  std::vector<Word> marked_;

  // Configurations entered, without what was used of the unknown ones; and for each a chain of what
  // was used (of the kinds that can still be of use at its turn) when it was entered.
  RowTable entered_;
  std::vector<std::uint32_t> row_;
  std::vector<std::uint32_t> chains_;  // by name in entered_: offset in used_ + 1, or 0
  std::vector<std::uint32_t> used_;    // next offset + 1 or 0, then counts
  std::vector<std::uint32_t> used_now_;

  std::uint64_t steps_ = 0;
  Visit visit_;
};

}  // namespace lockstep::sim::history

#endif  // LOCKSTEP_SIM_ORACLES_LINEARIZABILITY_SEARCH_H_
