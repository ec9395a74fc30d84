// Values as small numbers, for one key of one search.
//
// Results can tell apart only the values they mention: all others are one and the same, kOther.
// That keeps the states few, and comparing them cheap.

#ifndef LOCKSTEP_SIM_ORACLES_LINEARIZABILITY_VALUES_H_
#define LOCKSTEP_SIM_ORACLES_LINEARIZABILITY_VALUES_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "sim/history.h"

namespace lockstep::sim::history {

// A value or a list that a history owns; the default one is absent.
struct ValueView {
  std::optional<std::string_view> text;
  std::span<const std::string> list;  // empty: not a list, or the empty list, which is absent
};

inline ValueView ViewOf(const Value& value) {
  return value ? ValueView{std::string_view(*value), {}} : ValueView{};
}
bool SameValue(const ValueView& a, const ValueView& b);

// Used in two phases: first every value that a result depends on is mentioned, then, after
// Freeze(), values have ids. What it is given must outlive it.
class KeyValues {
 public:
  using Id = std::uint32_t;
  using Piece = std::uint32_t;
  static constexpr Id kOther = 0;  // no mentioned value; nor can appending lead to one

  // How the key is used. A key is a plain one until told otherwise.
  enum class Kind : std::uint8_t {
    kPlain,     // values are replaced only
    kAppended,  // values grow by bytes
    kList,      // lists grow by elements
  };
  void Use(Kind kind) { kind_ = kind; }
  Kind kind() const { return kind_; }

  void Mention(const ValueView& value);
  void Freeze();

  // All functions below: REQUIRES: frozen.
  Id IdOf(const ValueView& value);
  // What is appended, made ready to be appended often. REQUIRES: the kind is not kPlain.
  Piece PieceOf(std::string_view appended);
  Id Append(Id id, Piece piece);

  // Ids are below this. Grows while a key is appended to.
  std::size_t size() const { return next_id_; }

 private:
  // A sequence of bytes or of elements, and those that mentioned values begin with: the first
  // `length` tokens that mentioned_[begin, end) have in common and no other has.
  using Sequence = std::u32string;
  struct Prefix {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::size_t length = 0;
  };

  std::optional<Sequence> SequenceOf(const ValueView& value) const;
  std::optional<char32_t> ElementToken(std::string_view element) const;
  Id Extend(const Prefix& prefix, const Sequence& piece);

  Kind kind_ = Kind::kPlain;
  Id next_id_ = 1;

  // Values mentioned; of a plain key also their ids.
  std::optional<Id> absent_;
  absl::flat_hash_map<std::string_view, Id> texts_;
  std::vector<std::string_view> mentioned_texts_;
  std::vector<std::span<const std::string>> lists_;

  // Of keys that grow.
  absl::flat_hash_map<std::string_view, char32_t> elements_;
  std::vector<Sequence> mentioned_;                                          // sorted, distinct
  std::vector<Prefix> prefixes_;                                             // by id
  absl::flat_hash_map<std::pair<std::size_t, std::size_t>, Id> prefix_ids_;  // by begin, length
  std::vector<std::optional<Sequence>> pieces_;  // nothing: with an element no value has
  absl::flat_hash_map<std::string_view, Piece> piece_ids_;
  absl::flat_hash_map<std::uint64_t, Id> appended_;  // id << 32 | piece
};

}  // namespace lockstep::sim::history

#endif  // LOCKSTEP_SIM_ORACLES_LINEARIZABILITY_VALUES_H_
