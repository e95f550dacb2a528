#pragma once

// A vocabulary as a list of pieces, which GGUF's keys and llama2.c's tokenizer.bin are made of.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "io/open.h"

namespace kinglet {

// As GGUF's tokenizer.ggml.token_type numbers them.
enum WordType : std::int32_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

struct Words {
  std::string model, pre;  // tokenizer.ggml.model ("llama": SentencePiece; "gpt2": byte-level BPE) and .pre
  std::vector<std::string> tokens, merges;
  std::vector<float> scores;
  std::vector<std::int32_t> types;
  std::optional<std::int64_t> bos, eos, unknown, padding;
  bool adds_bos = false, adds_eos = false;
  std::optional<bool> space_prefix;
};

// `count`: pieces, one for each row of the embedding. The texts were checked by their readers.
Words words_of_byte_level(const nlohmann::json& tokenizer, std::size_t count);
// A SentencePiece model that was rewritten as merges: a piece's score is the rank of the merge that makes it.
Words words_of_merged_pieces(const nlohmann::json& tokenizer, std::size_t count);
// tokenizer.bin: spaces are spaces there, and nothing is marked.
Words words_of_llama2c(const io::TokenizerText& text, std::size_t count);
// The pieces of a SentencePiece vocabulary in a GGUF file; nothing where it has another kind.
std::optional<Words> words_of_gguf(const io::GgufHeader& header);

// A member, null where there is none.
const nlohmann::json& member_of(const nlohmann::json& object, const char* name);

}  // namespace kinglet
