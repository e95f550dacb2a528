#pragma once

// Where a text without pre-tokenizer can be cut without changing its tokens: before a space mark
// after a byte that no vocabulary entry has before a space mark. Merges never cross such a cut, so a
// book costs as much as its words one by one.

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "tokenizer/vocabulary.h"

namespace kinglet {

class WordCut {
 public:
  // Never cuts.
  WordCut() = default;
  // `mark`: one character, "▁" or " ".
  WordCut(const Vocabulary& vocabulary, std::string_view mark);

  // The end of the part that starts at `begin`.
  std::size_t part_end(std::string_view text, std::size_t begin) const;

 private:
  std::string mark_;
  std::array<bool, 256> is_bridge_{};  // bytes that stand before a mark in some entry
};

}  // namespace kinglet
