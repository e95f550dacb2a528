#include "cli/probe_texts.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/text.h"
#include "dense/cosine.h"
#include "kinglet/error.h"

namespace kinglet::cli {
namespace {

// The same model stored in another weight format stays above 0.97, another model is near 0.
constexpr double kLeastLikeness = 0.9;

dense::Matrix matrix_of(const Embeddings& vectors) {
  return {vectors.rows(), vectors.width(), {vectors.values().begin(), vectors.values().end()}};
}

// The first 16 values of the vector of the tokens 0 to 7, of length 1.
std::vector<double> fingerprint_of(const Model& model, EmbedOptions how) {
  std::vector<TokenId> ids(std::min({std::size_t{8}, model.vocabulary(), model.context()}));
  std::iota(ids.begin(), ids.end(), 0);
  how.dimensions = std::min<std::size_t>(16, model.width());
  how.normalize = true;
  const Embeddings vector = embed(model, std::vector<std::vector<TokenId>>{ids}, how);
  return {vector.values().begin(), vector.values().end()};
}

std::string shape_of(std::size_t layers, std::size_t width, std::size_t vocabulary) {
  return fmt::format("{} layers, width {}, vocabulary {}", layers, width, vocabulary);
}

Error misfit(const char* problem, const Model& model, const dense::TextFeatures& text) {
  return refused(problem).in(model.file()).at(fmt::format("the probe's is {}", printable(text.model)));
}

}  // namespace

std::vector<dense::Examples> features_of(const Model& model, const dense::TextExamples& examples,
                                         std::span<const HiddenLayer> layers, const EmbedOptions& how) {
  const std::vector<std::vector<TokenId>> ids = ids_of(model, {examples.texts, examples.origin});
  std::vector<dense::Examples> sets;
  for (const Embeddings& vectors : embed_layers(model, ids, layers, how)) {
    sets.push_back({{matrix_of(vectors), examples.origin}, examples.labels});
  }
  return sets;
}

dense::TextFeatures describe(const Model& model, HiddenLayer layer, const EmbedOptions& how) {
  EmbedOptions at_layer = how;
  at_layer.layer = layer;
  return {.layer = layer,
          .pooling = std::string(name_of(how.pooling.value_or(default_pooling(model)))),
          .normalized = how.normalize,
          .model = model.file(),
          .layers = model.layers(),
          .width = model.width(),
          .vocabulary = model.vocabulary(),
          .fingerprint = fingerprint_of(model, at_layer)};
}

EmbedOptions features_for(const dense::Probe& probe, const Model& model, const EmbeddingOptions& options) {
  const dense::TextFeatures& text = *probe.text;
  if (text.layers != model.layers() || text.width != model.width() || text.vocabulary != model.vocabulary()) {
    throw misfit("the model does not fit the probe", model, text)
        .found(shape_of(model.layers(), model.width(), model.vocabulary()))
        .allowed(shape_of(text.layers, text.width, text.vocabulary));
  }
  const auto pooling = pooling_named(text.pooling);
  const bool is_possible = pooling && *pooling != Pooling::kNone && text.layer.value_or(0) <= text.layers &&
                           probe.network.in() <= text.width;
  if (!is_possible) throw misfit("the probe asks for features that no model has", model, text);

  const EmbedOptions how = {.pooling = pooling,
                            .layer = text.layer,
                            .dimensions = probe.network.in(),
                            .normalize = text.normalized,
                            .threads = options.model.threads,
                            .chunk = options.chunk};
  const std::vector<double> fingerprint = fingerprint_of(model, how);
  const double likeness = text.fingerprint.size() == fingerprint.size() ? dense::cosine(text.fingerprint, fingerprint) : 0;
  if (!(likeness >= kLeastLikeness)) {
    throw misfit("another model than the probe was fitted to", model, text)
        .found(fmt::format("a likeness of {:.3f}", likeness))
        .allowed(fmt::format("{} to 1", kLeastLikeness));
  }
  return how;
}

dense::Vectors vectors_of(const Model& model, const Texts& texts, const EmbedOptions& how) {
  return {matrix_of(embed(model, ids_of(model, texts), how)), texts.origin};
}

}  // namespace kinglet::cli
