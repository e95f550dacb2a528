#include "arch/llama.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "arch/binder.h"
#include "arch/rope_config.h"
#include "base/text.h"
#include "kernels/dispatch.h"
#include "kinglet/error.h"
#include "nn/attention.h"
#include "nn/linear.h"
#include "nn/mlp.h"
#include "nn/norm.h"
#include "nn/rope.h"
#include "nn/wanted.h"

namespace kinglet::arch {
namespace {

using nn::lap;
using nn::observe;
using nn::Op;
using Views = nn::Workspace::Views;

struct Block {
  nn::RmsNorm attention_norm;
  nn::Attention attention;
  nn::RmsNorm mlp_norm;
  nn::GatedMlp mlp;

  void forward(const Member& me, const nn::Pass& pass, const nn::Rope& rope, int layer,
               const Views& w) const {
    attention_norm.forward(me, pass, w.hidden, w.normed);
    lap(me, pass, {Op::kAttentionNorm, layer, w.hidden.count});
    observe(me, pass, {"attn_norm", layer}, w.normed);
    attention.forward(me, pass, rope, w.normed, {w.qkv, w.mixed}, w.branch, w.hidden);

    mlp_norm.forward(me, pass, w.hidden, w.normed);
    lap(me, pass, {Op::kMlpNorm, layer, w.hidden.count});
    observe(me, pass, {"mlp_norm", layer}, w.normed);
    mlp.forward(me, pass, w.normed, w.gate_up, w.branch, w.hidden);
    observe(me, pass, {"out", layer}, w.hidden);
  }
};

class Llama final : public Model {
 public:
  Llama(const Metadata& config, const TensorSource& tensors, Team& team, Math math);

  const nn::Shape& shape() const override { return shape_; }
  std::span<const Matrix> matrices() const override { return matrices_; }
  std::size_t weight_bytes() const override { return weight_bytes_; }
  Rows forward(Team& team, const nn::Batch& batch, nn::Workspace& workspace,
               const nn::Tap* tap) const override;
  Rows logits_of(Team& team, ConstRows hidden, nn::Workspace& workspace) const override;

 private:
  // From the residual stream (T, D) to the logits of the wanted rows.
  void predict(const Member& me, const nn::Pass& pass, const nn::Batch& batch, const Views& w) const;
  // normed = norm(hidden), logits = head(normed);  hidden, normed: (W, D), logits: (W, V). The first is
  // written by parts, the second ends in sync.
  void normalize(const Member& me, const nn::Pass& pass, ConstRows hidden, Rows normed) const;
  void read_out(const Member& me, const nn::Pass& pass, ConstRows normed, Rows logits) const;
  bool has_logits(const nn::Batch& batch) const { return batch.depth > blocks_.size() + 1; }
  // The head shares the embedding's weights where they are tied.
  const nn::Linear& head() const { return head_.weights().empty() ? embedding_ : head_; }

