// What makes two states the same: 128-bit hashes of everything that decides the future, under every
// renaming of the nodes.
//
// Nodes differ in their ids only, and the core uses ids for nothing but equality and the order of
// iteration, so that a state and the same state with its nodes renamed have the same future,
// renamed. A part of a state (a member, a message) is hashed once under each renaming; a state's
// hash under a renaming is the sum of those of its parts, and its identity the smallest of these
// sums.

#ifndef LOCKSTEP_SIM_EXPLORE_IDENTITY_H_
#define LOCKSTEP_SIM_EXPLORE_IDENTITY_H_

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/raft/state_sink.h"
#include "core/types.h"

namespace lockstep::sim::explore {

inline constexpr std::size_t kNodesMax = 5;

struct Hash128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;

  // Adds, so that the order of parts does not matter. (Sums of unrelated hashes are as good as
  // one.)
  void Add(const Hash128& other) {
    low += other.low;
    high += other.high;
  }
  friend auto operator<=>(const Hash128&, const Hash128&) = default;
};

// The new id of each node; 0, "no node", stays 0.
using Renaming = std::array<std::uint8_t, kNodesMax + 1>;

// All n! of them, the identity first.
std::vector<Renaming> AllRenamings(std::size_t nodes);

// Takes down what it is told, to be hashed under one renaming after the other.
class Recording : public raft::StateSink {
 public:
  // `once`: equal sections count as one. So they do where every message may be repeated: a message
  // that is held back twice is no more than one that is held back once.
  explicit Recording(bool once = false) : once_(once) {}

  void Number(std::uint64_t number) override { tokens_.push_back({number, Kind::kNumber}); }
  void Node(NodeId node) override { tokens_.push_back({node.value, Kind::kNode}); }
  void Text(std::string_view text) override;
  void Section(NodeId node) override { tokens_.push_back({node.value, Kind::kSection}); }

  Hash128 HashUnder(const Renaming& renaming) const;
  std::vector<Hash128> HashUnder(const std::vector<Renaming>& renamings) const;

 private:
  enum class Kind : std::uint8_t { kNumber, kNode, kSection };
  struct Token {
    std::uint64_t value;
    Kind kind;
  };
  bool once_;
  std::vector<Token> tokens_;
};

}  // namespace lockstep::sim::explore

#endif  // LOCKSTEP_SIM_EXPLORE_IDENTITY_H_
