#include "io/gguf_names.h"

#include <fmt/format.h>

namespace kinglet::io {
namespace {

constexpr GgufArchitecture kArchitectures[] = {
    {"llama", "llama", true}, {"qwen2", "qwen2", false}, {"qwen3", "qwen3", false}};

struct Renamed {
  std::string_view gguf, kinglet;
};
constexpr Renamed kModelTensors[] = {{"token_embd.weight", "model.embed_tokens.weight"},
                                     {"output_norm.weight", "model.norm.weight"},
                                     {"output.weight", "lm_head.weight"},
                                     {"output.bias", "lm_head.bias"},
                                     {"rope_freqs.weight", "rope_freqs.weight"}};
// Inside "blk.N." and "model.layers.N.", before ".weight" or ".bias".
constexpr Renamed kBlockTensors[] = {
    {"attn_norm", "input_layernorm"},      {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},        {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"},   {"attn_q_norm", "self_attn.q_norm"},
    {"attn_k_norm", "self_attn.k_norm"},   {"ffn_norm", "post_attention_layernorm"},
    {"ffn_gate", "mlp.gate_proj"},         {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"}};

// "<prefix>12.<part>.weight" in its pieces.
struct BlockName {
  std::string_view number, part, ending;
};

std::optional<BlockName> split(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return std::nullopt;
  const std::string_view rest = name.substr(prefix.size());
  const std::size_t number_end = rest.find('.');
  const std::size_t part_end = rest.rfind('.');
  if (number_end == rest.npos || part_end <= number_end) return std::nullopt;
  const BlockName found = {rest.substr(0, number_end),
                           rest.substr(number_end + 1, part_end - number_end - 1),
                           rest.substr(part_end)};
  const bool is_number = !found.number.empty() &&
                         found.number.find_first_not_of("0123456789") == found.number.npos;
  if (!is_number || (found.ending != ".weight" && found.ending != ".bias")) return std::nullopt;
  return found;
}

}  // namespace

const GgufArchitecture* gguf_architecture(std::string_view gguf) {
  for (const GgufArchitecture& row : kArchitectures) {
    if (row.gguf == gguf) return &row;
  }
  return nullptr;
}

const GgufArchitecture* gguf_architecture_of(std::string_view model_type) {
  if (model_type == "mistral") model_type = "llama";
  for (const GgufArchitecture& row : kArchitectures) {
    if (row.model_type == model_type) return &row;
  }
  return nullptr;
}

std::string kinglet_of_gguf(std::string_view name) {
  for (const Renamed& row : kModelTensors) {
    if (row.gguf == name) return std::string(row.kinglet);
  }
  if (const auto block = split(name, "blk.")) {
    for (const Renamed& row : kBlockTensors) {
      if (row.gguf != block->part) continue;
      return fmt::format("model.layers.{}.{}{}", block->number, row.kinglet, block->ending);
    }
  }
  return std::string(name);
}

std::optional<std::string> gguf_of_kinglet(std::string_view name) {
  for (const Renamed& row : kModelTensors) {
    if (row.kinglet == name) return std::string(row.gguf);
  }
  if (const auto block = split(name, "model.layers.")) {
    for (const Renamed& row : kBlockTensors) {
      if (row.kinglet != block->part) continue;
      return fmt::format("blk.{}.{}{}", block->number, row.gguf, block->ending);
    }
  }
  return std::nullopt;
}

}  // namespace kinglet::io
