#include "sim/oracles/linearizability_search.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace lockstep::sim::history {
namespace {

constexpr std::uint32_t kNoOp = 0xffffffff;

}  // namespace

Search::Search(Problem& problem) : problem_(problem), entered_(1) {
  AssignPlaces();
  CollectUnknown();
  in_order_.resize(words_);
  lookers_.resize(words_);
  changers_.resize(words_);
  at_place_.assign(words_ * 64, kNoOp);
  entered_ = RowTable(2 + words_ * 2);
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
  std::vector<std::uint32_t> kind_of_sort(problem_.sorts(), kNoOp);
  for (Op op = 0; op < operations.size(); ++op) {
    const Problem::Entry& entry = operations[op];
    if (entry.required) continue;
    std::uint32_t& kind = kind_of_sort[entry.sort];
    if (kind == kNoOp) {
      kind = static_cast<std::uint32_t>(kinds_.size());
      kinds_.push_back({entry.sort, {}, entry.callable, entry.last, 0, 0});
    }
    kinds_[kind].members.push_back(op);
    entering_kinds_[entry.callable].push_back(kind);
  }
}

void Search::VisitTurn(Turn turn, Visit visit) {
  visit_turn_ = turn;
  visit_ = std::move(visit);
}

// Marks what can take effect from this turn on.
void Search::EnterOperations() {
  for (const Op op : entering_[turn_]) {
    const Place place = places_[op];
    at_place_[place] = op;
    std::vector<Word>& bits = problem_.operations()[op].looks_only ? lookers_ : changers_;
    bits[place / 64] |= Word{1} << (place % 64);
  }
  for (const std::uint32_t kind : entering_kinds_[turn_]) ++kinds_[kind].available;
}

void Search::LeaveOperations() {
  for (const Op op : entering_[turn_]) {
    const Place place = places_[op];
    at_place_[place] = kNoOp;
    lookers_[place / 64] &= ~(Word{1} << (place % 64));
    changers_[place / 64] &= ~(Word{1} << (place % 64));
  }
  for (const std::uint32_t kind : entering_kinds_[turn_]) --kinds_[kind].available;
}

// The demand is met: its operation is no longer under way.
void Search::NextTurn() {
  const Op met = problem_.demands()[turn_];
  const Place place = places_[met];
  const Word bit = Word{1} << (place % 64);
  at_place_[place] = kNoOp;
  lookers_[place / 64] &= ~bit;
  changers_[place / 64] &= ~bit;
  in_order_[place / 64] &= ~bit;
  ++turn_;
  if (Done()) return;
  EnterOperations();
  for (const Op op : entering_[turn_]) {
    Problem::State same = 0;
    if (problem_.operations()[op].looks_only && problem_.Apply(op, state_, &same)) PutInOrder(op);
  }
}

// Undoes NextTurn(), but for the operations in the order.
void Search::PreviousTurn() {
  if (!Done()) LeaveOperations();
  --turn_;
  const Op met = problem_.demands()[turn_];
  const Place place = places_[met];
  at_place_[place] = met;
  std::vector<Word>& bits = problem_.operations()[met].looks_only ? lookers_ : changers_;
  bits[place / 64] |= Word{1} << (place % 64);
}

void Search::PutInOrder(Op op) {
  order_.push_back(op);
  const Place place = places_[op];
  in_order_[place / 64] |= Word{1} << (place % 64);
}

void Search::LookWhereRight() {
  for (std::size_t word = 0; word < words_; ++word) {
    for (Word rest = lookers_[word] & ~in_order_[word]; rest != 0; rest &= rest - 1) {
      const Op op = at_place_[word * 64 + static_cast<std::size_t>(std::countr_zero(rest))];
      Problem::State same = 0;
      if (problem_.Apply(op, state_, &same)) PutInOrder(op);
    }
  }
}

// After the state has changed: does what costs no choice.
void Search::Settle() {
  LookWhereRight();
  while (!Done() && Test(in_order_, places_[problem_.demands()[turn_]])) NextTurn();
}

