#include "runtime/streamed_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "arch/registry.h"
#include "base/team.h"
#include "base/text.h"
#include "dtype/format.h"
#include "kinglet/error.h"

namespace kinglet {
namespace {

constexpr std::string_view kEmbedding = "model.embed_tokens.weight";
constexpr std::string_view kHead = "lm_head.weight";

std::string prefix_of(std::size_t layer) { return fmt::format("model.layers.{}.", layer); }

bool is_tied(const Metadata& config) { return config.boolean_or("tie_word_embeddings", false); }

}  // namespace

// A part of a model as a small model of its own: its configuration, and the tensors under the names
// that they have there. What the part does not use has one row of zeros.
class StreamedModel::Part final : public TensorSource {
 public:
  // The block `layer` as block 0; the embedding is not used.
  static std::unique_ptr<Part> block(const Metadata& config, const TensorSource& tensors, std::size_t layer,
                                     const TensorSource* replaced) {
    nlohmann::json json = config.json();
    json["num_hidden_layers"] = 1;
    json["vocab_size"] = 1;
    json["tie_word_embeddings"] = true;
    // What the configuration says of layers by number, it says of this one as the first.
    if (auto types = json.find("layer_types"); types != json.end() && types->is_array() && types->size() > layer) {
      *types = nlohmann::json::array({(*types)[layer]});
    }
    const std::int64_t full = config.integer_or("max_window_layers", 28, 0);
    json["max_window_layers"] = std::max<std::int64_t>(0, full - static_cast<std::int64_t>(layer));

    auto part = std::make_unique<Part>(Metadata(config.file(), std::move(json)), tensors, replaced);
    const std::string prefix = prefix_of(layer);
    for (const TensorInfo& tensor : tensors.tensors()) {
      if (tensor.name.starts_with("model.layers.")) {
        if (tensor.name.starts_with(prefix)) part->add(tensor.name, prefix_of(0) + tensor.name.substr(prefix.size()));
      } else if (tensor.name == kEmbedding) {
        part->add_zeros(std::string(kEmbedding), tensor.shape.back());
      } else if (tensor.name != kHead) {
        part->add(tensor.name, tensor.name);
      }
    }
    return part;
  }

  // No block; the head in the embedding's place.
  static std::unique_ptr<Part> head(const Metadata& config, const TensorSource& tensors, const TensorSource* replaced) {
    nlohmann::json json = config.json();
    json["num_hidden_layers"] = 0;
    json["tie_word_embeddings"] = true;
    auto part = std::make_unique<Part>(Metadata(config.file(), std::move(json)), tensors, replaced);
    const std::string_view used = is_tied(config) ? kEmbedding : kHead;
    for (const TensorInfo& tensor : tensors.tensors()) {
      if (tensor.name.starts_with("model.layers.")) continue;
      if (tensor.name == used) part->add(tensor.name, std::string(kEmbedding));
      else if (tensor.name != kEmbedding && tensor.name != kHead) part->add(tensor.name, tensor.name);
    }
    return part;
  }

  Part(Metadata config, const TensorSource& tensors, const TensorSource* replaced)
      : config_(std::move(config)), tensors_(tensors), replaced_(replaced) {}

  const Metadata& config() const { return config_; }
  std::span<const TensorInfo> tensors() const override { return infos_; }

  const TensorInfo* find(std::string_view name) const override {
    for (const TensorInfo& info : infos_) {
      if (info.name == name) return &info;
    }
    return nullptr;
  }

  void read_rows(const TensorInfo& tensor, std::uint64_t begin, std::span<std::byte> out) const override {
    const Origin& origin = origins_[static_cast<std::size_t>(&tensor - infos_.data())];
    if (origin.source == nullptr) std::memset(out.data(), 0, out.size());
    else origin.source->read_rows(*origin.tensor, begin, out);
  }

 private:
  struct Origin {
    const TensorSource* source;
    const TensorInfo* tensor;
  };

  void add(const std::string& name, std::string name_here) {
    const TensorInfo* other = replaced_ == nullptr ? nullptr : replaced_->find(name);
    const Origin origin = other == nullptr ? Origin{&tensors_, tensors_.find(name)} : Origin{replaced_, other};
    infos_.push_back(*origin.tensor);
    infos_.back().name = std::move(name_here);
    origins_.push_back(origin);
  }

  void add_zeros(std::string name, std::uint64_t width) {
    TensorInfo zeros;
    zeros.name = zeros.name_in_file = std::move(name);
    zeros.shape = {1, width};
    zeros.nbytes = width * sizeof(float);
    infos_.push_back(std::move(zeros));
    origins_.push_back({nullptr, nullptr});
  }

  Metadata config_;
  const TensorSource& tensors_;
  const TensorSource* replaced_;
  std::vector<TensorInfo> infos_;
  std::vector<Origin> origins_;
};

StreamedModel::StreamedModel(const Metadata& config, const TensorSource& tensors, std::size_t threads,
                             std::size_t tokens)
    : config_(config), tensors_(tensors), threads_(threads), tokens_(tokens), shape_(arch::shape_of(config)) {}
StreamedModel::~StreamedModel() = default;

std::vector<float> StreamedModel::embed(std::span<const TokenId> tokens) const {
  const TensorInfo* embedding = tensors_.find(kEmbedding);
  const std::vector<std::uint64_t> wanted = {shape_.vocabulary, shape_.width};
  if (embedding == nullptr || embedding->shape != wanted || dtype::format_of(embedding->dtype).unpack == nullptr) {
    throw refused(fmt::format("tensor {} is missing or does not fit", kinglet::quoted(kEmbedding))).in(config_.file());
  }
  std::vector<std::byte> row(dtype::row_bytes(embedding->dtype, shape_.width));
  std::vector<float> hidden(tokens.size() * shape_.width);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    tensors_.read_rows(*embedding, static_cast<std::uint64_t>(tokens[i]), row);
    dtype::format_of(embedding->dtype).unpack(row.data(), shape_.width, hidden.data() + i * shape_.width);
  }
  return hidden;
}

void StreamedModel::bind(std::unique_ptr<Part> part) {
  engine_.reset();
  cache_.reset();
  model_.reset();
  part_ = std::move(part);
  Team team(threads_);
  model_ = arch::bind_model(part_->config(), *part_, team);
}

void StreamedModel::load_block(std::size_t layer, const TensorSource* replaced) {
  bind(Part::block(config_, tensors_, layer, replaced));
  cache_.emplace(model_->shape(), tokens_, nn::CacheType::kF32);
  engine_.emplace(*model_, threads_, tokens_, 1);
}

void StreamedModel::load_head(const TensorSource* replaced) {
  bind(Part::head(config_, tensors_, replaced));
  engine_.emplace(*model_, threads_, kLogitRows, kLogitRows);
}

void StreamedModel::forward(Rows hidden, const See& see) {
  cache_->truncate(0);
  const nn::SequenceRows sequence = {&*cache_, hidden.count};
  nn::Tap tap;
  tap.see = [&](const nn::Activation& activation, Rows rows) {
    const std::string_view name(activation.name);
    if (see) see(name, rows);
    if (name != "out") return;
    for (std::size_t i = 0; i < rows.count; ++i) std::copy_n(rows.row(i), rows.width, hidden.row(i));
  };
  engine_->forward({.tokens = {}, .vectors = hidden, .sequences = {&sequence, 1}, .wanted = {}, .depth = 1}, &tap);
}

Rows StreamedModel::logits(ConstRows hidden) { return engine_->logits_of(hidden); }

}  // namespace kinglet
