// GGUF version 3. From a GGUF file every key stays that need not change; from other formats the keys
// are made of the configuration as docs/gguf.md of ggml-org/ggml names them.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/checked.h"
#include "base/text.h"
#include "convert/gguf_keys.h"
#include "convert/gguf_vocabulary.h"
#include "convert/heads.h"
#include "convert/rope.h"
#include "convert/targets.h"
#include "dtype/format.h"
#include "io/gguf_names.h"
#include "kinglet/error.h"

namespace kinglet {
namespace {

constexpr std::uint64_t kAlignment = 32;
constexpr std::uint64_t kQuantizationVersion = 2;

// general.file_type, llama.cpp's numbers: a mix's own, else by the type that most bytes of the
// matrices have.
std::uint64_t file_type(const Plan& plan, const std::string& asked) {
  struct Row {
    std::string_view name;
    std::uint64_t number;
  };
  constexpr Row kRows[] = {{"f32", 0},      {"f16", 1},     {"q4_0", 2},    {"q4_1", 3},    {"q8_0", 7},
                           {"q5_0", 8},     {"q5_1", 9},    {"q2_k", 10},   {"q3_k_s", 11}, {"q3_k_m", 12},
                           {"q3_k", 12},    {"q3_k_l", 13}, {"q4_k_s", 14}, {"q4_k_m", 15}, {"q4_k", 15},
                           {"q5_k_s", 16},  {"q5_k_m", 17}, {"q5_k", 17},   {"q6_k", 18},   {"iq4_nl", 25},
                           {"bf16", 32},    {"mxfp4", 38}};
  std::map<std::string_view, std::uint64_t> bytes;
  for (const PlannedTensor& tensor : plan.tensors) {
    if (tensor.source->shape.size() >= 2) bytes[dtype::name_of(tensor.to)] += tensor.bytes;
  }
  const auto most = std::max_element(bytes.begin(), bytes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  const std::string_view name = !asked.empty() ? asked : most == bytes.end() ? "f32" : most->first;
  for (const Row& row : kRows) {
    if (row.name == name) return row.number;
  }
  return 0;
}

Error cannot_say(const io::ModelFile& model, std::string key) {
  return refused("a GGUF file cannot say this").in(model.file).at(std::move(key));
}

void add_rope(const io::ModelFile& model, const Rope& rope, const std::string& arch, GgufKeys& keys) {
  keys.f32(arch + ".rope.freq_base", rope.base);
  if (rope.type == "default" || rope.type == "llama3") return;
  if (rope.type != "linear") {
    throw cannot_say(model, "rope_scaling").found(kinglet::quoted(rope.type)).allowed("default, linear, llama3");
  }
  keys.string(arch + ".rope.scaling.type", "linear");
  keys.f32(arch + ".rope.scaling.factor", rope.config.number("factor"));
}

// The tokens that attention sees, where a model has such a window. The architectures of GGUF files
// that hold these models have none: inside one window the two are the same, and no longer.
std::optional<std::int64_t> window_of(const Metadata& config) {
  const std::string type = config.string("model_type");
  const bool is_mistral = type == "mistral";
  if (is_mistral && !config.mentions("sliding_window")) return 4096;  // the class's default
  const bool slides = is_mistral || config.boolean_or("use_sliding_window", false);
  if (!slides || !config.has("sliding_window")) return std::nullopt;
  return config.integer("sliding_window", 1, UINT32_MAX);
}

std::int64_t context_of(const Metadata& config) {
  const std::int64_t context = config.integer_or("max_position_embeddings", 2048, 1, UINT32_MAX);
  return std::min(context, window_of(config).value_or(context));
}

void add_shape(const io::ModelFile& model, const std::string& arch, GgufKeys& keys) {
  const Metadata& config = model.config;
  const auto u32 = [&](const char* key, std::int64_t value) {
    keys.u32(arch + "." + key, static_cast<std::uint64_t>(value));
  };
  const Heads heads = heads_of(config);
  u32("context_length", context_of(config));
  u32("embedding_length", config.integer("hidden_size"));
  u32("block_count", config.integer("num_hidden_layers"));
  u32("feed_forward_length", config.integer("intermediate_size"));
  keys.u32(arch + ".attention.head_count", heads.count);
  keys.u32(arch + ".attention.head_count_kv", heads.count_kv);
  keys.u32(arch + ".attention.key_length", heads.width);
  keys.u32(arch + ".attention.value_length", heads.width);
  keys.u32(arch + ".rope.dimension_count", heads.width);
  keys.f32(arch + ".attention.layer_norm_rms_epsilon", config.number_or("rms_norm_eps", 1e-6));
  u32("vocab_size", config.integer("vocab_size"));
}

std::string name_of(const io::ModelFile& model) {
  const std::filesystem::path path(model.file);
  return (path.has_filename() ? path : path.parent_path()).stem().string();
}

GgufKeys keys_of(const io::ModelFile& model, const io::GgufArchitecture& known) {
  GgufKeys keys;
  const std::string arch(known.gguf);
  keys.string("general.architecture", arch);
  keys.string("general.type", "model");
  keys.string("general.name", name_of(model));
  add_shape(model, arch, keys);
  add_rope(model, rope_of(model.config), arch, keys);
  add_vocabulary(model, keys);
  if (!model.chat_template.empty()) keys.string("tokenizer.chat_template", model.chat_template);
  return keys;
}

}  // namespace

void lay_out_gguf(const io::ModelFile& model, const ConvertOptions& options, Plan& plan) {
  const std::string type = model.config.string("model_type");
  const io::GgufArchitecture* known = io::gguf_architecture_of(type);
  if (known == nullptr && model.gguf == nullptr) {
    throw cannot_say(model, "model_type").found(kinglet::quoted(type)).allowed("llama, mistral, qwen2, qwen3");
  }
  std::uint64_t alignment = kAlignment;
  GgufKeys keys;
  if (model.gguf != nullptr) {
    for (const io::GgufKey& key : model.gguf->keys()) keys.copy(key);
    alignment = model.gguf->alignment();
  } else {
    keys = keys_of(model, *known);
    if (const auto window = window_of(model.config); window && *window <= context_of(model.config)) {
      plan.warnings.push_back(fmt::format("attention sees {} tokens, which a GGUF file cannot say: its context is as long", *window));
    }
  }
  keys.u32("general.file_type", file_type(plan, options.dtype));
  keys.u32("general.quantization_version", kQuantizationVersion);
  if (known != nullptr && known->interleaves_qk) interleave_heads(model, plan);

  // A tensor that the source has as numbers of its configuration.
  TensorInfo made;
  std::string divisors;
  std::vector<PlannedTensor> all = plan.tensors;
  if (model.gguf == nullptr) {
    if (const Rope rope = rope_of(model.config); rope.type == "llama3") {
      const auto values = divisors_of(llama3_of(rope), rope.base, static_cast<std::size_t>(heads_of(model.config).width));
      divisors.assign(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
      made.shape = {values.size()};
      PlannedTensor tensor;
      tensor.source = &made;
      tensor.name = kRopeFreqs;
      tensor.bytes = divisors.size();
      all.push_back(tensor);
    }
  }
  PlannedFile file;
  file.pieces.push_back({.text = keys.header(all, alignment)});
  const auto pad = [&](std::uint64_t bytes) {
    const std::uint64_t padding = round_up(bytes, alignment) - bytes;
    if (padding > 0) file.pieces.push_back({.text = std::string(padding, '\0')});
  };
  for (std::size_t i = 0; i < plan.tensors.size(); ++i) {
    file.pieces.push_back({.tensor = i});
    pad(plan.tensors[i].bytes);
  }
  if (!divisors.empty()) {
    file.pieces.push_back({.text = divisors});
    pad(divisors.size());
  }
  plan.files.push_back(std::move(file));
}

}  // namespace kinglet
