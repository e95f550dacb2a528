#pragma once

// The unigram model (arXiv:1804.10959): of all ways to cut a text into entries, the one with the
// highest sum of scores, found by dynamic programming over the places where characters start.
//
// Ties are decided by rounding and by who came first, so the sums are kept as the reference of each
// file keeps them: sentencepiece's EncodeOptimized in float, Hugging Face's in double.

#include <array>
#include <cstddef>
#include <string_view>
#include <vector>

#include "tokenizer/token_sink.h"
#include "tokenizer/trie.h"
#include "tokenizer/vocabulary.h"

namespace kinglet {

class Unigram {
 public:
  enum class Sums { kFloat, kDouble };
  enum class Fallback { kUnknown, kBytes };

  struct Options {
    Sums sums = Sums::kFloat;
    TokenId unknown = -1;  // -1: unknown text is dropped
    Fallback fallback = Fallback::kUnknown;
    std::array<TokenId, 256> byte_tokens{};  // -1: none
  };

  // `vocabulary` is indexed and outlives the model; `scores` has an entry for each id, no NaN. Which entries match text is in their kinds.
  Unigram(const Vocabulary& vocabulary, std::vector<double> scores, Options options);

  // The best way to a place: from where, by which entry (-1: unknown).
  struct Step {
    double score = 0;
    std::uint32_t from = 0, next = 0;
    TokenId id = -1;
    bool is_reached = false;
  };
  using Scratch = std::vector<Step>;

  void encode(std::string_view text, std::size_t at, Scratch& scratch, TokenSink& sink) const;

 private:
  template <class Sum>
  void encode_best(std::string_view text, std::size_t at, Scratch& best, TokenSink& sink) const;
  // The tokens of `text` by the steps to its places; best[text.size()] is the step to its end.
  void emit_steps(std::string_view text, std::size_t at, Scratch& best, TokenSink& sink) const;
  void emit(std::string_view text, std::size_t at, TokenId id, Interval place, TokenSink& sink) const;
  double score(TokenId id, std::size_t length) const;
  // Hugging Face's takes a run of these as one text, and looks that up.
  bool is_unknown(TokenId id) const;

  const Vocabulary* vocabulary_;
  std::vector<double> scores_;
  std::vector<bool> is_user_defined_;
  double lowest_ = 0, highest_ = 0;  // scores of ordinary entries
  Options options_;
  Trie trie_;
};

}  // namespace kinglet
