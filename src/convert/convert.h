#pragma once

// One model file into another. At this stage the output is an HF directory (config.json,
// model.safetensors, tokenizer.json where the source has one) with float weights.

#include <cstdint>
#include <filesystem>
#include <string>

#include "kinglet/error.h"

namespace kinglet {

struct ConvertOptions {
  std::string dtype;   // "f32", "f16", "bf16"; empty: the source's where it is a float, else f32
  bool force = false;  // an output that is there is replaced
};

struct Converted {
  std::size_t tensors = 0;
  std::uint64_t bytes = 0;
  bool has_tokenizer = false;
};

// The output appears whole or not at all: it is written beside its place and renamed.
// Errors: kUsage (the output exists, is the input, or its dtype is no float type); kRefused (the
// source); kRuntime.
Converted convert(const std::filesystem::path& in, const std::filesystem::path& out,
                  const ConvertOptions& options);

}  // namespace kinglet
