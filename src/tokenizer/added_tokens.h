#pragma once

// Tokens that are found in the text before anything else happens to it: special tokens ("</s>",
// "[MASK]") and user-defined ones ("<think>").
//
// The leftmost match goes first, the longest at one place. A special token is taken only where the
// caller wants special tokens parsed; the text it spells is stepped over either way. A token that
// starts inside whitespace which the one before swallowed is found all the same, as the reference
// does: segments may overlap. Contents that are no UTF-8 are never found.

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "kinglet/tokenizer.h"
#include "tokenizer/traced_text.h"
#include "tokenizer/trie.h"

namespace kinglet {

struct AddedToken {
  std::string content;
  TokenId id = 0;
  bool is_special = false;
  bool is_single_word = false;   // only between characters that are not of words
  bool strips_left = false;      // swallows the whitespace before it
  bool strips_right = false;     // and after it
  bool is_normalized = false;    // matched in the text after its normalization
};

// A stretch of text, or the token that stands there (id >= 0).
struct Segment {
  Interval place;
  TokenId id = -1;
};

class AddedTokens {
 public:
  AddedTokens() = default;
  explicit AddedTokens(std::vector<AddedToken> tokens);

  bool empty() const { return tokens_.empty(); }
  // The segments of `text`, in order of their tokens, without empty stretches.
  std::vector<Segment> split(std::string_view text, SpecialTokens special) const;

 private:
  std::size_t next_start(std::string_view text, std::size_t from) const;

  Trie trie_;
  std::vector<AddedToken> tokens_;
  std::array<bool, 256> is_start_{};  // of each byte: whether a token starts with it
  char only_start_ = '\0';            // where all start with the same
  bool has_one_start_ = false;
};

}  // namespace kinglet