  nn::Shape shape_;
  Arena memory_;  // of the weights
  nn::Linear embedding_;  // one weight, (V, D)
  nn::Rope rope_;
  std::vector<Block> blocks_;
  nn::RmsNorm final_norm_;
  nn::Linear head_;  // (V, D), or empty where tied
  std::size_t weight_bytes_ = 0;
  std::vector<Matrix> matrices_;  // the embedding first
};

Rows Llama::forward(Team& team, const nn::Batch& batch, nn::Workspace& workspace,
                    const nn::Tap* tap) const {
  const std::size_t kept = std::min(batch.wanted.size(), workspace.max_wanted());
  const Views w = workspace.views(batch.size(), kept);
  const nn::Pass pass = {.kernels = kernels::active(),
                         .sequences = batch.sequences,
                         .places = workspace.place(batch),
                         .angles = w.angles,
                         .int8 = workspace.int8(),
                         .rounded = workspace.rounded(),
                         .tap = tap};

  team.run([&](const Member& me) noexcept {  // the only parallel region of the pass
    lap(me, pass, {Op::kStart});
    rope_.angles(me, pass.places, w.angles);
    nn::embed(me, embedding_.weights()[0], batch, w.hidden);  // (T, D)
    me.sync();
    lap(me, pass, {Op::kEmbed, -1, w.hidden.count, &embedding_});
    observe(me, pass, {"embed"}, w.hidden);

    for (std::size_t i = 0; i < std::min(blocks_.size(), batch.depth); ++i) {
      blocks_[i].forward(me, pass, rope_, static_cast<int>(i), w);
    }
    if (batch.depth <= blocks_.size()) return;

    predict(me, pass, batch, w);
  });
  return w.logits.first(has_logits(batch) ? kept : 0);
}

// All wanted rows at once, or, for a sink, as many at a time as the workspace holds the logits of.
void Llama::predict(const Member& me, const nn::Pass& pass, const nn::Batch& batch,
                    const Views& w) const {
  for (std::size_t first = 0; first < batch.wanted.size(); first += w.logits.count) {
    const std::size_t count = std::min(w.logits.count, batch.wanted.size() - first);
    const Rows selected = w.selected.first(count), logits = w.logits.first(count);
    nn::select(me, w.hidden, batch.wanted.subspan(first, count), selected);
    normalize(me, pass, selected, w.normed.first(count));
    if (has_logits(batch)) {
      read_out(me, pass, w.normed.first(count), logits);
      nn::hand_over(me, batch, first, logits);
    } else {
      me.sync();
    }
  }
}

void Llama::normalize(const Member& me, const nn::Pass& pass, ConstRows hidden, Rows normed) const {
  final_norm_.forward(me, pass, hidden, normed);
  lap(me, pass, {Op::kFinalNorm, -1, normed.count});
  observe(me, pass, {"final_norm"}, normed);
}

void Llama::read_out(const Member& me, const nn::Pass& pass, ConstRows normed, Rows logits) const {
  head().forward(me, pass, normed, logits);  // (W, V)
  lap(me, pass, {Op::kHead, -1, normed.count, &head()});
  observe(me, pass, {"logits"}, logits);
}

Rows Llama::logits_of(Team& team, ConstRows hidden, nn::Workspace& workspace) const {
  const Views w = workspace.views(hidden.count, hidden.count);
  const nn::Pass pass = {.kernels = kernels::active(),
                         .sequences = {},
                         .places = {},
                         .angles = {},
                         .int8 = workspace.int8(),
                         .rounded = workspace.rounded(),
                         .tap = nullptr};
  team.run([&](const Member& me) noexcept { 
    normalize(me, pass, hidden, w.normed);
    read_out(me, pass, w.normed, w.logits);
  });
  return w.logits;
}

// --- binding ----------------------------------------------------------------------------------

bool is_tied(const Metadata& config, const Binder& binder) {
  const bool tied = config.boolean_or("tie_word_embeddings", false);
  if (!tied && !binder.has("lm_head.weight")) {
    throw refused("no tensor 'lm_head.weight', and the configuration does not tie the embeddings")
        .in(config.file())
        .at("tie_word_embeddings");
  }
  return tied;
}

// The last `window` keys that layer `layer` sees; as many as there are where it has no window.
std::size_t window_of(const Metadata& config, std::size_t layer) {
  constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
  const std::string type = config.string("model_type");
  const bool is_absent = !config.mentions("sliding_window");
  if (type == "mistral" && is_absent) return 4096;  // the class's default; null is no window
  if (!config.has("sliding_window")) return kNone;
  if (type == "llama") return kNone;
  if (type == "qwen2") {
    if (!config.boolean_or("use_sliding_window", false)) return kNone;
    if (config.has("layer_types")) {
      const std::vector<std::string> types = config.strings("layer_types");
      if (layer < types.size() && types[layer] != "sliding_attention") return kNone;
    } else if (static_cast<std::int64_t>(layer) < config.integer_or("max_window_layers", 28, 0)) {
      return kNone;
    }
  }
  return static_cast<std::size_t>(config.integer("sliding_window"));
}

void check_activation(const Metadata& config) {
  const std::string activation = config.string_or("hidden_act", "silu");
  if (activation == "silu" || activation == "swish") return;
  throw refused("this activation is not supported")
      .in(config.file())
      .at("hidden_act")
      .found(quoted(activation))
      .allowed("silu");
}

float epsilon_of(const Metadata& config) {
  const double eps = config.number_or("rms_norm_eps", 1e-6);
  if (eps >= 0 && eps < 1) return static_cast<float>(eps);
  throw refused("a configuration value is not usable")
      .in(config.file())
      .at("rms_norm_eps")
      .found(fmt::format("{}", eps))
      .allowed("[0, 1)");
}

// What every block of the model has in common.
struct BlockPlan {
  nn::Shape shape;
  nn::Heads heads;
  float eps = 0;
};

nn::Linear one(Weight weight) {
  std::vector<Weight> weights;
  weights.push_back(std::move(weight));
  return nn::Linear(std::move(weights));
}

Block bind_block(Binder& binder, const BlockPlan& plan, int layer) {
  const nn::Shape& s = plan.shape;
  const std::string prefix = fmt::format("model.layers.{}.", layer);
  const auto projection = [&](const char* name, std::size_t out, std::size_t in) {
    return binder.matrix_with_bias(prefix + name + ".weight", prefix + name + ".bias", out, in);
  };
  const std::size_t q_width = s.heads * s.head_width, kv_width = s.kv_heads * s.head_width;

  std::vector<Weight> qkv;
  qkv.push_back(projection("self_attn.q_proj", q_width, s.width));
  qkv.push_back(projection("self_attn.k_proj", kv_width, s.width));
  qkv.push_back(projection("self_attn.v_proj", kv_width, s.width));
  nn::Linear out = one(projection("self_attn.o_proj", s.width, q_width));
  std::vector<Weight> gate_up;
  gate_up.push_back(projection("mlp.gate_proj", s.mlp_width, s.width));
  gate_up.push_back(projection("mlp.up_proj", s.mlp_width, s.width));
  nn::Linear down = one(projection("mlp.down_proj", s.width, s.mlp_width));

  return {.attention_norm = {binder.vector(prefix + "input_layernorm.weight", s.width), plan.eps},
          .attention = {plan.heads, nn::Linear(std::move(qkv)), std::move(out), layer},
          .mlp_norm = {binder.vector(prefix + "post_attention_layernorm.weight", s.width), plan.eps},
          .mlp = {nn::Linear(std::move(gate_up)), std::move(down), layer}};
}

Llama::Llama(const Metadata& config, const TensorSource& tensors, Team& team, Math math)
    : Model(math), shape_(llama_shape(config)) {
  check_activation(config);
  Binder binder(tensors, team, memory_, config.file());
  BlockPlan plan = {.shape = shape_, .heads = {}, .eps = epsilon_of(config)};
  plan.heads = {.query = shape_.heads,
                .key_value = shape_.kv_heads,
                .width = shape_.head_width,
                .scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(shape_.head_width)))};

