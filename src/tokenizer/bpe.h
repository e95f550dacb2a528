#pragma once

// Byte pair encoding by merge ranks, as tokenizer.json and GGUF's "gpt2" have it (arXiv:1508.07909).
//
// A piece's symbols are its characters, or its bytes where the pre-tokenizer is ByteLevel: there the
// vocabulary's stand-ins are turned back to bytes once, at loading, and text is never spelt in them.

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "tokenizer/flat_hash.h"
#include "tokenizer/merger.h"
#include "tokenizer/token_sink.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/word_cut.h"

namespace kinglet {

class Bpe {
 public:
  enum class Alphabet { kCharacters, kBytes };

  struct Options {
    Alphabet alphabet = Alphabet::kCharacters;
    TokenId unknown = -1;        // -1: unknown characters are dropped
    bool fuse_unknown = false;   // a run of unknown characters is one token
    bool byte_fallback = false;  // unknown characters become <0xXX> tokens
    bool ignore_merges = false;  // a piece that is an entry is that token, merges or not
    std::string continuing_prefix, end_suffix;  // "", "</w>"
  };

  // `vocabulary` is indexed and outlives the model. With kBytes its texts are bytes.
  Bpe(const Vocabulary& vocabulary, PairTable merges, Options options);

  // Where pieces can be cut before encode().
  const WordCut& cut() const { return cut_; }

  // The tokens of `part`, which stands at byte `at` of the sink's text.
  void encode(std::string_view part, std::size_t at, Merger& merger, TokenSink& sink) const;

 private:
  WordCut word_cut() const;
  void add_bytes(std::string_view part, Merger& merger) const;
  void add_characters(std::string_view part, Merger& merger) const;
  bool add_byte_tokens(std::string_view character, Interval place, Merger& merger) const;

  // Unknown characters that have not become a token yet. As in the reference they wait for the next
  // known one, and byte tokens go past them.
  struct UnknownRun {
    Interval place;
    bool is_open = false;
  };
  void add_unknown(Interval place, UnknownRun& run, Merger& merger) const;
  void end_unknown(UnknownRun& run, Merger& merger) const;

  const Vocabulary* vocabulary_;
  PairTable merges_;
  Options options_;
  std::array<TokenId, 256> symbol_of_byte_;  // kBytes: the entry that is this one byte
  std::array<TokenId, 256> byte_token_;      // <0xXX>
  WordCut cut_;
};

}  // namespace kinglet
