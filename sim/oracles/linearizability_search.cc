#include "sim/oracles/linearizability_search.h"

#include <algorithm>
#include <bit>
#include <functional>

namespace lockstep::sim::history {
namespace {

constexpr std::uint32_t kNone = 0xffffffff;

}  // namespace

template <class Predicate>
bool Search::AnyUnderWay(const std::vector<Word>& bits, const Predicate& test) const {
  for (std::size_t word = 0; word < words_; ++word) {
    for (Word rest = bits[word] & ~in_order_[word]; rest != 0; rest &= rest - 1) {
      if (test(static_cast<Place>(word * 64) + static_cast<Place>(std::countr_zero(rest)))) {
        return true;
      }
    }
  }
  return false;
}

Search::Search(Problem& problem) : problem_(problem), entered_(1) {
  AssignPlaces();
  CollectUnknown();
  in_order_.resize(words_);
  lookers_.resize(words_);
  changers_.resize(words_);
  at_place_.assign(words_ * 64, kNone);
  kind_words_ = (kinds_.size() + 63) / 64;
  choices_.resize(words_ + kind_words_);
  marked_.resize(words_ + kind_words_);
  entered_ = RowTable(2 + words_ * 2);
  CountFacts();
}

// The places of operations under way at the same turn differ; the lowest free one is taken.
void Search::AssignPlaces() {
  const auto& operations = problem_.operations();
  const auto& demands = problem_.demands();
  places_.resize(operations.size());
  entering_.resize(demands.size());
  required_of_sort_.resize(problem_.sorts());
  for (Op op = 0; op < operations.size(); ++op) {
    if (!operations[op].required) continue;
    entering_[operations[op].callable].push_back(op);
    ++required_of_sort_[operations[op].sort];
  }
  std::vector<Place> free;  // the lowest last
  Place places = 0;
  for (Turn turn = 0; turn < demands.size(); ++turn) {
    for (const Op op : entering_[turn]) {
      if (free.empty()) free.push_back(places++);
      places_[op] = free.back();
      free.pop_back();
    }
    const Place freed = places_[demands[turn]];
    free.insert(std::upper_bound(free.begin(), free.end(), freed, std::greater<>()), freed);
  }
  words_ = std::max<std::size_t>(1, (places + 63) / 64);
}

void Search::CollectUnknown() {
  const auto& operations = problem_.operations();
  entering_kinds_.resize(problem_.demands().size());
  kind_of_sort_.assign(problem_.sorts(), kNone);
  for (Op op = 0; op < operations.size(); ++op) {
    const Problem::Entry& entry = operations[op];
    if (entry.required) continue;
    Kind& kind = kind_of_sort_[entry.sort];
    if (kind == kNone) {
      kind = static_cast<Kind>(kinds_.size());
      kinds_.push_back({entry.sort, {}, entry.callable, entry.last, 0, 0});
    }
    kinds_[kind].members.push_back(op);
    entering_kinds_[entry.callable].push_back(kind);
  }
}

void Search::CountFacts() {
  needing_.assign(problem_.facts(), 0);
  bringing_.assign(problem_.facts(), 0);
  for (Op op = 0; op < problem_.operations().size(); ++op) {
    const Problem::Entry& entry = problem_.operations()[op];
    const Problem::Facts& facts = problem_.FactsOf(op);
    for (const Fact fact : facts.brought) ++bringing_[fact];
    if (!entry.required) continue;
    for (const Fact fact : facts.needed) ++needing_[fact];
  }
}

// Marks what can take effect from this turn on.
void Search::EnterOperations() {
  for (const Op op : entering_[turn_]) {
    at_place_[places_[op]] = op;
    Set(problem_.operations()[op].looks_only ? lookers_ : changers_, places_[op]);
  }
  for (const Kind kind : entering_kinds_[turn_]) ++kinds_[kind].available;
}

void Search::LeaveOperations() {
  for (const Op op : entering_[turn_]) {
    at_place_[places_[op]] = kNone;
    Clear(lookers_, places_[op]);
    Clear(changers_, places_[op]);
  }
  for (const Kind kind : entering_kinds_[turn_]) --kinds_[kind].available;
}

// The demand is met: its operation is no longer under way.
void Search::NextTurn() {
  const Place place = places_[demand()];
  at_place_[place] = kNone;
  Clear(lookers_, place);
  Clear(changers_, place);
  Clear(in_order_, place);
  ++turn_;
  if (Done()) return;
  EnterOperations();
  for (const Op op : entering_[turn_]) {
    if (problem_.operations()[op].looks_only && problem_.CanApply(op, state_)) PutInOrder(op);
  }
}

// Undoes NextTurn(), but for the order.
void Search::PreviousTurn() {
  if (!Done()) LeaveOperations();
  --turn_;
  at_place_[places_[demand()]] = demand();
  Set(problem_.operations()[demand()].looks_only ? lookers_ : changers_, places_[demand()]);
}

void Search::PutInOrder(Op op) {
  const Problem::Entry& entry = problem_.operations()[op];
  const Problem::Facts& facts = problem_.FactsOf(op);
  order_.push_back(op);
  for (const Fact fact : facts.brought) --bringing_[fact];
  if (!entry.required) {
    ++kinds_[kind_of_sort_[entry.sort]].used;
    return;
  }
  Set(in_order_, places_[op]);
  for (const Fact fact : facts.needed) --needing_[fact];
}

// Undoes PutInOrder() of the last operation, but for in_order_.
void Search::TakeBack() {
  const Op op = order_.back();
  const Problem::Entry& entry = problem_.operations()[op];
  const Problem::Facts& facts = problem_.FactsOf(op);
  order_.pop_back();
  for (const Fact fact : facts.brought) ++bringing_[fact];
  if (!entry.required) {
    --kinds_[kind_of_sort_[entry.sort]].used;
    return;
  }
  for (const Fact fact : facts.needed) ++needing_[fact];
}

void Search::LookWhereRight() {
  AnyUnderWay(lookers_, [this](Place place) {
    if (problem_.CanApply(at_place_[place], state_)) PutInOrder(at_place_[place]);
    return false;
  });
}

void Search::MeetDemands() {
  while (!Done() && Test(in_order_, places_[demand()])) NextTurn();
}

// Whether a fact that held in `before` is lost for good, and still needed.
bool Search::Doomed(Problem::State before) const {
  bool doomed = false;
  problem_.VisitLost(before, state_, [&](Fact fact) {
    doomed = doomed || (needing_[fact] > 0 && bringing_[fact] == 0);
  });
  return doomed;
}

// Remembers the configuration, unless one that could do as much is remembered.
bool Search::EnteredBefore() {
  row_.clear();
  row_.push_back(turn_);
  row_.push_back(state_);
  for (const Word word : in_order_) {
    row_.push_back(static_cast<std::uint32_t>(word));
    row_.push_back(static_cast<std::uint32_t>(word >> 32));
  }
  const std::size_t known = entered_.size();
  const std::uint32_t name = entered_.Intern(row_);
  const bool is_new = name == known;
  if (kinds_.empty()) return !is_new;

  used_now_.clear();
  for (const UnknownKind& kind : kinds_) {
    if (kind.callable <= turn_ && turn_ <= kind.last) used_now_.push_back(kind.used);
  }
  if (is_new) chains_.push_back(0);
  steps_ += kinds_.size() / 16 + used_now_.size() / 8;
  std::uint32_t* link = &chains_[name];
  while (*link != 0) {
    ++steps_;
    const std::uint32_t* counts = used_.data() + *link;
    bool fewer = true;  // or equal: all of them
    bool more = true;
    for (std::size_t i = 0; i < used_now_.size(); ++i) {
      fewer = fewer && counts[i] <= used_now_[i];
      more = more && counts[i] >= used_now_[i];
    }
    if (fewer) return true;
    if (more) {
      *link = used_[*link - 1];  // this configuration can do all that one could
    } else {
      link = &used_[*link - 1];
    }
  }
  used_.push_back(chains_[name]);
  chains_[name] = static_cast<std::uint32_t>(used_.size());
  used_.insert(used_.end(), used_now_.begin(), used_now_.end());
  return false;
}

// With one key everything conflicts; but if nothing can bring what the demand misses, there is
// nothing to choose.
void Search::ChooseAll() {
  std::fill(choices_.begin(), choices_.end(), 0);
  if (!problem_.CanApply(demand(), state_)) {
    const std::vector<Problem::Guard> blockers = problem_.Blockers(demand(), state_);
    const auto may_help = [&](Op op) {
      return std::any_of(blockers.begin(), blockers.end(),
                         [&](const Problem::Guard& guard) { return problem_.MayBring(op, guard); });
    };
    const bool hopeful =
        AnyUnderWay(changers_, [&](Place place) { return may_help(at_place_[place]); }) ||
        std::any_of(kinds_.begin(), kinds_.end(), [&](const UnknownKind& kind) {
          return IsAvailable(kind) && may_help(kind.members.front());
        });
    if (!hopeful) return;
  }
  std::copy(changers_.begin(), changers_.end(), choices_.begin());
  std::fill(choices_.begin() + static_cast<std::ptrdiff_t>(words_), choices_.end(), ~Word{0});
}

// See (4) at the top of the header.
void Search::ChooseStubborn() {
  std::fill(choices_.begin(), choices_.end(), 0);
  std::fill(marked_.begin(), marked_.end(), 0);
  const auto places = static_cast<std::uint32_t>(words_ * 64);
  const auto position = [&](Op op) {
    const Problem::Entry& entry = problem_.operations()[op];
    return entry.required ? places_[op] : places + kind_of_sort_[entry.sort];
  };
  const auto add = [&](Op op) {
    if (Test(marked_, position(op))) return;
    Set(marked_, position(op));
    stubborn_.push_back(op);
  };
  const auto add_all_under_way = [&](const auto& wanted) {
    const auto visit = [&](Place place) {
      if (wanted(at_place_[place])) add(at_place_[place]);
      return false;
    };
    AnyUnderWay(lookers_, visit);
    AnyUnderWay(changers_, visit);
    for (const UnknownKind& kind : kinds_) {
      if (IsAvailable(kind) && wanted(kind.members.front())) add(kind.members.front());
    }
  };
  stubborn_.clear();
  add(demand());
  for (std::size_t i = 0; i < stubborn_.size(); ++i) {
    const Op op = stubborn_[i];
    if (problem_.CanApply(op, state_)) {
      Set(choices_, position(op));
      add_all_under_way([&](Op other) { return problem_.Conflict(op, other); });
    } else {
      const std::vector<Problem::Guard> blockers = problem_.Blockers(op, state_);
      add_all_under_way([&](Op other) {
        return std::any_of(blockers.begin(), blockers.end(), [&](const Problem::Guard& guard) {
          return problem_.MayBring(other, guard);
        });
      });
    }
  }
}

void Search::Push() {
  if (problem_.keys() == 1) {
    ChooseAll();
  } else {
    ChooseStubborn();
  }
  Frame frame;
  frame.turn = turn_;
  frame.state = state_;
  frame.order_size = static_cast<std::uint32_t>(order_.size());
  frames_.push_back(frame);
  frame_bits_.insert(frame_bits_.end(), in_order_.begin(), in_order_.end());
  frame_bits_.insert(frame_bits_.end(), choices_.begin(), choices_.end());
}

void Search::RestoreTop() {
  const Frame& frame = frames_.back();
  while (turn_ > frame.turn) PreviousTurn();
  state_ = frame.state;
  while (order_.size() > frame.order_size) TakeBack();
  const Word* bits = frame_bits_.data() + frame_bits_.size() - (words_ * 2 + kind_words_);
  std::copy(bits, bits + words_, in_order_.begin());
}

// Whether another operation that does the same returns earlier and is not in the order yet.
bool Search::HasTwinUnderWay(Op op) const {
  const Problem::Entry& entry = problem_.operations()[op];
  if (required_of_sort_[entry.sort] < (entry.required ? 2U : 1U)) return false;
  return AnyUnderWay(changers_, [&](Place place) {
    const Problem::Entry& twin = problem_.operations()[at_place_[place]];
    return twin.sort == entry.sort && (!entry.required || twin.last < entry.last);
  });
}

bool Search::Try(Op op) {
  ++steps_;
  Problem::State next = 0;
  if (HasTwinUnderWay(op) || !problem_.Apply(op, state_, &next)) return false;
  const Problem::State before = state_;
  if (next == before && !problem_.operations()[op].required) return false;
  state_ = next;
  PutInOrder(op);
  if (next == before) return true;
  LookWhereRight();
  doomed_ = Doomed(before);
  return true;
}

// Takes the next choice that is possible: the demand itself, the other required operations under
// way by place, the unknown ones. False if there is none left.
bool Search::TryNext(Frame& frame) {
  const Place demanded = places_[demand()];
  const auto places = static_cast<std::uint32_t>(words_ * 64);
  const Word* choices = frame_bits_.data() + frame_bits_.size() - (words_ + kind_words_);
  const auto all = static_cast<std::uint32_t>((words_ + kind_words_) * 64);
  if (frame.next_choice == 0) {
    ++frame.next_choice;
    if (((choices[demanded / 64] >> (demanded % 64)) & 1) != 0 && Try(demand())) return true;
  }
  while (frame.next_choice <= all) {
    const std::uint32_t position = frame.next_choice - 1;
    const Word rest = choices[position / 64] >> (position % 64);
    if (rest == 0) {
      frame.next_choice = (position / 64 + 1) * 64 + 1;
      continue;
    }
    const std::uint32_t found = position + static_cast<std::uint32_t>(std::countr_zero(rest));
    frame.next_choice = found + 2;
    if (found < places) {
      if (found != demanded && !Test(in_order_, found) && Try(at_place_[found])) return true;
    } else if (found - places < kinds_.size()) {
      const UnknownKind& kind = kinds_[found - places];
      if (IsAvailable(kind) && Try(kind.members[kind.used])) return true;
    }
  }
  return false;
}

// Goes back to the top configuration that has a choice left, and takes it. False if none has.
bool Search::TakeNextChoice(std::uint64_t steps_max) {
  while (!frames_.empty() && steps_ <= steps_max) {
    doomed_ = false;
    if (TryNext(frames_.back())) {
      if (!doomed_) return true;
    } else {
      frames_.pop_back();
      frame_bits_.resize(frame_bits_.size() - (words_ * 2 + kind_words_));
    }
    if (!frames_.empty()) RestoreTop();
  }
  return false;
}

Search::Result Search::Run(std::uint64_t steps_max) {
  if (problem_.contradictory()) return Result::kNone;
  state_ = problem_.InitialState();
  if (Done()) {
    if (visit_) visit_(order_);
    return Result::kFound;
  }
  // A value that is needed and that nothing brings must be there from the start.
  std::vector<bool> holds(problem_.facts());
  problem_.VisitFacts(state_, [&](Fact fact) { holds[fact] = true; });
  for (Fact fact = 0; fact < holds.size(); ++fact) {
    if (needing_[fact] > 0 && bringing_[fact] == 0 && !holds[fact]) return Result::kNone;
  }
  EnterOperations();
  LookWhereRight();
  bool found = false;
  do {
    MeetDemands();
    const bool is_new = !EnteredBefore();
    if (is_new && Done()) {
      if (!visit_ || !visit_(order_)) return Result::kFound;
      found = true;
    }
    if (is_new && !Done()) {
      Push();
    } else if (!frames_.empty()) {
      RestoreTop();
    }
  } while (TakeNextChoice(steps_max));
  if (found) return Result::kFound;
  return steps_ > steps_max ? Result::kGaveUp : Result::kNone;
}

}  // namespace lockstep::sim::history
