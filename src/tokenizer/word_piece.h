#pragma once

// WordPiece: a word is cut into the longest entries from the left; entries inside a word carry a
// prefix ("##"). A word that cannot be cut whole, or is too long, is one unknown token.

#include <cstddef>
#include <string_view>

#include "tokenizer/token_sink.h"
#include "tokenizer/trie.h"
#include "tokenizer/vocabulary.h"

namespace kinglet {

class WordPiece {
 public:
  struct Options {
    std::string_view prefix = "##";
    TokenId unknown = -1;            // -1: unknown words are dropped
    std::size_t max_characters = 100;  // of a word
  };

  WordPiece(const Vocabulary& vocabulary, const Options& options);

  void encode(std::string_view word, std::size_t at, std::vector<TokenId>& parts,
              TokenSink& sink) const;

 private:
  Trie initial_, inner_;
  TokenId unknown_;
  std::size_t max_characters_;
};

}  // namespace kinglet
