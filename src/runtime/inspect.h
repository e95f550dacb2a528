#pragma once

// What a model file holds, whether kinglet can run it or not.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kinglet/generate.h"

namespace kinglet {

struct Inspection {
  struct TensorRow {
    std::string name, name_in_file, dtype, shape;  // printable; shape as "576x1536"
    std::uint64_t bytes = 0, offset = 0;
  };
  struct TypeRow {
    std::string dtype;
    std::uint64_t tensors = 0, values = 0, bytes = 0;
  };
  // Sizes and memory of a model that kinglet can run.
  struct Runnable {
    std::size_t layers = 0, width = 0, mlp_width = 0, heads = 0, kv_heads = 0, head_width = 0;
    std::size_t vocabulary = 0, context = 0;
    std::uint64_t weight_bytes = 0, cache_bytes = 0, scratch_bytes = 0;  // at `cache_context`
    std::size_t cache_context = 0;
  };

  std::string file, format, architecture;
  std::uint64_t parameters = 0, file_bytes = 0;
  std::vector<TensorRow> tensors;                             // in the file's order
  std::vector<TypeRow> types;                                 // by size, largest first
  std::vector<std::pair<std::string, std::string>> metadata;  // key, value as text
  std::string tokenizer;                                      // "2048 entries", "none", or what is wrong
  bool has_chat_template = false;
  std::optional<Runnable> runnable;
  std::string obstacle;  // why it cannot run, where it cannot
  std::vector<std::string> warnings;
};

struct InspectOptions {
  std::size_t context = 0;  // for the sizes; 0: the model's own
  CacheKind cache = CacheKind::kF16;
  std::size_t chunk = 128;
};

// Errors (kRefused): the file itself is malformed. An empty path: the built-in model.
Inspection inspect(const std::filesystem::path& path, const InspectOptions& options = {});

}  // namespace kinglet
