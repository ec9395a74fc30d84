// Rows of numbers, each kept once and named by a small number.

#ifndef LOCKSTEP_SIM_ORACLES_LINEARIZABILITY_ROWS_H_
#define LOCKSTEP_SIM_ORACLES_LINEARIZABILITY_ROWS_H_

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace lockstep::sim::history {

class RowTable {
 public:
  // `width` numbers a row; at least one.
  explicit RowTable(std::size_t width) : width_(width), table_(16, kEmpty) {}

  // The row's name: names count from 0 in the order of first appearance.
  // REQUIRES: row.size() == width.
  std::uint32_t Intern(std::span<const std::uint32_t> row) {
    if ((size() + 1) * 2 > table_.size()) Grow();
    const std::size_t place = Find(row);
    if (table_[place] == kEmpty) {
      table_[place] = static_cast<std::uint32_t>(size());
      numbers_.insert(numbers_.end(), row.begin(), row.end());
    }
    return table_[place];
  }

  std::span<const std::uint32_t> Row(std::uint32_t name) const {
    return {numbers_.data() + name * width_, width_};
  }

  std::size_t size() const { return numbers_.size() / width_; }

 private:
  static constexpr std::uint32_t kEmpty = 0xffffffff;

  // Where the row is, or the empty place where it belongs. The table is never full.
  std::size_t Find(std::span<const std::uint32_t> row) const {
    const std::size_t mask = table_.size() - 1;
    std::size_t place = Hash(row) & mask;
    while (table_[place] != kEmpty &&
           !std::equal(row.begin(), row.end(), numbers_.data() + table_[place] * width_)) {
      place = (place + 1) & mask;
    }
    return place;
  }

  void Grow() {
    table_.assign(table_.size() * 2, kEmpty);
    for (std::uint32_t name = 0; name < size(); ++name) table_[Find(Row(name))] = name;
  }

  static std::uint64_t Hash(std::span<const std::uint32_t> row) {
    std::uint64_t hash = 0x9e3779b97f4a7c15;
    for (const std::uint32_t number : row) {
      hash = (hash ^ number) * 0xff51afd7ed558ccd;
      hash ^= hash >> 32;
    }
    return hash;
  }

  std::size_t width_;
  std::vector<std::uint32_t> numbers_;
  std::vector<std::uint32_t> table_;  // names, by hash; a power of two
};

}  // namespace lockstep::sim::history

#endif  // LOCKSTEP_SIM_ORACLES_LINEARIZABILITY_ROWS_H_
