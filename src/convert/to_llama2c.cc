// llama2.c, version 0: what its run.c reads (io/llama2c.h has the layout). Numbers that the format does not hold have
// one value there; a model with another one is refused.

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "convert/heads.h"
#include "convert/llama2c_vocabulary.h"
#include "convert/rope.h"
#include "convert/targets.h"
#include "kinglet/error.h"

namespace kinglet {
namespace {

constexpr double kRopeBase = 10000;
constexpr float kEps = 1e-5f;
constexpr std::int64_t kBos = 1;

class Layout {
 public:
  Layout(const io::ModelFile& model, Plan& plan) : model_(model), plan_(plan), is_placed_(plan.tensors.size()) {
    file_.pieces.emplace_back();
  }

  void add_text(std::string text) { file_.pieces.push_back({.text = std::move(text)}); }

  void add(const std::string& name) {
    for (std::size_t i = 0; i < plan_.tensors.size(); ++i) {
      if (plan_.tensors[i].source->name != name) continue;
      file_.pieces.push_back({.tensor = i});
      is_placed_[i] = true;
      return;
    }
    throw refused("a tensor is missing that llama2.c needs").in(model_.file).at(printable(name));
  }

  void add_layers(std::uint64_t layers, const char* name) {
    for (std::uint64_t layer = 0; layer < layers; ++layer) add(fmt::format("model.layers.{}.{}", layer, name));
  }

  void finish(std::string header) {
    for (std::size_t i = 0; i < plan_.tensors.size(); ++i) {
      if (is_placed_[i]) continue;
      throw refused("a llama2.c file has no place for this tensor").in(model_.file).at(printable(plan_.tensors[i].source->name));
    }
    file_.pieces.front().text = std::move(header);
    plan_.files.push_back(std::move(file_));
  }

 private:
  const io::ModelFile& model_;
  Plan& plan_;
  PlannedFile file_;
  std::vector<bool> is_placed_;
};

template <class Value>
void need(const io::ModelFile& model, const char* key, const Value& found, const Value& allowed) {
  if (found == allowed) return;
  throw refused("a llama2.c file cannot say this")
      .in(model.file)
      .at(key)
      .found(fmt::format("{}", found))
      .allowed(fmt::format("{}", allowed));
}

void check_architecture(const io::ModelFile& model) {
  const Metadata& config = model.config;
  need<std::string>(model, "model_type", config.string("model_type"), "llama");
  need<std::string>(model, "hidden_act", config.string_or("hidden_act", "silu"), "silu");
  for (const char* key : {"attention_bias", "mlp_bias"}) need(model, key, config.boolean_or(key, false), false);
  need(model, "rms_norm_eps", static_cast<float>(config.number_or("rms_norm_eps", 1e-6)), kEps);
  const Rope rope = rope_of(config);
  need<std::string>(model, "rope_scaling", rope.type, "default");
  need(model, "rope_theta", rope.base, kRopeBase);
  const Heads heads = heads_of(config);
  need(model, "head_dim", heads.width, static_cast<std::uint64_t>(config.integer("hidden_size")) / heads.count);
}

// Cosines, then sines, of position times frequency: (S, d / 2) each.
std::string rope_tables(std::uint64_t positions, std::uint64_t head) {
  std::string cosines, sines;
  const auto put = [](std::string& out, double value) {
    const auto number = static_cast<float>(value);
    char bytes[sizeof(number)];
    std::memcpy(bytes, &number, sizeof(number));
    out.append(bytes, sizeof(number));
  };
  for (std::uint64_t position = 0; position < positions; ++position) {
    for (std::uint64_t i = 0; i < head / 2; ++i) {
      const double frequency = std::pow(kRopeBase, -2.0 * static_cast<double>(i) / static_cast<double>(head));
      put(cosines, std::cos(static_cast<double>(position) * frequency));
      put(sines, std::sin(static_cast<double>(position) * frequency));
    }
  }
  return cosines + sines;
}

void add_vocabulary(const io::ModelFile& model, Plan& plan) {
  if (auto vocabulary = llama2c_vocabulary(model)) {
    plan.beside.push_back({"tokenizer.bin", std::move(*vocabulary)});
  } else {
    plan.beside.push_back({"tokenizer.bin", {}});
    plan.warnings.emplace_back("llama2.c's tokenizer.bin cannot say the source's vocabulary; none is written");
  }
  const Metadata& config = model.config;
  if (const std::int64_t bos = config.integer_or("bos_token_id", kBos, 0); bos != kBos) {
    plan.warnings.push_back(fmt::format("texts begin with token {} in a llama2.c file, with {} in the source", kBos, bos));
  }
  if (!model.chat_template.empty()) plan.warnings.emplace_back("a llama2.c file has no chat template; the source's is left out");
}

}  // namespace

void lay_out_llama2c(const io::ModelFile& model, const ConvertOptions&, Plan& plan) {
  check_architecture(model);
  const Metadata& config = model.config;
  const Heads heads = heads_of(config);
  const bool is_shared = config.boolean_or("tie_word_embeddings", false);
  const auto layers = static_cast<std::uint64_t>(config.integer("num_hidden_layers", 1));
  const std::int64_t positions = config.integer_or("max_position_embeddings", 2048, 1, INT32_MAX);
  interleave_heads(model, plan);

  Layout layout(model, plan);
  layout.add("model.embed_tokens.weight");
  for (const char* name : {"input_layernorm.weight", "self_attn.q_proj.weight", "self_attn.k_proj.weight",
                           "self_attn.v_proj.weight", "self_attn.o_proj.weight", "post_attention_layernorm.weight",
                           "mlp.gate_proj.weight", "mlp.down_proj.weight", "mlp.up_proj.weight"}) {
    layout.add_layers(layers, name);
  }
  layout.add("model.norm.weight");
  layout.add_text(rope_tables(static_cast<std::uint64_t>(positions), heads.width));
  if (!is_shared) layout.add("lm_head.weight");

  const std::int64_t vocabulary = config.integer("vocab_size", 1, INT32_MAX);
  const std::int64_t numbers[] = {config.integer("hidden_size"), config.integer("intermediate_size"),
                                  static_cast<std::int64_t>(layers), static_cast<std::int64_t>(heads.count),
                                  static_cast<std::int64_t>(heads.count_kv), is_shared ? vocabulary : -vocabulary,
                                  positions};
  std::string header;
  for (const std::int64_t number : numbers) {
    const auto value = static_cast<std::int32_t>(number);
    header.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  layout.finish(std::move(header));
  add_vocabulary(model, plan);
}

}  // namespace kinglet
