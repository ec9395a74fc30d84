#include "sim/explore/identity.h"

#include <algorithm>
#include <numeric>

#include "sim/trace.h"

namespace lockstep::sim::explore {
namespace {

Hash128 Finish(Fingerprint fingerprint) {
  fingerprint.Add(0);
  fingerprint.Add(fingerprint.high());
  return {fingerprint.low(), fingerprint.high()};
}

}  // namespace

std::vector<Renaming> AllRenamings(std::size_t nodes) {
  Renaming renaming{};
  std::iota(renaming.begin(), renaming.end(), std::uint8_t{0});
  const auto first = renaming.begin() + 1;
  const auto last = first + static_cast<std::ptrdiff_t>(nodes);
  std::vector<Renaming> all;
  do {
    all.push_back(renaming);
  } while (std::next_permutation(first, last));
  return all;
}

void Recording::Text(std::string_view text) {
  Number(text.size());
  for (const char letter : text) {
    Number(static_cast<unsigned char>(letter));
  }
}

Hash128 Recording::HashUnder(const Renaming& renaming) const {
  std::vector<Hash128> sections;
  Fingerprint main;
  Fingerprint section;
  bool in_section = false;
  for (const Token& token : tokens_) {
    Fingerprint& here = in_section ? section : main;
    switch (token.kind) {
      case Kind::kNumber:
        here.Add(token.value);
        break;
      case Kind::kNode:
        here.Add(renaming[token.value]);
        break;
      case Kind::kSection:
        if (in_section) {
          sections.push_back(Finish(section));
        }
        in_section = token.value != 0;
        section = Fingerprint();
        section.Add(renaming[token.value]);
        break;
    }
  }
  std::sort(sections.begin(), sections.end());
  if (once_) {
    sections.erase(std::unique(sections.begin(), sections.end()), sections.end());
  }
  for (const Hash128& hash : sections) {
    main.Add(hash.low);
    main.Add(hash.high);
  }
  return Finish(main);
}

std::vector<Hash128> Recording::HashUnder(const std::vector<Renaming>& renamings) const {
  std::vector<Hash128> hashes;
  hashes.reserve(renamings.size());
  for (const Renaming& renaming : renamings) {
    hashes.push_back(HashUnder(renaming));
  }
  return hashes;
}

}  // namespace lockstep::sim::explore
