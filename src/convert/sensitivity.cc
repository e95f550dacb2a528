#include "convert/sensitivity.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/team.h"
#include "convert/mixes.h"
#include "convert/plan.h"
#include "convert/probe_text.h"
#include "convert/row_converter.h"
#include "dtype/format.h"
#include "io/gguf_names.h"
#include "runtime/distribution.h"
#include "runtime/streamed_model.h"

namespace kinglet {
namespace {

constexpr std::size_t kTokens = 256;
constexpr std::size_t kSampledRows = 128;  // of a matrix, for the ratios of errors
constexpr std::string_view kEmbedding = "model.embed_tokens.weight", kHead = "lm_head.weight";

// In the middle of what is asked for, and small enough an error for squares.
constexpr DType kMeasured = DType::kQ4_K;

bool is_matrix(const TensorInfo& tensor) {
  return tensor.shape.size() == 2 && tensor.nbytes > 0 && dtype::format_of(tensor.dtype).unpack != nullptr &&
         io::gguf_of_kinglet(tensor.name).has_value();
}

PlannedTensor quantised(const TensorInfo& tensor, const Imatrix& imatrix, DType to) {
  PlannedTensor planned;
  planned.source = &tensor;
  planned.name = tensor.name;
  planned.to = to;
  const auto found = imatrix.find(tensor.name);
  if (found != imatrix.end() && found->second.squares.size() == tensor.shape.back()) planned.importance = found->second.means();
  return planned;
}

// One tensor of another source, in another type.
class Replacement final : public TensorSource {
 public:
  Replacement(const TensorSource& source, const PlannedTensor& planned, Team& team) {
    info_ = *planned.source;
    info_.dtype = planned.to;
    RowConverter rows(source, planned, true, team);
    for (std::uint64_t row = 0; row < rows.rows(); row += rows.at_once()) {
      const auto bytes = rows.convert(row, std::min(rows.at_once(), rows.rows() - row));
      bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    }
    info_.nbytes = bytes_.size();
    row_bytes_ = bytes_.size() / static_cast<std::size_t>(rows.rows());
  }

  std::span<const TensorInfo> tensors() const override { return {&info_, 1}; }
  const TensorInfo* find(std::string_view name) const override { return name == info_.name ? &info_ : nullptr; }
  void read_rows(const TensorInfo&, std::uint64_t begin, std::span<std::byte> out) const override {
    std::copy_n(bytes_.data() + static_cast<std::size_t>(begin) * row_bytes_, out.size(), out.data());
  }

 private:
  TensorInfo info_;
  std::vector<std::byte> bytes_;
  std::size_t row_bytes_ = 0;
};

using Hidden = std::vector<float>;  // (T, D)

// The text's way through the source, and through one variant for each matrix.
class Walk {
 public:
  Walk(const io::ModelFile& model, const Imatrix& imatrix, std::vector<Sensitivity>& results, std::size_t threads,
       const SensitivityWatch& watch)
      : source_(*model.tensors), imatrix_(imatrix), results_(results), watch_(watch), team_(threads),
        model_(model.config, source_, threads, kTokens), other_(model.config, source_, threads, kTokens),
        collector_(std::string(kHead)) {
    const std::size_t count = std::min(model_.shape().context, kTokens);
    const auto tokens = probe_tokens(model, model_.shape().vocabulary, count);
    hidden_ = model_.embed(tokens);
    is_tied_ = model.config.boolean_or("tie_word_embeddings", false);
    for (std::size_t layer = 0; layer < model_.shape().layers; ++layer) {
      of_ += 1 + variants_before(layer) + matrices_of(layer).size();
    }
    of_ += results_.size() + 1;
  }

  // False where it was interrupted.
  bool run() {
    start_embedding();
    for (std::size_t layer = 0; layer < model_.shape().layers; ++layer) {
      if (!pass_block(layer)) return false;
    }
    if (const auto head = index_of(kHead); head && !is_tied_) variants_.push_back({*head, hidden_, true});
    return compare_logits();
  }

  Imatrix inputs() const { return collector_.result(); }

 private:
  struct Variant {
    std::size_t result;
    Hidden hidden;
    bool has_own_head = false;
  };

  std::optional<std::size_t> index_of(std::string_view name) const {
    for (std::size_t i = 0; i < results_.size(); ++i) {
      if (results_[i].name == name) return i;
    }
    return {};
  }

