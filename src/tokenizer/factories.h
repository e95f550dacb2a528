#pragma once

// Tokenizers from the files that people have. Each takes the content; `file` is the printable name
// that stands in messages. Errors (kRefused): anything malformed or unknown, naming file and field.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "kinglet/tokenizer.h"
#include "tokenizer/gguf_vocabulary.h"

namespace kinglet {

// Hugging Face's tokenizer.json.
Tokenizer from_json(const std::string& file, std::string_view json);

// SentencePiece's tokenizer.model.
Tokenizer from_sentencepiece(const std::string& file, std::string_view bytes);

// llama2.c's tokenizer.bin, which does not say how many entries it has: without `vocabulary`, all.
Tokenizer from_llama2c(const std::string& file, std::string_view bytes,
                       std::optional<std::size_t> vocabulary = std::nullopt);

Tokenizer from_gguf(const std::string& file, const GgufVocabulary& vocabulary);

// BERT's vocab.txt: one entry a line.
Tokenizer from_vocab_txt(const std::string& file, std::string_view bytes);

// A bare vocabulary file of any of these kinds but GGUF, told apart by its content. Refused where it
// looks like none of them.
Tokenizer from_bare_file(const std::string& file, std::string_view bytes,
                         std::optional<std::size_t> vocabulary = std::nullopt);

}  // namespace kinglet
