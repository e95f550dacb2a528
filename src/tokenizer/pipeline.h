#pragma once

// What a Tokenizer is made of: stages read as data. The factories of factories.h fill it.

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "kinglet/tokenizer.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe.h"
#include "tokenizer/decoder.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/piece_cache.h"
#include "tokenizer/pretokenizer.h"
#include "tokenizer/score_bpe.h"
#include "tokenizer/unigram.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/word_piece.h"

namespace kinglet {

// A piece is one token, or unknown.
struct WordLevel {
  const Vocabulary* vocabulary = nullptr;
  TokenId unknown = -1;  // -1: unknown words are dropped
};

using TokenModel = std::variant<WordLevel, Bpe, ScoreBpe, Unigram, WordPiece>;

// What becomes of malformed UTF-8 before the normalizer.
enum class Malformed {
  kMaximalSubpart,  // U+FFFD, as decode("utf-8", "replace") does
  kKept,            // the normalizer or the model knows what to do
};

struct Tokenizer::Pipeline {
  Pipeline() = default;
  Pipeline(const Pipeline&) = delete;  // the model points into it
  Pipeline& operator=(const Pipeline&) = delete;

  Vocabulary vocabulary;  // every id, as the file spells it
  Vocabulary texts;       // what the model matches in the text, where that is not the spelling

  Malformed malformed = Malformed::kMaximalSubpart;
  AddedTokens added;             // found in the text as it is
  AddedTokens added_normalized;  // found in the normalized text
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  TokenModel model;
  std::vector<TokenId> before, after;  // the affixes
  // Added tokens that normalization changes, as the decoder sees them, which inverts that.
  std::unordered_map<TokenId, std::string> normalized_texts;
  Decoder decoder;
  std::optional<Decoder> decoder_of_shown;  // another one, where special tokens are shown

  std::optional<TokenId> bos, eos;
  bool adds_bos = false;
  std::vector<std::string> warnings;

  mutable PieceCaches caches;

  void encode(std::string_view text, const EncodeOptions& options, TokenSink& sink) const;
  std::string_view decoded_text(TokenId id) const;
};

}  // namespace kinglet
