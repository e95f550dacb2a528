#pragma once

// Small whole models in every format, for tests of readers: one layer, values that tell each place.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "support/bytes.h"
#include "support/gguf_builder.h"

namespace kinglet::test {

// The shape of the tiny models: D, F, H, G, V as in src/README.md; one layer.
struct TinyShape {
  std::uint64_t D = 8, F = 12, H = 2, G = 1, V = 6, S = 16;
  std::uint64_t d() const { return D / H; }
};

// Keys and vocabulary of arch llama; tensors are added by the caller.
inline GgufBuilder tiny_gguf_keys(const TinyShape& s = {}) {
  GgufBuilder gguf;
  const auto u32 = [](std::uint64_t n) { return static_cast<std::uint32_t>(n); };
  gguf.text("general.architecture", "llama")
      .u32("llama.block_count", 1)
      .u32("llama.embedding_length", u32(s.D))
      .u32("llama.feed_forward_length", u32(s.F))
      .u32("llama.attention.head_count", u32(s.H))
      .u32("llama.attention.head_count_kv", u32(s.G))
      .u32("llama.context_length", u32(s.S))
      .f32("llama.attention.layer_norm_rms_epsilon", 1e-5f)
      .text("tokenizer.ggml.model", "llama")
      .texts("tokenizer.ggml.tokens", {"<unk>", "<s>", "</s>", "a", "b", "c"})
      .array("tokenizer.ggml.scores", GgufBuilder::kF32, 6, as_text(ramp(6)))
      .u32("tokenizer.ggml.bos_token_id", 1)
      .u32("tokenizer.ggml.eos_token_id", 2);
  return gguf;
}

inline GgufBuilder& add_tiny_gguf_tensors(GgufBuilder& gguf, const TinyShape& s = {}) {
  const auto matrix = [&](const char* name, std::uint64_t out, std::uint64_t in, float start) {
    gguf.floats(name, {in, out}, ramp(out * in, start));
  };
  matrix("token_embd.weight", s.V, s.D, 0);
  matrix("blk.0.attn_q.weight", s.D, s.D, 1000);
  matrix("blk.0.attn_k.weight", s.G * s.d(), s.D, 2000);
  matrix("blk.0.attn_v.weight", s.G * s.d(), s.D, 3000);
  matrix("blk.0.attn_output.weight", s.D, s.D, 4000);
  matrix("blk.0.ffn_gate.weight", s.F, s.D, 5000);
  matrix("blk.0.ffn_up.weight", s.F, s.D, 6000);
  matrix("blk.0.ffn_down.weight", s.D, s.F, 7000);
  gguf.floats("blk.0.attn_norm.weight", {s.D}, ramp(s.D, 8000));
  gguf.floats("blk.0.ffn_norm.weight", {s.D}, ramp(s.D, 8100));
  gguf.floats("output_norm.weight", {s.D}, ramp(s.D, 8200));
  return gguf;
}

inline std::string tiny_gguf() {
  GgufBuilder gguf = tiny_gguf_keys();
  return add_tiny_gguf_tensors(gguf).build();
}

// A safetensors file from the text of its header and its data.
inline std::string safetensors_file(std::string_view header, std::string_view data) {
  return Bytes().u64(header.size()).text(header).text(data).str();
}

inline std::string tiny_safetensors() {
  return safetensors_file(
      R"({"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
      R"("b":{"dtype":"U8","shape":[4],"data_offsets":[24,28]},"__metadata__":{"k":"v"}} )",
      as_text(ramp(6)) + "wxyz");
}

// The seven numbers of a llama2.c header.
inline Bytes& llama2c_numbers(Bytes& bytes, const TinyShape& s, bool is_shared = true) {
  for (const std::uint64_t n : {s.D, s.F, std::uint64_t{1}, s.H, s.G}) {
    bytes.i32(static_cast<std::int32_t>(n));
  }
  const auto vocabulary = static_cast<std::int32_t>(s.V);
  return bytes.i32(is_shared ? vocabulary : -vocabulary).i32(static_cast<std::int32_t>(s.S));
}

// Version 0. Each tensor's values start at a number of its own.
inline std::string tiny_llama2c(const TinyShape& s = {}, bool is_shared = true) {
  Bytes bytes;
  llama2c_numbers(bytes, s, is_shared);
  const std::uint64_t kv = s.G * s.d();
  bytes.floats(ramp(s.V * s.D, 0)).floats(ramp(s.D, 8000));                    // embedding, norm
  bytes.floats(ramp(s.D * s.D, 1000)).floats(ramp(kv * s.D, 2000));            // q, k
  bytes.floats(ramp(kv * s.D, 3000)).floats(ramp(s.D * s.D, 4000));            // v, o
  bytes.floats(ramp(s.D, 8100)).floats(ramp(s.F * s.D, 5000));                 // norm, w1
  bytes.floats(ramp(s.D * s.F, 7000)).floats(ramp(s.F * s.D, 6000));           // w2, w3
  bytes.floats(ramp(s.D, 8200)).floats(ramp(2 * s.S * (s.d() / 2), 9000));     // norm, RoPE
  if (!is_shared) bytes.floats(ramp(s.V * s.D, 10000));
  return bytes.str();
}

// A config.json of the tiny shape.
inline nlohmann::json tiny_config(const TinyShape& s = {}) {
  return {{"model_type", "llama"},      {"hidden_size", s.D},         {"intermediate_size", s.F},
          {"num_hidden_layers", 1},     {"num_attention_heads", s.H}, {"num_key_value_heads", s.G},
          {"vocab_size", s.V},          {"rms_norm_eps", 1e-5},       {"rope_theta", 10000.0},
          {"max_position_embeddings", s.S}};
}

inline std::string tiny_json_weights() {
  return R"({"format": "kinglet-json", "version": 1, "config": {"model_type": "mlp"},
 "tensors": {"m": [[1, 2.5, -3], [4, 5e-1, 6]], "v": [7, 8],
             "b": {"dtype": "f32", "shape": [2, 2], "offset": 4}},
 "blob": "model.blob", "tokenizer": {"model": {"type": "BPE"}}})";
}

}  // namespace kinglet::test
