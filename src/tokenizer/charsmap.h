#pragma once

// SentencePiece's precompiled normalization rules: u32 size of the trie in bytes, a darts-clone
// double array (little-endian u32 units), then the replacements, each ended by a NUL.
// Rules map strings to strings, so one may span several code points.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kinglet {

class Charsmap {
 public:
  Charsmap() = default;  // no rules
  // Errors (kRefused): a trie that does not fit the blob, replacements that are no UTF-8.
  explicit Charsmap(std::string_view blob);

  bool empty() const { return units_.empty(); }

  // Whether the first character of `text` (not empty) is surely left as it is: ASCII before ASCII that
  // no rule is about. A quick test for the most common case, false where it cannot tell.
  bool keeps_first(std::string_view text) const {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    return is_plain_[byte(0)] && (text.size() == 1 || byte(1) < 0x80);
  }

  // The rule for a start of `text`; length 0 where there is none.
  struct Match {
    std::size_t length = 0;
    std::string_view replacement;
  };
  Match longest_prefix(std::string_view text) const;
  Match shortest_prefix(std::string_view text) const;

 private:
  // ASCII characters that start no rule of ASCII alone.
  static constexpr std::array<bool, 256> plain_without_rules() {
    std::array<bool, 256> is_plain{};
    for (std::size_t byte = 0; byte < 0x80; ++byte) is_plain[byte] = true;
    return is_plain;
  }

  template <class OnMatch>
  void walk(std::string_view text, const OnMatch& on_match) const;

  bool starts_ascii_rule(unsigned char first) const;

  std::array<bool, 256> is_plain_ = plain_without_rules();
  std::vector<std::uint32_t> units_;
  std::string replacements_;
};

}  // namespace kinglet