bool Search::Hopeless() {
  const Op demand = problem_.demands()[turn_];
  const auto missing = problem_.Missing(demand, state_);
  if (!missing) return true;
  for (const Problem::Guard& guard : *missing) {
    bool may_come = false;
    for (std::size_t word = 0; word < words_ && !may_come; ++word) {
      for (Word rest = changers_[word] & ~in_order_[word]; rest != 0; rest &= rest - 1) {
        const Op op = at_place_[word * 64 + static_cast<std::size_t>(std::countr_zero(rest))];
        may_come = op != demand && problem_.MayBring(op, guard);
        if (may_come) break;
      }
    }
    for (std::size_t kind = 0; kind < kinds_.size() && !may_come; ++kind) {
      const UnknownKind& unknown = kinds_[kind];
      may_come = unknown.used < unknown.available && unknown.last >= turn_ &&
                 problem_.MayBring(unknown.members.front(), guard);
    }
    if (!may_come) return true;
  }
  return false;
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

void Search::Push() {
  Frame frame;
  frame.turn = turn_;
  frame.state = state_;
  frame.order_size = static_cast<std::uint32_t>(order_.size());
  frame.used_kind = taken_kind_;
  frames_.push_back(frame);
  frame_bits_.insert(frame_bits_.end(), in_order_.begin(), in_order_.end());
}

void Search::RestoreTop() {
  const Frame& frame = frames_.back();
  while (turn_ > frame.turn) PreviousTurn();
  state_ = frame.state;
  order_.resize(frame.order_size);
  std::copy(frame_bits_.end() - static_cast<std::ptrdiff_t>(words_), frame_bits_.end(),
            in_order_.begin());
}

bool Search::HasTwinUnderWay(Op op) const {
  const Problem::Entry& entry = problem_.operations()[op];
  if (required_of_sort_[entry.sort] < 2) return false;
  for (std::size_t word = 0; word < words_; ++word) {
    for (Word rest = changers_[word] & ~in_order_[word]; rest != 0; rest &= rest - 1) {
      const Op other = at_place_[word * 64 + static_cast<std::size_t>(std::countr_zero(rest))];
      const Problem::Entry& twin = problem_.operations()[other];
      if (twin.sort == entry.sort && twin.last < entry.last) return true;
    }
  }
  return false;
}

bool Search::HasRequiredUnderWay(Sort sort) const {
  if (required_of_sort_[sort] == 0) return false;
  for (std::size_t word = 0; word < words_; ++word) {
    for (Word rest = changers_[word] & ~in_order_[word]; rest != 0; rest &= rest - 1) {
      const Op other = at_place_[word * 64 + static_cast<std::size_t>(std::countr_zero(rest))];
      if (problem_.operations()[other].sort == sort) return true;
    }
  }
  return false;
}

bool Search::TryRequired(Place place) {
  const Op op = at_place_[place];
  Problem::State next = 0;
  ++steps_;
  if (HasTwinUnderWay(op) || !problem_.Apply(op, state_, &next)) return false;
  state_ = next;
  PutInOrder(op);
  taken_kind_.reset();
  return true;
}

bool Search::TryUnknown(std::uint32_t number) {
  UnknownKind& kind = kinds_[number];
  if (kind.used == kind.available || turn_ > kind.last) return false;
  Problem::State next = 0;
  ++steps_;
  const Op op = kind.members[kind.used];
  if (HasRequiredUnderWay(kind.sort) || !problem_.Apply(op, state_, &next)) return false;
  if (next == state_) return false;
  state_ = next;
  order_.push_back(op);
  ++kind.used;
  taken_kind_ = number;
  return true;
}

// Takes the next choice that is possible: the demand itself, the other required operations under
// way by place, the unknown ones. False if there is none left.
bool Search::TryNext(Frame& frame) {
  const Place demanded = places_[problem_.demands()[turn_]];
  const auto places = static_cast<std::uint32_t>(words_ * 64);
  if (frame.next_choice == 0) {
    ++frame.next_choice;
    if (Test(changers_, demanded) && TryRequired(demanded)) return true;
  }
  while (frame.next_choice <= places) {
    const Place place = frame.next_choice - 1;
    const Word rest = (changers_[place / 64] & ~in_order_[place / 64]) >> (place % 64);
    if (rest == 0) {
      frame.next_choice = (place / 64 + 1) * 64 + 1;
      continue;
    }
    const Place found = place + static_cast<Place>(std::countr_zero(rest));
    frame.next_choice = found + 2;
    if (found != demanded && TryRequired(found)) return true;
  }
  while (frame.next_choice - places - 1 < kinds_.size()) {
    const std::uint32_t kind = frame.next_choice - places - 1;
    ++frame.next_choice;
    if (TryUnknown(kind)) return true;
  }
  return false;
}

// Goes back to the top configuration that has a choice left, and takes it. False if none has.
bool Search::TakeNextChoice(std::uint64_t steps_max) {
  while (!frames_.empty() && steps_ <= steps_max) {
    if (TryNext(frames_.back())) return true;
    if (frames_.back().used_kind) --kinds_[*frames_.back().used_kind].used;
    frames_.pop_back();
    frame_bits_.resize(frame_bits_.size() - words_);
    if (!frames_.empty()) RestoreTop();
  }
  return false;
}

Search::Result Search::Run(std::uint64_t steps_max) {
  state_ = problem_.InitialState();
  if (Done()) return Result::kFound;
  EnterOperations();
  do {
    Settle();
    if (Done()) return Result::kFound;
    last_turn_ = std::max(last_turn_, turn_);
    if (visit_turn_ == turn_) visit_(order_, state_);
    if (!EnteredBefore() && !Hopeless()) {
      Push();
    } else {
      if (taken_kind_) --kinds_[*taken_kind_].used;
      if (!frames_.empty()) RestoreTop();
    }
  } while (TakeNextChoice(steps_max));
  return steps_ > steps_max ? Result::kGaveUp : Result::kNone;
}

}  // namespace lockstep::sim::history