  std::vector<std::size_t> matrices_of(std::size_t layer) const {
    std::vector<std::size_t> found;
    const std::string prefix = fmt::format("model.layers.{}.", layer);
    for (std::size_t i = 0; i < results_.size(); ++i) {
      if (results_[i].name.starts_with(prefix)) found.push_back(i);
    }
    return found;
  }

  std::size_t variants_before(std::size_t layer) const {
    std::size_t count = 1;  // the embedding's
    for (std::size_t i = 0; i < layer; ++i) count += matrices_of(i).size();
    return count;
  }

  PlannedTensor planned(std::size_t result) const {
    return quantised(*source_.find(results_[result].name), imatrix_, results_[result].measured);
  }

  Rows rows_of(Hidden& hidden) const {
    const std::size_t width = model_.shape().width;
    return {hidden.data(), hidden.size() / width, width, width};
  }

  bool step() {
    if (watch_.on_progress) watch_.on_progress(++done_, of_);
    return !(watch_.is_interrupted && watch_.is_interrupted());
  }

  // The rows that were looked up, as the type has them.
  void start_embedding() {
    const auto embedding = index_of(kEmbedding);
    if (!embedding) return;
    const dtype::Format& format = dtype::format_of(results_[*embedding].measured);
    const std::size_t width = model_.shape().width;
    std::vector<std::byte> row(dtype::row_bytes(format.dtype, width));
    Variant variant = {*embedding, hidden_, is_tied_};
    for (float* values = variant.hidden.data(); values != variant.hidden.data() + variant.hidden.size(); values += width) {
      format.pack(values, width, nullptr, row.data());
      format.unpack(row.data(), width, values);
    }
    variants_.push_back(std::move(variant));
  }

  bool pass_block(std::size_t layer) {
    const Hidden before = hidden_;
    model_.load_block(layer);
    model_.forward(rows_of(hidden_), [&](std::string_view name, ConstRows rows) {
      for (std::size_t i = 0; i < rows.count; ++i) collector_.add(name, static_cast<int>(layer), rows.span(i));
    });
    if (!step()) return false;
    for (Variant& variant : variants_) {
      model_.forward(rows_of(variant.hidden));
      if (!step()) return false;
    }
    for (const std::size_t matrix : matrices_of(layer)) {
      const Replacement replacement(source_, planned(matrix), team_);
      model_.load_block(layer, &replacement);
      variants_.push_back({matrix, before});
      model_.forward(rows_of(variants_.back().hidden));
      if (!step()) return false;
    }
    return true;
  }

  bool compare_logits() {
    model_.load_head();
    std::unique_ptr<const Replacement> head;
    for (const Variant& variant : variants_) {
      if (variant.has_own_head) head = std::make_unique<const Replacement>(source_, planned(variant.result), team_);
    }
    if (head) other_.load_head(head.get());
    const std::size_t count = hidden_.size() / model_.shape().width;
    for (std::size_t first = 0; first < count; first += StreamedModel::kLogitRows) {
      const std::size_t rows = std::min(StreamedModel::kLogitRows, count - first);
      const ConstRows expected = copy_of(model_.logits(ConstRows(rows_of(hidden_)).range(first, rows)));
      for (Variant& variant : variants_) {
        StreamedModel& own = variant.has_own_head ? other_ : model_;
        add_divergence(expected, own.logits(ConstRows(rows_of(variant.hidden)).range(first, rows)),
                       results_[variant.result]);
        if (watch_.is_interrupted && watch_.is_interrupted()) return false;
      }
    }
    for (Sensitivity& result : results_) result.kl /= static_cast<double>(count);
    return true;
  }

  ConstRows copy_of(ConstRows logits) {
    expected_.resize(logits.count * logits.width);
    for (std::size_t i = 0; i < logits.count; ++i) std::ranges::copy(logits.span(i), expected_.data() + i * logits.width);
    return {expected_.data(), logits.count, logits.width, logits.width};
  }

  void add_divergence(ConstRows expected, ConstRows found, Sensitivity& result) {
    std::vector<double> divergences(expected.count);
    team_.run_throwing([&](const Member& me) {
      std::vector<float> scratch(expected.width);
      const Range mine = me.mine(expected.count);
      for (std::size_t i = mine.begin; i < mine.end; ++i) {
        divergences[i] = kl_divergence(Distribution(expected.span(i)), Distribution(found.span(i)), scratch);
      }
    });
    for (const double divergence : divergences) result.kl += divergence;
  }

