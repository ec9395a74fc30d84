#include "sim/oracles/linearizability_values.h"

#include <algorithm>

namespace lockstep::sim::history {

bool SameValue(const ValueView& a, const ValueView& b) {
  return a.text == b.text && std::equal(a.list.begin(), a.list.end(), b.list.begin(), b.list.end());
}

void KeyValues::Mention(const ValueView& value) {
  if (value.text) {
    if (texts_.try_emplace(*value.text, kOther).second) mentioned_texts_.push_back(*value.text);
  } else if (!value.list.empty()) {
    lists_.push_back(value.list);
  } else {
    absent_ = kOther;
  }
}

void KeyValues::Freeze() {
  prefixes_.resize(1);  // of kOther, never looked at
  if (kind_ != Kind::kList && absent_) absent_ = next_id_++;
  if (kind_ == Kind::kPlain) {
    for (const std::string_view text : mentioned_texts_) texts_[text] = next_id_++;
    return;
  }
  if (kind_ == Kind::kAppended) {
    if (!absent_) absent_ = next_id_++;
    prefixes_.resize(next_id_);
    for (const std::string_view text : mentioned_texts_) {
      mentioned_.push_back(*SequenceOf(ValueView{text, {}}));
    }
  } else {
    if (absent_) mentioned_.emplace_back();
    for (const std::span<const std::string> list : lists_) {
      for (const std::string& element : list) {
        elements_.try_emplace(element, static_cast<char32_t>(elements_.size()));
      }
      mentioned_.push_back(*SequenceOf(ValueView{std::nullopt, list}));
    }
  }
  std::sort(mentioned_.begin(), mentioned_.end());
  mentioned_.erase(std::unique(mentioned_.begin(), mentioned_.end()), mentioned_.end());
}

std::optional<char32_t> KeyValues::ElementToken(std::string_view element) const {
  const auto found = elements_.find(element);
  if (found == elements_.end()) return std::nullopt;
  return found->second;
}

// Nothing if an element is in no mentioned list.
std::optional<KeyValues::Sequence> KeyValues::SequenceOf(const ValueView& value) const {
  Sequence sequence;
  if (value.text) {
    for (const char c : *value.text) sequence.push_back(static_cast<unsigned char>(c));
  }
  for (const std::string& element : value.list) {
    const std::optional<char32_t> token = ElementToken(element);
    if (!token) return std::nullopt;
    sequence.push_back(*token);
  }
  return sequence;
}

KeyValues::Id KeyValues::Extend(const Prefix& prefix, const Sequence& piece) {
  const auto compare = [&](const Sequence& mentioned) {
    return mentioned.compare(prefix.length, piece.size(), piece);
  };
  const auto first = mentioned_.begin() + static_cast<std::ptrdiff_t>(prefix.begin);
  const auto last = mentioned_.begin() + static_cast<std::ptrdiff_t>(prefix.end);
  const auto begin = std::partition_point(
      first, last, [&](const Sequence& mentioned) { return compare(mentioned) < 0; });
  const auto end = std::partition_point(
      begin, last, [&](const Sequence& mentioned) { return compare(mentioned) == 0; });
  if (begin == end) return kOther;
  const Prefix extended = {static_cast<std::size_t>(begin - mentioned_.begin()),
                           static_cast<std::size_t>(end - mentioned_.begin()),
                           prefix.length + piece.size()};
  const auto [found, added] =
      prefix_ids_.try_emplace(std::pair(extended.begin, extended.length), next_id_);
  if (added) {
    ++next_id_;
    prefixes_.push_back(extended);
  }
  return found->second;
}

KeyValues::Id KeyValues::IdOf(const ValueView& value) {
  const bool absent = !value.text && value.list.empty();
  if (absent && kind_ != Kind::kList) return absent_.value_or(kOther);
  if (kind_ == Kind::kPlain) {
    const auto found = value.text ? texts_.find(*value.text) : texts_.end();
    return found == texts_.end() ? kOther : found->second;
  }
  if ((kind_ == Kind::kList) == value.text.has_value()) return kOther;
  const std::optional<Sequence> sequence = SequenceOf(value);
  return sequence ? Extend({0, mentioned_.size(), 0}, *sequence) : kOther;
}

KeyValues::Piece KeyValues::PieceOf(std::string_view appended) {
  const auto [found, added] = piece_ids_.try_emplace(appended, static_cast<Piece>(pieces_.size()));
  if (added) {
    if (kind_ == Kind::kAppended) {
      pieces_.push_back(SequenceOf(ValueView{appended, {}}));
    } else {
      const std::optional<char32_t> token = ElementToken(appended);
      pieces_.push_back(token ? std::optional(Sequence(1, *token)) : std::nullopt);
    }
  }
  return found->second;
}

KeyValues::Id KeyValues::Append(Id id, Piece piece) {
  if (id == kOther || !pieces_[piece]) return kOther;
  const std::uint64_t key = (static_cast<std::uint64_t>(id) << 32) | piece;
  const auto [found, added] = appended_.try_emplace(key, kOther);
  if (added) {
    // An absent value counts as an empty one.
    const bool absent = kind_ == Kind::kAppended && id == absent_;
    const Prefix prefix = absent ? Prefix{0, mentioned_.size(), 0} : prefixes_[id];
    found->second = Extend(prefix, *pieces_[piece]);
  }
  return found->second;
}

}  // namespace lockstep::sim::history
