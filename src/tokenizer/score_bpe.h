#pragma once

// SentencePiece's BPE: neighbours merge where their text together is an entry, the highest score
// first (bpe_model.cc). Also llama2.c's tokenizer.bin, which has scores and nothing else.

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/merger.h"
#include "tokenizer/token_sink.h"
#include "tokenizer/trie.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/word_cut.h"

namespace kinglet {

class ScoreBpe {
 public:
  enum class Fallback { kUnknown, kBytes };
  // How text falls into first symbols: code points, or bytes as run.c groups them (a lead byte and up
  // to three continuation bytes, well-formed or not).
  enum class Grouping { kCodePoints, kLlama2c };

  struct Options {
    std::string mark = "\xE2\x96\x81";  // how the text spells a space
    TokenId unknown = -1;               // -1: unknown text is dropped
    Fallback fallback = Fallback::kUnknown;
    Grouping grouping = Grouping::kCodePoints;
    std::array<TokenId, 256> byte_tokens{};  // -1: none
  };

  // `vocabulary` is indexed and outlives the model; `scores` has an entry for each id, no NaN.
  ScoreBpe(const Vocabulary& vocabulary, std::vector<float> scores, Options options);

  // Where text can be cut before encode().
  const WordCut& cut() const { return cut_; }

  // The tokens of `part`, which stands at byte `at` of the sink's text.
  void encode(std::string_view part, std::size_t at, Merger& merger, TokenSink& sink) const;

 private:
  void add_symbols(std::string_view part, Merger& merger) const;
  Merge merge_of(std::string_view part, const Symbol& left, const Symbol& right) const;
  void emit(std::string_view part, std::size_t at, const Symbol& symbol, TokenSink& sink) const;

  TokenId find_textual(std::string_view text) const;

  const Vocabulary* vocabulary_;
  std::vector<std::uint32_t> ranks_;  // the smaller, the higher the score
  Options options_;
  Trie user_defined_;
  WordCut cut_;
  bool has_unused_ = false;
};

// The byte tokens of a vocabulary by their kind (kByte) and text.
std::array<TokenId, 256> byte_tokens_of(const Vocabulary& vocabulary);
// Those that are UTF-8: the others are never found in a text.
Trie user_defined_trie(const Vocabulary& vocabulary);

}  // namespace kinglet
