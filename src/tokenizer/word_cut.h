#pragma once

// Where a text without pre-tokenizer can be cut without changing its tokens: between two characters
// that stand beside each other in no vocabulary entry. Merges never cross such a place, so a book
// costs as much as its words one by one.
//
// Characters are known by their last and first bytes here; the space mark, which starts with a byte
// that many other characters share, is known by itself.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/vocabulary.h"

namespace kinglet {

class WordCut {
 public:
  // Never cuts.
  WordCut() = default;
  // `mark`: one character, "▁" or " ".
  WordCut(const Vocabulary& vocabulary, std::string_view mark);

  // No cut where a character that ends with `left` stands before one that starts with `right`, but
  // the mark.
  void join(unsigned char left, unsigned char right) { set(index_of(left, right)); }

  // The end of the part that starts at `begin`.
  std::size_t part_end(std::string_view text, std::size_t begin) const;

 private:
  static std::size_t index_of(unsigned char left, unsigned char right) {
    return std::size_t{left} << 8 | right;
  }
  void set(std::size_t index) { joined_[index / 64] |= std::uint64_t{1} << index % 64; }
  bool is_joined(std::size_t index) const { return (joined_[index / 64] >> index % 64 & 1) != 0; }
  bool is_mark(std::string_view text, std::size_t at) const {
    return text[at] == mark_[0] && text.substr(at, mark_.size()) == mark_;
  }

  std::string mark_;
  std::vector<std::uint64_t> joined_;  // a bit for each pair of bytes
  std::array<bool, 256> is_bridge_{};  // bytes that stand before a mark in some entry
};

}  // namespace kinglet