  const bool tied = is_tied(config, binder);
  embedding_ = one(binder.matrix("model.embed_tokens.weight", shape_.vocabulary, shape_.width));
  rope_ = nn::Rope(rope_frequencies(config, shape_.head_width, binder));
  for (std::size_t i = 0; i < shape_.layers; ++i) {
    plan.heads.window = window_of(config, i);
    blocks_.push_back(bind_block(binder, plan, static_cast<int>(i)));
  }
  final_norm_ = {binder.vector("model.norm.weight", shape_.width), plan.eps};
  if (!tied) head_ = one(binder.matrix("lm_head.weight", shape_.vocabulary, shape_.width));
  binder.pack();
  weight_bytes_ = binder.bytes();
  matrices_ = binder.take_matrices();
  matrices_.front().rows = tied ? Matrix::Rows::kWanted : Matrix::Rows::kLookedUp;
  if (!tied) matrices_.back().rows = Matrix::Rows::kWanted;
}

}  // namespace

std::unique_ptr<Model> bind_llama(const Metadata& config, const TensorSource& tensors, Team& team, Math math) {
  return std::make_unique<Llama>(config, tensors, team, math);
}

nn::Shape llama_shape(const Metadata& config) {
  constexpr std::int64_t kMaxWidth = 1 << 20;
  const auto size = [](std::int64_t value) { return static_cast<std::size_t>(value); };
  nn::Shape shape;
  shape.layers = size(config.integer("num_hidden_layers", 0, 1024));
  shape.width = size(config.integer("hidden_size", 1, kMaxWidth));
  shape.mlp_width = size(config.integer("intermediate_size", 1, kMaxWidth));
  shape.heads = size(config.integer("num_attention_heads", 1, 65536));
  shape.kv_heads = size(config.integer_or("num_key_value_heads",
                                          static_cast<std::int64_t>(shape.heads), 1, 65536));
  shape.vocabulary = size(config.integer("vocab_size", 1, 1 << 20));
  shape.context = size(config.integer_or("max_position_embeddings", 2048, 0,
                                         std::numeric_limits<std::int64_t>::max()));
  if (shape.heads % shape.kv_heads != 0) {
    throw refused("the key/value heads do not divide the query heads")
        .in(config.file())
        .at("num_key_value_heads")
        .found(fmt::format("{}", shape.kv_heads))
        .allowed(fmt::format("a divisor of {}", shape.heads));
  }
  if (!config.has("head_dim") && shape.width % shape.heads != 0) {
    throw refused("the heads do not divide the width")
        .in(config.file())
        .at("num_attention_heads")
        .found(fmt::format("{}", shape.heads))
        .allowed(fmt::format("a divisor of {}", shape.width));
  }
  shape.head_width = size(config.integer_or(
      "head_dim", static_cast<std::int64_t>(shape.width / shape.heads), 1, kernels::kMaxHeadWidth));
  if (shape.head_width % 2 != 0 || shape.head_width > kernels::kMaxHeadWidth) {
    throw refused("a head's width is not usable")
        .in(config.file())
        .at("head_dim")
        .found(fmt::format("{}", shape.head_width))
        .allowed(fmt::format("an even number in [2, {}]", kernels::kMaxHeadWidth));
  }
  return shape;
}

}  // namespace kinglet::arch
