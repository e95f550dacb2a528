#include "kinglet/embed.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <numeric>
#include <utility>

#include "base/finite.h"
#include "io/npy.h"
#include "kinglet/error.h"
#include "nn/kv_cache.h"
#include "runtime/engine.h"
#include "runtime/model_parts.h"

namespace kinglet {
namespace {

using Ids = std::vector<TokenId>;

constexpr std::array<std::string_view, 4> kPoolings = {"mean", "cls", "last", "none"};

// Consecutive tokens of one text in a pass.
struct Part {
  std::size_t text = 0;
  std::size_t first = 0;  // position of the first of them
  std::size_t count = 0;
  std::size_t row = 0;    // in the pass
  std::size_t length = 0;  // of the text
};

// Makes the vectors of one layer, as its rows come by, part by part in the order of the texts.
class Pool {
 public:
  Pool(Pooling pooling, bool normalizes, std::size_t width, Embeddings& out)
      : pooling_(pooling), normalizes_(normalizes), sum_(width), out_(out) {}

  // rows: those of the part, (count, D).
  void take(const Part& part, ConstRows rows) noexcept {
    const bool is_start = part.first == 0, is_end = part.first + part.count == part.length;
    if (pooling_ == Pooling::kNone) {
      for (std::size_t i = 0; i < part.count; ++i) finish(rows.span(i), 1, out_.first_row(part.text) + part.first + i);
    } else if (pooling_ == Pooling::kCls) {
      if (is_start) finish(rows.span(0), 1, part.text);
    } else if (pooling_ == Pooling::kLast) {
      if (is_end) finish(rows.span(part.count - 1), 1, part.text);
    } else {
      if (is_start) std::fill(sum_.begin(), sum_.end(), 0.0);
      for (std::size_t t = 0; t < part.count; ++t) {
        for (std::size_t i = 0; i < sum_.size(); ++i) sum_[i] += static_cast<double>(rows.row(t)[i]);
      }
      if (is_end) finish(std::span<const double>(sum_), static_cast<double>(part.length), part.text);
    }
  }

 private:
  // The row is the first of the values, divided by `count`.
  template <class Number>
  void finish(std::span<const Number> values, double count, std::size_t row) noexcept {
    const std::span<float> out = out_.row(row);
    double divisor = count;
    if (normalizes_) {
      double squares = 0;
      for (std::size_t i = 0; i < out.size(); ++i) squares += static_cast<double>(values[i]) * static_cast<double>(values[i]);
      if (squares > 0) divisor = std::sqrt(squares);
    }
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(static_cast<double>(values[i]) / divisor);
  }

