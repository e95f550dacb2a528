#include "runtime/dump.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <numeric>
#include <string>
#include <unordered_map>
#include <vector>

#include "io/safetensors_writer.h"
#include "kinglet/error.h"
#include "runtime/cache_type.h"
#include "runtime/engine.h"
#include "runtime/model_parts.h"

namespace kinglet {
namespace {

// Gathers activations in the order in which they first come.
class Recorder {
 public:
  explicit Recorder(std::size_t tokens) : tokens_(tokens) {}

  void see(const nn::Activation& activation, ConstRows rows) {
    Recorded& recorded = entry(name_of(activation), {tokens_, rows.width});
    for (std::size_t i = 0; i < rows.count; ++i) {
      recorded.values.insert(recorded.values.end(), rows.row(i), rows.row(i) + rows.width);
    }
  }

  // probabilities: (H, positions so far); the rest of the row, (H, S), is zero.
  void see_attention(int layer, std::size_t position, ConstRows probabilities) {
    Recorded& recorded = entry(name_of({"attn_probs", layer}), {tokens_, probabilities.count, tokens_});
    recorded.values.resize(tokens_ * probabilities.count * tokens_);
    for (std::size_t head = 0; head < probabilities.count; ++head) {
      std::copy_n(probabilities.row(head), probabilities.width,
                  recorded.values.begin() +
                      static_cast<std::ptrdiff_t>((position * probabilities.count + head) * tokens_));
    }
  }

  void add(const std::string& name, std::span<const float> values) {
    entry(name, {values.size()}).values.assign(values.begin(), values.end());
  }

  void write(std::span<const TokenId> ids, const std::filesystem::path& path) const {
    std::vector<io::TensorPlan> plans = {{"ids", DType::kI32, {ids.size()}}};
    for (const Recorded& recorded : recorded_) {
      plans.push_back({recorded.name, DType::kF32, recorded.shape});
    }
    io::SafetensorsWriter writer(path, plans);
    writer.write(std::as_bytes(ids));
    for (const Recorded& recorded : recorded_) writer.write(std::as_bytes(std::span(recorded.values)));
    writer.finish();
  }

 private:
  struct Recorded {
    std::string name;
    std::vector<std::uint64_t> shape;
    std::vector<float> values;
  };

  static std::string name_of(const nn::Activation& activation) {
    if (activation.layer < 0) return activation.name;
    return fmt::format("layers.{}.{}", activation.layer, activation.name);
  }

  Recorded& entry(const std::string& name, std::vector<std::uint64_t> shape) {
    const auto [at, is_new] = index_.try_emplace(name, recorded_.size());
    if (is_new) recorded_.push_back({name, std::move(shape), {}});
    return recorded_[at->second];
  }

  std::size_t tokens_;
  std::deque<Recorded> recorded_;
  std::unordered_map<std::string, std::size_t> index_;
};

}  // namespace

void dump_activations(const Model& model, std::span<const TokenId> ids, const DumpOptions& options,
                      const std::filesystem::path& path) {
  const arch::Model& decoder = *model.parts().model;
  for (const TokenId id : ids) {
    if (id >= 0 && static_cast<std::size_t>(id) < model.vocabulary()) continue;
    throw usage_error("a token id is outside the vocabulary").at("ids").found(fmt::format("{}", id));
  }
  Recorder recorder(ids.size());
  std::size_t first = 0;
  nn::Tap tap;
  tap.see = [&](const nn::Activation& activation, Rows rows) { recorder.see(activation, rows); };
  if (options.attention) {
    tap.see_attention = [&](int layer, std::size_t row, ConstRows probabilities) {
      recorder.see_attention(layer, first + row, probabilities);
    };
  }

  const std::size_t chunk = std::min(options.chunk, ids.size());
  Engine engine(decoder, options.threads, chunk, chunk);
  nn::KvCache cache(decoder.shape(), ids.size(),
                    cache_type(options.cache));
  std::vector<std::size_t> wanted(chunk);
  std::iota(wanted.begin(), wanted.end(), std::size_t{0});
  for (; first < ids.size(); first += chunk) {
    const std::size_t rows = std::min(chunk, ids.size() - first);
    const nn::SequenceRows sequence = {&cache, rows};
    engine.forward({.tokens = ids.subspan(first, rows),
                    .vectors = {},
                    .sequences = {&sequence, 1},
                    .wanted = std::span(wanted).first(rows)},
                   &tap);
  }
  if (!options.pooled.empty()) recorder.add("pooled", options.pooled);
  recorder.write(ids, path);
}

}  // namespace kinglet
