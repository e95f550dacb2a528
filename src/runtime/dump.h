#pragma once

// Every named activation of a prompt in one safetensors file: one row per token, all passes
// together. The names and shapes are listed in tools/README.md.

#include <cstddef>
#include <filesystem>
#include <span>

#include "kinglet/generate.h"
#include "kinglet/model.h"

namespace kinglet {

struct DumpOptions {
  CacheKind cache = CacheKind::kF32;
  std::size_t threads = 0;
  std::size_t chunk = 128;
  bool attention = false;  // layers.{i}.attn_probs too: (T, H, S), large
  std::span<const float> pooled = {};  // what became of the tokens, where there is such a vector
};

// Evaluates `ids` (not empty, in the vocabulary) and writes the file. Errors: kUsage, kRuntime.
void dump_activations(const Model& model, std::span<const TokenId> ids, const DumpOptions& options,
                      const std::filesystem::path& path);

}  // namespace kinglet