  Pooling pooling_;
  bool normalizes_;
  std::vector<double> sum_;  // (D), of the text at hand
  Embeddings& out_;
};

// The steps that make the layer's rows.
std::size_t depth_of(HiddenLayer layer, std::size_t layers) { return layer.value_or(layers + 1); }

void check_text(const Model& model, const Ids& ids) {
  if (ids.empty()) throw usage_error("a text without tokens");
  if (ids.size() > model.context()) {
    throw usage_error("a text is longer than the context")
        .found(fmt::format("{} tokens", ids.size()))
        .allowed(fmt::format("up to {}", model.context()));
  }
  for (const TokenId id : ids) {
    if (id >= 0 && static_cast<std::size_t>(id) < model.vocabulary()) continue;
    throw usage_error("a token id is outside the vocabulary")
        .found(fmt::format("{}", id))
        .allowed(fmt::format("[0, {})", model.vocabulary()));
  }
}

void check_texts(const Model& model, const std::vector<Ids>& texts) {
  for (std::size_t i = 0; i < texts.size(); ++i) {
    try {
      check_text(model, texts[i]);
    } catch (Error& error) {
      throw error.at(fmt::format("texts[{}]", i));
    }
  }
}

void check_options(const Model& model, std::span<const HiddenLayer> layers, const EmbedOptions& options) {
  for (const HiddenLayer layer : layers) {
    if (!layer || *layer <= model.layers()) continue;
    throw usage_error("the model has no such layer")
        .at("layer")
        .found(fmt::format("{}", *layer))
        .allowed(fmt::format("0 to {}", model.layers()));
  }
  if (options.dimensions <= model.width()) return;
  throw usage_error("the model's vectors have fewer dimensions")
      .at("dimensions")
      .found(fmt::format("{}", options.dimensions))
      .allowed(fmt::format("1 to {}", model.width()));
}

// One run over all texts: passes of whole and cut texts, and what becomes of their rows.
class Run {
 public:
  Run(const Model& model, const std::vector<Ids>& texts, std::span<const HiddenLayer> layers,
      const EmbedOptions& options)
      : texts_(texts),
        layers_(layers),
        shape_(model.parts().model->shape()),
        chunk_(rows_of_a_pass(texts, options.chunk)),
        engine_(*model.parts().model, options.threads, chunk_, chunk_),
        wanted_(chunk_) {
    const Pooling pooling = options.pooling.value_or(default_pooling(model));
    const std::size_t width = options.dimensions == 0 ? shape_.width : options.dimensions;
    std::vector<std::size_t> first_rows = {0};
    for (const Ids& text : texts) {
      first_rows.push_back(first_rows.back() + (pooling == Pooling::kNone ? text.size() : 1));
    }
    vectors_.assign(layers.size(), Embeddings(width, first_rows));
    for (std::size_t i = 0; i < layers.size(); ++i) {
      pools_.emplace_back(pooling, options.normalize, shape_.width, vectors_[i]);
      depth_ = std::max(depth_, depth_of(layers[i], shape_.layers));
    }
    std::iota(wanted_.begin(), wanted_.end(), std::size_t{0});
    tap_.see = [this](const nn::Activation& activation, ConstRows rows) { see(activation, rows); };
    tokens_.reserve(chunk_);
    parts_.reserve(chunk_);
  }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  std::vector<Embeddings> finish() && {
    while (gather()) {
      engine_.forward({.tokens = tokens_,
                       .vectors = {},
                       .sequences = sequences_,
                       .wanted = std::span(wanted_).first(tokens_.size()),
                       .depth = depth_},
                      &tap_);
    }
    for (std::size_t i = 0; i < layers_.size(); ++i) check_finite(vectors_[i], layers_[i]);
    return std::move(vectors_);
  }

 private:
  static std::size_t rows_of_a_pass(const std::vector<Ids>& texts, std::size_t chunk) {
    std::size_t tokens = 0;
    for (const Ids& text : texts) tokens += text.size();
    return std::min(std::max<std::size_t>(chunk, 1), tokens);
  }

  // The rest of the text that the last pass has cut, then the next ones; false where none is left.
  bool gather() {
    while (caches_.size() > (position_ > 0 ? 1 : 0)) caches_.pop_front();
    tokens_.clear();
    parts_.clear();
    sequences_.clear();
    while (tokens_.size() < chunk_ && text_ < texts_.size()) add_part();
    return !tokens_.empty();
  }

  void add_part() {
    const Ids& text = texts_[text_];
    if (position_ == 0) {
      nn::Shape cached = shape_;
      cached.layers = std::min(depth_, shape_.layers);
      caches_.emplace_back(cached, text.size(), nn::CacheType::kF32);
    }
    const std::size_t count = std::min(chunk_ - tokens_.size(), text.size() - position_);
    parts_.push_back({text_, position_, count, tokens_.size(), text.size()});
    sequences_.push_back({&caches_.back(), count});
    const auto begin = text.begin() + static_cast<std::ptrdiff_t>(position_);
    tokens_.insert(tokens_.end(), begin, begin + static_cast<std::ptrdiff_t>(count));
    position_ += count;
    if (position_ < text.size()) return;
    position_ = 0;
    ++text_;
  }

  // The steps that have been made once this activation is there; nothing where it is no hidden state.
  static HiddenLayer depth_after(const nn::Activation& activation, std::size_t layers) {
    const std::string_view name = activation.name;
    if (name == "embed") return 0;
    if (name == "out") return static_cast<std::size_t>(activation.layer) + 1;
    if (name == "final_norm") return layers + 1;
    return std::nullopt;
  }

