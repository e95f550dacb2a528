#pragma once

// A SentencePiece model as data, whatever file it came from, and the pipeline that it makes.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/pipeline.h"
#include "tokenizer/vocabulary.h"

namespace kinglet {

struct SentencePieceModel {
  enum class Type { kUnigram, kBpe } type = Type::kUnigram;

  Vocabulary vocabulary;      // with the kinds of its pieces
  std::vector<float> scores;  // one for each piece
  TokenId unknown = -1;
  std::optional<TokenId> bos, eos;

  std::string charsmap;
  bool adds_dummy_prefix = true;
  bool removes_extra_whitespaces = true;
  bool escapes_whitespaces = true;
  bool has_whitespace_suffix = false;  // treat_whitespace_as_suffix
  bool has_byte_fallback = false;
  bool adds_bos = false, adds_eos = false;

  std::vector<std::string> warnings;
};

// Errors (kRefused): scores that are no numbers, a bad charsmap.
std::unique_ptr<Tokenizer::Pipeline> sentencepiece_pipeline(SentencePieceModel model);

}  // namespace kinglet
