#pragma once

// The keys tokenizer.ggml.* of a GGUF file, as they stand there; the names are the keys' own. Who
// reads the file fills it in (`from_gguf` checks everything); the views outlive the call.

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace kinglet {

struct GgufVocabulary {
  std::string_view model;  // "gpt2", "llama", "t5", "bert"
  std::string_view pre;    // "llama-bpe", "qwen2"; may be empty
  std::vector<std::string_view> tokens;
  std::vector<float> scores;              // may be empty
  std::vector<std::int64_t> token_type;   // may be empty
  std::vector<std::string_view> merges;   // "left right"
  std::vector<std::uint8_t> precompiled_charsmap;

  std::optional<std::int64_t> bos_token_id, eos_token_id, unknown_token_id;
  std::optional<std::int64_t> eot_token_id, eom_token_id, padding_token_id, mask_token_id;
  std::optional<std::int64_t> cls_token_id, seperator_token_id;  // spelt so
  std::optional<bool> add_bos_token, add_eos_token, add_sep_token;
  std::optional<bool> add_space_prefix, remove_extra_whitespaces;
  std::optional<bool> normalizer_lowercase, normalizer_strip_accents;  // of "bert"
};

}  // namespace kinglet