  void see(const nn::Activation& activation, ConstRows rows) noexcept {
    const auto depth = depth_after(activation, shape_.layers);
    if (!depth) return;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      if (depth_of(layers_[i], shape_.layers) != *depth) continue;
      for (const Part& part : parts_) pools_[i].take(part, rows.range(part.row, part.count));
    }
  }

  void check_finite(const Embeddings& vectors, HiddenLayer layer) const {
    for (std::size_t text = 0; text < vectors.texts(); ++text) {
      for (std::size_t row = vectors.first_row(text); row < vectors.first_row(text + 1); ++row) {
        if (all_finite(vectors.row(row))) continue;
        throw runtime_error(fmt::format("the vector of a text is not finite ({})",
                                        layer ? fmt::format("layer {}", *layer) : "the final norm"))
            .at(fmt::format("texts[{}]", text));
      }
    }
  }

  const std::vector<Ids>& texts_;
  std::span<const HiddenLayer> layers_;
  const nn::Shape shape_;
  std::size_t chunk_;
  Engine engine_;
  std::vector<std::size_t> wanted_;  // all rows
  std::size_t depth_ = 0;
  nn::Tap tap_;
  std::vector<Embeddings> vectors_;  // by layer
  std::vector<Pool> pools_;          // by layer

  std::size_t text_ = 0, position_ = 0;  // what comes next
  std::deque<nn::KvCache> caches_;       // of the texts in the pass
  std::vector<TokenId> tokens_;
  std::vector<Part> parts_;
  std::vector<nn::SequenceRows> sequences_;  // by part
};

}  // namespace

std::string_view name_of(Pooling pooling) { return kPoolings[static_cast<std::size_t>(pooling)]; }

std::optional<Pooling> pooling_named(std::string_view name) {
  const auto found = std::find(kPoolings.begin(), kPoolings.end(), name);
  if (found == kPoolings.end()) return std::nullopt;
  return static_cast<Pooling>(found - kPoolings.begin());
}

Pooling default_pooling(const Model& model) { return model.parts().pooling; }

Embeddings::Embeddings(std::size_t width, std::vector<std::size_t> first_rows)
    : width_(width), first_rows_(std::move(first_rows)), values_(first_rows_.back() * width) {}

std::string npy_bytes(const Embeddings& vectors) {
  return io::npy_bytes(std::array<std::uint64_t, 2>{vectors.rows(), vectors.width()}, vectors.values());
}

std::vector<TokenId> embedding_ids(const Model& model, std::string_view text) {
  if (model.tokenizer() == nullptr) throw usage_error("the model has no tokenizer").in(model.file());
  Ids ids = model.tokenizer()->encode(text);
  const bool wants_bos = model.bos() && (model.adds_bos() || ids.empty());
  if (wants_bos && (ids.empty() || ids.front() != *model.bos())) ids.insert(ids.begin(), *model.bos());
  check_text(model, ids);
  return ids;
}

std::vector<Embeddings> embed_layers(const Model& model, const std::vector<Ids>& texts,
                                     std::span<const HiddenLayer> layers, const EmbedOptions& options) {
  check_options(model, layers, options);
  check_texts(model, texts);
  return Run(model, texts, layers, options).finish();
}

Embeddings embed(const Model& model, const std::vector<Ids>& texts, const EmbedOptions& options) {
  return std::move(embed_layers(model, texts, {&options.layer, 1}, options).front());
}

Embeddings embed(const Model& model, const std::vector<std::string>& texts, const EmbedOptions& options) {
  std::vector<Ids> ids;
  for (const std::string& text : texts) ids.push_back(embedding_ids(model, text));
  return embed(model, ids, options);
}

std::vector<HiddenLayer> all_layers(const Model& model) {
  std::vector<HiddenLayer> layers;
  for (std::size_t layer = 0; layer <= model.layers(); ++layer) layers.emplace_back(layer);
  layers.push_back(std::nullopt);
  return layers;
}

}  // namespace kinglet