  const TensorSource& source_;
  const Imatrix& imatrix_;
  std::vector<Sensitivity>& results_;
  const SensitivityWatch& watch_;
  Team team_;
  StreamedModel model_, other_;
  ImportanceCollector collector_;
  Hidden hidden_;
  std::vector<float> expected_;
  std::vector<Variant> variants_;
  bool is_tied_ = false;
  std::uint64_t done_ = 0, of_ = 0;
};

// ---- other types, by the ratio of errors ----

double weighted_error(std::span<const float> a, std::span<const float> b, std::span<const float> weights) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double error = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    sum += error * error * (weights.empty() ? 1 : static_cast<double>(weights[i]));
  }
  return sum;
}

// Of `dtype` in rows of the matrix: the squared errors' sum.
double error_of(std::span<const float> rows, std::size_t width, DType dtype, std::span<const float> importance,
                std::span<const float> weights, Team& team) {
  const dtype::Format& format = dtype::format_of(dtype);
  std::vector<double> errors(rows.size() / width);
  team.run_throwing([&](const Member& me) {
    std::vector<std::byte> packed(dtype::row_bytes(dtype, width));
    std::vector<float> values(width);
    const Range mine = me.mine(errors.size());
    for (std::size_t i = mine.begin; i < mine.end; ++i) {
      const auto row = rows.subspan(i * width, width);
      format.pack(row.data(), width, importance.empty() ? nullptr : importance.data(), packed.data());
      format.unpack(packed.data(), width, values.data());
      errors[i] = weighted_error(row, values, weights);
    }
  });
  double sum = 0;
  for (const double error : errors) sum += error;
  return sum;
}

std::vector<float> sampled_rows(const TensorSource& source, const TensorInfo& tensor) {
  const std::uint64_t rows = tensor.shape[0];
  const std::size_t width = static_cast<std::size_t>(tensor.shape[1]);
  const std::uint64_t count = std::min<std::uint64_t>(rows, kSampledRows);
  std::vector<std::byte> bytes(dtype::row_bytes(tensor.dtype, width));
  std::vector<float> values(static_cast<std::size_t>(count) * width);
  for (std::uint64_t i = 0; i < count; ++i) {
    source.read_rows(tensor, i * rows / count, bytes);
    dtype::format_of(tensor.dtype).unpack(bytes.data(), width, values.data() + i * width);
  }
  return values;
}

void add_choices(const TensorSource& source, const Imatrix& imatrix, const Imatrix& inputs, Team& team,
                 Sensitivity& result) {
  const TensorInfo& tensor = *source.find(result.name);
  const std::size_t width = static_cast<std::size_t>(tensor.shape[1]);
  const std::vector<float> rows = sampled_rows(source, tensor);
  const std::vector<float> importance = quantised(tensor, imatrix, result.measured).importance;
  const auto input = inputs.find(result.name);
  const std::vector<float> weights = input == inputs.end() ? std::vector<float>() : input->second.means();
  const double measured = error_of(rows, width, result.measured, importance, weights, team);
  for (const dtype::Format& format : dtype::formats()) {
    if (format.pack == nullptr || format.unpack == nullptr || width % format.block != 0) continue;
    const auto bytes = dtype::checked_nbytes(tensor.shape, format.dtype);
    if (format.dtype != tensor.dtype && *bytes >= tensor.nbytes) continue;  // no gain
    const double error = format.dtype == tensor.dtype ? 0 : error_of(rows, width, format.dtype, importance, weights, team);
    result.choices.push_back({format.dtype, *bytes, measured > 0 ? result.kl * error / measured : 0});
  }
  std::stable_sort(result.choices.begin(), result.choices.end(),
                   [](const TypeChoice& a, const TypeChoice& b) { return a.bytes < b.bytes; });
}

}  // namespace

std::optional<std::vector<Sensitivity>> measure_sensitivity(const io::ModelFile& model, const Imatrix& imatrix,
                                                            std::size_t threads, const SensitivityWatch& watch) {
  std::vector<Sensitivity> results;
  for (const TensorInfo& tensor : model.tensors->tensors()) {
    if (!is_matrix(tensor)) continue;
    Sensitivity result;
    result.name = tensor.name;
    result.values = tensor.shape[0] * tensor.shape[1];
    result.measured = fallback_for(kMeasured, tensor.shape[1]);
    results.push_back(std::move(result));
  }
  Walk walk(model, imatrix, results, threads, watch);
  if (!walk.run()) return {};
  const Imatrix inputs = walk.inputs();
  Team team(threads);
  for (Sensitivity& result : results) {
    add_choices(*model.tensors, imatrix, inputs, team, result);
    if (watch.is_interrupted && watch.is_interrupted()) return {};
  }
  return results;
}

}  // namespace kinglet
