// What a text loses without a head.

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <string_view>

#include "kinglet/error.h"
#include "kinglet/lens.h"
#include "runtime/distribution.h"
#include "runtime/text_run.h"

namespace kinglet {
namespace {

// Puts zeros in place of the heads' outputs.
nn::Tap without(std::span<const HeadPlace> heads, std::size_t head_width) {
  nn::Tap tap;
  tap.see = [heads, head_width](const nn::Activation& activation, Rows mixed) {
    if (std::string_view(activation.name) != "attn_mixed") return;
    for (const HeadPlace& place : heads) {
      if (static_cast<std::size_t>(activation.layer) != place.layer) continue;
      const Rows own = mixed.columns(place.head * head_width, head_width);
      for (std::size_t i = 0; i < own.count; ++i) std::fill_n(own.row(i), own.width, 0.0f);
    }
  };
  return tap;
}

// The log-probabilities of tokens 1 to T - 1, each after those before it; false where interrupted.
bool score(TextRun& text, std::span<const TokenId> ids, const nn::Tap& tap, std::vector<double>& scores) {
  scores.clear();
  return text.run(tap, TextRun::Logits::kAll, [&](std::size_t rows, Rows logits) {
    for (std::size_t i = 0; i < rows && text.first() + i + 1 < ids.size(); ++i) {
      scores.push_back(Distribution(logits.span(i)).log_probability(ids[text.first() + i + 1]));
    }
  });
}

void check_length(std::span<const TokenId> ids) {
  if (ids.size() >= 2) return;
  throw usage_error("ablation needs a text of two tokens at least")
      .found(fmt::format("{}", ids.size()));
}

}  // namespace

std::optional<Ablation> ablate(const Model& model, std::span<const TokenId> ids,
                               std::span<const HeadPlace> heads, const LensOptions& options) {
  const nn::Shape& shape = shape_of(model);
  for (const HeadPlace& place : heads) {
    check_below(place.layer, shape.layers, "layer");
    check_below(place.head, shape.heads, "head");
  }
  check_length(ids);
  TextRun text(model, ids, options);
  Ablation ablation = {.heads = {heads.begin(), heads.end()}, .before = {}, .after = {}};
  if (!score(text, ids, {}, ablation.before)) return std::nullopt;
  if (!score(text, ids, without(heads, shape.head_width), ablation.after)) return std::nullopt;
  return ablation;
}

std::optional<AblationSweep> ablate_each(const Model& model, std::span<const TokenId> ids,
                                         const LensOptions& options) {
  const nn::Shape& shape = shape_of(model);
  check_length(ids);
  TextRun text(model, ids, options);
  AblationSweep sweep = {.layers = shape.layers, .heads = shape.heads, .before = {}, .changes = {}};
  if (!score(text, ids, {}, sweep.before)) return std::nullopt;
  std::vector<double> scores;
  for (std::size_t layer = 0; layer < shape.layers; ++layer) {
    for (std::size_t head = 0; head < shape.heads; ++head) {
      const HeadPlace place = {layer, head};
      if (!score(text, ids, without({&place, 1}, shape.head_width), scores)) return std::nullopt;
      for (std::size_t i = 0; i < scores.size(); ++i) sweep.changes.push_back(scores[i] - sweep.before[i]);
    }
  }
  return sweep;
}

double total(std::span<const double> values) { return std::accumulate(values.begin(), values.end(), 0.0); }

}  // namespace kinglet
