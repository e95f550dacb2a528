#pragma once

// Tokens that may come next, looked up in the text itself (prompt lookup: speculation with no
// second model). The last n tokens, n as large as can be, are looked for in what came before; what
// followed their latest occurrence is proposed. Knows token ids only; a wrong proposal costs time,
// no more.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kinglet/tokenizer.h"

namespace kinglet {

class NgramDraft {
 public:
  static constexpr std::size_t kLongestNgram = 16;
  static constexpr std::size_t kMostTokens = 15;  // of a proposal: with the last token, 16 rows

  // Looks up n-grams of at most `longest` tokens, [1, kLongestNgram], in a text of at most
  // `capacity` tokens. Takes the memory.
  NgramDraft(std::size_t longest, std::size_t capacity);

  // The text grew by a token. Constant time: every n-gram has one place in a hash table, so the
  // text is never searched.
  void push(TokenId id);

  // The latest earlier occurrence of the longest n-gram that ends the text and has one: the index
  // of the token after it. 0: there is none.
  std::size_t match() const { return next_; }

  // At most `most` tokens, as many as are more likely right than not, all of them together. Valid
  // until the next call.
  std::span<const TokenId> propose(std::size_t most);

 private:
  std::span<std::uint32_t> table_of(std::size_t n);
  std::size_t place_of(std::size_t n, std::uint64_t hash);
  std::size_t common_length(std::size_t begin, std::size_t other) const;
  void learn(TokenId id);
  void find();

  std::size_t longest_;
  std::vector<TokenId> text_;
  std::vector<TokenId> proposal_;

  // By n, hash tables with open addressing: the index of the token after an n-gram's latest
  // occurrence, 0 where there is no n-gram.
  std::size_t table_size_;  // a power of two, at least twice the n-grams there can be
  std::vector<std::uint32_t> tables_;
  std::array<std::size_t, kLongestNgram + 1> place_ = {};  // by n: of the n-gram that ends the text

  std::size_t next_ = 0;    // see match()
  std::size_t common_ = 0;  // how many tokens before `next_` are those that end the text, capped

  // By that length: how often what followed was right of late.
  std::array<float, kLongestNgram + 1> right_;
};

}  // namespace kinglet
