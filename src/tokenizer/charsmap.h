#pragma once

// SentencePiece's precompiled normalization rules: u32 size of the trie in bytes, a darts-clone
// double array (little-endian u32 units), then the replacements, each ended by a NUL.
// Rules map strings to strings, so one may span several code points.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kinglet {

class Charsmap {
 public:
  Charsmap() = default;  // no rules
  // Errors (kRefused): a trie that does not fit the blob.
  explicit Charsmap(std::string_view blob);

  bool empty() const { return units_.empty(); }

  // The rule for a start of `text`; length 0 where there is none.
  struct Match {
    std::size_t length = 0;
    std::string_view replacement;
  };
  Match longest_prefix(std::string_view text) const;
  Match shortest_prefix(std::string_view text) const;

 private:
  template <class OnMatch>
  void walk(std::string_view text, const OnMatch& on_match) const;

  std::vector<std::uint32_t> units_;
  std::string replacements_;
};

}  // namespace kinglet
