#pragma once

// A byte-level vocabulary of any size, for timing how long it takes to load: entries made by merging
// earlier ones at random, and every way to make each entry as a merge, as converted rank files have.

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace kinglet::bench {

struct MadeVocabulary {
  std::vector<std::string> entries;  // in stand-in characters; the first 256 are the bytes
  std::vector<std::pair<std::string, std::string>> merges;
};

// `entries` over 256. The same each time.
MadeVocabulary make_vocabulary(std::size_t entries);

// With Llama 3's pre-tokenizer; merges as lists of two, indented, as Hugging Face writes them.
std::string as_tokenizer_json(const MadeVocabulary& made);
std::string as_gguf(const MadeVocabulary& made);

}  // namespace kinglet::bench
